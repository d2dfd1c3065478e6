//! Draws the clusters screen.

use egui::{Align, Context, Layout, Ui};

use super::data::{ClusterDetail, about, detail, own_certificate, window_data};
use super::leftovers::{State, outcome, rows};
use super::maintenance::{Form, end, words};
use crate::console::command::{Act, Dialog, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::fault::ui::person;
use crate::console::theme::space;
use crate::console::widgets::{self, Cell, Field, Look, Surface, Table};
use crate::console::words::plural;
use crate::controller::command::Removal;
use crate::controller::snapshot::{PairView, WindowView};
use crate::domain::{Identity, PairName};

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, state: &mut State, acts: &mut Vec<Act>) {
    widgets::page_head(
        ui,
        "Clusters",
        |_| {},
        |ui| {
            if widgets::button(ui, Look::Plain, &UiCommand::PairClusters.title(), true).clicked() {
                acts.push(Act::Do(UiCommand::PairClusters));
            }
            if pair.reversible.is_some() && widgets::button(ui, Look::Primary, "Reverse replication…", true).clicked() {
                acts.push(Act::Do(UiCommand::ReverseReplication(pair.name.clone())));
            }
            if widgets::button(ui, Look::Plain, "Planned switchover…", pair.fault.is_none()).clicked() {
                acts.push(Act::Do(UiCommand::PlannedSwitchover(pair.name.clone())));
            }
            if widgets::button(ui, Look::Plain, "Maintenance…", true).clicked() {
                acts.push(Act::Do(UiCommand::Maintenance(pair.name.clone())));
            }
            if widgets::button(ui, Look::Plain, "Dissolve the pair…", true).clicked() {
                acts.push(Act::Open(Dialog::Remove(pair.name.clone(), Removal::Pair)));
            }
        },
    );
    widgets::wrapped(ui, &[Said::muted(about(pair))]);
    ui.add_space(space::ROW);
    if let Some(window) = &pair.window {
        widgets::card(ui, if window.held { Surface::Accent } else { Surface::Plain }, |ui| commit_window(ui, pair, window, acts));
        ui.add_space(space::GAP);
    }
    for cluster in &pair.clusters {
        let surface = if cluster.identity == Identity::Primary { Surface::Accent } else { Surface::Secondary };
        let data = detail(scene, pair, cluster);
        widgets::card(ui, surface, |ui| cluster_ui(ui, &data));
        ui.add_space(space::GAP);
    }
    this_console(ui, scene);
    widgets::card(ui, Surface::Plain, |ui| leftovers(ui, scene, pair, state, acts));
}

/// What both agents have in their cards, of the engine.
fn this_console(ui: &mut Ui, scene: &Scene<'_>) {
    let lines = own_certificate(scene);
    if lines.is_empty() {
        return;
    }
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::say(ui, &Said::plain("This console").strong());
        for line in lines {
            widgets::wrapped(ui, &[line]);
        }
    });
    ui.add_space(space::GAP);
}

/// A promotion that can still be taken back, or waits to be committed.
fn commit_window(ui: &mut Ui, pair: &PairView, window: &WindowView, acts: &mut Vec<Act>) {
    let data = window_data(window);
    widgets::row(ui, |ui| {
        widgets::say(ui, &data.title);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if window.held && widgets::button(ui, Look::Primary, "Commit the promotion…", true).clicked() {
                acts.push(Act::Do(UiCommand::CommitPromotion(pair.name.clone())));
            }
            if widgets::button(ui, Look::Plain, "Take it back…", window.refused.is_empty()).clicked() {
                acts.push(Act::Do(UiCommand::TakeBack(pair.name.clone())));
            }
        });
    });
    for line in data.lines {
        widgets::wrapped(ui, &[line]);
    }
}

fn cluster_ui(ui: &mut Ui, data: &ClusterDetail) {
    widgets::name_and_state(ui, &Said::plain(&data.name).strong(), &data.identity, &data.health);
    ui.add_space(space::FIELD);
    widgets::columns_or_rows(ui, &data.name, &[1.0, 1.0, 1.0], space::GAP, space::TWO_CARDS, |ui, place, cell| {
        cell.bare(ui, |ui| match place {
            0 => facts(ui, &data.facts[..4]),
            1 => facts(ui, &data.facts[4..]),
            _ => {
                widgets::say(ui, &Said::muted("Evidence"));
                for line in &data.evidence {
                    widgets::wrapped(ui, &[Said::plain(format!("· {line}"))]);
                }
            }
        });
    });
    if let Some(warning) = &data.warning {
        widgets::wrapped(ui, std::slice::from_ref(warning));
    }
    ui.add_space(space::SMALL);
    let columns = [
        widgets::whole("Component"),
        widgets::text("Version"),
        widgets::text("Where"),
        widgets::whole("State"),
        widgets::share("Seen", 1.0),
        widgets::whole("Used"),
        widgets::whole("Free"),
    ];
    Table::new(&data.name, &columns).show(ui, data.components.len(), |row| data.components[row].iter().cloned().map(Cell::from).collect());
}

