//! The commit window: a promotion is held until a person has looked, and taken back while nothing was written.

use std::time::Duration;

use serde_json::Value;

use crate::route::active_at;
use crate::stand::processes::{Agent, Controller, paired};
use crate::stand::trees::{assert_same, listing, make};
use crate::stand::{Dir, provider, until};

const LIMIT: Duration = Duration::from_secs(60);

/// East is lost after its last recovery point and one more file; west is promoted.
fn promoted(dir: &Dir, more: &[&str]) -> (Agent, Agent, Controller, Value) {
    promoted_with(dir, 0, more)
}

/// Likewise, with so many files of 8 MiB.
fn promoted_with(dir: &Dir, large: u8, more: &[&str]) -> (Agent, Agent, Controller, Value) {
    provider();
    let (mut east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 40);
    for n in 0..large {
        std::fs::write(east.dir.join(format!("files/docs/large-{n}")), vec![n; 8 << 20]).expect("east takes writes");
    }
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    write(&east, "newest", "acknowledged after the last recovery point").expect("east takes writes");
    east.kill();
    let report = controller.done(&[&["adjust-identity", "p", "--to", "west", "--confirm", "west"], more].concat());
    assert_eq!((&report["outcome"], &report["epoch"]), (&"promoted".into(), &2.into()), "{report:#}");
    (east, west, controller, report)
}

fn write(agent: &Agent, name: &str, text: &str) -> std::io::Result<()> {
    std::fs::write(agent.dir.join("files/docs").join(name), text)
}

