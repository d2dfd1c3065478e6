//! The house rules that a machine can check. Each message says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms a room may import from, as in `src/ARCHITECTURE.md`. A room may always use itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("protocol", &["domain"]),
    ("store", &["domain", "protocol"]),
    ("components", &["domain", "protocol"]),
    ("transfer", &["domain", "protocol", "components", "store", "agent"]),
    ("users", &["domain", "protocol", "components", "store", "agent"]),
    ("agent", &["domain", "protocol", "components", "store", "transfer", "users", "route"]),
    ("terminal", &["domain"]),
    ("route", &["domain", "protocol"]),
    ("controller", &["domain", "protocol", "store", "route"]),
    ("lab", &["domain", "terminal", "protocol", "components", "store", "transfer", "users", "agent", "route", "controller"]),
    ("cli", &["domain", "terminal", "protocol", "controller", "lab", "console"]),
    ("console", &["domain", "protocol", "controller", "lab"]),
];

/// The only items of `agent` that transfer and users may use: what every job shares.
const AGENT_FOR_JOBS: &str = "agent::jobs::";

/// What the console may know of the engine and the lab: data and handles.
const CONSOLE_MAY: &[&str] = &[
    "controller::command",
    "controller::snapshot",
    "controller::{",
    "controller::Command",
    "controller::EngineHandle",
    "controller::Reply",
    "controller::Snapshot",
    "lab::view",
    "lab::{Lab",
    "lab::Lab",
];

/// Files above the size that needs a reason. This list only gets shorter.
const LONG_FILES: &[&str] = &[];

/// Calls that are banned outside tests, where they are allowed all the same, and what to write instead.
const BANNED: &[(&str, &[&str], &str)] = &[
    (".unwrap()", &[], "handle the error, or return a Trouble"),
    (".expect(", &[], "handle the error, or return a Trouble"),
    ("todo!(", &[], "finish it"),
    ("unimplemented!(", &[], "finish it"),
    ("thread::sleep", &[], "wait for a condition, or use tokio::time where a pace is meant"),
    ("let _ =", &[], "handle the result, or say in words why it does not matter (`drop(…)`)"),
    ("allow(dead_code)", &[], "delete what nobody uses"),
    ("print!(", &[], "print with `terminal::line`; elsewhere use tracing"),
    ("println!(", &[], "print with `terminal::line`; elsewhere use tracing"),
    ("eprint!(", &[], "say it with `terminal::aside`; elsewhere use tracing"),
    ("eprintln!(", &[], "say it with `terminal::aside`; elsewhere use tracing"),
    // The last two talk to the process that started them.
    ("io::stdout()", &["terminal", "agent/jobs/thaw_guard.rs", "lab/site.rs"], "print with `terminal::line`"),
    ("io::stderr()", &["terminal"], "say it with `terminal::aside`"),
    ("dbg!(", &[], "use tracing"),
    ("process::exit", &["bin", "main.rs"], "return an ExitCode"),
    ("Color32::from_rgb", &["console/theme"], "take the colour from console/theme"),
    ("Color32::from_hex", &["console/theme"], "take the colour from console/theme"),
    ("rusqlite::", &["store", "components/tables", "lab"], "SQL lives in store/ (and in the tables component, whose data it is)"),
    ("egui::", &["console"], "only the console draws"),
];

