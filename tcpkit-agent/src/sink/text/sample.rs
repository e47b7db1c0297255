//! Reports and records for tests.

use std::collections::BTreeMap;

use crate::{report::*, time::Timestamp};

/// A live capture under load: two hooks, losses, failures.
pub(crate) fn report() -> Report {
    Report {
        series: None,
        services: Services::default(),
        exact_flows: None,
        schema: SCHEMA,
        complete: true,
        completeness: Some(0.9925),
        capture: capture(),
        ledger: ledger(),
        totals: Totals {
            all: Count { frames: 1_000_000, packets: 4_500_000, bytes: 6_543_210_987 },
            duration_us: 12_345_678.9,
            flows: 5_432,
            open_flows: 21,
            evicted_flows: 3,
            evicted_half_open: 2,
            coarsened_rtts: 0,
            joined_ranges: 12,
            resets: BTreeMap::from([
                ("refused", ResetCount { client: 0, server: 300 }),
                ("in_flight", ResetCount { client: 12, server: 1 }),
            ]),
            segments: 4_400_000,
            payload_bytes: 6_200_000_000,
        },
        handshake: handshake(),
        retransmit: retransmit(),
        latency: latency(),
        stalls: stalls(),
        bandwidth: bandwidth(),
        agent: None,
        figures: Figures::default(),
    }
}

/// Nothing came.
pub(crate) fn empty() -> Report {
    Report {
        series: None,
        services: Services::default(),
        exact_flows: None,
        schema: SCHEMA,
        complete: true,
        completeness: None,
        capture: CaptureInfo {
            mode: "file",
            backend: "file",
            sources: vec!["x.pcap".into()],
            ..CaptureInfo::default()
        },
        ledger: Ledger { closes: true, ..Ledger::default() },
        totals: Totals::default(),
        handshake: HandshakeReport::default(),
        retransmit: RetransmitReport::default(),
        latency: LatencyReport::default(),
        stalls: StallReport::default(),
        bandwidth: BandwidthReport::default(),
        agent: None,
        figures: Figures::default(),
    }
}

/// A refused connection.
pub(crate) fn flow() -> FlowRecord {
    FlowRecord {
        client_ip: [10, 0, 0, 1].into(),
        client_port: 43_210,
        server_ip: [10, 0, 0, 2].into(),
        server_port: 80,
        midstream: false,
        interface: Some("eth0".into()),
        start_us: 1_795_247_133_123_456,
        end_us: 1_795_247_133_123_999,
        handshake: HandshakeResult::Reject,
        icmp: None,
        icmp_name: None,
        icmp_errors: 0,
        path_mtu_errors: 0,
        handshake_us: None,
        server_rtt_us: None,
        client_rtt_us: None,
        syn_retransmissions: 0,
        synack_retransmissions: 0,
        accept_queue_overflow: false,
        client: DirectionRecord::default(),
        server: DirectionRecord::default(),
        stalls: StallsByKind::default(),
        fast_open: false,
        fast_open_accepted: false,
        simultaneous_open: false,
        mptcp: false,
        ecn: false,
        close: Close::RstServer,
        rst: Some(RstRecord { kind: "refused", answers: true }),
    }
}

