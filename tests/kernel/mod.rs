//! The kernel side and the live source, on this kernel.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod filter;
mod frames;
mod links;
mod live;
mod log;
mod long_filter;
mod overload;
mod parse;
mod programs;
mod vlan;
