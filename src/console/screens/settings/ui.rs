//! Draws the settings.

use std::path::Path;

use egui::Ui;

use super::data::{about, watching};
use crate::console::command::{Act, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{Preference, space};
use crate::console::widgets::{self, Cell, Look, Surface, Table};

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, preference: Preference, state_dir: &Path, acts: &mut Vec<Act>) {
    widgets::page_head(ui, "Settings", |_| {}, |_| {});
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(ui, "Theme", "");
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::ROW;
            for (choice, words) in [(Preference::Dark, "Dark"), (Preference::Light, "Light"), (Preference::System, "As the desktop says")] {
                let look = if preference == choice { Look::Chosen } else { Look::Plain };
                if widgets::button(ui, look, words, true).clicked() {
                    acts.push(Act::Do(UiCommand::Theme(choice)));
                }
            }
        });
    });
    ui.add_space(space::GAP);
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(ui, "Plan", "pairs, services and policies as a file; enrolment codes are never written");
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::ROW;
            for command in [UiCommand::OpenPlan, UiCommand::ExportPlan] {
                if widgets::button(ui, Look::Plain, &command.title(), true).clicked() {
                    acts.push(Act::Do(command));
                }
            }
        });
    });
    ui.add_space(space::GAP);
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(ui, "Faults", "");
        for line in watching(scene.snapshot.observing) {
            widgets::wrapped(ui, &[line]);
        }
    });
    ui.add_space(space::GAP);
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(ui, "About Understudy", "");
        let lines = about(state_dir, scene.zone, scene.now);
        let columns = [widgets::points("", 160.0), widgets::share("", 1.0)];
        Table::new("about", &columns)
            .headless()
            .show(ui, lines.len(), |number| vec![Said::muted(lines[number].0).into(), Cell::from(Said::plain(&lines[number].1))]);
    });
}
