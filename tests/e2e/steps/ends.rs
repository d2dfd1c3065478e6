//! What must hold in the end, whatever struck whom and when.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use super::seen::{Begun, answers, is_open};
use super::verbs::{How, Verb, wait};
use super::world::{LIMIT, Place, World};
use crate::stand::trees::{Listing, assert_same};

type Data = (Listing, Vec<(i64, String)>);

/// The ends of both agents' logs.
fn last_words(world: &World) -> String {
    let tail = |place| {
        let log = world.agent(place).log();
        let lines: Vec<_> = log.lines().rev().take(30).collect();
        format!("the log of {} ends:\n{}", world.agent(place).name, lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    };
    [Place::East, Place::West].map(tail).join("\n")
}

/// Waits until the verb has come to one of its two ends. A verb that was given up has changed nothing, says why, and succeeds when it is
/// begun again.
pub fn settle(verb: Verb, world: &World, begun: &mut Begun, before: &[Data; 2]) -> How {
    let end = Instant::now() + LIMIT;
    let how = loop {
        if let Some(how) = verb.end(world, begun) {
            break how;
        }
        assert!(
            Instant::now() < end,
            "no end; the status is {:#}; it said: {}; {}",
            world.status()["pairs"][0],
            begun.words(),
            last_words(world)
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    // Its own word comes after the end, unless it was killed.
    wait("the command's end", || begun.ended().is_some());
    let (code, words) = (begun.ended().unwrap_or(-1), begun.words());
    match &how {
        How::Done => same(&at_point(verb, before), &world.data(Place::West), "what west should hold"),
        How::Aborted(said) => {
            assert!(!said.is_empty() || code < 0, "it was given up without a word");
            assert_ne!(code, 0, "it was given up, and its command says that it is done: {words}");
            if verb != Verb::Reverse {
                same(&before[0], &world.data(Place::East), "what east should hold still");
                same(&before[1], &world.data(Place::West), "what west should hold still");
            }
            again(verb, world);
        }
    }
    how
}

/// What west holds once the verb is done: after a planned switchover or a run all that east had, else what it had before.
fn at_point(verb: Verb, before: &[Data; 2]) -> Data {
    let everything = matches!(verb, Verb::Run | Verb::Planned);
    before[usize::from(!everything)].clone()
}

fn again(verb: Verb, world: &World) {
    let end = Instant::now() + LIMIT;
    loop {
        let said = world.controller.say(verb.command());
        if said.code() == 0 {
            return;
        }
        // A refusal for what just struck may outlast it for a moment.
        assert!(said.code() == 3 && Instant::now() < end, "repeated, it fails: {}", said.stderr);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// One cluster takes writes and is followed, the other is fenced, both hold the same after a run, and nothing is left over.
pub fn all_is_well(verb: Verb, world: &mut World) {
    let (active, other) = match verb {
        Verb::Run | Verb::Drill | Verb::TakeBack => (Place::East, Place::West),
        Verb::Planned | Verb::Adjust | Verb::Hold | Verb::Commit | Verb::Reverse => (Place::West, Place::East),
    };
    if verb == Verb::Hold {
        assert!(!is_open(world.west.route), "applications wait for a person's look");
        assert!(!world.takes_writes(Place::West), "what is held is fenced");
        again(Verb::Commit, world);
    }
    if verb.is_alone() {
        if !answers(world.east.listen) {
            world.start(Place::East);
        }
        wait("the old primary's fence", || world.status().pointer("/pairs/0/reversible") == Some(&"east".into()));
        assert!(world.data(Place::East).1.len() > world.data(Place::West).1.len(), "what only east has is still there");
        again(Verb::Reverse, world);
    }
    if verb.is_alone() || verb == Verb::Reverse {
        let kept = world.controller.done(&["kept", "p"]);
        assert_eq!(kept.as_array().map(Vec::len), Some(1), "what east alone had is kept, once: {kept:#}");
    }
    wait("one open route, the right one", || is_open(world.agent(active).route) && !is_open(world.agent(other).route));
    wait("both agents' word for it", || {
        let status = world.status();
        let told = |place: Place| {
            let clusters = status.pointer("/pairs/0/clusters").and_then(Value::as_array);
            clusters.into_iter().flatten().find(|cluster| cluster["name"] == world.agent(place).name.as_str()).cloned().unwrap_or_default()
        };
        let (one, two) = (told(active), told(other));
        let roles = one["identity"] == "primary" && two["identity"] == "secondary" && two["fenced"] == true;
        roles && one["epoch"] == two["epoch"] && status["pairs"][0]["active"] == one["name"]
    });
    assert!(world.takes_writes(active), "the active cluster takes writes");
    assert!(!world.takes_writes(other), "the other is fenced");
    // The next change of the tree that is there: east's own was lost.
    world.work(active, if verb.is_alone() || verb == Verb::Reverse { 2 } else { 1 });
    world.run_seals("the run after it");
    same(&world.data(active), &world.data(other), "what both hold after the next run");
    let found = world.controller.done(&["leftovers", "p"]);
    let left: Vec<&Value> = found["clusters"].as_array().unwrap().iter().flat_map(|c| c["found"].as_array().unwrap()).collect();
    assert!(left.is_empty(), "snapshots are left over: {left:#?}");
    for place in [Place::East, Place::West] {
        assert_eq!(spaces(&world.agent(place).dir.join("state")), Vec::<PathBuf>::new(), "spaces of drills are left");
        let open: i64 =
            world.agent(place).ledger().query_row("SELECT count(*) FROM drills WHERE state <> 'over'", [], |r| r.get(0)).unwrap();
        assert_eq!(open, 0, "a drill is not over");
    }
}

#[track_caller]
fn same(wanted: &Data, found: &Data, what: &str) {
    assert_eq!(wanted.1, found.1, "{what}: the rows");
    assert_same(&wanted.0, &found.0);
}

/// Folders of drills below a state folder.
fn spaces(state: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![state.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if entry.file_name() == "drills" => found.push(path),
                path if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    found
}
