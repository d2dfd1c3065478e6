//! Policies: checked by the domain, kept in versions, told to both agents so that a later controller finds them there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::admission::{AskedAs, Said, nested};
use crate::domain::validate::{self, Finding, PairFacts, PairKnown, Severity};
use crate::domain::{ClusterName, ComponentInfo, DataSet, DataSetName, Note, PairName, Service, ServiceName, Trouble, TroubleKind};
use crate::protocol::{Order, StorePoliciesOrder};
use crate::store::controller::Enrolled;

use super::command::{Check, CheckState, ServiceCheck};
use super::engine::Engine;
use super::instruct::{Errand, within};
use super::model::{Model, PairModel};
use super::snapshot::Level;
use super::{Reply, retention, scheduler};

/// Moments shown.
const NEXT_MOMENTS: usize = 5;

/// Ordinary calls in whose time a metastore answers.
const SLOWLY: u32 = 6;
/// Data sets of other services whose places are asked for.
const NEIGHBOURS: usize = 64;

/// A cluster and its components.
pub(super) type Side = (ClusterName, Vec<ComponentInfo>);

/// What a plan brings beside the service that is checked.
#[derive(Default)]
pub(super) struct Planned {
    /// Its new pairs, with both sides (primary first) once their agents were asked.
    pub pairs: BTreeMap<PairName, Option<[Side; 2]>>,
    /// All of its services.
    pub services: Vec<Service>,
}

/// Checks a policy and says what it means.
pub(super) fn check(engine: &Engine, service: &Service) -> ServiceCheck {
    check_planned(engine, service, &Planned::default())
}

/// Likewise, for a policy that comes in a plan.
pub(super) fn check_planned(engine: &Engine, service: &Service, planned: &Planned) -> ServiceCheck {
    let now = engine.now();
    let (mut services, paired) = engine.read(|m| {
        let sides = m.pairs.get(&service.pair).map(|p| [&p.state.primary, &p.state.secondary].map(|c| (c.clone(), components(p, c))));
        (m.services.clone(), sides)
    });
    services.extend(planned.services.iter().map(|service| (service.name.clone(), service.clone())));
    let services: Vec<Service> = services.into_values().collect();
    let told = paired.as_ref().or_else(|| planned.pairs.get(&service.pair).and_then(Option::as_ref));
    let pair = match told {
        Some([from, to]) => PairKnown::Told(PairFacts { from: &from.0, from_components: &from.1, to: &to.0, to_components: &to.1 }),
        None if planned.pairs.contains_key(&service.pair) => PairKnown::Planned,
        None => PairKnown::Absent,
    };
    let names = told.map_or(("the primary", "the secondary"), |[from, to]| (from.0.as_str(), to.0.as_str()));
    let in_words = validate::in_words(service, names.0, names.1);
    let context = validate::Context { pair, services: &services, in_lab: engine.training, now };
    let checks = validate::problems(service, &context).into_iter().map(line).collect();
    ServiceCheck { in_words, next_moments: scheduler::next_moments(service, now, NEXT_MOMENTS), checks }
}

/// A cluster's components as its agent last told, or as they were when it was paired.
fn components(pair: &PairModel, cluster: &ClusterName) -> Vec<ComponentInfo> {
    let told = pair.watch_of(cluster).and_then(|w| w.status.as_ref()).map(|s| s.components.clone());
    told.or_else(|| pair.agent(cluster).map(|a| a.components.clone())).unwrap_or_default()
}

fn line(finding: Finding) -> Check {
    let state = match finding.severity {
        Severity::Failed => CheckState::Failed,
        Severity::Warning => CheckState::Warning,
    };
    Check { name: finding.object, state, evidence: finding.evidence, fix: finding.fix, facts: None }
}

