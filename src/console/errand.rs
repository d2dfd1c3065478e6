//! File work that a frame must not wait for: done by a thread of its own, and polled.

use std::path::{Path, PathBuf};

use poll_promise::Promise;

use crate::domain::{Plan, Trouble, TroubleKind};

/// What an errand brought.
#[derive(Debug, Clone)]
pub enum Brought {
    /// A plan was read.
    Plan(Result<Plan, Trouble>),
    /// A file was picked to read (true) or write; `None`: the person left the dialog, or the desktop has none.
    Picked(bool, Option<PathBuf>),
    /// A file was written.
    Written(Result<PathBuf, Trouble>),
}

/// An errand under way.
pub struct Errand(Promise<Brought>);

impl Errand {
    /// Reads a plan.
    pub fn read_plan(path: PathBuf) -> Errand {
        Errand(Promise::spawn_thread("read plan", move || Brought::Plan(read_plan(&path))))
    }

    /// Asks the desktop for a file.
    pub fn pick(read: bool) -> Errand {
        Errand(Promise::spawn_thread("pick file", move || {
            let dialog = rfd::FileDialog::new().add_filter("Plan", &["toml"]);
            let picked = if read { dialog.pick_file() } else { dialog.set_file_name("plan.toml").save_file() };
            Brought::Picked(read, picked)
        }))
    }

    /// Writes a plan.
    pub fn write_plan(path: PathBuf, plan: Plan) -> Errand {
        Errand(Promise::spawn_thread("write plan", move || Brought::Written(write_plan(&path, &plan))))
    }

    /// What it brought, once it has.
    pub fn ready(&self) -> Option<Brought> {
        self.0.ready().cloned()
    }
}

fn read_plan(path: &Path) -> Result<Plan, Trouble> {
    const LARGEST_BYTES: u64 = 4 << 20;
    let trouble = |reason: String| Trouble::new(TroubleKind::Invalid, path.display(), reason);
    let length = std::fs::metadata(path).map_err(|error| trouble(error.to_string()))?.len();
    if length > LARGEST_BYTES {
        return Err(trouble("it is larger than 4 MiB, which no plan is".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| trouble(error.to_string()))?;
    toml::from_str(&text).map_err(|error| trouble(error.message().to_owned()).next("compare it with the plan that Export writes"))
}

fn write_plan(path: &Path, plan: &Plan) -> Result<PathBuf, Trouble> {
    let trouble = |reason: String| Trouble::new(TroubleKind::Failed, path.display(), reason);
    let text = toml::to_string_pretty(plan).map_err(|error| trouble(error.to_string()))?;
    std::fs::write(path, text).map_err(|error| trouble(error.to_string()))?;
    Ok(path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_writing_and_reading_and_a_bad_one_is_explained() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("plan.toml");
        let plan = Plan::default();
        write_plan(&path, &plan).expect("written");
        assert_eq!(read_plan(&path).expect("read"), plan);
        std::fs::write(&path, "[[service]]\nname = 'a b'\n").expect("written");
        let trouble = read_plan(&path).expect_err("a bad name");
        assert!(trouble.object.ends_with("plan.toml"), "{trouble}");
    }
}
