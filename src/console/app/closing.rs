//! Closing the window. One that holds the engine asks first while a run or a decision is under way: they would stop with it.

use egui::{Context, ViewportCommand};

use super::App;
use crate::console::command::Dialog;
use crate::console::said::Said;
use crate::console::screens::overview::data::is_over;
use crate::console::theme::space;
use crate::console::widgets::{self, Look};
use crate::console::words;

/// How far closing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Closing {
    /// Nobody wants to.
    #[default]
    No,
    /// A person said that it may be closed.
    Agreed,
}

impl App {
    /// What would stop with this window; empty: nothing does.
    fn stops(&self) -> String {
        // The training lab ends with its window, as everybody expects.
        let Some(snapshot) = self.engine.snapshot().filter(|_| self.engine.is_own()) else { return String::new() };
        let runs = snapshot.runs.iter().filter(|run| !is_over(run.phase)).count() as u64;
        let drills = snapshot.drills.iter().filter(|view| view.report.outcome.is_none()).count() as u64;
        let mut what = Vec::new();
        what.extend((runs > 0).then(|| words::plural(runs, "run")));
        what.extend((drills > 0).then(|| words::plural(drills, "drill")));
        what.extend(self.forms.fault.change.as_ref().filter(|change| change.ended.is_none()).map(|_| "an identity change".to_owned()));
        what.join(", ")
    }

    /// The desktop wants to close the window.
    pub(super) fn close_asked(&mut self, ctx: &Context) {
        if !ctx.input(|input| input.viewport().close_requested()) || self.closing == Closing::Agreed || self.stops().is_empty() {
            return;
        }
        ctx.send_viewport_cmd(ViewportCommand::CancelClose);
        self.open(Dialog::Quit);
    }

    /// The question. True when the dialog is to be closed.
    pub(super) fn quit(&mut self, ctx: &Context) -> bool {
        let (mut close, mut stay) = (false, false);
        let under_way = match self.stops() {
            what if what.is_empty() => "Nothing is under way any more.".to_owned(),
            what => format!("Under way: {what}."),
        };
        let left = widgets::dialog(ctx, "quit", "Close Understudy?", space::DIALOG_WIDTH, |sheet| {
            sheet.body(|ui| {
                widgets::wrapped(ui, &[Said::warn(format!("▲ {under_way}")).strong()]);
                widgets::wrapped(
                    ui,
                    &[Said::plain(
                        "The engine runs in this window. While it is closed no backup runs, no schedule is kept and no fault is seen. What is \
                         under way goes on when Understudy is opened again.",
                    )],
                );
                ui.add_space(space::SMALL);
                widgets::wrapped(ui, &[Said::muted("To keep backups running without a window, run the engine on its own: understudy engine.")]);
            });
            sheet.foot(|ui| {
                widgets::actions(ui, |ui| {
                    close = widgets::button(ui, Look::Danger, "Close and stop", true).clicked();
                    stay = widgets::button(ui, Look::Plain, "Keep it open", true).clicked();
                });
            });
        });
        if close {
            self.closing = Closing::Agreed;
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        close || stay || left
    }
}