fn leftovers(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, state: &mut State, acts: &mut Vec<Act>) {
    let found = rows(scene, state);
    let mut asked = None;
    widgets::row(ui, |ui| {
        widgets::say(ui, &Said::plain("Leftovers").strong());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let count = state.removable() as u64;
            if !found.is_empty() {
                let words =
                    if state.busy == Some(true) { "Removing…".to_owned() } else { format!("Remove {}", plural(count, "snapshot")) };
                if widgets::button(ui, Look::Plain, &words, state.busy.is_none() && count > 0).clicked() {
                    asked = Some(true);
                }
            }
            let words = if state.busy == Some(false) { "Looking at both clusters…" } else { "Look for leftovers" };
            if widgets::button(ui, Look::Plain, words, state.busy.is_none()).clicked() {
                asked = Some(false);
            }
        });
    });
    for line in outcome(state) {
        widgets::wrapped(ui, &[line]);
    }
    if !found.is_empty() {
        ui.add_space(space::SMALL);
        let columns = [widgets::whole("Cluster"), widgets::text("Data set"), widgets::text("Made for"), widgets::whole("Age")];
        Table::new("leftovers", &columns).show(ui, found.len(), |row| found[row].iter().cloned().map(Cell::from).collect());
        if state.has_unknown() {
            let words = Said::plain("Remove also what these agents did not make: another installation may count on it");
            widgets::check(ui, &mut state.unknown, &[words], state.busy.is_none());
        }
    }
    // Another installation may count on what no agent here made: what goes is shown first, and the pair's name is typed.
    if asked == Some(true) && state.unknown {
        acts.push(Act::Open(Dialog::Remove(pair.name.clone(), Removal::Leftovers)));
        asked = None;
    }
    let asked = asked.and_then(|remove| state.ask(&pair.name, remove, &person()));
    acts.extend(asked.map(|(place, command)| Act::Ask(place, Box::new(command))));
}

/// The dialog of a pair's maintenance. True when it is to be closed.
pub fn maintenance(ctx: &Context, scene: &Scene<'_>, pair: &PairName, form: &mut Form, acts: &mut Vec<Act>) -> bool {
    let Some(view) = scene.snapshot.pairs.iter().find(|view| view.name == *pair) else { return true };
    let mut done = false;
    let left = widgets::dialog(ctx, "maintenance", &format!("Maintenance of {pair}"), space::DIALOG_WIDTH + 60.0, |sheet| {
        sheet.body(|ui| {
            match &view.maintenance {
                Some(told) => drop(widgets::wrapped(ui, &[Said::warn(format!("▲ {}", words(scene, told)))])),
                None => drop(widgets::wrapped(
                    ui,
                    &[Said::muted(
                        "During the maintenance no alert is sent and no fault of this pair can be decided. The state is still shown. A fault \
                         that stands when it ends is reported at once.",
                    )],
                )),
            }
            ui.add_space(space::GAP);
            Field::new("For (at most 7d)").hint("2h").show(ui, &mut form.length);
            ui.add_space(space::SMALL);
            Field::new("Reason").hint("what is done, for those who look at the pair meanwhile").show(ui, &mut form.reason);
            ui.add_space(space::SMALL);
            widgets::check(ui, &mut form.pause_runs, &[Said::plain("Leave out scheduled runs: their moments count as missed")], true);
        });
        sheet.foot(|ui| {
            let missing = form.missing();
            let untouched = form.length.is_empty() && form.reason.is_empty();
            if !missing.is_empty() && !untouched {
                widgets::wrapped(ui, &[Said::warn(format!("▲ {missing}"))]);
                ui.add_space(space::SMALL);
            }
            widgets::actions(ui, |ui| {
                let title = if view.maintenance.is_some() { "Change it" } else { "Begin the maintenance" };
                let command = form.command(pair, &person());
                if widgets::button(ui, Look::Primary, title, command.is_some()).clicked()
                    && let Some((place, command)) = command
                {
                    acts.push(Act::Ask(place, Box::new(command)));
                    done = true;
                }
                if view.maintenance.is_some() && widgets::button(ui, Look::Plain, "End it now", true).clicked() {
                    let (place, command) = end(pair, &person());
                    acts.push(Act::Ask(place, Box::new(command)));
                    done = true;
                }
                done |= widgets::button(ui, Look::Plain, "Back", true).clicked();
            });
        });
    });
    done || left
}

fn facts(ui: &mut Ui, facts: &[(&'static str, Said)]) {
    for (key, value) in facts {
        ui.horizontal(|ui| {
            const KEY_WIDTH: f32 = 90.0;
            ui.spacing_mut().item_spacing.x = space::ROW;
            ui.scope(|ui| {
                ui.set_width(KEY_WIDTH);
                widgets::say(ui, &Said::muted(*key));
            });
            widgets::wrapped(ui, std::slice::from_ref(value));
        });
        ui.add_space(space::TINY);
    }
}
