//! Things worth a line while the capture runs.

use serde::Serialize;

use super::{FlowRecord, HandshakeResult};
use crate::time::Timestamp;

/// Something that happened, at a point in capture time.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Capture time, in microseconds since the epoch.
    #[serde(serialize_with = "as_micros", rename = "time_us")]
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A handshake did not succeed; `flow` is what is known of it at that time.
    HandshakeFailed {
        /// How it failed.
        result: HandshakeResult,
        /// The flow so far.
        flow: Box<FlowRecord>,
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
    /// An interface changed under the capture.
    Interface {
        /// Which.
        interface: String,
        /// What happened to it, in words.
        change: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's serialize_with hands over a reference")]
fn as_micros<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.as_micros())
}
