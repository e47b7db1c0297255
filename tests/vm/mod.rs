//! Scenarios for guests of `cargo xtask vm`: what tcpkit does on other people's kernels.
//!
//! They are ignored elsewhere, because they take the whole machine for theirs. One after the other in the order of their
//! names: what cannot be undone stands in the last module.

mod attach;
mod bond;
mod capture;
mod guest;
mod idle;
mod life;
mod load;
mod tell;
mod until_the_end;