/// Asks both agents about every data set as well: what could never be captured, or never brought into place, is refused now and not at the
/// first run.
pub(super) async fn check_at_agents(engine: &Engine, service: &Service, check: &mut ServiceCheck) {
    if check.checks.iter().any(|c| c.state == CheckState::Failed) {
        return;
    }
    let Some([primary, secondary]) =
        engine.read(|m| m.pairs.get(&service.pair).map(|p| [p.state.primary.clone(), p.state.secondary.clone()]))
    else {
        return;
    };
    for (cluster, asked_as) in [(&primary, AskedAs::Source), (&secondary, AskedAs::Target)] {
        check.checks.extend(looked_at(engine, service, cluster, asked_as).await);
    }
}

/// What the data set's owner should know.
fn note_line(note: Note) -> Check {
    let facts = note.facts.unwrap_or_else(|| Box::new(serde_json::json!({ "code": note.code })));
    Check { name: note.object, state: CheckState::Warning, evidence: note.reason, fix: note.next_step, facts: Some(facts) }
}

/// What one cluster says of the data sets, each asked about once: what stands in their way, where they are, and what is good to know. One that
/// does not answer is asked no further.
async fn looked_at(engine: &Engine, service: &Service, cluster: &ClusterName, asked_as: AskedAs) -> Vec<Check> {
    let (mut lines, mut notes, mut placed) = (Vec::new(), Vec::new(), Vec::new());
    let end = |set: &DataSet| if asked_as == AskedAs::Target { set.to.clone() } else { set.from.clone() };
    let own: Vec<DataSetName> = service.data_sets.iter().map(end).collect();
    let others = engine.read(|m| {
        let others = m.services_of(&service.pair).filter(|other| other.name != service.name).flat_map(|other| &other.data_sets).map(end);
        // Those of one component are told apart by their names alone.
        let asked = others.filter(|theirs| own.iter().any(|set| set.component != theirs.component));
        asked.take(NEIGHBOURS).collect::<Vec<_>>()
    });
    // Of a neighbour only its places matter: at either cluster those of its live data.
    let asked = own.iter().map(|set| (set, true)).chain(others.iter().map(|set| (set, false)));
    for (set, is_own) in asked {
        let asked_as = if is_own { asked_as } else { AskedAs::Neighbour };
        match look(engine, service, cluster, set, asked_as).await {
            Ok(said) => {
                placed.push((set.clone(), said.places));
                if is_own {
                    lines.extend(
                        said.refusals.into_iter().map(|trouble| Check { state: CheckState::Failed, ..refusal(trouble.at(cluster)) }),
                    );
                    notes.extend(said.notes.into_iter().map(note_line));
                }
            }
            Err(trouble) => {
                let is_silent = trouble.kind == TroubleKind::Unreachable;
                // What a neighbour is refused for is its own policy's affair.
                if is_own || trouble.is_worth_retrying() {
                    lines.push(refusal(trouble));
                }
                if is_silent {
                    break;
                }
            }
        }
    }
    let about_own = nested(&placed).into_iter().filter(|nesting| own.iter().any(|set| nesting.names(set)));
    lines.extend(about_own.map(|nesting| refusal(nesting.trouble().at(cluster))));
    lines.extend(notes);
    lines
}

/// What may pass by itself only warns.
fn refusal(trouble: Trouble) -> Check {
    let state = if trouble.is_worth_retrying() { CheckState::Warning } else { CheckState::Failed };
    Check { name: trouble.object, state, evidence: trouble.reason, fix: trouble.next_step, facts: trouble.facts }
}

async fn look(engine: &Engine, service: &Service, cluster: &ClusterName, set: &DataSetName, asked_as: AskedAs) -> Result<Said, Trouble> {
    let agent = engine.agent(&service.pair, cluster)?;
    let link = engine.link(&agent)?;
    within(engine.limits.call * SLOWLY, &agent, link.look(set.component.as_str(), &set.path, asked_as)).await
}

