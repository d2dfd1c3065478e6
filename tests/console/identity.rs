//! Changes of identity clicked through: the fault prompt, the replication reversed, a promotion held for a look.

use std::sync::Arc;

use egui::Key;
use understudy::console::{Screen, sample};
use understudy::controller::command::{AdjustOutcome, AdjustReport, ServiceEnding, ServiceResumed, StepReport, Verb};
use understudy::controller::snapshot::WindowView;
use understudy::controller::{Command, Reply};
use understudy::domain::{Epoch, Trouble, TroubleKind};

use super::bench::bench;

#[test]
fn the_button_of_the_fault_prompt_waits_for_the_exact_name_and_carries_what_was_seen() {
    let mut bench = bench(sample::faulty());
    assert!(bench.sees("Primary cluster shenzhen is faulty") && bench.sees("no answer, 9 of 9 probes"));
    let button = "Adjust identity: make guiyang primary";
    assert!(!bench.enabled(button));
    assert!(
        bench.sees("No fence is proven at shenzhen: the agent of shenzhen does not answer"),
        "an unreachable cluster is never said to be fenced"
    );
    bench.confirm("guiyang");
    assert!(!bench.enabled(button), "what is not proven needs a person's word");
    bench.declare("its power is off, says the site");
    for (typed, enabled) in [("guiyan", false), ("Guiyang", false), ("shenzhen", false), ("guiyang", true)] {
        bench.confirm(typed);
        assert_eq!(bench.enabled(button), enabled, "typed {typed:?}");
        if !enabled {
            bench.click(button);
            assert!(bench.commands().is_empty(), "a disabled button sent something");
        }
    }
    bench.click(button);
    let mut asked = bench.commands();
    assert_eq!(asked.len(), 1);
    let (command, reply) = asked.remove(0);
    let Command::AdjustIdentity { to, confirm, planned, generation, hold, declared, .. } = command else {
        panic!("another command: {command:?}")
    };
    assert_eq!((to.as_str(), confirm.as_str(), planned, generation), ("guiyang", "guiyang", false, Some(84)));
    assert_eq!((hold, declared.as_deref()), (false, Some("its power is off, says the site")));
    assert!(bench.sees("Making guiyang primary…"), "the person sees that it goes on");
    let report = AdjustReport {
        pair: "sz-gy".parse().expect("a name"),
        epoch: Epoch(5),
        primary: to,
        services: vec![ServiceResumed {
            name: "orders".parse().expect("a name"),
            recovery_point: None,
            live: false,
            lost_secs: None,
            ending: ServiceEnding::Resumed,
            error: None,
        }],
        outcome: AdjustOutcome::Promoted,
        steps: vec![StepReport { step: "record epoch 5".to_owned(), state: "done".to_owned(), detail: String::new(), what: None }],
        held: false,
        fences: Vec::new(),
        declared: None,
        error: None,
        refusal: None,
    };
    reply.send(Reply::Adjusted(report)).expect("the console waits for it");
    bench.steps();
    assert!(bench.sees("guiyang has the primary identity"));
    assert!(bench.sees("record epoch 5"), "the steps are listed");
    bench.click("Done");
    assert!(!bench.sees("guiyang has the primary identity"));
}

#[test]
fn a_refusal_is_shown_and_the_prompt_comes_back() {
    let mut bench = bench(sample::faulty());
    bench.declare("its power is off");
    bench.confirm("guiyang");
    bench.click("Adjust identity: make guiyang primary");
    let (_, reply) = bench.commands().remove(0);
    let trouble = Trouble::new(TroubleKind::Refused, "pair sz-gy", "the facts have changed since you looked").next("look again");
    reply.send(Reply::Refused(trouble)).expect("the console waits for it");
    bench.steps();
    assert!(bench.sees("the facts have changed since you looked"));
    bench.click("Done");
    assert!(bench.sees("Primary cluster shenzhen is faulty"));
}

#[test]
fn a_prompt_that_may_not_adjust_says_why_and_keeps_its_button_off() {
    let mut snapshot = sample::faulty();
    let fault = snapshot.pairs[0].fault.as_mut().expect("a fault");
    fault.can_adjust = false;
    fault.refused = "Only the agent of shenzhen is down: its components answer.".to_owned();
    let mut bench = bench(snapshot);
    bench.confirm("guiyang");
    assert!(bench.sees("Only the agent of shenzhen is down"));
    assert!(!bench.enabled("Adjust identity: make guiyang primary"));
}

