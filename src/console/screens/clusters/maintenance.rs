//! A pair's maintenance in the console: what is shown of it wherever the pair is, and the form that begins, changes or ends it.

use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::controller::Command;
use crate::controller::snapshot::PairView;
use crate::domain::PairName;
use crate::domain::maintenance::{Maintenance, MaintenanceRequest, parse_length};

/// What is typed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Form {
    /// How long, as `2h`.
    pub length: String,
    /// Why.
    pub reason: String,
    /// Scheduled runs are left out.
    pub pause_runs: bool,
}

impl Form {
    /// To change one that goes on: all of it stays as it is but its end, which is given anew.
    pub fn change(present: &Maintenance) -> Form {
        Form { length: String::new(), reason: present.reason.clone(), pause_runs: present.pause_runs }
    }

    /// What stands in the way of the command, for the person who types; empty when nothing does.
    pub fn missing(&self) -> String {
        match parse_length(&self.length) {
            _ if self.length.trim().is_empty() => "It needs an end: say how long it lasts.".to_owned(),
            Err(reason) => reason,
            Ok(_) if self.reason.trim().is_empty() => "It needs a reason, for those who look at the pair meanwhile.".to_owned(),
            Ok(_) => String::new(),
        }
    }

    /// The command, when all is given.
    pub fn command(&self, pair: &PairName, by: &str) -> Option<(Place, Command)> {
        let secs = parse_length(&self.length).ok()?.as_secs();
        let request = MaintenanceRequest { secs, reason: self.reason.clone(), pause_runs: self.pause_runs, by: by.to_owned() };
        self.missing().is_empty().then(|| (Place::Maintenance, Command::BeginMaintenance { pair: pair.clone(), request }))
    }
}

/// The command that ends it.
pub fn end(pair: &PairName, by: &str) -> (Place, Command) {
    (Place::Maintenance, Command::EndMaintenance { pair: pair.clone(), by: by.to_owned() })
}

/// `Maintenance until 16:00 CST: disks are changed, by ana · scheduled runs paused`.
pub fn words(scene: &Scene<'_>, maintenance: &Maintenance) -> String {
    let paused = if maintenance.pause_runs { " · scheduled runs paused" } else { "" };
    format!("Maintenance until {}: {}, by {}{paused}", until(scene, maintenance), maintenance.reason, maintenance.by)
}

/// `16:00 CST`, with the day where that is not today.
fn until(scene: &Scene<'_>, maintenance: &Maintenance) -> String {
    let (zone, at) = (scene.zone, maintenance.until);
    match zone.day(at, scene.now).as_str() {
        "today" => format!("{} {}", zone.minute(at), zone.name(at)),
        _ => format!("{} {}", zone.date_minute(at, scene.now), zone.name(at)),
    }
}

/// The header's chips beside the state: why nobody is prompted, or nothing can be changed.
pub fn chips(scene: &Scene<'_>) -> Vec<Said> {
    let maintenance = scene.pair.and_then(|pair| pair.maintenance.as_ref());
    let ousted = scene.snapshot.ousted.then(|| Said::bad("✖ Not in command"));
    let observing = scene.snapshot.observing.then(|| Said::warn("▲ Observing only"));
    ousted
        .into_iter()
        .chain(observing)
        .chain(maintenance.map(|told| Said::warn(format!("▲ Maintenance until {}", until(scene, told)))))
        .collect()
}

/// What the banner on every screen says, line by line; empty where a fault would be prompted.
pub fn banner(scene: &Scene<'_>, pair: &PairView) -> Vec<Said> {
    let mut lines: Vec<Said> = Vec::new();
    if scene.snapshot.ousted {
        lines.push(Said::bad("✖ Another controller commands these agents now: nothing is changed from here. Close this console; or, if it is to command, start it again."));
    }
    lines.extend(
        pair.held_fault
            .iter()
            .map(|fault| Said::bad(format!("✖ Nobody is prompted, since {}: {}", scene.zone.clock(fault.since), fault.words))),
    );
    lines.extend(pair.maintenance.iter().map(|told| Said::warn(format!("▲ {}.", words(scene, told)))));
    if scene.snapshot.observing {
        lines.push(Said::warn("▲ This engine only observes: no fault is prompted, no identity is changed from here."));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::words::Zone;

    fn texts(lines: &[Said]) -> Vec<&str> {
        lines.iter().map(|said| said.text.as_str()).collect()
    }

    #[test]
    fn the_pair_says_everywhere_until_when_why_and_by_whom_and_hides_no_fault() {
        let snapshot = sample::maintained();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        assert_eq!(texts(&chips(&scene)), ["▲ Maintenance until 16:00 CST"]);
        assert_eq!(
            texts(&banner(&scene, &snapshot.pairs[0])),
            [
                "✖ Nobody is prompted, since 14:05:48: shenzhen is faulty, as two independent views agree: its agent is silent, and \
                 guiyang reports hdfs: NameNode refuses connections",
                "▲ Maintenance until 16:00 CST: firmware of rack 4, by ana · scheduled runs paused.",
            ]
        );
    }

    #[test]
    fn an_engine_that_only_observes_says_so() {
        let mut snapshot = sample::snapshot();
        snapshot.observing = true;
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        assert_eq!(texts(&chips(&scene)), ["▲ Observing only"]);
        assert!(banner(&scene, &snapshot.pairs[0])[0].text.contains("no identity is changed from here"));

        let snapshot = sample::ousted();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        assert_eq!(texts(&chips(&scene)), ["✖ Not in command"]);
        assert!(banner(&scene, &snapshot.pairs[0])[0].text.contains("Another controller commands"));
    }

    #[test]
    fn a_form_without_an_end_or_a_reason_asks_nothing() {
        let pair = "sz-gy".parse().expect("a name");
        let form = |length: &str, reason: &str| Form { length: length.into(), reason: reason.into(), pause_runs: true };
        for (form, says) in [(form("", "x"), "needs an end"), (form("soon", "x"), "no length"), (form("2h", " "), "needs a reason")] {
            assert!(form.missing().contains(says), "{form:?}: {}", form.missing());
            assert_eq!(form.command(&pair, "ana"), None);
        }
        let Some((Place::Maintenance, Command::BeginMaintenance { request, .. })) = form("1h30m", "disks").command(&pair, "ana") else {
            panic!("no command");
        };
        assert_eq!((request.secs, request.reason.as_str(), request.pause_runs, request.by.as_str()), (5_400, "disks", true, "ana"));
    }
}
