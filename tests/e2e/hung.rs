//! A run whose agent hangs in the middle of its transfer ends with 1 in about a minute, and the next one is right.
//!
//! Both directions, and each end once as the one that hangs: the end that the engine does not speak with is told by its peer.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::stand::Dir;
use crate::stand::processes::{Agent, paired};
use crate::stand::trees::{assert_same, listing};

/// Enough to be stopped in the middle of.
const FILES: u32 = 24;
const FILE_BYTES: usize = 4 << 20;
/// "About a minute", with what a busy machine may add.
const ABOUT_A_MINUTE: Duration = Duration::from_secs(80);

/// Bytes below a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { bytes_in(&entry.path()) } else { entry.metadata().map_or(0, |m| m.len()) }).sum()
}

fn send(agent: &Agent, signal: Signal) {
    kill_process(Pid::from_raw(agent.pid()).unwrap(), signal).unwrap();
}

fn hangs_in_the_middle(copy: &str, hung: &str) {
    let dir = Dir::new();
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\"]", &format!("copy = \"{copy}\""));
    let docs = east.dir.join("files/docs");
    std::fs::create_dir_all(&docs).unwrap();
    for file in 0..FILES {
        // No two pieces alike: nothing is held already.
        std::fs::write(docs.join(format!("{file}")), [file.to_le_bytes().as_slice(), &vec![7; FILE_BYTES]].concat()).unwrap();
    }
    let (mut run, _lines) = controller.begin(&["run", "orders"]);
    let end = Instant::now() + Duration::from_secs(60);
    let (some, all) = (2 * FILE_BYTES as u64, u64::from(FILES) * FILE_BYTES as u64);
    let store = west.dir.join("state");
    while bytes_in(&store) < some {
        assert!(Instant::now() < end && run.try_wait().unwrap().is_none(), "{copy}: nothing arrives");
        std::thread::sleep(Duration::from_millis(2));
    }
    let agent = if hung == "east" { &east } else { &west };
    send(agent, Signal::STOP);
    let since = Instant::now();
    assert!(bytes_in(&store) < all, "{copy}: too late, everything has arrived");
    let code = loop {
        if let Some(status) = run.try_wait().unwrap() {
            break status.code();
        }
        assert!(since.elapsed() < ABOUT_A_MINUTE, "{copy}, {hung} hangs: no end after {:?}", since.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    };
    eprintln!("{copy}, {hung} hangs: ended after {:?}", since.elapsed());
    assert_eq!(code, Some(1), "{copy}, {hung} hangs");

    send(agent, Signal::CONT);
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let said = controller.say(&["run", "orders"]);
        if said.code() == 0 {
            break;
        }
        assert!(Instant::now() < end, "{copy}: the next run is not right: {}", said.stderr);
    }
    assert_same(&listing(&docs), &listing(&west.dir.join("files/docs")));
}

#[test]
fn an_agent_that_hangs_in_the_middle_of_a_push_or_a_pull_ends_the_run_in_about_a_minute() {
    // All at once: each waits for the most part.
    std::thread::scope(|scope| {
        for (copy, hung) in [("push", "west"), ("pull", "east"), ("push", "east"), ("pull", "west")] {
            scope.spawn(move || hangs_in_the_middle(copy, hung));
        }
    });
}
