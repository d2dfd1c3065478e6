//! Drills: a recovery point brought up beside production in a space of its own, tried out, signed off, cleaned up.
//!
//! ```text
//! pressed → brought up and checked (or failed, or stopped) → cleaned, proven by listing → signed off by a person
//! ```

pub mod check;
pub mod machine;
pub mod report;
pub mod words;
