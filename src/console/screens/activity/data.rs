//! What the activity screen shows.

use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::overview::data::level_words;
use crate::controller::snapshot::{ActivityLine, Level};

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Lines that contain this.
    pub find: String,
    /// Only what is to be looked at.
    pub only_troubles: bool,
}

/// The lines that fit, newest first.
pub fn fitting<'a>(scene: &Scene<'a>, state: &State) -> Vec<&'a ActivityLine> {
    let find = state.find.trim().to_lowercase();
    let fits = |line: &&ActivityLine| {
        let found = find.is_empty() || line.text.to_lowercase().contains(&find) || line.about.to_lowercase().contains(&find);
        found && (!state.only_troubles || line.level > Level::Info)
    };
    scene.snapshot.activity.iter().filter(fits).collect()
}

/// A line: when, about what, what.
pub fn row(scene: &Scene<'_>, line: &ActivityLine) -> [Said; 3] {
    let about = if line.about.is_empty() { "engine" } else { &line.about };
    [Said::muted(scene.zone.day_clock(line.at, scene.now)), Said::plain(about), level_words(line.level, &line.text)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::words::Zone;

    #[test]
    fn troubles_are_found_and_say_so_with_a_sign() {
        let snapshot = sample::snapshot();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        let state = State { only_troubles: true, ..State::default() };
        let lines = fitting(&scene, &state);
        assert_eq!(lines.len(), 2);
        assert!(row(&scene, lines[1])[2].text.starts_with("✖ orders: the run of 23:30 failed"));
        let state = State { find: "CERTIFICATE".to_owned(), ..State::default() };
        assert_eq!(fitting(&scene, &state).len(), 1);
    }
}
