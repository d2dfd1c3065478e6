//! The choice itself, pure.

use std::collections::BTreeMap;

use crate::domain::{ClusterName, Epoch, Identity};
use crate::protocol::route::RouteReply;

/// Where applications go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// To this cluster.
    Active {
        /// The cluster.
        cluster: ClusterName,
        /// By the decision of this epoch.
        epoch: Epoch,
        /// Where its components are, if it answered itself.
        components: BTreeMap<String, String>,
    },
    /// Nowhere: two decisions made one epoch, or two clusters claim it.
    Conflict(String),
    /// Nowhere yet: nobody may say. The reason, in words.
    Unknown(String),
}

/// Chooses from all answers that came in time.
pub fn choose(answers: &[RouteReply]) -> Choice {
    // A claim that may not be told applications yet is still evidence of its epoch.
    let Some(epoch) = answers.iter().map(|answer| answer.claim.epoch).max() else {
        return Choice::Unknown("nobody answers".into());
    };
    let newest: Vec<&RouteReply> = answers.iter().filter(|answer| answer.claim.epoch == epoch).collect();
    let first = newest[0];
    if newest.iter().any(|answer| answer.claim.decision != first.claim.decision) {
        return Choice::Conflict(format!("two decisions made epoch {epoch}"));
    }
    let mut primaries = newest.iter().filter(|answer| answer.claim.identity == Identity::Primary);
    let speaker = primaries.next();
    if let (Some(one), Some(other)) = (speaker, primaries.find(|other| speaker.is_some_and(|one| one.says != other.says))) {
        return Choice::Conflict(format!("{} and {} both say that they are primary of epoch {epoch}", one.says, other.says));
    }
    // Without the primary's own word, what the other side knows of it must do.
    let speaker = speaker.or_else(|| newest.iter().find(|answer| answer.active.is_some())).unwrap_or(&newest[0]);
    match &speaker.active {
        Some(cluster) => Choice::Active { cluster: cluster.clone(), epoch, components: speaker.components.clone() },
        None => Choice::Unknown(format!("{}: {}", speaker.says, speaker.reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Claim, DecisionId};
    use uuid::Uuid;

    fn says(who: &str, identity: Identity, epoch: u64, decision: u64, active: Option<&str>) -> RouteReply {
        RouteReply {
            pair: "p".parse().expect("a name"),
            service: "orders".parse().expect("a name"),
            says: who.parse().expect("a name"),
            claim: Claim { identity, epoch: Epoch(epoch), decision: DecisionId(Uuid::from_u64_pair(0, decision)) },
            active: active.map(|name| name.parse().expect("a name")),
            components: BTreeMap::new(),
            reason: "it may not say".into(),
        }
    }

    fn active(answers: &[RouteReply]) -> Option<String> {
        match choose(answers) {
            Choice::Active { cluster, .. } => Some(cluster.to_string()),
            _ => None,
        }
    }

    use Identity::{Primary, Secondary};

    /// R10, first: normally the primary.
    #[test]
    fn normally_the_primary_is_active() {
        assert_eq!(
            active(&[says("east", Primary, 1, 1, Some("east")), says("west", Secondary, 1, 1, Some("east"))]).as_deref(),
            Some("east")
        );
        assert_eq!(
            active(&[says("west", Secondary, 1, 1, Some("east"))]).as_deref(),
            Some("east"),
            "its agent is silent, and nobody decided"
        );
    }

    /// R10: the primary is dead and the secondary has the primary identity.
    #[test]
    fn the_promoted_secondary_is_active_when_the_primary_is_dead() {
        assert_eq!(active(&[says("west", Primary, 2, 2, Some("west"))]).as_deref(), Some("west"));
    }

    /// R10: the old primary is alive, with the secondary identity, or not knowing yet that it has lost the primary one.
    #[test]
    fn the_promoted_secondary_is_active_when_the_old_primary_is_alive() {
        let west = says("west", Primary, 2, 2, Some("west"));
        assert_eq!(active(&[says("east", Secondary, 2, 2, Some("west")), west.clone()]).as_deref(), Some("west"));
        assert_eq!(active(&[says("east", Primary, 1, 1, Some("east")), west]).as_deref(), Some("west"));
    }

    /// Invariant 9: the route changes only after the promotion is complete, and does not fall back to the old one either.
    #[test]
    fn an_unfinished_promotion_leads_nowhere() {
        let east = says("east", Primary, 1, 1, Some("east"));
        assert!(matches!(choose(&[east.clone(), says("west", Primary, 2, 2, None)]), Choice::Unknown(_)));
        let stood_back = says("east", Secondary, 2, 2, Some("west"));
        assert!(matches!(choose(&[stood_back, says("west", Primary, 2, 2, None)]), Choice::Unknown(_)));
    }

    /// Invariant 1.
    #[test]
    fn two_decisions_of_one_epoch_lead_nowhere() {
        let (east, west) = (says("east", Primary, 2, 2, Some("east")), says("west", Primary, 2, 3, Some("west")));
        assert!(matches!(choose(&[east.clone(), west]), Choice::Conflict(_)));
        assert!(matches!(choose(&[east, says("west", Primary, 2, 2, Some("west"))]), Choice::Conflict(_)));
    }

    #[test]
    fn nobody_or_unconfirmed_answers_lead_nowhere() {
        assert!(matches!(choose(&[]), Choice::Unknown(_)));
        assert!(matches!(choose(&[says("east", Primary, 1, 1, None)]), Choice::Unknown(_)));
    }
}
