//! Dialogs over everything, and toasts that pass. A dialog has a head and a foot that stay; what is between them scrolls.

use egui::{Align2, Area, Context, Frame, Id, Margin, Modal, Order, Ui, vec2};

use super::text::{scrolled, wrapped};
use crate::console::said::Said;
use crate::console::theme::{self, Tokens, Type, space};

/// Left and right, above and below inside a dialog.
const INSIDE: Margin = Margin::symmetric(26, 22);

/// The part of a dialog below its head. However much there is to read, the foot stays in the window.
pub struct Sheet<'a> {
    ui: &'a mut Ui,
    id: Id,
    /// For the body and the foot together.
    room: f32,
}

impl<'a> Sheet<'a> {
    /// A sheet of at most that height; `id` tells it from others.
    pub fn new(ui: &'a mut Ui, id: impl std::hash::Hash + std::fmt::Debug, room: f32) -> Sheet<'a> {
        Sheet { id: ui.unique_id().with(id), ui, room }
    }

    /// What is read. It scrolls where it is too high.
    pub fn body(&mut self, add: impl FnOnce(&mut Ui)) {
        // As high as the foot was when it was last drawn.
        let foot: f32 = self.ui.data(|data| data.get_temp(self.id)).unwrap_or(space::CONTROL_HEIGHT + space::FOOT_GAP);
        let height = (self.room - foot).max(space::LEAST_BODY);
        scrolled(self.ui, "body", height, add);
    }

    /// What is typed to confirm, and the buttons. Drawn after the body.
    pub fn foot(&mut self, add: impl FnOnce(&mut Ui)) {
        self.ui.add_space(space::FOOT_GAP);
        let height = self.ui.vertical(add).response.rect.height() + space::FOOT_GAP;
        let before: Option<f32> = self.ui.data(|data| data.get_temp(self.id));
        if before.is_none_or(|before| (before - height).abs() > 0.5) {
            self.ui.data_mut(|data| data.insert_temp(self.id, height));
            self.ui.ctx().request_discard("a dialog's foot has another height");
        }
    }
}

/// What a dialog and the fault prompt look like.
pub fn sheet_frame(tokens: &Tokens, line: egui::Color32) -> Frame {
    Frame::NONE
        .fill(tokens.raised)
        .stroke(egui::Stroke::new(1.0, line))
        .corner_radius(egui::CornerRadius::same(space::CARD_RADIUS))
        .inner_margin(INSIDE)
}

/// A dialog; returns true when the person leaves it (Esc, or a click outside).
pub fn dialog(ctx: &Context, id: &str, title: &str, width: f32, add: impl FnOnce(&mut Sheet<'_>)) -> bool {
    let tokens = if ctx.global_style().visuals.dark_mode { theme::Tokens::dark() } else { theme::Tokens::light() };
    let area = Modal::default_area(Id::unique(id)).accessible_name(title);
    let frame = sheet_frame(tokens, tokens.line2);
    let shown = Modal::new(Id::unique(id)).area(area).frame(frame).backdrop_color(tokens.scrim).show(ctx, |ui| {
        let screen = ui.ctx().content_rect();
        ui.set_width(width.min(screen.width() - INSIDE.sum().x - 2.0 * space::GAP));
        let top = ui.cursor().top();
        wrapped(ui, &[Said::plain(title).of(Type::Title)]);
        ui.add_space(space::ROW);
        let head = ui.cursor().top() - top;
        let mut sheet = Sheet::new(ui, id, screen.height() - 2.0 * space::GAP - INSIDE.sum().y - head);
        add(&mut sheet);
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
