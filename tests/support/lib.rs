//! What the scenarios share: running `tcpkit`, private network namespaces, real servers, captures.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "a scenario that does not go as planned fails right there, and says so on standard error"
)]

pub mod attached;
pub mod bpf;
pub mod browser;
pub mod database;
pub mod generator;
pub mod judge;
pub mod kernel;
pub mod leave_out;
pub mod left_out;
pub mod live;
pub mod netns;
pub mod packet_socket;
pub mod run;
pub mod seccomp;
pub mod server;
pub mod tcp_info;
pub mod terminal;
pub mod test_run;
pub mod traffic;
pub mod wait;
pub mod web;
