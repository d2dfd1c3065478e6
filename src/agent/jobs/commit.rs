//! Commit, apply, seal: the one instruction after which there is no way back.
//!
//! ```text
//! verified? → staged bytes durable → manifests → record on the cluster → ONE ledger transaction   (the record that counts)
//!   ⇒ finish: apply, phase by phase → fence read again → seal → sealed, staging forgotten         (needs nothing of the primary)
//! ```
//! [`finish`] is the same code for the instruction, for its repetition, for a starting agent ([`resume`]), for one that tries again
//! (`agent::unfinished`) and for a promotion. Once a person has given the point up, it is taken back instead (`settle`).

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;
use serde::Serialize;
use tokio::sync::watch;

use super::{Job, Site, abandon, freeze, roles, verify};
use crate::components::PhaseJournal;
use crate::domain::backup::plan::{ApplyPlan, fold, plan_apply};
use crate::domain::unfinished::Work;
use crate::domain::{DataSetName, Grade, Identity, Manifest, Note, PointDataSet, PointId, RecoveryPoint, Service, Trouble, TroubleKind};
use crate::protocol::{CommitOrder, Outcome, Progress};
use crate::store::agent::{Ledger, StagingRow, StoredManifest};
use crate::transfer::{blocking, changes, load_base, load_inventory, load_manifest, plan};

/// Carries the order out; repeated it finishes what is left and returns the same point.
pub async fn run(job: &Job, order: CommitOrder) -> Result<Outcome, Trouble> {
    roles::require(job, Identity::Secondary)?;
    roles::require_cluster(job, &order.point.to)?;
    let point = order.point.id;
    if let Some(given_up) = job.site.ledger.abandoned(point)? {
        return Err(given_up.refusal());
    }
    if job.site.ledger.point(point)?.is_none()
        && let Err(trouble) = commit(job, order).await
    {
        return Err(if job.site.ledger.point(point)?.is_none() { not_committed(trouble) } else { not_finished(trouble) });
    }
    let sealed = finish(&job.site, point, &job.progress).await.map_err(not_finished)?;
    Ok(Outcome::Sealed(Box::new(sealed)))
}

/// Nothing was committed, and the same order will not do it: a refusal, which lets the controller drop the run. (A full disk or damage
/// alone would not tell it on which side of the record they came.)
fn not_committed(trouble: Trouble) -> Trouble {
    if trouble.is_worth_retrying() { trouble } else { Trouble { kind: TroubleKind::Refused, ..trouble } }
}

/// It is committed: whatever keeps it from its seal, the same order goes on when that is mended.
pub(super) fn not_finished(trouble: Trouble) -> Trouble {
    if trouble.is_worth_retrying() { trouble } else { Trouble { kind: TroubleKind::Failed, ..trouble } }
}

/// Up to and with the record that counts.
async fn commit(job: &Job, order: CommitOrder) -> Result<(), Trouble> {
    let began = Instant::now();
    let gate = job.site.gates.of(order.point.id);
    let _alone = gate.lock.write().await;
    let ledger = &job.site.ledger;
    if ledger.point(order.point.id)?.is_some() {
        return Ok(());
    }
    let staging = verify::staging_of(job, order.point.id)?;
    check_order(job, &order, &staging)?;
    job.tell("committing");
    let CommitOrder { point: mut record, service: policy } = order;
    let sets = roles::names_at_target(&staging.armed.data_sets);
    let syncing = sets.iter().map(|set| async move { job.site.component(set)?.sync_staging(&set.path, staging.point).await });
    try_join_all(syncing).await?;
    let mut manifests = Vec::with_capacity(sets.len());
    for (set, told) in sets.iter().zip(&mut record.data_sets) {
        manifests.push((set.clone(), new_manifest(job, set, &record.base, staging.point, told).await?));
    }
    Note::gather(&mut record.notes, ledger.notes_of(record.run, None)?);
    record.sealed_at = None;
    record.timings_ms.commit = Some(millis(began));
    keep_on_cluster(job, &sets, &record, &policy).await?;
    if job.cancel.is_cancelled() || gate.closed.is_cancelled() || ledger.is_dropped(staging.point)? {
        return Err(Trouble::new(TroubleKind::Cancelled, format!("run {}", record.run), "it was cancelled before its commit"));
    }
    let (ledger, point) = (ledger.clone(), record.id);
    blocking(move || ledger.commit_point(&record, &policy, &manifests)).await?;
    tracing::info!(%point, "committed");
    Ok(())
}

