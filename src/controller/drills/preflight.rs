//! Before a drill: every line as check, evidence, fix. Pure, on what the engine knows.

use std::collections::BTreeMap;

use crate::controller::command::{Check, CheckState, DrillChecks};
use crate::controller::model::{Model, PairModel};
use crate::controller::runs::unknown_service;
use crate::domain::drill::machine::DrillSpec;
use crate::domain::{
    ClusterName, ComponentKind, ComponentName, DrillId, Epoch, Grade, InstructionId, PointId, RecoveryPoint, Service, ServiceName, Trouble,
    TroubleKind,
};

/// What a drill would be made of.
pub(super) struct Ready {
    service: Service,
    point: RecoveryPoint,
    cluster: ClusterName,
    epoch: Epoch,
}

impl Ready {
    /// The drill.
    pub fn spec(self, drill: DrillId, instruction: InstructionId, by: &str) -> DrillSpec {
        DrillSpec {
            drill,
            pair: self.service.pair,
            service: self.service.name,
            point: self.point.id,
            captured_at: self.point.captured.first,
            cluster: self.cluster,
            epoch: self.epoch,
            instruction,
            checks: self.service.checks,
            rto_target_minutes: self.service.rto_target_minutes,
            by: by.to_owned(),
        }
    }
}

fn line(name: &str, state: CheckState, evidence: impl Into<String>, fix: &str) -> Check {
    Check { state, fix: fix.to_owned(), ..Check::ok(name, evidence) }
}

/// The lines, and what the drill would be made of where there is a point. A service or point that there is not is a trouble.
pub(super) fn check(model: &Model, service: &ServiceName, point: Option<PointId>) -> Result<(DrillChecks, Option<Ready>), Trouble> {
    let policy = model.services.get(service).ok_or_else(|| unknown_service(model.services.keys(), service))?;
    let pair = model.pairs.get(&policy.pair).ok_or_else(|| {
        Trouble::new(TroubleKind::NotFound, format!("pair {}", policy.pair), "it is not paired").next("pair its clusters first")
    })?;
    let cluster = pair.state.secondary.clone();
    let chosen = choose(model, service, &cluster, point)?;
    let mut checks = vec![pair_line(pair), agent_line(pair, &cluster), point_line(chosen)];
    if let Some(chosen) = chosen {
        checks.extend(component_lines(pair, &cluster, chosen));
    }
    checks.push(checks_line(policy));
    checks.push(other_line(model, service));
    let ready = chosen.map(|point| Ready { service: policy.clone(), point: point.clone(), cluster: cluster.clone(), epoch: pair.epoch() });
    Ok((DrillChecks { service: service.clone(), cluster, point: chosen.map(|point| point.id), checks }, ready))
}

fn choose<'a>(
    model: &'a Model,
    service: &ServiceName,
    cluster: &ClusterName,
    wanted: Option<PointId>,
) -> Result<Option<&'a RecoveryPoint>, Trouble> {
    let mut held = model.points.get(service).into_iter().flatten().filter(|point| point.to == *cluster);
    match wanted {
        None => Ok(held.next()),
        Some(wanted) => held.find(|point| point.id == wanted).map(Some).ok_or_else(|| {
            Trouble::new(TroubleKind::NotFound, format!("point {wanted}"), format!("{service} has no such recovery point at {cluster}"))
                .next("see `understudy points`")
        }),
    }
}

fn pair_line(pair: &PairModel) -> Check {
    let phase = pair.state.phase.name();
    if !pair.diagnosis.conflict.is_empty() {
        return line("Pair", CheckState::Failed, &pair.diagnosis.conflict, "decide which cluster is primary first");
    }
    if pair.is_suspended() {
        return line("Pair", CheckState::Failed, format!("it is {phase}"), "wait until a cluster stands by again");
    }
    Check::ok("Pair", phase)
}

pub(in crate::controller) fn agent_line(pair: &PairModel, cluster: &ClusterName) -> Check {
    let name = format!("Agent of {cluster}");
    match pair.watch_of(cluster) {
        Some(watch) if watch.trouble.is_none() && watch.status.is_some() => Check::ok(&name, "it answers"),
        Some(watch) => {
            let why = watch.trouble.as_ref().map_or("it was not asked yet".to_owned(), |trouble| trouble.reason.clone());
            line(&name, CheckState::Failed, why, "see that it runs and can be reached")
        }
        None => line(&name, CheckState::Failed, "it is not known", "pair the clusters again"),
    }
}

