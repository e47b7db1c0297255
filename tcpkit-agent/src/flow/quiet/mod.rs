//! Flows of which nothing is to be told but what a table of connections shows, as long as they are quiet.
//!
//! A flow is *quiet* that begins with a SYN, its answer and the acknowledgement of that, each seen once; whose segments
//! are all next in order, without holes, copies, closed windows, selective acknowledgements or marks of congestion;
//! and that ends by FINs, by a RST, by another SYN, or not at all. What the whole engine ([`FlowTable`](super::FlowTable))
//! would say of such a flow in a table is kept here in a fraction of the memory and time: no histograms, no causes, no
//! analyzers. A flow that is anything else is *odd*, from some frame of the capture on: this room says so and knows no
//! more of it, and whoever wants its figures has the whole engine take its frames.
//!
//! So every figure is either the engine's own or must be equal to it; tests hold both against each other.

mod brief;
mod flight;
mod flow;
mod side;
mod stalls;
mod table;

pub(crate) use brief::{Brief, Hasher};
pub(crate) use flow::{QuietEnding, QuietFlow};
pub(crate) use stalls::QuietStalls;
pub(crate) use table::{QuietTable, Tide};
