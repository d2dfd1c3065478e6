//! Draws the fault prompt, and what became of an identity change.

use egui::{Align, Align2, Color32, Context, Id, Layout, Modal, ScrollArea, Stroke, Ui, vec2};

use super::data::{Change, ChangeKind, Form, HOLD, Outcome, Prompt, diagnostics, outcome, prompt};
use crate::console::command::{Act, Dialog, Screen, UiCommand};
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{self, Tone, Type, space};
use crate::console::widgets::{self, Cell, Field, Look, Surface, Table};
use crate::controller::snapshot::{FaultPrompt, PairView};
use crate::domain::ServiceName;

const TOP: f32 = 88.0;
/// Where a held promotion is committed or taken back.
const GO_ON: &str = "To the clusters: commit or take back…";
const CONFIRM_WIDTH: f32 = 230.0;
/// The prompt's own margins, and some air above the footer.
const AROUND: f32 = 54.0;
/// The list of a service's points, which may be long.
const CHOICES_HEIGHT: f32 = 180.0;
/// Narrower than this the two parts of the evidence stand below one another.
const SIDE_BY_SIDE: f32 = 640.0;

/// Draws the prompt over everything; the scrim leaves navigation and header readable.
pub fn show(ui: &Ui, scene: &Scene<'_>, pair: &PairView, fault: &FaultPrompt, form: &mut Form, acts: &mut Vec<Act>) {
    let ctx = ui.ctx().clone();
    let tokens = theme::of(ui);
    let id = Id::unique("fault prompt");
    let aside = space::NAV_WIDTH / 2.0;
    let screen = ctx.content_rect();
    let top = TOP.min(screen.height() * 0.1);
    let area = Modal::default_area(id).anchor(Align2::CENTER_TOP, vec2(aside, top)).accessible_name("Fault prompt");
    let data = prompt(scene, pair, fault, form);
    let frame = widgets::sheet_frame(tokens, tokens.colour(data.tone));
    let shown = Modal::new(id).area(area).frame(frame).backdrop_color(Color32::TRANSPARENT).show(&ctx, |ui| {
        ui.set_width(space::PROMPT_WIDTH.min(screen.width() - space::NAV_WIDTH - 2.0 * space::GAP) - 54.0);
        let mut sheet = widgets::Sheet::new(ui, "prompt", screen.height() - top - space::FOOTER_HEIGHT - AROUND);
        sheet.body(|ui| {
            head(ui, &data);
            evidence(ui, fault, &data, form);
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
        sheet.foot(|ui| below(ui, scene, pair, fault, &data, form, acts));
    });
    // Esc keeps waiting, as the button does; a click outside must not put a fault aside.
    let escape = shown.is_top_modal && ctx.input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::Escape));
    if escape {
        keep_waiting(form, pair, fault);
    }
}

/// Darkens the main part behind the prompt.
pub fn scrim(ui: &Ui) {
    ui.painter().rect_filled(ui.max_rect(), 0.0, theme::of(ui).scrim);
}