struct Source {
    path: String,
    room: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let relative = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
                let room = relative.split(['/', '.']).next().expect("a room").to_owned();
                found.push(Source { room, text: fs::read_to_string(&path).expect("a source file"), path: relative });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The part of a file before its tests, without comments and doc comments.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let is_test_file = source.path.ends_with("tests.rs") || source.path.contains("/tests/");
    let lines = source.text.lines().enumerate().map(|(n, line)| (n + 1, line));
    lines
        .take_while(move |(_, line)| !is_test_file && line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn report(broken: Vec<String>, rule: &str) {
    assert!(broken.is_empty(), "{rule}\n  {}", broken.join("\n  "));
}

#[test]
fn rooms_import_only_along_the_arrows() {
    let arrows: BTreeMap<_, BTreeSet<_>> = ARROWS.iter().map(|(room, to)| (*room, to.iter().copied().collect())).collect();
    let mut broken = Vec::new();
    for source in sources() {
        let Some(allowed) = arrows.get(source.room.as_str()) else { continue };
        for (line, text) in code(&source) {
            for used in text.split("crate::").skip(1) {
                let room: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = arrows.contains_key(room.as_str());
                let job_room = ["transfer", "users"].contains(&source.room.as_str()) && room == "agent";
                let console = source.room == "console" && ["controller", "lab"].contains(&room.as_str());
                let narrow = (job_room && !used.starts_with(AGENT_FOR_JOBS) && !used.starts_with("agent::clock"))
                    || (console && !CONSOLE_MAY.iter().any(|may| used.starts_with(may)));
                if known && room != source.room && (!allowed.contains(room.as_str()) || narrow) {
                    broken.push(format!(
                        "src/{}:{line}: {} may not use {}",
                        source.path,
                        source.room,
                        used.split([';', ' ']).next().unwrap_or(used)
                    ));
                }
            }
        }
    }
    report(broken, "An import goes against the room arrows (src/ARCHITECTURE.md): move the code, or hand the value in.");
}

#[test]
fn the_domain_knows_no_effects() {
    let banned =
        ["tokio", "std::fs", "std::net", "std::env", "Utc::now", "SystemTime::now", "Instant::now", "now_v7", "reqwest", "rusqlite"];
    let mut broken = Vec::new();
    for source in sources().iter().filter(|s| s.room == "domain") {
        for (line, text) in code(source) {
            broken.extend(banned.iter().filter(|b| text.contains(**b)).map(|b| format!("src/{}:{line}: {b}", source.path)));
        }
    }
    report(broken, "The domain decides and never acts: times, ids and facts come in as arguments.");
}

#[test]
fn the_engine_asks_its_host_for_time_ids_and_threads() {
    let banned = ["Utc::now", "SystemTime::now", "std::time::Instant", "now_v7", "new_v4", "spawn_blocking", "thread_rng"];
    let mut broken = Vec::new();
    for source in
        sources().iter().filter(|s| s.room == "controller" && !["controller/host.rs", "controller/connect.rs"].contains(&&*s.path))
    {
        for (line, text) in code(source) {
            broken.extend(banned.iter().filter(|b| text.contains(**b)).map(|b| format!("src/{}:{line}: {b}", source.path)));
        }
    }
    report(broken, "An engine repeats itself under one seed (tests/sim): ask controller::host, and tokio for timers.");
}

#[test]
fn every_module_says_what_flows_through_it() {
    let quiet =
        sources().into_iter().filter(|s| !s.text.starts_with("//!") && !s.text.starts_with("#![doc")).map(|s| format!("src/{}", s.path));
    report(quiet.collect(), "A module has no head: start it with //! and what flows through it.");
}

#[test]
fn banned_calls_stay_out() {
    let mut broken = Vec::new();
    for source in sources() {
        for (line, text) in code(&source) {
            for (call, except, instead) in BANNED {
                let excepted = except.iter().any(|place| source.path.starts_with(place));
                if text.contains(call) && !excepted && !text.contains(&format!("// {call}")) {
                    broken.push(format!("src/{}:{line}: {call} → {instead}", source.path));
                }
            }
        }
    }
    report(broken, "A banned call is used outside tests.");
}

#[test]
fn files_stay_small_enough_to_hold_in_the_head() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let listed = LONG_FILES.contains(&source.path.as_str());
        if lines > 800 {
            broken.push(format!("src/{}: {lines} lines; 800 are refused: split it", source.path));
        } else if lines > 400 && !listed {
            broken.push(format!("src/{}: {lines} lines; split it (LONG_FILES only gets shorter)", source.path));
        } else if lines <= 400 && listed {
            broken.push(format!("src/{}: {lines} lines; well done, take it off LONG_FILES", source.path));
        }
    }
    report(broken, "A file is not the size its room should have.");
}

/// What `tests/mutations/run` breaks must still be there, once: a mutation that fits no more proves nothing.
#[test]
fn every_mutation_still_fits() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(root.join("tests/mutations")).expect("the mutations") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "mutation") {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&path).expect("a mutation");
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim_start);
        let fits = value("file").zip(value("from")).map(|(file, from)| {
            let source = fs::read_to_string(root.join(file)).unwrap_or_default();
            source.matches(from).count()
        });
        if fits != Some(1) || value("to").is_none() || value("test").is_none() {
            broken.push(format!("{}: its `from` occurs {} times in its `file`", path.display(), fits.unwrap_or(0)));
        }
    }
    assert!(seen > 50, "only {seen} mutations were found");
    report(broken, "mend the mutation, so that it breaks today's code");
}
