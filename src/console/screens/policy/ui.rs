//! Draws the policy form.

use egui::{Align, Layout, ScrollArea, Ui};

use super::data::{Form, HookKind, When, summary, verdict};
use super::tree::{Line, What, data_set};
use crate::console::command::{Act, Screen, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::space;
use crate::console::widgets::{self, Field, Look, Surface};
use crate::console::words;
use crate::controller::snapshot::PairView;
use crate::domain::CopyMode;

const TREE_HEIGHT: f32 = 390.0;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, form: &mut Form, acts: &mut Vec<Act>) {
    let title = form.editing.as_ref().map_or("New service policy".to_owned(), |name| format!("Policy of {name}"));
    widgets::page_head(
        ui,
        &title,
        |ui| {
            widgets::say(ui, &Said::muted("all data sets of one service, at one moment"));
        },
        |_| {},
    );
    let (from, to) = names(pair);
    widgets::columns_or_rows(ui, "policy", &[1.0, 1.1], space::GAP, space::TWO_FORMS, |ui, place, cell| {
        cell.bare(ui, |ui| {
            if place == 0 {
                widgets::card(ui, Surface::Plain, |ui| service(ui, scene, &from, form));
            } else {
                moment(ui, scene, form, pair);
                ui.add_space(space::GAP);
                copy(ui, &from, &to, form);
                ui.add_space(space::GAP);
                in_words(ui, scene, form, pair);
                ui.add_space(16.0);
                buttons(ui, pair, form, acts);
                // Below the buttons: they must not move under the hand that pressed.
                if form.dry && form.may_save(&pair.name) {
                    ui.add_space(space::SMALL);
                    widgets::actions(ui, |ui| widgets::say(ui, &Said::ok("✓ Dry run: nothing stands in its way. Nothing was saved.")));
                }
            }
        });
    });
    let questions = form.tree.questions(&pair.name).into_iter().chain(form.check(&pair.name));
    acts.extend(questions.map(|(place, command)| Act::Ask(place, Box::new(command))));
}

fn names(pair: &PairView) -> (String, String) {
    let name = |place: usize| pair.clusters.get(place).map_or("?".to_owned(), |cluster| cluster.name.to_string());
    (name(0), name(1))
}

fn service(ui: &mut Ui, scene: &Scene<'_>, from: &str, form: &mut Form) {
    widgets::heading(ui, "1   Service and its data sets", "");
    let mut changed = false;
    widgets::columns(ui, "names", &[1.0, 1.0], space::FIELD, |ui, place, cell| {
        cell.bare(ui, |ui| {
            let response = match (place, &form.editing) {
                (0, Some(_)) => Field::new("Service").read_only().show(ui, &mut form.name),
                (0, None) => Field::new("Service").hint("orders").show(ui, &mut form.name),
                _ => Field::new("Owner").hint("who to call").show(ui, &mut form.owner),
            };
            changed |= response.changed();
        });
    });
    ui.add_space(space::ROW);
    let hint = format!("Find a directory or table on {from}…");
    Field::new("Find").unlabelled().hint(&hint).show(ui, &mut form.find);
    ui.add_space(space::SMALL);
    tree(ui, scene, form);
    ui.add_space(space::GAP);
    let (head, size) = summary(form);
    widgets::card(ui, Surface::Sunken, |ui| {
        widgets::line(ui, &[Said::plain(head).strong(), Said::muted(size)]);
        for set in &form.chosen {
            widgets::line(ui, &[Said::muted(words::data_set(&set.from)).mono()]);
        }
    });
    if changed {
        form.touched();
    }
}

/// Only the lines in view are drawn, however many the catalogue has.
fn tree(ui: &mut Ui, scene: &Scene<'_>, form: &mut Form) {
    let mut toggled = None;
    let mut opened = None;
    let lines = form.tree.lines(&form.find);
    let scroll = ScrollArea::vertical().id_salt("tree").max_height(TREE_HEIGHT).min_scrolled_height(TREE_HEIGHT).auto_shrink([false, true]);
    scroll.show_rows(ui, space::TREE_ROW, lines.len(), |ui, range| {
        for line in &lines[range] {
            match tree_line(ui, scene, line, form) {
                Some(Pick::Toggle) => toggled = item_of(line),
                Some(Pick::Open) => opened = item_of(line),
                None => {}
            }
        }
    });
    if let Some(item) = toggled {
        form.toggle(data_set(&item));
    }
    if let Some(item) = opened {
        form.tree.toggle(&item);
    }
}

