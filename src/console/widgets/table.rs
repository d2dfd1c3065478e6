//! Tables as in the mockups. Only rows that can be seen are made and drawn, however many there are.
//!
//! One rule says what may be cut: names and evidence ([`text`], [`share`]), whose whole is shown on hover. A state, an RPO, a time or a
//! figure with its unit ([`whole`]) never is: where even that has no room, the table scrolls sideways.

use egui::accesskit::Role;
use egui::{Align, CursorIcon, Id, Layout, Rect, ScrollArea, Sense, Stroke, Ui, UiBuilder, WidgetInfo, pos2, vec2};

use super::columns::{Column, Share, share_out};
use super::text::{job, line};
use super::{bar, chip};
use crate::console::said::{Said, read};
use crate::console::theme::{self, Tone, Type, space};

/// What is in a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Texts on one line.
    Line(Vec<Said>),
    /// A text, and what is read on hover.
    Hover(Said, String),
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

/// The widest that each column needed since the table came into view. So no column jumps while a figure in it changes, and a row that is
/// scrolled into view finds its room.
#[derive(Debug, Clone, Default)]
struct Needed {
    pass: u64,
    rows: usize,
    needs: Vec<f32>,
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
        let head = if self.head { space::TABLE_HEAD } else { 0.0 };
        let visible = self.visible(ui, ui.cursor().top() + head, rows);
        let needs = self.needs(ui, rows, visible, &row);
        let widths = share_out(self.columns, &needs, ui.available_width());
        if widths.iter().sum::<f32>() <= ui.available_width() + 0.5 {
            return self.draw(ui, rows, &widths, row);
        }
        let area = ScrollArea::horizontal().id_salt((self.id, "sideways")).auto_shrink([false, true]);
        area.show(ui, |ui| self.draw(ui, rows, &widths, row)).inner
    }

    fn draw(self, ui: &mut Ui, rows: usize, widths: &[f32], row: impl Fn(usize) -> Vec<Cell>) -> TableReply {
        if self.head {
            self.draw_head(ui, widths);
        }
        let top = ui.cursor().min;
        let width: f32 = widths.iter().sum();
        let (first, last) = self.visible(ui, top.y, rows);
        let (_, area) = ui.allocate_space(vec2(width, self.row_height * rows as f32));
        let mut reply = TableReply::default();
        for number in first..last {
            let rect = Rect::from_min_size(pos2(area.left(), top.y + self.row_height * number as f32), vec2(width, self.row_height));
            self.draw_row(ui, number, rect, widths, row(number), &mut reply);
        }
        reply
    }

    /// The rows in view: from the first up to the one before the last.
    fn visible(&self, ui: &Ui, top: f32, rows: usize) -> (usize, usize) {
        let clip = ui.clip_rect();
        let first = ((clip.top() - top) / self.row_height).floor().max(0.0) as usize;
        let last = (((clip.bottom() - top) / self.row_height).ceil().max(0.0) as usize).min(rows);
        (first.min(last), last)
    }

    fn needs(&self, ui: &Ui, rows: usize, visible: (usize, usize), row: &impl Fn(usize) -> Vec<Cell>) -> Vec<f32> {
        const MEASURED_ROWS: usize = 40;
        let id = ui.unique_id().with((self.id, "needs"));
        let pass = ui.ctx().cumulative_pass_nr();
        let before: Option<Needed> = ui.data(|data| data.get_temp(id));
        let before = before.filter(|before| before.rows == rows && pass <= before.pass + 1 && before.needs.len() == self.columns.len());
        let known = before.is_some();
        let mut needs = before.map_or_else(|| vec![0.0; self.columns.len()], |before| before.needs);
        let first = if known { visible.0 } else { 0 };
        for cells in (first..visible.1.max(if known { 0 } else { rows.min(MEASURED_ROWS) })).map(row) {
            for (need, cell) in needs.iter_mut().zip(&cells) {
                *need = need.max(cell_width(ui, cell).ceil());
            }
        }
        ui.data_mut(|data| data.insert_temp(id, Needed { pass, rows, needs: needs.clone() }));
        let with_head = |(column, need): (&Column, f32)| {
            // A head may be cut where the column's own contents are not.
            let head = if self.head { text_width(ui, &[Said::plain(column.head).of(Type::Label)]) } else { 0.0 };
            match column.share {
                Share::Whole => need.max(head.min(space::LEAST_TEXT)),
                _ => need.max(head),
            }
        };
        self.columns.iter().zip(needs).map(with_head).map(|need| need.ceil() + 2.0 * space::CELL_X).collect()
    }

    fn draw_head(&self, ui: &mut Ui, widths: &[f32]) {
        let (_, rect) = ui.allocate_space(vec2(widths.iter().sum(), space::TABLE_HEAD));
        let mut left = rect.left();
        for (column, width) in self.columns.iter().zip(widths).filter(|(_, width)| **width > 0.0) {
            let cell = Rect::from_min_size(pos2(left, rect.top()), vec2(*width, rect.height()));
            in_cell(ui, (self.id, "head", column.head), cell, |ui| {
                line(ui, &[Said::muted(column.head).of(Type::Label)]);
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
        for (place, (cell, width)) in cells.into_iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0.0) {
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
        Cell::Hover(said, words) => {
            let shown = line(ui, std::slice::from_ref(&said));
            if !words.is_empty() {
                shown.on_hover_text(words);
            }
        }
        Cell::Chip(said) => drop(chip::chip(ui, &said)),
        Cell::Bar(share, tone, label) => drop(bar::progress(ui, share, tone, &label)),
        Cell::Spark(values, full, tone, label) => drop(bar::sparkline(ui, &values, full, tone, &label)),
    }
}

fn text_width(ui: &Ui, spans: &[Said]) -> f32 {
    ui.painter().layout_job(job(ui, spans)).size().x
}

fn cell_width(ui: &Ui, cell: &Cell) -> f32 {
    match cell {
        Cell::Line(spans) => text_width(ui, spans),
        Cell::Hover(said, _) => text_width(ui, std::slice::from_ref(said)),
        Cell::Chip(said) => chip::width(ui, said),
        Cell::Spark(..) => space::SPARK.x,
        Cell::Bar(..) => 0.0,
    }
}

fn row_text(cells: &[Cell]) -> String {
    let texts = cells.iter().filter_map(|cell| match cell {
        Cell::Line(spans) => Some(read(spans)),
        Cell::Chip(said) | Cell::Hover(said, _) => Some(said.text.clone()),
        _ => None,
    });
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

fn in_cell(ui: &mut Ui, salt: impl std::hash::Hash + std::fmt::Debug, rect: Rect, add: impl FnOnce(&mut Ui)) {
    let inner = rect.shrink2(vec2(space::CELL_X, 0.0));
    let builder = UiBuilder::new().id_salt(Id::unique(salt)).max_rect(inner).layout(Layout::left_to_right(Align::Center));
    let mut child = ui.new_child(builder);
    add(&mut child);
}

fn underline(ui: &Ui, rect: Rect) {
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, theme::of(ui).line));
}
