//! The runbooks of the verbs: pre-flight lines and steps, shown before anything begins. Pure but for the look at both agents.
//!
//! Whether a verb may be begun [`admissible`](super::admissible::of_verb) says, here as in the verb itself: what was shown can be old and
//! never wrong. The lines say what was found; one has failed only where the verb is refused.

use std::sync::Arc;

use crate::domain::{ClusterName, ComponentKind, DataSetName, Grade, Health, PairName, Service, Trouble};

use super::command::{Check, CheckState, Runbook, RunbookStep, Verb};
use super::drills::preflight::agent_line;
use super::engine::Engine;
use super::model::{Model, PairModel};
use super::{admissible, alone, clock, executed, pairing, points, prompt, ready, watch};

/// Ended runs whose time tells how long the next may take.
const TIMED: usize = 5;

/// Looks at both agents, and says what the verb would do.
pub(super) async fn look(engine: &Arc<Engine>, pair: &PairName, verb: Verb) -> Result<Runbook, Trouble> {
    if !engine.read(|m| m.pairs.contains_key(pair)) {
        return Err(pairing::unknown_pair(pair));
    }
    watch::look_at_both(engine, pair).await;
    let secondary = engine.read(|m| m.pairs.get(pair).map(|p| p.state.other().clone()));
    if let Some(secondary) = secondary {
        // Of a secondary that does not answer the line says so.
        drop(points::refresh(engine, pair, &secondary).await);
    }
    if verb == Verb::Planned {
        clock::measure(engine, pair).await;
    }
    engine.read(|m| m.pairs.get(pair).map(|p| runbook(m, p, verb))).ok_or_else(|| pairing::unknown_pair(pair))
}

/// What the verb would do now.
pub(super) fn runbook(model: &Model, pair: &PairModel, verb: Verb) -> Runbook {
    let mut checks = match verb {
        Verb::Planned => planned(model, pair),
        Verb::Adjust => fault(model, pair),
        Verb::Reverse => vec![decision_line(pair), agent_line(pair, &pair.state.primary), agent_line(pair, &pair.state.secondary)],
        Verb::TakeBack => take_back(pair),
    };
    let refused = admissible::of_verb(model, pair, verb).err();
    match &refused {
        Some(refused) if checks.iter().all(|check| check.state != CheckState::Failed) => {
            let trouble = refused.trouble();
            checks.push(Check::failed("It may begin", trouble.reason, trouble.next_step));
        }
        Some(_) => {}
        None => {
            for check in checks.iter_mut().filter(|check| check.state == CheckState::Failed) {
                check.state = CheckState::Warning;
            }
            if verb == Verb::Reverse {
                checks.push(Check::ok(
                    format!("{} is fenced", pair.state.secondary),
                    "its agent read the fence back; what it wrote after the common points is kept before its data goes back",
                ));
            }
        }
    }
    Runbook {
        pair: pair.paired.name.clone(),
        verb,
        generation: model.generation,
        confirm: pair.state.other().clone(),
        ready: refused.is_none(),
        checks,
        steps: steps(model, pair, verb),
        refusal: refused.and_then(|refused| refused.refusal()),
    }
}

fn decision_line(pair: &PairModel) -> Check {
    match pair.diagnosis.conflict.as_str() {
        "" if pair.epoch() > pair.state.epoch && !pair.is_suspended() => Check::failed(
            "One decision",
            format!("the agents know of epoch {}, this console of epoch {}", pair.epoch(), pair.state.epoch),
            "adopt the agents, or go on at the console that decided",
        ),
        "" => Check::ok("One decision", format!("epoch {}, {}", pair.epoch(), pair.state.phase.name())),
        conflict => Check::failed("One decision", conflict, "decide which cluster is primary"),
    }
}

fn planned(model: &Model, pair: &PairModel) -> Vec<Check> {
    let mut checks = vec![decision_line(pair)];
    if pair.is_suspended() {
        checks.push(Check::failed("The pair replicates", format!("it is {}", pair.state.phase.name()), "wait until a cluster stands by"));
    }
    checks.extend([&pair.state.primary, &pair.state.secondary].map(|cluster| agent_line(pair, cluster)));
    checks.push(match model.runs.values().find(|r| !r.has_ended() && r.state.spec.service.pair == pair.paired.name) {
        Some(run) => Check::failed(
            "No run under way",
            format!("{} of {} is", run.state.spec.run, run.state.spec.service.name),
            "wait for its end, or cancel it",
        ),
        None => Check::ok("No run under way", "none is"),
    });
    checks.push(match pair.clock.good {
        true => Check::ok("One clock source", &pair.clock.words),
        false => Check::failed("One clock source", &pair.clock.words, "set up one time source for the controller and both clusters"),
    });
    checks.extend(ready::lines(&pair.state.secondary, &ready_points(model, pair)));
    checks.push(users_line(pair));
    checks.extend(standing_by(model, pair));
    checks
}

