//! Scenarios for guests of `cargo xtask vm`: what tcpkit does on other people's kernels.
//!
//! They are ignored elsewhere, because they take the whole machine for theirs.

mod guest;
mod tell;
