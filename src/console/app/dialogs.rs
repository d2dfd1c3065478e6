//! Draws dialogs: plain questions, plans, texts to read.

use egui::{Context, Ui};

use super::{App, removal};
use crate::console::command::{Act, Dialog};
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::fault::data::{Change, ChangeKind, HOLD};
use crate::console::screens::fault::ui::person;
use crate::console::screens::{Scene, clusters};
use crate::console::theme::{Type, space};
use crate::console::widgets::{self, Cell, Column, Field, Look, Table};
use crate::console::words;
use crate::controller::Command;
use crate::controller::command::{Removal, Runbook, Verb};
use crate::domain::PairName;

/// A question with one dangerous answer.
pub(super) struct Question {
    pub title: String,
    pub text: String,
    pub button: String,
    /// Must be typed exactly; empty: nothing is typed.
    pub confirm: String,
    pub place: Place,
    pub command: Command,
    /// The verb whose runbook is shown; it must be ready.
    pub verb: Option<Verb>,
    /// What is removed for good: it is shown, and must be known.
    pub removal: Option<Removal>,
    /// The services may be held closed for a look.
    pub can_hold: bool,
}

impl App {
    pub(super) fn dialogs(&mut self, ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
        let Some(dialog) = self.dialog.clone() else { return };
        let ctx = ui.ctx().clone();
        let close = match &dialog {
            Dialog::Read(title, lines) => read(&ctx, title, lines),
            Dialog::OpenPlan => self.open_plan(&ctx, acts),
            Dialog::ExportPlan | Dialog::Debrief => self.write_file(&ctx, &dialog, acts),
            Dialog::Maintenance(pair) => clusters::ui::maintenance(&ctx, scene, pair, &mut self.forms.maintenance, acts),
            _ => match question(scene, &dialog) {
                Some(question) => self.ask_person(&ctx, scene, question, acts),
                None => true,
            },
        };
        if close {
            self.dialog = None;
        }
    }

    fn ask_person(&mut self, ctx: &Context, scene: &Scene<'_>, question: Question, acts: &mut Vec<Act>) -> bool {
        let mut answered = false;
        let runbook = self.forms.runbook.as_ref().filter(|runbook| Some(runbook.verb) == question.verb);
        let going = question.removal.as_ref().map(|removal| removal::shown(scene, removal, self.forms.going.as_ref()));
        let ready =
            (question.verb.is_none() || runbook.is_some_and(|runbook| runbook.ready)) && going.as_ref().is_none_or(|(_, known)| *known);
        let wide = question.verb.is_some() || question.removal.is_some();
        let width = if wide { space::DIALOG_WIDTH + 200.0 } else { space::DIALOG_WIDTH };
        let left = widgets::dialog(ctx, "question", &question.title, width, |ui| {
            widgets::wrapped(ui, &[Said::muted(&question.text)]);
            if question.verb.is_some() {
                ui.add_space(space::GAP);
                runbook_ui(ui, runbook);
            }
            if let Some((lines, _)) = &going {
                ui.add_space(space::GAP);
                removal::ui(ui, lines);
            }
            if question.can_hold {
                ui.add_space(space::GAP);
                widgets::check(ui, &mut self.forms.fault.hold, &[Said::plain(HOLD)], true);
            }
            if !question.confirm.is_empty() {
                ui.add_space(space::GAP);
                Field::new(&format!("Type {} to confirm", question.confirm)).show(ui, &mut self.forms.dialog);
            }
            ui.add_space(16.0);
            widgets::actions(ui, |ui| {
                let typed = question.confirm.is_empty() || self.forms.dialog == question.confirm;
                if widgets::button(ui, Look::Danger, &question.button, typed && ready).clicked() {
                    let mut command = question.command.clone();
                    if let Command::AdjustIdentity { hold, .. } = &mut command {
                        *hold = std::mem::take(&mut self.forms.fault.hold);
                    }
                    if question.place == Place::Leftovers {
                        self.forms.leftovers.busy = Some(true);
                    }
                    acts.push(Act::Ask(question.place.clone(), Box::new(command)));
                    answered = true;
                }
                answered |= widgets::button(ui, Look::Plain, "Back", true).clicked();
            });
        });
        if answered && !acts.is_empty() {
            self.forms.fault.change = change_of(question.command).or(self.forms.fault.change.take());
        }
        answered || left
    }

