//! What both sides of tcpkit must agree on: the flow hash, the record that crosses the ring, the counters, and
//! the settings.
//!
//! A name enters this crate only when both the eBPF programs and the agent compile it.
//! Byte order: addresses are byte arrays in network order, every integer is a host-order value.
//! Shared structures hold integers and byte arrays only, without implicit padding, and their sizes are asserted.
#![no_std]

pub mod burst;
pub mod counter;
pub mod flow;
pub mod flow_count;
pub mod record;
pub mod settings;
