//! The whole program, live: real servers, real sockets, real signals, in namespaces of each test's own.

mod accuracy;
pub(crate) mod attach;
pub(crate) mod backend;
mod doctor;
mod endpoint;
mod filter;
mod handshake;
mod kit;
mod kv;
pub(crate) mod ledger;
pub(crate) mod life;
mod mix;
pub(crate) mod offload;
mod overflow;
mod peek;
mod privileges;
pub(crate) mod refused;
mod replay;
mod requests;
mod reset;
mod rtt;
mod script;
mod signals;
mod sql;
mod stall;
mod web;
