//! `engine.toml` of the state directory: whom to alert, and how the clusters are watched.
//!
//! ```toml
//! # STATE/engine.toml; every key may be left out
//! [alert]
//! command = ["/usr/local/bin/page", "--team", "dr"]
//!
//! [watch]
//! interval_secs = 2        # between two looks at an agent
//! time_limit_secs = 3      # a look that takes longer has failed: the agent hangs
//! failures = 5             # looks in a row that must fail before *suspect* becomes *faulty*, …
//! fault_after_secs = 20    # … and for at least this long
//! settle_secs = 30         # well for so long before a fault is over and its prompt goes
//! unstable_times = 3       # so many times unwell …
//! unstable_window_secs = 600   # … within so long: *unstable*
//! mode = "prompt"          # or "observe": only write down what would have been prompted
//! stall_secs = 600         # a step of a run that shows no progress for so long has failed: its agent or component hangs
//! ```

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::{Trouble, TroubleKind};

use super::alerts::Alerts;
use super::{Limits, WatchMode, WatchSettings};

/// What the file holds.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EngineToml {
    alert: Alerts,
    watch: Watch,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Watch {
    interval_secs: Option<f64>,
    time_limit_secs: Option<f64>,
    failures: Option<u32>,
    fault_after_secs: Option<f64>,
    settle_secs: Option<f64>,
    unstable_times: Option<u32>,
    unstable_window_secs: Option<f64>,
    mode: Option<WatchMode>,
    stall_secs: Option<f64>,
}

/// The file's settings over an engine's own.
pub(super) struct Settings {
    pub alerts: Alerts,
    pub watch: WatchSettings,
    pub limits: Limits,
}

impl Settings {
    /// Reads the file; what it leaves out stays as it is, and so does everything without one.
    pub fn read(state: &Path, watch: WatchSettings, limits: Limits) -> Result<Settings, Trouble> {
        let path = state.join("engine.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Trouble::new(TroubleKind::Failed, path.display(), e)),
        };
        let read: EngineToml = toml::from_str(&text)
            // The message without the quoted line, which may hold a token.
            .map_err(|e| Trouble::new(TroubleKind::Invalid, path.display(), e.message()).next("correct the file, or remove it"))?;
        let (watch, limits) = read.watch.over(watch, limits, &path.display())?;
        Ok(Settings { alerts: read.alert, watch, limits })
    }
}

/// How the engine of a state directory watches.
pub fn watch_settings(state: &Path) -> Result<WatchSettings, Trouble> {
    Settings::read(state, WatchSettings::default(), Limits::default()).map(|settings| settings.watch)
}

impl Watch {
    fn over(self, own: WatchSettings, limits: Limits, file: &dyn Display) -> Result<(WatchSettings, Limits), Trouble> {
        let secs = |key: &str, value: Option<f64>, own: Duration, range: RangeInclusive<f64>| match value {
            None => Ok(own),
            Some(secs) if range.contains(&secs) => Ok(Duration::from_secs_f64(secs)),
            Some(secs) => Err(out_of_range(file, key, secs, &range, own.as_secs_f64())),
        };
        let count = |key: &str, value: Option<u32>, own: u32, range: RangeInclusive<u32>| match value {
            None => Ok(own),
            Some(count) if range.contains(&count) => Ok(count),
            Some(count) => Err(out_of_range(file, key, count, &range, own)),
        };
        let watch = WatchSettings {
            interval: secs("interval_secs", self.interval_secs, own.interval, 0.2..=60.0)?,
            time_limit: secs("time_limit_secs", self.time_limit_secs, own.time_limit, 0.5..=60.0)?,
            failures: count("failures", self.failures, own.failures, 1..=100)?,
            fault_after: secs("fault_after_secs", self.fault_after_secs, own.fault_after, 1.0..=3_600.0)?,
            settle: secs("settle_secs", self.settle_secs, own.settle, 1.0..=3_600.0)?,
            unstable_times: count("unstable_times", self.unstable_times, own.unstable_times, 2..=100)?,
            unstable_window: secs("unstable_window_secs", self.unstable_window_secs, own.unstable_window, 60.0..=86_400.0)?,
            mode: self.mode.unwrap_or(own.mode),
        };
        // What the file does not speak of is the engine's own affair.
        if self != Watch::default() && watch.fault_after < watch.time_limit {
            let reason = format!(
                "fault_after_secs ({}) is shorter than time_limit_secs ({}): one look that hangs would be a fault",
                watch.fault_after.as_secs_f64(),
                watch.time_limit.as_secs_f64()
            );
            return Err(Trouble::new(TroubleKind::Invalid, format!("{file}, [watch]"), reason)
                .next("lengthen fault_after_secs, or shorten time_limit_secs"));
        }
        let stall = secs("stall_secs", self.stall_secs, limits.stall, 60.0..=86_400.0)?;
        Ok((watch, Limits { stall, ..limits }))
    }
}

