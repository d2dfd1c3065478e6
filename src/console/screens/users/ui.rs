//! Draws user data.

use egui::{Align, Layout, Ui};

use super::data::{State, changes, chip, counts, row};
use crate::console::command::{Act, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{Type, space};
use crate::console::widgets::{self, Cell, Look, Surface, Table};
use crate::console::words;
use crate::controller::snapshot::PairView;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, state: &mut State, acts: &mut Vec<Act>) {
    let rows = changes(pair, state).to_vec();
    let names = |place: usize| pair.clusters.get(place).map_or("?", |cluster| cluster.name.as_str());
    widgets::page_head(
        ui,
        "User data",
        |ui| {
            widgets::chip(ui, &chip(scene, pair, &rows));
        },
        |ui| {
            let words = if state.busy == Some(true) { "Reading both sides…".to_owned() } else { UiCommand::ReadUsers.title() };
            if widgets::button(ui, Look::Plain, &words, state.busy.is_none()).clicked() {
                acts.push(Act::Do(UiCommand::ReadUsers));
            }
        },
    );
    let figures = counts(pair, &rows);
    widgets::columns(ui, "counts", &[1.0; 4], space::GAP, |ui, place, cell| {
        cell.card(ui, Surface::Plain, |ui| {
            widgets::line(
                ui,
                &[Said::plain(&figures[place].number).of(Type::Figure), Said::muted(format!(" {}", figures[place].what)).strong()],
            );
            widgets::say(ui, &figures[place].state);
        });
    });
    ui.add_space(space::GAP);
    if let Some(trouble) = &pair.users.trouble {
        widgets::card(ui, Surface::Bad, |ui| drop(widgets::wrapped(ui, &[Said::bad(format!("✖ {trouble}"))])));
        ui.add_space(space::GAP);
    }
    widgets::card(ui, Surface::Table, |ui| {
        let heads = ["Kind", "Object", "At the primary", "At the secondary", "Last applied", "Will", ""];
        let columns = heads.map(|head| if ["Kind", "Will", ""].contains(&head) { widgets::whole(head) } else { widgets::text(head) });
        Table::new("differences", &columns).show(ui, rows.len(), |number| row(&rows[number]).into_iter().map(Cell::from).collect());
        if rows.is_empty() {
            widgets::say(ui, &Said::ok("  ✓ No differences are known."));
            ui.add_space(space::ROW);
        }
    });
    ui.add_space(space::GAP);
    below(ui, pair, names(1), state);
    ui.add_space(16.0);
    widgets::row(ui, |ui| {
        widgets::say(
            ui,
            &Said::muted(format!("Removals come first, additions last: at no time does {} allow more than {}.", names(1), names(0))),
        );
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let words = if state.busy == Some(false) {
                "Applying…".to_owned()
            } else {
                format!("Apply {}", words::plural(rows.len() as u64, "change"))
            };
            if widgets::button(ui, Look::Primary, &words, !rows.is_empty() && state.busy.is_none()).clicked() {
                acts.extend(state.sync(&pair.name, false).map(|(place, command)| Act::Ask(place, Box::new(command))));
            }
        });
    });
}

fn below(ui: &mut Ui, pair: &PairView, secondary: &str, state: &mut State) {
    widgets::columns_or_rows(ui, "below", &[1.3, 1.0], space::GAP, space::TWO_CARDS, |ui, place, cell| {
        cell.card(ui, Surface::Plain, |ui| match place {
            0 => {
                widgets::heading(ui, "The last time", "");
                widgets::wrapped(ui, &[last(pair, secondary, state)]);
                if let Some(Ok(brought)) = &state.brought {
                    for line in &brought.failed {
                        widgets::wrapped(ui, &[Said::bad(format!("✖ {line}"))]);
                    }
                }
            }
            _ => {
                widgets::heading(ui, "How it is applied now", "with every run, each policy says so itself");
                if widgets::choice(ui, !state.by_controller, &[Said::plain("The primary sends its user data")]) {
                    state.by_controller = false;
                }
                if widgets::choice(ui, state.by_controller, &[Said::plain("The controller reads both and adjusts the secondary")]) {
                    state.by_controller = true;
                }
            }
        });
    });
}

fn last(pair: &PairView, secondary: &str, state: &State) -> Said {
    match (&state.brought, state.busy) {
        (_, Some(true)) => Said::muted("Reading both sides…"),
        (_, Some(false)) => Said::muted(format!("Applying to {secondary}…")),
        (Some(Err(trouble)), _) => Said::bad(format!("✖ {trouble}")),
        (Some(Ok(brought)), _) if brought.applied == 0 => {
            Said::plain(format!("{} found, nothing applied.", words::plural(brought.changes.len() as u64, "difference")))
        }
        (Some(Ok(brought)), _) => Said::ok(format!("✓ {} applied to {secondary}.", words::plural(brought.applied, "change"))),
        (None, _) if pair.users.at.is_none() => Said::muted("Both sides were never compared. Read them to see what differs."),
        (None, _) => Said::muted("Differences found by the last comparison are listed above; nothing is applied before you say so."),
    }
}
