//! The request log: one record per request.

use std::net::IpAddr;

use serde::Serialize;

/// One request as observed, and where its time went.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TimeSpent {
    /// From the request's first octet until the client had the whole response, as far as the capture point can tell.
    pub total_us: f64,
    /// The flow's handshake, where this is its first request.
    pub handshake_us: Option<f64>,
    /// The server: from when it had the request to the first octet of its response.
    pub server_us: f64,
    /// The network and both hosts' TCP: request and response on their way.
    pub network_us: f64,
    /// Of `network_us`: waiting for the retransmission timer.
    pub rto_us: f64,
    /// Of `network_us`: mending losses by fast retransmission.
    pub fast_us: f64,
    /// Of `network_us`: the receiver's window was shut.
    pub zero_window_us: f64,
    /// The segment that cost most of that.
    pub culprit: Option<Culprit>,
}

/// A segment that delayed a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
