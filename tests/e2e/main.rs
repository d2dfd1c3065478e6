//! The whole line with real processes: the training lab, both branches of the route, kills, a new console.
//!
//! One program for all of them, so that a newcomer links once.
#![cfg(feature = "agent")]

mod adopt;
mod alone;
mod certificates;
mod cli;
mod conflict;
mod drill;
mod freeze;
mod hooks;
mod hung;
mod kill;
mod kill_leave;
mod lab;
mod maintenance;
mod older;
mod pairing;
mod plans;
mod restore;
mod reverse;
mod route;
mod schedule;
mod silent;
mod sites;
#[path = "../stand/mod.rs"]
mod stand;
#[cfg(feature = "lab")]
mod steps;
mod stuck;
mod truth;
mod turns;
mod unpair;
mod users;
mod window;
mod words;
