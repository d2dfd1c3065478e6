//! The console's state directory is lost: a new console takes over by `understudy-agent adopt`, and the old one is ousted.

use std::time::Duration;

use serde_json::Value;

use crate::route::active_at;
use crate::stand::processes::{Agent, Controller, paired, plan};
use crate::stand::trees::{assert_same, listing, make};
use crate::stand::{Dir, provider, until};

#[test]
fn a_new_console_knows_pairs_policies_points_and_epoch_after_adopt() {
    let dir = Dir::new();
    let (mut east, mut west) = (Agent::local(dir.path(), "east"), Agent::local(dir.path(), "west"));
    make(&east.dir.join("files/docs"), 20);
    east.start();
    west.start();
    let old = Controller::new(dir.path(), "old");
    old.apply(&plan(&east, &west, "[\"files:docs\"]"));
    let sealed = old.done(&["run", "orders"]);
    let before = old.done(&["status"]);
    std::fs::rename(&old.state, dir.path().join("lost")).unwrap();

    let new = Controller::new(dir.path(), "new");
    for agent in [&west, &east] {
        new.done(&["adopt", &agent.listen.to_string(), &agent.adopt()]);
    }
    let after = new.done(&["status"]);
    for key in ["/pairs/0/name", "/pairs/0/epoch", "/pairs/0/active", "/pairs/0/services/0/name", "/pairs/0/services/0/last_point"] {
        assert_eq!(before.pointer(key), after.pointer(key), "{key}");
    }
    let points = new.done(&["points", "orders"]);
    assert!(points.to_string().contains(sealed["recovery_point"].as_str().unwrap()), "{points}");
    assert_eq!(new.done(&["run", "orders"])["outcome"], "sealed");
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/docs")));

    // A copy of the old state directory ousts nobody any more: its key is not the agents' controller now.
    let lost = Controller { state: dir.path().join("lost") };
    assert_ne!(lost.say(&["run", "orders"]).code(), 0, "the lost console must not command any more");
}

/// East gave way to west's word and was told nothing more. Then the console is lost, and west with all that it took.
#[tokio::test]
async fn a_cluster_that_only_gave_way_goes_on_by_a_person_s_word_that_its_peer_is_lost_for_good() {
    provider();
    let limit = Duration::from_secs(60);
    let dir = Dir::new();
    let (mut east, mut west, old) = paired(dir.path(), "[\"files:docs\"]", "");
    let docs = |agent: &Agent, name: &str| agent.dir.join("files/docs").join(name);
    make(&east.dir.join("files/docs"), 5);
    assert_eq!(old.done(&["run", "orders"])["outcome"], "sealed");
    std::fs::write(docs(&east, "only-east"), "east").unwrap();
    east.kill();
    assert_eq!(old.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west"])["outcome"], "promoted");
    let since = east.log().len();
    east.start();
    east.tells(since, "secondary identity taken");

    let new = Controller::new(dir.path(), "new");
    let (address, code) = (east.listen.to_string(), east.adopt());
    let adopt = |more: &[&str]| new.say(&[&["adopt", &address, &code], more].concat());
    let refused = adopt(&[]);
    assert!(refused.code() == 3 && refused.trouble().1.contains("--lost west --confirm west"), "{}", refused.stderr);
    assert_eq!(adopt(&["--lost", "west", "--confirm", "west"]).code(), 3, "west answers");
    west.kill();
    for (lost, typed) in [("east", "east"), ("west", "east")] {
        assert_eq!(adopt(&["--lost", lost, "--confirm", typed]).code(), 3, "{lost} {typed}");
    }
    until("east misses west for long enough", limit, || async {
        (adopt(&["--lost", "west", "--confirm", "west"]).code() == 0).then_some(())
    })
    .await;
    let engine = new.engine(&[]);
    until("the prompt", limit, || async {
        (new.say(&["status"]).json.pointer("/pairs/0/fault/can_adjust") == Some(&true.into())).then_some(())
    })
    .await;
    assert!(!active_at(&east).await, "nothing happens before a person decides");
    let report = new.done(&["adjust-identity", "p", "--to", "east", "--confirm", "east", "--declare", "west burnt down"]);
    assert_eq!((&report["outcome"], &report["primary"]), (&"promoted".into(), &"east".into()), "{report:#}");
    assert!(report["epoch"].as_u64() > Some(1000), "above all that west may hold: {report:#}");
    let service = &report["services"][0];
    assert_eq!((&service["live"], &service["lost_secs"]), (&true.into(), &Value::Null), "nobody knows since when: {report:#}");
    assert!(active_at(&east).await && docs(&east, "only-east").exists());
    std::fs::write(docs(&east, "again"), "east").expect("east takes writes");

    west.start();
    until("west, back after all, gives way", limit, || async { std::fs::write(docs(&west, "late"), "west").is_err().then_some(()) }).await;
    assert!(active_at(&east).await && !active_at(&west).await);
    engine.kill();
}
