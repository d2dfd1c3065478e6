//! Each command to the room that carries it out, and its reply.

use std::sync::Arc;

use crate::domain::backup::machine::StartedBy;
use crate::domain::{ComponentName, PairName, ServiceName, Trouble, TroubleKind};
use crate::protocol::CatalogueItem;

use super::adjust::{Ask, adjust};
use super::engine::Engine;
use super::instruct::within;
use super::{
    Command, Reply, abandon, adopt, drills, going, kept, leftovers, maintenance, pairing, plan, restores, retention, reverse, runbook,
    runs, services, users, window,
};

/// The longest list of runs given at once.
const RUNS: u32 = 1_000;

/// Carries a command out; what goes wrong is its reply.
pub(super) async fn carry_out(engine: &Arc<Engine>, command: Command) -> Reply {
    match reply(engine, command).await {
        Ok(reply) => reply,
        Err(trouble) => Reply::Refused(trouble),
    }
}

async fn reply(engine: &Arc<Engine>, command: Command) -> Result<Reply, Trouble> {
    match command {
        Command::TestAgent { address, code } => {
            let found = pairing::find(engine, &super::command::AgentRequest { address, code }).await?;
            Ok(Reply::Agent(found.shown()))
        }
        Command::CheckPair(request) => Ok(Reply::PairChecks(pairing::check(engine, &request).await?.2)),
        Command::Pair(request) => pairing::pair(engine, &request).await,
        Command::Adopt(request) => adopt::adopt(engine, &request).await,
        Command::Unpair { pair, confirm, by } => pairing::unpair(engine, &pair, &confirm, &by).await,
        Command::WouldGo { pair, removal } => going::look(engine, &pair, removal).await,
        Command::Catalogue { pair, component, path } => catalogue(engine, &pair, component.as_ref(), &path).await.map(Reply::Catalogue),
        Command::CheckService(service) => Ok(Reply::ServiceChecked(services::check(engine, &service))),
        Command::SaveService(service) => services::save(engine, &service).await,
        Command::RemoveService { service } => services::remove(engine, &service).await,
        Command::ApplyPlan { plan, dry_run } => plan::apply(engine, &plan, dry_run).await,
        Command::ExportPlan => Ok(Reply::Plan(plan::export(engine))),
        Command::Run { service, at } => runs::start(engine, &service, at, StartedBy::Person).await.map(Reply::Started),
        Command::CancelRun { run } => runs::cancel(engine, run, "a person").await.map(|()| Reply::Done),
        Command::AbandonRun { run, confirm, by } => abandon::abandon(engine, run, &confirm, &by).await,
        Command::AdjustIdentity { pair, to, confirm, planned, hold, declared, points, generation, by } => {
            adjust(engine, Ask { pair, to, confirm, planned, hold, declared, points, generation, by }).await
        }
        Command::CommitPromotion { pair, confirm, generation, by } => {
            window::commit(engine, reverse::Ask { pair, confirm, generation, by }).await
        }
        Command::TakeBack { pair, confirm, generation, by } => {
            window::take_back(engine, reverse::Ask { pair, confirm, generation, by }).await
        }
        Command::Runbook { pair, verb } => runbook::look(engine, &pair, verb).await.map(Reply::Runbook),
        Command::ReverseReplication { pair, confirm, generation, by } => {
            reverse::reverse(engine, reverse::Ask { pair, confirm, generation, by }).await
        }
        Command::BeginMaintenance { pair, request } => maintenance::begin(engine, &pair, &request).await,
        Command::EndMaintenance { pair, by } => maintenance::end(engine, &pair, &by).await,
        Command::SyncUsers { pair, dry_run, by_controller } => users::sync(engine, &pair, dry_run, by_controller).await,
        Command::Leftovers { pair, remove, unknown, confirm, by } => {
            leftovers::look(engine, &pair, &leftovers::Ask { remove, unknown, confirm, by }).await.map(Reply::Leftovers)
        }
        Command::CheckDrill { service, point } => drills::check(engine, &service, point).map(Reply::DrillChecked),
        Command::Drill { service, point, by } => drills::start(engine, &service, point, &by).await.map(Reply::DrillStarted),
        Command::StopDrill { drill, by } => drills::stop(engine, drill, &by).await.map(|()| Reply::Done),
        Command::SignOffDrill { drill, by, remark } => {
            drills::sign_off(engine, drill, &by, &remark).await.map(|report| Reply::Drills(vec![report]))
        }
        Command::Drills { service, limit } => {
            service.iter().try_for_each(|service| known(engine, service))?;
            Ok(Reply::Drills(drills::reports(engine, service.as_ref(), limit)))
        }
        Command::Kept { pair, copy: Some(copy), by, .. } => kept::copy(engine, &pair, &copy, &by).await,
        Command::Kept { pair, remove, confirm, copy: None, by } => kept::look(engine, &pair, &kept::Ask { remove, confirm, by }).await,
        Command::Points { service } => {
            known(engine, &service)?;
            Ok(Reply::Points(engine.read(|m| m.points.get(&service).cloned()).unwrap_or_default()))
        }
        Command::Runs { service, limit, before } => {
            let found = runs::page(engine, service.as_ref(), before, limit.min(RUNS)).await?;
            if let Some(service) = service.filter(|_| found.is_empty()) {
                let had = service.clone();
                if !engine.store(move |s| s.had_runs(&had)).await? {
                    known(engine, &service)?;
                }
            }
            Ok(Reply::Runs(found))
        }
        Command::RunReport { run } => match runs::stored(engine, run).await? {
            Some(state) => Ok(Reply::Runs(vec![state.report()])),
            None => Err(Trouble::new(TroubleKind::NotFound, format!("run {run}"), "there is no such run").next("see `understudy runs`")),
        },
        Command::Prune { service, dry_run, by } => retention::by_hand(engine, &service, dry_run, &by).await,
        Command::Restore { point, data_set, only, place, at, by } => {
            restores::restore(engine, &restores::Ask { point, data_set, only, place, at, by }).await.map(Reply::Restored)
        }
        Command::Snapshot => Ok(Reply::Snapshot(Box::new(engine.picture()))),
    }
}

