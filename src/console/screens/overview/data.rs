//! What the overview shows.

use super::attention::{Attention, attention};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::Tone;
use crate::console::words;
use crate::controller::snapshot::{ClusterView, Level, PairView, RunView, ServiceState, ServiceView};
use crate::domain::backup::machine::Phase;
use crate::domain::{ComponentName, CopyMode, Health, Identity, RecoveryPoint};

/// The whole screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// Both clusters, the primary first.
    pub clusters: Vec<ClusterCard>,
    /// Between them.
    pub flow: Flow,
    /// Every service.
    pub services: Vec<ServiceRow>,
    /// What a person should look at, the worst first.
    pub attention: Vec<Attention>,
    /// The newest of what happened.
    pub latest: Vec<(String, Said)>,
    /// In which zone its times are.
    pub zone: String,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterCard {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub identity: Said,
    /// It has the primary identity.
    pub primary: bool,
    /// Its health.
    pub health: Said,
    /// Site, agent, client.
    pub about: Vec<Said>,
    /// Its components: name, what it is for, state in a word, size; and what was seen of it.
    pub components: Vec<([Said; 4], String)>,
}

/// What goes from one cluster to the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// Who moves the bytes.
    pub how: String,
    /// Whether anything moves: the arrow's tone.
    pub arrow: Tone,
    /// How fast.
    pub rate: String,
    /// How many runs.
    pub runs: String,
    /// Where the control device is.
    pub control: Said,
}

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRow {
    /// Its name.
    pub name: String,
    /// Its data sets by component.
    pub data_sets: String,
    /// Its last recovery point.
    pub last_point: Said,
    /// How far apart its data sets were captured.
    pub skew: Said,
    /// RPO now and target.
    pub rpo: Said,
    /// RPO over 24 hours, and the value of a full height.
    pub history: (Vec<Option<f32>>, f32, Tone),
    /// The next moment.
    pub next: Said,
    /// How it is.
    pub state: Said,
}

/// The screen's data.
pub fn overview(scene: &Scene<'_>, pair: &PairView) -> Overview {
    Overview {
        clusters: pair.clusters.iter().map(|cluster| cluster_card(scene, pair, cluster)).collect(),
        flow: flow(scene, pair),
        services: pair.services.iter().map(|service| service_row(scene, service)).collect(),
        attention: attention(scene, pair),
        latest: latest(scene, pair),
        zone: scene.zone.named(scene.now),
    }
}

fn cluster_card(scene: &Scene<'_>, pair: &PairView, cluster: &ClusterView) -> ClusterCard {
    // The snapshot lists the one with the primary identity first, also while it cannot confirm it.
    let primary = pair.clusters.first().is_some_and(|first| first.name == cluster.name);
    let client = match (&pair.active, primary) {
        (Some(active), _) if *active == cluster.name && pair.window.as_ref().is_some_and(|window| window.held) => {
            vec![Said::warn("▲ held for a look: applications wait")]
        }
        (Some(active), _) if *active == cluster.name => vec![Said::muted("client in use "), Said::accent("← applications").strong()],
        (None, _) => vec![Said::warn("▲ which client applications use is not known")],
        (_, true) => vec![Said::muted("primary client (not in use)")],
        (_, false) => vec![Said::muted("secondary client (standing by)")],
    };
    let mut about = vec![Said::muted(format!("{} · agent {} · ", cluster.site, cluster.agent))];
    about.extend(client);
    ClusterCard {
        name: cluster.name.to_string(),
        identity: words::identity(cluster.identity),
        primary: cluster.identity == Identity::Primary,
        health: cluster_health(scene, cluster),
        about,
        components: component_rows(pair, cluster, primary),
    }
}

/// The health in a word; one that does not answer says since when nothing is known.
pub fn cluster_health(scene: &Scene<'_>, cluster: &ClusterView) -> Said {
    let seen = || scene.zone.last_seen(cluster.last_seen, scene.now);
    match (cluster.health, cluster.agent_answers) {
        (Health::Healthy, true) => words::health(Health::Healthy, "Healthy"),
        (Health::Suspect, true) => words::health(Health::Suspect, "Suspect"),
        (Health::Faulty, true) => words::health(Health::Faulty, "Faulty"),
        (Health::Faulty, false) => words::health(Health::Faulty, &format!("Faulty · {}", seen())),
        (Health::Unknown, true) => words::health(Health::Unknown, "Unknown"),
        (Health::Healthy, false) => words::health(Health::Suspect, &format!("Serves, agent down · {}", seen())),
        (Health::Suspect | Health::Unknown, false) => words::health(Health::Unknown, &format!("Unknown · {}", seen())),
    }
}

