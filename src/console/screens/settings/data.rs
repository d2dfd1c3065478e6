//! What the settings show.

use std::path::Path;

use crate::console::words::Zone;
use chrono::{DateTime, Utc};

/// Key and value about this program.
pub fn about(state_dir: &Path, zone: Zone, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    vec![
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("State directory", state_dir.display().to_string()),
        ("Time zone", zone.name(now)),
        ("Licence", env!("CARGO_PKG_LICENSE").to_owned()),
        ("Fonts", "Inter and JetBrains Mono (SIL Open Font License 1.1); a few signs of DejaVu Sans".to_owned()),
    ]
}
