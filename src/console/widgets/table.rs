//! Tables as in the mockups. Only rows that can be seen are made and drawn, however many there are.

use egui::accesskit::Role;
use egui::{Align, CursorIcon, Layout, Rect, Sense, Stroke, Ui, UiBuilder, WidgetInfo, pos2, vec2};

use super::text::{job, line};
use super::{bar, chip};
use crate::console::said::{Said, read};
use crate::console::theme::{self, Tone, Type, space};

/// What is in a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Texts on one line.
    Line(Vec<Said>),
    /// A chip.
    Chip(Said),
    /// A progress bar: share, tone, what it measures.
    Bar(f32, Tone, String),
    /// A sparkline: values, the value of a full height, tone, what it shows.
    Spark(Vec<Option<f32>>, f32, Tone, String),
}

impl From<Said> for Cell {
    fn from(said: Said) -> Cell {
        Cell::Line(vec![said])
    }
}

/// A column: its head, and its width: 0 fits the content, up to 10 is a share of what is left, above is points.
pub type Column = (&'static str, f32);

/// A table.
#[derive(Debug)]
pub struct Table<'a> {
    id: &'a str,
    columns: &'a [Column],
    head: bool,
    clickable: bool,
    selected: Option<usize>,
    row_height: f32,
}

/// What the person did, and how much was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableReply {
    /// The row clicked.
    pub clicked: Option<usize>,
    /// Rows drawn.
    pub drawn: usize,
}

impl<'a> Table<'a> {
    /// A table; `id` is unique on its screen.
    pub fn new(id: &'a str, columns: &'a [Column]) -> Table<'a> {
        Table { id, columns, head: true, clickable: false, selected: None, row_height: space::TABLE_ROW }
    }
    /// Without a head.
    #[must_use]
    pub fn headless(mut self) -> Self {
        self.head = false;
        self
    }
    /// Rows can be clicked, and reached by Tab.
    #[must_use]
    pub fn clickable(mut self, selected: Option<usize>) -> Self {
        self.clickable = true;
        self.selected = selected;
        self
    }

    /// Draws it; `row` makes the cells of one row.
    pub fn show(self, ui: &mut Ui, rows: usize, row: impl Fn(usize) -> Vec<Cell>) -> TableReply {
        let widths = self.widths(ui, rows, &row);
        if self.head {
            self.draw_head(ui, &widths);
        }
        let top = ui.cursor().min;
        let width: f32 = widths.iter().sum();
        let full = vec2(width, self.row_height * rows as f32);
        let (_, area) = ui.allocate_space(full);
        let clip = ui.clip_rect();
        let first = ((clip.top() - top.y) / self.row_height).floor().max(0.0) as usize;
        let last = (((clip.bottom() - top.y) / self.row_height).ceil().max(0.0) as usize).min(rows);
        let mut reply = TableReply::default();
        for number in first..last.max(first) {
            let rect = Rect::from_min_size(pos2(area.left(), top.y + self.row_height * number as f32), vec2(width, self.row_height));
            self.draw_row(ui, number, rect, &widths, row(number), &mut reply);
        }
        reply
    }

    fn widths(&self, ui: &Ui, rows: usize, row: &impl Fn(usize) -> Vec<Cell>) -> Vec<f32> {
        const MEASURED_ROWS: usize = 40;
        let mut needs: Vec<f32> = self.columns.iter().map(|(head, _)| text_width(ui, &[Said::plain(*head).of(Type::Label)])).collect();
        if self.columns.iter().any(|(_, width)| *width == 0.0) {
            for cells in (0..rows.min(MEASURED_ROWS)).map(row) {
                for (need, cell) in needs.iter_mut().zip(&cells) {
                    *need = need.max(cell_width(ui, cell));
                }
            }
        }
        let needs: Vec<f32> = needs.iter().map(|need| need.ceil() + 2.0 * space::CELL_X).collect();
        share_out(self.columns, &needs, ui.available_width())
    }

    fn draw_head(&self, ui: &mut Ui, widths: &[f32]) {
        let (_, rect) = ui.allocate_space(vec2(widths.iter().sum(), space::TABLE_HEAD));
        let mut left = rect.left();
        for ((head, _), width) in self.columns.iter().zip(widths) {
            let cell = Rect::from_min_size(pos2(left, rect.top()), vec2(*width, rect.height()));
            in_cell(ui, (self.id, "head", *head), cell, |ui| {
                line(ui, &[Said::muted(*head).of(Type::Label)]);
            });
            left += width;
        }
        underline(ui, rect);
    }

    fn draw_row(&self, ui: &mut Ui, number: usize, rect: Rect, widths: &[f32], cells: Vec<Cell>, reply: &mut TableReply) {
        reply.drawn += 1;
        let tokens = theme::of(ui);
        if self.selected == Some(number) {
            ui.painter().rect_filled(rect, 0.0, tokens.selected);
        }
        if self.clickable {
            let response =
                ui.interact(rect, ui.unique_id().with((self.id, number)), Sense::click()).on_hover_cursor(CursorIcon::PointingHand);
            let name = row_text(&cells);
            response.widget_info(|| WidgetInfo::selected(Role::Row, true, self.selected == Some(number), &name));
            if response.hovered() {
                ui.painter().rect_filled(rect, 0.0, tokens.selected);
            }
            if response.has_focus() {
                ui.painter().rect_stroke(rect, 0.0, Stroke::new(1.0, tokens.accent), egui::StrokeKind::Inside);
            }
            if response.clicked() {
                reply.clicked = Some(number);
            }
        }
        let mut left = rect.left();
        for (place, (cell, width)) in cells.into_iter().zip(widths).enumerate() {
            let area = Rect::from_min_size(pos2(left, rect.top()), vec2(*width, rect.height()));
            in_cell(ui, (self.id, number, place), area, |ui| draw_cell(ui, cell));
            left += width;
        }
        underline(ui, rect);
    }
}