fn component_rows(pair: &PairView, cluster: &ClusterView, primary: bool) -> Vec<([Said; 4], String)> {
    let other = pair.clusters.iter().find(|other| other.name != cluster.name);
    let row = |info: &crate::domain::ComponentInfo| -> ([Said; 4], String) {
        let name = words::component(info);
        let role = if primary {
            format!("{} · {}", words::stores(info.kind).0, words::plural(data_sets(pair, &info.name) as u64, "data set"))
        } else {
            match other.and_then(|other| other.components.iter().find(|theirs| theirs.kind == info.kind)) {
                Some(theirs) => format!("backs up {}", words::component(theirs)),
                None => "backs up nothing".to_owned(),
            }
        };
        let probe = cluster.probes.iter().find(|probe| probe.component == info.name);
        let state = match probe {
            // What a silent agent last told is no news, least of all good news.
            _ if !cluster.agent_answers => (words::health_word(Health::Unknown), String::new()),
            Some(probe) => (words::health_word(probe.health), probe.evidence.clone()),
            None => (words::health_word(Health::Unknown), "not probed yet".to_owned()),
        };
        // What is wrong matters more than what it is for.
        let about = match (state.0.tone, state.1.as_str()) {
            (Tone::Ok, _) | (_, "") => role,
            (_, evidence) => format!("{evidence} · {role}"),
        };
        let size = info.used_bytes.map_or(Said::muted("size unknown"), |used| Said::plain(words::bytes(used)));
        ([Said::plain(name), Said::muted(about), state.0, size], state.1)
    };
    cluster.components.iter().map(row).collect()
}

fn data_sets(pair: &PairView, component: &ComponentName) -> usize {
    pair.services.iter().flat_map(|service| &service.policy.data_sets).filter(|set| &set.from.component == component).count()
}

/// Runs of the pair that are under way.
pub fn active_runs<'a>(scene: &Scene<'a>, pair: &'a PairView) -> impl Iterator<Item = &'a RunView> {
    scene.snapshot.runs.iter().filter(|run| run.report.pair == pair.name && !is_over(run.phase))
}

/// Whether a run has ended.
pub fn is_over(phase: Phase) -> bool {
    matches!(phase, Phase::Sealed | Phase::Cancelled | Phase::Failed | Phase::Abandoned)
}

fn flow(scene: &Scene<'_>, pair: &PairView) -> Flow {
    let runs: Vec<_> = active_runs(scene, pair).collect();
    let rate: u64 = runs.iter().filter_map(|run| run.bytes_per_sec).sum();
    let copy = runs.first().and_then(|run| pair.services.iter().find(|service| service.name == run.report.service));
    let copy = copy.or(pair.services.first()).map_or(CopyMode::Push, |service| service.policy.copy);
    let suspended = pair.services.iter().any(|service| service.state == ServiceState::Unprotected);
    Flow {
        how: if suspended { "suspended".to_owned() } else { format!("{} · built-in engine", copy_word(copy)) },
        arrow: if runs.is_empty() { Tone::Faint } else { Tone::Accent },
        rate: if rate > 0 { words::rate(rate) } else { "idle".to_owned() },
        runs: match runs.len() {
            0 => "no run in progress".to_owned(),
            count => format!("{} in progress", words::plural(count as u64, "run")),
        },
        control: match pair.controller_isolated {
            Some(true) => Said::muted("isolated from primary ✓"),
            Some(false) => Said::warn("▲ shares a host with the primary"),
            None => Said::muted("isolation not checked"),
        },
    }
}

/// `push` or `pull`.
pub fn copy_word(copy: CopyMode) -> &'static str {
    match copy {
        CopyMode::Push => "push",
        CopyMode::Pull => "pull",
    }
}

/// The newest sealed point of a service.
pub fn last_point<'a>(scene: &Scene<'a>, service: &ServiceView) -> Option<&'a RecoveryPoint> {
    scene.snapshot.points.iter().find(|point| Some(point.id) == service.last_point)
}

/// One service's row.
pub fn service_row(scene: &Scene<'_>, service: &ServiceView) -> ServiceRow {
    let point = last_point(scene, service);
    let target = service.policy.rpo_target_minutes.map(|minutes| u64::from(minutes) * 60);
    let behind = matches!((service.rpo_secs, target), (Some(now), Some(target)) if now > target);
    let tone = if behind { Tone::Warn } else { Tone::Ok };
    let top = service.rpo_history.iter().flatten().copied().max().unwrap_or(0).max(target.unwrap_or(0)).max(1);
    ServiceRow {
        name: service.name.to_string(),
        data_sets: words::data_sets_by_component(&service.policy.data_sets),
        last_point: point.map_or(Said::muted("none yet"), |point| Said::plain(scene.zone.moment(point.moment, scene.now))),
        skew: point.map_or(Said::muted("—"), skew),
        rpo: Said::new(rpo_words(service.rpo_secs, target), if behind { Tone::Warn } else { Tone::Plain }),
        history: (service.rpo_history.iter().map(|secs| secs.map(|secs| secs as f32)).collect(), top as f32, tone),
        next: next_moment(scene, service),
        state: state_chip(scene, service),
    }
}

