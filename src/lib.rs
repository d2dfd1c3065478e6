#![doc = include_str!("ARCHITECTURE.md")]

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "agent")]
pub mod components;
#[cfg(feature = "console")]
pub mod console;
pub mod controller;
pub mod domain;
#[cfg(feature = "lab")]
pub mod lab;
pub mod protocol;
pub mod store;
#[cfg(feature = "agent")]
pub mod transfer;
#[cfg(feature = "agent")]
pub mod users;
