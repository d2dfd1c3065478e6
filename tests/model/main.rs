//! The identity machine and its message exchange, explored over all interleavings: two agents, a controller, a rival, crashes, and
//! messages that are lost, repeated, delayed and reordered.
//!
//! `MODEL_STATES` states a search at most (breadth first, so that a counterexample is one of the shortest); the figures say how deep
//! that went. `MODEL_STATES=3000000 cargo test --release --test model -- --nocapture` goes deeper.

mod agent;
mod controller;
mod heal;
mod promises;
mod together;
mod world;

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use world::{Budget, Move, World};

/// States a search unless `MODEL_STATES` says otherwise.
const STATES: usize = 12_000;

struct Search {
    /// Where each world came from.
    from: HashMap<u64, (u64, Move)>,
    healed: HashSet<u64>,
    transitions: u64,
    root: World,
}

/// Explores breadth first, so many times the usual states; what went wrong, as a list of steps.
fn explore(name: &str, root: World, times: usize) -> Result<(), String> {
    let most = times * std::env::var("MODEL_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(STATES);
    let begun = Instant::now();
    let start = root.mark();
    let mut search = Search { from: HashMap::new(), healed: HashSet::new(), transitions: 0, root: root.clone() };
    let mut seen = HashSet::from([start]);
    let mut level = vec![(start, root)];
    let (mut depth, mut whole) = (0, 0);
    while !level.is_empty() && seen.len() < most {
        let mut next = Vec::new();
        for (mark, world) in &level {
            for step in world.moves() {
                let Some(new) = world.after(step) else { continue };
                search.transitions += 1;
                let new_mark = new.mark();
                let wrong = promises::wrong(world, step, &new);
                if !seen.insert(new_mark) {
                    wrong.map_or(Ok(()), |why| Err(search.story(*mark, Some(step), &why, &[])))?;
                    continue;
                }
                search.from.insert(new_mark, (*mark, step));
                if let Some(why) = wrong.or_else(|| together::broken(&new.agents[0], &new.agents[1])) {
                    return Err(search.story(new_mark, None, &why, &[]));
                }
                if let Err(steps) = heal::heal(&new, &mut search.healed) {
                    return Err(search.story(new_mark, None, "nothing leads out of here", &steps));
                }
                next.push((new_mark, new));
                if seen.len() >= most {
                    break;
                }
            }
            if seen.len() >= most {
                break;
            }
        }
        depth += 1;
        whole = if seen.len() < most { depth } else { whole };
        level = next;
    }
    let (states, transitions, secs) = (seen.len(), search.transitions, begun.elapsed().as_secs_f32());
    let all = if level.is_empty() { ", which is all of them" } else { "" };
    println!("{name}: {states} states{all}, {transitions} transitions, every interleaving to depth {whole}, {secs:.1} s");
    Ok(())
}

impl Search {
    /// The way from the root to a world, in words, and what is wrong there.
    fn story(&self, mut mark: u64, last: Option<Move>, why: &str, after: &[String]) -> String {
        let mut steps: Vec<Move> = last.into_iter().collect();
        while let Some((before, step)) = self.from.get(&mark) {
            steps.push(*step);
            mark = *before;
        }
        let mut world = self.root.clone();
        let mut lines = vec![format!("{why}:")];
        for (n, step) in steps.into_iter().rev().enumerate() {
            lines.push(format!("{:3}. {}", n + 1, world.says(step)));
            world = world.after(step).expect("it happened");
        }
        lines.extend(after.iter().map(|line| format!("     then {line}")));
        lines.join("\n")
    }
}

fn holds(name: &str, root: World) {
    holds_further(name, root, 1);
}

fn holds_further(name: &str, root: World, times: usize) {
    if let Err(story) = explore(name, root, times) {
        panic!("{name}: {story}");
    }
}

const NOTHING: Budget =
    Budget { crashes: 0, stops: 0, decisions: 0, give_ups: 0, adoptions: 0, rivals: 0, windows: 0, holds: false, forgeries: 0 };

#[test]
fn one_controller_and_two_agents_that_crash_keep_every_promise() {
    holds("crashes", World::paired(Budget { crashes: 1, stops: 1, decisions: 1, ..NOTHING }));
}

#[test]
fn a_planned_switchover_that_is_given_up_leaves_nothing_behind() {
    holds("given up", World::paired(Budget { decisions: 2, give_ups: 1, ..NOTHING }));
}

#[test]
fn a_held_promotion_serves_nobody_before_a_person_commits_it_and_is_taken_back_whole() {
    holds("held", World::paired(Budget { crashes: 1, decisions: 2, windows: 2, holds: true, ..NOTHING }));
}

#[test]
fn what_was_written_since_a_promotion_is_never_taken_back() {
    holds("taken back", promoted(Budget { crashes: 1, stops: 1, decisions: 1, windows: 2, ..NOTHING }));
}

#[test]
fn a_promotion_taken_back_under_a_rival_s_eyes_keeps_every_promise() {
    holds("taken back, rival", promoted(Budget { decisions: 1, windows: 1, rivals: 1, adoptions: 1, ..NOTHING }));
}

/// West serves after a fault of east, which has come back and stands fenced.
fn promoted(budget: Budget) -> World {
    let mut world = World::paired(Budget { decisions: 1, ..NOTHING });
    let mut steps = vec![Move::Decides { who: 0, planned: false }, Move::Sends(0), Move::Arrives(0)];
    steps.extend([Move::Works(1, 0); 4]);
    steps.extend([Move::Reads(0), Move::Sends(0), Move::Arrives(0)]);
    world = after(world, &steps);
    let demotion = (0..world.sent.len()).find_map(|n| world.after(Move::Arrives(n)).filter(|w| !w.agents[0].ready().is_empty()));
    world = demotion.unwrap_or(world);
    while !world.agents[0].ready().is_empty() {
        world = after(world, &[Move::Works(0, 0)]);
    }
    world = after(world, &[Move::Reads(0)]);
    world.budget = budget;
    world
}

#[test]
fn a_rival_ousts_or_is_ousted_and_never_makes_a_second_primary() {
    holds("rival", World::paired(Budget { decisions: 2, rivals: 1, adoptions: 1, ..NOTHING }));
}

/// Invariant 15. The rival has adopted both agents, or one of them; the first controller's key is in somebody else's hands.
#[test]
fn a_controller_that_was_cut_off_and_goes_on_sending_changes_nothing() {
    let root = World::paired(Budget { decisions: 1, rivals: 1, adoptions: 1, forgeries: 2, ..NOTHING });
    for agents in [[true, true], [false, true]] {
        holds("cut off", after(root.clone(), &[Move::Starts(1), Move::Adopts { who: 1, agents }]));
    }
}

/// Both know of epoch 1 only; what the two of them sent meets in every order, also within the agents' jobs.
#[test]
fn two_controllers_decide_at_once_and_one_decision_makes_the_epoch() {
    let root = World::paired(Budget { decisions: 2, rivals: 1, ..NOTHING });
    let both = [Move::StartsOnCopy { old: true }, Move::Decides { who: 0, planned: false }, Move::Decides { who: 1, planned: false }];
    holds("at once", after(root, &both));
}

/// The second decision is above the first, whose demotion of the old primary is still on its way.
#[test]
fn two_controllers_decide_one_after_the_other_and_the_first_changes_nothing_any_more() {
    let root = World::paired(Budget { decisions: 2, rivals: 1, ..NOTHING });
    let mut first = vec![Move::StartsOnCopy { old: true }, Move::Decides { who: 0, planned: false }, Move::Sends(0), Move::Arrives(0)];
    first.extend([Move::Works(1, 0); 4]);
    first.extend([Move::Reads(0), Move::Sends(0), Move::Decides { who: 1, planned: false }, Move::Sends(1)]);
    // Both demotions have arrived at east, and neither has begun.
    first.extend([Move::Arrives(2), Move::Arrives(1)]);
    first.extend([Move::Works(1, 0); 4]);
    first.extend([Move::Reads(1), Move::Sends(1), Move::Arrives(3)]);
    holds("one after the other", after(root, &first));
}

fn after(world: World, steps: &[Move]) -> World {
    steps.iter().fold(world, |world, step| world.after(*step).expect("it may happen"))
}

#[test]
fn two_decisions_of_one_epoch_stand_still_until_a_person_decides() {
    // Whoever acts must first have been told what each of the two holds: nothing happens in the first steps.
    holds_further("two decisions", World::contended(Budget { crashes: 1, decisions: 1, rivals: 1, ..NOTHING }), 4);
}
