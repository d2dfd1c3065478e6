//! Which fences of a cluster are proven: pure. What cannot be asked is never said to be fenced.

use crate::domain::switchover::machine::{Declaration, PairPhase};
use crate::domain::{ClusterName, DataSetName, PairName, Trouble, TroubleKind};

use super::command::FenceLine;
use super::model::{Model, PairModel};

/// The fences of the old primary, data set by data set: of the cluster that is to lose the identity, or that has lost it.
pub(super) fn lines(model: &Model, pair: &PairModel, cluster: &ClusterName) -> Vec<FenceLine> {
    let watch = pair.watch_of(cluster);
    let answers = watch.is_some_and(|w| w.trouble.is_none());
    let status = watch.and_then(|w| w.status.as_ref()).filter(|_| answers);
    let told = status.and_then(|s| s.pairs.iter().find(|told| told.pair == pair.paired.name));
    let line = |data_set: DataSetName| {
        let seen = told.and_then(|told| told.fence_evidence.iter().find_map(|line| line.strip_prefix(&format!("{data_set}: "))));
        let (proven, evidence) = match told {
            Some(told) if told.fenced => (true, seen.unwrap_or("read back by its agent").to_owned()),
            Some(_) => (false, "its agent answers, and it is open".to_owned()),
            None => (false, format!("the agent of {cluster} does not answer, and a cluster that cannot be reached cannot be asked")),
        };
        FenceLine { cluster: cluster.clone(), data_set, proven, evidence }
    };
    data_sets(model, pair, cluster).into_iter().map(line).collect()
}

/// The pair's data sets as they are called at a cluster: policies go from the primary of the last replication to its secondary.
fn data_sets(model: &Model, pair: &PairModel, cluster: &ClusterName) -> Vec<DataSetName> {
    let replicates = !pair.is_suspended();
    let is_target = if replicates { *cluster == pair.state.secondary } else { *cluster == source_of_change(pair).1 };
    let sets = model.services_of(&pair.paired.name).flat_map(|service| &service.data_sets);
    let mut names: Vec<_> = sets.map(|set| if is_target { set.to.clone() } else { set.from.clone() }).collect();
    names.sort();
    names.dedup();
    names
}

/// The clusters that replication goes from and to, while an identity change is under way or has left a cluster alone.
fn source_of_change(pair: &PairModel) -> (ClusterName, ClusterName) {
    match &pair.state.phase {
        PairPhase::TakingBack { decision, .. }
        | PairPhase::ActiveAlone { decision, .. }
        | PairPhase::Reversing { decision, .. }
        | PairPhase::Promoting { decision, .. } => match decision.live {
            // Nothing has been replicated since the decision before it.
            Some(_) => (decision.to.clone(), decision.from.clone()),
            None => (decision.from.clone(), decision.to.clone()),
        },
        _ => (pair.state.primary.clone(), pair.state.secondary.clone()),
    }
}

/// A decision after a fault needs a person's word for every fence that is not proven; it is kept with the decision.
pub(super) fn declare(pair: &PairName, fences: &[FenceLine], words: Option<&str>) -> Result<Option<Declaration>, Trouble> {
    let unproven: Vec<DataSetName> = fences.iter().filter(|fence| !fence.proven).map(|fence| fence.data_set.clone()).collect();
    let Some(first) = fences.iter().find(|fence| !fence.proven) else { return Ok(None) };
    match words.map(str::trim).filter(|words| !words.is_empty()) {
        Some(words) => Ok(Some(Declaration { words: words.to_owned(), unproven })),
        None => {
            let reason = format!("that nobody writes at {} is not proven ({}: {})", first.cluster, first.data_set, first.evidence);
            Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), reason)
                .next("see yourself that nobody writes there, and say how you know: --declare TEXT"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(proven: bool) -> FenceLine {
        let evidence = "seen".to_owned();
        FenceLine { cluster: "east".parse().expect("a name"), data_set: "files:a".parse().expect("a name"), proven, evidence }
    }

    #[test]
    fn an_unproven_fence_needs_a_person_s_word_and_a_proven_one_does_not() {
        let pair: PairName = "p".parse().expect("a name");
        assert_eq!(declare(&pair, &[fence(true)], Some("why not")), Ok(None), "nothing to declare");
        for nothing in [None, Some(""), Some("  ")] {
            let refused = declare(&pair, &[fence(true), fence(false)], nothing).expect_err("a word is needed");
            assert!(refused.reason.contains("nobody writes at east is not proven") && refused.next_step.contains("--declare"));
        }
        let declared = declare(&pair, &[fence(false)], Some(" its power is off ")).expect("said").expect("kept");
        assert_eq!((declared.words.as_str(), declared.unproven.len()), ("its power is off", 1));
    }
}
