//! Takes in replies and errands.

use egui::Context;

use super::App;
use crate::console::command::{Dialog, Screen};
use crate::console::errand::{Brought, Errand};
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::words;
use crate::controller::command::ReversalReport;
use crate::controller::{Command, Reply};
use crate::domain::{PairName, Plan, ServiceName, Trouble, TroubleKind};

impl App {
    pub(super) fn receive(&mut self, ctx: &Context, place: Place, reply: Reply) {
        match (place, reply) {
            (Place::Adjust(pair), reply) => self.adjusted(&pair, reply),
            (place @ (Place::Test(_) | Place::PairChecks | Place::Pair), reply) => {
                if self.forms.pairing.receive(&place, reply) {
                    self.toast(ctx, Said::ok("✓ The clusters are paired."));
                    self.screen = Screen::Clusters;
                }
            }
            (Place::Catalogue(component, path), reply) => {
                let inside = match reply {
                    Reply::Catalogue(items) => Ok(items),
                    Reply::Refused(trouble) => Err(trouble),
                    other => Err(unexpected(&other)),
                };
                self.forms.policy.tree.receive(component, path, inside);
            }
            (place @ Place::PolicyCheck(_), reply) => drop(self.forms.policy.receive(&place, reply)),
            (Place::PolicySave(service, run_now), reply) => {
                if self.forms.policy.receive(&Place::PolicySave(service.clone(), run_now), reply) {
                    self.saved(ctx, service, run_now);
                }
            }
            (Place::Users(_), reply) => self.forms.users.receive(reply),
            (Place::Leftovers, reply) => self.forms.leftovers.receive(reply),
            (Place::Restore, reply) => self.forms.restore.receive(reply),
            (Place::DrillChecks, reply) => self.forms.drills.receive(reply),
            (Place::Going, reply) => {
                self.forms.going = Some(match reply {
                    Reply::WouldGo(going) => Ok(going),
                    Reply::Refused(trouble) => Err(trouble),
                    other => Err(unexpected(&other)),
                });
            }
            (Place::Runbook, Reply::Runbook(runbook)) => self.forms.runbook = Some(runbook),
            (Place::PlanChanges, Reply::Changes(changes)) => {
                if let Some((_, seen)) = &mut self.forms.plan {
                    *seen = Some(changes);
                }
            }
            (Place::PlanExport, Reply::Plan(plan)) => {
                self.forms.plan = Some((plan, None));
                self.open(Dialog::ExportPlan);
            }
            (place, Reply::Refused(trouble)) => self.refused(ctx, &place, &trouble),
            (Place::Run(_), Reply::Started(run)) => {
                self.forms.run = Some(run);
                self.screen = Screen::Run;
            }
            (Place::Drill, Reply::DrillStarted(drill)) => {
                self.forms.drills.again();
                (self.forms.drills.drill, self.forms.drills.remark) = (Some(drill), String::new());
            }
            (Place::SignOff, Reply::Drills(_)) => {
                self.forms.drills.remark.clear();
                self.done(ctx, &Place::SignOff);
            }
            (Place::Unpair, Reply::Unpaired(leftovers)) if !leftovers.is_empty() => {
                self.open(Dialog::Read("What could not be removed".to_owned(), leftovers));
            }
            (Place::Maintenance, Reply::Maintenance(report)) => {
                let words = report.maintenance.map_or("The maintenance is ended.".to_owned(), |_| "The maintenance begins.".to_owned());
                self.toast(ctx, Said::ok(format!("✓ {words}")));
            }
            (Place::Reverse, Reply::Reversed(report)) => self.reversed(ctx, &report),
            (place, _) => self.done(ctx, &place),
        }
    }

    fn reversed(&mut self, ctx: &Context, report: &ReversalReport) {
        match &report.error {
            Some(trouble) => self.toast(ctx, Said::bad(format!("✖ {trouble}"))),
            None => self.open(Dialog::Read(format!("{} stands by for {}", report.secondary, report.primary), words::reversed(report))),
        }
    }

    fn refused(&mut self, ctx: &Context, place: &Place, trouble: &Trouble) {
        if *place == Place::PlanChanges {
            self.forms.plan = None;
        }
        self.toast(ctx, Said::bad(format!("✖ {trouble}")));
    }

    fn done(&mut self, ctx: &Context, place: &Place) {
        let words = match place {
            Place::Run(service) => format!("{service} is being backed up."),
            Place::StopDrill => "The drill is stopped; its space is being removed.".to_owned(),
            Place::SignOff => "The drill is signed off.".to_owned(),
            Place::Cancel => "The run is being dropped.".to_owned(),
            Place::Abandon => "The point is given up; the secondary takes it back.".to_owned(),
            Place::Remove(service) => format!("The policy of {service} is removed."),
            Place::Unpair => "The pair is dissolved; nothing of ours is left.".to_owned(),
            Place::PlanApply => "The plan is applied.".to_owned(),
            _ => return,
        };
        self.toast(ctx, Said::ok(format!("✓ {words}")));
    }

    fn saved(&mut self, ctx: &Context, service: ServiceName, run_now: bool) {
        self.toast(ctx, Said::ok(format!("✓ The policy of {service} is saved.")));
        self.forms.services.chosen = Some(service.clone());
        self.screen = Screen::Services;
        if run_now {
            self.ask(ctx, Place::Run(service.clone()), Command::Run { service, at: None });
        }
    }

    fn adjusted(&mut self, pair: &PairName, reply: Reply) {
        let ended = match reply {
            Reply::Adjusted(report) => Ok(report),
            Reply::Refused(trouble) => Err(trouble),
            other => Err(unexpected(&other)),
        };
        if let Some(change) = self.forms.fault.change.as_mut().filter(|change| change.pair == *pair) {
            change.ended = Some(ended);
        }
    }

    pub(super) fn take_in(&mut self, ctx: &Context, brought: Brought) {
        match brought {
            Brought::Plan(Ok(plan)) => self.show_changes(ctx, plan),
            Brought::Plan(Err(trouble)) | Brought::Written(Err(trouble)) => self.toast(ctx, Said::bad(format!("✖ {trouble}"))),
            Brought::Written(Ok(path)) => self.toast(ctx, Said::ok(format!("✓ Written to {}", path.display()))),
            Brought::Picked(true, Some(path)) => {
                self.forms.dialog = path.display().to_string();
                self.errands.push(Errand::read_plan(path));
            }
            Brought::Picked(false, Some(path)) => self.forms.dialog = path.display().to_string(),
            Brought::Picked(_, None) => {}
        }
    }

    fn show_changes(&mut self, ctx: &Context, plan: Plan) {
        if self.dialog != Some(Dialog::OpenPlan) {
            self.open(Dialog::OpenPlan);
        }
        self.forms.plan = Some((plan.clone(), None));
        self.ask(ctx, Place::PlanChanges, Command::ApplyPlan { plan, dry_run: true });
    }
}

fn unexpected(reply: &Reply) -> Trouble {
    Trouble::new(TroubleKind::Failed, "engine", format!("it answered something else: {reply:?}"))
}
