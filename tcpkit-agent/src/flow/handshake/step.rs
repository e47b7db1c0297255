//! What handshakes tell while they happen; analyzers sum it up.

use super::{IcmpReason, Outcome};
use crate::{
    flow::{
        key::{FlowKey, Side},
        stream::Endpoint,
    },
    time::Span,
};

/// Something that a handshake just did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeStep {
    /// A new flow begins with this outcome.
    Began(Outcome),
    /// The outcome changed.
    Moved {
        /// What was thought before.
        from: Outcome,
        /// What is known now.
        to: Outcome,
    },
    /// The client sent its SYN again.
    SynRetransmitted,
    /// The server sent its SYN/ACK again.
    SynAckRetransmitted,
    /// First SYN to SYN/ACK.
    ServerRtt(Span),
    /// SYN/ACK to ACK.
    ClientRtt(Span),
    /// First SYN to the ACK that completes the handshake.
    Completed(Span),
    /// An ICMP error quotes a segment of the flow.
    Icmp {
        /// Which.
        reason: IcmpReason,
        /// It answers the SYN: the handshake is `unreachable`.
        is_answer: bool,
    },
    /// Something that a handshake shows once.
    Showed(Trait),
}

/// A step, and by which server it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedStep {
    /// The server, as far as was known then.
    pub server: Endpoint,
    /// What its handshake did.
    pub step: HandshakeStep,
}

/// Something about a handshake beside its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Trait {
    /// The client's SYN asked for ECN: ECE and CWR (RFC 3168 §6.1.1; with AE, RFC 9768).
    EcnAsked,
    /// The server's SYN/ACK granted it: ECE without CWR.
    EcnGranted,
    /// The client's SYN carried data (TCP Fast Open, RFC 7413).
    FastOpen,
    /// The server's SYN/ACK acknowledged data of the SYN.
    FastOpenAccepted,
    /// Both sides sent a SYN (RFC 9293 §3.5).
    SimultaneousOpen,
    /// A SYN or SYN/ACK offered Multipath TCP (RFC 8684 §3.1).
    Multipath,
    /// The server sent its SYN/ACK again although the ACK had long been under way to it: most often its accept queue
    /// was full and it dropped the ACK; the network may have lost it.
    AcceptQueueOverflow,
}

impl Trait {
    /// How many there are: the length of an array that [`Trait::index`] goes into.
    pub const COUNT: usize = 7;

    /// Place in an array of counts.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A set of traits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::flow) struct Traits(u8);

impl Traits {
    pub(in crate::flow) const fn contains(self, one: Trait) -> bool {
        self.0 & 1 << one as u8 != 0
    }

    /// Puts one in; true when it was not there.
    pub(in crate::flow) const fn insert(&mut self, one: Trait) -> bool {
        let is_new = !self.contains(one);
        self.0 |= 1 << one as u8;
        is_new
    }
}

/// Where a flow's steps go.
#[derive(Debug)]
pub(in crate::flow) struct Steps<'a> {
    key: FlowKey,
    client: Side,
    out: &'a mut Vec<ServedStep>,
}

impl<'a> Steps<'a> {
    pub(in crate::flow) const fn new(key: FlowKey, client: Side, out: &'a mut Vec<ServedStep>) -> Self {
        Self { key, client, out }
    }

    pub(in crate::flow) fn push(&mut self, step: HandshakeStep) {
        let tuple = self.key.tuple_from(self.client.other());
        let server = Endpoint { address: tuple.source, port: tuple.source_port };
        self.out.push(ServedStep { server, step });
    }
}
