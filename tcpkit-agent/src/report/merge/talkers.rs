//! Talkers of the report.

use std::hash::Hash;

use super::{NAMED, share};
use crate::{
    analyzer::{Ranking, TalkSum, TalkerAnalyzer},
    flow::SideTraffic,
    report::{AddressTalk, Count, PortTalk, PrefixTalk, SentCount, ServiceTalk, TalkCount, TalkersReport},
    wire::Transport,
};

/// The heaviest `top` of each list, where it was asked for so many.
pub(super) fn report(talkers: &TalkerAnalyzer, top: Option<usize>) -> TalkersReport {
    let named = top.unwrap_or(NAMED);
    let (prefixes, ports) = (talkers.prefixes(), talkers.ports());
    let (addresses, services) = (talkers.addresses(), talkers.services());
    TalkersReport {
        total: count(talkers.total()),
        addresses: rows(addresses, named, |address, count| AddressTalk { address: address.to_ip(), count }),
        other_addresses: beyond(addresses, named),
        prefixes: rows(&prefixes, named, |prefix, count| {
            let (address, length) = prefix.network();
            PrefixTalk { prefix: format!("{address}/{length}"), count }
        }),
        other_prefixes: beyond(&prefixes, named),
        ports: rows(&ports, named, |port, count| PortTalk {
            server_port: port.port,
            protocol: protocol(port.transport()),
            count,
        }),
        other_ports: beyond(&ports, named),
        services: rows(services, named, |service, count| ServiceTalk {
            server_ip: service.server.address.to_ip(),
            server_port: service.server.port,
            protocol: protocol(service.transport()),
            count,
        }),
        other_services: beyond(services, named),
        addresses_folded: addresses.folded(),
        prefixes_folded: prefixes.folded(),
        ports_folded: ports.folded(),
        services_folded: services.folded(),
        shown: top.unwrap_or(SHOWN),
    }
}

/// Rows of each list on a screen, unless asked otherwise.
const SHOWN: usize = 5;

fn rows<K: Copy + Ord + Hash, R>(
    ranking: &Ranking<K, TalkSum>,
    named: usize,
    row: impl Fn(K, TalkCount) -> R,
) -> Vec<R> {
    let top = ranking.top_bounded(named).into_iter();
    top.map(|(key, sum, missing_bytes)| row(key, talk(sum, missing_bytes))).collect()
}

/// The sum of the others is exact but for what the named ones may lack: that is in it.
fn beyond<K: Copy + Ord + Hash>(ranking: &Ranking<K, TalkSum>, named: usize) -> TalkCount {
    talk(&ranking.beyond(named), 0)
}

fn talk(sum: &TalkSum, missing_bytes: u64) -> TalkCount {
    let (sent, received) = (&sum.talk.sent, &sum.talk.received);
    let payload = sent.payload_bytes + received.payload_bytes;
    TalkCount {
        bytes: sent.bytes + received.bytes,
        missing_bytes,
        flows: sum.talk.flows,
        retransmitted_share: share(sent.retransmitted_bytes + received.retransmitted_bytes, payload),
        sent: one_way(sent),
        received: one_way(received),
    }
}

const fn one_way(traffic: &SideTraffic) -> SentCount {
    SentCount {
        count: count(traffic),
        payload_bytes: traffic.payload_bytes,
        goodput_bytes: traffic.payload_bytes.saturating_sub(traffic.retransmitted_bytes),
        retransmitted_bytes: traffic.retransmitted_bytes,
    }
}

const fn count(traffic: &SideTraffic) -> Count {
    Count { frames: traffic.frames, packets: traffic.packets, bytes: traffic.bytes }
}

const fn protocol(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Icmp => "icmp",
        Transport::Other => "other",
    }
}
