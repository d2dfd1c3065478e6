//! The window's contents: polls what has come, draws the frame around the screen, the screen, what lies over it; then acts.

mod acts;
mod closing;
mod dialogs;
mod line;
mod palette;
mod prepare;
mod questions;
mod removal;
mod replies;

use std::sync::Arc;
use std::time::Duration;

use egui::{CentralPanel, Context, Frame, Margin, ScrollArea, Ui};
use poll_promise::Promise;

use super::command::{Act, Dialog, Screen, UiCommand};
use super::errand::Errand;
use super::lab_seam::{LabHandle, LabSnapshot};
use super::link::{Link, Pending, Watched, repainter};
use super::said::Said;
use super::screens::{self, Scene};
use super::shell::palette::Palette;
use super::theme::{self, space};
use super::{ConsoleSpec, StartLab, shell, widgets};
use crate::controller::command::{Going, Runbook};
use crate::controller::{EngineHandle, Snapshot};
use crate::domain::{PairName, Plan, Trouble};

type LabStart = Promise<Result<(LabHandle, EngineHandle), Trouble>>;

/// The training lab, as far as it is.
enum Lab {
    /// Not started.
    Absent,
    /// Being started.
    Starting(LabStart),
    /// It runs, with an engine of its own.
    Running { handle: LabHandle, news: Watched<LabSnapshot>, engine: Link },
}

/// What is typed and chosen on the screens.
#[derive(Default)]
struct Forms {
    fault: screens::fault::data::Form,
    pairing: screens::pairing::data::Form,
    policy: screens::policy::data::Form,
    services: screens::services::ui::State,
    points: screens::points::data::State,
    run: Option<crate::domain::RunId>,
    users: screens::users::data::State,
    leftovers: screens::clusters::leftovers::State,
    maintenance: screens::clusters::maintenance::Form,
    drills: screens::drills::data::State,
    restore: screens::points::restore::Form,
    activity: screens::activity::data::State,
    dialog: String,
    /// Of the verb that the open dialog is about; `None` until both agents were asked.
    runbook: Option<Runbook>,
    /// What the removal that the open dialog is about would take away, or why that is not known; `None` until both agents were asked.
    going: Option<Result<Going, Trouble>>,
    plan: Option<(Plan, Option<Vec<String>>)>,
}

/// A toast and when it goes, in seconds of the window's clock.
struct Toast {
    said: Said,
    until: f64,
}

/// The console's state.
pub struct App {
    engine: Link,
    lab: Lab,
    inside_lab: bool,
    start_lab: Option<StartLab>,
    screen: Screen,
    pair: Option<PairName>,
    forms: Forms,
    dialog: Option<Dialog>,
    palette: Option<Palette>,
    pending: Vec<Pending>,
    errands: Vec<Errand>,
    toasts: Vec<Toast>,
    again: line::Again,
    closing: closing::Closing,
    preference: theme::Preference,
    spec: Fixed,
}

/// What does not change while the window is open.
struct Fixed {
    state_dir: std::path::PathBuf,
    zone: super::words::Zone,
    clock: Arc<dyn Fn() -> chrono::DateTime<chrono::Utc> + Send + Sync>,
    sample: bool,
}

impl App {
    /// A console in a window that was just opened; starts what it needs in the background.
    pub fn new(ctx: &Context, spec: ConsoleSpec) -> App {
        theme::apply(ctx, spec.theme);
        let mut app = App {
            engine: Link::Idle(Some(spec.engine)),
            lab: Lab::Absent,
            inside_lab: false,
            start_lab: spec.start_lab,
            screen: spec.start_screen,
            pair: None,
            forms: Forms::default(),
            dialog: None,
            palette: None,
            pending: Vec::new(),
            errands: Vec::new(),
            toasts: Vec::new(),
            again: line::Again::new(spec.attach),
            closing: closing::Closing::default(),
            preference: spec.theme,
            spec: Fixed { state_dir: spec.state_dir, zone: spec.zone, clock: spec.clock, sample: spec.sample },
        };
        if spec.open_lab && app.start_lab.is_some() {
            app.open_lab();
        } else {
            app.engine.start();
        }
        app
    }

    /// The screen shown.
    pub fn screen(&self) -> Screen {
        self.screen
    }

    /// Carries out a command of the list, as if it had been chosen.
    pub fn command(&mut self, ctx: &Context, command: UiCommand) {
        self.act(ctx, Act::Do(command));
    }

    fn open_lab(&mut self) {
        if matches!(self.lab, Lab::Absent)
            && let Some(start) = &self.start_lab
        {
            self.lab = Lab::Starting(start());
        }
        self.inside_lab = true;
        self.screen = Screen::Lab;
    }

