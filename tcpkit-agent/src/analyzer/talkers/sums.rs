//! What one talker sent and received.

use crate::{analyzer::ranking::Weighed, flow::SideTraffic};

/// What was said between one and others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// By it.
    pub sent: SideTraffic,
    /// By the others, to it.
    pub received: SideTraffic,
    /// TCP flows.
    pub flows: u64,
}

/// What a talker said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TalkSum {
    /// All of it.
    pub talk: Talk,
    /// Of the flows of an address, those with another address of its prefix, counted at one of both.
    pub(super) flows_within: u64,
}

impl Talk {
    pub(super) const fn add(&mut self, other: &Self) {
        self.sent.add(&other.sent);
        self.received.add(&other.received);
        self.flows += other.flows;
    }

    /// The same as the other end sees it.
    pub(super) const fn reversed(&self) -> Self {
        Self { sent: self.received, received: self.sent, flows: self.flows }
    }
}

impl TalkSum {
    /// Adds a member to its group: a flow between two members is one flow.
    pub(super) const fn join(&mut self, member: &Self) {
        self.talk.add(&member.talk);
        self.talk.flows -= member.flows_within;
    }
}

impl Weighed for TalkSum {
    fn weight(&self) -> (u64, u64) {
        let Talk { sent, received, .. } = &self.talk;
        (sent.bytes + received.bytes, sent.packets + received.packets)
    }

    fn add(&mut self, other: &Self) {
        self.talk.add(&other.talk);
        self.flows_within += other.flows_within;
    }
}