enum Pick {
    Toggle,
    Open,
}

fn item_of(line: &Line<'_>) -> Option<crate::protocol::CatalogueItem> {
    if let What::Item(item, _) = line.what { Some(item.clone()) } else { None }
}

fn tree_line(ui: &mut Ui, scene: &Scene<'_>, line: &Line<'_>, form: &Form) -> Option<Pick> {
    let mut pick = None;
    ui.allocate_ui_with_layout(egui::vec2(ui.available_width(), space::TREE_ROW), Layout::left_to_right(Align::Center), |ui| {
        ui.add_space(space::INDENT * line.depth as f32);
        let item = match line.what {
            What::Item(item, _) => item,
            What::Asking => return drop(widgets::say(ui, &Said::muted("  asking…").mono())),
            What::Nothing => return drop(widgets::say(ui, &Said::muted("  nothing inside").mono())),
            What::Trouble(trouble) => return drop(widgets::say(ui, &Said::bad(format!("✖ {trouble}")))),
        };
        let open = matches!(line.what, What::Item(_, true));
        if item.expandable {
            let label = format!("{} {}", if open { "Close" } else { "Open" }, item.label);
            if widgets::fold(ui, open, &label).clicked() {
                pick = Some(Pick::Open);
            }
        } else {
            ui.add_space(space::INDENT);
        }
        let label = if item.path.is_empty() { words::component_name(&item.component) } else { item.label.clone() };
        if item.selectable {
            let mut on = form.chosen.iter().any(|set| set.from.component == item.component && set.from.path == item.path);
            let spans = [if on { Said::accent(label).mono() } else { Said::plain(label).mono() }];
            if widgets::check(ui, &mut on, &spans, true) {
                pick = Some(Pick::Toggle);
            }
        } else {
            widgets::say(ui, &Said::plain(label).mono());
        }
        let size = item.bytes.map(words::bytes);
        let files = item.files.map(|files| format!("{} {}", words::count(files), words::catalogue_unit(scene.kind_of(&item.component))));
        let about: Vec<_> = size.into_iter().chain(files).collect();
        widgets::say(ui, &Said::muted(format!("  {}", about.join(" · "))).mono());
    });
    pick
}

fn moment(ui: &mut Ui, scene: &Scene<'_>, form: &mut Form, pair: &PairView) {
    let (_, next, _) = verdict(form, &pair.name, scene.zone, scene.now);
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(ui, "2   Moment", "");
        let before = form.version;
        widgets::row(ui, |ui| {
            for (when, words) in [(When::Repeat, "Repeat"), (When::Once, "Once"), (When::Now, "Now")] {
                let look = if form.when == when { Look::Chosen } else { Look::Plain };
                if widgets::button(ui, look, words, true).clicked() {
                    form.when = when;
                    form.touched();
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| when_fields(ui, form));
        });
        ui.add_space(space::SMALL);
        let words = match form.when {
            When::Now => "Saved and run once at once; later runs on demand.".to_owned(),
            _ if next.is_empty() => "Next moments: known once the policy is complete.".to_owned(),
            _ => format!("Next moments: {next}"),
        };
        widgets::wrapped(ui, &[Said::muted(words)]);
        ui.add_space(space::ROW);
        limits(ui, form);
        if form.version != before {
            ui.ctx().request_repaint();
        }
    });
}

fn when_fields(ui: &mut Ui, form: &mut Form) {
    const WIDTH: f32 = 130.0;
    if form.when == When::Now {
        return;
    }
    ui.spacing_mut().item_spacing.x = space::FIELD;
    let zones: Vec<String> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name().to_owned()).collect();
    if let Some(zone) = widgets::select(ui, "Time zone", &form.zone, &zones, None).and_then(|chosen| zones.get(chosen)) {
        form.zone = zone.clone();
        form.touched();
    }
    let changed = ui.scope(|ui| {
        ui.set_max_width(WIDTH);
        match form.when {
            When::Repeat => Field::new("Cron schedule").unlabelled().mono().show(ui, &mut form.cron).changed(),
            _ => Field::new("Moment").unlabelled().mono().hint("2026-11-21 14:00").show(ui, &mut form.once).changed(),
        }
    });
    if changed.inner {
        form.touched();
    }
}