fn out_of_range<T: Display>(file: &dyn Display, key: &str, value: T, range: &RangeInclusive<T>, own: T) -> Trouble {
    let reason = format!("{value} is out of range: it may be {} to {}", range.start(), range.end());
    Trouble::new(TroubleKind::Invalid, format!("{file}, [watch] {key}"), reason)
        .next(format!("correct it, or leave it out: then it is {own}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, Trouble> {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("engine.toml"), text).expect("written");
        Settings::read(dir.path(), WatchSettings::default(), Limits::default())
    }

    fn refused(text: &str) -> Trouble {
        let trouble = read(text).err().unwrap_or_else(|| panic!("taken: {text}"));
        assert_eq!(trouble.kind, TroubleKind::Invalid);
        assert!(trouble.object.contains("engine.toml") && !trouble.next_step.is_empty(), "{trouble}");
        trouble
    }

    #[test]
    fn what_is_left_out_stays_as_it_is() {
        let settings = read("[watch]\ninterval_secs = 0.5\nfailures = 2\nstall_secs = 900\n").expect("good");
        let own = WatchSettings::default();
        assert_eq!(settings.watch, WatchSettings { interval: Duration::from_millis(500), failures: 2, ..own });
        assert_eq!(settings.limits.stall, Duration::from_secs(900));
        assert_eq!(read("[watch]\nmode = \"observe\"\n").expect("good").watch, WatchSettings { mode: WatchMode::Observe, ..own });
        assert_eq!(read("").expect("an empty file").watch, own);
        assert_eq!(watch_settings(Path::new("/nowhere")), Ok(own));
    }

    #[test]
    fn a_wrong_value_is_refused_by_its_name_with_what_it_may_be() {
        let trouble = refused("[watch]\ninterval_secs = 0\n");
        assert!(trouble.object.ends_with("[watch] interval_secs"), "{trouble}");
        assert_eq!(trouble.reason, "0 is out of range: it may be 0.2 to 60");
        assert_eq!(trouble.next_step, "correct it, or leave it out: then it is 2");
        let wrong =
            ["failures = 0", "failures = 101", "time_limit_secs = nan", "fault_after_secs = 1e9", "stall_secs = 1", "stall_secs = inf"];
        for wrong in wrong.into_iter().chain(["settle_secs = 0", "unstable_times = 1", "unstable_window_secs = 10", "mode = \"automatic\""])
        {
            refused(&format!("[watch]\n{wrong}\n"));
        }
        assert!(refused("[watch]\nfault_after_secs = 2\n").reason.contains("one look that hangs would be a fault"));
    }

    #[test]
    fn an_unknown_key_is_named_and_no_line_of_the_file_is_quoted() {
        let trouble = refused("[watch]\nintervall_secs = 2\n");
        assert!(trouble.reason.contains("intervall_secs") && trouble.reason.contains("interval_secs"), "{trouble}");
        assert!(!refused("[alert]\nurl = \"https://x/?token=secret\"\nurrl = 1\n").to_string().contains("secret"));
    }
}
