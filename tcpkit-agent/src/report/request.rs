//! The request log: one record per request.

use std::{net::IpAddr, sync::Arc};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    analyzer::{Blame, DelayCause, MeasuredRequest, Spent},
    time::Span,
};

/// One request as observed, and where its time went.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RequestRecord {
    /// Who asked.
    pub client_ip: IpAddr,
    /// Its port.
    pub client_port: u16,
    /// Who was asked.
    pub server_ip: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// Interface that the flow belongs to, where it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// `redis`, `memcached`, `http`, `dns`, `mysql`, `postgresql`, `tls`.
    pub protocol: &'static str,
    /// What was asked for, in the protocol's own words.
    pub command: String,
    /// What it was asked of; empty where there is none.
    pub key: String,
    /// The request in one line, as far as it was captured; at most 127 octets of it. What is no UTF-8 is replaced.
    pub label: String,
    /// What the answer says of itself; empty where it only answers.
    pub status: String,
    /// The answer says that the request failed.
    pub is_error: bool,
    /// `answered`, `no_reply`, `unanswered`, `aborted`.
    pub outcome: &'static str,
    /// First octet of the request; of this and the next three, the first copy captured counts.
    pub request_start_us: i64,
    /// Its last octet.
    pub request_end_us: i64,
    /// First octet of the response; `null` without one.
    pub response_start_us: Option<i64>,
    /// Its last octet.
    pub response_end_us: Option<i64>,
    /// Response start less request start, as git-hulk/tcpkit measures it; `null` without a response.
    pub latency_us: Option<f64>,
    /// Octets of the request.
    pub request_bytes: u64,
    /// Octets of the response.
    pub response_bytes: u64,
    /// The client asked the server to wait: the time says nothing of the server's speed.
    pub is_blocking: bool,
    /// Where the time went; `null` without a response.
    #[serde(rename = "where")]
    pub time_spent: Option<TimeSpent>,
}

/// Where the time of an answered request went. The parts add up to `total_us`, but for `handshake_us`, which came
/// before it, and `rto_us`, `fast_us` and `zero_window_us`, which are parts of the network's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct TimeSpent {
    /// From the request's first octet until the client had the whole response, as far as the capture point can tell.
    pub total_us: f64,
    /// The flow's handshake, where this is its first request.
    pub handshake_us: Option<f64>,
    /// The server: from when it had the request to the first octet of its response.
    pub server_us: f64,
    /// The network and both hosts' TCP: request and response on their way.
    pub network_us: f64,
    /// Of `network_us`: the request's first octet to its last one, or to the last copy of one that the server needed.
    pub request_us: f64,
    /// Of `network_us`: the same of the response.
    pub response_us: f64,
    /// Of `network_us`: waiting for the retransmission timer, or for that of a tail loss probe.
    pub rto_us: f64,
    /// Of `network_us`: mending losses by fast retransmission.
    pub fast_us: f64,
    /// Of `network_us`: the receiver's window was shut.
    pub zero_window_us: f64,
    /// The segment that cost most of that.
    pub culprit: Option<Culprit>,
}

impl TimeSpent {
    /// Where the time went, in milliseconds: `1.2 server + 201.9 network (200.4 RTO on response segment 2)`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let spent = self;
        let mut parts = format!("{} server + {} network", millis(spent.server_us), millis(spent.network_us));
        let mut details = Vec::new();
        if let Some(culprit) = &spent.culprit {
            let cause = match culprit.cause {
                "rto" => "RTO",
                "fast" => "fast retransmission",
                _ => "zero window",
            };
            let cost = millis(culprit.cost_us);
            details.push(format!("{cost} {cause} on {} segment {}", culprit.message, culprit.segment));
        }
        let lost = spent.rto_us + spent.fast_us + spent.zero_window_us;
        let slow_upload = spent.request_us > (spent.network_us - lost) / 2.0 && spent.request_us > NOTABLE_US;
        if slow_upload && spent.request_us > lost {
            details.push(format!("{} sending the request", millis(spent.request_us)));
        }
        if !details.is_empty() {
            parts.push_str(&format!(" ({})", details.join(", ")));
        }
        if let Some(handshake) = spent.handshake_us.filter(|handshake| handshake * 10.0 > spent.total_us) {
            parts.push_str(&format!(", after a handshake of {}", millis(handshake)));
        }
        parts
    }
}

/// Milliseconds with one decimal, more below one.
#[must_use]
pub(crate) fn millis(micros: f64) -> String {
    let millis = micros / 1_000.0;
    if millis == 0.0 || millis >= 1.0 { format!("{millis:.1}") } else { format!("{millis:.3}") }
}

/// A request that took less to send is no slow upload.
const NOTABLE_US: f64 = 1_000.0;

/// A segment that delayed a request.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Culprit {
    /// `request` or `response`.
    pub message: &'static str,
    /// Which segment of that message, counted from 1.
    pub segment: u32,
    /// `rto`, `fast` or `zero_window`.
    pub cause: &'static str,
    /// What it cost.
    pub cost_us: f64,
}

impl RequestRecord {
    /// The record of a request that is over.
    #[must_use]
    pub fn observed(measured: &MeasuredRequest, interface: Option<&Arc<str>>) -> Self {
        let (tuple, exchange) = (&measured.tuple, &measured.exchange);
        let (request, response) = (&exchange.request, exchange.response.as_ref());
        Self {
            client_ip: tuple.source.to_ip(),
            client_port: tuple.source_port,
            server_ip: tuple.destination.to_ip(),
            server_port: tuple.destination_port,
            interface: interface.map(ToString::to_string),
            protocol: measured.protocol.name(),
            command: request.command.to_str().into_owned(),
            key: String::from_utf8_lossy(request.key()).into_owned(),
            label: String::from_utf8_lossy(request.label()).into_owned(),
            status: exchange.status.to_str().into_owned(),
            is_error: exchange.is_error,
            outcome: exchange.outcome.name(),
            request_start_us: request.extent.start.as_micros(),
            request_end_us: request.extent.end.as_micros(),
            response_start_us: response.map(|response| response.start.as_micros()),
            response_end_us: response.map(|response| response.end.as_micros()),
            latency_us: measured.latency().map(Span::as_micros_f64),
            request_bytes: request.extent.len,
            response_bytes: response.map_or(0, |response| response.len),
            is_blocking: request.is_blocking,
            time_spent: measured.spent.as_ref().map(TimeSpent::from),
        }
    }
}

impl From<&Spent> for TimeSpent {
    fn from(spent: &Spent) -> Self {
        let lost = |cause: DelayCause| spent.lost[cause as usize].as_micros_f64();
        Self {
            total_us: spent.total.as_micros_f64(),
            handshake_us: spent.handshake.map(Span::as_micros_f64),
            server_us: spent.server.as_micros_f64(),
            network_us: spent.network.as_micros_f64(),
            request_us: spent.request.as_micros_f64(),
            response_us: spent.response.as_micros_f64(),
            rto_us: lost(DelayCause::Rto),
            fast_us: lost(DelayCause::Fast),
            zero_window_us: lost(DelayCause::ZeroWindow),
            culprit: spent.culprit.as_ref().map(Culprit::from),
        }
    }
}

impl From<&Blame> for Culprit {
    fn from(blame: &Blame) -> Self {
        Self {
            message: blame.message(),
            segment: blame.segment,
            cause: blame.cause.name(),
            cost_us: blame.cost.as_micros_f64(),
        }
    }
}
