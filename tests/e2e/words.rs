//! What an application calls its files forges no line of a log and reaches no terminal as anything but letters.

use std::os::unix::net::UnixListener;

use crate::stand::Dir;
use crate::stand::processes::{Agent, paired};
use crate::stand::trees::make;

const EVIL: &str = "a\n2026-11-30T00:00:00Z  INFO understudy: forged\x1b[2K\u{202e}b";
const SHOWN: &str = "a\\u{a}2026-11-30T00:00:00Z  INFO understudy: forged\\u{1b}[2K\\u{202e}b";

fn is_clean(text: &str) -> bool {
    let obeyed = |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
    !text.chars().any(obeyed) && !text.lines().any(|line| line.starts_with("2026-11-30T00:00:00Z  INFO"))
}

#[test]
fn a_file_name_forges_no_line_of_a_log_and_sends_nothing_to_a_terminal() {
    let dir = Dir::new();
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    let docs = east.dir.join("files/docs");
    // A socket's own name is at most 108 bytes: it is bound elsewhere and moved here.
    let _socket = UnixListener::bind(dir.path().join("s")).unwrap();
    std::fs::rename(dir.path().join("s"), docs.join(EVIL)).unwrap();

    let said = controller.say(&["run", "orders"]);
    assert_ne!(said.code(), 0, "a socket cannot be kept: {}", said.stderr);
    assert!(said.stderr.contains(SHOWN), "it is named: {}", said.stderr);
    assert!(is_clean(&said.stderr), "{:?}", said.stderr);
    for command in [&["runs", "orders"][..], &["status"], &["unpair", "p"]] {
        let said = controller.say(command);
        assert!(is_clean(&said.stderr), "{command:?}: {:?}", said.stderr);
    }
    let text = controller.text(&["runs", "orders"]);
    assert!(is_clean(&text) && text.contains(SHOWN), "{text:?}");
    let is_clean_log = |agent: &Agent| is_clean(&agent.log());
    assert!(is_clean_log(&east) && is_clean_log(&west), "{:?}", east.log());
    assert!(east.log().contains(SHOWN), "the log of the agent names it: {}", east.log());
}