    /// The line in use: the lab's own engine inside the lab, else the engine.
    fn link(&self) -> &Link {
        match &self.lab {
            Lab::Running { engine, .. } if self.inside_lab => engine,
            _ => &self.engine,
        }
    }

    fn handle(&self) -> Option<EngineHandle> {
        match self.link() {
            Link::Running(handle, news) if news.lives() => Some(handle.clone()),
            _ => None,
        }
    }

    fn poll(&mut self, ctx: &Context) {
        let waker = repainter(ctx);
        self.engine.poll(&waker);
        self.attach_again(ctx);
        self.poll_lab(&waker);
        for _ in 0..self.pending.len() {
            let mut pending = self.pending.remove(0);
            match pending.poll(&waker) {
                Some(reply) => self.receive(ctx, pending.place, reply),
                None => self.pending.push(pending),
            }
        }
        let mut errands = std::mem::take(&mut self.errands);
        errands.retain(|errand| match errand.ready() {
            Some(brought) => {
                self.take_in(ctx, brought);
                false
            }
            None => true,
        });
        self.errands.append(&mut errands);
        let now = ctx.input(|input| input.time);
        self.toasts.retain(|toast| toast.until > now);
    }

    fn poll_lab(&mut self, waker: &std::task::Waker) {
        let started = if let Lab::Starting(promise) = &self.lab { promise.ready().cloned() } else { None };
        match started {
            Some(Ok((handle, engine))) => {
                let news = Watched::new(handle.snapshots());
                self.lab = Lab::Running { handle, news, engine: Link::to(engine) };
                self.pair = None;
            }
            Some(Err(trouble)) => {
                self.lab = Lab::Absent;
                self.inside_lab = false;
                self.screen = Screen::Overview;
                self.engine.start();
                self.dialog = Some(Dialog::Read("The training lab did not start".to_owned(), vec![trouble.to_string()]));
            }
            None => {}
        }
        if let Lab::Running { news, engine, .. } = &mut self.lab {
            news.poll(waker);
            engine.poll(waker);
        }
    }

    /// Asks for the next frame when something changes that wakes nobody.
    fn schedule(&self, ctx: &Context) {
        const LOOK_AGAIN: Duration = Duration::from_millis(50);
        let starts =
            self.engine.is_starting() || self.again.is_under_way() || matches!(self.lab, Lab::Starting(_)) || !self.errands.is_empty();
        if starts {
            ctx.request_repaint_after(LOOK_AGAIN);
        } else if !self.spec.sample {
            // For the clock in the footer, and the ages.
            ctx.request_repaint_after(Duration::from_secs(1));
        }
    }

    fn draw(&mut self, ui: &mut Ui, acts: &mut Vec<Act>) {
        let snapshot = self.link().snapshot();
        let lab = match &self.lab {
            Lab::Running { news, .. } if self.inside_lab => Some(news.newest()),
            _ => None,
        };
        let scene = snapshot.as_deref().map(|snapshot| self.scene(snapshot, lab.as_deref()));
        let engine = self.engine_words();
        shell::ui::navigation(ui, scene.as_ref(), self.screen, acts);
        shell::ui::header(ui, scene.as_ref(), acts);
        shell::ui::footer(ui, scene.as_ref(), &engine, self.spec.sample);
        let prompts = scene
            .as_ref()
            .is_some_and(|scene| !scene.lost && self.forms.fault.change.is_none() && self.forms.fault.prompts(scene).is_some());
        CentralPanel::no_frame().frame(Frame::NONE.fill(theme::of(ui).bg)).show(ui, |ui| {
            ScrollArea::vertical().id_salt(self.screen).auto_shrink(false).show(ui, |ui| {
                Frame::NONE.inner_margin(Margin::symmetric(space::MAIN_X, space::MAIN_Y)).show(ui, |ui| {
                    ui.take_available_width();
                    match &scene {
                        Some(scene) => {
                            if scene.lost {
                                line::lost_banner(ui, scene, &self.again);
                                // What is shown is old: grey, and nothing of it can be pressed.
                                ui.disable();
                            } else if !prompts {
                                shell::ui::fault_banner(ui, scene, acts);
                            }
                            shell::ui::hold_banner(ui, scene, acts);
                            self.screen_ui(ui, scene, acts);
                        }
                        None => self.no_engine(ui),
                    }
                });
            });
            if prompts {
                screens::fault::ui::scrim(ui);
            }
        });
        if let Some(scene) = &scene {
            self.over(ui, scene, acts);
        }
        self.palette_ui(ui.ctx(), snapshot.as_deref(), acts);
        let lines: Vec<_> = self.toasts.iter().map(|toast| toast.said.clone()).collect();
        widgets::toasts(ui.ctx(), &lines);
    }

