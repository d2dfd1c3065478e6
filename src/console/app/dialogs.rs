//! Draws dialogs: plain questions, plans, texts to read.

use egui::{Context, Ui};

use super::questions::{Question, question};
use super::{App, removal};
use crate::console::command::{Act, Dialog};
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::fault::data::{Change, ChangeKind, HOLD};
use crate::console::screens::{Scene, clusters, points};
use crate::console::theme::{Type, space};
use crate::console::widgets::{self, Field, Look};
use crate::console::words;
use crate::controller::Command;
use crate::controller::command::Runbook;

impl App {
    pub(super) fn dialogs(&mut self, ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
        let Some(dialog) = self.dialog.clone() else { return };
        let ctx = ui.ctx().clone();
        let close = match &dialog {
            Dialog::Read(title, lines) => read(&ctx, title, lines),
            Dialog::OpenPlan => self.open_plan(&ctx, acts),
            Dialog::DropEdits(act) => self.drop_edits(&ctx, act, acts),
            Dialog::Quit => self.quit(&ctx),
            Dialog::ExportPlan | Dialog::Debrief => self.write_file(&ctx, &dialog, acts),
            Dialog::Restore(point) => points::restore::dialog(&ctx, scene, *point, &mut self.forms.restore, acts),
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
        let left = widgets::dialog(ctx, "question", &question.title, width, |sheet| {
            sheet.body(|ui| {
                widgets::wrapped(ui, &[Said::muted(&question.text)]);
                if question.verb.is_some() {
                    ui.add_space(space::GAP);
                    runbook_ui(ui, scene, runbook);
                }
                if let Some((lines, _)) = &going {
                    ui.add_space(space::GAP);
                    removal::ui(ui, lines);
                }
            });
            sheet.foot(|ui| {
                if question.can_hold {
                    widgets::check(ui, &mut self.forms.fault.hold, &[Said::plain(HOLD)], true);
                    ui.add_space(space::SMALL);
                }
                if !question.confirm.is_empty() {
                    Field::new(&format!("Type {} to confirm", question.confirm)).show(ui, &mut self.forms.dialog);
                    ui.add_space(space::GAP);
                }
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
        });
        if answered && !acts.is_empty() {
            self.forms.fault.change = change_of(question.command).or(self.forms.fault.change.take());
        }
        answered || left
    }

    /// The policy form is left with what was changed in it.
    fn drop_edits(&mut self, ctx: &Context, act: &Act, acts: &mut Vec<Act>) -> bool {
        let (mut leave, mut stay) = (false, false);
        let left = widgets::dialog(ctx, "edits", "Leave the policy unsaved?", space::DIALOG_WIDTH, |sheet| {
            sheet.body(|ui| drop(widgets::wrapped(ui, &[Said::muted("What was changed in it is not saved, and is lost.")])));
            sheet.foot(|ui| {
                widgets::actions(ui, |ui| {
                    leave = widgets::button(ui, Look::Danger, "Drop the changes", true).clicked();
                    stay = widgets::button(ui, Look::Plain, "Go on editing", true).clicked();
                });
            });
        });
        if leave {
            self.forms.policy.changed = false;
            acts.push(act.clone());
        }
        leave || stay || left
    }

    fn open_plan(&mut self, ctx: &Context, acts: &mut Vec<Act>) -> bool {
        let mut done = false;
        let left = widgets::dialog(ctx, "plan", "Open a plan", space::DIALOG_WIDTH + 100.0, |sheet| {
            sheet.body(|ui| {
                widgets::wrapped(
                    ui,
                    &[Said::muted(
                        "Pairs, services and policies from a file. Nothing is changed before you have seen the list of changes.",
                    )],
                );
                ui.add_space(space::GAP);
                Field::new("File").hint("/path/to/plan.toml").mono().show(ui, &mut self.forms.dialog);
                if let Some((_, changes)) = &self.forms.plan {
                    ui.add_space(space::GAP);
                    changes_ui(ui, changes.as_deref());
                }
            });
            sheet.foot(|ui| {
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
        let left = widgets::dialog(ctx, "write", title, space::DIALOG_WIDTH, |sheet| {
            sheet.body(|ui| drop(Field::new("File").mono().show(ui, &mut self.forms.dialog)));
            sheet.foot(|ui| {
                widgets::actions(ui, |ui| {
                    if widgets::button(ui, Look::Primary, "Write", true).clicked() {
                        acts.push(written(dialog, self.forms.dialog.trim().into()));
                        done = true;
                    }
                    done |= widgets::button(ui, Look::Plain, "Cancel", true).clicked();
                });
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
            for change in changes {
                widgets::wrapped(ui, &[Said::muted(format!("· {change}"))]);
            }
        }
    }
}

fn read(ctx: &Context, title: &str, lines: &[String]) -> bool {
    let mut done = false;
    let left = widgets::dialog(ctx, "read", title, space::READ_WIDTH, |sheet| {
        sheet.body(|ui| {
            for line in lines {
                widgets::wrapped(ui, &[Said::muted(line).mono()]);
            }
        });
        sheet.foot(|ui| widgets::actions(ui, |ui| done = widgets::button(ui, Look::Plain, "Close", true).clicked()));
    });
    done || left
}

/// The lines of a runbook, and its steps with who takes them. Nothing in them is cut.
fn runbook_ui(ui: &mut Ui, scene: &Scene<'_>, runbook: Option<&Runbook>) {
    let Some(runbook) = runbook else {
        widgets::wrapped(ui, &[Said::muted("Asking both agents…")]);
        return;
    };
    widgets::checks(ui, "runbook checks", ["Before it begins", "Seen"], &words::check_rows(&runbook.checks, scene.zone, scene.now));
    ui.add_space(space::GAP);
    widgets::checks(ui, "runbook steps", ["Step", "By, and how long it takes"], &words::runbook_steps(runbook));
}