#[test]
fn keep_waiting_leaves_a_banner_that_leads_back() {
    let mut bench = bench(sample::faulty());
    bench.click("Keep waiting");
    assert!(!bench.sees("What was observed") && bench.sees("Nothing has been switched."));
    bench.go(Screen::Activity);
    assert!(bench.sees("is faulty since 14:05:48"), "the banner is on every screen");
    bench.click("Decide…");
    assert!(bench.sees("What was observed"));
    bench.harness.key_press(Key::Escape);
    bench.steps();
    assert!(!bench.sees("What was observed"), "Esc keeps waiting");
}

#[test]
fn enter_in_the_confirmation_changes_nothing() {
    let mut bench = bench(sample::faulty());
    bench.declare("its power is off");
    bench.confirm("guiyang");
    bench.harness.key_press(Key::Enter);
    bench.steps();
    assert!(bench.commands().is_empty(), "only the button itself adjusts identities");
}

#[test]
fn the_replication_is_reversed_by_the_name_of_the_cluster_that_is_to_stand_by() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Clusters);
    assert!(!bench.sees("Reverse replication…"), "not while the pair replicates");
    let mut snapshot = sample::snapshot();
    snapshot.pairs[0].reversible = Some("guiyang".parse().expect("a name"));
    bench.news.send_replace(Arc::new(snapshot));
    bench.steps();
    bench.click("Reverse replication…");
    assert!(bench.sees("is kept there under snapshots of its own") && bench.sees("Asking both agents"));
    bench.confirm("guiyang");
    assert!(!bench.enabled("Make guiyang the target"), "not before every line is known");
    let (command, reply) = bench.commands().pop().expect("the runbook is asked for");
    assert!(matches!(command, Command::Runbook { verb: Verb::Reverse, .. }), "{command:?}");
    reply.send(Reply::Runbook(sample::runbook(Verb::Reverse))).expect("the console waits for it");
    bench.steps();
    assert!(bench.sees("its agent read the fence back") && bench.sees("keep what guiyang wrote"));
    bench.confirm("shenzhen");
    assert!(!bench.enabled("Make guiyang the target"));
    bench.confirm("guiyang");
    bench.click("Make guiyang the target");
    let (command, reply) = bench.commands().pop().expect("asked");
    let Command::ReverseReplication { confirm, generation: Some(_), .. } = &command else { panic!("{command:?}") };
    assert_eq!(confirm, "guiyang");
    let kept = understudy::domain::PointId(uuid::Uuid::from_u128(7));
    reply.send(Reply::Reversed(sample::reversal(kept))).expect("the console waits for it");
    bench.steps();
    assert!(bench.sees("guiyang stands by for shenzhen") && bench.sees(&format!("is kept as {kept}")));
}

#[test]
fn a_held_promotion_is_committed_or_taken_back_from_the_clusters_screen_by_name() {
    let mut snapshot = sample::snapshot();
    let window = WindowView {
        held: true,
        primary: "guiyang".parse().expect("a name"),
        back_to: "shenzhen".parse().expect("a name"),
        refused: "the agent of shenzhen does not answer".to_owned(),
        kept_back: None,
    };
    snapshot.pairs[0].window = Some(window.clone());
    let mut bench = bench(snapshot.clone());
    bench.go(Screen::Clusters);
    assert!(bench.sees("guiyang is primary and held for a look: applications wait"));
    assert!(bench.sees("It cannot be taken back now: the agent of shenzhen does not answer") && !bench.enabled("Take it back…"));
    bench.click("Commit the promotion…");
    assert!(!bench.enabled("Open guiyang to applications"));
    bench.confirm("guiyang");
    bench.click("Open guiyang to applications");
    let (command, _reply) = bench.commands().pop().expect("asked");
    let Command::CommitPromotion { confirm, generation: Some(_), .. } = &command else { panic!("{command:?}") };
    assert_eq!(confirm, "guiyang");
    assert!(bench.sees("Opening guiyang to applications…"), "the person sees that it goes on");

    snapshot.pairs[0].window = Some(WindowView { refused: String::new(), ..window });
    let mut bench = self::bench(snapshot);
    bench.go(Screen::Clusters);
    bench.click("Take it back…");
    let (command, reply) = bench.commands().pop().expect("the runbook is asked for");
    assert!(matches!(command, Command::Runbook { verb: Verb::TakeBack, .. }), "{command:?}");
    reply.send(Reply::Runbook(sample::runbook(Verb::TakeBack))).expect("the console waits for it");
    bench.steps();
    bench.write("Type shenzhen to confirm", "shenzhen");
    bench.click("Give shenzhen its identity back");
    let (command, _reply) = bench.commands().pop().expect("asked");
    assert!(matches!(&command, Command::TakeBack { confirm, generation: Some(_), .. } if confirm == "shenzhen"), "{command:?}");
}
