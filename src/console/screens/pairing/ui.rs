//! Draws the pairing form.

use egui::Ui;

use super::data::{Form, button, component_rows, tested, told};
use crate::console::command::{Act, Screen, UiCommand};
use crate::console::places::Side;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{Tone, space};
use crate::console::widgets::{self, Cell, Field, Look, Surface, Table};
use crate::console::words;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, form: &mut Form, acts: &mut Vec<Act>) {
    widgets::page_head(
        ui,
        "Pair clusters",
        |ui| {
            widgets::say(ui, &Said::muted("one primary, one secondary, matched component by component"));
        },
        |_| {},
    );
    widgets::columns_or_rows(ui, "sides", &[1.0, 1.0], space::GAP, space::TWO_CARDS, |ui, place, cell| {
        let (side, surface) = if place == 0 { (Side::Primary, Surface::Accent) } else { (Side::Secondary, Surface::Secondary) };
        cell.card(ui, surface, |ui| side_ui(ui, form, side, acts));
    });
    ui.add_space(space::GAP);
    checks(ui, scene, form, acts);
    ui.add_space(16.0);
    widgets::actions(ui, |ui| {
        if widgets::button(ui, Look::Primary, &button(form), form.may_pair()).clicked() {
            push(form.pair(), acts);
        }
        if widgets::button(ui, Look::Plain, "Cancel", true).clicked() {
            *form = Form::default();
            acts.push(Act::Do(UiCommand::Go(Screen::Clusters)));
        }
        let ready = form.request().is_some() && !form.checking;
        if form.checks.is_some() && widgets::button(ui, Look::Plain, "Check again", ready).clicked() {
            push(form.check(), acts);
        }
    });
}

fn push(asked: Option<(crate::console::places::Place, crate::controller::Command)>, acts: &mut Vec<Act>) {
    acts.extend(asked.map(|(place, command)| Act::Ask(place, Box::new(command))));
}

fn side_ui(ui: &mut Ui, form: &mut Form, side: Side, acts: &mut Vec<Act>) {
    let (title, identity) = match side {
        Side::Primary => ("Primary cluster", Said::new("PRIMARY identity", Tone::Accent)),
        Side::Secondary => ("Secondary cluster", Said::new("SECONDARY identity", Tone::Secondary)),
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::ROW;
        widgets::say(ui, &Said::plain(title).strong());
        widgets::chip(ui, &identity);
    });
    ui.add_space(space::FIELD);
    let (mut name, mut site) = told(form.side(side));
    widgets::columns(ui, "told", &[1.0, 1.0], space::FIELD, |ui, place, cell| {
        let (label, text) = if place == 0 { ("Name", &mut name) } else { ("Site", &mut site) };
        cell.bare(ui, |ui| drop(Field::new(label).hint("told by the agent").read_only().show(ui, text)));
    });
    ui.add_space(space::FIELD);
    let mut changed = false;
    widgets::columns(ui, "given", &[1.0, 1.0], space::FIELD, |ui, place, cell| {
        let fields = form.side(side);
        cell.bare(ui, |ui| {
            let response = if place == 0 {
                Field::new("Agent address").hint("host:7443").mono().show(ui, &mut fields.address)
            } else {
                Field::new("Enrolment code (from the agent)").hint("XXXX-XXXX-XXXX").mono().show(ui, &mut fields.code)
            };
            changed |= response.changed();
        });
    });
    if changed {
        form.side(side).touched();
        form.checks = None;
    }
    ui.add_space(space::ROW);
    widgets::row(ui, |ui| {
        let fields = form.side(side);
        let ready = !fields.address.trim().is_empty() && !fields.testing;
        let words = tested(fields);
        if widgets::button(ui, Look::Plain, "Test connection", ready).clicked() {
            push(form.test(side), acts);
        }
        widgets::line(ui, &words);
    });
}

fn checks(ui: &mut Ui, scene: &Scene<'_>, form: &mut Form, acts: &mut Vec<Act>) {
    match &form.checks {
        Some(Ok(checks)) => {
            let rows = component_rows(checks);
            let columns = [
                widgets::text("Primary: component"),
                widgets::text("stores"),
                widgets::text("capture"),
                widgets::points("", 40.0),
                widgets::text("Secondary: backed up by"),
                widgets::text("stores"),
                widgets::text("Compatible"),
            ];
            widgets::card(ui, Surface::Plain, |ui| {
                widgets::heading(ui, "Components", "");
                Table::new("components", &columns).show(ui, rows.len(), |row| rows[row].iter().cloned().map(Cell::Line).collect());
            });
            ui.add_space(space::GAP);
            let lines = words::check_rows(&checks.checks, scene.zone, scene.now);
            widgets::columns_or_rows(ui, "below", &[1.25, 1.0], space::GAP, space::TWO_CARDS, |ui, place, cell| {
                cell.card(ui, Surface::Plain, |ui| if place == 0 { check_list(ui, &lines) } else { options(ui, form) });
            });
        }
        Some(Err(trouble)) => widgets::card(ui, Surface::Bad, |ui| {
            widgets::heading(ui, "Pairing was refused, nothing was changed", "");
            widgets::wrapped(ui, &[Said::bad(format!("✖ {trouble}"))]);
        }),
        None => {
            widgets::card(ui, Surface::Plain, |ui| {
                widgets::heading(ui, "Components and checks", "");
                let words = if form.checking {
                    "Both agents are asked: components, clocks, rights, space, versions…"
                } else {
                    "Once both agents answered, their components are matched and everything that pairing needs is checked. Nothing is changed before you pair."
                };
                widgets::wrapped(ui, &[Said::muted(words)]);
            });
            push(form.check(), acts);
        }
    }
}

fn check_list(ui: &mut Ui, lines: &[[Said; 3]]) {
    widgets::heading(ui, "Checks before pairing", "");
    widgets::checks(ui, "checks", ["", ""], lines);
}

fn options(ui: &mut Ui, form: &mut Form) {
    widgets::heading(ui, "Options", "");
    let proposed = form.pair_name().map(|name| name.to_string()).unwrap_or_default();
    let wrong = !form.name.trim().is_empty() && form.pair_name().is_none();
    Field::new("Name of the pair").hint(&proposed).wrong(wrong).show(ui, &mut form.name);
    ui.add_space(space::FIELD);
    widgets::check(ui, &mut true, &[Said::plain("Ask me before every identity change "), Said::muted("(always on)")], false);
    widgets::wrapped(ui, &[Said::muted("Users, permissions and tenants are synced as each service's policy says.")]);
}
