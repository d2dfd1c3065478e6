//! The questions with one dangerous answer: their words, and the commands that they send.

use super::removal;
use crate::console::command::Dialog;
use crate::console::places::Place;
use crate::console::screens::Scene;
use crate::console::screens::fault::ui::person;
use crate::controller::Command;
use crate::controller::command::{Removal, Verb};
use crate::domain::PairName;

/// A question with one dangerous answer.
pub(super) struct Question {
    pub title: String,
    pub text: String,
    pub button: String,
    /// Must be typed exactly; empty: nothing is typed.
    pub confirm: String,
    pub place: Place,
    pub command: Command,
    /// The verb whose runbook is shown; it must be ready.
    pub verb: Option<Verb>,
    /// What is removed for good: it is shown, and must be known.
    pub removal: Option<Removal>,
    /// The services may be held closed for a look.
    pub can_hold: bool,
}

/// The question that a dialog asks; `None`: it asks none, or what it is about is gone.
pub(super) fn question(scene: &Scene<'_>, dialog: &Dialog) -> Option<Question> {
    Some(match dialog {
        Dialog::CancelRun(run) => Question {
            title: "Cancel this run?".to_owned(),
            text: "What it copied is dropped on both sides. The recovery point before it stays as it is. Once the run commits it can no longer be cancelled."
                .to_owned(),
            button: "Cancel the run".to_owned(),
            confirm: String::new(),
            place: Place::Cancel,
            command: Command::CancelRun { run: *run },
            verb: None,
            removal: None,
            can_hold: false,
        },
        Dialog::RemoveService(service) => Question {
            title: format!("Remove the policy of {service}?"),
            text: "It is backed up no longer. Its recovery points stay on the secondary until they are pruned by hand.".to_owned(),
            button: "Remove the policy".to_owned(),
            confirm: service.to_string(),
            place: Place::Remove(service.clone()),
            command: Command::RemoveService { service: service.clone() },
            verb: None,
            removal: None,
            can_hold: false,
        },
        Dialog::AbandonRun(run, service) => return Some(removal::abandon(scene, *run, service)),
        Dialog::Remove(pair, removal) => return removal::question(pair, removal),
        Dialog::Switchover(pair) => return switchover(scene, pair),
        Dialog::Reverse(pair) => return reversal(scene, pair),
        Dialog::Commit(pair) => return commit(scene, pair),
        Dialog::TakeBack(pair) => return take_back(scene, pair),
        Dialog::Maintenance(_)
        | Dialog::OpenPlan
        | Dialog::Restore(_)
        | Dialog::ExportPlan
        | Dialog::Debrief
        | Dialog::DropEdits(_)
        | Dialog::Quit
        | Dialog::Read(..) => return None,
    })
}

fn switchover(scene: &Scene<'_>, pair: &PairName) -> Option<Question> {
    let view = scene.snapshot.pairs.iter().find(|view| view.name == *pair)?;
    let to = view.clusters.iter().find(|cluster| Some(&cluster.name) != view.active.as_ref())?.name.clone();
    let from = view.clusters.iter().find(|cluster| cluster.name != to)?.name.clone();
    Some(Question {
        title: format!("Planned switchover: make {to} primary"),
        text: format!(
            "Applications on {from} are held first (fence), then every service gets a final run, then {to} gets the primary identity. \
             Nothing is lost. If anything fails before that, the fence is lifted and {from} goes on."
        ),
        button: format!("Make {to} primary"),
        confirm: to.to_string(),
        place: Place::Adjust(pair.clone()),
        command: Command::AdjustIdentity {
            pair: pair.clone(),
            confirm: to.to_string(),
            to,
            planned: true,
            hold: false,
            declared: None,
            points: std::collections::BTreeMap::new(),
            generation: Some(scene.snapshot.generation),
            by: person(),
        },
        verb: Some(Verb::Planned),
        removal: None,
        can_hold: true,
    })
}

fn reversal(scene: &Scene<'_>, pair: &PairName) -> Option<Question> {
    let view = scene.snapshot.pairs.iter().find(|view| view.name == *pair)?;
    let target = view.reversible.as_ref()?;
    let primary = view.active.as_ref()?;
    Some(Question {
        title: format!("Reverse replication: {target} stands by for {primary}"),
        text: format!(
            "What {target} wrote after the last common recovery point is kept there under snapshots of its own. Its data sets then go back \
             to that point, and backups go on from {primary} to {target}: only what differs is copied. Applications are not touched."
        ),
        button: format!("Make {target} the target"),
        confirm: target.to_string(),
        place: Place::Reverse,
        command: Command::ReverseReplication {
            pair: pair.clone(),
            confirm: target.to_string(),
            generation: Some(scene.snapshot.generation),
            by: person(),
        },
        verb: Some(Verb::Reverse),
        removal: None,
        can_hold: false,
    })
}

fn commit(scene: &Scene<'_>, pair: &PairName) -> Option<Question> {
    let window = scene.snapshot.pairs.iter().find(|view| view.name == *pair)?.window.as_ref().filter(|window| window.held)?;
    let primary = &window.primary;
    Some(Question {
        title: format!("Commit the promotion of {primary}"),
        text: format!(
            "The fences at {primary} come down and applications follow there. From its first write on the promotion can no longer be taken \
             back."
        ),
        button: format!("Open {primary} to applications"),
        confirm: primary.to_string(),
        place: Place::Adjust(pair.clone()),
        command: Command::CommitPromotion {
            pair: pair.clone(),
            confirm: primary.to_string(),
            generation: Some(scene.snapshot.generation),
            by: person(),
        },
        verb: None,
        removal: None,
        can_hold: false,
    })
}

fn take_back(scene: &Scene<'_>, pair: &PairName) -> Option<Question> {
    let window = scene.snapshot.pairs.iter().find(|view| view.name == *pair)?.window.as_ref()?;
    let (primary, old) = (&window.primary, &window.back_to);
    Some(Question {
        title: format!("Take the promotion back: {old} goes on"),
        text: format!(
            "{primary} is fenced and proves that nothing was written there since its promotion; if it cannot, all stays as it is. Then {old} \
             gets the primary identity again, with everything that it holds, and {primary} stands by as before."
        ),
        button: format!("Give {old} its identity back"),
        confirm: old.to_string(),
        place: Place::Adjust(pair.clone()),
        command: Command::TakeBack {
            pair: pair.clone(),
            confirm: old.to_string(),
            generation: Some(scene.snapshot.generation),
            by: person(),
        },
        verb: Some(Verb::TakeBack),
        removal: None,
        can_hold: false,
    })
}
