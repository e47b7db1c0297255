//! Segments to flows: who talks to whom, what became of the handshake, how it ended.
//!
//! A flow is its four-tuple until a SYN with another initial sequence number; VLAN and tunnel are not part of it.
//! Frames after FIN or RST still belong to it while it lingers. Everything that expires does so by the watermark of
//! capture time that the caller hands in, by the same rule whenever it is looked at, so any number of tables that
//! share the flows out between them come to the same answers.
//! Memory is bounded by [`FlowLimits`]; nothing is allocated per segment.

mod changes;
mod detail;
mod expiry;
mod follow;
mod followed;
mod half_open;
mod half_table;
mod handshake;
mod index;
mod key;
mod measure;
mod options;
mod prefetch;
pub(crate) mod quiet;
mod recent;
mod regrouped;
mod reset;
mod rtt;
mod slab;
mod stall;
mod state;
mod steady;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod timers;
mod traffic;
mod view;
mod waiting;

pub use changes::{
    Arrival, Changes, Decided, Failed, FinishedFlow, FlowCounts, FlowLimits, Left, Patience, Taken,
};
pub use detail::FlowDetail;
pub use handshake::{Handshake, HandshakeStep, IcmpReason, Outcome, ServedStep, Trait};
pub use key::{FlowKey, Side};
pub(crate) use prefetch::prefetch;
pub use reset::{Reset, ResetKind};
pub use rtt::RttSummary;
pub use stall::StallCounts;
pub use state::{Announced, Ending, Flow, SideState, WireCount};
pub use steady::Known;
pub use stream::{
    Cause, Endpoint, FlowProgress, Half, LossEpisode, RoundTrip, Stall, StallKind, StreamCounts, StreamStep,
    StreamStepKind,
};
pub use table::FlowTable;
pub use traffic::{FlowTraffic, SideTraffic};
pub use view::FlowView;
