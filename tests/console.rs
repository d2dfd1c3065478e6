//! The console clicked through by label, without a window: screens, the fault prompt, and frames that stay cheap and never wait.
#![cfg(feature = "console")]

#[path = "console/maintenance.rs"]
mod maintenance;

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use poll_promise::Promise;
use tokio::sync::{mpsc, watch};
use understudy::console::{App, ConsoleSpec, Screen, sample};
use understudy::controller::command::Verb;
use understudy::controller::command::{AdjustOutcome, AdjustReport, ServiceResumed, StepReport};
use understudy::controller::snapshot::WindowView;
use understudy::controller::{Asked, Command, EngineHandle, Reply, Snapshot};
use understudy::domain::{Epoch, Trouble, TroubleKind};
use understudy::protocol::CatalogueItem;

/// A console on an engine whose commands the test reads and answers.
struct Bench {
    harness: Harness<'static, App>,
    asked: mpsc::Receiver<Asked>,
    news: watch::Sender<Arc<Snapshot>>,
}

fn bench(snapshot: Snapshot) -> Bench {
    let (commands, asked) = mpsc::channel(64);
    let (news, snapshots) = watch::channel(Arc::new(snapshot));
    let handle = EngineHandle::new(commands, snapshots);
    let mut spec = sample::spec(sample::empty());
    spec.engine = Box::new(move || Promise::from_ready(Ok(handle)));
    Bench { harness: window(spec), asked, news }
}

fn window(spec: ConsoleSpec) -> Harness<'static, App> {
    let mut harness = Harness::builder().with_size(vec2(1440.0, 900.0)).build_eframe(|creation| App::new(&creation.egui_ctx, spec));
    harness.run_steps(3);
    harness
}

impl Bench {
    fn steps(&mut self) {
        self.harness.run_steps(3);
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_role_and_label(Role::Button, label).click();
        self.steps();
    }

    fn go(&mut self, screen: Screen) {
        self.harness.get_by_role_and_label(Role::Tab, screen.title()).click();
        self.steps();
        assert_eq!(self.harness.state().screen(), screen);
    }

    fn sees(&self, words: &str) -> bool {
        self.harness.query_all_by_label_contains(words).next().is_some()
    }

    /// The commands asked since the last time.
    fn commands(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }

    /// Types into the confirmation, in place of what is there.
    fn confirm(&mut self, typed: &str) {
        self.write("Type guiyang to confirm", typed);
    }

    /// How a person knows that nobody writes at the faulty cluster.
    fn declare(&mut self, words: &str) {
        self.write("How do you know that nobody writes at shenzhen? It is kept in the record", words);
    }

    fn write(&mut self, field: &str, typed: &str) {
        self.harness.get_by_role_and_label(Role::TextInput, field).focus();
        self.steps();
        self.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        self.steps();
        self.harness.get_by_role_and_label(Role::TextInput, field).type_text(typed);
        self.steps();
        let value = self.harness.get_by_role_and_label(Role::TextInput, field).value();
        assert_eq!(value.as_deref(), Some(typed));
    }

    fn enabled(&self, label: &str) -> bool {
        !self.harness.get_by_role_and_label(Role::Button, label).accesskit_node().is_disabled()
    }
}

#[test]
fn every_screen_can_be_reached_and_shows_what_it_is_for() {
    let mut bench = bench(sample::snapshot());
    assert!(bench.sees("PRIMARY identity") && bench.sees("118 MiB/s") && bench.sees("risk-features is 7 min behind"));
    for (screen, words) in [
        (Screen::Clusters, "fenced: nobody else writes"),
        (Screen::Services, "*/15 * * * * (Asia/Shanghai)"),
        (Screen::Points, "orders · today 14:00:00.000"),
        (Screen::Runs, "today 14:07:00.000"),
        (Screen::Users, "/data/orders · user:mallory"),
        (Screen::Drills, "Start a drill of orders"),
        (Screen::Activity, "the engine started with term 12"),
        (Screen::Settings, "/var/lib/understudy"),
        (Screen::Overview, "Needs attention"),
    ] {
        bench.go(screen);
        assert!(bench.sees(words), "{screen:?} does not show {words:?}");
    }
}

