//! Every dialog has its title, its field and its buttons in the window, whatever it has to say and however small the window is.

use egui::accesskit::Role;
use egui::{Modifiers, pos2};
use egui_kittest::kittest::Queryable as _;
use understudy::console::command::UiCommand;
use understudy::console::{Screen, sample};
use understudy::controller::command::{Removal, Verb};
use understudy::controller::snapshot::WindowView;
use understudy::controller::{Command, Reply, Snapshot};

use super::bench::{Bench, bench};

/// A small laptop, and the mockups' window on a display at 200 %.
pub const SMALL: [((f32, f32), f32); 2] = [((1024.0, 700.0), 1.0), ((720.0, 450.0), 2.0)];

fn ready() -> Snapshot {
    let mut snapshot = sample::many();
    snapshot.pairs[0].reversible = Some("guiyang".parse().expect("a name"));
    snapshot.pairs[0].window = Some(WindowView {
        held: true,
        primary: "guiyang".parse().expect("a name"),
        back_to: "shenzhen".parse().expect("a name"),
        refused: String::new(),
        kept_back: None,
    });
    snapshot
}

fn opened(command: UiCommand, size: ((f32, f32), f32)) -> Bench {
    let mut bench = bench(ready());
    bench.resize(size.0, size.1);
    let ctx = bench.harness.ctx.clone();
    bench.harness.state_mut().command(&ctx, command);
    bench.steps();
    for (command, reply) in bench.commands() {
        match command {
            Command::Runbook { verb, .. } => reply.send(Reply::Runbook(sample::many_lines(verb))).expect("the console waits for it"),
            Command::WouldGo { removal: Removal::Pair, .. } => {
                reply.send(Reply::WouldGo(sample::many_going())).expect("the console waits for it");
            }
            other => panic!("another command: {other:?}"),
        }
    }
    bench.steps();
    bench.steps();
    bench
}

#[test]
fn a_decision_over_202_services_can_be_read_typed_and_pressed_in_a_small_window() {
    let pair = || "sz-gy".parse().expect("a name");
    // All of them in the smaller window, and the one with the most to read in the other as well.
    for (size, first) in [(SMALL[0], 1), (SMALL[1], 5)] {
        let all = [
            (UiCommand::PlannedSwitchover(pair()), "Planned switchover: make guiyang primary", "guiyang", "Make guiyang primary"),
            (UiCommand::ReverseReplication(pair()), "Reverse replication: guiyang stands by", "guiyang", "Make guiyang the target"),
            (UiCommand::TakeBack(pair()), "Take the promotion back", "shenzhen", "Give shenzhen its identity back"),
            (UiCommand::CommitPromotion(pair()), "Commit the promotion of guiyang", "guiyang", "Open guiyang to applications"),
            (UiCommand::Dissolve(pair()), "Dissolve the pair sz-gy?", "sz-gy", "Dissolve the pair"),
        ];
        for (command, title, confirm, button) in all.into_iter().take(first) {
            let mut bench = opened(command, size);
            assert!(bench.in_window(Role::Label, title), "{title} at {size:?}");
            for shown in [button, "Back"] {
                assert!(bench.in_window(Role::Button, shown), "the button {shown} of {title} at {size:?}");
            }
            let field = format!("Type {confirm} to confirm");
            let window = bench.harness.ctx.content_rect();
            assert!(window.contains_rect(bench.harness.get_by_role_and_label(Role::TextInput, &field).rect()), "{title} at {size:?}");
            bench.write(&field, confirm);
            assert!(bench.enabled(button), "{title} at {size:?}");
            bench.click(button);
            assert_eq!(bench.commands().len(), 1, "{title} at {size:?}");
        }
    }
}

#[test]
fn the_wheel_scrolls_what_a_dialog_says_and_nothing_of_it_is_cut() {
    let mut bench = opened(UiCommand::PlannedSwitchover("sz-gy".parse().expect("a name")), SMALL[0]);
    let top = |bench: &Bench| bench.harness.get_by_label("Agent of shenzhen").rect().top();
    let before = top(&bench);
    bench.wheel(pos2(512.0, 300.0), Modifiers::NONE, 5.0);
    assert!(top(&bench) < before - 20.0, "{} and before {before}", top(&bench));
    // As wide as in a window with room for everything.
    let wide = opened(UiCommand::PlannedSwitchover("sz-gy".parse().expect("a name")), ((2400.0, 1400.0), 1.0));
    for name in ["Agent of shenzhen", "One decision"] {
        let width = |bench: &Bench| bench.harness.get_by_label(name).rect().width();
        assert_eq!(width(&bench), width(&wide), "{name} is cut");
    }
}

#[test]
fn forms_and_pages_to_read_fit_a_small_window_as_well() {
    for size in SMALL {
        let mut bench = opened(UiCommand::Maintenance("sz-gy".parse().expect("a name")), size);
        assert!(bench.in_window(Role::Button, "Begin the maintenance") && bench.in_window(Role::Label, "Maintenance of sz-gy"), "{size:?}");
        bench.click("Back");
        let ctx = bench.harness.ctx.clone();
        bench.harness.state_mut().command(&ctx, UiCommand::OpenPlan);
        bench.steps();
        assert!(bench.in_window(Role::Button, "Browse…") && bench.in_window(Role::Button, "Cancel"), "{size:?}");

        let mut bench = super::bench::bench(sample::many_faulty());
        bench.resize(size.0, size.1);
        bench.click("Diagnostics");
        assert!(bench.in_window(Role::Button, "Close") && bench.in_window(Role::Label, "Diagnostics"), "{size:?}");
    }
}

#[test]
fn what_can_be_done_on_a_page_is_in_a_small_window() {
    for size in SMALL {
        let mut bench = bench(ready());
        bench.resize(size.0, size.1);
        for (screen, buttons) in [
            (Screen::Overview, vec!["New service policy…", "Pair clusters…"]),
            (Screen::Clusters, vec!["Dissolve the pair…", "Maintenance…", "Planned switchover…", "Reverse replication…", "Pair clusters…"]),
            (Screen::Services, vec!["New service policy…"]),
            (Screen::Users, vec!["Read both sides again"]),
        ] {
            bench.harness.get_by_role_and_label(Role::Tab, screen.title()).click_accesskit();
            bench.steps();
            bench.steps();
            for button in buttons {
                assert!(bench.in_window(Role::Button, button), "{button} on {screen:?} at {size:?}");
            }
        }
    }
}

/// The verb that a runbook is of is not mixed up with another's.
#[test]
fn a_runbook_of_another_verb_makes_no_dialog_ready() {
    let mut bench = bench(ready());
    let ctx = bench.harness.ctx.clone();
    bench.harness.state_mut().command(&ctx, UiCommand::PlannedSwitchover("sz-gy".parse().expect("a name")));
    bench.steps();
    let (_, reply) = bench.commands().pop().expect("asked");
    reply.send(Reply::Runbook(sample::runbook(Verb::Reverse))).expect("the console waits for it");
    bench.steps();
    bench.confirm("guiyang");
    assert!(!bench.enabled("Make guiyang primary"));
}
