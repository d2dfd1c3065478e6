//! People: they start and cancel runs, switch over as planned, decide when the prompt asks them, also too late and on a stale screen;
//! and, once the storm is over, they do what the words on the screen say.

use std::sync::Arc;
use std::time::Duration;

use understudy::controller::command::{AdjustOutcome, AgentRequest, PairRequest};
use understudy::controller::snapshot::{PairView, WindowView};
use understudy::controller::{Command, Reply, Snapshot};
use understudy::domain::*;

use crate::app;
use crate::console::Console;
use crate::faults::Consoles;
use crate::site;
use crate::world::{World, cluster, pair, policy};

fn request(i: usize, code: &str) -> AgentRequest {
    AgentRequest { address: site::address(i), code: Some(code.into()) }
}

/// Makes the pair known to a console whose agents form it already.
pub async fn pair_up(console: &Console) {
    let command = Command::Pair(PairRequest { name: pair().clone(), primary: request(0, "code"), secondary: request(1, "code") });
    match console.ask(command).await {
        Some(Reply::PairChecks(_)) => {}
        other => panic!("not paired: {other:?}"),
    }
}

/// Somebody at a console, until the world is calm.
pub async fn busy(world: Arc<World>, consoles: Arc<Consoles>) {
    loop {
        let pause = world.with(|s| s.rng.secs(3, 60));
        tokio::time::sleep(pause).await;
        if world.with(|s| s.calm) {
            return;
        }
        let (dice, at_rival) = world.with(|s| (s.rng.below(100), s.rng.percent(40)));
        let console = if at_rival && consoles.rival.is_running() { &consoles.rival } else { &consoles.first };
        let Some(shown) = console.snapshot() else { continue };
        // What they looked at may be old when they decide.
        let hesitates = world.with(|s| if s.rng.percent(40) { s.rng.secs(1, 40) } else { Duration::ZERO });
        tokio::time::sleep(hesitates).await;
        tokio::spawn(acts(world.clone(), console.clone(), shown, dice));
    }
}

async fn acts(world: Arc<World>, console: Arc<Console>, shown: Arc<Snapshot>, dice: u64) {
    let Some(view) = shown.pairs.first() else { return };
    let prompted = view.fault.as_ref().is_some_and(|fault| fault.can_adjust);
    if let Some(window) = view.window.clone().filter(|_| view.conflict.is_empty()) {
        let whim = world.with(|s| s.whims.below(100));
        match whim {
            0..=39 if window.held => return commit(&world, &console, &shown, &window).await,
            40..=64 if window.refused.is_empty() => return take_back(&world, &console, &shown, &window).await,
            _ => {}
        }
    }
    match dice {
        _ if !view.conflict.is_empty() => {
            let to = view.clusters.iter().position(|c| c.identity == Identity::Primary).unwrap_or(0);
            adjust(&world, &console, &shown, view.clusters[to].name.clone(), false).await;
        }
        0..=59 if prompted => adjust(&world, &console, &shown, view.clusters[1].name.clone(), false).await,
        0..=21 => adjust(&world, &console, &shown, view.clusters[1].name.clone(), true).await,
        22..=25 => adjust(&world, &console, &shown, view.clusters[1].name.clone(), false).await,
        26..=27 => adjust(&world, &console, &shown, view.clusters[0].name.clone(), true).await,
        _ if view.reversible.is_some() && dice < 80 => reverse(&world, &console, &shown, view).await,
        28..=45 => {
            if let Some(run) = shown.runs.iter().find(|run| run.report.outcome.is_none()) {
                let reply = console.ask(Command::CancelRun { run: run.run }).await;
                world.with(|s| s.note(format_args!("a person cancels run {}: {}", run.run, brief(reply.as_ref()))));
            }
        }
        46..=70 => {
            let reply = console.ask(Command::Run { service: policy().name.clone(), at: None }).await;
            world.with(|s| s.note(format_args!("a person starts a run: {}", brief(reply.as_ref()))));
        }
        _ => {}
    }
}

/// Commands an identity change from what was shown; what was stale when it was commanded must be refused.
async fn adjust(world: &World, console: &Console, shown: &Snapshot, to: ClusterName, planned: bool) {
    let by = commander(world);
    // Who is to look at it first; once all is calm nobody takes the time.
    let hold = world.with(|s| !s.calm && s.whims.percent(30));
    let how = if planned { ", planned" } else { "" };
    let look = if hold { ", held for a look" } else { "" };
    world.with(|s| s.note(format_args!("{by} wants {to} to be primary{how}{look}")));
    let stale = console.snapshot().is_some_and(|now| now.generation > shown.generation);
    let generation = Some(shown.generation);
    let declared = Some("nobody writes there".to_owned());
    let (to, confirm) = (to.clone(), to.to_string());
    let points = std::collections::BTreeMap::new();
    let command =
        Command::AdjustIdentity { pair: pair().clone(), to, confirm, planned, hold, declared, points, generation, by: by.clone() };
    let reply = console.ask(command).await;
    world.with(|s| {
        s.note(format_args!("{by} hears: {}", brief(reply.as_ref())));
        let refused = match &reply {
            Some(Reply::Adjusted(report)) => report.outcome == AdjustOutcome::Refused,
            Some(Reply::Refused(_)) | None => true,
            Some(_) => false,
        };
        s.promise(!stale || refused, || format!("invariant 6: {by} decided on a stale screen"));
    });
}

