//! What goes wrong, drawn from the seed: one fault after the other, each with its own end, several at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;

use crate::console::{Console, Fuse, copy_state};
use crate::net::{Way, Weather};
use crate::site;
use crate::truth;
use crate::world::{CONSOLE, State, World, cluster};

/// The consoles: the one in use, and a second one on an old copy of its state.
pub struct Consoles {
    pub first: Arc<Console>,
    pub rival: Arc<Console>,
}

/// Faults until the world is calm.
pub async fn storm(world: Arc<World>, consoles: Arc<Consoles>) {
    loop {
        let pause = world.with(|s| s.rng.secs(2, 45));
        tokio::time::sleep(pause).await;
        if world.with(|s| s.calm) {
            return;
        }
        tokio::spawn(one(world.clone(), consoles.clone()));
    }
}

async fn one(world: Arc<World>, consoles: Arc<Consoles>) {
    let (kind, i, lasts) = world.with(|s| (s.rng.below(100), usize::from(s.rng.percent(50)), s.rng.secs(1, 90)));
    match kind {
        0..=11 => weather(&world, Way::Console(i), lasts).await,
        12..=19 => weather(&world, Way::Agents, lasts).await,
        20..=25 => cut(&world, Way::Apps(i), "application cut off", lasts).await,
        26..=41 => agent_dies(&world, i, lasts).await,
        42..=47 => agent_hangs(&world, i, lasts).await,
        48..=57 => cluster_dies(&world, i, lasts).await,
        58..=75 => console_dies(&world, &consoles.first, lasts).await,
        76..=81 => console_disk(&world, &consoles.first, lasts).await,
        82..=87 => agent_disk(&world, i, lasts).await,
        88..=95 => clock_steps(&world, usize::try_from(kind % 3).unwrap(), lasts).await,
        _ => rival(&world, &consoles, lasts).await,
    }
}

fn begins(world: &World, kind: &'static str, line: String) -> bool {
    world.with(|s| {
        let may = !s.calm;
        if may {
            s.fault(kind, line);
        }
        may
    })
}

/// Cut off, or slow and losing, and asking twice.
async fn weather(world: &World, way: Way, lasts: Duration) {
    let (hard, slow_ms, lost, twice) = world.with(|s| (s.rng.percent(50), s.rng.below(6_000), s.rng.below(40), s.rng.below(60)));
    if hard {
        return cut(world, way, if way == Way::Agents { "agents cut off" } else { "console cut off" }, lasts).await;
    }
    if begins(world, "bad network", format!("{way:?}: {lost} % lost, {twice} % twice, up to {slow_ms} ms late")) {
        world.with(|s| *s.net.on(way) = Weather { cut: false, lost, twice, slow_ms });
        tokio::time::sleep(lasts).await;
        world.with(|s| *s.net.on(way) = Weather::default());
    }
}

async fn cut(world: &World, way: Way, kind: &'static str, lasts: Duration) {
    if begins(world, kind, format!("{way:?}")) {
        world.with(|s| s.net.on(way).cut = true);
        tokio::time::sleep(lasts).await;
        world.with(|s| {
            s.net.on(way).cut = false;
            s.note(format_args!("{way:?} is whole again"));
        });
    }
}

async fn agent_dies(world: &Arc<World>, i: usize, lasts: Duration) {
    if !world.with(|s| s.sites[i].is_up()) || !begins(world, "agent killed", cluster(i).to_string()) {
        return;
    }
    world.with(|s| site::crash(s, i));
    let quick = world.with(|s| s.rng.percent(60));
    tokio::time::sleep(if quick { lasts / 20 } else { lasts }).await;
    starts_again(world, i);
}

fn starts_again(world: &Arc<World>, i: usize) {
    if !world.with(|s| s.sites[i].is_up()) {
        site::start(world, i);
    }
}

async fn agent_hangs(world: &Arc<World>, i: usize, lasts: Duration) {
    if world.with(|s| s.sites[i].is_up()) && begins(world, "agent hangs", cluster(i).to_string()) {
        world.with(|s| s.sites[i].hung = true);
        tokio::time::sleep(lasts).await;
        world.with(|s| {
            s.sites[i].hung = false;
            s.note(format_args!("the agent of {} goes on", cluster(i)));
        });
    }
}

