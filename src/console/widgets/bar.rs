//! Progress bars and sparklines.

use egui::accesskit::Role;
use egui::{CornerRadius, Rect, Response, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::console::theme::{self, Tone, space};

/// A bar as wide as there is room; `share` is from 0 to 1.
pub fn progress(ui: &mut Ui, share: f32, tone: Tone, label: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), space::BAR_HEIGHT), Sense::hover());
    let tokens = theme::of(ui);
    let corners = CornerRadius::same(3);
    ui.painter().rect_filled(rect, corners, tokens.raised);
    let share = share.clamp(0.0, 1.0);
    if share > 0.0 {
        let done = Rect::from_min_size(rect.min, vec2((rect.width() * share).max(space::BAR_HEIGHT), rect.height()));
        ui.painter().rect_filled(done, corners, tokens.colour(tone));
    }
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, format!("{label} {:.0} %", share * 100.0)));
    response
}

/// Bars from left to right, the highest value as high as there is room; what is not known leaves a gap. Never wider than its place.
pub fn sparkline(ui: &mut Ui, values: &[Option<f32>], full: f32, tone: Tone, label: &str) -> Response {
    let size = vec2(space::SPARK.x.min(ui.available_width()), space::SPARK.y);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let tokens = theme::of(ui);
    let step = rect.width() / values.len().max(1) as f32;
    for (place, value) in values.iter().enumerate() {
        let left = rect.left() + step * place as f32;
        let Some(value) = value else {
            ui.painter().hline(left..=left + step, rect.bottom() - 1.0, egui::Stroke::new(1.0, tokens.line2));
            continue;
        };
        let share = if full > 0.0 { (value / full).clamp(0.0, 1.0) } else { 0.0 };
        let top = rect.bottom() - (rect.height() * share).max(3.0);
        let bar = Rect::from_min_max(pos2(left, top), pos2((left + step + 0.5).min(rect.right()), rect.bottom()));
        ui.painter().rect_filled(bar, 0.0, tokens.colour(tone));
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label));
    response.on_hover_text(label)
}
