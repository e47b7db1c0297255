//! The handshake part of the report.

use super::summary;
use crate::{
    analyzer::{HandshakeAnalyzer, ServerCounts, Servers},
    flow::{Outcome, Trait},
    report::{HandshakeCounts, HandshakeReport, HandshakeResult, IcmpErrorCount, ServerHandshakes},
};

/// Servers that the report names; the others are summed up.
const NAMED: usize = 100;

pub(super) fn report(handshakes: &HandshakeAnalyzer) -> HandshakeReport {
    let result = |outcome: &Outcome| (HandshakeResult::from(*outcome).name(), handshakes.count(*outcome));
    let (servers, other_servers) = servers(handshakes.servers());
    HandshakeReport {
        results: Outcome::ALL.iter().map(result).collect(),
        syn_retransmissions: handshakes.syn_retransmissions(),
        synack_retransmissions: handshakes.synack_retransmissions(),
        accept_queue_overflows: handshakes.showed(Trait::AcceptQueueOverflow),
        ecn_asked: handshakes.showed(Trait::EcnAsked),
        ecn_granted: handshakes.showed(Trait::EcnGranted),
        fast_open: handshakes.showed(Trait::FastOpen),
        fast_open_accepted: handshakes.showed(Trait::FastOpenAccepted),
        simultaneous_opens: handshakes.showed(Trait::SimultaneousOpen),
        mptcp: handshakes.showed(Trait::Multipath),
        handshake_us: summary(handshakes.durations()),
        server_rtt_us: summary(handshakes.server_rtts()),
        client_rtt_us: summary(handshakes.client_rtts()),
        icmp: icmp(handshakes),
        servers,
        other_servers,
        servers_folded: handshakes.servers().folded(),
    }
}

fn icmp(handshakes: &HandshakeAnalyzer) -> Vec<IcmpErrorCount> {
    let counts = handshakes.icmp().iter().map(|(reason, counts)| IcmpErrorCount {
        protocol: if reason.version_6 { "icmpv6" } else { "icmp" },
        kind: reason.kind,
        code: reason.code,
        name: reason.name(),
        errors: counts.errors,
        unreachable: counts.answers,
    });
    counts.collect()
}

fn servers(servers: &Servers) -> (Vec<ServerHandshakes>, HandshakeCounts) {
    let (ranked, mut other) = servers.by_failures();
    let (named, others) = ranked.split_at(ranked.len().min(NAMED));
    others.iter().for_each(|(_, counts)| other.merge(counts));
    let named = named.iter().map(|(server, counts)| ServerHandshakes {
        server_ip: server.address.to_ip(),
        server_port: server.port,
        counts: counts_of(counts),
    });
    (named.collect(), counts_of(&other))
}

fn counts_of(counts: &ServerCounts) -> HandshakeCounts {
    let result = |outcome: &Outcome| (HandshakeResult::from(*outcome).name(), counts.count(*outcome));
    HandshakeCounts {
        attempts: counts.attempts(),
        failures: counts.failures(),
        results: Outcome::ALL.iter().map(result).filter(|(_, count)| *count > 0).collect(),
        syn_retransmissions: counts.syn_retransmissions,
        synack_retransmissions: counts.synack_retransmissions,
        accept_queue_overflows: counts.accept_queue_overflows,
    }
}