    fn open_plan(&mut self, ctx: &Context, acts: &mut Vec<Act>) -> bool {
        let mut done = false;
        let left = widgets::dialog(ctx, "plan", "Open a plan", space::DIALOG_WIDTH + 100.0, |ui| {
            widgets::wrapped(
                ui,
                &[Said::muted("Pairs, services and policies from a file. Nothing is changed before you have seen the list of changes.")],
            );
            ui.add_space(space::GAP);
            Field::new("File").hint("/path/to/plan.toml").mono().show(ui, &mut self.forms.dialog);
            ui.add_space(space::GAP);
            if let Some((_, changes)) = &self.forms.plan {
                changes_ui(ui, changes.as_deref());
            }
            widgets::actions(ui, |ui| {
                let ready = self.forms.plan.as_ref().filter(|(_, changes)| changes.as_ref().is_some_and(|changes| !changes.is_empty()));
                if widgets::button(ui, Look::Primary, "Apply the plan", ready.is_some()).clicked()
                    && let Some((plan, _)) = ready
                {
                    let command = Command::ApplyPlan { plan: plan.clone(), dry_run: false };
                    acts.push(Act::Ask(Place::PlanApply, Box::new(command)));
                    done = true;
                }
                if widgets::button(ui, Look::Plain, "Show the changes", !self.forms.dialog.trim().is_empty()).clicked() {
                    acts.push(Act::ReadPlan(self.forms.dialog.trim().into()));
                }
                if widgets::button(ui, Look::Plain, "Browse…", true).clicked() {
                    acts.push(Act::Pick(true));
                }
                done |= widgets::button(ui, Look::Plain, "Cancel", true).clicked();
            });
        });
        done || left
    }

    fn write_file(&mut self, ctx: &Context, dialog: &Dialog, acts: &mut Vec<Act>) -> bool {
        let (title, name) =
            if *dialog == Dialog::ExportPlan { ("Export the plan", "plan.toml") } else { ("Export the debrief", "debrief.md") };
        if self.forms.dialog.is_empty() {
            self.forms.dialog = self.spec.state_dir.join(name).display().to_string();
        }
        let mut done = false;
        let left = widgets::dialog(ctx, "write", title, space::DIALOG_WIDTH, |ui| {
            Field::new("File").mono().show(ui, &mut self.forms.dialog);
            ui.add_space(16.0);
            widgets::actions(ui, |ui| {
                if widgets::button(ui, Look::Primary, "Write", true).clicked() {
                    acts.push(written(dialog, self.forms.dialog.trim().into()));
                    done = true;
                }
                done |= widgets::button(ui, Look::Plain, "Cancel", true).clicked();
            });
        });
        done || left
    }
}

/// The identity change that a command asks for, to be followed to its end.
fn change_of(command: Command) -> Option<Change> {
    let (pair, to, kind) = match command {
        Command::AdjustIdentity { pair, to, .. } => (pair, to, ChangeKind::Promotes),
        Command::CommitPromotion { pair, confirm, .. } => (pair, confirm.parse().ok()?, ChangeKind::Commits),
        Command::TakeBack { pair, confirm, .. } => (pair, confirm.parse().ok()?, ChangeKind::TakesBack),
        _ => return None,
    };
    Some(Change { pair, to, kind, ended: None })
}

#[cfg(feature = "lab")]
fn written(dialog: &Dialog, path: std::path::PathBuf) -> Act {
    if *dialog == Dialog::Debrief { Act::Lab(crate::console::lab_seam::LabCommand::ExportDebrief(path)) } else { Act::WritePlan(path) }
}

