//! What the frame around the screens shows.

use crate::console::command::Screen;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::Tone;
use crate::console::words;
use crate::controller::snapshot::{PairView, ServiceState};
use crate::domain::Health;

/// The header's state chip: the worst that is true.
pub fn state_chip(scene: &Scene<'_>) -> Said {
    if scene.lost {
        return Said::bad(format!("✖ No engine: as of {}", scene.zone.clock(scene.snapshot.at)));
    }
    let Some(pair) = scene.pair else {
        return if scene.snapshot.ready { Said::accent("Nothing protected yet") } else { Said::muted("Asking the agents…") };
    };
    if !pair.conflict.is_empty() {
        return Said::bad("✖ Two decisions of one epoch");
    }
    if let Some(fault) = &pair.fault {
        return words::fault_chip(fault);
    }
    if scene.lab.is_some() {
        return Said::new("Training: nothing here is production", Tone::Secondary);
    }
    protection(pair)
}

fn protection(pair: &PairView) -> Said {
    let count = |state: ServiceState| pair.services.iter().filter(|service| service.state == state).count() as u64;
    let stuck = count(ServiceState::Stuck);
    let (unprotected, failed, behind) =
        (count(ServiceState::Unprotected), count(ServiceState::LastRunFailed), count(ServiceState::BehindTarget));
    let untried = count(ServiceState::Untried);
    let unknown = count(ServiceState::Unknown);
    // Whatever is being done for it: a service is protected once a point of it is sealed.
    let never = pair.services.iter().filter(|service| service.last_point.is_none()).count() as u64;
    let is = |health| pair.clusters.iter().find(|cluster| cluster.health == health).map(|cluster| &cluster.name);
    // Also where nobody is prompted of it: of a secondary, in a maintenance, by an engine that only observes.
    if let Some(name) = is(Health::Faulty) {
        return Said::bad(format!("✖ {name} is faulty"));
    }
    if let Some(name) = is(Health::Suspect) {
        return Said::warn(format!("▲ {name} shows signs of trouble"));
    }
    if pair.services.is_empty() {
        Said::accent("Nothing protected yet")
    } else if unprotected > 0 {
        Said::bad(format!("✖ {} unprotected", words::plural(unprotected, "service")))
    } else if stuck > 0 {
        Said::bad(format!("✖ {} stuck", words::plural(stuck, "service")))
    } else if failed > 0 {
        let without = if never > 0 { format!(" · {never} without a recovery point") } else { String::new() };
        Said::bad(format!("✖ last run of {} failed{without}", words::plural(failed, "service")))
    } else if unknown > 0 || pair.clusters.iter().any(|cluster| cluster.health == Health::Unknown) {
        Said::warn("▲ State not fully known")
    } else if untried > 0 {
        Said::warn(format!("▲ first run of {} to come", words::plural(untried, "service")))
    } else if never > 0 {
        Said::warn(format!("▲ {} without a recovery point", words::plural(never, "service")))
    } else if behind > 0 {
        Said::warn(format!("▲ {} behind target", words::plural(behind, "service")))
    } else {
        worst_rpo(pair)
    }
}

/// The RPO of the service that is nearest to its target, or furthest behind it.
fn worst_rpo(pair: &PairView) -> Said {
    let strain = |service: &&crate::controller::snapshot::ServiceView| {
        let target = u64::from(service.policy.rpo_target_minutes.unwrap_or(24 * 60)) * 60;
        service.rpo_secs.unwrap_or(u64::MAX / 1_000) * 1_000 / target.max(1)
    };
    match pair.services.iter().max_by_key(strain).and_then(|service| service.rpo_secs) {
        Some(secs) => Said::ok(format!("Protected · worst RPO {}", words::duration(if secs < 60 { secs } else { secs / 60 * 60 }))),
        None => Said::warn("▲ RPO not known"),
    }
}

/// What the pair picker shows of a pair.
pub fn pair_words(pair: Option<&PairView>, in_lab: bool) -> String {
    let Some(pair) = pair else { return "No clusters paired".to_owned() };
    let names: Vec<_> = pair.clusters.iter().map(|cluster| cluster.name.to_string()).collect();
    let lab = if in_lab { " (lab)" } else { "" };
    if names.len() == 2 { format!("{} ⇄ {}{lab}", names[0], names[1]) } else { format!("{}{lab}", pair.name) }
}

/// How many things wait behind a navigation item.
pub fn badge(scene: &Scene<'_>, screen: Screen) -> usize {
    match screen {
        Screen::Overview => scene.snapshot.pairs.iter().filter(|pair| pair.fault.is_some() || !pair.conflict.is_empty()).count(),
        _ => 0,
    }
}

/// The footer's middle, from left to right.
pub fn footer(scene: &Scene<'_>) -> Vec<Said> {
    let Some(pair) = scene.pair.filter(|_| !scene.lost) else { return Vec::new() };
    let clock = match (pair.clock.good, pair.clock.bound_ms) {
        (true, Some(bound)) => Said::muted(format!("Clock: same source, ±{bound:.0} ms")),
        (true, None) => Said::muted("Clock: good, bound not measured"),
        (false, _) => Said::warn(format!("▲ Clock: {}", pair.clock.words)),
    };
    let connected = pair.clusters.iter().filter(|cluster| cluster.agent_answers).count();
    let agents = if connected == pair.clusters.len() {
        Said::muted(format!("{connected} agents connected"))
    } else {
        Said::warn(format!("▲ {connected} of {} agents connected", pair.clusters.len()))
    };
    vec![clock, Said::muted(format!("Epoch {}", pair.epoch)), agents]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::words::Zone;
    use crate::domain::watch::Verdict;

    #[test]
    fn the_header_says_faulty_only_when_it_is_proven() {
        let chip = |cause| {
            let mut snapshot = sample::faulty();
            snapshot.pairs[0].fault.as_mut().expect("a fault").cause = cause;
            state_chip(&Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai))).text
        };
        assert_eq!(chip(Verdict::Faulty), "✖ Primary cluster faulty");
        assert_eq!(chip(Verdict::Suspect), "▲ Primary cluster may be faulty");
        assert_eq!(chip(Verdict::AgentDown), "▲ Agent of the primary is down");
        assert_eq!(chip(Verdict::ConsoleCutOff), "▲ This console is cut off");
    }

    #[test]
    fn a_service_whose_first_run_is_under_way_is_not_protected_yet() {
        let mut snapshot = sample::snapshot();
        snapshot.pairs[0].services.retain(|service| service.state != ServiceState::BehindTarget);
        let orders = &mut snapshot.pairs[0].services[0];
        assert_eq!(orders.state, ServiceState::Running);
        (orders.last_point, orders.rpo_secs) = (None, None);
        let chip = state_chip(&Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai)));
        assert_eq!((chip.text.as_str(), chip.tone), ("▲ 1 service without a recovery point", Tone::Warn));
    }

    #[test]
    fn a_fault_of_which_nobody_is_prompted_is_in_the_header_all_the_same() {
        let snapshot = sample::maintained();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        assert_eq!(state_chip(&scene).text, "✖ shenzhen is faulty");
    }
}