/// What is captured by snapshots of a directory above it cannot be a target there (HDFS nests no snapshots): single Hive tables. Such a
/// service goes to the other cluster, and its replication cannot be reversed afterwards.
fn standing_by(model: &Model, pair: &PairModel) -> Vec<Check> {
    let Some(agent) = pair.agent(&pair.state.primary) else { return Vec::new() };
    let status = pair.watch_of(&pair.state.primary).and_then(|watch| watch.status.as_ref());
    let components = status.map_or(&agent.components, |status| &status.components);
    let is_hive = |set: &DataSetName| components.iter().any(|info| info.name == set.component && info.kind == ComponentKind::Hive);
    let single =
        |service: &Service| service.data_sets.iter().map(|set| set.from.clone()).find(|set| is_hive(set) && set.path.contains('.'));
    let line = |(service, set): (&Service, DataSetName)| {
        Check::warning(
            format!("{} can stand by afterwards", service.name),
            format!("{set} is a single Hive table: {} cannot become its target, and the replication stays unreversed", pair.state.primary),
            "back up the whole database instead of its tables before you switch over",
        )
    };
    model.services_of(&pair.paired.name).filter_map(|service| Some((service, single(service)?))).map(line).collect()
}

fn fault(model: &Model, pair: &PairModel) -> Vec<Check> {
    let (primary, secondary) = (pair.state.serving(), pair.state.other());
    let seen = pair.diagnosis.observed.iter().map(|o| format!("{}: {}", o.who, o.saw)).collect::<Vec<_>>().join("; ");
    let words = if seen.is_empty() { pair.diagnosis.words.clone() } else { format!("{} ({seen})", pair.diagnosis.words) };
    let mut checks = vec![decision_line(pair)];
    checks.push(match pair.diagnosis.verdict.offers_button() {
        true => Check::ok(format!("{primary} is faulty"), words),
        false => Check::failed(format!("{primary} is faulty"), words, "wait for evidence, or look at the primary yourself"),
    });
    checks.push(agent_line(pair, secondary));
    match alone::lost(model, pair) {
        Some(lone) => checks.push(Check::warning(
            "Recovery points",
            format!("none: {}", alone::words(pair, &lone)),
            format!("if {primary} can be brought back, wait for it: nothing is lost then"),
        )),
        None => checks.extend(ready::lines(&pair.state.secondary, &ready_points(model, pair))),
    }
    checks.push(users_line(pair));
    checks.extend(prompt::unproven(model, pair).into_iter().map(|fence| {
        Check::warning(
            format!("Fence of {} at {primary}", fence.data_set),
            format!("not proven: {}", fence.evidence),
            format!("see yourself that nobody writes at {primary}, and declare how you know; it is fenced as soon as its agent answers"),
        )
    }));
    checks
}

fn take_back(pair: &PairModel) -> Vec<Check> {
    let (primary, secondary) = (&pair.state.primary, &pair.state.secondary);
    let mut checks = vec![decision_line(pair), agent_line(pair, primary), agent_line(pair, secondary)];
    let health = pair.index(secondary).and_then(|i| pair.diagnosis.clusters[i].as_ref());
    checks.push(match health {
        Some((Health::Healthy, _)) => Check::ok(format!("{secondary} is well"), "its agent answers and every component is well"),
        Some((health, seen)) => Check::warning(
            format!("{secondary} is well"),
            format!("it is {health}: {}", seen.join("; ")),
            "applications would go back to a cluster that may not serve them",
        ),
        None => Check::warning(format!("{secondary} is well"), "not known yet", "wait a moment"),
    });
    let name = format!("Nothing was written at {primary}");
    checks.push(Check::ok(name, format!("{primary} proves it under a fence when this begins; if it cannot, nothing is taken back")));
    checks
}

