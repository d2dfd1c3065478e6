//! Writers that are held are let go by the limit, whatever happens to the agent that holds them.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::stand::processes::paired;
use crate::stand::{Dir, children};

/// The hooks' limit.
const LIMIT_SECS: u64 = 4;

fn wait_for(what: &str, limit: Duration, met: impl Fn() -> bool) {
    let end = Instant::now() + limit;
    while !met() {
        assert!(Instant::now() < end, "waited {} s in vain for {what}", limit.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A freeze hook that hangs while there is a file `slow`, and a thaw hook; each leaves its mark.
fn hooks(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "freeze = {{ command = [\"sh\", \"-c\", \"touch {dir}/frozen; ! test -e {dir}/slow || sleep 60\"], limit_secs = {LIMIT_SECS} }}\n\
         thaw = {{ command = [\"touch\", \"{dir}/thawed\"] }}\n"
    )
}

#[test]
fn an_agent_killed_with_the_writers_held_leaves_a_guard_that_frees_them_by_the_limit() {
    let dir = Dir::new();
    let (mut east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", &hooks(dir.path()));
    std::fs::create_dir_all(east.dir.join("files/docs")).unwrap();
    std::fs::write(east.dir.join("files/docs/one"), "one").unwrap();
    let (slow, frozen, thawed) = (dir.path().join("slow"), dir.path().join("frozen"), dir.path().join("thawed"));

    std::fs::write(&slow, "").unwrap();
    let (mut run, _lines) = controller.begin(&["run", "orders"]);
    wait_for("the freeze", Duration::from_secs(30), || frozen.exists());
    let since = Instant::now();
    east.kill();
    assert!(!thawed.exists(), "thawed before anything happened");
    wait_for("the thaw without an agent", Duration::from_secs(LIMIT_SECS + 4), || thawed.exists());
    assert!(since.elapsed() < Duration::from_secs(LIMIT_SECS + 2), "only after {:?}", since.elapsed());
    run.kill().unwrap();
    run.wait().unwrap();

    // The agent comes back, holds the writers once more and thaws them itself; nothing is left over.
    for mark in [&slow, &frozen, &thawed] {
        std::fs::remove_file(mark).unwrap();
    }
    east.start();
    let end = Instant::now() + Duration::from_secs(60);
    let sealed = loop {
        let said = controller.say(&["run", "orders"]);
        if said.code() != 3 || Instant::now() > end {
            break said;
        }
        // The run before is ended first.
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(sealed.code(), 0, "{}", sealed.stderr);
    assert_eq!(sealed.json["captured"]["grade"], "quiesced", "{}", sealed.json);
    assert!(frozen.exists() && thawed.exists());
    wait_for("the guard's end", Duration::from_secs(5), || children(east.pid()).is_empty());
}
