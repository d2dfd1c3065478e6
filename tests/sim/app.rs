//! The application: it follows the product's route, writes rows to the cluster that it is told, and remembers what was acknowledged.

use std::sync::Arc;

use understudy::protocol::route::RouteReply;
use understudy::route::{Choice, choose};

use crate::truth;
use crate::world::{State, World, cluster, index};

/// A route that was asked is used for so many seconds, as a connection pool does.
const KEPT_SECS: f64 = 8.0;

pub async fn run(world: Arc<World>) {
    let mut route: Option<(usize, f64)> = None;
    loop {
        world.pause(500, 2500).await;
        world.with(|s| {
            if route.is_none_or(|(_, asked)| s.elapsed() - asked > KEPT_SECS) {
                route = ask(s).map(|i| (i, s.elapsed()));
            }
            let Some((i, _)) = route else { return };
            if write(s, i) {
                truth::check(s);
            } else {
                route = None;
            }
        });
    }
}

/// The cluster that the route names now.
pub fn ask(s: &State) -> Option<usize> {
    let reached = |i: &usize| !s.net.apps[*i].cut && !s.sites[*i].hung;
    let said: Vec<RouteReply> = (0..2).filter(reached).filter_map(|i| s.sites[i].agent.says()).collect();
    match choose(&said) {
        Choice::Active { cluster, .. } => Some(index(&cluster)),
        Choice::Conflict(_) | Choice::Unknown(_) => None,
    }
}

/// One row; true when it was acknowledged.
fn write(s: &mut State, i: usize) -> bool {
    if !s.sites[i].takes_writes() {
        return false;
    }
    let row = s.truth.rows;
    s.truth.rows += 1;
    Arc::make_mut(&mut s.sites[i].live).insert(row);
    s.truth.acknowledged[i].insert(row);
    if s.truth.rows.is_multiple_of(50) {
        s.note(format_args!("row {row} acknowledged by {}", cluster(i)));
    }
    true
}
