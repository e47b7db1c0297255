//! What analyzers are told of the streams, at the segment that showed it.

use tcpkit_common::flow::Address;

use super::{super::key::FlowKey, super::key::Side, counts::Cause};
use crate::time::{Span, Timestamp};

/// The server's end of a flow: what rates are summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address.
    pub address: Address,
    /// Port.
    pub port: u16,
}

/// A part of the round trip, as seen from the capture point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Half {
    /// From the capture point to the server and back: the client's segments, the server's answers.
    Server,
    /// From the capture point to the client and back.
    Client,
}

/// A round trip that an acknowledgement completed: the most frequent thing to tell, so it is small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// Which part.
    pub half: Half,
    /// How long it took.
    pub span: Span,
    /// What of it exceeds the least seen in this flow: queues, delayed acknowledgements.
    pub above_min: Span,
    /// The receiver is known to have waited before it acknowledged (RFC 9293 §3.8.6.3).
    pub is_delayed_ack: bool,
    /// It may have waited, for whatever time: it acknowledges a lone segment. What exceeds the least tells nothing
    /// of queues then.
    pub may_be_delayed: bool,
}

/// Something that one segment showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStep {
    /// Of which flow.
    pub flow: FlowKey,
    /// Which of its ends is the client.
    pub client: Side,
    /// Which of its ends sent the data that this is about.
    pub sender: Side,
    /// What.
    pub kind: StreamStepKind,
}

/// What a segment showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamStepKind {
    /// Data was sent again.
    Retransmitted {
        /// Why, as far as is known now.
        cause: Cause,
        /// Segments on the wire.
        segments: u32,
        /// Octets that had been sent before.
        bytes: u32,
        /// When they were sent before; of octets that were never captured, when that showed.
        since: Timestamp,
    },
    /// Data sent again earlier was sent for another reason than thought.
    Revised {
        /// What was thought.
        from: Cause,
        /// What is known.
        to: Cause,
        /// Segments on the wire.
        segments: u32,
    },
    /// A frame with octets out of order.
    OutOfOrder,
    /// The receiver repeated an acknowledgement.
    DuplicateAck,
    /// The receiver's window went to zero.
    ZeroWindow,
    /// The receiver acknowledged octets that were not captured.
    CaptureGap {
        /// How many.
        bytes: u64,
    },
    /// A loss was mended.
    EpisodeEnded(LossEpisode),
    /// A flow with something to do had done nothing, and goes on.
    Stalled(Stall),
}

/// From the first retransmission for a loss until everything sent before that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossEpisode {
    /// The first retransmission.
    pub start: Timestamp,
    /// The acknowledgement that ended it.
    pub end: Timestamp,
    /// Segments sent again in it, by [`Cause::index`].
    pub retransmissions: [u32; Cause::COUNT],
    /// Octets sent again.
    pub bytes: u64,
    /// What the stream lost: from the first transmission of the first octet lost to its acknowledgement, less one
    /// round trip.
    pub delay: Span,
}

/// A period in which a flow with something to do did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// What it waited for.
    pub kind: StallKind,
    /// Last sign of life before.
    pub start: Timestamp,
    /// The segment that ended it.
    pub end: Timestamp,
}

/// What a stalled flow waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum StallKind {
    /// The receiver to read: its window was zero.
    ZeroWindow,
    /// The retransmission timer: the network lost what would have gone on.
    Rto,
    /// The server to answer a request that it has acknowledged or had time to get.
    ServerThinking,
    /// The client to send its next request.
    ClientThinking,
    /// The sender to go on in the middle of what it was sending.
    SenderIdle,
}

impl StallKind {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// Every kind, in order of [`StallKind::index`].
    pub const ALL: [Self; Self::COUNT] =
        [Self::ZeroWindow, Self::Rto, Self::ServerThinking, Self::ClientThinking, Self::SenderIdle];

    /// Place in an array of counts.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word in records, metrics and columns.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ZeroWindow => "zero_window",
            Self::Rto => "rto",
            Self::ServerThinking => "server_thinking",
            Self::ClientThinking => "client_thinking",
            Self::SenderIdle => "sender_idle",
        }
    }
}

/// How far a flow has come: told at its end, and before that once a second of capture time while it is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowProgress {
    /// Of which flow.
    pub flow: FlowKey,
    /// Which of its ends is the client.
    pub client: Side,
    /// When it began: with the key, its identity.
    pub start: Timestamp,
    /// Segments with payload on the wire since the last time, client's and server's.
    pub new_data_segments: [u64; 2],
    /// Segments sent again so far, both directions.
    pub retransmitted_segments: u64,
    /// Segments with payload so far, both directions.
    pub data_segments: u64,
    /// How long it was stalled by receiver, network or sender so far; thinking is no stall of the transport.
    pub stalled: Span,
}

impl StreamStep {
    /// The server of the flow.
    #[must_use]
    pub const fn server(&self) -> Endpoint {
        server_of(&self.flow, self.client)
    }
}

impl FlowProgress {
    /// The server of the flow.
    #[must_use]
    pub const fn server(&self) -> Endpoint {
        server_of(&self.flow, self.client)
    }
}

const fn server_of(flow: &FlowKey, client: Side) -> Endpoint {
    let tuple = flow.tuple_from(client.other());
    Endpoint { address: tuple.source, port: tuple.source_port }
}
