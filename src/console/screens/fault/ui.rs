//! Draws the fault prompt, and what became of an identity change.

use egui::{Align, Align2, Color32, Context, CornerRadius, Frame, Id, Layout, Margin, Modal, Stroke, Ui, vec2};

use super::data::{Change, ChangeKind, Form, HOLD, Outcome, Prompt, diagnostics, outcome, prompt};
use crate::console::command::{Act, Dialog};
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{self, Tone, Type, space};
use crate::console::widgets::{self, Cell, Column, Field, Look, Surface, Table};
use crate::controller::snapshot::{FaultPrompt, PairView};

const TOP: f32 = 88.0;
const CONFIRM_WIDTH: f32 = 230.0;

/// Draws the prompt over everything; the scrim leaves navigation and header readable.
pub fn show(ui: &Ui, scene: &Scene<'_>, pair: &PairView, fault: &FaultPrompt, form: &mut Form, acts: &mut Vec<Act>) {
    let ctx = ui.ctx().clone();
    let tokens = theme::of(ui);
    let id = Id::unique("fault prompt");
    let aside = space::NAV_WIDTH / 2.0;
    let area = Modal::default_area(id).anchor(Align2::CENTER_TOP, vec2(aside, TOP)).accessible_name("Fault prompt");
    let data = prompt(scene, pair, fault);
    let frame = Frame::NONE
        .fill(tokens.raised)
        .stroke(Stroke::new(1.0, tokens.colour(data.tone)))
        .corner_radius(CornerRadius::same(space::CARD_RADIUS))
        .inner_margin(Margin::symmetric(26, 22));
    let shown = Modal::new(id).area(area).frame(frame).backdrop_color(Color32::TRANSPARENT).show(&ctx, |ui| {
        let screen = ui.ctx().content_rect();
        ui.set_width(space::PROMPT_WIDTH.min(screen.width() - space::NAV_WIDTH - 2.0 * space::GAP) - 54.0);
        widgets::scrolled(ui, "prompt", screen.height() - TOP - space::FOOTER_HEIGHT - below_height(&data, fault), |ui| {
            head(ui, &data);
            evidence(ui, fault, &data);
            ui.add_space(space::GAP);
            if !data.will.is_empty() {
                widgets::card(ui, Surface::Plain, |ui| {
                    widgets::heading(ui, "Adjusting the identity will", "");
                    for step in &data.will {
                        widgets::wrapped(ui, &[Said::muted(step)]);
                        ui.add_space(3.0);
                    }
                });
            }
        });
        ui.add_space(16.0);
        below(ui, scene, pair, fault, &data, form, acts);
    });
    // Esc keeps waiting, as the button does; a click outside must not put a fault aside.
    let escape = shown.is_top_modal && ctx.input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::Escape));
    if escape {
        keep_waiting(form, pair, fault);
    }
}

/// What stands below the scrolled part needs so much.
fn below_height(data: &Prompt, fault: &FaultPrompt) -> f32 {
    let declared = if data.unproven.is_empty() { 0.0 } else { 60.0 };
    let hold = if data.button.is_some() && !fault.live { 28.0 } else { 0.0 };
    150.0 + declared + hold
}

/// Darkens the main part behind the prompt.
pub fn scrim(ui: &Ui) {
    ui.painter().rect_filled(ui.max_rect(), 0.0, theme::of(ui).scrim);
}

fn keep_waiting(form: &mut Form, pair: &PairView, fault: &FaultPrompt) {
    form.waiting = Some((pair.name.clone(), fault.since));
    form.typed.clear();
}

fn head(ui: &mut Ui, data: &Prompt) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::ROW;
        widgets::say(ui, &Said::new(data.sign, data.tone).of(Type::Figure));
        widgets::say(ui, &Said::plain(&data.title).of(Type::Title));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| widgets::say(ui, &Said::muted(&data.since)));
    });
    ui.add_space(space::TINY);
    ui.horizontal(|ui| {
        ui.add_space(34.0);
        widgets::say(ui, &Said::muted(data.advice));
    });
    ui.add_space(space::GAP);
}

fn evidence(ui: &mut Ui, fault: &FaultPrompt, data: &Prompt) {
    let widths: &[f32] = if data.button.is_some() { &[1.0, 1.5] } else { &[1.0] };
    widgets::columns(ui, "evidence", widths, space::GAP, |ui, place, cell| {
        cell.card(ui, Surface::Plain, |ui| {
            if place == 0 {
                widgets::heading(ui, "What was observed", "");
                observed(ui, data);
                ui.add_space(space::SMALL);
                widgets::wrapped(ui, &[Said::muted(&data.verdict)]);
            } else {
                widgets::heading(ui, &format!("What {} would {} from", fault.survivor, if fault.live { "go on" } else { "resume" }), "");
                let columns: &[Column] = &[("Service", 0.0), ("Recovery point", 0.0), ("Grade", 0.0), ("Data lost", 0.0)];
                Table::new("resume", columns).show(ui, data.resume.len(), |row| data.resume[row].iter().cloned().map(Cell::from).collect());
                ui.add_space(space::SMALL);
                widgets::wrapped(ui, &[Said::muted(&data.users)]);
                for line in &data.unproven {
                    ui.add_space(space::SMALL);
                    widgets::wrapped(ui, std::slice::from_ref(line));
                }
            }
        });
    });
}

