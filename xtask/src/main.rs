//! `cargo xtask`: everything that a contributor runs.

fn main() {}
