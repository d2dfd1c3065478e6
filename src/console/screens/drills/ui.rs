//! Draws the drills screen.

use egui::{Align, Layout, Ui};

use super::data::{self, State};
use crate::console::command::{Act, UiCommand};
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::fault::ui::person;
use crate::console::theme::{Type, space};
use crate::console::widgets::{self, Cell, Field, Look, Surface, Table};
use crate::controller::Command;
use crate::controller::snapshot::{DrillView, PairView};
use crate::domain::drill::machine::Phase;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, state: &mut State, acts: &mut Vec<Act>) {
    acts.extend(state.look(pair).map(|(place, command)| Act::Ask(place, Box::new(command))));
    widgets::page_head(
        ui,
        "Drills",
        |ui| drop(widgets::say(ui, &Said::muted("a recovery point brought up beside production; replication goes on"))),
        |ui| choose(ui, scene, pair, state),
    );
    if pair.services.is_empty() {
        widgets::card(ui, Surface::Plain, |ui| drop(widgets::say(ui, &Said::muted("No service yet, so nothing to drill."))));
        return;
    }
    let all = data::drills(scene, pair);
    let chosen = all.iter().position(|view| Some(view.report.drill) == state.drill).or((!all.is_empty()).then_some(0));
    let shown = chosen.and_then(|place| all.get(place)).copied();
    widgets::columns_or_rows(ui, "drill", &[1.0, 1.0], space::GAP, space::TWO_CARDS, |ui, place, cell| {
        cell.card(ui, Surface::Plain, |ui| match (place, shown) {
            (0, _) => start(ui, pair, state, acts),
            (_, Some(view)) => result(ui, view, state, acts),
            (_, None) => {
                widgets::heading(ui, "No drill yet", "");
                widgets::wrapped(ui, &[Said::muted("The first one shows here how long it takes until every check has passed.")]);
            }
        });
    });
    if let Some(view) = shown {
        ui.add_space(space::GAP);
        widgets::card(ui, Surface::Plain, |ui| checks(ui, view));
    }
    ui.add_space(space::GAP);
    widgets::card(ui, Surface::Table, |ui| {
        let columns = [
            widgets::whole("Pressed"),
            widgets::text("Service"),
            widgets::whole("Point captured"),
            widgets::whole("Result"),
            widgets::whole("RTO / target"),
            widgets::text("Signed off"),
        ];
        let reply = Table::new("drills", &columns).clickable(chosen).show(ui, all.len(), |number| {
            let (chip, [pressed, service, point, rto, signed]) = data::row(scene, all[number]);
            vec![pressed.into(), service.into(), point.into(), Cell::Chip(chip), rto.into(), signed.into()]
        });
        if let Some(view) = reply.clicked.and_then(|number| all.get(number)) {
            (state.drill, state.remark) = (Some(view.report.drill), String::new());
        }
        if all.is_empty() {
            widgets::say(ui, &Said::muted("  No drill yet."));
            ui.add_space(space::ROW);
        }
    });
}

fn choose(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, state: &mut State) {
    let Some(service) = state.service(pair).cloned() else { return };
    let points = data::points(scene, pair, &service);
    let mut options = vec!["The newest point".to_owned()];
    options.extend(points.iter().map(|(_, words)| words.clone()));
    let shown = points.iter().find(|(id, _)| Some(*id) == state.point).map_or("The newest point", |(_, words)| words);
    if let Some(number) = widgets::select(ui, "Recovery point", shown, &options, None) {
        state.point = number.checked_sub(1).and_then(|number| points.get(number)).map(|(id, _)| *id);
    }
    let services: Vec<String> = pair.services.iter().map(|service| service.name.to_string()).collect();
    if let Some(other) = widgets::select(ui, "Service", service.as_str(), &services, None).and_then(|number| pair.services.get(number)) {
        (state.service, state.point) = (Some(other.name.clone()), None);
    }
}

fn start(ui: &mut Ui, pair: &PairView, state: &mut State, acts: &mut Vec<Act>) {
    let service = state.service(pair).map(ToString::to_string).unwrap_or_default();
    widgets::heading(ui, &format!("Start a drill of {service}"), "the clock runs from the press until every check has passed");
    for [sign, name, evidence] in data::lines(state) {
        widgets::wrapped(ui, &[sign, Said::plain("  "), name, Said::plain("  "), evidence]);
        ui.add_space(2.0);
    }
    ui.add_space(space::ROW);
    widgets::row(ui, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::ROW;
            let ready = state.start(pair, person());
            if widgets::button(ui, Look::Primary, "Start the drill", ready.is_some()).clicked()
                && let Some(command) = ready
            {
                acts.push(Act::Ask(Place::Drill, Box::new(command)));
            }
            if widgets::button(ui, Look::Plain, "Look again", true).clicked() {
                state.again();
            }
            if let Some(service) = state.service(pair)
                && widgets::button(ui, Look::Plain, "Recovery points", true).clicked()
            {
                acts.push(Act::Do(UiCommand::ShowPoints(service.clone())));
            }
        });
    });
}

fn result(ui: &mut Ui, view: &DrillView, state: &mut State, acts: &mut Vec<Act>) {
    let report = &view.report;
    widgets::heading(ui, &format!("Drill of {}", report.service), &format!("by {} at {}", report.by, report.cluster));
    let (shown, target) = data::rto(report);
    widgets::row(ui, |ui| {
        widgets::chip(ui, &data::chip(report));
        widgets::line(ui, &[Said::plain(shown).of(Type::Figure), Said::muted("  RTO  "), target]);
    });
    ui.add_space(space::SMALL);
    for [sign, step, detail] in data::steps(view) {
        widgets::wrapped(ui, &[sign, Said::plain("  "), step, Said::plain("  "), detail]);
        ui.add_space(2.0);
    }
    ui.add_space(space::ROW);
    if report.phase == Phase::Running && widgets::button(ui, Look::Danger, "Stop the drill", true).clicked() {
        let command = Command::StopDrill { drill: report.drill, by: person() };
        acts.push(Act::Ask(Place::StopDrill, Box::new(command)));
    }
    if report.phase == Phase::Ended && report.signed.is_none() {
        Field::new("Remark").hint("what was looked at, and by whom").show(ui, &mut state.remark);
        ui.add_space(space::SMALL);
        if widgets::button(ui, Look::Primary, "Sign off", !state.remark.trim().is_empty()).clicked() {
            let command = Command::SignOffDrill { drill: report.drill, by: person(), remark: state.remark.trim().to_owned() };
            acts.push(Act::Ask(Place::SignOff, Box::new(command)));
        }
    }
}

fn checks(ui: &mut Ui, view: &DrillView) {
    let rows = data::checks(&view.report);
    widgets::heading(ui, "Checks and cleaning", "as the policy has them, on what was brought up");
    let columns = [widgets::whole(""), widgets::text(""), widgets::whole(""), widgets::share("", 1.0)];
    Table::new("checks", &columns).headless().show(ui, rows.len(), |number| rows[number].iter().cloned().map(Cell::from).collect());
    if rows.is_empty() {
        widgets::say(ui, &Said::warn("▲ The policy has no checks: the drill shows only that the data comes up."));
    }
    ui.add_space(space::SMALL);
    for place in &view.report.places {
        widgets::wrapped(ui, &[Said::muted(format!("{}  ", place.data_set)), Said::plain(&place.place).mono()]);
        ui.add_space(2.0);
    }
    widgets::wrapped(ui, &[data::listing(&view.report)]);
}
