//! The steps of an identity change, each with the clusters that it is carried out at: words are made from it at the edge, and reports
//! from the steps of the decision that ran, whoever has which identity by now.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::ClusterName;

/// One step; its code and fields stay, its words may change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "code")]
pub enum IdentityStep {
    /// Planned: the old primary takes no writes, by what was read back.
    Fence {
        /// The old primary.
        cluster: ClusterName,
    },
    /// Planned: one last run of every service.
    FinalRuns,
    /// The new epoch is durable.
    TakeEpoch {
        /// The new primary.
        cluster: ClusterName,
    },
    /// Every service is brought to its recovery point.
    BringUp {
        /// The new primary.
        cluster: ClusterName,
    },
    /// Every service goes on from what is live.
    GoOn {
        /// The new primary.
        cluster: ClusterName,
        /// The other one, which took writes alone.
        without: ClusterName,
    },
    /// A person looks at what was brought up.
    Look {
        /// The new primary.
        cluster: ClusterName,
    },
    /// Applications are told where to go.
    PointApplications {
        /// There.
        cluster: ClusterName,
    },
    /// The old primary takes the secondary identity.
    StepDown {
        /// The old primary.
        cluster: ClusterName,
    },
    /// Planned: the old primary becomes the target.
    Reverse {
        /// The old primary.
        standby: ClusterName,
        /// The new one.
        primary: ClusterName,
    },
    /// Planned and given up: the old primary takes writes again.
    LiftFence {
        /// The primary.
        cluster: ClusterName,
    },
    /// Taking back: nothing was written at the new primary.
    ProveUnwritten {
        /// The new primary.
        cluster: ClusterName,
    },
    /// Taking back: the new primary takes the secondary identity.
    StandBack {
        /// The new primary.
        cluster: ClusterName,
    },
    /// Taking back: the old primary is primary again.
    TakeAgain {
        /// The old primary.
        cluster: ClusterName,
    },
    /// Reversing: its fence is read back.
    ReadFence {
        /// The cluster that is to stand by.
        cluster: ClusterName,
    },
    /// Reversing: what it wrote after the common points is kept.
    KeepWrites {
        /// The cluster that is to stand by.
        cluster: ClusterName,
    },
    /// Reversing: its data is what the common points hold.
    GoBack {
        /// The cluster that is to stand by.
        cluster: ClusterName,
    },
    /// Reversing: the policies go the other way round.
    TurnPolicies,
    /// Reversing: backups go on.
    BackUp {
        /// From there.
        from: ClusterName,
        /// To there.
        to: ClusterName,
    },
}

impl fmt::Display for IdentityStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityStep::Fence { cluster } => write!(f, "fence {cluster} and read the fence back"),
            IdentityStep::FinalRuns => write!(f, "run every service a last time"),
            IdentityStep::TakeEpoch { cluster } => write!(f, "make the next epoch durable at {cluster}"),
            IdentityStep::BringUp { cluster } => write!(f, "bring every service at {cluster} to its recovery point"),
            IdentityStep::GoOn { cluster, without } => {
                write!(f, "open every service at {cluster} as it is there, without what {without} took alone")
            }
            IdentityStep::Look { cluster } => write!(f, "a person looks at the services at {cluster} and commits the promotion"),
            IdentityStep::PointApplications { cluster } => write!(f, "point applications to {cluster}"),
            IdentityStep::StepDown { cluster } => write!(f, "{cluster} takes the secondary identity, fenced, as soon as it answers"),
            IdentityStep::Reverse { standby, primary } => write!(f, "replication is reversed: {standby} stands by for {primary}"),
            IdentityStep::LiftFence { cluster } => write!(f, "lift the fence of {cluster}"),
            IdentityStep::ProveUnwritten { cluster } => write!(f, "prove, under a fence, that nothing was written at {cluster}"),
            IdentityStep::StandBack { cluster } => write!(f, "{cluster} takes the secondary identity, at the next epoch"),
            IdentityStep::TakeAgain { cluster } => {
                write!(f, "{cluster} takes the primary identity again, and goes on from what it holds")
            }
            IdentityStep::ReadFence { cluster } => write!(f, "read back that {cluster} is fenced"),
            IdentityStep::KeepWrites { cluster } => write!(f, "keep what {cluster} wrote after the common points"),
            IdentityStep::GoBack { cluster } => write!(f, "bring {cluster} back to the common points and prove it"),
            IdentityStep::TurnPolicies => write!(f, "turn the policies round at both clusters"),
            IdentityStep::BackUp { from, to } => write!(f, "backups go on, from {from} to {to}"),
        }
    }
}
