//! Bringing a service to a recovery point, for a promotion: finished, restored where it is not what is live, and proven.

use std::sync::Arc;

use super::Site;
use super::commit::{committed_manifest, finish_decided};
use crate::domain::{Grade, Manifest, PointId, RecoveryPoint, ServiceName, Trouble, TroubleKind};
use crate::transfer::blocking;

/// Brings the live data sets of a service to `point`, still fenced. A point that is partial, altered, of the wrong direction, or whose
/// live data is not what its manifests say is refused; nothing is changed then.
pub async fn bring_up(site: &Arc<Site>, service: &ServiceName, point: PointId) -> Result<RecoveryPoint, Trouble> {
    let row = site.ledger.point(point)?;
    let row =
        row.ok_or_else(|| Trouble::new(TroubleKind::NotFound, format!("point {point}"), "this agent holds no such recovery point"))?;
    check(site, service, &row.record)?;
    let record = if row.sealed { row.record } else { finish_decided(site, point).await? };
    let gate = site.gates.of(point);
    let _alone = gate.lock.write().await;
    // All manifests are proven before the first data set is touched.
    let manifests = committed_manifests(site, &record).await?;
    if site.ledger.applied_point(&record.pair, &record.service)? != Some(point) {
        site.ledger.note_applied(&record.pair, &record.service, None)?;
        for (set, manifest) in record.data_sets.iter().zip(&manifests) {
            site.component(&set.to)?.restore(&set.to.path, point, manifest).await?;
        }
        prove(site, &record, &manifests).await?;
        site.ledger.note_applied(&record.pair, &record.service, Some(point))?;
    } else {
        for (set, manifest) in record.data_sets.iter().zip(&manifests) {
            site.component(&set.to)?.make_live(&set.to.path, point, manifest).await?;
        }
        prove(site, &record, &manifests).await?;
    }
    site.gates.forget(point);
    Ok(record)
}

pub(super) fn check(site: &Site, service: &ServiceName, record: &RecoveryPoint) -> Result<(), Trouble> {
    let refused = |reason: String| {
        Err(Trouble::new(TroubleKind::Refused, format!("point {}", record.id), reason).next("choose another recovery point"))
    };
    if record.service != *service {
        return refused(format!("it is of service {}", record.service));
    }
    if record.to != site.cluster {
        return refused(format!("it was made for cluster {}: the wrong direction", record.to));
    }
    if record.captured.grade == Grade::Invalid {
        return refused("its captures are not of one moment".into());
    }
    record.data_sets.iter().try_for_each(|set| site.component(&set.to).map(drop))
}

/// The manifests of a point, in its data sets' order; each must be the one that the point names.
pub(super) async fn committed_manifests(site: &Site, record: &RecoveryPoint) -> Result<Vec<Manifest>, Trouble> {
    let (ledger, wanted) = (site.ledger.clone(), record.clone());
    blocking(move || wanted.data_sets.iter().map(|set| committed_manifest(&ledger, &wanted, &set.to)).collect()).await
}

/// The live data sets must be what the manifests say.
pub(super) async fn prove(site: &Site, record: &RecoveryPoint, manifests: &[Manifest]) -> Result<(), Trouble> {
    for (set, manifest) in record.data_sets.iter().zip(manifests) {
        let drift = site.component(&set.to)?.drift(&set.to.path, Some((record.id, manifest))).await?;
        if !drift.is_empty() {
            let reason = format!("the live data is not what the point holds: {}", drift.join("; "));
            return Err(Trouble::new(TroubleKind::Corrupt, format!("{} in point {}", set.to, record.id), reason)
                .next("look at what was changed there, or choose another recovery point"));
        }
    }
    Ok(())
}
