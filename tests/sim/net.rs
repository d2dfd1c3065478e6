//! The network: every call is a message there and a message back, each of which may be late, lost or cut off; what asks may come twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use understudy::domain::{Trouble, TroubleKind};

use crate::world::{World, cluster};

/// A way between two parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Between the console and an agent.
    Console(usize),
    /// Between the agents.
    Agents,
    /// Between applications and an agent.
    Apps(usize),
}

/// What is wrong with one way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub cut: bool,
    /// Messages lost, and asked twice, of a hundred.
    pub lost: u64,
    pub twice: u64,
    /// The longest delay in milliseconds, beside the usual.
    pub slow_ms: u64,
}

#[derive(Debug, Default)]
pub struct Net {
    pub console: [Weather; 2],
    pub agents: Weather,
    pub apps: [Weather; 2],
}

impl Net {
    pub fn on(&mut self, way: Way) -> &mut Weather {
        match way {
            Way::Console(i) => &mut self.console[i],
            Way::Agents => &mut self.agents,
            Way::Apps(i) => &mut self.apps[i],
        }
    }
}

/// A message's fate on a way: how long it takes, or that it never arrives.
pub fn travel(world: &World, way: Way) -> Option<Duration> {
    world.with(|s| {
        let weather = *s.net.on(way);
        let delay = s.rng.millis(1, 20 + weather.slow_ms);
        let lost = weather.cut || s.rng.percent(weather.lost);
        if lost && !weather.cut {
            *s.faults.entry("message lost").or_default() += 1;
        }
        (!lost).then_some(delay)
    })
}

/// Asks an agent. Whoever asks may give up: what is on its way arrives all the same.
pub async fn call<T, F, W>(world: &Arc<World>, way: Way, to: usize, repeats: bool, handler: F) -> Result<T, Trouble>
where
    T: Send + 'static,
    F: Fn(Arc<World>) -> W + Send + Sync + 'static,
    W: Future<Output = Result<T, Trouble>> + Send,
{
    let handler = Arc::new(handler);
    if repeats
        && world.with(|s| {
            let twice = s.net.on(way).twice;
            s.rng.percent(twice)
        })
    {
        world.with(|s| *s.faults.entry("message twice").or_default() += 1);
        // The copy is much later; nobody waits for its answer.
        let (handler, world) = (handler.clone(), world.clone());
        tokio::spawn(async move {
            world.pause(500, 60_000).await;
            if world.with(|s| s.sites[to].is_up()) {
                drop(handler(world.clone()).await);
            }
        });
    }
    let (tell, told) = oneshot::channel();
    let here = world.clone();
    tokio::spawn(async move {
        let Some(there) = travel(&here, way) else { return };
        tokio::time::sleep(there).await;
        let (up, hung, life) = here.with(|s| (s.sites[to].is_up(), s.sites[to].hung, s.sites[to].life));
        if hung {
            return;
        }
        let answer = match up {
            true => handler(here.clone()).await,
            false => Err(Trouble::new(TroubleKind::Unreachable, format!("agent {}", cluster(to)), "connection refused")),
        };
        // An agent that died meanwhile answers nobody.
        if up && here.with(|s| s.sites[to].life != life) {
            return;
        }
        let Some(back) = travel(&here, way) else { return };
        tokio::time::sleep(back).await;
        drop(tell.send(answer));
    });
    match told.await {
        Ok(answer) => answer,
        // Lost on the way: silence, until whoever asked has waited long enough.
        Err(_) => std::future::pending().await,
    }
}