/// Refuses a service that there is not, and never was as far as runs and points tell: an empty list would read as "never backed up".
fn known(engine: &Engine, service: &ServiceName) -> Result<(), Trouble> {
    engine.read(|m| {
        let left = m.points.contains_key(service) || m.runs.values().any(|r| &r.state.spec.service.name == service);
        if left || m.services.contains_key(service) { Ok(()) } else { Err(runs::unknown_service(m.services.keys(), service)) }
    })
}

/// What is inside a place of the primary.
async fn catalogue(engine: &Engine, pair: &PairName, component: Option<&ComponentName>, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
    let (primary, components) = engine
        .read(|m| {
            let pair = m.pairs.get(pair)?;
            let told = pair.watch_of(&pair.state.primary).and_then(|w| w.status.as_ref()).map(|s| s.components.clone());
            let paired = pair.agent(&pair.state.primary).map(|a| a.components.clone());
            Some((pair.state.primary.clone(), told.or(paired).unwrap_or_default()))
        })
        .ok_or_else(|| pairing::unknown_pair(pair))?;
    let Some(component) = component else {
        let item = |c: crate::domain::ComponentInfo| CatalogueItem {
            label: format!("{} ({})", c.name, c.kind),
            component: c.name,
            path: String::new(),
            selectable: false,
            expandable: true,
            bytes: c.used_bytes,
            files: None,
        };
        return Ok(components.into_iter().map(item).collect());
    };
    let agent = engine.agent(pair, &primary)?;
    let link = engine.link(&agent)?;
    // A large directory may take longer than an ordinary call.
    within(engine.limits.call * 6, &agent, link.catalogue(component.as_str(), path)).await
}