    fn scene<'a>(&self, snapshot: &'a Snapshot, lab: Option<&'a LabSnapshot>) -> Scene<'a> {
        let chosen = self.pair.as_ref().and_then(|name| snapshot.pairs.iter().find(|pair| pair.name == *name));
        Scene {
            snapshot,
            pair: chosen.or(snapshot.pairs.first()),
            now: (self.spec.clock)(),
            zone: self.spec.zone,
            lab,
            lab_there: self.start_lab.is_some(),
            lab_starting: matches!(self.lab, Lab::Starting(_)),
            lost: self.link().is_lost(),
        }
    }

    fn screen_ui(&mut self, ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
        let forms = &mut self.forms;
        match (self.screen, scene.pair) {
            (Screen::Pairing, _) => screens::pairing::ui::show(ui, scene, &mut forms.pairing, acts),
            (Screen::Activity, _) => screens::activity::ui::show(ui, scene, &mut forms.activity),
            (Screen::Settings, _) => screens::settings::ui::show(ui, scene, self.preference, &self.spec.state_dir, acts),
            (Screen::Lab, _) => lab_screen(ui, scene, acts),
            (_, None) if self.inside_lab => screens::welcome::ui::unpaired_lab(ui, self.screen.title(), acts),
            (_, None) => screens::welcome::ui::show(ui, scene, acts),
            (Screen::Overview, Some(pair)) => screens::overview::ui::show(ui, scene, pair, acts),
            (Screen::Clusters, Some(pair)) => screens::clusters::ui::show(ui, scene, pair, &mut forms.leftovers, acts),
            (Screen::Services, Some(pair)) => screens::services::ui::show(ui, scene, pair, &mut forms.services, acts),
            (Screen::Policy, Some(pair)) => screens::policy::ui::show(ui, scene, pair, &mut forms.policy, acts),
            (Screen::Points, Some(pair)) => screens::points::ui::show(ui, scene, pair, &mut forms.points, acts),
            (Screen::Drills, Some(pair)) => screens::drills::ui::show(ui, scene, pair, &mut forms.drills, acts),
            (Screen::Users, Some(pair)) => screens::users::ui::show(ui, scene, pair, &mut forms.users, acts),
            (Screen::Run, Some(pair)) => match scene.snapshot.runs.iter().find(|run| Some(run.run) == forms.run) {
                Some(run) => screens::run::ui::show(ui, scene, pair, run, acts),
                None => screens::runs::ui::show(ui, scene, pair, acts),
            },
            (Screen::Runs, Some(pair)) => screens::runs::ui::show(ui, scene, pair, acts),
        }
    }

    /// What lies over the screen: an identity change, else the fault prompt; above both a dialog.
    fn over(&mut self, ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
        if scene.lost {
            // Nothing is decided on what is old. A dialog that waits is there again when the engine is.
            return;
        }
        if let Some(change) = &self.forms.fault.change {
            if screens::fault::ui::change(ui.ctx(), scene, change, acts) {
                self.forms.fault.change = None;
            }
        } else if let Some((pair, fault)) = self.forms.fault.prompts(scene) {
            screens::fault::ui::show(ui, scene, pair, fault, &mut self.forms.fault, acts);
        }
        self.dialogs(ui, scene, acts);
    }

    fn toast(&mut self, ctx: &Context, said: Said) {
        const SECONDS: f64 = 6.0;
        self.toasts.push(Toast { said, until: ctx.input(|input| input.time) + SECONDS });
        ctx.request_repaint_after(Duration::from_secs_f64(SECONDS + 0.1));
    }
}

/// The lab's screen inside the lab; else the welcome, which opens it.
#[cfg(feature = "lab")]
fn lab_screen(ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
    match scene.lab {
        Some(lab) => screens::lab::ui::show(ui, scene, lab, acts),
        None => screens::welcome::ui::show(ui, scene, acts),
    }
}

#[cfg(not(feature = "lab"))]
fn lab_screen(ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
    screens::welcome::ui::show(ui, scene, acts);
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.poll(&ctx);
        let mut acts = Vec::new();
        for file in ctx.input(|input| input.raw.dropped_files.clone()) {
            acts.push(Act::ReadPlan(file.path().to_path_buf()));
        }
        self.draw(ui, &mut acts);
        self.close_asked(&ctx);
        for act in acts {
            self.act(&ctx, act);
        }
        self.schedule(&ctx);
    }
}
