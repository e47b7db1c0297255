//! Requests, summed up.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use serde::Serialize;

use super::RequestRecord;

/// All requests that were measured.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RequestsReport {
    /// All of them.
    #[serde(flatten)]
    pub total: RequestSummary,
    /// By protocol: `redis`, `memcached`, `http`, `dns`, `mysql`, `postgresql`, `tls`.
    pub protocols: BTreeMap<&'static str, ProtocolRequests>,
    /// Servers' ports, the one with most requests first.
    pub ports: Vec<PortRequests>,
    /// All other ports.
    pub other_ports: RequestSummary,
    /// Servers, the one with most requests first.
    pub servers: Vec<ServerRequests>,
    /// All other servers.
    pub other_servers: RequestSummary,
    /// Commands, the most frequent one first.
    pub commands: Vec<CommandRequests>,
    /// All other commands.
    pub other_commands: RequestSummary,
    /// The requests that took longest, the slowest first; blocking ones are not slow.
    pub slowest: Vec<RequestRecord>,
    /// What listening came to, beside the requests: `conversations`, `unrecognised`, `capture_gaps`, …
    pub counts: BTreeMap<&'static str, u64>,
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct RequestSummary {
    /// How many.
    pub requests: u64,
    /// Of these, answered.
    pub answered: u64,
    /// Of those, answered with an error.
    pub errors: u64,
    /// Wanted no answer.
    pub no_reply: u64,
    /// Had none until the end, or in time.
    pub unanswered: u64,
    /// Had none because the connection was lost.
    pub aborted: u64,
    /// Bytes of requests.
    pub request_bytes: u64,
    /// Bytes of answers.
    pub response_bytes: u64,
    /// First octet of the request until the answer was delivered, of those that did not ask the server to wait.
    pub total_us: RequestSpans,
    /// The server's part of that.
    pub server_us: RequestSpans,
    /// How long those took that did.
    pub blocking_us: RequestSpans,
    /// What waiting for timers cost all of them, in microseconds.
    pub rto_us: f64,
    /// What mending losses by fast retransmission did.
    pub fast_us: f64,
    /// What shut windows did.
    pub zero_window_us: f64,
}

/// How long requests took, in microseconds; percentiles are at most 1 % off, the rest is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct RequestSpans {
    /// How many.
    pub samples: u64,
    /// Least; `null` without samples, like the others.
    pub min: Option<f64>,
    /// Mean.
    pub avg: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90 % took no longer.
    pub p90: Option<f64>,
    /// 99 % took no longer.
    pub p99: Option<f64>,
    /// 99.9 % took no longer.
    pub p999: Option<f64>,
    /// Longest.
    pub max: Option<f64>,
}

/// Requests of one protocol, and what of it could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ProtocolRequests {
    /// How many, how long.
    #[serde(flatten)]
    pub summary: RequestSummary,
    /// Messages that contradict the protocol.
    pub malformed: u64,
    /// Times that the thread was lost: an octet that was needed was not captured, or the protocol changed.
    pub desynchronised: u64,
    /// Messages that servers sent unasked.
    pub pushes: u64,
    /// Interim responses.
    pub informational: u64,
    /// Answers to requests that were not captured.
    pub unmatched: u64,
    /// Requests that gave way, because too many waited on one connection.
    pub overrun: u64,
}

/// Requests to one port.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PortRequests {
    /// The servers' port.
    pub server_port: u16,
    /// How many, how long.
    #[serde(flatten)]
    pub summary: RequestSummary,
    /// Answered ones by git-hulk/tcpkit's 18 buckets of first octet to first octet; bounds are inclusive.
    pub buckets: [u64; 18],
    /// All those times together, in microseconds.
    pub latency_total_us: u64,
}

/// Requests to one server in one protocol.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ServerRequests {
    /// Its address.
    pub server_ip: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// What is spoken with it.
    pub protocol: &'static str,
    /// How many, how long.
    #[serde(flatten)]
    pub summary: RequestSummary,
}

/// Requests with one command of a protocol.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CommandRequests {
    /// The protocol.
    pub protocol: &'static str,
    /// The command, in the protocol's own words.
    pub command: String,
    /// How many, how long.
    #[serde(flatten)]
    pub summary: RequestSummary,
}
