//! The console program: wiring only.

fn main() {}
