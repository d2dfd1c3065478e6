//! Dialogs over everything, and toasts that pass.

use egui::{Align2, Area, Context, Frame, Id, Margin, Modal, Order, Ui, vec2};

use super::text::wrapped;
use crate::console::said::Said;
use crate::console::theme::{self, Type, space};

/// A dialog; returns true when the person leaves it (Esc, or a click outside).
pub fn dialog(ctx: &Context, id: &str, title: &str, width: f32, add: impl FnOnce(&mut Ui)) -> bool {
    let tokens = if ctx.global_style().visuals.dark_mode { theme::Tokens::dark() } else { theme::Tokens::light() };
    let frame = Frame::NONE
        .fill(tokens.raised)
        .stroke(egui::Stroke::new(1.0, tokens.line2))
        .corner_radius(egui::CornerRadius::same(space::CARD_RADIUS))
        .inner_margin(Margin::symmetric(26, 22));
    let area = Modal::default_area(Id::unique(id)).accessible_name(title);
    let shown = Modal::new(Id::unique(id)).area(area).frame(frame).backdrop_color(tokens.scrim).show(ctx, |ui| {
        ui.set_width(width);
        super::say(ui, &Said::plain(title).of(Type::Title));
        ui.add_space(space::ROW);
        add(ui);
    });
    shown.should_close()
}

/// News that pass by themselves, at the lower right.
pub fn toasts(ctx: &Context, lines: &[Said]) {
    if lines.is_empty() {
        return;
    }
    let at = vec2(-f32::from(space::MAIN_X), -(space::FOOTER_HEIGHT + space::GAP));
    Area::new(Id::unique("toasts")).order(Order::Tooltip).anchor(Align2::RIGHT_BOTTOM, at).interactable(false).show(ctx, |ui| {
        ui.set_max_width(space::DIALOG_WIDTH);
        for said in lines {
            let tokens = theme::of(ui);
            let frame = super::Surface::Plain.frame(tokens).fill(tokens.raised).stroke(egui::Stroke::new(1.0, tokens.colour(said.tone)));
            frame.show(ui, |ui| wrapped(ui, std::slice::from_ref(said)));
            ui.add_space(space::SMALL);
        }
    });
}