#[test]
fn a_drill_is_started_after_its_lines_followed_stopped_and_signed_off() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Drills);
    assert!(bench.sees("within the target of 10 min") && bench.sees("nothing of this drill"));
    assert!(!bench.enabled("Start the drill"), "not before every line is known");
    let mut asked = bench.commands();
    let (command, reply) = asked.pop().expect("the lines are asked for");
    assert!(asked.is_empty() && matches!(command, Command::CheckDrill { .. }), "{command:?}");
    reply.send(Reply::DrillChecked(sample::drill_checks())).expect("the console listens");
    bench.steps();
    assert!(bench.sees("skew 84 ms"));
    bench.click("Start the drill");
    let (command, reply) = bench.commands().pop().expect("asked");
    assert!(matches!(&command, Command::Drill { service, point: None, .. } if service.as_str() == "orders"), "{command:?}");
    let mut snapshot = sample::snapshot();
    let mut running = snapshot.drills[0].clone();
    running.report.phase = understudy::domain::drill::machine::Phase::Running;
    running.report.drill = understudy::domain::DrillId(uuid::Uuid::from_u128(5));
    reply.send(Reply::DrillStarted(running.report.drill)).expect("the console listens");
    snapshot.drills.insert(0, running);
    bench.news.send_replace(Arc::new(snapshot));
    bench.steps();
    bench.click("Stop the drill");
    assert!(bench.commands().iter().any(|(command, _)| matches!(command, Command::StopDrill { .. })));
    bench.news.send_replace(Arc::new(sample::snapshot()));
    bench.steps();
    assert!(!bench.enabled("Sign off"), "a sign-off says something");
    bench.harness.get_by_role_and_label(Role::TextInput, "Remark").focus();
    bench.steps();
    bench.harness.get_by_role_and_label(Role::TextInput, "Remark").type_text("all there");
    bench.steps();
    bench.click("Sign off");
    let signed =
        bench.commands().into_iter().any(|(command, _)| matches!(command, Command::SignOffDrill { remark, .. } if remark == "all there"));
    assert!(signed);
}

#[test]
fn nothing_paired_offers_three_ways_to_begin() {
    let mut bench = bench(sample::empty());
    assert!(bench.sees("Welcome. Nothing is protected yet."));
    assert!(bench.sees("Open a plan…"));
    bench.click("Pair clusters…");
    assert_eq!(bench.harness.state().screen(), Screen::Pairing);
    assert!(!bench.enabled("Pair"), "nothing can be paired before both agents answered");
}

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
            error: None,
        }],
        outcome: AdjustOutcome::Promoted,
        steps: vec![StepReport { step: "record epoch 5".to_owned(), state: "done".to_owned(), detail: String::new() }],
        held: false,
        fences: Vec::new(),
        declared: None,
        error: None,
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
fn the_palette_opens_by_keys_and_runs_what_is_found() {
    let mut bench = bench(sample::snapshot());
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    bench.steps();
    bench.harness.get_by_role_and_label(Role::TextInput, "Search commands").type_text("back up billing");
    bench.steps();
    bench.harness.key_press(Key::Enter);
    bench.steps();
    let asked = bench.commands();
    assert!(matches!(&asked[0].0, Command::Run { service, at: None } if service.as_str() == "billing"));
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    bench.steps();
    bench.harness.key_press(Key::Escape);
    bench.steps();
    assert!(bench.harness.query_by_role_and_label(Role::TextInput, "Search commands").is_none());
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

#[test]
fn a_run_is_cancelled_only_after_a_plain_question() {
    let mut bench = bench(sample::snapshot());
    bench.click("Open run");
    bench.go(Screen::Runs);
    bench.harness.get_all_by_role(Role::Row).next().expect("a run").click();
    bench.steps();
    assert_eq!(bench.harness.state().screen(), Screen::Run);
    bench.click("Cancel…");
    assert!(bench.sees("What it copied is dropped on both sides") && bench.commands().is_empty());
    bench.click("Cancel the run");
    assert!(matches!(bench.commands()[0].0, Command::CancelRun { .. }));
}

/// Ten thousand lines of a catalogue, of which only those in view are drawn.
#[test]
fn a_large_catalogue_costs_no_more_than_what_is_seen_of_it() {
    let mut bench = bench(sample::snapshot());
    bench.click("New service policy…");
    let item = |path: String| CatalogueItem {
        component: "hdfs".parse().expect("a name"),
        label: path.clone(),
        path,
        selectable: true,
        expandable: false,
        bytes: Some(1 << 30),
        files: Some(7),
    };
    for _ in 0..4 {
        for (command, reply) in bench.commands() {
            let Command::Catalogue { component, .. } = command else { continue };
            let items = match component {
                None => vec![CatalogueItem { selectable: false, expandable: true, path: String::new(), ..item("hdfs".to_owned()) }],
                Some(_) => (0..10_000).map(|number| item(format!("/data/set-{number:05}"))).collect(),
            };
            reply.send(Reply::Catalogue(items)).expect("the console waits for it");
        }
        bench.steps();
    }
    let drawn = bench.harness.query_all_by_role(Role::CheckBox).count();
    assert!(drawn > 5 && drawn < 40, "{drawn} lines of 10 000 were drawn");
    assert!(bench.sees("/data/set-00000") && !bench.sees("/data/set-09999"));
    bench.harness.get_by_label("/data/set-00003").click();
    bench.steps();
    assert!(bench.sees("1 data set in 1 component"));
}

#[test]
fn many_points_cost_no_more_than_what_is_seen_of_them() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Points);
    let drawn = bench.harness.query_all_by_role(Role::Row).count();
    assert!(drawn > 5 && drawn < 30, "{drawn} of 94 rows were drawn");
}