fn keep_waiting(form: &mut Form, pair: &PairView, fault: &FaultPrompt) {
    form.waiting = Some((pair.name.clone(), fault.since));
    form.typed.clear();
    form.points.clear();
    form.listed = None;
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

fn evidence(ui: &mut Ui, fault: &FaultPrompt, data: &Prompt, form: &mut Form) {
    let narrow = ui.available_width() < SIDE_BY_SIDE;
    if data.button.is_none() || narrow {
        widgets::card(ui, Surface::Plain, |ui| seen(ui, data));
        if data.button.is_some() {
            ui.add_space(space::GAP);
            widgets::card(ui, Surface::Plain, |ui| resumed(ui, fault, data, form));
        }
        return;
    }
    widgets::columns(ui, "evidence", &[1.0, 1.5], space::GAP, |ui, place, cell| {
        cell.card(ui, Surface::Plain, |ui| if place == 0 { seen(ui, data) } else { resumed(ui, fault, data, form) });
    });
}

fn seen(ui: &mut Ui, data: &Prompt) {
    widgets::heading(ui, "What was observed", "");
    observed(ui, data);
    ui.add_space(space::SMALL);
    widgets::wrapped(ui, &[Said::muted(&data.verdict)]);
}

/// The totals stand above the services: they decide, however many services there are.
fn resumed(ui: &mut Ui, fault: &FaultPrompt, data: &Prompt, form: &mut Form) {
    widgets::heading(ui, &format!("What {} would {} from", fault.survivor, if fault.live { "go on" } else { "resume" }), "");
    for line in &data.totals {
        widgets::wrapped(ui, &[line.clone().strong()]);
    }
    for line in &data.unproven {
        ui.add_space(space::SMALL);
        widgets::wrapped(ui, std::slice::from_ref(line));
    }
    ui.add_space(space::SMALL);
    widgets::wrapped(ui, &[Said::muted(&data.users)]);
    ui.add_space(space::SMALL);
    let columns = [widgets::text("Service"), widgets::whole("Recovery point"), widgets::whole("Grade"), widgets::whole("Data lost")];
    let rows = |row: usize| data.resume[row].iter().cloned().map(Cell::from).collect();
    if fault.live {
        Table::new("resume", &columns).show(ui, data.resume.len(), rows);
        return;
    }
    let listed = data.services.iter().position(|service| Some(service) == form.listed.as_ref());
    let reply = Table::new("resume", &columns).clickable(listed).show(ui, data.resume.len(), rows);
    if let Some(service) = reply.clicked.and_then(|row| data.services.get(row)) {
        form.listed = if form.listed.as_ref() == Some(service) { None } else { Some(service.clone()) };
    }
    match form.listed.clone() {
        Some(service) => points(ui, &service, data, form),
        None => {
            ui.add_space(space::SMALL);
            widgets::wrapped(ui, &[Said::muted("Click a service to resume it from an older recovery point.").of(Type::Label)]);
        }
    }
}

/// The points of one service. The newest is taken unless another is chosen, which then stays.
fn points(ui: &mut Ui, service: &ServiceName, data: &Prompt, form: &mut Form) {
    ui.add_space(space::SMALL);
    widgets::say(ui, &Said::plain(format!("Resume {service} from")).of(Type::Heading));
    if data.choices.is_empty() {
        widgets::wrapped(ui, &[Said::bad("✖ It has no recovery point.")]);
        return;
    }
    let newest = data.choices.first().map(|choice| choice.point);
    let chosen = form.points.get(service).copied().or(newest);
    let place = data.choices.iter().position(|choice| Some(choice.point) == chosen);
    let columns = [widgets::whole("Point"), widgets::whole("Grade"), widgets::whole("Data lost"), widgets::share("After it", 1.0)];
    ScrollArea::vertical().id_salt("choices").max_height(CHOICES_HEIGHT).auto_shrink([false, true]).show(ui, |ui| {
        let reply = Table::new("choices", &columns)
            .clickable(place)
            .show(ui, data.choices.len(), |row| data.choices[row].cells.iter().cloned().map(Cell::from).collect());
        if let Some(choice) = reply.clicked.and_then(|row| data.choices.get(row)) {
            form.points.insert(service.clone(), choice.point);
        }
    });
    if form.points.contains_key(service) {
        ui.add_space(space::SMALL);
        widgets::wrapped(
            ui,
            &[Said::muted("It stays chosen. Points newer than it are not used, and are offered no more.").of(Type::Label)],
        );
        ui.add_space(space::SMALL);
        if widgets::button(ui, Look::Plain, "Take the newest again", true).clicked() {
            form.points.remove(service);
        }
    }
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
            let label = format!("How do you know that nobody writes at {}? (required; saved in the audit log)", fault.faulty);
            Field::new(&label).hint("for example: its power is off, says the site").show(ui, &mut form.declared);
            ui.add_space(space::SMALL);
        }
        // What goes on from its own data has no point to look at first.
        if !fault.live {
            widgets::check(ui, &mut form.hold, &[Said::plain(HOLD)], true);
            ui.add_space(space::SMALL);
        }
    }
    let wide = ui.available_width() >= SIDE_BY_SIDE;
    if data.button.is_some() && wide {
        ui.horizontal(|ui| {
            ui.vertical(|ui| confirm(ui, fault, form));
            ui.with_layout(Layout::right_to_left(Align::Max), |ui| {
                ui.spacing_mut().item_spacing.x = space::ROW;
                buttons(ui, scene, pair, fault, data, form, acts);
            });
        });
    } else {
        if data.button.is_some() {
            confirm(ui, fault, form);
            ui.add_space(space::SMALL);
        }
        widgets::actions(ui, |ui| buttons(ui, scene, pair, fault, data, form, acts));
    }
    if data.button.is_some() && data.refused.is_empty() {
        ui.add_space(space::SMALL);
        // Always one line: the button must not move under the hand that gives the last thing.
        let missing = form.missing(fault);
        let said =
            if missing.is_empty() { Said::ok("✓ All is given.") } else { Said::warn(format!("▲ To do: {}.", missing.join("; "))) };
        widgets::say(ui, &said);
    }
}