/// One event of each kind.
pub(crate) fn events() -> Vec<Event> {
    let time = Timestamp(1_795_247_133_123_999_000);
    let timeout = FlowRecord {
        client_ip: "2001:db8::1".parse().unwrap(),
        server_ip: "2001:db8::2".parse().unwrap(),
        start_us: 1_795_247_103_123_999,
        syn_retransmissions: 4,
        interface: None,
        ..flow()
    };
    let unreachable = FlowRecord { icmp: Some("3/1".into()), synack_retransmissions: 1, ..flow() };
    let slow = |number: usize| EventKind::SlowRequest {
        request: Box::new(super::sample_requests::requests()[number].clone()),
    };
    let failed = |result, flow| EventKind::HandshakeFailed { result, flow: Box::new(flow) };
    [
        failed(HandshakeResult::Reject, flow()),
        failed(HandshakeResult::Timeout, timeout),
        failed(HandshakeResult::Unreachable, unreachable),
        failed(HandshakeResult::Aborted, flow()),
        EventKind::LossEpisode {
            flow: flow_name(None),
            sender: "server",
            duration_us: 412_345.0,
            delay_us: 1_234_567.0,
            retransmissions: BTreeMap::from([("fast", 12), ("rto", 1)]),
            retransmitted_bytes: 17_376,
        },
        EventKind::Stall {
            flow: flow_name(None),
            kind: "zero_window",
            sender: "server",
            duration_us: 5_000_000.0,
        },
        slow(0),
        slow(1),
        slow(2),
        EventKind::CaptureLoss { interface: "eth0".into(), frames: 12_345, completeness: 0.999_99 },
        EventKind::Interface { interface: "eth\x1b[2J0".into(), change: "went down".into() },
        EventKind::Reload {
            outcome: "done",
            changed: vec!["expression".into(), "event-after".into()],
            at_next_start: vec!["shards".into()],
            reason: None,
        },
        EventKind::Reload {
            outcome: "refused",
            changed: Vec::new(),
            at_next_start: Vec::new(),
            reason: Some("tcpkit.toml:3: shards: is no number".into()),
        },
    ]
    .into_iter()
    .map(|kind| Event { time, kind })
    .collect()
}

fn capture() -> CaptureInfo {
    let interface = |name: &str, hook: &str| InterfaceInfo {
        name: Some(name.into()),
        source: "live".into(),
        link_type: "EN10MB".into(),
        hook: Some(hook.into()),
    };
    CaptureInfo {
        mode: "live",
        backend: "ebpf",
        sources: vec!["eth0".into(), "lo".into()],
        interfaces: vec![interface("eth0", "ebpf/tc"), interface("lo", "ebpf/tc")],
        first_us: Some(1_795_247_133_123_456),
        last_us: Some(1_795_247_145_469_135),
        end_us: Some(1_795_247_145_500_000),
        filter: Some("(tcp port 80 or tcp port 443)".into()),
        snaplen: Some(256),
        shards: 2,
        notes: vec![
            "eth0: native XDP was refused (Operation not supported), so ingress is captured at TC, after GRO"
                .into(),
        ],
    }
}

fn ledger() -> Ledger {
    let entry = |interface: &str, hook: &str, part: u64| LedgerEntry {
        interface: interface.into(),
        hook: hook.into(),
        seen: 2_000_000 / part,
        filtered: 1_000_000 / part,
        matched: 1_000_000 / part,
        recorded: 992_500 / part,
        ring_full: 7_000 / part,
        helper_failed: 500 / part,
        in_flight: 0,
        delivered: 992_500 / part,
        analyzed: 990_000 / part,
        malformed: BTreeMap::from([("tcp.data_offset".to_owned(), 500 / part)]),
        not_analyzed: BTreeMap::from([("udp".to_owned(), 2_000 / part)]),
        notes: BTreeMap::from([("truncated".to_owned(), 800_000 / part)]),
    };
    Ledger {
        closes: true,
        total: entry("*", "*", 1),
        entries: vec![entry("eth0", "tc_ingress", 2), entry("a-long-interface", "tc_egress", 2)],
    }
}

fn spans(factor: f64) -> SpanSummary {
    SpanSummary {
        samples: 5_000,
        min: Some(12.3 * factor),
        avg: Some(250.0 * factor),
        p50: Some(200.0 * factor),
        p90: Some(700.0 * factor),
        p99: Some(9_876.5 * factor),
        max: Some(1_234_567.0 * factor),
    }
}

fn flow_name(start_us: Option<i64>) -> FlowName {
    let FlowRecord { client_ip, client_port, server_ip, server_port, .. } = flow();
    FlowName { client_ip, client_port, server_ip, server_port, start_us }
}

fn sent_again(part: u64) -> SentAgainCount {
    SentAgainCount {
        data_segments: 2_000_000 / part,
        retransmitted_segments: 4_210 / part,
        retransmission_rate: Some(0.002_105),
        retransmissions: BTreeMap::from([
            ("rto", 10 / part),
            ("fast", 4_000 / part),
            ("tlp", 150 / part),
            ("spurious", 50 / part),
            ("unknown", 0),
        ]),
    }
}

