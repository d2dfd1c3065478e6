//! The fault prompt: evidence, what each service resumes from, and the one button that changes identities.

pub mod choice;
pub mod data;
pub mod ui;
