//! Draws the runs.

use egui::Ui;

use super::data::row;
use crate::console::command::{Act, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::widgets::{self, Cell, Surface, Table};
use crate::controller::snapshot::{PairView, RunView};

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, acts: &mut Vec<Act>) {
    let runs: Vec<&RunView> = scene.snapshot.runs.iter().filter(|run| run.report.pair == pair.name).collect();
    widgets::page_head(
        ui,
        "Runs",
        |ui| {
            widgets::say(ui, &Said::muted("under way, and the newest that ended"));
        },
        |_| {},
    );
    let columns = [
        widgets::text("Service"),
        widgets::whole("Moment"),
        widgets::text("Started by"),
        widgets::whole("Took"),
        widgets::whole("Copied"),
        widgets::whole("Skew"),
        widgets::whole("State"),
        widgets::share("Why", 1.0),
    ];
    widgets::card(ui, Surface::Table, |ui| {
        let reply = Table::new("runs", &columns).clickable(None).show(ui, runs.len(), |number| {
            let data = row(scene, runs[number]);
            vec![
                Said::plain(data.service).strong().into(),
                Said::plain(data.moment).into(),
                Said::muted(data.started).into(),
                Said::plain(data.took).into(),
                Said::plain(data.copied).into(),
                data.skew.into(),
                Cell::Chip(data.state),
                Said::bad(data.why).into(),
            ]
        });
        if let Some(run) = reply.clicked.and_then(|number| runs.get(number)) {
            acts.push(Act::Do(UiCommand::ShowRun(run.run)));
        }
        if runs.is_empty() {
            widgets::say(ui, &Said::muted("  No run yet."));
        }
    });
}
