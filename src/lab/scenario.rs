//! The scripted exercise *site loss*: the whole line once, measured, without a person.
//!
//! ```text
//! pair → policy → orders → run → revoke a right, more orders → run → more orders → the primary is lost
//!      → fault prompt (detect) → adjust identity (decide) → first order at the secondary (switch) → checks
//!      → the old primary comes back → it is fenced → checks
//! ```

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::checks::{self, Holdings, Loss};
use super::seed;
use super::stage::{Names, QUICK_WATCH, Stage, blocking, unexpected};
use super::view::{LabCheck, Scenario};
use super::workload::Acknowledged;
use crate::controller::command::{AdjustOutcome, AdjustReport};
use crate::controller::snapshot::FaultPrompt;
use crate::controller::{Command, Reply, Snapshot};
use crate::domain::{Consistency, Identity, RecoveryPoint, Trouble};

/// Orders before the first run, between the runs, and after the last one.
const ORDERS: u64 = 120;
/// How long they may take on a slow disk.
const ORDERS_LIMIT: Duration = Duration::from_secs(60);
/// How long the fault may take to be seen, the application to go on, the old primary to be fenced.
const SIGHT_LIMIT: Duration = Duration::from_secs(60);
/// Orders tried at a fenced cluster.
const FENCE_ATTEMPTS: u32 = 10;
/// Orders read back at the survivor.
const READ_BACK: usize = 50;

/// What a scenario brought: `lab --report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabReport {
    /// Which.
    pub scenario: Scenario,
    /// How data sets were captured.
    pub consistency: Consistency,
    /// Whether every check held.
    pub outcome: LabOutcome,
    /// From the point's R to the loss, in milliseconds.
    pub rpo_ms: Option<u64>,
    /// From the loss until the application went on, in milliseconds.
    pub rto_ms: Option<u64>,
    /// Of it: until the fault prompt was shown.
    pub detect_ms: Option<u64>,
    /// Of it: from the prompt to the decision.
    pub decide_ms: Option<u64>,
    /// Of it: from the decision until the application went on.
    pub switch_ms: Option<u64>,
    /// The checks.
    pub checks: Vec<LabCheck>,
}

/// How a scenario ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabOutcome {
    /// Every check held.
    Held,
    /// At least one did not.
    Broken,
}

impl LabReport {
    /// From its checks.
    fn judge(mut self) -> LabReport {
        let held = !self.checks.is_empty() && self.checks.iter().all(|check| check.held == Some(true));
        self.outcome = if held { LabOutcome::Held } else { LabOutcome::Broken };
        self
    }
}

/// Pairs, enters the policy, starts the application and makes two recovery points: what precedes every loss.
pub async fn prepare(stage: &mut Stage, consistency: Consistency, say: &(dyn Fn(&str) + Sync)) -> Result<RecoveryPoint, Trouble> {
    say("pairing east and west");
    stage.pair(consistency).await?;
    say("the application takes orders");
    stage.workload.run(true);
    stage.orders(ORDERS, ORDERS_LIMIT).await?;
    say("first run: everything is copied");
    stage.backup().await?;
    let place = stage.east.place();
    blocking(move || seed::revoke(&place)).await?;
    stage.orders(ORDERS, ORDERS_LIMIT).await?;
    say("second run: what changed is copied, and a right that was revoked goes");
    let point = stage.backup().await?;
    stage.orders(ORDERS, ORDERS_LIMIT).await?;
    Ok(point)
}

/// The whole exercise.
pub async fn site_loss(stage: &mut Stage, consistency: Consistency, say: &(dyn Fn(&str) + Sync)) -> Result<LabReport, Trouble> {
    let names = Names::new()?;
    let point = prepare(stage, consistency, say).await?;

    say("east loses power");
    stage.east.power_off().await?;
    let lost_at = Utc::now();
    stage.workload.mark("east lost");
    let acknowledged = stage.workload.acknowledged();
    let prompt = stage.until("the fault prompt", SIGHT_LIMIT, prompt).await?;
    let prompted_at = Utc::now();
    say(&format!("fault prompt: {}", prompt.verdict));

    say("the identity is adjusted: west becomes the primary");
    let decided_at = Utc::now();
    let adjusted = adjust(stage, &names).await?;
    stage.workload.mark("identity adjusted");
    let resumed_at = stage.served(&names.west, decided_at, SIGHT_LIMIT).await?;
    say("the application goes on at west");

    let mut checks = survivor(stage, &Lost { point: &point, acknowledged: &acknowledged, lost_at, adjusted: &adjusted }).await;
    say("east comes back");
    checks.push(
        old_primary(stage, &names)
            .await
            .unwrap_or_else(|trouble| checks::impossible("east accepted nothing after it was fenced", &trouble)),
    );
    let report = LabReport {
        scenario: Scenario::SiteLoss,
        consistency,
        outcome: LabOutcome::Broken,
        rpo_ms: millis(point.captured.first, lost_at),
        rto_ms: millis(lost_at, resumed_at),
        detect_ms: millis(lost_at, prompted_at),
        decide_ms: millis(prompted_at, decided_at),
        switch_ms: millis(decided_at, resumed_at),
        checks,
    };
    Ok(report.judge())
}