/// Checks and keeps a policy, and tells both agents.
pub(super) async fn save(engine: &Arc<Engine>, service: &Service) -> Result<Reply, Trouble> {
    engine.check_in_command()?;
    let one_at_a_time = engine.configuring.lock().await;
    let mut check = check(engine, service);
    check_at_agents(engine, service, &mut check).await;
    if check.checks.iter().any(|c| c.state == CheckState::Failed) {
        return Ok(Reply::ServiceChecked(check));
    }
    let (stored, now) = (service.clone(), engine.now());
    let version = engine.store(move |s| s.save_service(&stored, now)).await?;
    let known = engine.change(|m| {
        decided(m, &service.pair);
        m.services.insert(service.name.clone(), service.clone())
    });
    if known.as_ref() != Some(service) {
        engine.note(Level::Info, service.name.as_str(), format!("policy saved (version {version})")).await;
    }
    note_untold(engine, &service.pair).await;
    let less = |old: &Service| service.keep.all_hours < old.keep.all_hours || service.keep.daily_days < old.keep.daily_days;
    // What goes may take long to remove: other policies are not kept waiting.
    drop(one_at_a_time);
    if known.as_ref().is_some_and(less) {
        retention::apply(engine, service).await;
    }
    Ok(Reply::ServiceChecked(check))
}

/// Puts a policy out of force; its points stay.
pub(super) async fn remove(engine: &Arc<Engine>, service: &ServiceName) -> Result<Reply, Trouble> {
    engine.check_in_command()?;
    let _one_at_a_time = engine.configuring.lock().await;
    let policy = engine.read(|m| m.services.get(service).cloned()).ok_or_else(|| {
        Trouble::new(TroubleKind::NotFound, format!("service {service}"), "there is no such service").next("see `understudy status`")
    })?;
    if let Some(run) = engine.read(|m| m.active_run(service).map(|r| r.state.spec.run)) {
        return Err(Trouble::new(TroubleKind::Refused, format!("service {service}"), format!("its run {run} is under way"))
            .next("cancel it or wait for its end"));
    }
    let name = service.clone();
    engine.store(move |s| s.remove_service(&name)).await?;
    engine.change(|m| {
        decided(m, &policy.pair);
        m.services.remove(service)
    });
    engine.note(Level::Info, service.as_str(), "policy removed; its recovery points stay").await;
    note_untold(engine, &policy.pair).await;
    Ok(Reply::Done)
}

/// From now on the policies of a pair are ours.
fn decided(model: &mut Model, pair: &PairName) {
    if let Some(pair) = model.pairs.get_mut(pair) {
        pair.policies_decided = true;
    }
}

async fn note_untold(engine: &Engine, pair: &PairName) {
    for line in tell_agents(engine, pair).await {
        engine.note(Level::Warning, pair.as_str(), line).await;
    }
}

/// Gives both agents the pair's policies; what could not be told is returned in words, and told again at the next change.
async fn tell_agents(engine: &Engine, pair: &PairName) -> Vec<String> {
    let agents = engine.read(|m| m.pairs.get(pair).map(|p| p.paired.agents.clone()));
    let mut untold = Vec::new();
    for agent in agents.into_iter().flatten() {
        if let Err(trouble) = tell_agent(engine, pair, &agent.enrolled).await {
            untold.push(format!("{} does not hold the newest policies: {trouble}", agent.enrolled.cluster));
        }
    }
    untold
}

/// Gives both agents these policies, or fails.
pub(super) async fn tell_both(engine: &Engine, pair: &PairName, services: &[Service]) -> Result<(), Trouble> {
    let agents = engine.read(|m| m.pairs.get(pair).map(|p| p.paired.agents.clone()));
    for agent in agents.into_iter().flatten() {
        tell(engine, pair, &agent.enrolled, services.to_vec()).await?;
    }
    Ok(())
}

/// Gives one agent the pair's policies.
pub(super) async fn tell_agent(engine: &Engine, pair: &PairName, agent: &Enrolled) -> Result<(), Trouble> {
    tell(engine, pair, agent, engine.read(|m| m.services_of(pair).cloned().collect())).await
}

async fn tell(engine: &Engine, pair: &PairName, agent: &Enrolled, services: Vec<Service>) -> Result<(), Trouble> {
    let order = Order::StorePolicies(StorePoliciesOrder { services });
    let patience = Some(engine.limits.abort_patience);
    engine.carry_out(Errand { id: engine.fresh(), pair, epoch: engine.epoch(pair), agent, order, patience }, |_| ()).await.map(drop)
}
