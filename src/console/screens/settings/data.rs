//! What the settings show.

use std::path::Path;

use crate::console::said::Said;
use crate::console::words::Zone;
use chrono::{DateTime, Utc};

/// What becomes of a fault, in a line, and how that is changed.
pub fn watching(observing: bool) -> [Said; 2] {
    if observing {
        [
            Said::warn(
                "▲ This engine only observes: the activity says what would have been prompted, and no identity is changed from here.",
            ),
            Said::muted("Set mode = \"prompt\" under [watch] in engine.toml of the state directory, and start the engine again."),
        ]
    } else {
        [
            Said::plain("A fault is prompted, and a person decides."),
            Said::muted(
                "mode = \"observe\" under [watch] in engine.toml of the state directory makes the engine only write down what it would have prompted.",
            ),
        ]
    }
}

/// Key and value about this program.
pub fn about(state_dir: &Path, zone: Zone, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    vec![
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("State directory", state_dir.display().to_string()),
        ("Time zone", format!("{}: all times are in it; the environment's TZ sets another", zone.named(now))),
        ("Licence", env!("CARGO_PKG_LICENSE").to_owned()),
        ("Fonts", "Inter, JetBrains Mono and Unifont (SIL Open Font License 1.1), Droid Sans Fallback (Apache License 2.0); a few signs of DejaVu Sans".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_say_which_mode_the_engine_is_in_and_how_to_change_it() {
        assert!(watching(true)[0].text.contains("only observes") && watching(true)[1].text.contains("\"prompt\""));
        assert!(watching(false)[0].text.contains("a person decides") && watching(false)[1].text.contains("\"observe\""));
    }
}