/// How far apart a point's data sets were captured.
pub fn skew(point: &RecoveryPoint) -> Said {
    use crate::domain::Grade;
    match point.captured.grade {
        Grade::Quiesced => Said::plain("0 · writers held"),
        _ if point.data_sets.len() == 1 => Said::plain("single data set"),
        Grade::Bounded => Said::plain(words::millis(point.captured.skew_ms)),
        Grade::Wide => Said::warn(format!("▲ {}", words::millis(point.captured.skew_ms))),
        Grade::Invalid => Said::bad("✖ invalid"),
    }
}

/// `7 / 15 min`, `12 h 7 min / 24 h`, or only the age where nothing is promised.
pub fn rpo_words(now: Option<u64>, target: Option<u64>) -> String {
    let now_words = now.map_or("unknown".to_owned(), |secs| if secs < 60 { format!("{secs} s") } else { words::duration(secs / 60 * 60) });
    match (now, target) {
        (Some(now), Some(target)) if (60..7_200).contains(&now) && target < 7_200 => format!("{} / {} min", now / 60, target / 60),
        (_, Some(target)) => format!("{now_words} / {}", words::duration(target)),
        (_, None) => format!("{now_words} / no target"),
    }
}

fn next_moment(scene: &Scene<'_>, service: &ServiceView) -> Said {
    match (service.next_moment, &service.policy.schedule) {
        (Some(at), _) => Said::plain(scene.zone.next(at, scene.now)),
        (None, Some(_)) => Said::warn("▲ suspended"),
        (None, None) => Said::muted("on demand"),
    }
}

/// A service's state as a chip.
pub fn state_chip(scene: &Scene<'_>, service: &ServiceView) -> Said {
    match service.state {
        ServiceState::NeverProtected => Said::warn("▲ No recovery point yet"),
        ServiceState::Running => running(scene, service),
        ServiceState::Stuck => Said::bad("✖ Stuck"),
        ServiceState::Protected => Said::ok("Sealed"),
        ServiceState::BehindTarget => Said::warn("▲ Behind target"),
        ServiceState::LastRunFailed => Said::bad("✖ Last run failed"),
        ServiceState::Unprotected => Said::bad("✖ Unprotected"),
        ServiceState::Untried => Said::warn("▲ First run to come"),
        ServiceState::Unknown => Said::muted("? Unknown"),
    }
}

fn running(scene: &Scene<'_>, service: &ServiceView) -> Said {
    let run = scene.snapshot.runs.iter().find(|run| run.report.service == service.name && !is_over(run.phase));
    run.map_or(Said::accent("Running"), run_chip)
}

/// A run's state as a chip.
pub fn run_chip(run: &RunView) -> Said {
    let share = run.progress.as_ref().map(|progress| (progress.done_bytes.iter().sum(), progress.total_bytes.iter().sum()));
    let with_share = |word: &str| match share {
        Some((done, total)) if total > 0 => Said::accent(format!("{word} {}", words::percent(done, total))),
        _ => Said::accent(word),
    };
    if run.report.stuck.is_some() {
        return Said::bad("✖ Stuck");
    }
    match run.phase {
        Phase::Arm => Said::accent("Arming"),
        Phase::Capture => Said::accent("Capturing"),
        Phase::Transfer => with_share("Transferring"),
        Phase::Verify => with_share("Verifying"),
        Phase::Commit => Said::accent("Committing"),
        Phase::Finish => Said::accent("Sealing"),
        Phase::Abandon => Said::warn("▲ Taking back"),
        Phase::Abort => Said::warn("▲ Dropping"),
        Phase::Sealed => Said::ok("Sealed"),
        Phase::Cancelled => Said::muted("Cancelled"),
        Phase::Failed => Said::bad("✖ Failed"),
        Phase::Abandoned => Said::warn("▲ Abandoned"),
    }
}

fn latest(scene: &Scene<'_>, pair: &PairView) -> Vec<(String, Said)> {
    let ours =
        |about: &str| about.is_empty() || about == pair.name.as_str() || pair.services.iter().any(|service| service.name.as_str() == about);
    let lines = scene.snapshot.activity.iter().filter(|line| ours(&line.about)).take(4);
    lines.map(|line| (scene.zone.brief(line.at, scene.now), level_words(line.level, &line.text))).collect()
}

/// A line of activity with its sign.
pub fn level_words(level: Level, text: &str) -> Said {
    match level {
        Level::Info => Said::plain(text),
        Level::Warning => Said::warn(format!("▲ {text}")),
        Level::Fault => Said::bad(format!("✖ {text}")),
    }
}