/// Opens what is held for a look.
async fn commit(world: &World, console: &Console, shown: &Snapshot, window: &WindowView) {
    let command = Command::CommitPromotion {
        pair: pair().clone(),
        confirm: window.primary.to_string(),
        generation: Some(shown.generation),
        by: "somebody".into(),
    };
    let reply = console.ask(command).await;
    world.with(|s| s.note(format_args!("a person commits the promotion of {}; hears: {}", window.primary, brief(reply.as_ref()))));
}

async fn take_back(world: &World, console: &Console, shown: &Snapshot, window: &WindowView) {
    let by = commander(world);
    let (confirm, generation) = (window.back_to.to_string(), Some(shown.generation));
    let reply = console.ask(Command::TakeBack { pair: pair().clone(), confirm, generation, by }).await;
    world.with(|s| s.note(format_args!("a person takes the promotion of {} back; hears: {}", window.primary, brief(reply.as_ref()))));
}

/// Somebody who commands an identity change, by a name of their own.
fn commander(world: &World) -> String {
    world.with(|s| {
        let by = format!("person {}", s.truth.commanded.len());
        s.truth.commanded.insert(by.clone());
        by
    })
}

/// Makes the old primary, fenced, the target, as the screen offers it.
async fn reverse(world: &World, console: &Console, shown: &Snapshot, view: &PairView) {
    let Some(target) = &view.reversible else { return };
    let command = Command::ReverseReplication {
        pair: pair().clone(),
        confirm: target.to_string(),
        generation: Some(shown.generation),
        by: "somebody".into(),
    };
    let reply = console.ask(command).await;
    world.with(|s| s.note(format_args!("a person wants {target} to stand by; hears: {}", brief(reply.as_ref()))));
}

fn brief(reply: Option<&Reply>) -> String {
    match reply {
        None => "nothing, the console died".into(),
        Some(Reply::Refused(trouble)) => format!("refused: {trouble}"),
        Some(Reply::Adjusted(report)) => {
            format!("{:?}: {}", report.outcome, report.error.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        Some(Reply::Reversed(report)) => {
            format!("{:?}: {}", report.outcome, report.error.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        Some(Reply::Started(run)) => format!("started {run}"),
        Some(Reply::Done) => "done".into(),
        Some(Reply::Changes(lines)) => lines.join("; "),
        Some(_) => "something else".into(),
    }
}

/// One round of somebody who does what they are told. True when all is well.
pub async fn tidy_up(world: &Arc<World>, console: &Arc<Console>) -> bool {
    if console.dying.load(std::sync::atomic::Ordering::SeqCst) {
        return false;
    }
    if !console.is_running() {
        console.kill().await;
        console.start(0).await;
        return false;
    }
    let Some(shown) = console.snapshot() else { return false };
    let Some(view) = shown.pairs.first().filter(|_| shown.ready) else { return false };
    if !view.conflict.is_empty() {
        let to = view.clusters.iter().position(|c| c.identity == Identity::Primary).unwrap_or(0);
        adjust(world, console, &shown, view.clusters[to].name.clone(), false).await;
        return false;
    }
    // Any command tells whether this console still commands.
    if let Some(Reply::Refused(trouble)) =
        console.ask(Command::SyncUsers { pair: pair().clone(), dry_run: true, by_controller: false }).await
        && trouble.kind == TroubleKind::Outdated
    {
        world.with(|s| s.note(format_args!("a person reads: {trouble}; and starts the console again")));
        console.kill().await;
        console.start(0).await;
        return false;
    }
    if let Some(window) = view.window.as_ref().filter(|window| window.held) {
        commit(world, console, &shown, window).await;
        return false;
    }
    if view.reversible.is_some() {
        reverse(world, console, &shown, view).await;
        return false;
    }
    is_well(world, view) && seals(world, console, view).await
}

fn is_well(world: &World, view: &PairView) -> bool {
    let known = view.clusters.iter().all(|c| c.agent_answers && c.identity != Identity::Unknown && c.health == Health::Healthy);
    let rests = view.phase == "replicating";
    let serves = world.with(|s| app::ask(s).is_some_and(|i| s.sites[i].takes_writes()));
    known && rests && view.conflict.is_empty() && serves
}

/// What is not well, for whoever reads why nothing comes to rest.
pub fn unwell(world: &World, console: &Console) -> String {
    let view = console.snapshot().and_then(|shown| shown.pairs.first().cloned());
    let shown = view.map(|view| {
        let clusters: Vec<_> = view.clusters.iter().map(|c| format!("{} {} {:?}", c.name, c.identity, c.health)).collect();
        format!("{}, {}", view.phase, clusters.join(", "))
    });
    let serves = world.with(|s| app::ask(s).map(|i| format!("{}, writes {}", cluster(i), s.sites[i].takes_writes())));
    format!("{}; the route: {}", shown.unwrap_or_default(), serves.unwrap_or_default())
}

/// While a cluster stands by, a run must seal; one that is alone has no schedule.
async fn seals(world: &World, console: &Console, view: &PairView) -> bool {
    if view.phase != "replicating" {
        return true;
    }
    let before = world.with(|s| s.truth.points_sealed);
    let reply = console.ask(Command::Run { service: policy().name.clone(), at: None }).await;
    world.with(|s| s.note(format_args!("a person tries a run: {}", brief(reply.as_ref()))));
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        if world.with(|s| s.truth.points_sealed > before) {
            return true;
        }
    }
    false
}

/// `understudy-agent adopt` on both hosts, and `understudy adopt` here: what the words say when nothing else helps.
pub async fn adopt(world: &World, console: &Console) {
    for i in 0..2 {
        let reply = console.ask(Command::Adopt(request(i, "adopt"))).await;
        world.with(|s| s.note(format_args!("a person adopts {}: {}", cluster(i), brief(reply.as_ref()))));
    }
}