fn draw_cell(ui: &mut Ui, cell: Cell) {
    match cell {
        Cell::Line(spans) => drop(line(ui, &spans)),
        Cell::Chip(said) => drop(chip::chip(ui, &said)),
        Cell::Bar(share, tone, label) => drop(bar::progress(ui, share, tone, &label)),
        Cell::Spark(values, full, tone, label) => drop(bar::sparkline(ui, &values, full, tone, &label)),
    }
}

/// Columns that fit get their need and share what is left over; where there is too little, they are cut in proportion.
fn share_out(columns: &[Column], needs: &[f32], available: f32) -> Vec<f32> {
    let fixed: f32 = columns.iter().map(|(_, width)| if *width > 10.0 { *width } else { 0.0 }).sum();
    let fitting: f32 = columns.iter().zip(needs).filter(|((_, width), _)| *width == 0.0).map(|(_, need)| need).sum();
    let shares: f32 = columns.iter().map(|(_, width)| if *width > 0.0 && *width <= 10.0 { *width } else { 0.0 }).sum();
    let free = (available - fixed).max(0.0);
    let stretch = if fitting == 0.0 {
        1.0
    } else if shares > 0.0 {
        (free * 0.9 / fitting).min(1.0)
    } else {
        free / fitting
    };
    let left = (free - fitting * stretch).max(0.0);
    let width = |((_, width), need): (&Column, &f32)| match *width {
        0.0 => need * stretch,
        share if share <= 10.0 => left * share / shares,
        points => points,
    };
    columns.iter().zip(needs).map(width).collect()
}

fn text_width(ui: &Ui, spans: &[Said]) -> f32 {
    ui.painter().layout_job(job(ui, spans)).size().x
}

fn cell_width(ui: &Ui, cell: &Cell) -> f32 {
    match cell {
        Cell::Line(spans) => text_width(ui, spans),
        Cell::Chip(said) => chip::width(ui, said),
        Cell::Spark(..) => space::SPARK.x,
        Cell::Bar(..) => 0.0,
    }
}

fn row_text(cells: &[Cell]) -> String {
    let texts = cells.iter().filter_map(|cell| match cell {
        Cell::Line(spans) => Some(read(spans)),
        Cell::Chip(said) => Some(said.text.clone()),
        _ => None,
    });
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

fn in_cell(ui: &mut Ui, salt: impl std::hash::Hash + std::fmt::Debug, rect: Rect, add: impl FnOnce(&mut Ui)) {
    let inner = rect.shrink2(vec2(space::CELL_X, 0.0));
    let builder = UiBuilder::new().id_salt(egui::Id::unique(salt)).max_rect(inner).layout(Layout::left_to_right(Align::Center));
    let mut child = ui.new_child(builder);
    add(&mut child);
}

fn underline(ui: &Ui, rect: Rect) {
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, theme::of(ui).line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_table_and_never_more() {
        let columns: &[Column] = &[("a", 0.0), ("b", 200.0), ("c", 0.0)];
        for available in [300.0, 600.0, 1200.0] {
            let widths = share_out(columns, &[80.0, 0.0, 120.0], available);
            assert!((widths.iter().sum::<f32>() - available).abs() < 0.1, "{widths:?} in {available}");
        }
    }
}
