//! `tcpkit`: parse, run, exit.

fn main() {}
