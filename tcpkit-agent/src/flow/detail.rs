//! What is known of a flow beyond who, when and how much: its streams, round trips and stalls.

use super::{
    handshake::{Handshake, Trait},
    key::Side,
    rtt::RttSummary,
    stall::StallCounts,
    stream::StreamCounts,
};

/// A flow in depth, computed when somebody asks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FlowDetail {
    pub(super) streams: [StreamCounts; 2],
    pub(super) rtt: [RttSummary; 2],
    /// Stalls of both directions.
    pub stalls: StallCounts,
    /// Data in the SYN (TCP Fast Open, RFC 7413).
    pub fast_open: bool,
    /// Both sides sent a SYN (RFC 9293 §3.5).
    pub simultaneous_open: bool,
    /// A SYN offered Multipath TCP (RFC 8684).
    pub mptcp: bool,
    /// Both SYNs negotiated ECN (RFC 3168 §6.1.1).
    pub ecn: bool,
}

impl FlowDetail {
    /// What is known of a flow whose streams, round trips and stalls came to this.
    pub(super) fn observed(
        handshake: &Handshake,
        streams: [StreamCounts; 2],
        (rtt, stalls): ([RttSummary; 2], StallCounts),
    ) -> Self {
        Self {
            streams,
            rtt,
            stalls,
            fast_open: handshake.shows(Trait::FastOpen),
            simultaneous_open: handshake.shows(Trait::SimultaneousOpen),
            mptcp: handshake.shows(Trait::Multipath),
            ecn: handshake.shows(Trait::EcnGranted),
        }
    }

    /// What a side sent.
    #[must_use]
    pub const fn stream(&self, sender: Side) -> &StreamCounts {
        &self.streams[sender as usize]
    }

    /// The round trips of a side's data.
    #[must_use]
    pub const fn rtt(&self, sender: Side) -> &RttSummary {
        &self.rtt[sender as usize]
    }
}
