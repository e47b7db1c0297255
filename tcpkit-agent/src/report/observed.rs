//! From the flow engine's own types to records.

use std::sync::Arc;

use super::{Close, DirectionRecord, FlowRecord, HandshakeResult};
use crate::{
    flow::{Ending, Flow, Handshake, IcmpReason, Outcome, Side, SideState},
    time::Span,
};

impl FlowRecord {
    /// The record of a flow as it stands.
    #[must_use]
    pub fn observed(flow: &Flow, handshake: &Handshake, interface: Option<&Arc<str>>) -> Self {
        let client = flow.client();
        let tuple = flow.key().tuple_from(client);
        Self {
            client_ip: tuple.source.to_ip(),
            client_port: tuple.source_port,
            server_ip: tuple.destination.to_ip(),
            server_port: tuple.destination_port,
            midstream: !handshake.is_seen(),
            interface: interface.map(ToString::to_string),
            start_us: flow.start.as_micros(),
            end_us: flow.end.as_micros(),
            handshake: handshake.outcome().into(),
            icmp: handshake.icmp().map(|IcmpReason { kind, code, .. }| format!("{kind}/{code}")),
            handshake_us: handshake.duration().map(Span::as_micros_f64),
            server_rtt_us: handshake.server_rtt().map(Span::as_micros_f64),
            client_rtt_us: handshake.client_rtt().map(Span::as_micros_f64),
            syn_retransmissions: handshake.syn_retransmissions(),
            synack_retransmissions: handshake.synack_retransmissions(),
            client: DirectionRecord::observed(flow.side(client)),
            server: DirectionRecord::observed(flow.side(client.other())),
            close: close(flow.ending(), client),
        }
    }
}

impl DirectionRecord {
    const fn observed(side: &SideState) -> Self {
        Self {
            frames: side.frames,
            segments: side.segments,
            bytes: side.bytes,
            payload_bytes: side.payload_bytes,
            mss: side.announced.mss,
            window_scale: side.announced.window_scale,
            sack_permitted: side.announced.sack_permitted,
        }
    }
}

impl From<Outcome> for HandshakeResult {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Midstream => Self::Midstream,
            Outcome::Pending => Self::Pending,
            Outcome::Success => Self::Success,
            Outcome::Reject => Self::Reject,
            Outcome::Timeout => Self::Timeout,
            Outcome::Unreachable => Self::Unreachable,
            Outcome::Aborted => Self::Aborted,
        }
    }
}

/// A flow that has not ended is one whose capture ends now.
fn close(ending: Option<Ending>, client: Side) -> Close {
    match ending {
        Some(Ending::Fin) => Close::Fin,
        Some(Ending::Reset(side)) if side == client => Close::RstClient,
        Some(Ending::Reset(_)) => Close::RstServer,
        Some(Ending::Idle) => Close::Idle,
        Some(Ending::Evicted) => Close::Evicted,
        Some(Ending::Reused) => Close::Reused,
        Some(Ending::EndOfCapture) | None => Close::EndOfCapture,
    }
}
