//! What a person should look at, the worst first.

use crate::console::command::UiCommand;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::clusters::maintenance;
use crate::console::words;
use crate::controller::snapshot::{CertificateView, ClusterView, PairView, ServiceState, ServiceView};
use crate::domain::Health;
use crate::domain::watch::Verdict;

/// Something to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// `▲` or `✖`.
    pub sign: Said,
    /// What.
    pub what: String,
    /// Why, or what to do.
    pub why: String,
    /// What the button does.
    pub open: Option<UiCommand>,
}

/// Of a pair.
pub fn attention(scene: &Scene<'_>, pair: &PairView) -> Vec<Attention> {
    let mut found = Vec::new();
    let mut add = |sign: Said, what: String, why: String, open| found.push(Attention { sign, what, why, open });
    if !pair.conflict.is_empty() {
        add(Said::bad("✖"), "Two decisions of one epoch.".to_owned(), pair.conflict.clone(), None);
    }
    if !pair.left.is_empty() {
        add(Said::bad("✖"), "A planned switchover was left half done.".to_owned(), pair.left.clone(), None);
    }
    if !pair.behind.is_empty() {
        add(Said::bad("✖"), "Another console has changed identities.".to_owned(), pair.behind.clone(), None);
    }
    if let Some(window) = pair.window.as_ref().filter(|window| window.held) {
        let open = Some(UiCommand::CommitPromotion(pair.name.clone()));
        let why = "Applications wait. Look at the data, then commit the promotion or take it back.".to_owned();
        add(Said::bad("✖"), format!("{} is primary and held for a look.", window.primary), why, open);
    }
    if let Some(fault) = &pair.fault {
        let sign = if fault.cause == Verdict::Faulty { Said::bad("✖") } else { Said::warn("▲") };
        add(sign, format!("{}.", words::fault_title(fault)), fault.verdict.clone(), Some(UiCommand::ShowFault(pair.name.clone())));
    }
    if let Some(fault) = &pair.held_fault {
        add(Said::bad("✖"), format!("A fault of {} is held back: nobody is prompted.", primary_name(pair)), fault.words.clone(), None);
    }
    if let Some(told) = &pair.maintenance {
        let open = Some(UiCommand::Maintenance(pair.name.clone()));
        add(Said::warn("▲"), "The pair is in maintenance.".to_owned(), maintenance::words(scene, told), open);
    }
    for cluster in &pair.clusters {
        let told = pair.fault.is_some() || pair.held_fault.is_some();
        if let Some((sign, what, why)) = cluster_attention(cluster).filter(|_| !(told && cluster.name.as_str() == primary_name(pair))) {
            add(sign, what, why, Some(UiCommand::Go(crate::console::Screen::Clusters)));
        }
    }
    for service in &pair.services {
        if let Some((what, why)) = service_attention(scene, service) {
            let sign = if matches!(service.state, ServiceState::Stuck | ServiceState::LastRunFailed | ServiceState::Unprotected) {
                Said::bad("✖")
            } else {
                Said::warn("▲")
            };
            let run = scene.snapshot.runs.iter().find(|run| run.report.service == service.name);
            add(sign, what, why, run.map(|run| UiCommand::ShowRun(run.run)));
        }
    }
    if !pair.clock.good {
        add(Said::warn("▲"), "Captures wait for the clocks.".to_owned(), pair.clock.words.clone(), None);
    }
    for (whose, view) in certificates(scene, pair) {
        if let Some((what, why)) = words::certificate_trouble(&whose, view, scene.zone) {
            add(Said::warn("▲"), what, why, Some(UiCommand::Go(crate::console::Screen::Clusters)));
        }
    }
    if let Some(trouble) = &pair.users.trouble {
        add(
            Said::warn("▲"),
            "User data could not be compared.".to_owned(),
            trouble.to_string(),
            Some(UiCommand::Go(crate::console::Screen::Users)),
        );
    }
    found
}

/// The certificates that a pair rests on. What a silent agent told of its own is no news.
fn certificates<'a>(scene: &'a Scene<'_>, pair: &'a PairView) -> impl Iterator<Item = (String, &'a CertificateView)> {
    let own = scene.snapshot.certificate.as_ref().map(|own| ("this console".to_owned(), own));
    let agents = pair.clusters.iter().filter(|cluster| cluster.agent_answers);
    own.into_iter().chain(agents.filter_map(|cluster| Some((format!("the agent at {}", cluster.name), cluster.certificate.as_ref()?))))
}

fn primary_name(pair: &PairView) -> &str {
    pair.clusters.first().map_or("the primary", |cluster| cluster.name.as_str())
}

