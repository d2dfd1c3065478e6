//! The fence of a pair's data sets at this cluster: put on, read back, lifted. What was read back is kept with the pair.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Job, Site};
use crate::domain::{
    Claim, DataSet, DataSetName, Entry, Identity, PairName, PastFence, PointId, RecoveryPoint, RelPath, Service, Trouble, TroubleKind,
};
use crate::store::agent::{FenceState, PairFacts};
use crate::transfer::load_manifest;

/// How long one data set's fence may take; beyond it the component hangs.
const FENCE_LIMIT: Duration = Duration::from_secs(30);
/// Findings of one data set that a refusal names.
const PASSED_SHOWN: usize = 5;

/// The pair's data sets as they are called here: those the fence was put on, else those of the policies.
pub fn sets_here(site: &Site, facts: &PairFacts) -> Result<Vec<DataSetName>, Trouble> {
    if !facts.fence.sets.is_empty() {
        return Ok(facts.fence.sets.clone());
    }
    let mut sets = Vec::new();
    for service in site.ledger.policies(&facts.pair)? {
        sets.extend(names_here(site, &service, facts.claim.identity)?);
    }
    sets.sort();
    sets.dedup();
    Ok(sets)
}

/// A service's data sets as they are called here, whichever way round its policy is (it turns only when the replication is reversed): as in
/// the newest point sealed here, and where none ever was, by the side that `identity` was on.
pub fn names_here(site: &Site, service: &Service, identity: Identity) -> Result<Vec<DataSetName>, Trouble> {
    if let Some(point) = site.ledger.newest_sealed(&service.pair, &service.name)? {
        return Ok(service.towards(Some(&point)).data_sets.into_iter().map(|set| set.to).collect());
    }
    let name = |set: &DataSet| if identity == Identity::Primary { set.from.clone() } else { set.to.clone() };
    Ok(service.data_sets.iter().map(name).collect())
}

/// Fences the data sets and reads it back; the intention is durable first. All are tried; the evidence tells each. An error says which
/// could not be fenced.
pub async fn put_on(site: &Site, pair: &PairName, fence: FenceState) -> Result<Vec<String>, Trouble> {
    site.ledger.set_fence(pair, &fence)?;
    let results = join_all(fence.sets.iter().map(|set| async move {
        let fenced = async { site.component(set)?.fence(&set.path).await };
        (set, limited(set, fenced).await)
    }))
    .await;
    let evidence = results
        .iter()
        .map(|(set, result)| match result {
            Ok(seen) => format!("{set}: {seen}"),
            Err(trouble) => format!("{set}: NOT fenced: {}", trouble.reason),
        })
        .collect::<Vec<_>>();
    let failed = results.into_iter().find_map(|(_, result)| result.err());
    site.ledger.set_fence(pair, &FenceState { held: failed.is_none(), evidence: evidence.clone(), ..fence })?;
    failed.map_or(Ok(evidence), Err)
}

/// Likewise, for a claim that was taken before: not when a promotion has come since. The caller holds the site's `identity`.
pub async fn put_on_behind(site: &Site, pair: &PairName, sets: &[DataSetName], claim: Claim) -> Result<(), Trouble> {
    if !site.ledger.member(pair)?.stands_back_by(claim) {
        return Ok(());
    }
    put_on(site, pair, FenceState::of(sets)).await.map(drop)
}

/// Reads the fence back without changing it: whether all data sets are fenced, and the evidence. Without data sets nothing is fenced.
pub async fn read_back(site: &Site, sets: &[DataSetName]) -> (bool, Vec<String>) {
    let results = join_all(sets.iter().map(|set| async move {
        let asked = async { site.component(set)?.fenced(&set.path).await };
        match limited(set, asked).await {
            Ok((held, seen)) => (held, format!("{set}: {seen}")),
            Err(trouble) => (false, format!("{set}: not known: {}", trouble.reason)),
        }
    }))
    .await;
    (!results.is_empty() && results.iter().all(|(held, _)| *held), results.into_iter().map(|(_, seen)| seen).collect())
}

