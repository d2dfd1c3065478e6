//! Draws one run.

use egui::{Align2, CornerRadius, Rect, Sense, Stroke, Ui, pos2, vec2};

use super::data::{RunDetail, Skew, detail};
use crate::console::command::{Act, Dialog, Screen, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{self, Tone, Type, space};
use crate::console::widgets::{self, Cell, Look, Surface, Table};
use crate::controller::snapshot::{PairView, RunView};

const NAMES: f32 = 230.0;
const LINE: f32 = 28.0;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, run: &RunView, acts: &mut Vec<Act>) {
    let data = detail(scene, pair, run);
    head(ui, run, &data, acts);
    if let Some(trouble) = &data.trouble {
        widgets::card(ui, Surface::Bad, |ui| {
            widgets::wrapped(ui, &[Said::bad(format!("✖ {trouble}"))]);
            if !data.way_out.is_empty() {
                widgets::wrapped(ui, &[Said::plain(&data.way_out)]);
            }
        });
        ui.add_space(space::GAP);
    }
    if !data.given_up.is_empty() {
        widgets::card(ui, Surface::Plain, |ui| {
            widgets::wrapped(ui, &[Said::warn(format!("▲ {}", data.given_up))]);
        });
        ui.add_space(space::GAP);
    }
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::columns(ui, "steps", &[1.0; 5], space::SMALL, |ui, place, cell| {
            let step = &data.steps[place];
            cell.bare(ui, |ui| {
                widgets::say(ui, &step.name);
                widgets::wrapped(ui, &[Said::muted(&step.about)]);
                ui.add_space(2.0);
                widgets::progress(ui, step.share, step.tone, &step.name.text);
            });
        });
    });
    ui.add_space(space::GAP);
    widgets::card(ui, Surface::Plain, |ui| {
        let explains = format!("each bar is when that data set was frozen, measured on {}'s clock", data.clock);
        widgets::heading(ui, "Captured at one moment", &explains);
        match &data.skew {
            Some(skew) => picture(ui, skew),
            None => drop(widgets::say(ui, &Said::muted("Nothing is captured yet."))),
        }
    });
    ui.add_space(space::GAP);
    widgets::card(ui, Surface::Table, |ui| sets(ui, &data));
    ui.add_space(space::GAP);
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(ui, "Log", "");
        for line in &data.log {
            widgets::wrapped(ui, std::slice::from_ref(line));
        }
    });
}

fn head(ui: &mut Ui, run: &RunView, data: &RunDetail, acts: &mut Vec<Act>) {
    widgets::page_head(
        ui,
        &data.title,
        |ui| {
            widgets::chip(ui, &data.chip);
        },
        |ui| {
            if data.can_cancel {
                if widgets::button(ui, Look::Plain, "Cancel…", true).clicked() {
                    acts.push(Act::Open(Dialog::CancelRun(run.run)));
                }
            } else if !data.cancel_words.is_empty() {
                widgets::say(ui, &Said::muted(data.cancel_words));
            }
            if data.can_abandon && widgets::button(ui, Look::Danger, "Abandon…", true).clicked() {
                acts.push(Act::Open(Dialog::AbandonRun(run.run, run.report.service.clone())));
            }
            if widgets::button(ui, Look::Plain, "All runs", true).clicked() {
                acts.push(Act::Do(UiCommand::Go(Screen::Runs)));
            }
        },
    );
    widgets::line(ui, &[Said::muted(&data.about)]).on_hover_text(run.run.to_string());
    ui.add_space(space::GAP);
}

fn picture(ui: &mut Ui, skew: &Skew) {
    let height = LINE * skew.bars.len() as f32 + 30.0;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Image, true, "When each data set was frozen"));
    let tokens = theme::of(ui);
    let left = rect.left() + NAMES;
    let width = rect.right() - left - 60.0;
    let x = |ms: f32| left + width * ms / skew.end_ms;
    let bottom = rect.top() + LINE * skew.bars.len() as f32;
    let dashes = egui::Shape::dashed_line(&[pos2(left, rect.top()), pos2(left, bottom)], Stroke::new(1.5, tokens.accent), 4.0, 3.0);
    ui.painter().extend(dashes);
    for (ms, words) in &skew.axis {
        ui.painter().vline(x(*ms), rect.top()..=bottom, Stroke::new(1.0, tokens.line));
        ui.painter().text(pos2(x(*ms), bottom + 16.0), Align2::CENTER_CENTER, words, Type::Axis.font(), tokens.muted);
    }
    ui.painter().text(pos2(left, bottom + 16.0), Align2::CENTER_CENTER, &skew.moment, Type::Axis.font(), tokens.accent);
    for (number, bar) in skew.bars.iter().enumerate() {
        let y = rect.top() + LINE * (number as f32 + 0.5);
        let mut job = egui::text::LayoutJob::simple_singleline(bar.name.clone(), Type::Axis.font(), tokens.muted);
        job.wrap = egui::text::TextWrapping::truncate_at_width(NAMES - 40.0);
        let name = ui.painter().layout_job(job);
        ui.painter().galley(pos2(rect.left(), y - name.size().y / 2.0), name, tokens.muted);
        let (from, to) = (x(bar.from_ms), x(bar.to_ms).max(x(bar.from_ms) + 8.0));
        let block = Rect::from_min_max(pos2(from, y - 6.0), pos2(to, y + 6.0));
        ui.painter().rect_filled(block, CornerRadius::same(3), tokens.ok);
        let hover = format!("{}: frozen from {:+.1} ms to {:+.1} ms", bar.name, bar.from_ms, bar.to_ms);
        ui.interact(block, ui.unique_id().with(("bar", number)), Sense::hover()).on_hover_text(hover);
    }
}

fn sets(ui: &mut Ui, data: &RunDetail) {
    let columns = [
        widgets::text("Data set"),
        widgets::text("Change since last point"),
        widgets::whole("Copied"),
        widgets::share("Progress", 1.0),
        widgets::whole("State"),
    ];
    Table::new("sets", &columns).show(ui, data.sets.len(), |number| {
        let set = &data.sets[number];
        let tone = if set.share >= 1.0 { Tone::Ok } else { Tone::Accent };
        vec![
            Said::plain(&set.name).into(),
            Said::plain(&set.change).into(),
            Said::plain(&set.copied).into(),
            Cell::Bar(set.share, tone, set.name.clone()),
            set.state.clone().into(),
        ]
    });
}