fn check_order(job: &Job, order: &CommitOrder, staging: &StagingRow) -> Result<(), Trouble> {
    let point = &order.point;
    let refused = |reason: &str| Err(Trouble::new(TroubleKind::Refused, format!("point {}", point.id), reason));
    if point.run != staging.armed.run || point.pair != job.pair || point.pair != staging.armed.pair {
        return refused("it is of another run or pair than what is staged");
    }
    if point.service != staging.armed.service || order.service.name != point.service {
        return refused("it is of another service than what is staged");
    }
    let same = |(told, staged): (&PointDataSet, &crate::domain::DataSet)| told.name == staged.from && told.to == staged.to;
    if point.data_sets.len() != staging.armed.data_sets.len() || !point.data_sets.iter().zip(&staging.armed.data_sets).all(same) {
        return refused("its data sets are not those that are staged: it would be partial");
    }
    if point.captured.grade == Grade::Invalid {
        return refused("its captures are not of one moment (the clock stepped, or a data set is missing)");
    }
    if !staging.verified {
        return refused("its bytes were not read back since they were staged");
    }
    Ok(())
}

/// The manifest of a data set as it will be, from its base and what is staged. Fills in its counts and digest.
async fn new_manifest(
    job: &Job,
    set: &DataSetName,
    base: &Option<PointId>,
    point: PointId,
    told: &mut PointDataSet,
) -> Result<StoredManifest, Trouble> {
    let (ledger, set, base) = (job.site.ledger.clone(), set.clone(), *base);
    let (manifest, counts) = blocking(move || {
        let kept = kept_plan(&ledger, point, &set)?;
        if kept.base != base {
            return Err(Trouble::new(TroubleKind::Refused, &set, "it was transferred against another base than the point names"));
        }
        let manifest = fold(&load_base(&ledger, base, &set)?, &kept.changes)?;
        let counts = plan::counts(&manifest, &kept.changes, &load_inventory(&ledger, point, &set)?);
        Ok((StoredManifest::of(&manifest), counts))
    })
    .await?;
    (told.files, told.bytes, told.manifest) = (counts.files, counts.bytes, Some(manifest.digest));
    Ok(manifest)
}

struct KeptPlan {
    base: Option<PointId>,
    /// With every file's digest.
    changes: crate::domain::ChangeSet,
}

fn kept_plan(ledger: &Ledger, point: PointId, set: &DataSetName) -> Result<KeptPlan, Trouble> {
    let row = ledger.plan(point, set)?;
    let row = row.ok_or_else(|| Trouble::new(TroubleKind::Refused, set, format!("nothing of it is staged for point {point}")))?;
    let told = changes::from_text(&row.body, &set.to_string())?;
    Ok(KeptPlan { base: row.base, changes: plan::with_digests(&told, &load_inventory(ledger, point, set)?)? })
}

/// The commit's record as it is kept beside the data, for the day when the agent's own disk is gone.
#[derive(Serialize)]
struct ClusterRecord<'a> {
    version: u32,
    point: &'a RecoveryPoint,
    policy: &'a Service,
}

async fn keep_on_cluster(job: &Job, sets: &[DataSetName], point: &RecoveryPoint, policy: &Service) -> Result<(), Trouble> {
    let record = serde_json::to_string(&ClusterRecord { version: 1, point, policy })
        .map_err(|e| Trouble::new(TroubleKind::Failed, format!("point {}", point.id), e))?;
    let keeping = sets.iter().map(|set| {
        let record = &record;
        async move { job.site.component(set)?.keep_record(&set.path, point.id, record).await }
    });
    try_join_all(keeping).await.map(drop)
}

