//! What the clusters screen shows.

use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::overview::data::cluster_health;
use crate::console::words;
use crate::controller::snapshot::{CertificateView, ClusterView, PairView, WindowView};
use crate::domain::Health;

/// One cluster, closely.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterDetail {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub identity: Said,
    /// Its health.
    pub health: Said,
    /// Key and value.
    pub facts: Vec<(&'static str, Said)>,
    /// Why it is thought to be as it is.
    pub evidence: Vec<String>,
    /// What is wrong with its agent's certificate.
    pub warning: Option<Said>,
    /// Component, version, address, state, what was seen, used, free.
    pub components: Vec<[Said; 7]>,
}

/// A cluster's detail.
pub fn detail(scene: &Scene<'_>, pair: &PairView, cluster: &ClusterView) -> ClusterDetail {
    let offset = pair.clock.offsets.iter().find(|(name, ..)| *name == cluster.name);
    let fenced = match cluster.fenced {
        Some(true) => Said::plain("fenced: nobody else writes"),
        Some(false) => Said::plain("open: applications may write"),
        None => Said::warn("▲ unknown"),
    };
    let answers = if cluster.agent_answers {
        Said::ok(format!("● answers, {}", scene.zone.last_seen(cluster.last_seen, scene.now)))
    } else {
        Said::bad(format!("✖ does not answer, {}", scene.zone.last_seen(cluster.last_seen, scene.now)))
    };
    let [issued, until] = certificate(scene, cluster);
    ClusterDetail {
        name: cluster.name.to_string(),
        identity: words::identity(cluster.identity),
        health: cluster_health(scene, cluster),
        facts: vec![
            ("Site", Said::plain(&cluster.site)),
            ("Agent", Said::plain(&cluster.agent).mono()),
            ("Answers", answers),
            ("Epoch", cluster.epoch.map_or(Said::muted("unknown"), |epoch| Said::plain(epoch.to_string()))),
            ("Writes", fenced),
            ("Certificate", issued),
            ("Valid until", until),
            ("Key", Said::plain(words::short_key(&cluster.key)).mono()),
            (
                "Clock",
                offset.map_or(Said::muted("not measured"), |(_, offset, bound)| Said::plain(format!("{offset:+.1} ms ± {bound:.1} ms"))),
            ),
        ],
        evidence: cluster.evidence.clone(),
        warning: trouble(scene, &format!("the agent at {}", cluster.name), cluster.certificate.as_ref()),
        components: cluster.components.iter().map(|info| component(scene, cluster, info)).collect(),
    }
}

/// Since when the agent's certificate is valid, and until when. Of an agent that is silent both are what it told last.
fn certificate(scene: &Scene<'_>, cluster: &ClusterView) -> [Said; 2] {
    let Some(view) = &cluster.certificate else { return [Said::muted("unknown"), Said::muted("unknown")] };
    let said = [words::certificate_age(view, scene.now), words::certificate_until(view, scene.zone, scene.now)];
    if cluster.agent_answers { said } else { said.map(|said| Said::muted(format!("{} when last seen", said.text))) }
}

fn trouble(scene: &Scene<'_>, whose: &str, view: Option<&CertificateView>) -> Option<Said> {
    let (what, why) = words::certificate_trouble(whose, view?, scene.zone)?;
    Some(Said::warn(format!("▲ {what} {why}")))
}

/// This console's own certificate in words, and what is wrong with it.
pub fn own_certificate(scene: &Scene<'_>) -> Vec<Said> {
    let Some(view) = &scene.snapshot.certificate else { return Vec::new() };
    let age = words::certificate_age(view, scene.now);
    let until = words::certificate_until(view, scene.zone, scene.now);
    let line = Said { text: format!("Certificate {}, valid until {}", age.text, until.text), ..until };
    std::iter::once(line).chain(trouble(scene, "this console", Some(view))).collect()
}

fn component(scene: &Scene<'_>, cluster: &ClusterView, info: &crate::domain::ComponentInfo) -> [Said; 7] {
    let probe = cluster.probes.iter().find(|probe| probe.component == info.name);
    let state = match probe {
        // What a silent agent last told is no news, least of all good news.
        Some(probe) if !cluster.agent_answers => {
            let told = format!("last reported {}, {} s ago", probe.health, (scene.now - probe.at).num_seconds());
            (words::health_word(Health::Unknown), told)
        }
        Some(probe) => (words::health_word(probe.health), format!("{} ({} ms)", probe.evidence, probe.took_ms)),
        None => (words::health_word(Health::Unknown), "not probed yet".to_owned()),
    };
    let size = |bytes: Option<u64>| bytes.map_or(Said::muted("unknown"), |bytes| Said::plain(words::bytes(bytes)));
    let (state, seen) = match info.missing_rights.as_slice() {
        [] => state,
        lacking => (Said::warn("▲ Lacks rights"), lacking.join(", ")),
    };
    [
        Said::plain(words::component(info)),
        Said::muted(&info.version),
        Said::muted(&info.address).mono(),
        state,
        Said::muted(seen),
        size(info.used_bytes),
        size(info.free_bytes),
    ]
}

/// The commit window of a promotion in words.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowData {
    /// What it is.
    pub title: Said,
    /// What can be done, and what cannot.
    pub lines: Vec<Said>,
}

/// What the card of the commit window says.
pub fn window_data(window: &WindowView) -> WindowData {
    let (primary, old) = (&window.primary, &window.back_to);
    let title = match window.held {
        true => Said::warn(format!("▲ {primary} is primary and held for a look: applications wait")).strong(),
        false => Said::plain(format!("{primary} runs alone since its promotion")).strong(),
    };
    let mut lines = vec![Said::muted(match window.held {
        true => {
            format!("Look at the data at {primary}, which is still fenced. Then commit the promotion, or give {old} its identity back.")
        }
        false => format!("While nothing was written at {primary}, the promotion can be taken back: {old} goes on with all that it holds."),
    })];
    lines.extend((!window.refused.is_empty()).then(|| Said::warn(format!("▲ It cannot be taken back now: {}", window.refused))));
    lines.extend(window.kept_back.as_ref().map(|trouble| Said::warn(format!("▲ It was not taken back: {trouble}"))));
    WindowData { title, lines }
}

/// The pair in a line.
pub fn about(pair: &PairView) -> String {
    let isolated = match pair.controller_isolated {
        Some(true) => "control device isolated from the primary",
        Some(false) => "▲ control device shares a host with the primary",
        None => "isolation of the control device not checked",
    };
    let held = pair.maintenance.as_ref().map_or(String::new(), |told| format!(" · {told}"));
    format!("pair {} · {}{held} · epoch {} · {} · clocks: {}", pair.name, pair.phase, pair.epoch, isolated, pair.clock.words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::words::Zone;

    #[test]
    fn a_silent_cluster_says_when_it_was_last_seen_and_never_looks_healthy() {
        let snapshot = sample::faulty();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        let pair = &snapshot.pairs[0];
        let shown = detail(&scene, pair, &pair.clusters[0]);
        assert_eq!(shown.health.text, "✖ Faulty · last seen 14:05:41");
        assert_eq!(shown.identity.text, "? identity unknown");
        let silent = |row: &[Said; 7]| row[3].text == "○ Unknown" && row[4].text.contains("last reported");
        assert!(shown.components.iter().all(silent), "{:?}", shown.components);
        assert_eq!(shown.facts[2].1.text, "✖ does not answer, last seen 14:05:41");
    }
}
