//! Carries out what a frame brought.

use egui::Context;

use super::App;
use crate::console::command::{Act, Dialog, Screen, UiCommand};
use crate::console::errand::Errand;
use crate::console::link::{Link, Pending};
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::shell::palette::Palette;
use crate::console::theme;
use crate::controller::Command;

/// More commands under way than this means that the engine does not answer: no more are sent.
const MOST_PENDING: usize = 64;

impl App {
    pub(super) fn act(&mut self, ctx: &Context, act: Act) {
        match act {
            Act::Do(command) => self.run(ctx, command),
            Act::Ask(place, command) => self.ask(ctx, place, *command),
            Act::Lab(command) => self.ask_lab(ctx, command),
            Act::ChoosePair(pair) => self.pair = Some(pair),
            Act::Open(dialog) => self.open(dialog),
            Act::Close => self.dialog = None,
            Act::ChoosePoint(_) => {}
            Act::ReadPlan(path) => self.errands.push(Errand::read_plan(path)),
            Act::Pick(read) => self.errands.push(Errand::pick(read)),
            Act::WritePlan(path) => {
                if let Some((plan, _)) = &self.forms.plan {
                    self.errands.push(Errand::write_plan(path, plan.clone()));
                }
            }
        }
    }

    pub(super) fn open(&mut self, dialog: Dialog) {
        self.forms.dialog.clear();
        self.dialog = Some(dialog);
    }

    pub(super) fn ask(&mut self, ctx: &Context, place: Place, command: Command) {
        let busy = self.pending.iter().any(|pending| pending.place == place);
        match self.handle() {
            Some(_) if busy => {}
            Some(_) if self.pending.len() >= MOST_PENDING => {
                self.toast(ctx, Said::bad("✖ The engine does not answer; nothing more was asked of it."));
            }
            Some(handle) => self.pending.push(Pending::ask(&handle, place, command)),
            None => self.toast(ctx, Said::bad("✖ There is no engine to ask.")),
        }
    }

    fn ask_lab(&mut self, ctx: &Context, command: crate::console::lab_seam::LabCommand) {
        let heard = match &self.lab {
            super::Lab::Running { handle, .. } => handle.ask(command),
            _ => false,
        };
        if !heard {
            self.toast(ctx, Said::warn("▲ The training lab is busy. Try again in a moment."));
        }
    }

    fn run(&mut self, ctx: &Context, command: UiCommand) {
        match command {
            UiCommand::Go(Screen::Lab) if !self.inside_lab && self.start_lab.is_some() => self.screen = Screen::Lab,
            UiCommand::Go(screen) => self.screen = screen,
            UiCommand::PairClusters => self.screen = Screen::Pairing,
            UiCommand::NewService => self.screen = Screen::Policy,
            UiCommand::EditService(_) => self.screen = Screen::Policy,
            UiCommand::RunService(service) => {
                let place = Place::Run(service.clone());
                self.ask(ctx, place, Command::Run { service, at: None });
            }
            UiCommand::ShowPoints(_) => self.screen = Screen::Points,
            UiCommand::ShowRun(_) => self.screen = Screen::Run,
            UiCommand::OpenPlan => self.open(Dialog::OpenPlan),
            UiCommand::ExportPlan => self.ask(ctx, Place::PlanExport, Command::ExportPlan),
            UiCommand::ReadUsers => {}
            UiCommand::PlannedSwitchover(pair) => self.open(Dialog::Switchover(pair)),
            UiCommand::ShowFault(pair) => {
                self.forms.fault.waiting = None;
                self.pair = Some(pair);
            }
            UiCommand::OpenLab => self.open_lab(),
            UiCommand::LeaveLab => self.leave_lab(),
            UiCommand::Theme(preference) => {
                self.preference = preference;
                theme::set_preference(ctx, preference);
            }
            UiCommand::Palette => self.palette = Some(Palette::default()),
        }
    }

    fn leave_lab(&mut self) {
        self.inside_lab = false;
        self.pair = None;
        self.screen = Screen::Overview;
        if matches!(self.engine, Link::Idle(_)) {
            self.engine.start();
        }
    }
}