fn retransmit() -> RetransmitReport {
    let server = |server_ip: &str, part| ServerRetransmissions {
        server_ip: server_ip.parse().unwrap(),
        server_port: 443,
        count: sent_again(part),
    };
    RetransmitReport {
        total: sent_again(1),
        retransmitted_bytes: 6_095_000,
        out_of_order: 321,
        duplicate_acks: 12_345,
        zero_window_episodes: 7,
        capture_gaps: 3,
        capture_gap_bytes: 4_344,
        loss_episode_us: spans(10.0),
        loss_delay_us: spans(20.0),
        servers: vec![server("10.0.0.2", 2), server("2001:db8:1234:5678:9abc:def0:1234:5678", 4)],
        other_servers: sent_again(4),
        ports: vec![PortRetransmissions { server_port: 443, count: sent_again(1) }],
        other_ports: SentAgainCount::default(),
        flows: vec![FlowRetransmissions {
            flow: flow_name(Some(1_795_247_133_123_456)),
            data_segments: 90_000,
            retransmitted_segments: 1_234,
        }],
        servers_folded: 8_192,
        flows_folded: 2_048,
    }
}

fn latency() -> LatencyReport {
    LatencyReport {
        towards_server: RoundTripReport { rtt_us: spans(1.0), queueing_us: spans(0.5), delayed_acks: 42 },
        towards_client: RoundTripReport::default(),
        requests: Some(super::sample_requests::requests_report()),
        distribution: DistributionReport::default(),
    }
}

fn stalls() -> StallReport {
    let stall = |factor| StallSummary { total_us: 5_000.0 * 250.0 * factor, span_us: spans(factor) };
    StallReport {
        kinds: BTreeMap::from([("rto", stall(40.0)), ("server_thinking", stall(3.0))]),
        flows: vec![FlowStalls { flow: flow_name(Some(1_795_247_133_123_456)), stalled_us: 12_345_678.0 }],
        flows_folded: 0,
    }
}

fn handshake() -> HandshakeReport {
    HandshakeReport {
        results: BTreeMap::from([("success", 5_000), ("reject", 300), ("timeout", 32), ("midstream", 100)]),
        syn_retransmissions: 77,
        synack_retransmissions: 5,
        handshake_us: spans(1.0),
        server_rtt_us: spans(0.8),
        client_rtt_us: SpanSummary::default(),
        accept_queue_overflows: 4,
        ecn_asked: 12,
        ecn_granted: 11,
        fast_open: 3,
        fast_open_accepted: 2,
        icmp: vec![IcmpErrorCount {
            protocol: "icmp",
            kind: 3,
            code: 13,
            name: "admin_prohibited",
            errors: 9,
            unreachable: 8,
        }],
        servers: vec![ServerHandshakes {
            server_ip: [10, 0, 0, 2].into(),
            server_port: 443,
            counts: HandshakeCounts {
                attempts: 400,
                failures: 332,
                results: BTreeMap::from([("success", 68), ("reject", 300), ("timeout", 32)]),
                ..HandshakeCounts::default()
            },
        }],
        ..HandshakeReport::default()
    }
}

fn burst() -> BurstReport {
    let flow = |bytes_at_least, share_at_least| {
        Some(BurstFlow {
            source_ip: "10.0.0.1".parse().unwrap(),
            source_port: 40_000,
            destination_ip: "10.0.0.2".parse().unwrap(),
            destination_port: 80,
            protocol: "tcp".into(),
            bytes_at_least,
            share_at_least,
        })
    };
    let one_ms = BurstWindows {
        p99_bits_per_second: Some(5_100_000_000.0),
        peak_bits_per_second: Some(9_870_000_000.0),
        peak_bytes: 1_233_750,
        peak_packets: 815,
        peak_us: Some(1_700_000_003_141_000),
        peak_flow: flow(1_000_000, 0.81),
    };
    let ten_ms = BurstWindows { peak_flow: None, peak_bits_per_second: Some(7e9), ..one_ms.clone() };
    BurstReport {
        interface: "eth0".into(),
        direction: "inbound",
        observed_ms: 12_345,
        missed_ms: 7,
        one_ms,
        ten_ms,
    }
}

