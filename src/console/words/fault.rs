//! A fault in words: never more than is known. A silent agent is not a faulty cluster, and a console that is cut off knows nothing.

use crate::console::said::Said;
use crate::controller::snapshot::FaultPrompt;
use crate::domain::watch::Verdict;

/// What is wrong, in one line without a stop.
pub fn fault_title(fault: &FaultPrompt) -> String {
    let name = &fault.faulty;
    match fault.cause {
        Verdict::Faulty if fault.promoting => format!("Cluster {name} was lost in the middle of its promotion"),
        Verdict::Faulty if fault.live => format!("Primary cluster {name} ran alone and is faulty"),
        Verdict::Faulty => format!("Primary cluster {name} is faulty"),
        Verdict::Suspect => format!("Primary cluster {name} may be faulty"),
        Verdict::AgentDown => format!("The agent of {name} is down"),
        Verdict::ConsoleCutOff => "This console is cut off".to_owned(),
        Verdict::Unknown => format!("Nothing is known of {name}"),
        Verdict::Healthy => format!("Primary cluster {name} answers again"),
    }
}

/// The same for the header's chip.
pub fn fault_chip(fault: &FaultPrompt) -> Said {
    match fault.cause {
        Verdict::Faulty if fault.promoting => Said::bad("✖ Lost while promoted"),
        Verdict::Faulty => Said::bad("✖ Primary cluster faulty"),
        Verdict::Suspect => Said::warn("▲ Primary cluster may be faulty"),
        Verdict::AgentDown => Said::warn("▲ Agent of the primary is down"),
        Verdict::ConsoleCutOff => Said::warn("▲ This console is cut off"),
        Verdict::Unknown => Said::warn("▲ State of the primary unknown"),
        Verdict::Healthy => Said::ok("✓ Primary cluster answers again"),
    }
}

/// What that means for the person who reads it.
pub fn fault_advice(fault: &FaultPrompt) -> &'static str {
    match fault.cause {
        Verdict::Faulty if fault.promoting => {
            "The promotion has not ended, and applications have no cluster. If it comes back, the promotion goes on by itself."
        }
        Verdict::Faulty if fault.live => {
            "Nothing has been switched. What it took alone is nowhere else: if it can be brought back, nothing is lost."
        }
        Verdict::Faulty => "Nothing has been switched. Identities change only when you adjust them here.",
        Verdict::Suspect => "Nothing has been switched. Wait for the second view before you decide.",
        Verdict::AgentDown => "Applications go on at the primary. There is nothing to switch: start the agent again.",
        Verdict::ConsoleCutOff => "Nothing has been switched. Look at this console's own network before anything else.",
        Verdict::Unknown => "Nothing has been switched. What cannot be seen is no reason to switch.",
        Verdict::Healthy => "Nothing has been switched, and nothing needs to be.",
    }
}

/// Whether there is anything to decide: only a cluster that is, or may be, faulty itself can lose its identity.
pub fn fault_can_be_decided(fault: &FaultPrompt) -> bool {
    matches!(fault.cause, Verdict::Faulty | Verdict::Suspect)
}
