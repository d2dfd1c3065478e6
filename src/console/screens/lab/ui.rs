//! Draws the training lab.

use egui::{Align2, Pos2, Sense, Shape, Stroke, Ui, pos2, vec2};

use super::data::{Chart, chart, checks, cuts, legend, scenarios, site_faults, steps, survivor, time};
use crate::console::command::{Act, Dialog, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{self, Type, space};
use crate::console::widgets::{self, Cell, Look, Surface, Table};
use crate::lab::view::{LabCommand, LabSnapshot};

const CHART_HEIGHT: f32 = 200.0;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, lab: &LabSnapshot, acts: &mut Vec<Act>) {
    widgets::page_head(
        ui,
        "Training lab",
        |ui| {
            widgets::say(ui, &Said::muted("two real sites on this machine, an application at work, faults when you say so"));
        },
        |ui| {
            if widgets::button(ui, Look::Plain, "Reset", lab.ready).clicked() {
                acts.push(Act::Lab(LabCommand::Reset));
            }
            if widgets::button(ui, Look::Plain, "Leave", true).clicked() {
                acts.push(Act::Do(UiCommand::LeaveLab));
            }
        },
    );
    if let Some(trouble) = &lab.trouble {
        widgets::card(ui, Surface::Bad, |ui| drop(widgets::wrapped(ui, &[Said::bad(format!("✖ {trouble}"))])));
        ui.add_space(space::GAP);
    }
    widgets::columns(ui, "lab", &[290.0, 1.0, 300.0], space::GAP, |ui, place, cell| match place {
        0 => cell.card(ui, Surface::Plain, |ui| left(ui, lab, acts)),
        1 => cell.bare(ui, |ui| middle(ui, scene, lab)),
        _ => cell.card(ui, Surface::Plain, |ui| right(ui, lab, acts)),
    });
}

fn left(ui: &mut Ui, lab: &LabSnapshot, acts: &mut Vec<Act>) {
    widgets::heading(ui, "Scenarios", "");
    for (number, scenario) in scenarios(lab).into_iter().enumerate() {
        let surface = if scenario.on { Surface::Chosen } else { Surface::Plain };
        widgets::card(ui, surface, |ui| {
            widgets::say(ui, &Said::plain(scenario.title).strong());
            widgets::wrapped(ui, &[Said::muted(scenario.text)]);
            ui.add_space(space::SMALL);
            let look = if number == 0 && lab.scenario.is_none() { Look::Primary } else { Look::Plain };
            if widgets::button(ui, look, &scenario.words, lab.ready).clicked() {
                acts.push(Act::Lab(scenario.begin));
            }
        });
        ui.add_space(space::SMALL);
    }
    ui.add_space(space::SMALL);
    widgets::heading(ui, "Break something", "");
    for faults in lab.sites.iter().map(site_faults).chain([cuts(lab)]) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
            for (words, command) in faults {
                if widgets::button(ui, Look::Plain, &words, lab.ready).clicked() {
                    acts.push(Act::Lab(command));
                }
            }
        });
        ui.add_space(space::SMALL);
    }
    ui.add_space(space::GAP);
    widgets::wrapped(ui, &[Said::muted(format!("Now: {}", lab.doing))]);
}

fn middle(ui: &mut Ui, scene: &Scene<'_>, lab: &LabSnapshot) {
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(ui, "The application", "writes an order (tables) and its invoice (files), then reads both back");
        draw_chart(ui, &chart(lab, scene.zone));
        widgets::wrapped(ui, &legend(lab));
    });
    ui.add_space(space::GAP);
    let rows = checks(lab);
    widgets::card(ui, Surface::Table, |ui| {
        let columns = [widgets::share("Check at the surviving site", 1.4), widgets::share("Result", 1.0)];
        Table::new("checks", &columns).show(ui, rows.len(), |number| rows[number].iter().cloned().map(Cell::from).collect());
        if rows.is_empty() {
            ui.add_space(space::SMALL);
            widgets::say(ui, &Said::muted(format!("  Checked once the application goes on at {}.", survivor(lab))));
            ui.add_space(space::ROW);
        }
    });
    if let Some(old) = &lab.old_way {
        ui.add_space(space::GAP);
        widgets::card(ui, Surface::Plain, |ui| {
            widgets::heading(ui, "The same minute, the old way", "");
            widgets::wrapped(ui, &[Said::muted(old)]);
        });
    }
}

