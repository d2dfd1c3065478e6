//! Before a drill: every line as check, evidence, fix. Pure, on what the engine knows.

use std::collections::BTreeMap;

use crate::controller::command::{Check, CheckState, DrillChecks};
use crate::controller::model::{Model, PairModel};
use crate::controller::runs::unknown_service;
use crate::domain::drill::machine::DrillSpec;
use crate::domain::{
    ClusterName, ComponentInfo, ComponentKind, ComponentName, DrillId, Epoch, Grade, InstructionId, PointId, RecoveryPoint, Service,
    ServiceName, Trouble, TroubleKind,
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

/// By component: whether a copy has room, counting what else is copied into the same file system.
fn component_lines(pair: &PairModel, cluster: &ClusterName, point: &RecoveryPoint) -> Vec<Check> {
    let told = pair.watch_of(cluster).and_then(|watch| watch.status.as_ref()).map(|status| &status.components);
    let known = told.or_else(|| pair.agent(cluster).map(|agent| &agent.components));
    let mut needed: BTreeMap<&ComponentName, u64> = BTreeMap::new();
    for set in &point.data_sets {
        *needed.entry(&set.to.component).or_default() += set.bytes;
    }
    let found: Vec<(&ComponentName, u64, Option<&ComponentInfo>)> =
        needed.into_iter().map(|(name, bytes)| (name, bytes, known.into_iter().flatten().find(|info| info.name == *name))).collect();
    let one = |(name, bytes, info): &(&ComponentName, u64, Option<&ComponentInfo>)| {
        let title = format!("Space in {name}");
        let Some(info) = *info else {
            return line(&title, CheckState::Failed, format!("{cluster} has no component {name}"), "add it to its agent.toml");
        };
        let beside = found.iter().filter_map(|(_, bytes, other)| Some((other.filter(|other| shares(info, other))?, bytes)));
        room_line(&title, info, *bytes, bytes + beside.map(|(_, bytes)| bytes).sum::<u64>())
    };
    found.iter().map(one).collect()
}

/// Whether another component's copies go into the same file system. A clone takes no room until something is written.
fn shares(one: &ComponentInfo, other: &ComponentInfo) -> bool {
    one.name != other.name && other.kind != ComponentKind::Hbase && !one.storage.is_empty() && one.storage == other.storage
}

/// Whether there is room for `all` bytes, of which `bytes` are the component's own.
fn room_line(title: &str, info: &ComponentInfo, bytes: u64, all: u64) -> Check {
    let needed = all.saturating_mul(u64::from(info.copies.max(1)));
    let mut copied = format!("{} are copied", size(bytes));
    if all != bytes {
        copied += &format!(", {} with what else goes into the same file system", size(all));
    }
    if needed != all {
        copied += &format!(", {} in {} replicas", size(needed), info.copies);
    }
    match (info.kind, info.free_bytes) {
        (ComponentKind::Hbase, _) => Check::ok(title, "tables are cloned: no copy is made"),
        (_, Some(free)) if free < needed => {
            line(title, CheckState::Failed, format!("{copied}, {} are free", size(free)), "free space there")
        }
        (_, Some(free)) => Check::ok(title, format!("{copied}, {} are free", size(free))),
        (_, None) => line(title, CheckState::Warning, format!("{copied}; what is free is not known"), "look yourself"),
    }
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
    use super::*;

    #[test]
    fn what_goes_into_one_file_system_is_counted_together() {
        let info = |name: &str, kind, storage: &str| ComponentInfo {
            storage: storage.to_owned(),
            free_bytes: Some(10 << 30),
            ..ComponentInfo::undescribed(name.parse().expect("a name"), kind)
        };
        let (hdfs, hive) = (info("hdfs", ComponentKind::Hdfs, "hdfs://a"), info("hive", ComponentKind::Hive, "hdfs://a"));
        let others = [info("far", ComponentKind::Hdfs, "hdfs://b"), info("hbase", ComponentKind::Hbase, "hdfs://a"), hdfs.clone()];
        assert!(shares(&hdfs, &hive) && others.iter().all(|other| !shares(&hdfs, other)));
        let disks = ["files", "tables"].map(|name| info(name, ComponentKind::Files, ""));
        assert!(!shares(&disks[0], &disks[1]), "of an older agent, and of disks, nothing is known");
        let alone = room_line("Space in hive", &hive, 6 << 30, 6 << 30);
        assert_eq!((alone.state, alone.evidence.as_str()), (CheckState::Ok, "6.0 GiB are copied, 10.0 GiB are free"));
        let both = room_line("Space in hive", &hive, 6 << 30, 12 << 30);
        assert_eq!(both.state, CheckState::Failed);
        assert!(both.evidence.starts_with("6.0 GiB are copied, 12.0 GiB with what else"), "{}", both.evidence);
        let thrice = room_line("Space in hive", &ComponentInfo { copies: 3, ..hive }, 4 << 30, 4 << 30);
        assert_eq!(
            (thrice.state, thrice.evidence.as_str()),
            (CheckState::Failed, "4.0 GiB are copied, 12.0 GiB in 3 replicas, 10.0 GiB are free")
        );
    }

    #[test]
    fn sizes_read_as_on_the_screens() {
        assert_eq!(
            [0, 1023, 1024, 1536, (3 << 30) + (1 << 29), 9_016_003_346_432, u64::MAX].map(size),
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "3.5 GiB", "8.2 TiB", "16777215.9 TiB"]
        );
    }
}
