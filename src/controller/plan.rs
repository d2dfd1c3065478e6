//! Plans: pairs and services brought in, and written out. Applied twice, a plan changes nothing the second time.

use std::sync::Arc;

use crate::domain::{Plan, PlannedAgent, PlannedPair, Service, Trouble, TroubleKind};

use super::command::{AgentRequest, Check, CheckState, PairRequest};
use super::engine::Engine;
use super::{Reply, pairing, services};

/// Brings a plan in, or says what would change. Nothing is removed: what a plan does not name stays.
pub(super) async fn apply(engine: &Arc<Engine>, plan: &Plan, dry_run: bool) -> Result<Reply, Trouble> {
    let mut changes = Vec::new();
    for pair in &plan.pairs {
        if engine.read(|m| m.pairs.contains_key(&pair.name)) {
            check_same(engine, pair)?;
            continue;
        }
        changes.push(format!("pair {}: {} primary, {} secondary", pair.name, pair.primary.agent, pair.secondary.agent));
        if !dry_run {
            let told = pairing::pair(engine, &request(pair)).await?;
            if let Reply::PairChecks(checks) = told {
                refuse_failed(&format!("pair {}", pair.name), checks.checks.iter().chain(checks.components.iter().map(|c| &c.check)))?;
            }
        }
    }
    for service in &plan.services {
        let known = engine.read(|m| m.services.get(&service.name).cloned());
        match &known {
            Some(old) if old == service => continue,
            Some(_) => changes.push(format!("service {}: policy changed", service.name)),
            None => changes.push(format!("service {}: {} data sets in pair {}", service.name, service.data_sets.len(), service.pair)),
        }
        let new_pair = plan.pairs.iter().any(|p| p.name == service.pair) && !engine.read(|m| m.pairs.contains_key(&service.pair));
        if dry_run && new_pair {
            // Its components are not known before it is paired.
            continue;
        }
        let checked = services::check(engine, service);
        refuse_failed(&format!("service {}", service.name), checked.checks.iter())?;
        if !dry_run {
            services::save(engine, service).await?;
        }
    }
    Ok(Reply::Changes(changes))
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

fn refuse_failed<'a>(object: &str, checks: impl Iterator<Item = &'a Check>) -> Result<(), Trouble> {
    let failed: Vec<&Check> = checks.filter(|c| c.state == CheckState::Failed).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let reasons: Vec<String> = failed.iter().map(|c| format!("{}: {}", c.name, c.evidence)).collect();
    Err(Trouble::new(TroubleKind::Refused, object, reasons.join("; ")).next(&first.fix))
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