/// A cluster that is not well, with what was seen of it: each component's own words, and what makes it unstable.
fn cluster_attention(cluster: &ClusterView) -> Option<(Said, String, String)> {
    let (sign, what) = match cluster.health {
        Health::Faulty => (Said::bad("✖"), format!("{} is faulty.", cluster.name)),
        Health::Suspect => (Said::warn("▲"), format!("{} shows signs of trouble.", cluster.name)),
        Health::Healthy | Health::Unknown => return None,
    };
    let probes = cluster.probes.iter().filter(|probe| matches!(probe.health, Health::Suspect | Health::Faulty));
    let mut why: Vec<String> = probes.map(|probe| format!("{}: {}", probe.component, probe.evidence)).collect();
    why.extend(cluster.evidence.iter().filter(|line| line.contains("is unstable")).cloned());
    if why.is_empty() {
        why.extend(cluster.evidence.first().cloned());
    }
    Some((sign, what, why.join("; ")))
}

fn service_attention(scene: &Scene<'_>, service: &ServiceView) -> Option<(String, String)> {
    let name = &service.name;
    let newest = scene.snapshot.runs.iter().find(|run| run.report.service == *name);
    let reason = newest.and_then(|run| run.report.error.as_ref()).map(ToString::to_string);
    let missed = service.missed.first().map(|(_, why)| why.clone());
    Some(match service.state {
        ServiceState::BehindTarget => {
            let target = u64::from(service.policy.rpo_target_minutes.unwrap_or(0)) * 60;
            let late = service.rpo_secs.unwrap_or(0).saturating_sub(target);
            let what = format!("{name} is {} behind its {} target.", words::duration(late / 60 * 60), words::duration(target));
            (what, missed.or(reason).unwrap_or_default())
        }
        ServiceState::Stuck => {
            let why = service.stuck.as_ref().map(|stuck| stuck.stuck.trouble.to_string());
            (format!("A committed point of {name} cannot be sealed."), why.unwrap_or_default())
        }
        ServiceState::LastRunFailed => (format!("The last run of {name} failed; the point before it stands."), reason.unwrap_or_default()),
        ServiceState::Unprotected => {
            let since = service.unprotected_since.map_or("the promotion".to_owned(), |at| scene.zone.moment(at, scene.now));
            (
                format!("{name} is unprotected since {since}."),
                "Its data is on one cluster only until replication goes the other way.".to_owned(),
            )
        }
        ServiceState::Untried => (
            format!("No run of {name} has sealed since the replication was reversed."),
            "Its common point stands at both clusters. Back it up now, or wait for its next moment.".to_owned(),
        ),
        ServiceState::Running if service.last_point.is_none() => {
            (format!("{name} has no recovery point yet."), "Its first run is under way.".to_owned())
        }
        ServiceState::NeverProtected => (
            format!("{name} has no recovery point yet."),
            reason.unwrap_or_else(|| "Back it up now, or wait for its first moment.".to_owned()),
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::words::Zone;
    use crate::domain::Health;

    fn shown(snapshot: &crate::controller::Snapshot) -> Vec<(String, String)> {
        let scene = Scene::of(snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        attention(&scene, &snapshot.pairs[0]).into_iter().map(|line| (line.what, line.why)).collect()
    }

    #[test]
    fn a_cluster_in_trouble_is_listed_with_its_components_own_words() {
        let mut snapshot = sample::snapshot();
        let guiyang = &mut snapshot.pairs[0].clusters[1];
        guiyang.health = Health::Suspect;
        guiyang.probes[0].health = Health::Suspect;
        guiyang.probes[0].evidence = "NameNode http://gy:9870 is in safe mode, so nothing can be written".into();
        guiyang.evidence.push("this console: guiyang is unstable: 4 times unwell in 10 min since 14:01:00 UTC".into());
        let (what, why) = shown(&snapshot).into_iter().find(|(what, _)| what.contains("guiyang")).expect("a line");
        assert_eq!(what, "guiyang shows signs of trouble.");
        assert!(why.contains("safe mode") && why.contains("4 times unwell"), "{why}");
    }

    #[test]
    fn a_maintenance_and_what_it_holds_back_are_both_listed() {
        let lines = shown(&sample::maintained());
        assert_eq!(lines[0].0, "A fault of shenzhen is held back: nobody is prompted.");
        assert_eq!((lines[1].0.as_str(), lines[1].1.contains("firmware of rack 4, by ana")), ("The pair is in maintenance.", true));
        assert_eq!(lines.iter().filter(|(what, _)| what.contains("shenzhen")).count(), 1, "not twice");
    }
}
