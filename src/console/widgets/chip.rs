//! Chips: a state in a word or two.

use egui::accesskit::Role;
use egui::{CornerRadius, Response, Sense, Ui, WidgetInfo, vec2};

use super::text::job;
use crate::console::said::Said;
use crate::console::theme::{self, Type, space};

/// The width a chip takes.
pub fn width(ui: &Ui, said: &Said) -> f32 {
    let galley = ui.painter().layout_job(job(ui, &[said.clone().of(Type::Chip)]));
    galley.size().x + 2.0 * space::CHIP_X
}

/// Draws a chip; the text is cut where there is no room.
pub fn chip(ui: &mut Ui, said: &Said) -> Response {
    let mut text = job(ui, &[said.clone().of(Type::Chip)]);
    text.wrap = egui::text::TextWrapping::truncate_at_width((ui.available_width() - 2.0 * space::CHIP_X).max(1.0));
    let galley = ui.painter().layout_job(text);
    let size = vec2(galley.size().x + 2.0 * space::CHIP_X, space::CHIP_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let tokens = theme::of(ui);
    ui.painter().rect_filled(rect, CornerRadius::same(space::CHIP_RADIUS), tokens.behind(said.tone));
    let elided = galley.elided;
    ui.painter().galley(rect.center() - galley.size() / 2.0, galley, tokens.colour(said.tone));
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said.text));
    if elided { response.on_hover_text(&said.text) } else { response }
}
