//! The console's state directory is lost: a new console takes over by `understudy-agent adopt`, and the old one is ousted.

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, plan};
use crate::stand::trees::{assert_same, listing, make};

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
