//! Carries out what a frame brought.

use egui::Context;

use super::App;
use crate::console::command::{Act, Dialog, Screen, UiCommand};
use crate::console::errand::Errand;
use crate::console::link::{Link, Pending};
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::clusters::maintenance::Form;
use crate::console::screens::policy::data as policy;
use crate::console::shell::palette::Palette;
use crate::console::theme;
use crate::controller::Command;
use crate::controller::command::{Removal, Verb};
use crate::domain::{PairName, ServiceName};

/// More commands under way than this means that the engine does not answer: no more are sent.
const MOST_PENDING: usize = 64;

impl App {
    pub(super) fn act(&mut self, ctx: &Context, act: Act) {
        match act {
            act if self.drops_edits(&act) => self.open(Dialog::DropEdits(Box::new(act))),
            Act::Do(command) => self.run(ctx, command),
            Act::Ask(place, command) => self.ask(ctx, place, *command),
            Act::Lab(command) => self.ask_lab(ctx, command),
            Act::ChoosePair(pair) => self.choose_pair(pair),
            Act::Open(Dialog::Remove(pair, removal)) => self.open_removal(ctx, pair, removal),
            Act::Open(Dialog::Restore(point)) => {
                // One that goes on is followed.
                if !self.forms.restore.busy {
                    self.forms.restore = Default::default();
                }
                self.open(Dialog::Restore(point));
            }
            Act::Open(dialog) => self.open(dialog),
            Act::Close => self.dialog = None,
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

    /// A dialog that begins a verb shows its runbook, for which both agents are asked first.
    fn open_verb(&mut self, ctx: &Context, dialog: Dialog, pair: PairName, verb: Verb) {
        self.forms.runbook = None;
        self.open(dialog);
        self.ask(ctx, Place::Runbook, Command::Runbook { pair, verb });
    }

    /// A dialog that removes for good shows what goes, for which both agents are asked first.
    pub(super) fn open_removal(&mut self, ctx: &Context, pair: PairName, removal: Removal) {
        self.forms.going = None;
        self.open(Dialog::Remove(pair.clone(), removal.clone()));
        self.ask(ctx, Place::Going, Command::WouldGo { pair, removal });
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
            UiCommand::NewService => self.open_policy(None),
            UiCommand::EditService(service) => self.open_policy(Some(&service)),
            UiCommand::RunService(service) => {
                let place = Place::Run(service.clone());
                self.ask(ctx, place, Command::Run { service, at: None });
            }
            UiCommand::ShowPoints(service) => {
                (self.forms.points.service, self.forms.points.point) = (Some(service), None);
                self.screen = Screen::Points;
            }
            UiCommand::DrillService(service) => {
                (self.forms.drills.service, self.forms.drills.point) = (Some(service), None);
                self.screen = Screen::Drills;
            }
            UiCommand::ShowRun(run) => {
                self.forms.run = Some(run);
                self.screen = Screen::Run;
            }
            UiCommand::OpenPlan => self.open(Dialog::OpenPlan),
            UiCommand::ExportPlan => self.ask(ctx, Place::PlanExport, Command::ExportPlan),
            UiCommand::ReadUsers => {
                self.screen = Screen::Users;
                if let Some((place, command)) = self.pair_name().and_then(|pair| self.forms.users.sync(&pair, true)) {
                    self.ask(ctx, place, command);
                }
            }
            UiCommand::PlannedSwitchover(pair) => self.open_verb(ctx, Dialog::Switchover(pair.clone()), pair, Verb::Planned),
            UiCommand::ReverseReplication(pair) => self.open_verb(ctx, Dialog::Reverse(pair.clone()), pair, Verb::Reverse),
            UiCommand::CommitPromotion(pair) => self.open(Dialog::Commit(pair)),
            UiCommand::TakeBack(pair) => self.open_verb(ctx, Dialog::TakeBack(pair.clone()), pair, Verb::TakeBack),
            UiCommand::Maintenance(pair) => {
                let snapshot = self.link().snapshot();
                let view = snapshot.iter().flat_map(|snapshot| &snapshot.pairs).find(|view| view.name == pair);
                self.forms.maintenance = view.and_then(|view| view.maintenance.as_ref()).map_or_else(Form::default, Form::change);
                self.open(Dialog::Maintenance(pair));
            }
            UiCommand::ShowFault(pair) => {
                self.forms.fault.waiting = None;
                self.pair = Some(pair);
            }
            UiCommand::OpenLab => self.open_lab(),
            UiCommand::LeaveLab => self.leave_lab(),
            UiCommand::Lab(_, command) => self.ask_lab(ctx, command),
            UiCommand::ExportDebrief => self.open(Dialog::Debrief),
            UiCommand::Theme(preference) => {
                self.preference = preference;
                theme::set_preference(ctx, preference);
            }
            UiCommand::Palette => self.palette = Some(Palette::default()),
            UiCommand::Named(_, command) => self.act(ctx, Act::Do(*command)),
            UiCommand::ShowPoint(service, point) => {
                (self.forms.points.service, self.forms.points.point) = (Some(service), Some(point));
                self.screen = Screen::Points;
            }
            UiCommand::ShowDrill(drill) => {
                self.forms.drills.drill = Some(drill);
                self.screen = Screen::Drills;
            }
            UiCommand::Dissolve(pair) => self.open_removal(ctx, pair, Removal::Pair),
            UiCommand::RemoveService(service) => self.open(Dialog::RemoveService(service)),
        }
    }

    /// Whether an act leaves the policy form while it holds what was changed and not saved.
    fn drops_edits(&self, act: &Act) -> bool {
        let leaves = match act {
            Act::ChoosePair(pair) => self.pair_name().as_ref() != Some(pair),
            Act::Do(UiCommand::Go(screen)) => *screen != Screen::Policy,
            Act::Do(command) => matches!(
                command,
                UiCommand::PairClusters
                    | UiCommand::NewService
                    | UiCommand::EditService(_)
                    | UiCommand::RunService(_)
                    | UiCommand::ShowPoints(_)
                    | UiCommand::ShowPoint(..)
                    | UiCommand::DrillService(_)
                    | UiCommand::ShowDrill(_)
                    | UiCommand::ShowRun(_)
                    | UiCommand::ReadUsers
                    | UiCommand::OpenLab
                    | UiCommand::LeaveLab
            ),
            _ => false,
        };
        leaves && self.screen == Screen::Policy && self.forms.policy.changed
    }

    /// The pair chosen in the header.
    pub(super) fn pair_name(&self) -> Option<PairName> {
        let snapshot = self.link().snapshot()?;
        let chosen = self.pair.clone().filter(|name| snapshot.pairs.iter().any(|pair| pair.name == *name));
        chosen.or_else(|| snapshot.pairs.first().map(|pair| pair.name.clone()))
    }

    /// What was chosen and found belongs to one pair.
    fn choose_pair(&mut self, pair: PairName) {
        self.pair = Some(pair);
        self.forms.services = Default::default();
        self.forms.points = Default::default();
        self.forms.users = Default::default();
        self.forms.leftovers = Default::default();
        self.forms.drills = Default::default();
        if matches!(self.screen, Screen::Policy | Screen::Run) {
            self.screen = self.screen.parent();
        }
    }

    fn open_policy(&mut self, service: Option<&ServiceName>) {
        let snapshot = self.link().snapshot();
        let found = service.and_then(|name| {
            let services = snapshot.iter().flat_map(|snapshot| &snapshot.pairs).flat_map(|pair| &pair.services);
            services.into_iter().find(|view| view.name == *name).map(|view| view.policy.clone())
        });
        self.forms.policy = match &found {
            Some(policy) => policy::Form::edit(policy, self.spec.zone),
            None => policy::Form::new(self.spec.zone),
        };
        let chosen = self.forms.policy.chosen.clone();
        self.forms.policy.tree.begin(&chosen);
        self.screen = Screen::Policy;
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