/// Evidence is never cut: it wraps.
fn observed(ui: &mut Ui, data: &Prompt) {
    for (number, (who, saw)) in data.observed.iter().enumerate() {
        widgets::columns(ui, &format!("observed {number}"), &[1.0, 2.2], space::ROW, |ui, place, cell| {
            cell.bare(ui, |ui| {
                ui.add_space(space::SMALL);
                let said = if place == 0 { Said::plain(who) } else { saw.clone() };
                widgets::wrapped(ui, &[said]);
                ui.add_space(space::SMALL);
            });
        });
        let line = Stroke::new(1.0, theme::of(ui).line);
        ui.painter().hline(ui.max_rect().x_range(), ui.cursor().top(), line);
    }
}

fn below(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, fault: &FaultPrompt, data: &Prompt, form: &mut Form, acts: &mut Vec<Act>) {
    if !data.refused.is_empty() {
        widgets::wrapped(ui, &[Said::warn(format!("▲ {}", data.refused))]);
        ui.add_space(space::SMALL);
    }
    if data.button.is_some() {
        if !data.unproven.is_empty() {
            let label = format!("How do you know that nobody writes at {}? It is kept in the record", fault.faulty);
            Field::new(&label).hint("for example: its power is off, says the site").show(ui, &mut form.declared);
            ui.add_space(space::SMALL);
        }
        // What goes on from its own data has no point to look at first.
        if !fault.live {
            widgets::check(ui, &mut form.hold, &[Said::plain(HOLD)], true);
            ui.add_space(space::SMALL);
        }
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::ROW;
        if data.button.is_some() {
            ui.vertical(|ui| {
                ui.set_width(CONFIRM_WIDTH);
                Field::new(&format!("Type {} to confirm", fault.survivor)).show(ui, &mut form.typed);
            });
        }
        ui.with_layout(Layout::right_to_left(Align::Max), |ui| {
            let command = form.command(pair, fault, scene.snapshot.generation, &person());
            if let Some(button) = &data.button
                && widgets::button(ui, Look::Danger, button, command.is_some()).clicked()
                && let Some(command) = command
            {
                let kind = ChangeKind::Promotes;
                form.change = Some(Change { pair: pair.name.clone(), to: fault.survivor.clone(), kind, ended: None });
                form.typed.clear();
                form.declared.clear();
                form.hold = false;
                acts.push(Act::Ask(Place::Adjust(pair.name.clone()), Box::new(command)));
            }
            let wait = if data.button.is_some() { "Keep waiting" } else { "Close" };
            if widgets::button(ui, Look::Plain, wait, true).clicked() {
                keep_waiting(form, pair, fault);
            }
            if widgets::button(ui, Look::Plain, "Diagnostics", true).clicked() {
                acts.push(Act::Open(Dialog::Read("Diagnostics".to_owned(), diagnostics(scene, pair))));
            }
        });
    });
}

/// Who decides, as the desktop knows them.
pub fn person() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "console".to_owned())
}

/// Draws how an identity change goes, and how it went. True when the person has read it.
pub fn change(ctx: &Context, scene: &Scene<'_>, change: &Change) -> bool {
    let data = outcome(scene, change);
    let mut read = false;
    let left = widgets::dialog(ctx, "identity change", &data.title.text, space::READ_WIDTH, |ui| {
        let height = ui.ctx().content_rect().height() - 260.0;
        widgets::scrolled(ui, "change", height, |ui| draw_change(ui, &data));
        ui.add_space(16.0);
        widgets::actions(ui, |ui| {
            read = widgets::button(ui, Look::Primary, "Done", data.over).clicked();
        });
    });
    data.over && (read || left)
}

fn draw_change(ui: &mut Ui, data: &Outcome) {
    let tone = if data.title.tone == Tone::Bad { Tone::Bad } else { Tone::Muted };
    widgets::wrapped(ui, &[Said::new(&data.words, tone)]);
    for (title, columns, rows) in [
        ("Services", [("Service", 0.0), ("Resumed from", 0.0), ("Data lost", 1.0)], &data.services),
        ("Steps", [("Step", 0.0), ("How it went", 0.0), ("Detail", 1.0)], &data.steps),
    ] {
        if !rows.is_empty() {
            ui.add_space(space::GAP);
            widgets::card(ui, Surface::Plain, |ui| {
                widgets::heading(ui, title, "");
                Table::new(title, &columns).show(ui, rows.len(), |row| rows[row].iter().cloned().map(Cell::from).collect());
            });
        }
    }
}
