//! What the command line takes, refuses and answers with.

use clap::{CommandFactory, Parser};

use crate::domain::{Trouble, TroubleKind};

use super::args::{Args, Command};
use super::status_of;

#[test]
fn the_arguments_are_well_formed() {
    Args::command().debug_assert();
}

#[test]
fn global_options_go_before_and_after_the_subcommand() {
    for line in [["understudy", "--json", "--state", "/s", "status"], ["understudy", "status", "--json", "--state", "/s"]] {
        let args = Args::try_parse_from(line).unwrap();
        assert!(args.json && args.state.is_some() && matches!(args.command, Some(Command::Status)));
    }
}

#[test]
fn a_moment_needs_its_zone() {
    assert!(Args::try_parse_from(["understudy", "run", "orders", "--at", "2026-11-21T14:00:00+08:00"]).is_ok());
    assert!(Args::try_parse_from(["understudy", "run", "orders", "--at", "2026-11-21 14:00"]).is_err());
}

#[test]
fn the_exit_status_tells_wrong_use_from_refused_from_failed() {
    let status = |kind| status_of(&Trouble::new(kind, "x", "y"));
    assert_eq!(status(TroubleKind::NotFound), 2);
    assert_eq!(status(TroubleKind::Invalid), 2);
    assert_eq!(status(TroubleKind::Refused), 3);
    assert_eq!(status(TroubleKind::Outdated), 3);
    assert_eq!(status(TroubleKind::Unreachable), 1);
}