fn draw_chart(ui: &mut Ui, chart: &Chart) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), CHART_HEIGHT), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Image, true, "Orders a second, and who served them"));
    let tokens = theme::of(ui);
    let (left, right) = (rect.left() + 44.0, rect.right() - 6.0);
    let (top, bottom) = (rect.top() + 28.0, rect.bottom() - 28.0);
    let x = |at: f32| left + (right - left) * at;
    let y = |orders: f32| bottom - (bottom - top) * if chart.top > 0.0 { orders / chart.top } else { 0.0 };
    let font = Type::Small.font();
    for share in [0.0, 0.5, 1.0] {
        let level = y(chart.top * share);
        ui.painter().hline(left..=right, level, Stroke::new(1.0, tokens.line));
        let words = if share == 0.0 { "0".to_owned() } else { format!("{:.0}/s", chart.top * share) };
        ui.painter().text(pos2(rect.left(), level), Align2::LEFT_CENTER, words, font.clone(), tokens.muted);
    }
    for (at, words) in &chart.axis {
        let anchor = if *at <= 0.0 {
            Align2::LEFT_CENTER
        } else if *at >= 1.0 {
            Align2::RIGHT_CENTER
        } else {
            Align2::CENTER_CENTER
        };
        ui.painter().text(pos2(x(*at), bottom + 16.0), anchor, words, font.clone(), tokens.muted);
    }
    for stretch in &chart.stretches {
        let points: Vec<Pos2> = stretch.points.iter().map(|(at, orders)| pos2(x(*at), y(*orders))).collect();
        ui.painter().add(Shape::line(points, Stroke::new(2.0, tokens.colour(stretch.tone))));
    }
    for (number, (at, words, tone)) in chart.marks.iter().enumerate() {
        let colour = tokens.colour(*tone);
        let line = [pos2(x(*at), rect.top() + 8.0), pos2(x(*at), bottom)];
        ui.painter().extend(Shape::dashed_line(&line, Stroke::new(1.0, colour), 4.0, 3.0));
        // Marks near one another do not write over one another.
        let above = rect.top() + 8.0 + if number % 2 == 0 { 6.0 } else { 20.0 };
        let (anchor, aside) = if *at > 0.8 { (Align2::RIGHT_CENTER, -6.0) } else { (Align2::LEFT_CENTER, 6.0) };
        ui.painter().text(pos2(x(*at) + aside, above), anchor, words, font.clone(), colour);
    }
}

fn right(ui: &mut Ui, lab: &LabSnapshot, acts: &mut Vec<Act>) {
    widgets::heading(ui, "What to do", "");
    let steps = steps(lab);
    if steps.is_empty() {
        widgets::wrapped(
            ui,
            &[Said::muted(
                "Begin a scenario at the left. The sites start, are paired, and a first recovery point is made; then it is your turn.",
            )],
        );
    }
    for step in &steps {
        widgets::wrapped(ui, std::slice::from_ref(step));
        ui.add_space(space::TINY);
    }
    ui.add_space(space::ROW);
    let (figures, words) = time(lab);
    widgets::card(ui, Surface::Sunken, |ui| {
        widgets::heading(ui, "Your time", "");
        widgets::columns(ui, "figures", &[1.0, 1.0, 1.4], space::SMALL, |ui, place, cell| {
            cell.bare(ui, |ui| {
                widgets::say(ui, &Said::plain(&figures[place].0).of(Type::Figure));
                widgets::say(ui, &Said::muted(figures[place].1));
            });
        });
    });
    ui.add_space(space::GAP);
    widgets::wrapped(ui, &[Said::muted(words)]);
    ui.add_space(space::GAP);
    // It is the next thing to do once there is something to tell.
    let look = if lab.rto_ms.is_some() { Look::Primary } else { Look::Plain };
    if widgets::button(ui, look, "Export debrief…", lab.ready && lab.scenario.is_some()).clicked() {
        acts.push(Act::Open(Dialog::Debrief));
    }
}