#[cfg(not(feature = "lab"))]
fn written(_dialog: &Dialog, path: std::path::PathBuf) -> Act {
    Act::WritePlan(path)
}

fn changes_ui(ui: &mut Ui, changes: Option<&[String]>) {
    match changes {
        None => drop(widgets::say(ui, &Said::muted("Asking the engine what would change…"))),
        Some([]) => drop(widgets::say(ui, &Said::ok("✓ Nothing would change."))),
        Some(changes) => {
            widgets::say(ui, &Said::plain("What would change").of(Type::Heading));
            widgets::scrolled(ui, "changes", space::TREE_ROW * 10.0, |ui| {
                for change in changes {
                    widgets::wrapped(ui, &[Said::muted(format!("· {change}"))]);
                }
            });
        }
    }
    ui.add_space(space::GAP);
}

fn read(ctx: &Context, title: &str, lines: &[String]) -> bool {
    let mut done = false;
    let left = widgets::dialog(ctx, "read", title, space::READ_WIDTH, |ui| {
        let height = ui.ctx().content_rect().height() - 260.0;
        widgets::scrolled(ui, "lines", height, |ui| {
            for line in lines {
                widgets::wrapped(ui, &[Said::muted(line).mono()]);
            }
        });
        ui.add_space(16.0);
        widgets::actions(ui, |ui| {
            done = widgets::button(ui, Look::Plain, "Close", true).clicked();
        });
    });
    done || left
}

/// The lines of a runbook, and its steps with who takes them.
fn runbook_ui(ui: &mut Ui, runbook: Option<&Runbook>) {
    let Some(runbook) = runbook else {
        widgets::wrapped(ui, &[Said::muted("Asking both agents…")]);
        return;
    };
    let columns: &[Column] = &[("", 0.0), ("Before it begins", 0.0), ("Seen", 0.0)];
    let lines = words::check_rows(&runbook.checks);
    Table::new("runbook checks", columns).show(ui, lines.len(), |row| lines[row].iter().cloned().map(Cell::from).collect());
    ui.add_space(space::SMALL);
    let columns: &[Column] = &[("Step", 0.0), ("By", 0.0), ("Takes", 0.0)];
    let steps = words::runbook_steps(runbook);
    Table::new("runbook steps", columns).show(ui, steps.len(), |row| steps[row].iter().cloned().map(Cell::from).collect());
}

fn question(scene: &Scene<'_>, dialog: &Dialog) -> Option<Question> {
    Some(match dialog {
        Dialog::CancelRun(run) => Question {
            title: "Cancel this run?".to_owned(),
            text: "What it copied is dropped on both sides. The recovery point before it stays as it is. Once the run commits it can no longer be cancelled."
                .to_owned(),
            button: "Cancel the run".to_owned(),
            confirm: String::new(),
            place: Place::Cancel,
            command: Command::CancelRun { run: *run },
            verb: None,
            removal: None,
            can_hold: false,
        },
        Dialog::RemoveService(service) => Question {
            title: format!("Remove the policy of {service}?"),
            text: "It is backed up no longer. Its recovery points stay on the secondary until they are pruned by hand.".to_owned(),
            button: "Remove the policy".to_owned(),
            confirm: service.to_string(),
            place: Place::Remove(service.clone()),
            command: Command::RemoveService { service: service.clone() },
            verb: None,
            removal: None,
            can_hold: false,
        },
        Dialog::AbandonRun(run, service) => return Some(removal::abandon(scene, *run, service)),
        Dialog::Remove(pair, removal) => return removal::question(pair, removal),
        Dialog::Switchover(pair) => return switchover(scene, pair),
        Dialog::Reverse(pair) => return reversal(scene, pair),
        Dialog::Commit(pair) => return commit(scene, pair),
        Dialog::TakeBack(pair) => return take_back(scene, pair),
        Dialog::Maintenance(_) | Dialog::OpenPlan | Dialog::ExportPlan | Dialog::Debrief | Dialog::Read(..) => return None,
    })
}

