//! What is printed of a command.

use super::*;
use crate::domain::PlannedAgent;

/// Invariant 14.
#[test]
fn a_command_that_is_printed_shows_no_code() {
    let request = |code: &str| AgentRequest { address: "east:7443".into(), code: Some(code.into()) };
    let pair = PairRequest { name: "p".parse().expect("a name"), primary: request("K7-SECRET"), secondary: request("M2-SECRET") };
    let planned = PlannedAgent { agent: "east:7443".into(), code: Some("K7-SECRET".into()) };
    for printed in [format!("{:?}", Command::Pair(pair)), format!("{:?}", Command::Adopt(request("A1-SECRET"))), format!("{planned:?}")] {
        assert!(printed.contains("east:7443") && !printed.contains("SECRET"), "{printed}");
    }
}
