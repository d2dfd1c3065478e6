//! Draws the activity.

use egui::Ui;

use super::data::{State, fitting, row};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::widgets::{self, Cell, Field, Surface, Table};

const FIND_WIDTH: f32 = 260.0;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, state: &mut State) {
    widgets::page_head(
        ui,
        "Activity",
        |ui| {
            widgets::say(ui, &Said::muted("the newest 500 lines"));
        },
        |ui| {
            ui.scope(|ui| {
                ui.set_max_width(FIND_WIDTH);
                Field::new("Find in the activity").unlabelled().hint("Find…").show(ui, &mut state.find);
            });
            widgets::check(ui, &mut state.only_troubles, &[Said::plain("Only troubles")], true);
        },
    );
    let lines = fitting(scene, state);
    let columns = [widgets::whole("When"), widgets::text("About"), widgets::share("What", 1.0)];
    widgets::card(ui, Surface::Table, |ui| {
        Table::new("activity", &columns).show(ui, lines.len(), |number| row(scene, lines[number]).into_iter().map(Cell::from).collect());
        if lines.is_empty() {
            widgets::say(ui, &Said::muted("  Nothing."));
        }
    });
}