pub fn set_cluster(s: &mut State, i: usize, up: bool) {
    s.sites[i].cluster_up = up;
    s.truth.dead_since[i] = (!up).then(|| s.elapsed());
    s.note(format_args!("cluster {} is {}", cluster(i), if up { "up" } else { "dead" }));
}

/// Its data, and in half of the cases its agent with it. Some are dead for long: those are the ones that people decide about.
async fn cluster_dies(world: &Arc<World>, i: usize, lasts: Duration) {
    if !world.with(|s| s.sites[i].cluster_up) || !begins(world, "cluster dead", cluster(i).to_string()) {
        return;
    }
    let (with_agent, long) = world.with(|s| {
        set_cluster(s, i, false);
        truth::check(s);
        (s.rng.percent(50), s.rng.percent(50))
    });
    if with_agent {
        world.with(|s| site::crash(s, i));
    }
    tokio::time::sleep(if long { lasts * 5 } else { lasts }).await;
    world.with(|s| set_cluster(s, i, true));
    starts_again(world, i);
}

/// Killed at one of its next touches of the outside; started again later, often to be killed on its way up.
async fn console_dies(world: &Arc<World>, console: &Arc<Console>, lasts: Duration) {
    let (touches, again) = world.with(|s| (1 + s.rng.below(60), s.rng.below(3)));
    let Some(fuse) = console.fuse() else { return };
    if console.dying.swap(true, Ordering::SeqCst) {
        return;
    }
    console_dies_alone(world, console, fuse, touches, again, lasts).await;
    console.dying.store(false, Ordering::SeqCst);
}

async fn console_dies_alone(world: &World, console: &Arc<Console>, fuse: Arc<Fuse>, touches: u64, again: u64, lasts: Duration) {
    if !begins(world, "console killed", format!("at its touch {touches} from now")) {
        return;
    }
    fuse.light(i64::try_from(touches).unwrap());
    fuse.blown.cancelled().await;
    console.kill().await;
    for _ in 0..again {
        let touches = world.with(|s| 1 + s.rng.below(25));
        world.with(|s| s.fault("console killed", format_args!("at its touch {touches} from its start")));
        if console.start(i64::try_from(touches).unwrap()).await
            && let Some(fuse) = console.fuse()
        {
            fuse.blown.cancelled().await;
        }
        console.kill().await;
    }
    tokio::time::sleep(lasts / 4).await;
    while !console.is_running() {
        // It may not come up while its disk is full.
        if !console.start(0).await {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
}

async fn console_disk(world: &World, console: &Console, lasts: Duration) {
    if begins(world, "console's disk full", String::new()) {
        console.disk_full.store(true, Ordering::SeqCst);
        tokio::time::sleep(lasts).await;
        console.disk_full.store(false, Ordering::SeqCst);
    }
}

async fn agent_disk(world: &World, i: usize, lasts: Duration) {
    if begins(world, "agent's disk full", cluster(i).to_string()) {
        world.with(|s| s.sites[i].disk_full = true);
        tokio::time::sleep(lasts).await;
        world.with(|s| s.sites[i].disk_full = false);
    }
}

/// A party's wall clock is stepped, and set right again later.
async fn clock_steps(world: &World, party: usize, lasts: Duration) {
    let step = world.with(|s| {
        let millis: i64 = [300, 5_000, 120_000, 3_600_000][usize::try_from(s.rng.below(4)).unwrap()];
        TimeDelta::milliseconds(if s.rng.percent(50) { millis } else { -millis })
    });
    let who = if party == CONSOLE { "console" } else { cluster(party).as_str() };
    if begins(world, "clock stepped", format!("{who} by {} ms", step.num_milliseconds())) {
        world.with(|s| s.clock_off[party] += step);
        tokio::time::sleep(lasts).await;
        world.with(|s| s.clock_off[party] -= step);
    }
}

/// A second console on a copy of the state as it is now starts later, commands for a while, and is closed.
async fn rival(world: &Arc<World>, consoles: &Consoles, lasts: Duration) {
    let rival = &consoles.rival;
    if rival.dying.swap(true, Ordering::SeqCst) {
        return;
    }
    if begins(world, "second console", "on a copy of the state".into()) {
        copy_state(&consoles.first.state, &rival.state);
        tokio::time::sleep(lasts).await;
        if !world.with(|s| s.calm) && rival.start(0).await {
            tokio::time::sleep(lasts).await;
        }
        rival.kill().await;
    }
    rival.dying.store(false, Ordering::SeqCst);
}