async fn fenced(controller: &Controller, name: &str, epoch: u64) {
    until("the old primary's fence", LIMIT, || async {
        let status = controller.done(&["status"]);
        let clusters = status["pairs"][0]["clusters"].as_array().expect("clusters");
        let old = clusters.iter().find(|cluster| cluster["name"] == name).expect("it is there");
        (old["identity"] == "secondary" && old["fenced"] == true && old["epoch"] == epoch).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_held_promotion_serves_nobody_until_a_person_commits_it() {
    let dir = Dir::new();
    let (mut east, west, controller, report) = promoted(&dir, &["--hold", "--declare", "east's power is off, says its site"]);
    assert_eq!(report["held"], true, "{report:#}");
    assert_eq!(report["declared"]["words"], "east's power is off, says its site", "the word is kept: {report:#}");
    assert_eq!(report["fences"][0]["proven"], false, "an unreachable cluster is never said to be fenced: {report:#}");
    let states: Vec<_> = report["steps"].as_array().expect("steps").iter().map(|step| step["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "done", "not executed", "not executed", "not executed"], "{report:#}");
    assert!(!active_at(&west).await, "applications wait");
    assert!(write(&west, "early", "too early").is_err(), "it is still fenced");
    let (seen, had) = (listing(&west.dir.join("files/docs")), listing(&east.dir.join("files/docs")));
    assert_eq!(seen.len() + 1, had.len(), "a person can look at all but the newest file");
    let refused = controller.say(&["reverse-replication", "p", "--confirm", "east"]);
    assert!(refused.code() == 3 && refused.stderr.contains("held for a look"), "{}", refused.stderr);
    east.start();
    fenced(&controller, "east", 2).await;
    let wrong = controller.say(&["commit-promotion", "p", "--confirm", "east"]);
    assert!(wrong.code() == 3 && wrong.stderr.contains("type west"), "{}", wrong.stderr);
    let file = dir.path().join("commit.md");
    let report = controller.done(&["commit-promotion", "p", "--confirm", "west", "--report", file.to_str().unwrap()]);
    assert_eq!((&report["outcome"], &report["held"]), (&"promoted".into(), &false.into()), "{report:#}");
    assert!(std::fs::read_to_string(&file).expect("a report").contains("Declared, not proven"));
    assert!(active_at(&west).await && !active_at(&east).await);
    write(&west, "after", "west takes writes").expect("the fence is down");
    let again = controller.say(&["commit-promotion", "p", "--confirm", "west"]);
    assert!(again.code() == 3 && again.stderr.contains("no promotion waits"), "{}", again.stderr);
    let turned = controller.done(&["reverse-replication", "p", "--confirm", "east"]);
    assert_eq!(turned["outcome"], "reversed", "{turned:#}");
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    assert_same(&listing(&west.dir.join("files/docs")), &listing(&east.dir.join("files/docs")));
}

#[tokio::test]
async fn a_promotion_is_taken_back_while_nothing_was_written_and_nothing_is_lost() {
    for hold in [true, false] {
        let dir = Dir::new();
        let (mut east, west, controller, _) = promoted(&dir, if hold { &["--hold"] } else { &[] });
        let early = controller.say(&["take-back", "p", "--confirm", "east"]);
        assert!(early.code() == 3 && early.stderr.contains("agent of east does not answer"), "{}", early.stderr);
        east.start();
        fenced(&controller, "east", 2).await;
        let runbook = controller.done(&["runbook", "p", "take-back"]);
        assert_eq!((&runbook["ready"], &runbook["confirm"]), (&true.into(), &"east".into()), "{runbook:#}");
        let report = controller.done(&["take-back", "p", "--confirm", "east"]);
        assert_eq!((&report["outcome"], &report["primary"], &report["epoch"]), (&"taken-back".into(), &"east".into(), &3.into()));
        assert!(report["steps"].as_array().expect("steps").iter().all(|step| step["state"] == "done"), "{report:#}");
        assert!(active_at(&east).await && !active_at(&west).await);
        assert!(write(&west, "late", "too late").is_err(), "west is fenced");
        write(&east, "after", "east takes writes again").expect("its fence is down");
        let kept = std::fs::read_to_string(east.dir.join("files/docs/newest")).expect("it is still there");
        assert_eq!(kept, "acknowledged after the last recovery point", "what only east had is not lost");
        let run = controller.done(&["run", "orders"]);
        assert_eq!((&run["outcome"], &run["data_sets"][0]["copied_files"]), (&"sealed".into(), &2.into()), "{run:#}");
        assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/docs")));
        let there = controller.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"]);
        assert_eq!((&there["outcome"], &there["epoch"]), (&"promoted".into(), &4.into()), "and on it goes: {there:#}");
    }
}

/// The person's console is lost for good, and the new primary's agent dies under the proof: nobody ever asks for it again.
#[tokio::test]
async fn a_take_back_that_nobody_carries_on_leaves_no_fence() {
    let dir = Dir::new();
    // So that the proof takes a while.
    let (mut east, mut west, controller, _) = promoted_with(&dir, 24, &[]);
    east.start();
    fenced(&controller, "east", 2).await;
    let since = west.log().len();
    let (mut console, _) = controller.begin(&["take-back", "p", "--confirm", "east"]);
    west.tells(since, "held against its points");
    west.kill();
    console.kill().expect("the console");
    console.wait().expect("it is gone");
    std::fs::remove_dir_all(&controller.state).expect("nobody knows any more what it began");
    assert!(write(&west, "early", "under the fence").is_err(), "the fence is what the dead agent has left");
    west.start();
    until("west leads applications again", LIMIT, || async { active_at(&west).await.then_some(()) }).await;
    write(&west, "order", "acknowledged at west").expect("its fence is down");
    assert!(!active_at(&east).await && write(&east, "stray", "x").is_err());
}

#[tokio::test]
async fn what_was_written_since_is_never_taken_back() {
    let dir = Dir::new();
    let (mut east, west, controller, _) = promoted(&dir, &[]);
    write(&west, "order", "acknowledged at west").expect("west takes writes");
    east.start();
    fenced(&controller, "east", 2).await;
    let refused = controller.say(&["take-back", "p", "--confirm", "east"]);
    assert_eq!(refused.code(), 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("written to since the promotion") && refused.stderr.contains("reverse the replication"));
    assert!(active_at(&west).await && !active_at(&east).await);
    write(&west, "another", "and west goes on").expect("its fence came down again");
    let status = controller.done(&["status"]);
    assert_eq!((&status["pairs"][0]["active"], &status["pairs"][0]["epoch"]), (&"west".into(), &2.into()), "{status:#}");
    assert!(status["pairs"][0]["window"]["kept_back"].to_string().contains("written to"), "the screen says why: {status:#}");
    let turned = controller.done(&["reverse-replication", "p", "--confirm", "east"]);
    assert_eq!(turned["outcome"], "reversed", "the other way is open: {turned:#}");
}
