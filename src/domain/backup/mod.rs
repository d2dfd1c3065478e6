//! A backup run: the machine that decides its steps, and the plan that turns changes into a target's new state.

pub mod machine;
pub mod plan;