fn switchover(scene: &Scene<'_>, pair: &PairName) -> Option<Question> {
    let view = scene.snapshot.pairs.iter().find(|view| view.name == *pair)?;
    let to = view.clusters.iter().find(|cluster| Some(&cluster.name) != view.active.as_ref())?.name.clone();
    let from = view.clusters.iter().find(|cluster| cluster.name != to)?.name.clone();
    Some(Question {
        title: format!("Planned switchover: make {to} primary"),
        text: format!(
            "Applications on {from} are held first (fence), then every service gets a final run, then {to} gets the primary identity. \
             Nothing is lost. If anything fails before that, the fence is lifted and {from} goes on."
        ),
        button: format!("Make {to} primary"),
        confirm: to.to_string(),
        place: Place::Adjust(pair.clone()),
        command: Command::AdjustIdentity {
            pair: pair.clone(),
            confirm: to.to_string(),
            to,
            planned: true,
            hold: false,
            declared: None,
            points: std::collections::BTreeMap::new(),
            generation: Some(scene.snapshot.generation),
            by: person(),
        },
        verb: Some(Verb::Planned),
        removal: None,
        can_hold: true,
    })
}

fn reversal(scene: &Scene<'_>, pair: &PairName) -> Option<Question> {
    let view = scene.snapshot.pairs.iter().find(|view| view.name == *pair)?;
    let target = view.reversible.as_ref()?;
    let primary = view.active.as_ref()?;
    Some(Question {
        title: format!("Reverse replication: {target} stands by for {primary}"),
        text: format!(
            "What {target} wrote after the last common recovery point is kept there under snapshots of its own. Its data sets then go back \
             to that point, and backups go on from {primary} to {target}: only what differs is copied. Applications are not touched."
        ),
        button: format!("Make {target} the target"),
        confirm: target.to_string(),
        place: Place::Reverse,
        command: Command::ReverseReplication {
            pair: pair.clone(),
            confirm: target.to_string(),
            generation: Some(scene.snapshot.generation),
            by: person(),
        },
        verb: Some(Verb::Reverse),
        removal: None,
        can_hold: false,
    })
}

fn commit(scene: &Scene<'_>, pair: &PairName) -> Option<Question> {
    let window = scene.snapshot.pairs.iter().find(|view| view.name == *pair)?.window.as_ref().filter(|window| window.held)?;
    let primary = &window.primary;
    Some(Question {
        title: format!("Commit the promotion of {primary}"),
        text: format!(
            "The fences at {primary} come down and applications follow there. From its first write on the promotion can no longer be taken \
             back."
        ),
        button: format!("Open {primary} to applications"),
        confirm: primary.to_string(),
        place: Place::Adjust(pair.clone()),
        command: Command::CommitPromotion {
            pair: pair.clone(),
            confirm: primary.to_string(),
            generation: Some(scene.snapshot.generation),
            by: person(),
        },
        verb: None,
        removal: None,
        can_hold: false,
    })
}

fn take_back(scene: &Scene<'_>, pair: &PairName) -> Option<Question> {
    let window = scene.snapshot.pairs.iter().find(|view| view.name == *pair)?.window.as_ref()?;
    let (primary, old) = (&window.primary, &window.back_to);
    Some(Question {
        title: format!("Take the promotion back: {old} goes on"),
        text: format!(
            "{primary} is fenced and proves that nothing was written there since its promotion; if it cannot, all stays as it is. Then {old} \
             gets the primary identity again, with everything that it holds, and {primary} stands by as before."
        ),
        button: format!("Give {old} its identity back"),
        confirm: old.to_string(),
        place: Place::Adjust(pair.clone()),
        command: Command::TakeBack {
            pair: pair.clone(),
            confirm: old.to_string(),
            generation: Some(scene.snapshot.generation),
            by: person(),
        },
        verb: Some(Verb::TakeBack),
        removal: None,
        can_hold: false,
    })
}