fn bandwidth() -> BandwidthReport {
    let count = |part: u64| Count {
        frames: 1_000_000 / part,
        packets: 4_500_000 / part,
        bytes: 6_543_210_987 / part,
    };
    let part = |part: u64| TrafficReport {
        count: count(part),
        l1_bytes: Some(6_651_210_987 / part),
        payload_bytes: 6_243_210_000 / part,
        retransmitted_bytes: 43_210_000 / part,
        goodput_bytes: 6_200_000_000 / part,
        goodput_share: Some(0.9475),
        flows: 12_345 / part,
        bytes_per_second: Some(530_000_000.0),
        bits_per_second: Some(4_240_000_000.0),
        peak: Some(PeakRate {
            at_us: 1_795_000_000_000_000,
            bytes_per_second: 1_187_500_000 / part,
            bits_per_second: 9_500_000_000 / part,
        }),
    };
    BandwidthReport {
        total: part(1),
        bits_per_second: Some(4_240_000_000.0),
        packets_per_second: Some(364_500.4),
        ip_versions: BTreeMap::from([
            ("ipv4", part(2)),
            ("ipv6", part(2)),
            ("not_ip", TrafficReport::default()),
        ]),
        protocols: BTreeMap::from([("tcp", part(1)), ("udp", part(500))]),
        directions: BTreeMap::from([("inbound", part(3)), ("outbound", part(2))]),
        interfaces: vec![
            InterfaceBandwidth {
                interface: "eth0".into(),
                traffic: part(2),
                link: Some(LinkUse {
                    speed_bits_per_second: 10_000_000_000,
                    mean: BTreeMap::from([("inbound", 0.141), ("outbound", 0.212)]),
                    peak: BTreeMap::from([("inbound", 0.932), ("outbound", 0.4)]),
                }),
                ..InterfaceBandwidth::default()
            },
            InterfaceBandwidth {
                interface: "lo".into(),
                traffic: part(4_500_000),
                ..InterfaceBandwidth::default()
            },
        ],
        bursts: vec![burst()],
        exact_flows: None,
        packet_sizes: [(Some(64), 10), (Some(127), 3_000_000), (Some(1_518), 1_000_000), (None, 499_990)]
            .map(|(up_to, packets)| SizeBucket { up_to, packets })
            .to_vec(),
        peaks_since_us: None,
        talkers: talkers(),
    }
}

fn talkers() -> TalkersReport {
    let sent = |bytes: u64| SentCount {
        count: Count { frames: bytes / 4_000, packets: bytes / 1_400, bytes },
        payload_bytes: bytes / 10 * 9,
        goodput_bytes: bytes / 100 * 89,
        retransmitted_bytes: bytes / 100,
    };
    let talk = |bytes: u64, flows: u64| TalkCount {
        bytes: bytes + bytes / 9,
        flows,
        retransmitted_share: Some(0.0111),
        sent: sent(bytes),
        received: sent(bytes / 9),
        ..TalkCount::default()
    };
    TalkersReport {
        addresses: vec![
            AddressTalk { address: [10, 0, 0, 2].into(), count: talk(5_123_456_789, 12_000) },
            AddressTalk {
                address: "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap(),
                count: TalkCount { missing_bytes: 60, ..talk(1_234_567_890, 345) },
            },
            AddressTalk {
                address: [192, 0, 2, 53].into(),
                count: TalkCount { retransmitted_share: None, ..talk(90, 0) },
            },
        ],
        prefixes: vec![
            PrefixTalk { prefix: "10.0.0.0/24".into(), count: talk(5_123_456_789, 12_000) },
            PrefixTalk { prefix: "2001:db8:1234::/48".into(), count: talk(1_234_567_890, 345) },
        ],
        services: vec![
            ServiceTalk {
                server_ip: [10, 0, 0, 2].into(),
                server_port: 443,
                protocol: "tcp",
                count: talk(5_123_456_789, 12_000),
            },
            ServiceTalk {
                server_ip: [192, 0, 2, 53].into(),
                server_port: 53,
                protocol: "udp",
                count: TalkCount { retransmitted_share: None, ..talk(90, 0) },
            },
        ],
        ports: vec![PortTalk { server_port: 443, protocol: "tcp", count: talk(5_123_456_789, 12_000) }],
        addresses_folded: 3_584,
        shown: 5,
        ..TalkersReport::default()
    }
}
