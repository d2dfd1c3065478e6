//! Cards, and cards side by side with equal heights.

use egui::{Color32, CornerRadius, Frame, Id, Margin, Stroke, Ui, UiBuilder, pos2, vec2};

use crate::console::theme::{self, Tokens, space};

/// What a card looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Surface {
    /// An ordinary card.
    #[default]
    Plain,
    /// One that matters: the primary's, or a summary.
    Accent,
    /// The secondary's.
    Secondary,
    /// One of several that is chosen.
    Chosen,
    /// A card in a card.
    Sunken,
    /// One to act on.
    Bad,
    /// A card that holds only a table.
    Table,
}

impl Surface {
    fn colours(self, tokens: &Tokens) -> (Color32, Color32) {
        match self {
            Surface::Plain | Surface::Table => (tokens.panel, tokens.line),
            Surface::Accent => (tokens.panel, tokens.accent_line),
            Surface::Secondary => (tokens.panel, tokens.sec_line),
            Surface::Chosen => (tokens.chosen, tokens.accent),
            Surface::Sunken => (tokens.bg, tokens.line),
            Surface::Bad => (tokens.panel, tokens.bad),
        }
    }

    fn margin(self) -> Margin {
        if self == Surface::Table { Margin { left: 4, right: 4, top: 10, bottom: 2 } } else { Margin::same(space::CARD) }
    }

    /// The frame itself.
    pub fn frame(self, tokens: &Tokens) -> Frame {
        let (fill, line) = self.colours(tokens);
        Frame::NONE
            .fill(fill)
            .stroke(Stroke::new(1.0, line))
            .corner_radius(CornerRadius::same(space::CARD_RADIUS))
            .inner_margin(self.margin())
    }
}

/// A card over the whole width, at least `min_height` high. Returns the height that its content needs.
pub fn card_at_least(ui: &mut Ui, surface: Surface, min_height: f32, add: impl FnOnce(&mut Ui)) -> f32 {
    let frame = surface.frame(theme::of(ui));
    let around = frame.total_margin().sum().y;
    let mut needs = 0.0;
    frame.show(ui, |ui| {
        ui.take_available_width();
        let inner = ui.vertical(|ui| {
            ui.take_available_width();
            add(ui);
        });
        needs = inner.response.rect.height() + around;
        let lacking = min_height - needs;
        if lacking > 0.5 {
            ui.add_space(lacking);
        }
    });
    needs
}

/// A card over the whole width.
pub fn card(ui: &mut Ui, surface: Surface, add: impl FnOnce(&mut Ui)) {
    card_at_least(ui, surface, 0.0, add);
}

/// One place in a row of [`columns`].
#[derive(Debug)]
pub struct Cell {
    min_height: f32,
    needs: f32,
}

impl Cell {
    /// A card as high as the highest of its row.
    pub fn card(&mut self, ui: &mut Ui, surface: Surface, add: impl FnOnce(&mut Ui)) {
        self.needs = card_at_least(ui, surface, self.min_height, add);
    }

    /// Something without a border.
    pub fn bare(&mut self, ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
        self.needs = ui.vertical(add).response.rect.height();
    }

    /// The row's height as it was last drawn.
    pub fn height(&self) -> f32 {
        self.min_height
    }
}

/// The same columns where there is so much width; else one below the other.
pub fn columns_or_rows(ui: &mut Ui, salt: &str, weights: &[f32], gap: f32, least: f32, mut add: impl FnMut(&mut Ui, usize, &mut Cell)) {
    if ui.available_width() >= least {
        return columns(ui, salt, weights, gap, add);
    }
    for place in 0..weights.len() {
        if place > 0 {
            ui.add_space(gap);
        }
        ui.push_id((salt, place), |ui| add(ui, place, &mut Cell { min_height: 0.0, needs: 0.0 }));
    }
}

/// Draws `weights.len()` columns; a weight above 10 is a width in points, others share what is left.
///
/// The highest need of the last pass is the height of all; where it changed, the pass is drawn again at once.
pub fn columns(ui: &mut Ui, salt: &str, weights: &[f32], gap: f32, mut add: impl FnMut(&mut Ui, usize, &mut Cell)) {
    let id: Id = ui.unique_id().with(salt);
    let remembered: f32 = ui.data(|data| data.get_temp(id)).unwrap_or(0.0);
    let fixed: f32 = weights.iter().filter(|weight| **weight > 10.0).sum();
    let shares: f32 = weights.iter().filter(|weight| **weight <= 10.0).sum();
    let free = (ui.available_width() - gap * (weights.len().saturating_sub(1)) as f32 - fixed).max(0.0);
    let top = ui.cursor().min;
    let (mut left, mut highest) = (top.x, 0.0f32);
    for (place, weight) in weights.iter().enumerate() {
        let width = if *weight > 10.0 { *weight } else { free * weight / shares };
        let rect = egui::Rect::from_min_size(pos2(left, top.y), vec2(width, f32::INFINITY));
        let mut child = ui.new_child(UiBuilder::new().id_salt((salt, place)).max_rect(rect));
        child.set_width(width);
        let mut cell = Cell { min_height: remembered, needs: 0.0 };
        add(&mut child, place, &mut cell);
        highest = highest.max(cell.needs);
        left += width + gap;
    }
    ui.allocate_rect(egui::Rect::from_min_size(top, vec2(left - gap - top.x, highest.max(1.0))), egui::Sense::hover());
    if (highest - remembered).abs() > 0.5 {
        ui.data_mut(|data| data.insert_temp(id, highest));
        ui.ctx().request_discard("a row of cards has another height");
    }
}
