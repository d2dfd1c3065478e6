//! Draws the services screen.

use egui::{Align, Layout, Ui};

use super::data::{line, missed};
use crate::console::command::{Act, Dialog, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::space;
use crate::console::widgets::{self, Cell, Look, Surface, Table};
use crate::controller::snapshot::PairView;
use crate::domain::ServiceName;

/// Which service is chosen.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Its name.
    pub chosen: Option<ServiceName>,
}

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, state: &mut State, acts: &mut Vec<Act>) {
    let chosen = pair.services.iter().position(|service| Some(&service.name) == state.chosen.as_ref());
    let chosen = chosen.or((!pair.services.is_empty()).then_some(0));
    widgets::page_head(
        ui,
        "Services",
        |ui| {
            widgets::say(
                ui,
                &Said::muted(format!("backed up from {}", pair.clusters.first().map_or("?", |cluster| cluster.name.as_str()))),
            );
        },
        |ui| {
            if widgets::button(ui, Look::Primary, &UiCommand::NewService.title(), true).clicked() {
                acts.push(Act::Do(UiCommand::NewService));
            }
        },
    );
    let columns = [
        widgets::text("Service"),
        widgets::text("Owner"),
        widgets::text("Data sets"),
        widgets::text("Moments"),
        widgets::extra("Copy"),
        widgets::whole("RPO now / target"),
        widgets::extra("Keeps"),
        widgets::whole("State"),
    ];
    widgets::card(ui, Surface::Table, |ui| {
        let reply = Table::new("services", &columns).clickable(chosen).show(ui, pair.services.len(), |row| {
            let data = line(scene, &pair.services[row]);
            let mut cells: Vec<Cell> = vec![Said::plain(data.name).strong().into()];
            cells.push(Said::muted(data.owner).into());
            cells.extend([data.data_sets, data.moments, data.copy, data.rpo, data.keep].map(|text| Cell::from(Said::plain(text))));
            cells.push(Cell::Chip(data.state));
            cells
        });
        if let Some(service) = reply.clicked.and_then(|row| pair.services.get(row)) {
            state.chosen = Some(service.name.clone());
        }
        if pair.services.is_empty() {
            widgets::say(ui, &Said::muted("  No service yet."));
            ui.add_space(space::ROW);
        }
    });
    if let Some(service) = chosen.and_then(|row| pair.services.get(row)) {
        ui.add_space(space::GAP);
        actions(ui, &service.name, acts);
    }
    let missed = missed(scene, &pair.services);
    if !missed.is_empty() {
        ui.add_space(space::GAP);
        widgets::card(ui, Surface::Plain, |ui| {
            widgets::heading(ui, "Missed moments", "recorded, never made up for in a burst");
            let columns = [widgets::text(""), widgets::share("", 1.0)];
            Table::new("missed", &columns)
                .headless()
                .show(ui, missed.len(), |row| vec![Said::plain(&missed[row].0).into(), Said::muted(&missed[row].1).into()]);
        });
    }
}

fn actions(ui: &mut Ui, service: &ServiceName, acts: &mut Vec<Act>) {
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::row(ui, |ui| {
            widgets::say(ui, &Said::plain(service.as_str()).strong());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = space::ROW;
                let commands = [
                    ("Edit the policy…", UiCommand::EditService(service.clone())),
                    ("Recovery points", UiCommand::ShowPoints(service.clone())),
                    ("Back up now", UiCommand::RunService(service.clone())),
                ];
                for (words, command) in commands {
                    if widgets::button(ui, Look::Plain, words, true).clicked() {
                        acts.push(Act::Do(command));
                    }
                }
                if widgets::button(ui, Look::Plain, "Remove…", true).clicked() {
                    acts.push(Act::Open(Dialog::RemoveService(service.clone())));
                }
            });
        });
    });
}