fn point_line(point: Option<&RecoveryPoint>) -> Check {
    let Some(point) = point else {
        return line("Recovery point", CheckState::Failed, "none is sealed at the secondary", "run a backup first");
    };
    let evidence = format!("captured {}, skew {} ms", point.captured.first.format("%Y-%m-%d %H:%M:%S UTC"), point.captured.skew_ms);
    match point.captured.grade {
        Grade::Invalid => line("Recovery point", CheckState::Failed, "its captures are not of one moment", "choose another one"),
        Grade::Wide => line(
            "Recovery point",
            CheckState::Warning,
            evidence,
            "its data sets lie further apart than the policy allows; or choose another",
        ),
        Grade::Quiesced | Grade::Bounded => Check::ok("Recovery point", evidence),
    }
}

/// By component: whether it can, and whether a copy has room.
fn component_lines(pair: &PairModel, cluster: &ClusterName, point: &RecoveryPoint) -> Vec<Check> {
    let told = pair.watch_of(cluster).and_then(|watch| watch.status.as_ref()).map(|status| &status.components);
    let known = told.or_else(|| pair.agent(cluster).map(|agent| &agent.components));
    let mut needed: BTreeMap<&ComponentName, u64> = BTreeMap::new();
    for set in &point.data_sets {
        *needed.entry(&set.to.component).or_default() += set.bytes;
    }
    let one = |(name, bytes): (&ComponentName, u64)| {
        let title = format!("Space in {name}");
        let Some(info) = known.into_iter().flatten().find(|info| info.name == *name) else {
            return line(&title, CheckState::Failed, format!("{cluster} has no component {name}"), "add it to its agent.toml");
        };
        match (info.kind, info.free_bytes) {
            (ComponentKind::Hive, _) => line(
                &title,
                CheckState::Failed,
                "data sets of Hive cannot be brought up for a drill by this version",
                "drill the services that have none",
            ),
            // A clone takes no room until something is written.
            (ComponentKind::Hbase, _) => Check::ok(&title, "tables are cloned: no copy is made"),
            (_, Some(free)) if free < bytes => {
                line(&title, CheckState::Failed, format!("{} are copied, {} are free", size(bytes), size(free)), "free space there")
            }
            (_, Some(free)) => Check::ok(&title, format!("{} are copied, {} are free", size(bytes), size(free))),
            (_, None) => {
                line(&title, CheckState::Warning, format!("{} are copied; what is free is not known", size(bytes)), "look yourself")
            }
        }
    };
    needed.into_iter().map(one).collect()
}

fn checks_line(service: &Service) -> Check {
    let target = service.rto_target_minutes.map_or("no target RTO".to_owned(), |minutes| format!("target RTO {minutes} min"));
    match service.checks.len() {
        0 => {
            let evidence = format!("the policy has none; {target}");
            line(
                "Checks",
                CheckState::Warning,
                evidence,
                "add `checks` to the policy: without one the drill shows only that the data comes up",
            )
        }
        count => Check::ok("Checks", format!("{count}; {target}")),
    }
}

fn other_line(model: &Model, service: &ServiceName) -> Check {
    match model.drills.values().find(|drill| drill.state.is_under_way() && drill.state.spec.service == *service) {
        Some(other) => {
            let evidence = format!("drill {} is under way", other.state.spec.drill);
            line("Other drills", CheckState::Failed, evidence, "wait until it has ended, or stop it")
        }
        None => Check::ok("Other drills", "none of this service is under way"),
    }
}

/// Bytes in words, with one digit.
fn size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let found = units.into_iter().find(|(shift, _)| bytes >> shift > 0);
    found.map_or_else(
        || format!("{bytes} bytes"),
        |(shift, unit)| {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_read_as_on_the_screens() {
        assert_eq!(
            [0, 1023, 1024, 1536, (3 << 30) + (1 << 29), 9_016_003_346_432, u64::MAX].map(size),
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "3.5 GiB", "8.2 TiB", "16777215.9 TiB"]
        );
    }
}
