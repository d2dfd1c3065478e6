//! Plans: pairs and services brought in, and written out. Applied twice, a plan changes nothing the second time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Plan, PlannedAgent, PlannedPair, Service, Trouble, TroubleKind};

use super::command::{AgentRequest, Check, CheckState, PairChecks, PairRequest, ServiceCheck};
use super::engine::Engine;
use super::services::{Planned, Side};
use super::{Reply, pairing, services};

/// Brings a plan in, or says what would change. Nothing is removed: what a plan does not name stays. Everything is checked before the
/// first change, so that a plan is not brought in by half.
pub(super) async fn apply(engine: &Arc<Engine>, plan: &Plan, dry_run: bool) -> Result<Reply, Trouble> {
    refuse_twice("pair", plan.pairs.iter().map(|p| p.name.as_str()))?;
    refuse_twice("service", plan.services.iter().map(|s| s.name.as_str()))?;
    let (mut changes, mut new_pairs) = (Vec::new(), Vec::new());
    let mut planned = Planned { pairs: BTreeMap::new(), services: plan.services.clone() };
    for pair in &plan.pairs {
        if engine.read(|m| m.pairs.contains_key(&pair.name)) {
            check_same(engine, pair)?;
            continue;
        }
        changes.push(format!("pair {}: {} primary, {} secondary", pair.name, pair.primary.agent, pair.secondary.agent));
        // A code is used up by asking: a dry run does not.
        let sides = if dry_run { None } else { Some(ask_both(engine, pair).await?) };
        planned.pairs.insert(pair.name.clone(), sides);
        new_pairs.push(pair);
    }
    let mut new_policies = Vec::new();
    for service in &plan.services {
        match engine.read(|m| m.services.get(&service.name).cloned()) {
            Some(old) if old == *service => continue,
            Some(_) => changes.push(format!("service {}: policy changed", service.name)),
            None => changes.push(format!("service {}: {} data sets in pair {}", service.name, service.data_sets.len(), service.pair)),
        }
        let mut check = services::check_planned(engine, service, &planned);
        let own = check.checks.len();
        services::check_at_agents(engine, service, &mut check).await;
        refuse_service(service, &check)?;
        // What the primary has to say of its data sets: no change, and to be known before there is one.
        changes.extend(check.checks[own..].iter().map(|line| format!("note: {}: {}; {}", line.name, line.evidence, line.fix)));
        new_policies.push(service);
    }
    if dry_run {
        return Ok(Reply::Changes(changes));
    }
    for pair in new_pairs {
        if let Reply::PairChecks(checks) = pairing::pair(engine, &request(pair)).await? {
            refuse_pair(pair, &checks)?;
        }
    }
    for service in new_policies {
        if let Reply::ServiceChecked(check) = services::save(engine, service).await? {
            refuse_service(service, &check)?;
        }
    }
    Ok(Reply::Changes(changes))
}

/// One object of a kind has one name.
fn refuse_twice<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Trouble> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Trouble::new(TroubleKind::Invalid, format!("{kind} {name}"), "the plan names it twice")
                .next("keep one of the two, or give the other another name"));
        }
    }
    Ok(())
}

/// Asks both agents of a new pair, and refuses where pairing would.
async fn ask_both(engine: &Engine, pair: &PlannedPair) -> Result<[Side; 2], Trouble> {
    engine.check_in_command()?;
    let (_, _, checks) = pairing::check(engine, &request(pair)).await?;
    refuse_pair(pair, &checks)?;
    Ok([checks.primary, checks.secondary].map(|found| (found.cluster, found.components)))
}

fn check_same(engine: &Engine, pair: &PlannedPair) -> Result<(), Trouble> {
    let known = engine.read(|m| m.pairs.get(&pair.name).map(|p| p.paired.agents.each_ref().map(|a| a.enrolled.address.clone())));
    let Some(known) = known else { return Ok(()) };
    // After a switchover the roles are turned round; the plan still names the same two agents.
    let named = [&pair.primary.agent, &pair.secondary.agent];
    if named.iter().all(|address| known.contains(address)) {
        return Ok(());
    }
    Err(Trouble::new(
        TroubleKind::Refused,
        format!("pair {}", pair.name),
        format!("it is paired with {}, and the plan names {} and {}", known.join(" and "), named[0], named[1]),
    )
    .next("unpair it first, or correct the plan"))
}

fn request(pair: &PlannedPair) -> PairRequest {
    let agent = |a: &PlannedAgent| AgentRequest { address: a.agent.clone(), code: a.code.clone() };
    PairRequest { name: pair.name.clone(), primary: agent(&pair.primary), secondary: agent(&pair.secondary) }
}

fn refuse_pair(pair: &PlannedPair, told: &PairChecks) -> Result<(), Trouble> {
    refuse_failed(&format!("pair {}", pair.name), told.checks.iter().chain(told.components.iter().map(|c| &c.check)))
}

fn refuse_service(service: &Service, told: &ServiceCheck) -> Result<(), Trouble> {
    refuse_failed(&format!("service {}", service.name), told.checks.iter())
}

fn refuse_failed<'a>(object: &str, checks: impl Iterator<Item = &'a Check>) -> Result<(), Trouble> {
    let failed: Vec<&Check> = checks.filter(|c| c.state == CheckState::Failed).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let reasons: Vec<String> = failed.iter().map(|c| format!("{}: {}", c.name, c.evidence)).collect();
    Err(Trouble { facts: first.facts.clone(), ..Trouble::new(TroubleKind::Refused, object, reasons.join("; ")).next(&first.fix) })
}

/// The plan that would bring this state about. Codes are secrets and used up: none is written.
pub(super) fn export(engine: &Engine) -> Plan {
    engine.read(|m| {
        let agent = |address: &str| PlannedAgent { agent: address.to_owned(), code: None };
        let pairs = m
            .pairs
            .values()
            .map(|p| {
                let address = |cluster| p.agent(cluster).map(|a| a.enrolled.address.clone()).unwrap_or_default();
                PlannedPair {
                    name: p.paired.name.clone(),
                    primary: agent(&address(&p.state.primary)),
                    secondary: agent(&address(&p.state.secondary)),
                }
            })
            .collect();
        let services: Vec<Service> = m.services.values().cloned().collect();
        Plan { pairs, services }
    })
}
