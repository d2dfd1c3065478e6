//! Which side of a pair this agent is on: jobs of one side are refused on the other.

use super::Job;
use crate::domain::{ClusterName, DataSet, DataSetName, Identity, Trouble, TroubleKind};
use crate::transfer::Remote;

/// The identity this agent holds for the job's pair.
pub(super) fn identity(job: &Job) -> Result<Identity, Trouble> {
    Ok(job.site.ledger.member(&job.pair)?.claim.identity)
}

/// Refuses unless this agent holds `wanted`.
pub(super) fn require(job: &Job, wanted: Identity) -> Result<(), Trouble> {
    let identity = identity(job)?;
    if identity == wanted {
        return Ok(());
    }
    let reason = format!("in pair {} it is {identity}, and this is done by the {wanted} only", job.pair);
    Err(Trouble::new(TroubleKind::Refused, format!("agent {}", job.site.cluster), reason))
}

/// The other agent, once joined.
pub(super) fn peer(job: &Job) -> Result<Remote, Trouble> {
    let link = job.peer.clone().ok_or_else(|| {
        Trouble::new(TroubleKind::Refused, format!("pair {}", job.pair), "this agent does not know its peer")
            .next("pair the clusters again")
    })?;
    Ok(Remote { cluster: link.cluster, base: link.base, http: link.http })
}

/// The data set of a list by its name here.
pub(super) fn names_at_target(sets: &[DataSet]) -> Vec<DataSetName> {
    sets.iter().map(|set| set.to.clone()).collect()
}

/// The cluster of a point must be this one.
pub(super) fn require_cluster(job: &Job, cluster: &ClusterName) -> Result<(), Trouble> {
    if *cluster == job.site.cluster {
        return Ok(());
    }
    Err(Trouble::new(TroubleKind::Refused, format!("agent {}", job.site.cluster), format!("the point is for cluster {cluster}")))
}
