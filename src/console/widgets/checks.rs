//! Lines of a check: nothing in them is cut, what has no room wraps.

use egui::{Stroke, Ui};

use super::text::{job, wrapped};
use super::{card, say};
use crate::console::said::Said;
use crate::console::theme::{self, Type, space};

/// The sign's column.
const SIGN: f32 = 24.0;
/// The largest share that what is checked takes from what was seen.
const NAMES: f32 = 0.42;

/// Sign, what is checked, what was seen. `heads` stand above the last two; empty: none do.
pub fn checks(ui: &mut Ui, id: &str, heads: [&str; 2], rows: &[[Said; 3]]) {
    let width = |said: &Said| ui.painter().layout_job(job(ui, std::slice::from_ref(said))).size().x.ceil();
    let widest = rows.iter().map(|row| width(&row[1])).fold(0.0, f32::max);
    let names = widest.clamp(space::LEAST_TEXT, (ui.available_width() * NAMES).max(space::LEAST_TEXT));
    let widths = [SIGN, names, 1.0];
    if heads.iter().any(|head| !head.is_empty()) {
        card::columns(ui, &format!("{id} heads"), &widths, space::ROW, |ui, place, cell| {
            cell.bare(ui, |ui| drop(say(ui, &Said::muted(if place == 0 { "" } else { heads[place - 1] }).of(Type::Label))));
        });
        line(ui);
    }
    for (number, row) in rows.iter().enumerate() {
        card::columns(ui, &format!("{id} {number}"), &widths, space::ROW, |ui, place, cell| {
            cell.bare(ui, |ui| {
                ui.add_space(space::SMALL);
                wrapped(ui, std::slice::from_ref(&row[place]));
                ui.add_space(space::SMALL);
            });
        });
        line(ui);
    }
}

fn line(ui: &Ui) {
    ui.painter().hline(ui.max_rect().x_range(), ui.cursor().top(), Stroke::new(1.0, theme::of(ui).line));
}
