//! The whole program, live: real servers, real sockets, real signals, in namespaces of each test's own.

mod attach;
mod backend;
mod endpoint;
mod filter;
mod ledger;
mod mix;
mod peek;
mod privileges;
mod replay;
mod signals;