fn limits(ui: &mut Ui, form: &mut Form) {
    let mut changed = false;
    widgets::columns(ui, "limits", &[1.0, 1.0, 1.0, 1.0], space::FIELD, |ui, place, cell| {
        cell.bare(ui, |ui| {
            let (label, text) = match place {
                0 => ("Target RPO, minutes", &mut form.rpo),
                1 => ("Largest skew, seconds", &mut form.skew),
                2 => ("Keep all, hours", &mut form.all_hours),
                _ => ("Keep daily, days", &mut form.daily_days),
            };
            changed |= Field::new(label).show(ui, text).changed();
        });
    });
    if changed {
        form.touched();
    }
}

fn copy(ui: &mut Ui, from: &str, to: &str, form: &mut Form) {
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(ui, "3   Copy", "by the built-in engine, agent to agent");
        widgets::columns(ui, "copy", &[1.0, 1.0], space::FIELD, |ui, place, cell| {
            let (mode, title, words) = match place {
                0 => (CopyMode::Push, "Primary pushes", format!("{from} sends its snapshots to {to}")),
                _ => (CopyMode::Pull, "Secondary pulls", format!("{to} replicates them, sparing {from}")),
            };
            let on = form.copy == mode;
            cell.card(ui, if on { Surface::Chosen } else { Surface::Plain }, |ui| {
                if widgets::choice(ui, on, &[Said::plain(title).strong()]) && !on {
                    form.copy = mode;
                    form.touched();
                }
                widgets::wrapped(ui, &[Said::muted(words)]);
            });
        });
        ui.add_space(space::ROW);
        hooks(ui, form);
        ui.add_space(space::SMALL);
        if widgets::check(ui, &mut form.sync_users, &[Said::plain("Sync users, permissions and tenants with every run")], true) {
            form.touched();
        }
    });
}

fn hooks(ui: &mut Ui, form: &mut Form) {
    let options = ["none", "run a program", "call a URL"].map(str::to_owned);
    let kinds = [HookKind::None, HookKind::Command, HookKind::Url];
    let place = kinds.iter().position(|kind| *kind == form.hook).unwrap_or(0);
    widgets::row(ui, |ui| {
        widgets::say(ui, &Said::muted("Freeze / thaw hook"));
        if let Some(chosen) = widgets::select(ui, "Freeze / thaw hook", &options[place], &options, None) {
            form.hook = kinds[chosen];
            form.touched();
        }
        widgets::say(ui, &Said::muted("holds the writers while data sets are captured"));
    });
    if form.hook == HookKind::None {
        return;
    }
    ui.add_space(space::SMALL);
    let mut changed = false;
    widgets::columns(ui, "hooks", &[1.0, 1.0, 90.0], space::FIELD, |ui, place, cell| {
        cell.bare(ui, |ui| {
            let (label, text) = match place {
                0 => ("Freeze", &mut form.freeze),
                1 => ("Thaw", &mut form.thaw),
                _ => ("Limit, seconds", &mut form.limit),
            };
            changed |= Field::new(label).mono().show(ui, text).changed();
        });
    });
    if changed {
        form.touched();
    }
}

fn in_words(ui: &mut Ui, scene: &Scene<'_>, form: &Form, pair: &PairView) {
    let (words, _, checks) = verdict(form, &pair.name, scene.zone, scene.now);
    widgets::card(ui, Surface::Accent, |ui| {
        widgets::heading(ui, "In words", "");
        widgets::wrapped(ui, &[words]);
        if !checks.is_empty() {
            ui.add_space(space::SMALL);
            widgets::checks(ui, "checks", ["", ""], &checks);
        }
    });
}

fn buttons(ui: &mut Ui, pair: &PairView, form: &mut Form, acts: &mut Vec<Act>) {
    widgets::actions(ui, |ui| {
        let words = if form.saving { "Saving…" } else { "Save policy" };
        let may = form.may_save(&pair.name) && !form.saving;
        if widgets::button(ui, Look::Primary, words, may).clicked() {
            acts.extend(form.save(&pair.name).map(|(place, command)| Act::Ask(place, Box::new(command))));
        }
        if widgets::button(ui, Look::Plain, "Dry run", form.service(&pair.name).is_ok()).clicked() {
            form.dry_run();
        }
        if widgets::button(ui, Look::Plain, "Cancel", true).clicked() {
            acts.push(Act::Do(UiCommand::Go(Screen::Services)));
        }
    });
}
