//! What a new run is, and whether its pair lets it begin.
//!
//! The order of ids is that of time, here and at both agents, also when our clock was set back.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::backup::machine::{RunSpec, StartedBy, StepIds};
use crate::domain::{PointId, RunId, Service, Trouble, TroubleKind};

use super::catch_up;
use super::engine::Engine;
use super::model::{Model, PairModel};

/// A run needs a primary that replicates: not while identities change, not when the new primary is alone.
pub(super) fn check_pair(pair: &PairModel, started_by: StartedBy) -> Result<(), Trouble> {
    let object = format!("pair {}", pair.paired.name);
    if !pair.diagnosis.conflict.is_empty() {
        return Err(Trouble::new(TroubleKind::Refused, object, &pair.diagnosis.conflict));
    }
    catch_up::check_followed(pair)?;
    if pair.is_suspended() && started_by != StartedBy::Switchover {
        let phase = pair.state.phase.name();
        return Err(Trouble::new(TroubleKind::Refused, object, format!("backups are suspended: the pair is {phase}"))
            .next("backups go on when a cluster stands by again"));
    }
    Ok(())
}

/// What follows the milliseconds in a UUIDv7 (RFC 9562, 5.7): version, variant and chance.
const CHANCE_BITS: u32 = 80;

/// An id above the newest one: the fresh one, or, where our clock is behind, the same chance a millisecond after the newest. Another
/// controller, whose clock is behind too, draws another one.
fn after(fresh: Uuid, newest: Option<Uuid>) -> Uuid {
    let millis = |id: Uuid| id.as_u128() >> CHANCE_BITS;
    match newest {
        Some(newest) if fresh <= newest => {
            let chance = fresh.as_u128() & ((1 << CHANCE_BITS) - 1);
            Uuid::from_u128((millis(newest) + 1) << CHANCE_BITS | chance)
        }
        _ => fresh,
    }
}

/// What a run of this policy is. Its ids sort after those that are known, also after a run that was dropped: its point's id was told, and
/// something of it may still lie somewhere.
pub(super) fn make(
    engine: &Engine,
    m: &Model,
    service: Service,
    pair: &PairModel,
    moment: DateTime<Utc>,
    started_by: StartedBy,
) -> RunSpec {
    let told = m.runs.values().map(|run| run.state.spec.point.0);
    let newest_point = m.newest_point(&service.name).map(|point| point.id.0).into_iter().chain(told).max();
    let newest_run = m.runs.keys().next_back().map(|run| run.0);
    RunSpec {
        run: RunId(after(engine.id(), newest_run)),
        point: PointId(after(engine.id(), newest_point)),
        service,
        moment,
        epoch: pair.epoch(),
        from: pair.state.primary.clone(),
        to: pair.state.secondary.clone(),
        ids: StepIds {
            arm_primary: engine.fresh(),
            arm_secondary: engine.fresh(),
            capture: engine.fresh(),
            transfer: engine.fresh(),
            verify: engine.fresh(),
            commit: engine.fresh(),
            abort_primary: engine.fresh(),
            abort_secondary: engine.fresh(),
        },
        started_by,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(millis: u64, chance: [u8; 10]) -> Uuid {
        uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid()
    }

    proptest! {
        #[test]
        fn an_id_sorts_after_the_newest_and_two_controllers_never_draw_the_same(
            now in 0u64..1 << 47,
            newest in (0u64..1 << 47, any::<[u8; 10]>()),
            ours in any::<[u8; 10]>(),
            theirs in any::<[u8; 10]>(),
        ) {
            let newest = id(newest.0, newest.1);
            let drawn = [ours, theirs].map(|chance| after(id(now, chance), Some(newest)));
            for id in drawn {
                prop_assert!(id > newest && id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122, "{id}");
            }
            prop_assert_eq!(drawn[0] == drawn[1], id(now, ours) == id(now, theirs));
        }
    }
}
