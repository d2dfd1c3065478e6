//! Policies that another console changed while this one was away, and no identity with them: what both agents were told by it is in force.
//!
//! ```text
//! agent first met: its term is above the last one of ours → another console commanded it → its policies are noted
//! noted of both, the same, and not ours → kept in place of ours
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{PairName, Service, ServiceName, Trouble};
use crate::protocol::PairRecord;
use crate::store::controller::Enrolled;

use super::engine::Engine;
use super::snapshot::Level;

/// What is to be done for the policies of a pair to be those that both agents were told.
#[derive(Debug, Default, PartialEq)]
struct Followed {
    removed: Vec<ServiceName>,
    saved: Vec<Service>,
}

/// Follows what both agents were told the same way; `None`: there is nothing to follow. Pure.
fn followed(ours: &[Service], told: [&[Service]; 2]) -> Option<Followed> {
    let by_name = |services: &[Service]| services.iter().map(|s| (s.name.clone(), s.clone())).collect::<BTreeMap<_, _>>();
    let [ours, one, other] = [ours, told[0], told[1]].map(by_name);
    if one != other || one == ours {
        return None;
    }
    let removed = ours.keys().filter(|name| !one.contains_key(*name)).cloned().collect();
    let saved = one.into_values().filter(|service| ours.get(&service.name) != Some(service)).collect();
    Some(Followed { removed, saved })
}

/// Notes what an agent holds that another console commanded since our last start; follows it once both have told the same.
pub(super) async fn note(engine: &Arc<Engine>, pair: &PairName, agent: &Enrolled, record: Option<&PairRecord>) {
    let Some(record) = record else { return };
    let noted = engine.change(|m| {
        let elsewhere = m.elsewhere.contains(&agent.key);
        let Some(pair) = m.pairs.get_mut(pair).filter(|p| elsewhere && !p.policies_decided && record.claim.epoch == p.state.epoch) else {
            return false;
        };
        if let Some(index) = pair.index(&agent.cluster) {
            pair.told_policies[index] = Some(record.services.clone());
        }
        pair.told_policies.iter().all(Option::is_some)
    });
    if noted && let Err(trouble) = follow(engine, pair).await {
        tracing::warn!(%pair, %trouble, "policies that another console changed are not followed yet");
    }
}

async fn follow(engine: &Arc<Engine>, pair: &PairName) -> Result<(), Trouble> {
    engine.check_in_command()?;
    let _one_at_a_time = engine.configuring.lock().await;
    let change = engine.read(|m| {
        let model = m.pairs.get(pair).filter(|p| !p.policies_decided && !p.is_suspended())?;
        let [Some(one), Some(other)] = &model.told_policies else { return None };
        let ours: Vec<Service> = m.services_of(pair).cloned().collect();
        let change = followed(&ours, [one, other])?;
        // What a run is about stays until it has ended.
        change.removed.iter().all(|name| m.active_run(name).is_none()).then_some(change)
    });
    let Some(Followed { removed, saved }) = change else { return Ok(()) };
    let (gone, kept, now) = (removed.clone(), saved.clone(), engine.now());
    engine
        .store(move |s| {
            gone.iter().try_for_each(|name| s.remove_service(name))?;
            kept.iter().try_for_each(|service| s.save_service(service, now).map(drop))
        })
        .await?;
    let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let text = format!(
        "another console changed the policies: removed {}; new or changed {}; this one follows what the agents hold",
        names(removed.iter().map(ServiceName::as_str).collect()),
        names(saved.iter().map(|service| service.name.as_str()).collect())
    );
    engine.change(|m| {
        removed.iter().for_each(|name| drop(m.services.remove(name)));
        m.services.extend(saved.into_iter().map(|service| (service.name.clone(), service)));
    });
    engine.note(Level::Warning, pair.as_str(), text).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, rpo: u32) -> Service {
        toml::from_str(&format!("name = {name:?}\npair = 'p'\nrpo_target_minutes = {rpo}\ndata_sets = ['files:{name}']")).expect("a policy")
    }

    #[test]
    fn only_what_both_agents_were_told_the_same_way_is_followed() {
        let ours = [policy("orders", 5), policy("bills", 5)];
        let told = [policy("orders", 5), policy("media", 5)];
        assert_eq!(followed(&ours, [&ours, &ours]), None, "nothing new");
        assert_eq!(followed(&ours, [&told, &ours]), None, "the agents disagree: one was not told yet");
        let change = followed(&ours, [&told, &told]).expect("both say so");
        assert_eq!(change.removed.iter().map(ServiceName::as_str).collect::<Vec<_>>(), ["bills"]);
        assert_eq!(change.saved, [policy("media", 5)]);
        let changed = [policy("orders", 9), policy("bills", 5)];
        assert_eq!(followed(&ours, [&changed, &changed]), Some(Followed { removed: Vec::new(), saved: vec![policy("orders", 9)] }));
    }
}
