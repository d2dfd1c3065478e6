//! The verbs, as data: how each is begun, the boundaries of its steps, and what must hold in the end.

use std::time::Instant;

use serde_json::Value;

use super::faults::{Fault, Strike, Victim};
use super::seen::Begun;
use super::world::{LIMIT, Place, World};

/// What a person begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// A backup run.
    Run,
    /// Planned switchover.
    Planned,
    /// Adjust identity after a fault.
    Adjust,
    /// Likewise, held for a look.
    Hold,
    /// What was held is committed.
    Commit,
    /// What was promoted is taken back.
    TakeBack,
    /// Reverse replication.
    Reverse,
    /// The test.
    Drill,
}

pub const VERBS: [Verb; 8] = [Verb::Run, Verb::Planned, Verb::Adjust, Verb::Hold, Verb::Commit, Verb::TakeBack, Verb::Reverse, Verb::Drill];

/// A line of an agent's log between two steps: where, and what it holds (all of it, in this order).
pub type Boundary = (Place, &'static [&'static str]);

/// How a verb came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum How {
    /// Exactly as without the fault.
    Done,
    /// Given up, everything as it was, and said so in these words.
    Aborted(String),
}

const E: Place = Place::East;
const W: Place = Place::West;

impl Verb {
    /// The command.
    pub fn command(self) -> &'static [&'static str] {
        match self {
            Verb::Run => &["run", "orders"],
            Verb::Planned => &["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"],
            Verb::Adjust => &["adjust-identity", "p", "--to", "west", "--confirm", "west"],
            Verb::Hold => &["adjust-identity", "p", "--to", "west", "--confirm", "west", "--hold"],
            Verb::Commit => &["commit-promotion", "p", "--confirm", "west"],
            Verb::TakeBack => &["take-back", "p", "--confirm", "east"],
            Verb::Reverse => &["reverse-replication", "p", "--confirm", "east"],
            Verb::Drill => &["drill", "orders"],
        }
    }

    /// Every boundary between its steps, in order.
    pub fn boundaries(self) -> &'static [Boundary] {
        match self {
            Verb::Run => &[
                (E, &["accepted", "order=\"arm\""]),
                (W, &["order=\"arm\"", "done"]),
                (E, &["accepted", "order=\"capture\""]),
                (E, &["order=\"capture\"", "done"]),
                (E, &["accepted", "order=\"push\""]),
                (E, &["order=\"push\"", "done"]),
                (W, &["accepted", "order=\"verify\""]),
                (W, &["order=\"verify\"", "done"]),
                (W, &["accepted", "order=\"commit\""]),
                (W, &["committed"]),
                (W, &["phase of the apply done", "count=1"]),
                (W, &["phase of the apply done", "count=3"]),
                (W, &["applied"]),
                (W, &["order=\"commit\"", "done"]),
            ],
            Verb::Planned => &[
                (E, &["accepted", "order=\"demote\""]),
                (E, &["order=\"demote\"", "done"]),
                (E, &["accepted", "order=\"capture\""]),
                (E, &["order=\"push\"", "done"]),
                (W, &["accepted", "order=\"commit\""]),
                (W, &["order=\"commit\"", "done"]),
                (W, &["accepted", "order=\"promote\""]),
                (W, &["primary identity taken"]),
                (W, &["fence coming down"]),
                (W, &["service active here"]),
                (W, &["order=\"promote\"", "done"]),
                (E, &["secondary identity taken"]),
                (E, &["accepted", "order=\"reverse\""]),
                (E, &["this cluster is the target now"]),
                (E, &["order=\"reverse\"", "done"]),
            ],
            Verb::Adjust => &[
                (W, &["accepted", "order=\"promote\""]),
                (W, &["primary identity taken"]),
                (W, &["fence coming down"]),
                (W, &["service active here"]),
                (W, &["order=\"promote\"", "done"]),
            ],
            Verb::Hold => &[
                (W, &["accepted", "order=\"promote\""]),
                (W, &["primary identity taken"]),
                (W, &["service up and held"]),
                (W, &["order=\"promote\"", "done"]),
            ],
            Verb::Commit => &[
                (W, &["accepted", "order=\"promote\""]),
                (W, &["fence coming down"]),
                (W, &["service active here"]),
                (W, &["order=\"promote\"", "done"]),
            ],
            Verb::TakeBack => &[
                (W, &["accepted", "order=\"demote\""]),
                (W, &["held against its points"]),
                (W, &["nothing was written here"]),
                (W, &["promotion taken back"]),
                (W, &["order=\"demote\"", "done"]),
                (E, &["accepted", "order=\"promote\""]),
                (E, &["primary identity taken"]),
                (E, &["service active here again"]),
                (E, &["order=\"promote\"", "done"]),
            ],
            Verb::Reverse => &[
                (E, &["accepted", "order=\"reverse\""]),
                (E, &["keeping what was written here"]),
                (E, &["going back to the common point"]),
                (E, &["this cluster is the target now"]),
                (E, &["order=\"reverse\"", "done"]),
                (W, &["order=\"store-policies\"", "done"]),
            ],
            Verb::Drill => &[
                (W, &["accepted", "order=\"drill\""]),
                (W, &["brought up beside production"]),
                (W, &["order=\"drill\"", "done"]),
                (W, &["accepted", "order=\"end-drill\""]),
                (W, &["space of the drill removed and listed"]),
                (W, &["order=\"end-drill\"", "done"]),
            ],
        }
    }

    /// Whether the fault can meet this verb: while the primary is lost there is nobody but the others to be struck.
    pub fn meets(self, strike: Strike) -> bool {
        let of_east = matches!(strike.victim, Victim::East | Victim::EngineEast | Victim::Agents);
        // Killed and started: here it comes back in the middle.
        !self.is_alone() || !of_east || (strike.fault, strike.victim) == (Fault::Kill, Victim::East)
    }

    /// Whether the primary stays lost while it goes on.
    pub fn is_alone(self) -> bool {
        matches!(self, Verb::Adjust | Verb::Hold | Verb::Commit)
    }

    /// Brings a world to where the verb can begin.
    pub fn prepare(self, world: &mut World) {
        if self.is_alone() || matches!(self, Verb::Reverse | Verb::TakeBack) {
            // What east has beyond the point is lost to west, and kept at east.
            world.east.kill();
            wait("the fault's prompt", || world.status().pointer("/pairs/0/fault/can_adjust") == Some(&true.into()));
        }
        if self == Verb::Commit {
            let said = world.controller.say(Verb::Hold.command());
            assert_eq!(said.json["held"], true, "{}", said.stderr);
        }
        if matches!(self, Verb::Reverse | Verb::TakeBack) {
            let said = world.controller.say(Verb::Adjust.command());
            assert_eq!(said.json["outcome"], "promoted", "{}", said.stderr);
            world.start(E);
            wait("the old primary's fence", || world.status().pointer("/pairs/0/reversible") == Some(&"east".into()));
        }
        world.ready();
    }

    /// How it came out; `None` while it is under way.
    pub fn end(self, world: &World, begun: &mut Begun) -> Option<How> {
        // Asked first: what is shown after its end is the end. One that was killed says nothing of it, and done is done.
        let code = begun.ended();
        let (over, refused) = (code.is_some(), code.is_some_and(|code| code > 0));
        let status = world.status();
        let pair = status.pointer("/pairs/0")?;
        let (phase, active) = (pair["phase"].as_str()?, pair["active"].as_str().unwrap_or_default());
        let answer = |name: &str| {
            let mut clusters = pair["clusters"].as_array().into_iter().flatten();
            clusters.any(|cluster| cluster["name"] == name && cluster["agent_answers"] == true && cluster["fenced"].is_boolean())
        };
        let said = begun.words();
        match self {
            Verb::Run => {
                let run = newest(world, &["runs"])?;
                match run["outcome"].as_str()? {
                    "sealed" => Some(How::Done),
                    outcome => Some(How::Aborted(told(outcome, &run))),
                }
            }
            Verb::Drill => {
                let drill = newest(world, &["drills"])?;
                match (drill["outcome"].as_str()?, drill["clean"] == true) {
                    (_, false) => None,
                    ("passed", _) => Some(How::Done),
                    (outcome, _) => Some(How::Aborted(told(outcome, &drill))),
                }
            }
            // It comes to its end by itself, or is undone; a command that was killed says no words.
            Verb::Planned => match (phase, active) {
                ("replicating", "west") => Some(How::Done),
                ("replicating", "east") if refused => Some(How::Aborted(said)),
                // Promoted, and the reversal that follows by itself was given up: a person asks for it again.
                (phase, "west") if over && phase.contains("active alone") && pair["reversible"] == "east" => {
                    world.controller.say(Verb::Reverse.command());
                    None
                }
                _ => None,
            },
            Verb::Hold => {
                let refused = refused && active == "east" && !phase.contains("promoting");
                if phase.contains("held for a look") { Some(How::Done) } else { refused.then_some(How::Aborted(said)) }
            }
            Verb::Commit => {
                let refused = refused && phase.contains("held for a look");
                if phase.contains("west is active alone") { Some(How::Done) } else { refused.then_some(How::Aborted(said)) }
            }
            Verb::TakeBack => match (phase, active) {
                ("replicating", "east") => Some(How::Done),
                (phase, "west") if refused && phase.contains("active alone") => Some(How::Aborted(said)),
                _ => None,
            },
            Verb::Adjust => {
                let promoted = phase.contains("west is active alone") && active == "west";
                let refused = refused && active == "east" && !phase.contains("promoting");
                if promoted { Some(How::Done) } else { refused.then_some(How::Aborted(said)) }
            }
            Verb::Reverse => {
                let given_up = refused && !phase.contains("reversing") && answer("east") && answer("west");
                match phase {
                    "replicating" => Some(How::Done),
                    _ => given_up.then_some(How::Aborted(said)),
                }
            }
        }
    }
}

/// Newest of a list that the engine tells, once it is more than what the world began with.
fn newest(world: &World, list: &[&str]) -> Option<Value> {
    let told = world.controller.say(list).json;
    let least = if list == ["runs"] { 2 } else { 1 };
    let listed = told.as_array().filter(|listed| listed.len() >= least)?;
    listed.first().cloned()
}

fn told(outcome: &str, report: &Value) -> String {
    let reason = report.pointer("/error/reason").and_then(Value::as_str).unwrap_or_default();
    assert!(!reason.is_empty(), "it is {outcome} without a reason: {report:#}");
    format!("{outcome}: {reason}")
}

/// Waits for a condition.
pub fn wait(what: &str, mut seen: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !seen() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