/// Applies and seals a committed point. Sealed already, it changes nothing; given up by a person, or from before a change of identities, it is
/// refused. What fails is remembered.
pub async fn finish(site: &Arc<Site>, point: PointId, progress: &watch::Sender<Progress>) -> Result<RecoveryPoint, Trouble> {
    remember(site, point, bring_to_seal(site, point, progress, is_current).await)
}

/// Likewise, for the promotion whose decision names the point.
pub(super) async fn finish_decided(site: &Arc<Site>, point: PointId) -> Result<RecoveryPoint, Trouble> {
    let progress = watch::Sender::new(Progress::default());
    remember(site, point, bring_to_seal(site, point, &progress, |_, _| Ok(true)).await)
}

fn remember(site: &Site, point: PointId, done: Result<RecoveryPoint, Trouble>) -> Result<RecoveryPoint, Trouble> {
    match &done {
        Ok(_) => site.tries.over(point),
        Err(trouble) if site.ledger.point(point)?.is_some() && site.ledger.abandoned(point)?.is_none() => {
            site.tries.failed(point, Work::Seal, trouble, site.clock.now());
        }
        Err(_) => {}
    }
    done
}

async fn bring_to_seal(
    site: &Arc<Site>,
    point: PointId,
    progress: &watch::Sender<Progress>,
    may: fn(&Site, &RecoveryPoint) -> Result<bool, Trouble>,
) -> Result<RecoveryPoint, Trouble> {
    let gate = site.gates.of(point);
    let _alone = gate.lock.write().await;
    if let Some(given_up) = site.ledger.abandoned(point)? {
        return Err(given_up.refusal());
    }
    let row = site.ledger.point(point)?;
    let row = row.ok_or_else(|| Trouble::new(TroubleKind::NotFound, format!("point {point}"), "it is not committed here"))?;
    let mut record = row.record;
    if row.sealed {
        return Ok(record);
    }
    if !may(site, &record)? {
        return Err(Trouble::new(TroubleKind::Outdated, format!("point {point}"), "identities have changed since its run began"));
    }
    progress.send_modify(|progress| {
        (progress.committed, progress.doing) = (true, "applying".into());
        progress.timings_ms.commit = record.timings_ms.commit;
    });
    // From here until the seal the live data is between two points, and of neither.
    site.ledger.note_applied(&record.pair, &record.service, None)?;
    let began = Instant::now();
    try_join_all(record.data_sets.iter().map(|set| apply(site, &record, &set.to))).await?;
    record.timings_ms.apply = Some(millis(began));
    tracing::info!(%point, "applied");
    progress.send_modify(|progress| {
        progress.doing = "sealing".into();
        progress.timings_ms.apply = record.timings_ms.apply;
    });
    let began = Instant::now();
    try_join_all(record.data_sets.iter().map(|set| seal(site, point, &set.to))).await?;
    record.timings_ms.seal = Some(millis(began));
    record.sealed_at = Some(site.clock.now());
    let (ledger, sealed) = (site.ledger.clone(), record.clone());
    blocking(move || ledger.seal_point(&sealed)).await?;
    progress.send_modify(|progress| progress.timings_ms.seal = record.timings_ms.seal);
    site.gates.forget(point);
    Ok(record)
}

async fn apply(site: &Site, record: &RecoveryPoint, set: &DataSetName) -> Result<(), Trouble> {
    let (ledger, name, record) = (site.ledger.clone(), set.clone(), record.clone());
    let point = record.id;
    let (plan, manifest) = blocking(move || {
        let manifest = committed_manifest(&ledger, &record, &name)?;
        Ok((apply_plan(&ledger, &record, &name)?, manifest))
    })
    .await?;
    let journal = LedgerJournal { ledger: site.ledger.clone(), point, set: set.clone() };
    let component = site.component(set)?;
    component.apply(&set.path, point, &plan, &manifest, &journal).await?;
    if !component.fenced(&set.path).await?.0 {
        component.fence(&set.path).await?;
    }
    Ok(())
}