fn prompt(snapshot: &Snapshot) -> Option<FaultPrompt> {
    snapshot.pairs.iter().find_map(|pair| pair.fault.clone()).filter(|fault| fault.can_adjust)
}

async fn adjust(stage: &Stage, names: &Names) -> Result<AdjustReport, Trouble> {
    let command = Command::AdjustIdentity {
        pair: names.pair.clone(),
        to: names.west.clone(),
        confirm: names.west.to_string(),
        planned: false,
        hold: false,
        declared: Some(format!("the lab itself has stopped {} for good", names.east)),
        points: std::collections::BTreeMap::new(),
        generation: None,
        by: "training lab (scripted)".into(),
    };
    match stage.engine.ask(command).await {
        Reply::Adjusted(report) if report.outcome == AdjustOutcome::Promoted => Ok(report),
        other => Err(unexpected("adjusting the identity", &other)),
    }
}

/// What was lost, and what was said about it.
pub struct Lost<'a> {
    /// What the survivor resumed from.
    pub point: &'a RecoveryPoint,
    /// What had been acknowledged until then.
    pub acknowledged: &'a [Acknowledged],
    /// When.
    pub lost_at: DateTime<Utc>,
    /// The report of the identity change.
    pub adjusted: &'a AdjustReport,
}

/// The checks at the survivor, the application standing still for them.
pub async fn survivor(stage: &Stage, lost: &Lost<'_>) -> Vec<LabCheck> {
    stage.workload.run(false);
    stage.workload.drained().await;
    let checks = match survivor_checks(stage, lost).await {
        Ok(checks) => checks,
        Err(trouble) => vec![checks::impossible("the data at west can be read", &trouble)],
    };
    stage.workload.run(true);
    checks
}

async fn survivor_checks(stage: &Stage, lost: &Lost<'_>) -> Result<Vec<LabCheck>, Trouble> {
    let names = Names::new()?;
    let (place, again) = (stage.west.place(), stage.west.place());
    let held = blocking(move || Holdings::read(&place)).await?;
    let rights = blocking(move || seed::rights(&again, seed::REVOKED)).await?;
    let resumed = lost.adjusted.services.iter().find(|service| service.name == names.service);
    let loss = Loss {
        acknowledged: lost.acknowledged,
        last_id: stage.workload.last_id(),
        captured: lost.point.captured,
        lost_at: lost.lost_at,
        reported_secs: resumed.filter(|service| service.recovery_point == Some(lost.point.id)).and_then(|service| service.lost_secs),
        tolerance_secs: QUICK_WATCH.interval.as_secs() + QUICK_WATCH.time_limit.as_secs() + 2,
    };
    let sample: Vec<u64> = lost.acknowledged.iter().filter(|ack| ack.at < lost.point.captured.first).map(|ack| ack.id).collect();
    let sample: Vec<u64> = sample.into_iter().rev().take(READ_BACK).collect();
    let (right, wrong) = stage.workload.read_back(&names.west, &sample).await;
    Ok(vec![
        checks::every_order_has_its_invoice(&held),
        checks::no_invoice_without_an_order(&held),
        checks::missing_is_what_was_said(&held, &loss),
        checks::reads_back(names.west.as_str(), right, wrong),
        checks::revoked_right_is_gone(seed::REVOKED, rights.as_deref()),
    ])
}

/// Brings the old primary back, waits until it is fenced, and tries to write there all the same.
async fn old_primary(stage: &mut Stage, names: &Names) -> Result<LabCheck, Trouble> {
    stage.east.power_on().await?;
    let fenced = |snapshot: &Snapshot| {
        let cluster = snapshot.pairs.iter().flat_map(|pair| &pair.clusters).find(|cluster| cluster.name == names.east)?;
        (cluster.fenced == Some(true) && cluster.identity == Identity::Secondary).then_some(())
    };
    stage.until("east's fence", SIGHT_LIMIT, fenced).await?;
    fence_check(stage, names).await
}

/// Orders tried at east by a client that never asked the route.
pub async fn fence_check(stage: &Stage, names: &Names) -> Result<LabCheck, Trouble> {
    let read = || {
        let place = stage.east.place();
        blocking(move || Holdings::read(&place))
    };
    let before = read().await?;
    let mut accepted = 0;
    for _ in 0..FENCE_ATTEMPTS {
        accepted += u32::from(stage.workload.force_order(&names.east).await?);
    }
    let after = read().await?;
    Ok(checks::nothing_after_the_fence(names.east.as_str(), FENCE_ATTEMPTS, accepted, &before, &after))
}

/// Milliseconds between two instants; `None` when they are the wrong way round.
pub fn millis(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<u64> {
    u64::try_from(to.signed_duration_since(from).num_milliseconds()).ok()
}