/// Right before the other cluster is promoted: the fence of the planned switchover still holds, and nothing came past it since these points
/// were captured under it. Changes nothing; refuses with what came.
pub async fn prove_unpassed(job: &Job, facts: &PairFacts, captured: &[PointId]) -> Result<Vec<String>, Trouble> {
    let site = &job.site;
    let (held, evidence) = read_back(site, &facts.fence.sets).await;
    if !held || facts.fence.planned != Some(facts.claim.epoch) {
        let reason = format!("its fence is up no more: {}", evidence.join("; "));
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {}", job.pair), reason).next("decide again if it is still wanted"));
    }
    for point in captured {
        let Some(row) = site.ledger.capture(*point)? else { continue };
        let looks = row.data_sets.iter().map(|set| async move {
            let looked = async { site.component(set)?.past_fence(&set.path, *point).await };
            (set, limited(set, looked).await.unwrap_or_else(|trouble| vec![PastFence::Unknown { reason: trouble.reason }]))
        });
        for (set, passed) in join_all(looks).await {
            unpassed(set, &passed)?;
        }
    }
    tracing::info!(pair = %job.pair, "nothing came past the fence since the final runs");
    Ok(evidence)
}

/// What came past a fence is in no point: the switchover would leave it behind.
fn unpassed(set: &DataSetName, passed: &[PastFence]) -> Result<(), Trouble> {
    let Some(first) = passed.first() else { return Ok(()) };
    let next = match first {
        PastFence::Unknown { .. } => "see why it cannot be read, and switch over again",
        _ => "stop what writes there, and switch over again: the next final run copies it",
    };
    let words: Vec<String> = passed.iter().take(PASSED_SHOWN).map(PastFence::to_string).collect();
    let more = passed.len().saturating_sub(PASSED_SHOWN);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    let reason = format!("past its fence, after its final capture: {}{more}", words.join("; "));
    Err(Trouble::new(TroubleKind::Refused, set, reason).next(next))
}

/// Lifts the fence: each data set's root becomes the entry given, or what it was before the fence. Returns what could not be lifted.
pub async fn lift(site: &Site, sets: &[(DataSetName, Option<Entry>)]) -> Vec<String> {
    let results = join_all(sets.iter().map(|(set, root)| {
        let lifted = async { site.component(set)?.unfence(&set.path, root.as_ref()).await };
        limited(set, lifted)
    }))
    .await;
    results.into_iter().filter_map(Result::err).map(|trouble| trouble.to_string()).collect()
}

/// The data sets with their roots as the newest point made here says they are; nothing for those that never were targets.
pub fn with_true_roots(site: &Site, pair: &PairName, sets: Vec<DataSetName>) -> Result<Vec<(DataSetName, Option<Entry>)>, Trouble> {
    let rows = site.ledger.points_of_pair(pair)?;
    let root_of = |set: &DataSetName| {
        let holds = |record: &RecoveryPoint| record.to == site.cluster && record.data_sets.iter().any(|own| own.to == *set);
        match rows.iter().rev().find(|row| holds(&row.record)) {
            Some(row) => root_in(site, row.record.id, set),
            None => Ok(None),
        }
    };
    sets.into_iter().map(|set| root_of(&set).map(|root| (set, root))).collect()
}

/// A data set's root in a point.
pub fn root_in(site: &Site, point: PointId, set: &DataSetName) -> Result<Option<Entry>, Trouble> {
    let manifest = load_manifest(&site.ledger, point, set)?;
    Ok(manifest.and_then(|manifest| manifest.entries.get(&RelPath::root()).cloned()))
}

async fn limited<T>(set: &DataSetName, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late = || Trouble::new(TroubleKind::Unreachable, set, "the component did not answer within the time limit");
    tokio::time::timeout(FENCE_LIMIT, work).await.unwrap_or_else(|_| Err(late()))
}