/// What each service would resume from.
fn ready_points(model: &Model, pair: &PairModel) -> Vec<ready::Ready> {
    let ready = |service: &Service| {
        let held = model.points.get(&service.name).into_iter().flatten();
        let point = held.into_iter().find(|p| p.to == pair.state.secondary && p.captured.grade != Grade::Invalid);
        ready::Ready { service: service.name.clone(), point: point.map(|point| (point.id, point.captured)) }
    };
    model.services_of(&pair.paired.name).map(ready).collect()
}

fn users_line(pair: &PairModel) -> Check {
    let words = prompt::users(pair);
    match &pair.users {
        Some(users) if users.differences.is_empty() => Check::ok("Users, permissions and tenants", words),
        _ => Check::warning("Users, permissions and tenants", words, "compare them: `understudy sync-users PAIR --dry-run`"),
    }
}

fn steps(model: &Model, pair: &PairModel, verb: Verb) -> Vec<RunbookStep> {
    let (from, to) = (pair.state.serving(), pair.state.other());
    let step = |step: String, who: String, guard: &str| RunbookStep { step, who, guard: guard.to_owned(), planned_secs: None };
    let agent = |cluster: &ClusterName| format!("agent of {cluster}");
    match verb {
        Verb::Planned => vec![
            step(format!("fence {from} and read the fence back"), agent(from), "a person typed the name"),
            RunbookStep {
                planned_secs: final_runs(model, pair),
                ..step("run every service a last time".into(), "both agents".into(), "every data set's fence was read back")
            },
            step(
                format!("make the next epoch durable at {to}"),
                agent(to),
                "every final run is sealed; until here a failure lifts the fence",
            ),
            step(format!("bring every service at {to} to its point"), agent(to), "the epoch is durable"),
            step(format!("point applications to {to}"), "both agents' routes".into(), "the service is up"),
            step(format!("{from} takes the secondary identity"), agent(from), "the promotion is over"),
            step(format!("reverse the replication: {from} stands by"), agent(from), "all services are up, and its fence was read back"),
        ],
        Verb::Adjust => vec![
            step(format!("make the next epoch durable at {to}"), agent(to), "a person typed the name, on evidence from two places"),
            step(executed::brings(alone::is_lost(pair), from, to).to_string(), agent(to), "the epoch is durable"),
            step(
                format!("point applications to {to}"),
                "the route of its agent".into(),
                "the service is up; with a hold: a person has looked and committed",
            ),
            step(format!("fence {from}, which takes the secondary identity"), agent(from), "it answers"),
        ],
        Verb::TakeBack => vec![
            step(format!("prove, under a fence, that nothing was written at {from}"), agent(from), "a person typed the name"),
            step(format!("{from} takes the secondary identity, at the next epoch"), agent(from), "nothing was written; else all stays"),
            step(format!("{to} takes the primary identity again, from what it holds"), agent(to), "the other stands back, durably"),
            step(format!("point applications to {to}"), "both agents' routes".into(), "the service is open"),
        ],
        Verb::Reverse => vec![
            step(format!("read back that {to} is fenced"), agent(to), "a person typed the name"),
            step(format!("keep what {to} wrote after the common points"), agent(to), "its snapshots of the common points are still there"),
            step(format!("bring {to} back to the common points and prove it"), agent(to), "what it wrote is kept"),
            step("turn the policies round".into(), "both agents".into(), "its data is what the points hold"),
            RunbookStep {
                planned_secs: final_runs(model, pair),
                ..step(format!("backups go on, from {from} to {to}"), "both agents".into(), "the pair replicates")
            },
        ],
    }
}

/// The longest of the services' usual runs, in seconds: the middle one of each's newest sealed runs.
fn final_runs(model: &Model, pair: &PairModel) -> Option<u64> {
    let usual = |service: &Service| {
        let timings = model.points.get(&service.name)?.iter().take(TIMED).map(|point| {
            let t = &point.timings_ms;
            [t.arm, t.capture, t.transfer, t.verify, t.commit, t.apply, t.seal].iter().flatten().sum::<u64>()
        });
        let mut took: Vec<u64> = timings.filter(|ms| *ms > 0).collect();
        took.sort_unstable();
        took.get(took.len() / 2).copied()
    };
    model.services_of(&pair.paired.name).filter_map(usual).max().map(|ms| ms.div_ceil(1000))
}
