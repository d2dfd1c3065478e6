//! User data of a pair: compared and brought over, by the fourth instruction or by the controller itself.

use crate::domain::backup::machine::RunState;
use crate::domain::user_data::{UserData, UserDataChange, UserDataKind, compare};
use crate::domain::{ClusterName, ComponentInfo, ComponentKind, DataSet, PairName, Service, Trouble, TroubleKind};
use crate::protocol::{AdjustUsersOrder, Order, Outcome, SyncUsersOrder, UsersReport};
use crate::store::controller::UsersRecord;

use super::engine::Engine;
use super::instruct::{Errand, unexpected};
use super::model::Model;
use super::snapshot::Level;
use super::{Reply, pairing, runs};

/// Compares both sides and, unless dry, adjusts the secondary.
pub(super) async fn sync(engine: &Engine, pair: &PairName, dry_run: bool, by_controller: bool) -> Result<Reply, Trouble> {
    engine.check_in_command()?;
    let (primary, secondary, suspended) = engine
        .read(|m| m.pairs.get(pair).map(|p| (p.state.primary.clone(), p.state.secondary.clone(), p.is_suspended())))
        .ok_or_else(|| pairing::unknown_pair(pair))?;
    if suspended && !dry_run {
        return Err(Trouble::new(
            TroubleKind::Refused,
            format!("pair {pair}"),
            "user sync is suspended: identities are changing, or the primary is alone",
        )
        .next("--dry-run still compares"));
    }
    let synced = if by_controller {
        adjust(engine, pair, &primary, &secondary, dry_run).await
    } else {
        ask(engine, pair, &primary, Order::SyncUsers(SyncUsersOrder { dry_run })).await
    };
    let mut report = match synced {
        Ok(report) => report,
        Err(trouble) => {
            engine.change(|m| m.pairs.get_mut(pair).map(|p| p.users_trouble = Some(trouble.clone())));
            return Err(trouble);
        }
    };
    // What lies in a data set without a recovery point is no difference yet: the first one brings it along.
    let (waiting, changes): (Vec<_>, Vec<_>) =
        std::mem::take(&mut report.changes).into_iter().partition(|change| engine.read(|m| waits(m, pair, change)));
    report.changes = changes;
    keep(engine, pair, &report, dry_run).await?;
    Ok(Reply::Users { changes: report.changes, applied: report.applied, failed: report.failed, waiting: waiting.len() as u64 })
}

