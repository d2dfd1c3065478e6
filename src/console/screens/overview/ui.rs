//! Draws the overview.

use egui::{Align, Layout, Pos2, Shape, Stroke, Ui, pos2, vec2};

use super::attention::Attention;
use super::data::{ClusterCard, Flow, Overview, ServiceRow, overview};
use crate::console::command::{Act, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{self, Tone, Type, space};
use crate::console::widgets::{self, Cell, Look, Surface, Table};
use crate::controller::snapshot::PairView;

const FLOW_WIDTH: f32 = 210.0;
/// Lines to look at that are shown before the rest is only counted.
const SHOWN: usize = 5;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, acts: &mut Vec<Act>) {
    let data = overview(scene, pair);
    widgets::page_head(
        ui,
        "Overview",
        |_| {},
        |ui| {
            for (look, command) in [(Look::Primary, UiCommand::NewService), (Look::Plain, UiCommand::PairClusters)] {
                if widgets::button(ui, look, &command.title(), true).clicked() {
                    acts.push(Act::Do(command));
                }
            }
        },
    );
    topology(ui, &data);
    ui.add_space(space::GAP);
    widgets::card(ui, Surface::Table, |ui| services(ui, scene, &data.services, acts));
    ui.add_space(space::GAP);
    widgets::columns_or_rows(ui, "below", &[1.0, 1.0], space::GAP, space::TWO_CARDS, |ui, place, cell| {
        cell.card(ui, Surface::Plain, |ui| if place == 0 { attention(ui, &data.attention, acts) } else { latest(ui, &data, acts) });
    });
}

fn topology(ui: &mut Ui, data: &Overview) {
    widgets::columns_or_rows(ui, "topology", &[1.0, FLOW_WIDTH, 1.0], 0.0, space::TWO_FORMS, |ui, place, cell| match place {
        1 => {
            let height = cell.height();
            cell.bare(ui, |ui| flow(ui, &data.flow, height));
        }
        _ => {
            if let Some(card) = data.clusters.get(place / 2) {
                let surface = if card.primary { Surface::Accent } else { Surface::Plain };
                cell.card(ui, surface, |ui| cluster(ui, card));
            }
        }
    });
}

fn cluster(ui: &mut Ui, card: &ClusterCard) {
    widgets::name_and_state(ui, &Said::plain(&card.name).of(Type::Heading), &card.identity, &card.health);
    ui.add_space(2.0);
    widgets::line(ui, &card.about);
    ui.add_space(space::FIELD);
    let columns = [widgets::whole(""), widgets::share("", 1.0), widgets::whole(""), widgets::whole("")];
    Table::new(&card.name, &columns).headless().show(ui, card.components.len(), |row| {
        let ([name, about, state, size], seen) = card.components[row].clone();
        vec![name.into(), about.into(), Cell::Hover(state, seen), size.into()]
    });
}

fn flow(ui: &mut Ui, flow: &Flow, height: f32) {
    const CONTENT: f32 = 152.0;
    ui.vertical_centered(|ui| {
        ui.add_space(((height - CONTENT) / 2.0).max(0.0));
        widgets::say(ui, &Said::muted(&flow.how));
        arrow(ui, flow.arrow);
        widgets::say(ui, &Said::plain(&flow.rate).strong());
        widgets::say(ui, &Said::muted(&flow.runs));
        ui.add_space(space::FIELD);
        let frame = Surface::Plain.frame(theme::of(ui)).inner_margin(egui::Margin::symmetric(12, 8));
        frame.show(ui, |ui| {
            ui.set_width(124.0);
            widgets::say(ui, &Said::plain("Control device"));
            widgets::say(ui, &flow.control.clone().of(Type::Small));
        });
    });
}

fn arrow(ui: &mut Ui, tone: Tone) {
    let (rect, _) = ui.allocate_exact_size(vec2(102.0, 30.0), egui::Sense::hover());
    let colour = theme::of(ui).colour(tone);
    let middle = rect.center().y;
    ui.painter().hline(rect.left()..=rect.right() - 20.0, middle, Stroke::new(4.0, colour));
    let tip: Vec<Pos2> =
        vec![pos2(rect.right() - 22.0, middle - 12.0), pos2(rect.right(), middle), pos2(rect.right() - 22.0, middle + 12.0)];
    ui.painter().add(Shape::convex_polygon(tip, colour, Stroke::NONE));
}