/// An engine that takes commands and never answers: frames go on, and no question is asked twice.
#[test]
fn frames_never_wait_for_the_engine() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Users);
    bench.click("Read both sides again");
    for _ in 0..5 {
        bench.steps();
    }
    assert!(bench.sees("Reading both sides…"));
    assert_eq!(bench.commands().len(), 1);
    let mut newer = sample::snapshot();
    newer.pairs[0].services[1].state = understudy::controller::snapshot::ServiceState::LastRunFailed;
    bench.news.send(Arc::new(newer)).expect("the console watches");
    bench.go(Screen::Overview);
    assert!(bench.sees("Last run failed"), "news are shown while a reply is awaited");
}

#[test]
fn an_engine_that_is_not_there_yet_shows_a_frame_and_one_that_failed_says_why() {
    let (promised, promise) = Promise::new();
    let mut spec = sample::spec(sample::empty());
    spec.engine = Box::new(move || promise);
    let mut harness = window(spec);
    assert!(harness.query_all_by_label_contains("The engine reads its store").next().is_some());
    promised.send(Err(Trouble::new(TroubleKind::Refused, "state directory", "another engine holds it").next("attach to it")));
    harness.run_steps(3);
    assert!(harness.query_all_by_label_contains("another engine holds it").next().is_some());
}

#[test]
fn small_windows_and_long_names_fit() {
    let mut snapshot = sample::snapshot();
    let long = "a-service-whose-name-is-as-long-as-sixty-four-characters-allow-0";
    snapshot.pairs[0].services[0].name = long.parse().expect("a name");
    snapshot.pairs[0].services[0].policy.name = long.parse().expect("a name");
    let mut bench = bench(snapshot);
    bench.harness.set_size(vec2(1100.0, 700.0));
    bench.steps();
    for screen in [Screen::Overview, Screen::Clusters, Screen::Services, Screen::Points, Screen::Runs, Screen::Users] {
        bench.go(screen);
        let wide: Vec<_> = bench
            .harness
            .query_all_by_role(Role::Button)
            .filter(|node| node.rect().right() > 1100.0)
            .map(|node| format!("{node:?}"))
            .collect();
        assert!(wide.is_empty(), "{screen:?}: {wide:?}");
    }
}