/// The same plan however often it is asked for: what is live changes in the ledger only with the seal.
fn apply_plan(ledger: &Ledger, record: &RecoveryPoint, set: &DataSetName) -> Result<ApplyPlan, Trouble> {
    let kept = kept_plan(ledger, record.id, set)?;
    let live = match ledger.newest_sealed(&record.pair, &record.service)? {
        Some(last) => load_manifest(ledger, last.id, set)?.unwrap_or_default(),
        None => Manifest::default(),
    };
    match kept.base {
        Some(_) => plan_apply(&live, &kept.changes),
        None => plan_apply(&live, &plan::against_live(&live, &kept.changes)),
    }
}

async fn seal(site: &Site, point: PointId, set: &DataSetName) -> Result<(), Trouble> {
    let (ledger, name) = (site.ledger.clone(), set.clone());
    let manifest = blocking(move || {
        let missing = || Trouble::new(TroubleKind::Corrupt, &name, format!("its manifest in point {point} is missing"));
        load_manifest(&ledger, point, &name)?.ok_or_else(missing)
    })
    .await?;
    site.component(set)?.seal(&set.path, point, &manifest).await
}

/// The manifest of a data set, if it is the very one that the point's record names.
pub(super) fn committed_manifest(ledger: &Ledger, record: &RecoveryPoint, set: &DataSetName) -> Result<Manifest, Trouble> {
    let told = record.data_sets.iter().find(|known| known.to == *set).and_then(|known| known.manifest);
    let kept = ledger.manifest(record.id, set)?.map(|stored| stored.digest);
    match load_manifest(ledger, record.id, set)? {
        Some(manifest) if kept == told => Ok(manifest),
        Some(_) => Err(altered(record, set, "its manifest is not the one its record names")),
        None => Err(altered(record, set, "its manifest is missing")),
    }
}

fn altered(record: &RecoveryPoint, set: &DataSetName, reason: &str) -> Trouble {
    Trouble::new(TroubleKind::Corrupt, format!("{set} in point {}", record.id), reason).next("choose another recovery point")
}

/// Whether a committed point may still be finished by itself: only while this agent is secondary at the point's own epoch. After a
/// promotion a person's decision says which point is live (see [`bring_up`](super::bring_up)).
pub(in crate::agent) fn is_current(site: &Site, record: &RecoveryPoint) -> Result<bool, Trouble> {
    let claim = site.ledger.pair(&record.pair)?.map(|facts| facts.claim);
    Ok(claim.is_some_and(|claim| claim.identity == Identity::Secondary && claim.epoch == record.epoch))
}

/// Goes on with a committed point: to its seal, or back where a person has given it up.
pub(in crate::agent) async fn settle(site: &Arc<Site>, point: PointId, progress: &watch::Sender<Progress>) -> Result<(), Trouble> {
    match site.ledger.abandoned(point)? {
        Some(_) => abandon::undo(site, point, progress).await.map(drop),
        None => finish(site, point, progress).await.map(drop),
    }
}

/// Finishes, when the agent starts, every point that was committed and not yet sealed, and thaws what was left frozen. Needs nothing of
/// the primary. All are tried; the first trouble is returned.
pub async fn resume(site: &Arc<Site>) -> Result<(), Trouble> {
    let mut first = freeze::recover(site).await;
    let progress = watch::Sender::new(Progress::default());
    for row in site.ledger.unsealed_points()? {
        if !is_current(site, &row.record)? {
            continue;
        }
        if let Err(trouble) = settle(site, row.record.id, &progress).await {
            tracing::error!(point = %row.record.id, %trouble, "cannot finish a committed point");
            first = first.and(Err(trouble));
        }
    }
    first
}

/// An apply's phases, in the ledger.
struct LedgerJournal {
    ledger: Arc<Ledger>,
    point: PointId,
    set: DataSetName,
}

impl PhaseJournal for LedgerJournal {
    fn done(&self) -> Result<u32, Trouble> {
        self.ledger.phases_done(self.point, &self.set)
    }

    fn advance(&self, count: u32) -> Result<(), Trouble> {
        self.ledger.advance_phases(self.point, &self.set, count)?;
        tracing::info!(point = %self.point, set = %self.set, count, "phase of the apply done");
        Ok(())
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