fn confirm(ui: &mut Ui, fault: &FaultPrompt, form: &mut Form) {
    ui.scope(|ui| {
        ui.set_max_width(CONFIRM_WIDTH);
        Field::new(&format!("Type {} to confirm", fault.survivor)).show(ui, &mut form.typed);
    });
}

fn buttons(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, fault: &FaultPrompt, data: &Prompt, form: &mut Form, acts: &mut Vec<Act>) {
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
        form.points.clear();
        form.listed = None;
        acts.push(Act::Ask(Place::Adjust(pair.name.clone()), Box::new(command)));
    }
    let wait = if data.button.is_some() { "Keep waiting" } else { "Close" };
    if widgets::button(ui, Look::Plain, wait, true).clicked() {
        keep_waiting(form, pair, fault);
    }
    if widgets::button(ui, Look::Plain, "Diagnostics", true).clicked() {
        acts.push(Act::Open(Dialog::Read("Diagnostics".to_owned(), diagnostics(scene, pair))));
    }
}

/// Who decides, as the desktop knows them.
pub fn person() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "console".to_owned())
}

/// Draws how an identity change goes, and how it went. True when the person has read it.
pub fn change(ctx: &Context, scene: &Scene<'_>, change: &Change, acts: &mut Vec<Act>) -> bool {
    let data = outcome(scene, change);
    let mut read = false;
    let left = widgets::dialog(ctx, "identity change", &data.title.text, space::READ_WIDTH, |sheet| {
        sheet.body(|ui| draw_change(ui, &data));
        sheet.foot(|ui| {
            widgets::actions(ui, |ui| {
                read = widgets::button(ui, Look::Primary, "Done", data.over).clicked();
                // A held promotion is committed or taken back there.
                if !data.look.is_empty() && widgets::button(ui, Look::Plain, GO_ON, true).clicked() {
                    acts.push(Act::Do(UiCommand::Go(Screen::Clusters)));
                    read = true;
                }
            });
        });
    });
    data.over && (read || left)
}

fn draw_change(ui: &mut Ui, data: &Outcome) {
    let tone = if data.title.tone == Tone::Bad { Tone::Bad } else { Tone::Muted };
    widgets::wrapped(ui, &[Said::new(&data.words, tone)]);
    let look = [widgets::share("Data set", 1.2), widgets::share("At", 1.0), widgets::whole("With, for example")];
    let services = [widgets::text("Service"), widgets::whole("Resumed from"), widgets::share("Data lost", 1.0)];
    let steps = [widgets::text("Step"), widgets::whole("How it went"), widgets::share("Detail", 1.0)];
    for (title, columns, rows) in
        [("Where to look", look, &data.look), ("Services", services, &data.services), ("Steps", steps, &data.steps)]
    {
        if !rows.is_empty() {
            ui.add_space(space::GAP);
            widgets::card(ui, Surface::Plain, |ui| {
                widgets::heading(ui, title, "");
                Table::new(title, &columns).show(ui, rows.len(), |row| rows[row].iter().cloned().map(Cell::from).collect());
            });
        }
    }
}
