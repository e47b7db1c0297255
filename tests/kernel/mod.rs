//! The kernel side and the live source, on this kernel.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod filter;
mod frames;
mod live;
mod overload;
mod parse;
mod programs;
