//! The leftovers of a pair as the clusters screen shows them: looked for when asked, removed when told.

use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::words;
use crate::controller::command::Leftovers;
use crate::controller::{Command, Reply};
use crate::domain::{PairName, Trouble, TroubleKind};

/// What was looked for and found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// A look (false) or a removal (true) is under way.
    pub busy: Option<bool>,
    /// Remove also those that the agents do not know to have made.
    pub unknown: bool,
    /// What the last one brought, and whether it was a removal.
    pub brought: Option<(bool, Result<Leftovers, Trouble>)>,
}

impl State {
    /// Looks, or removes what was found and the agents know as theirs.
    pub fn ask(&mut self, pair: &PairName, remove: bool, by: &str) -> Option<(Place, Command)> {
        if self.busy.is_some() {
            return None;
        }
        self.busy = Some(remove);
        Some((Place::Leftovers, Command::Leftovers { pair: pair.clone(), remove, unknown: false, confirm: None, by: by.to_owned() }))
    }

    /// Takes in the reply.
    pub fn receive(&mut self, reply: Reply) {
        let removal = self.busy.take() == Some(true);
        self.unknown = false;
        let brought = match reply {
            Reply::Leftovers(found) => Ok(found),
            Reply::Refused(trouble) => Err(trouble),
            other => Err(Trouble::new(TroubleKind::Failed, "engine", format!("it answered something else: {other:?}"))),
        };
        self.brought = Some((removal, brought));
    }

    /// What there is to remove: nothing while it was not looked for, or after it was removed.
    fn found(&self) -> Option<&Leftovers> {
        match &self.brought {
            Some((false, Ok(found))) => Some(found),
            _ => None,
        }
    }

    /// How many would go now.
    pub fn removable(&self) -> usize {
        self.going(self.unknown)
    }

    /// Whether there are some that only go when a person says so.
    pub fn has_unknown(&self) -> bool {
        self.going(true) > self.going(false)
    }

    fn going(&self, unknown: bool) -> usize {
        let snapshots = self.found().into_iter().flat_map(Leftovers::found).filter(|(_, found)| found.goes(unknown)).count();
        snapshots + self.found().into_iter().flat_map(Leftovers::half_made).count()
    }
}

/// Cluster, data set, owner, age.
pub fn rows(scene: &Scene<'_>, state: &State) -> Vec<[Said; 4]> {
    let all = state.found().into_iter().flat_map(Leftovers::found);
    all.map(|(cluster, found)| {
        let owner = match (&found.service, found.made_here) {
            (Some(service), true) => Said::plain(service.as_str()),
            (Some(service), false) => Said::warn(format!("▲ a data set of {service}, not made by this agent")),
            (None, true) => Said::plain("a service that is gone"),
            (None, false) => Said::warn("▲ nobody that is known here"),
        };
        let age = found.made_at.map_or(Said::muted("unknown"), |at| {
            let secs = u64::try_from((scene.now - at).num_seconds()).unwrap_or_default();
            Said::plain(format!("{}, {}", words::duration(secs), scene.zone.day_clock(at, scene.now)))
        });
        let place = format!("{}:{}", found.snapshot.component, found.snapshot.path);
        [Said::plain(cluster.as_str()), Said::plain(place).mono(), owner, age]
    })
    .chain(half_made(scene, state))
    .collect()
}

/// Restores that were begun and are not whole.
fn half_made(scene: &Scene<'_>, state: &State) -> Vec<[Said; 4]> {
    let all = state.found().into_iter().flat_map(Leftovers::half_made);
    let line = |(cluster, one): (&crate::domain::ClusterName, &crate::protocol::UnfinishedRestore)| {
        let of = scene.snapshot.points.iter().find(|point| point.id == one.point);
        let of = of.map_or_else(|| one.point.to_string(), |point| scene.zone.day_clock(point.moment, scene.now));
        [
            Said::plain(cluster.as_str()),
            Said::plain(format!("{}:{}", one.data_set.component, one.place)).mono(),
            Said::warn(format!("▲ a half-made restore of {}", one.service)),
            Said::plain(format!("of the point of {of}")),
        ]
    };
    all.map(line).collect()
}

/// What the last look or removal came to.
pub fn outcome(state: &State) -> Vec<Said> {
    let Some((removal, brought)) = &state.brought else {
        return vec![Said::muted("Snapshots that no recovery point and no run counts on any more, on either cluster.")];
    };
    let found = match brought {
        Ok(found) => found,
        Err(trouble) => return vec![Said::bad(format!("✖ {trouble}"))],
    };
    let (count, half_made) = (found.found().count() as u64, found.half_made().count() as u64);
    let mut lines = Vec::new();
    if *removal {
        lines.push(Said::ok(format!("✓ {} removed.", words::plural(found.removed(), if half_made > 0 { "leftover" } else { "snapshot" }))));
    } else if count + half_made > 0 {
        let half = if half_made > 0 { format!(" {} half-made.", words::plural(half_made, "restore")) } else { String::new() };
        lines.push(Said::warn(format!("▲ {} left over.{half}", words::plural(count, "snapshot"))));
    } else if found.failed().next().is_none() {
        lines.push(Said::ok("✓ Nothing is left over."));
    }
    lines.extend(found.failed().map(|why| Said::bad(format!("✖ {why}"))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::words::Zone;

    #[test]
    fn leftovers_are_shown_with_owner_and_age_and_only_ours_go_unless_a_person_says_more() {
        let snapshot = sample::snapshot();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        let pair = &snapshot.pairs[0];
        let mut state = State::default();
        assert!(state.ask(&pair.name, false, "me").is_some() && state.ask(&pair.name, true, "me").is_none(), "one at a time");
        state.receive(Reply::Leftovers(sample::leftovers()));
        let text: Vec<_> = rows(&scene, &state).iter().map(|row| row.clone().map(|said| said.text).join(" | ")).collect();
        assert_eq!(
            text,
            [
                "shenzhen | hdfs:/data/orders | orders | 2 h 7 min, today 12:00:02",
                "guiyang | hbase:shop:orders | ▲ a data set of orders, not made by this agent | unknown"
            ]
        );
        assert_eq!(state.removable(), 1);
        state.unknown = true;
        assert_eq!(state.removable(), 2);
        assert!(
            matches!(state.ask(&pair.name, true, "me"), Some((_, Command::Leftovers { remove: true, unknown: false, .. }))),
            "unknown ones go by the dialog alone"
        );
        state.receive(Reply::Leftovers(sample::leftovers()));
        assert!(rows(&scene, &state).is_empty() && outcome(&state)[0].text.contains("removed"));
    }
}
