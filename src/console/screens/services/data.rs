//! What the services screen shows.

use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::overview::data::{copy_word, rpo_words, state_chip};
use crate::console::words;
use crate::controller::snapshot::ServiceView;

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceLine {
    /// Its name.
    pub name: String,
    /// Who to call.
    pub owner: String,
    /// Its data sets by component.
    pub data_sets: String,
    /// When it is captured.
    pub moments: String,
    /// Push or pull.
    pub copy: String,
    /// RPO now and target.
    pub rpo: String,
    /// What is kept.
    pub keep: String,
    /// How it is.
    pub state: Said,
}

/// A service's line.
pub fn line(scene: &Scene<'_>, service: &ServiceView) -> ServiceLine {
    let policy = &service.policy;
    let moments = match (&policy.schedule, policy.moment) {
        (Some(cron), _) => format!("{cron} ({})", policy.timezone.map_or("UTC".to_owned(), |zone| zone.to_string())),
        (None, Some(once)) => format!("once, {}", scene.zone.moment(once.to_utc(), scene.now)),
        (None, None) => "on demand".to_owned(),
    };
    ServiceLine {
        name: policy.name.to_string(),
        owner: if policy.owner.is_empty() { "—".to_owned() } else { policy.owner.clone() },
        data_sets: words::data_sets_by_component(&policy.data_sets),
        moments,
        copy: copy_word(policy.copy).to_owned(),
        rpo: rpo_words(service.rpo_secs, policy.rpo_target_minutes.map(|minutes| u64::from(minutes) * 60)),
        keep: format!("{} h all · {} d daily", policy.keep.all_hours, policy.keep.daily_days),
        state: state_chip(scene, service),
    }
}

/// Missed moments of all services, newest first, in words.
pub fn missed(scene: &Scene<'_>, services: &[ServiceView]) -> Vec<(String, String)> {
    let mut all: Vec<_> =
        services.iter().flat_map(|service| service.missed.iter().map(|(at, why)| (*at, service.name.to_string(), why.clone()))).collect();
    all.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    all.into_iter().take(8).map(|(at, name, why)| (format!("{name} · {}", scene.zone.moment(at, scene.now)), why)).collect()
}