fn services(ui: &mut Ui, scene: &Scene<'_>, rows: &[ServiceRow], acts: &mut Vec<Act>) {
    if rows.is_empty() {
        ui.add_space(space::SMALL);
        ui.horizontal(|ui| {
            ui.add_space(space::FIELD);
            widgets::say(ui, &Said::muted("No service is protected yet. A service policy names its data sets and their one moment."));
        });
        ui.add_space(space::ROW);
        return;
    }
    let columns = [
        widgets::text("Service"),
        widgets::text("Data sets"),
        widgets::whole("Last recovery point (same moment)"),
        widgets::whole("Skew across data sets"),
        widgets::whole("RPO now / target"),
        widgets::extra("Last 24 h"),
        widgets::whole("Next moment"),
        widgets::whole("State"),
    ];
    let running = rows.iter().position(|row| row.state.tone == Tone::Accent);
    let reply = Table::new("services", &columns).clickable(running).show(ui, rows.len(), |number| cells(&rows[number]));
    if let Some(row) = reply.clicked.and_then(|number| rows.get(number)) {
        let run = scene.snapshot.runs.iter().find(|run| run.report.service.as_str() == row.name);
        match (run, row.name.parse()) {
            (Some(run), _) if row.state.tone == Tone::Accent => acts.push(Act::Do(UiCommand::ShowRun(run.run))),
            (_, Ok(service)) => acts.push(Act::Do(UiCommand::ShowPoints(service))),
            (_, Err(_)) => {}
        }
    }
}

fn cells(row: &ServiceRow) -> Vec<Cell> {
    let (values, full, tone) = row.history.clone();
    vec![
        Said::plain(&row.name).strong().into(),
        Said::plain(&row.data_sets).into(),
        row.last_point.clone().into(),
        row.skew.clone().into(),
        row.rpo.clone().into(),
        Cell::Spark(values, full, tone, format!("RPO of {} over the last 24 hours", row.name)),
        row.next.clone().into(),
        Cell::Chip(row.state.clone()),
    ]
}

fn attention(ui: &mut Ui, lines: &[Attention], acts: &mut Vec<Act>) {
    widgets::heading(ui, "Needs attention", "");
    if lines.is_empty() {
        widgets::say(ui, &Said::ok("✓ Nothing."));
    }
    for line in lines.iter().take(SHOWN) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::ROW;
            widgets::say(ui, &line.sign);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if let Some(open) = &line.open {
                    let words = if matches!(open, UiCommand::ShowRun(_)) { "Open run" } else { "Show" };
                    if widgets::button(ui, Look::Plain, words, true).clicked() {
                        acts.push(Act::Do(open.clone()));
                    }
                }
                ui.with_layout(Layout::top_down(Align::Min), |ui| {
                    widgets::wrapped(ui, &[Said::plain(&line.what).strong()]);
                    if !line.why.is_empty() {
                        widgets::wrapped(ui, &[Said::muted(&line.why)]);
                    }
                });
            });
        });
        ui.add_space(space::SMALL);
    }
    if lines.len() > SHOWN {
        widgets::say(ui, &Said::warn(format!("▲ and {} more: see the services, and the activity", lines.len() - SHOWN)));
    }
}

fn latest(ui: &mut Ui, data: &Overview, acts: &mut Vec<Act>) {
    ui.horizontal(|ui| {
        widgets::line(ui, &[Said::plain("Latest").of(Type::Heading), Said::muted(format!("   {}", data.zone))]);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if widgets::small_button(ui, "All activity", true).clicked() {
                acts.push(Act::Do(UiCommand::Go(crate::console::Screen::Activity)));
            }
        });
    });
    ui.add_space(space::TINY);
    for (at, said) in &data.latest {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::ROW;
            widgets::say(ui, &Said::muted(at));
            widgets::say(ui, said);
        });
        ui.add_space(2.0);
    }
}
