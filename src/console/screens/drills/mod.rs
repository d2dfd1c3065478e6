//! Drills: started, followed, held against their target, signed off; and every one there was.

pub mod data;
pub mod ui;
