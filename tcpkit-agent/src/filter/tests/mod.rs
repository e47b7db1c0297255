//! The filter against libpcap: thousands of expressions over real and random frames.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths of test frames are small, and random numbers are cut on purpose"
)]

mod capture;
mod classic;
mod differential;
mod generator;
mod kernel;
mod long;
mod matcher;
#[cfg(ebpf_object)]
mod object;
mod place;
mod plain;
