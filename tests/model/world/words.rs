//! A step in words, for a counterexample.

use super::*;

fn controller_name(who: usize) -> &'static str {
    ["the controller", "the rival"][who]
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (order, from, to) = (self.instruction.order.name(), controller_name(self.from), cluster(self.to));
        write!(f, "{order} of {from} (term {}, epoch {}) arrives at {to}", self.instruction.term, self.instruction.epoch)?;
        self.decision().map_or(Ok(()), |d| write!(f, ", by decision {} for epoch {}", d.id.0.as_u64_pair().1, d.epoch))
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |who: &usize| controller_name(*who);
        match self {
            Move::AgentDies(i) => write!(f, "the agent of {} dies", cluster(*i)),
            Move::AgentStarts(i) => write!(f, "the agent of {} starts", cluster(*i)),
            Move::Arrives(n) => write!(f, "message {n} arrives"),
            Move::Works(i, job) => write!(f, "{} takes a step of its job {job}", cluster(*i)),
            Move::Asks(i) => write!(f, "{} asks its peer", cluster(*i)),
            Move::Learns(i) => write!(f, "{} learns what its peer told", cluster(*i)),
            Move::Fences(i) => write!(f, "{} puts its fence on", cluster(*i)),
            Move::Stops(c) => write!(f, "{} stops", who(c)),
            Move::Starts(c) => write!(f, "{} starts", who(c)),
            Move::StartsOnCopy { old } => write!(f, "a rival starts on {} copy of the state", if *old { "the first" } else { "a" }),
            Move::Looks(c, i) => write!(f, "{} looks at {}", who(c), cluster(*i)),
            Move::Sends(c) => write!(f, "{} sends what is due", who(c)),
            Move::Reads(c) => write!(f, "{} reads the answer", who(c)),
            Move::GivesUp(c) => write!(f, "{} gives up waiting", who(c)),
            Move::Confirms(c, i) => write!(f, "{} sends {} its word", who(c), cluster(*i)),
            Move::Decides { who: c, planned } => write!(f, "a person decides at {}{}", who(c), if *planned { ", planned" } else { "" }),
            Move::EndsConflict { who: c, to } => write!(f, "a person at {} says that {} is right", who(c), cluster(*to)),
            Move::Writes(i) => write!(f, "an application writes at {}", cluster(*i)),
            Move::Commits(c) => write!(f, "a person at {} commits the promotion", who(c)),
            Move::TakesBack(c) => write!(f, "a person at {} takes the promotion back", who(c)),
            Move::Forges { to, what } => {
                write!(f, "the first controller's key is cut off at {}, and somebody sends: {what:?}", cluster(*to))
            }
            Move::Adopts { who: c, agents } => {
                let named: Vec<_> = (0..2).filter(|i| agents[*i]).map(|i| cluster(i).as_str()).collect();
                write!(f, "{} adopts {}", who(c), named.join(" and "))
            }
        }
    }
}
