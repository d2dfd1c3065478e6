//! Buttons: plain, primary, dangerous, chosen.

use egui::accesskit::Role;
use egui::{Color32, CornerRadius, CursorIcon, Response, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

use crate::console::said::Said;
use crate::console::theme::{self, Tokens, Type, space};

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// One of several.
    Plain,
    /// What one came for.
    Primary,
    /// What cannot be undone.
    Danger,
    /// A plain one that is switched on.
    Chosen,
}

struct Paint {
    fill: Color32,
    border: Color32,
    text: Color32,
}

fn paint_of(look: Look, tokens: &Tokens, response: &Response, enabled: bool) -> Paint {
    let warm = enabled && (response.hovered() || response.is_pointer_button_down_on());
    let lift = |colour: Color32| if warm { colour.lerp_to_gamma(tokens.text, 0.12) } else { colour };
    match look {
        Look::Plain => Paint { fill: lift(tokens.raised), border: tokens.line2, text: tokens.text },
        Look::Chosen => Paint { fill: tokens.accent_bg, border: tokens.accent, text: tokens.text },
        Look::Primary => Paint { fill: lift(tokens.accent), border: tokens.accent, text: tokens.on_accent },
        Look::Danger => Paint { fill: lift(tokens.bad), border: tokens.bad, text: tokens.on_bad },
    }
}

/// A button.
pub fn button(ui: &mut Ui, look: Look, text: &str, enabled: bool) -> Response {
    sized(ui, look, text, enabled, (space::BUTTON_X, space::CONTROL_HEIGHT))
}

/// A button in a table's row.
pub fn small_button(ui: &mut Ui, text: &str, enabled: bool) -> Response {
    sized(ui, Look::Plain, text, enabled, (space::FIELD, space::CHIP_HEIGHT + space::TINY))
}

fn sized(ui: &mut Ui, look: Look, text: &str, enabled: bool, (pad, height): (f32, f32)) -> Response {
    let enabled = enabled && ui.is_enabled();
    let face = if matches!(look, Look::Primary | Look::Danger) { Type::Strong } else { Type::Button };
    let galley = ui.painter().layout_job(super::text::job(ui, &[Said::plain(text).of(face)]));
    let size = vec2(galley.size().x + 2.0 * pad, height);
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(size, sense);
    let tokens = theme::of(ui);
    let paint = paint_of(look, tokens, &response, enabled);
    let fade = |colour: Color32| if enabled { colour } else { colour.gamma_multiply(ui.visuals().disabled_alpha()) };
    let border = if response.has_focus() { tokens.text } else { paint.border };
    let corners = CornerRadius::same(space::RADIUS);
    ui.painter().rect(rect, corners, fade(paint.fill), Stroke::new(1.0, fade(border)), StrokeKind::Inside);
    ui.painter().galley_with_override_text_color(rect.center() - galley.size() / 2.0, galley, fade(paint.text));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, text));
    if enabled { response.on_hover_cursor(CursorIcon::PointingHand) } else { response }
}
