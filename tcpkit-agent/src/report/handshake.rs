//! One record for each decided handshake.

use std::{net::IpAddr, sync::Arc};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::HandshakeResult;
use crate::{
    flow::{Flow, Handshake, IcmpReason},
    time::{Span, Timestamp},
};

/// What became of one handshake, told when it was decided.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HandshakeRecord {
    /// Sender of the first SYN.
    pub client_ip: IpAddr,
    /// Its port.
    pub client_port: u16,
    /// The other side.
    pub server_ip: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// Interface that the flow belongs to, where it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// What became of it; `pending` when the capture ended first.
    pub result: HandshakeResult,
    /// ICMP type and code behind `unreachable`, as `3/1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp: Option<String>,
    /// First SYN, in microseconds since the epoch.
    #[serde(rename = "start_us", serialize_with = "as_micros")]
    #[schemars(with = "i64")]
    pub start: Timestamp,
    /// First SYN to what decided it: the last segment of the handshake, the ICMP error, or the time-out.
    #[serde(rename = "took_us", serialize_with = "as_micros_f64")]
    #[schemars(with = "f64")]
    pub took: Span,
    /// SYNs sent again until then: tcpeek's `DUP SYN`.
    pub syn_repeats: u32,
    /// SYN/ACKs that repeat the first one until then, sequence number and all: tcpeek's `DUP S/A`.
    pub synack_repeats: u32,
}

impl HandshakeRecord {
    /// The record of a flow's handshake as it stands; `None` when no SYN was seen.
    #[must_use]
    pub fn observed(
        flow: &Flow,
        handshake: &Handshake,
        took: Span,
        interface: Option<&Arc<str>>,
    ) -> Option<Self> {
        let client = flow.client();
        let tuple = flow.key().tuple_from(client);
        Some(Self {
            client_ip: tuple.source.to_ip(),
            client_port: tuple.source_port,
            server_ip: tuple.destination.to_ip(),
            server_port: tuple.destination_port,
            interface: interface.map(ToString::to_string),
            result: handshake.outcome().into(),
            icmp: handshake.icmp().map(|IcmpReason { kind, code, .. }| format!("{kind}/{code}")),
            start: handshake.first_syn()?,
            took,
            syn_repeats: handshake.syn_retransmissions(),
            synack_repeats: handshake.synack_repeats(),
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's serialize_with hands over a reference")]
fn as_micros<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.as_micros())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's serialize_with hands over a reference")]
fn as_micros_f64<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_micros_f64())
}
