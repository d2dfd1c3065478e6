//! Draws the drills screen.

use egui::Ui;

use super::data::words;
use crate::console::command::{Act, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::space;
use crate::console::widgets::{self, Look, Surface};

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
    widgets::page_head(
        ui,
        "Drills",
        |ui| {
            widgets::chip(ui, &Said::muted("not in this version"));
        },
        |_| {},
    );
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(ui, "Test a failover without touching production", "");
        for paragraph in words() {
            widgets::wrapped(ui, &[Said::muted(paragraph)]);
            ui.add_space(space::SMALL);
        }
        ui.add_space(space::TINY);
        if scene.lab_there && widgets::button(ui, Look::Plain, &UiCommand::OpenLab.title(), true).clicked() {
            acts.push(Act::Do(UiCommand::OpenLab));
        }
    });
}
