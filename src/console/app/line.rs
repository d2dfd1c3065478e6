//! The line to the engine as a person sees it: where the engine runs, that it was lost, and how the console finds it again.

use egui::{Context, Ui};
use poll_promise::Promise;

use super::App;
use crate::console::AttachEngine;
use crate::console::link::Link;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::widgets;
use crate::controller::EngineHandle;
use crate::domain::Trouble;

/// Seconds between two attempts to attach again.
const AGAIN_SECS: f64 = 2.0;

/// Attaching again to an engine that was lost.
pub(super) struct Again {
    attach: Option<AttachEngine>,
    trying: Option<Promise<Result<EngineHandle, Trouble>>>,
    next: f64,
}

impl Again {
    pub(super) fn new(attach: Option<AttachEngine>) -> Again {
        Again { attach, trying: None, next: 0.0 }
    }

    /// Frames must look again soon.
    pub(super) fn is_under_way(&self) -> bool {
        self.trying.is_some()
    }
}

impl App {
    /// An engine of another process comes back by itself as soon as it runs again. One that stopped in this process does not.
    pub(super) fn attach_again(&mut self, ctx: &Context) {
        let attached = matches!(&self.engine, Link::Running(handle, _) if handle.is_attached());
        if !(attached && self.engine.is_lost()) {
            return;
        }
        let now = ctx.input(|input| input.time);
        if self.again.trying.is_none() && now >= self.again.next {
            self.again.next = now + AGAIN_SECS;
            self.again.trying = self.again.attach.as_ref().map(|attach| attach());
        }
        let ended = self.again.trying.as_ref().and_then(|trying| trying.ready()).cloned();
        if let Some(ended) = ended {
            self.again.trying = None;
            // It is not there yet: the next attempt comes.
            if let Ok(handle) = ended {
                self.engine = Link::to(handle);
                self.toast(ctx, Said::ok("✓ The engine is there again."));
            }
        }
    }

    pub(super) fn engine_words(&self) -> Said {
        let place = match self.link() {
            _ if self.inside_lab => "Engine: in the training lab",
            Link::Running(handle, _) if handle.is_attached() => "Engine: a process of its own, goes on without this window",
            _ => "Engine: in this console, stops with this window",
        };
        match self.link() {
            Link::Idle(_) => Said::muted("○ Engine: not started"),
            Link::Starting(_) => Said::muted("○ Engine: starting"),
            Link::Running(_, news) if news.lives() => Said::ok(format!("● {place}")),
            Link::Running(..) => Said::bad("✖ Engine: it has stopped"),
            Link::Failed(_) => Said::bad("✖ Engine: it did not start"),
        }
    }

    pub(super) fn no_engine(&self, ui: &mut Ui) {
        widgets::page_head(ui, self.screen.title(), |_| {}, |_| {});
        widgets::card(ui, widgets::Surface::Plain, |ui| match self.link() {
            Link::Failed(trouble) => {
                widgets::wrapped(ui, &[Said::bad("✖ The engine did not start.").strong()]);
                widgets::wrapped(ui, &[Said::plain(trouble.to_string())]);
            }
            _ if self.inside_lab => drop(widgets::wrapped(
                ui,
                &[Said::muted("Starting the training lab: two sites, an application, an engine that watches them…")],
            )),
            _ => drop(widgets::wrapped(ui, &[Said::muted("The engine reads its store and asks the agents…")])),
        });
    }
}

/// Over the whole width of every screen while there is no engine.
pub(super) fn lost_banner(ui: &mut Ui, scene: &Scene<'_>, again: &Again) {
    let at = scene.zone.moment_second(scene.snapshot.at, scene.now);
    widgets::card(ui, widgets::Surface::Bad, |ui| {
        widgets::wrapped(
            ui,
            &[Said::bad(format!("✖ The engine is gone. Everything below is as of {at} and may have changed since.")).strong()],
        );
        let next = if again.attach.is_some() {
            "No backup runs and no fault is seen until it runs again. Start it: understudy engine. This console attaches to it by itself."
        } else {
            "No backup runs and no fault is seen until it runs again. Look at its log, and start the console again."
        };
        widgets::wrapped(ui, &[Said::plain(next)]);
    });
    ui.add_space(crate::console::theme::space::GAP);
}
