//! Handshakes by server: address and port. Bounded, because a scan asks more servers than there are.

use hashbrown::HashMap;

use super::add;
use crate::flow::{Endpoint, HandshakeStep, Outcome, ServedStep, Trait};

/// Servers that one shard tells apart.
const MAX_SERVERS: usize = 1024;

/// Sums of several shards hold so many times as many.
const MERGED: usize = 4;

/// The handshakes of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounts {
    outcomes: [u64; Outcome::COUNT],
    /// SYNs sent again.
    pub syn_retransmissions: u64,
    /// SYN/ACKs sent again.
    pub synack_retransmissions: u64,
    /// Handshakes whose ACK the server seems to have dropped because its accept queue was full.
    pub accept_queue_overflows: u64,
}

impl ServerCounts {
    /// Handshakes with this outcome.
    #[must_use]
    pub const fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome.index()]
    }

    /// Handshakes that began.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.outcomes.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// Handshakes that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        let failed = Outcome::ALL.iter().filter(|outcome| outcome.is_failure());
        failed.map(|outcome| self.count(*outcome)).sum()
    }

    /// Adds other handshakes.
    pub fn merge(&mut self, other: &Self) {
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(own, theirs)| add(own, theirs));
        self.syn_retransmissions += other.syn_retransmissions;
        self.synack_retransmissions += other.synack_retransmissions;
        self.accept_queue_overflows += other.accept_queue_overflows;
    }

    /// What was counted of a server before it was folded stands with the others, and what has left it since, here as
    /// less than nothing: that is taken from the others.
    fn settle(&mut self, other: &mut Self) {
        for (own, others) in self.outcomes.iter_mut().zip(&mut other.outcomes) {
            if own.cast_signed() < 0 {
                add(others, std::mem::take(own));
            }
        }
    }
}

/// The handshakes of all servers: of those that were asked most, each by itself.
///
/// When they become too many, the half that was asked least is summed up in `other`. One of those that is
/// asked again begins anew, so what is counted of it is a lower bound; [`Servers::folded`] says how often that may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    by_endpoint: HashMap<Endpoint, ServerCounts>,
    other: ServerCounts,
    folded: u64,
}

impl Servers {
    pub(super) fn on_step(&mut self, served: &ServedStep) {
        match served.step {
            HandshakeStep::Moved { from, to } => self.on_move(served.server, from, to),
            HandshakeStep::SynRetransmitted => self.of(served.server).syn_retransmissions += 1,
            HandshakeStep::SynAckRetransmitted => self.of(served.server).synack_retransmissions += 1,
            HandshakeStep::Showed(Trait::AcceptQueueOverflow) => {
                self.of(served.server).accept_queue_overflows += 1;
            }
            _ => {}
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (server, counts) in &other.by_endpoint {
            self.by_endpoint.entry(*server).or_default().merge(counts);
        }
        self.other.merge(&other.other);
        self.folded += other.folded;
        if self.by_endpoint.len() > MAX_SERVERS * MERGED {
            self.fold();
        }
    }

    /// Every server that is told apart, those with most failures first; of those with as many, the ones that were
    /// asked most. And all others together.
    #[must_use]
    pub fn by_failures(&self) -> (Vec<(Endpoint, ServerCounts)>, ServerCounts) {
        let mut other = self.other;
        let mut servers: Vec<_> =
            self.by_endpoint.iter().map(|(server, counts)| (*server, *counts)).collect();
        servers.iter_mut().for_each(|(_, counts)| counts.settle(&mut other));
        servers.sort_unstable_by(|(one, a), (other, b)| {
            let rank = |counts: &ServerCounts| (counts.failures(), counts.attempts());
            rank(b).cmp(&rank(a)).then(one.cmp(other))
        });
        other.settle(&mut ServerCounts::default());
        (servers, other)
    }

    /// How often a server was moved to the others.
    #[must_use]
    pub const fn folded(&self) -> u64 {
        self.folded
    }

    /// A handshake without SYN was none. What one leaves may have been counted before these sums began, or before its
    /// server was folded: then less than nothing is left (modulo 2^64).
    fn on_move(&mut self, server: Endpoint, from: Outcome, to: Outcome) {
        let own = self.of(server);
        add(&mut own.outcomes[to.index()], 1);
        if from != Outcome::Midstream {
            add(&mut own.outcomes[from.index()], u64::MAX);
        }
    }

    fn of(&mut self, server: Endpoint) -> &mut ServerCounts {
        if self.by_endpoint.len() >= MAX_SERVERS && !self.by_endpoint.contains_key(&server) {
            self.fold();
        }
        self.by_endpoint.entry(server).or_default()
    }

    /// Moves the half that was asked least to the others.
    fn fold(&mut self) {
        let mut ranks: Vec<_> =
            self.by_endpoint.iter().map(|(server, counts)| (counts.attempts(), *server)).collect();
        ranks.sort_unstable();
        ranks.truncate(ranks.len() / 2);
        for (_, server) in ranks {
            if let Some(counts) = self.by_endpoint.remove(&server) {
                self.other.merge(&counts);
                self.folded += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tcpkit_common::flow::Address;

    use super::*;

    fn server(number: u32) -> Endpoint {
        let [a, b, c, d] = number.to_be_bytes();
        Endpoint { address: Address::v4([a, b, c, d]), port: 80 }
    }

    fn asked(servers: &mut Servers, number: u32, to: Outcome) {
        let server = server(number);
        let began = HandshakeStep::Moved { from: Outcome::Midstream, to: Outcome::Pending };
        servers.on_step(&ServedStep { server, step: began });
        let decided = HandshakeStep::Moved { from: Outcome::Pending, to };
        servers.on_step(&ServedStep { server, step: decided });
    }

    #[test]
    fn a_scan_is_bounded_and_leaves_the_servers_that_are_asked_most() {
        let mut servers = Servers::default();
        for number in 0..100_000 {
            asked(&mut servers, number, Outcome::Reject);
            asked(&mut servers, 7, Outcome::Timeout);
        }
        assert!(servers.by_endpoint.len() <= MAX_SERVERS);
        let (ranked, other) = servers.by_failures();
        assert_eq!(ranked[0].0, server(7));
        assert_eq!(ranked[0].1.count(Outcome::Timeout), 100_000);
        let told: u64 = ranked.iter().map(|(_, counts)| counts.attempts()).sum();
        assert_eq!(told + other.attempts(), 200_000, "none is lost and none invented");
        assert!(servers.folded() > 90_000);
    }

    #[test]
    fn what_a_folded_server_leaves_is_taken_from_the_others() {
        let mut servers = Servers::default();
        let began = HandshakeStep::Moved { from: Outcome::Midstream, to: Outcome::Pending };
        servers.on_step(&ServedStep { server: server(0), step: began });
        for number in 1..=10_000 {
            asked(&mut servers, number, Outcome::Success);
            asked(&mut servers, number, Outcome::Success);
        }
        let pending = |servers: &Servers| servers.by_failures().1.count(Outcome::Pending);
        assert_eq!(pending(&servers), 1);
        let decided = HandshakeStep::Moved { from: Outcome::Pending, to: Outcome::Timeout };
        servers.on_step(&ServedStep { server: server(0), step: decided });
        assert_eq!(pending(&servers), 0);
        assert_eq!(servers.by_failures().0[0].0, server(0));
    }
}
