//! Brings the console into the states that pictures show.

use egui::Context;

use super::App;
use crate::console::command::{Act, Dialog, UiCommand};
use crate::console::places::Side;
use crate::controller::command::Removal;

impl App {
    /// Half of the confirmation typed.
    pub(crate) fn type_confirmation(&mut self, _ctx: &Context) {
        self.forms.fault.declared = "its power is off, says the site at 14:07".to_owned();
        let snapshot = self.link().snapshot();
        let fault = snapshot.iter().flat_map(|snapshot| &snapshot.pairs).find_map(|pair| pair.fault.as_ref());
        self.forms.fault.typed = fault.map(|fault| fault.survivor.as_str().chars().take(5).collect()).unwrap_or_default();
    }

    /// The pairing form filled in; the agents are asked.
    pub(crate) fn fill_pairing(&mut self, ctx: &Context) {
        let form = &mut self.forms.pairing;
        form.primary.address = "10.4.0.9:7443".to_owned();
        form.primary.code = "K4QX-9TMD-72VA".to_owned();
        form.secondary.address = "10.9.0.4:7443".to_owned();
        form.secondary.code = "P7NC-3HRW-58LE".to_owned();
        for side in [Side::Primary, Side::Secondary] {
            if let Some((place, command)) = self.forms.pairing.test(side) {
                self.ask(ctx, place, command);
            }
        }
    }

    /// The planned switchover's dialog, with its runbook.
    pub(crate) fn open_switchover(&mut self, ctx: &Context) {
        if let Some(pair) = self.link().snapshot().and_then(|snapshot| snapshot.pairs.first().map(|pair| pair.name.clone())) {
            self.command(ctx, UiCommand::PlannedSwitchover(pair));
        }
    }

    /// The dialog that dissolves the pair, with what goes.
    pub(crate) fn open_unpair(&mut self, ctx: &Context) {
        if let Some(pair) = self.link().snapshot().and_then(|snapshot| snapshot.pairs.first().map(|pair| pair.name.clone())) {
            self.open_removal(ctx, pair, Removal::Pair);
        }
    }

    /// The dialog that restores a data set of the newest point, filled in.
    pub(crate) fn open_restore(&mut self, ctx: &Context) {
        let snapshot = self.link().snapshot();
        if let Some(point) = snapshot.iter().flat_map(|snapshot| &snapshot.points).next().map(|point| point.id) {
            self.act(ctx, Act::Open(Dialog::Restore(point)));
            self.forms.restore.place = "/data/orders-old".to_owned();
        }
    }

    /// The fault prompt with the points of a service, an older one chosen.
    pub(crate) fn list_points(&mut self, _: &Context) {
        let snapshot = self.link().snapshot();
        let points = snapshot.iter().flat_map(|snapshot| &snapshot.points).filter(|point| point.service.as_str() == "orders");
        if let Some(third) = points.into_iter().nth(2) {
            self.forms.fault.listed = Some(third.service.clone());
            self.forms.fault.points.insert(third.service.clone(), third.id);
        }
    }

    /// The dialog that removes leftovers, unknown ones too.
    pub(crate) fn open_leftovers(&mut self, ctx: &Context) {
        if let Some(pair) = self.link().snapshot().and_then(|snapshot| snapshot.pairs.first().map(|pair| pair.name.clone())) {
            self.open_removal(ctx, pair, Removal::Leftovers);
        }
    }

    /// The dialog of a maintenance.
    pub(crate) fn open_maintenance(&mut self, ctx: &Context) {
        if let Some(pair) = self.link().snapshot().and_then(|snapshot| snapshot.pairs.first().map(|pair| pair.name.clone())) {
            self.command(ctx, UiCommand::Maintenance(pair));
            self.forms.maintenance.length = "3h".to_owned();
        }
    }

    /// The policy of the first service.
    pub(crate) fn fill_policy(&mut self, ctx: &Context) {
        let snapshot = self.link().snapshot();
        let first = snapshot.as_ref().and_then(|snapshot| snapshot.pairs.first()).and_then(|pair| pair.services.first());
        if let Some(service) = first {
            self.command(ctx, UiCommand::EditService(service.name.clone()));
        }
    }

    /// The newest run.
    pub(crate) fn first_run(&mut self, ctx: &Context) {
        if let Some(run) = self.link().snapshot().and_then(|snapshot| snapshot.runs.first().map(|run| run.run)) {
            self.command(ctx, UiCommand::ShowRun(run));
        }
    }
}