/// Whether a change, named as the primary names it, lies in a directory tree that was never sealed at the secondary: rights are kept on
/// the files themselves, and there are none yet.
fn waits(model: &Model, pair: &PairName, change: &UserDataChange) -> bool {
    let Some(paired) = model.pairs.get(pair) else { return false };
    let infos = paired.agent(&paired.state.primary).map(|agent| agent.components.as_slice()).unwrap_or_default();
    let is_tree = |info: &ComponentInfo| matches!(info.kind, ComponentKind::Files | ComponentKind::Hdfs);
    if !infos.iter().any(|info| info.name == change.key.component && is_tree(info)) {
        return false;
    }
    let secondary = &paired.state.secondary;
    let sealed = |service: &Service| model.points.get(&service.name).is_some_and(|points| points.iter().any(|p| p.to == *secondary));
    let key = &change.key;
    let lies_in = |set: &DataSet| {
        let rest = key.object.strip_prefix(&set.from.path);
        set.from.component == key.component && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    model.services_of(pair).filter(|service| !sealed(service)).flat_map(|service| &service.data_sets).any(lies_in)
}

/// Reads both sides, compares here, and adjusts the secondary.
async fn adjust(
    engine: &Engine,
    pair: &PairName,
    primary: &ClusterName,
    secondary: &ClusterName,
    dry_run: bool,
) -> Result<UsersReport, Trouble> {
    let (ours, theirs) = tokio::try_join!(ask(engine, pair, primary, Order::ReadUsers), ask(engine, pair, secondary, Order::ReadUsers))?;
    let unread = |cluster: &ClusterName| Trouble::new(TroubleKind::Failed, format!("agent {cluster}"), "it told no user data");
    let at_primary = ours.read.ok_or_else(|| unread(primary))?;
    let at_secondary = theirs.read.ok_or_else(|| unread(secondary))?;
    let changes = compare(&at_primary, &at_secondary, theirs.last_applied.as_ref());
    let mut report = UsersReport { read: Some(at_primary.clone()), last_applied: None, changes, applied: 0, failed: Vec::new() };
    if !dry_run {
        let order = AdjustUsersOrder { changes: report.changes.clone(), primary: at_primary };
        let adjusted = ask(engine, pair, secondary, Order::AdjustUsers(order)).await?;
        (report.applied, report.failed) = (adjusted.applied, adjusted.failed);
    }
    Ok(report)
}

async fn ask(engine: &Engine, pair: &PairName, cluster: &ClusterName, order: Order) -> Result<UsersReport, Trouble> {
    let agent = engine.agent(pair, cluster)?;
    let epoch = engine.epoch(pair);
    let errand = Errand { id: engine.fresh(), pair, epoch, agent: &agent, order, patience: Some(engine.limits.abort_patience) };
    match engine.carry_out(errand, |_| ()).await? {
        Outcome::Users(report) => Ok(report),
        other => Err(unexpected(&agent, &other)),
    }
}

async fn keep(engine: &Engine, pair: &PairName, report: &UsersReport, dry_run: bool) -> Result<(), Trouble> {
    let left: Vec<UserDataChange> = if dry_run || !report.failed.is_empty() { report.changes.clone() } else { Vec::new() };
    let before = engine.read(|m| m.pairs.get(pair).and_then(|p| p.users.as_ref()).map(|u| u.counts)).unwrap_or_default();
    let record = UsersRecord { at: engine.now(), differences: left, counts: report.read.as_ref().map_or(before, counts) };
    let (name, stored) = (pair.clone(), record.clone());
    engine.store(move |s| s.save_users(&name, &stored)).await?;
    engine.change(|m| {
        if let Some(pair) = m.pairs.get_mut(pair) {
            pair.users = Some(record);
            pair.users_trouble = None;
        }
    });
    if !dry_run && (report.applied > 0 || !report.failed.is_empty()) {
        let level = if report.failed.is_empty() { Level::Info } else { Level::Warning };
        let changes = if report.applied == 1 { "1 change" } else { &format!("{} changes", report.applied) };
        let text = match report.failed.len() {
            0 => format!("user data synced: {changes} applied"),
            failed => format!("user data synced: {changes} applied, {failed} could not be"),
        };
        engine.note(level, pair.as_str(), text).await;
    }
    Ok(())
}

/// Users, groups, permissions, tenants.
fn counts(data: &UserData) -> [u64; 4] {
    let mut counts = [0; 4];
    for key in data.items.keys() {
        let index = match key.kind {
            UserDataKind::User => 0,
            UserDataKind::Group => 1,
            UserDataKind::Permission => 2,
            UserDataKind::Tenant => 3,
        };
        counts[index] += 1;
    }
    counts
}

/// With every sealed run, when the policy says so. Its trouble is noted; the recovery point stands.
pub(super) async fn after_run(engine: &Engine, run: &RunState) {
    let service = &run.spec.service;
    if !service.sync_users {
        return;
    }
    let (level, text) = match sync(engine, &service.pair, false, false).await {
        Ok(Reply::Users { applied, failed, .. }) if failed.is_empty() => (Level::Info, format!("user data is in sync, {applied} changes")),
        Ok(Reply::Users { failed, .. }) => (Level::Warning, format!("user data that could not be synced: {}", failed.join("; "))),
        Ok(_) => return,
        Err(trouble) => {
            let text = format!("user data could not be synced: {trouble}");
            engine.note(Level::Warning, service.pair.as_str(), &text).await;
            (Level::Warning, text)
        }
    };
    runs::log(engine, run.spec.run, level, text);
}
