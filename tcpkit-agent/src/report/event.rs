//! Things worth a line while the capture runs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{FlowName, FlowRecord, HandshakeResult, RequestRecord};
use crate::{
    flow::{Cause, LossEpisode, Stall, StreamStep},
    time::Timestamp,
};

/// Something that happened, at a point in capture time.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Event {
    /// Capture time, in microseconds since the epoch.
    #[serde(serialize_with = "as_micros", rename = "time_us")]
    #[schemars(with = "i64")]
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A handshake did not succeed; `flow` is what is known of it at that time.
    HandshakeFailed {
        /// How it failed.
        result: HandshakeResult,
        /// The flow so far.
        flow: Box<FlowRecord>,
    },
    /// A loss was mended that cost its stream long.
    LossEpisode {
        /// Whose.
        #[serde(flatten)]
        flow: FlowName,
        /// Who sent what was lost: `client` or `server`.
        sender: &'static str,
        /// First retransmission to the acknowledgement of all that was sent before it.
        duration_us: f64,
        /// First transmission of what was lost to its acknowledgement, less one round trip.
        delay_us: f64,
        /// Segments sent again, by cause.
        retransmissions: BTreeMap<&'static str, u32>,
        /// Payload bytes sent again.
        retransmitted_bytes: u64,
    },
    /// A flow with something to do had done nothing for long, and goes on.
    Stall {
        /// Which.
        #[serde(flatten)]
        flow: FlowName,
        /// What it waited for: `zero_window`, `rto`, `server_thinking`, `sender_idle`.
        kind: &'static str,
        /// Who had something to send: `client` or `server`.
        sender: &'static str,
        /// How long.
        duration_us: f64,
    },
    /// A request took long, or has no answer that should have one.
    SlowRequest {
        /// The request, and where its time went.
        #[serde(flatten)]
        request: Box<RequestRecord>,
    },
    /// Frames were lost between kernel and analysis since the last such event.
    CaptureLoss {
        /// Where.
        interface: String,
        /// Frames lost.
        frames: u64,
        /// delivered / matched over the interval.
        completeness: f64,
    },
    /// The configuration was read again (SIGHUP).
    Reload {
        /// `done` or `refused`.
        outcome: &'static str,
        /// Options that have new values now, and the script, where it was read again.
        changed: Vec<String>,
        /// Options whose new values take effect at the next start.
        at_next_start: Vec<String>,
        /// Why it was refused: then everything is as it was.
        reason: Option<String>,
    },
    /// An interface changed under the capture.
    Interface {
        /// Which.
        interface: String,
        /// What happened to it, in words.
        change: String,
    },
}

impl EventKind {
    /// A loss that was mended.
    #[must_use]
    pub fn loss_episode(step: &StreamStep, episode: &LossEpisode) -> Self {
        Self::LossEpisode {
            flow: FlowName::of(&step.flow, step.client, None),
            sender: sender(step),
            duration_us: episode.end.since(episode.start).as_micros_f64(),
            delay_us: episode.delay.as_micros_f64(),
            retransmissions: Cause::ALL
                .map(|cause| (cause.name(), episode.retransmissions[cause.index()]))
                .into_iter()
                .filter(|(_, segments)| *segments > 0)
                .collect(),
            retransmitted_bytes: episode.bytes,
        }
    }

    /// A stall that is over.
    #[must_use]
    pub fn stall(step: &StreamStep, stall: &Stall) -> Self {
        Self::Stall {
            flow: FlowName::of(&step.flow, step.client, None),
            kind: stall.kind.name(),
            sender: sender(step),
            duration_us: stall.end.since(stall.start).as_micros_f64(),
        }
    }
}

fn sender(step: &StreamStep) -> &'static str {
    if step.sender == step.client { "client" } else { "server" }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's serialize_with hands over a reference")]
fn as_micros<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.as_micros())
}
