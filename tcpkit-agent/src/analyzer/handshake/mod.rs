//! Handshakes: how they ended and how long they took.
//!
//! A flow counts under the outcome that is known of it now, and moves when that is revised, so the counts always add
//! up to the flows that began.

mod servers;

pub use servers::{ServerCounts, Servers};

use std::collections::BTreeMap;

use super::SpanHistogram;
use crate::flow::{HandshakeStep, IcmpReason, Outcome, ServedStep, Trait};

/// All handshakes of a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandshakeAnalyzer {
    outcomes: [u64; Outcome::COUNT],
    syn_retransmissions: u64,
    synack_retransmissions: u64,
    durations: SpanHistogram,
    server_rtts: SpanHistogram,
    client_rtts: SpanHistogram,
    traits: [u64; Trait::COUNT],
    icmp: BTreeMap<IcmpReason, IcmpCounts>,
    servers: Servers,
}

/// ICMP errors of one type and code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcmpCounts {
    /// Errors that quote a segment of a flow.
    pub errors: u64,
    /// Those that answered a SYN: the handshake was `unreachable`, then at least.
    pub answers: u64,
}

impl HandshakeAnalyzer {
    /// Takes what handshakes did while a segment was looked at, or while time advanced.
    #[inline]
    pub fn on_steps(&mut self, steps: &[ServedStep]) {
        for served in steps {
            self.on_step(served.step);
            self.servers.on_step(served);
        }
    }

    fn on_step(&mut self, step: HandshakeStep) {
        match step {
            HandshakeStep::Began(outcome) => add(&mut self.outcomes[outcome.index()], 1),
            HandshakeStep::Moved { from, to } => {
                // It may have begun before these sums did: then less than nothing is left (modulo 2^64), and the sums
                // that were handed over before make up for it.
                add(&mut self.outcomes[from.index()], u64::MAX);
                add(&mut self.outcomes[to.index()], 1);
            }
            HandshakeStep::SynRetransmitted => self.syn_retransmissions += 1,
            HandshakeStep::SynAckRetransmitted => self.synack_retransmissions += 1,
            HandshakeStep::ServerRtt(span) => self.server_rtts.record(span),
            HandshakeStep::ClientRtt(span) => self.client_rtts.record(span),
            HandshakeStep::Completed(span) => self.durations.record(span),
            HandshakeStep::Icmp { reason, is_answer } => {
                let counts = self.icmp.entry(reason).or_default();
                counts.errors += 1;
                counts.answers += u64::from(is_answer);
            }
            HandshakeStep::Showed(one) => self.traits[one.index()] += 1,
        }
    }

    /// Adds another shard's handshakes.
    pub fn merge(&mut self, other: &Self) {
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(own, theirs)| add(own, theirs));
        self.syn_retransmissions += other.syn_retransmissions;
        self.synack_retransmissions += other.synack_retransmissions;
        self.durations.merge(&other.durations);
        self.server_rtts.merge(&other.server_rtts);
        self.client_rtts.merge(&other.client_rtts);
        self.traits.iter_mut().zip(other.traits).for_each(|(own, theirs)| *own += theirs);
        for (reason, theirs) in &other.icmp {
            let counts = self.icmp.entry(*reason).or_default();
            counts.errors += theirs.errors;
            counts.answers += theirs.answers;
        }
        self.servers.merge(&other.servers);
    }

    /// Flows with this outcome.
    #[must_use]
    pub const fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome.index()]
    }

    /// SYNs sent again.
    #[must_use]
    pub const fn syn_retransmissions(&self) -> u64 {
        self.syn_retransmissions
    }

    /// SYN/ACKs sent again.
    #[must_use]
    pub const fn synack_retransmissions(&self) -> u64 {
        self.synack_retransmissions
    }

    /// First SYN to the ACK that completes the handshake.
    #[must_use]
    pub const fn durations(&self) -> &SpanHistogram {
        &self.durations
    }

    /// First SYN to SYN/ACK.
    #[must_use]
    pub const fn server_rtts(&self) -> &SpanHistogram {
        &self.server_rtts
    }

    /// SYN/ACK to ACK.
    #[must_use]
    pub const fn client_rtts(&self) -> &SpanHistogram {
        &self.client_rtts
    }

    /// Handshakes that showed this.
    #[must_use]
    pub const fn showed(&self, one: Trait) -> u64 {
        self.traits[one.index()]
    }

    /// ICMP errors that quote a segment of a flow, by type and code.
    #[must_use]
    pub const fn icmp(&self) -> &BTreeMap<IcmpReason, IcmpCounts> {
        &self.icmp
    }

    /// Handshakes by server.
    #[must_use]
    pub const fn servers(&self) -> &Servers {
        &self.servers
    }
}

/// Adds modulo 2^64.
const fn add(sum: &mut u64, count: u64) {
    *sum = sum.wrapping_add(count);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use tcpkit_common::flow::Address;

    use super::*;
    use crate::{flow::Endpoint, time::Span};

    fn step() -> impl Strategy<Value = HandshakeStep> {
        prop_oneof![
            Just(HandshakeStep::Began(Outcome::Midstream)),
            Just(HandshakeStep::SynRetransmitted),
            Just(HandshakeStep::SynAckRetransmitted),
            any::<u64>().prop_map(|ns| HandshakeStep::Completed(Span(ns))),
            any::<u64>().prop_map(|ns| HandshakeStep::ServerRtt(Span(ns))),
            any::<u64>().prop_map(|ns| HandshakeStep::ClientRtt(Span(ns))),
            Just(HandshakeStep::Showed(Trait::EcnAsked)),
            (any::<bool>(), 0u8..3).prop_map(|(is_answer, code)| HandshakeStep::Icmp {
                reason: IcmpReason { version_6: false, kind: 3, code },
                is_answer,
            }),
        ]
    }

    fn fed(steps: &[HandshakeStep]) -> HandshakeAnalyzer {
        let server = Endpoint { address: Address::v4([10, 0, 0, 2]), port: 80 };
        let served: Vec<_> = steps.iter().map(|step| ServedStep { server, step: *step }).collect();
        let mut analyzer = HandshakeAnalyzer::default();
        analyzer.on_steps(&served);
        analyzer
    }

    #[test]
    fn a_revised_outcome_leaves_its_old_count() {
        let analyzer = fed(&[
            HandshakeStep::Began(Outcome::Midstream),
            HandshakeStep::Moved { from: Outcome::Midstream, to: Outcome::Pending },
            HandshakeStep::Moved { from: Outcome::Pending, to: Outcome::Timeout },
            HandshakeStep::Moved { from: Outcome::Timeout, to: Outcome::Success },
        ]);
        let counts = Outcome::ALL.map(|outcome| analyzer.count(outcome));
        assert_eq!(counts.iter().sum::<u64>(), 1);
        assert_eq!(analyzer.count(Outcome::Success), 1);
    }

    proptest! {
        #[test]
        fn merging_equals_feeding_one_and_order_does_not_matter(
            a in prop::collection::vec(step(), 0..40),
            b in prop::collection::vec(step(), 0..40),
            c in prop::collection::vec(step(), 0..40),
        ) {
            let (mut left, mut right) = (fed(&a), fed(&c));
            left.merge(&fed(&b));
            left.merge(&fed(&c));
            right.merge(&fed(&b));
            right.merge(&fed(&a));
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(left, fed(&[a, b, c].concat()));
        }
    }
}
