//! The agent program: wiring only.

fn main() {}
