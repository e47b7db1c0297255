//! Stories of frames and what is said of them, through the whole of a shard.

mod closing;
mod flows;
mod handing_over;
mod handshakes;
mod ledger;
mod places;
mod requests;
mod scenario;
mod shards;
mod threads;
mod waiting;
mod wire_counts;

use std::net::IpAddr;

use super::{EngineSettings, InterfaceFacts, Output, Shard};
use crate::{
    report::{
        Event, FlowRecord, HandshakeRecord, Report, RequestRecord,
        merge::{ReportContext, SourceCounts, assemble},
    },
    time::{Span, Timestamp},
    wire::{self, InterfaceId, ParseOptions},
};
use scenario::{Captured, Scenario};

/// What a run of the engine gave.
struct Observed {
    /// In the order of a merger: by time of ending, then start, then endpoints.
    records: Vec<FlowRecord>,
    events: Vec<Event>,
    handshakes: Vec<HandshakeRecord>,
    /// Likewise.
    requests: Vec<RequestRecord>,
    report: Report,
}

/// Runs frames through this many shards, as a single reader would hand them out.
fn observe(frames: &[Captured], settings: &EngineSettings) -> Observed {
    let mut shards: Vec<Shard> = (0..settings.shards).map(|shard| Shard::new(settings, shard)).collect();
    for shard in &mut shards {
        for interface in 0..4u16 {
            shard.set_interface(InterfaceId(interface), facts(interface));
        }
    }
    let mut out = Output::default();
    let mut now = Timestamp::MIN;
    for captured in frames {
        let frame = captured.frame();
        now = now.max(frame.timestamp);
        let parsed = wire::parse(&frame, ParseOptions::default());
        let shard = parsed.packet.as_ref().map_or(0, |packet| wire::flow_hash(packet).shard(settings.shards));
        shards[shard as usize].on_frame(&frame, now, &mut out);
        while let Some(foreign) = out.foreign.pop() {
            shards[foreign.shard as usize].on_foreign(foreign, now, &mut out);
        }
    }
    shards.iter_mut().for_each(|shard| shard.finish(now, &mut out));
    let key =
        |record: &FlowRecord| (record.start_us, record.client_ip, record.client_port, record.server_port);
    out.finished.sort_by_key(|finished| (finished.at, key(&finished.record)));
    out.events.sort_by_key(|event| event.time);
    let key = |record: &RequestRecord| (record.request_start_us, record.client_ip, record.client_port);
    out.requests.sort_by_key(|finished| (finished.at, key(&finished.record)));
    let snapshots: Vec<_> = shards.iter().map(Shard::snapshot).collect();
    Observed {
        records: out.finished.into_iter().map(|finished| finished.record).collect(),
        events: out.events,
        handshakes: out.handshakes.into_iter().map(|decided| decided.record).collect(),
        requests: out.requests.into_iter().map(|finished| finished.record).collect(),
        report: assemble(context(frames), &snapshots),
    }
}

/// Interfaces 0 and 1 are nameless files of one identity; 2 is `bond0` and 3 is `eth1`.
fn facts(interface: u16) -> InterfaceFacts {
    match interface {
        2 => InterfaceFacts { name: Some("bond0".into()), identity: 1, is_copy: false },
        3 => InterfaceFacts { name: Some("eth1".into()), identity: 2, is_copy: false },
        _ => InterfaceFacts::default(),
    }
}

fn context(frames: &[Captured]) -> ReportContext {
    let count = |interface| frames.iter().filter(|frame| frame.interface == interface).count() as u64;
    let sources = (0..4u16).map(|interface| SourceCounts {
        place: (InterfaceId(interface), None),
        filtered: 0,
        recorded: count(interface),
        ring_full: 0,
        helper_failed: 0,
        notes: Vec::new(),
        traffic: None,
    });
    ReportContext { complete: true, hookless: "file", sources: sources.collect(), ..ReportContext::default() }
}

/// Holds each flow of a story against a line: endpoints, handshake and its times, SYNs and SYN/ACKs sent again, frames
/// and payload of client and server, close.
fn check(scenario: Scenario, expected: &[&str]) {
    check_with(scenario, &EngineSettings::replay(1), expected);
}

fn check_with(scenario: Scenario, settings: &EngineSettings, expected: &[&str]) {
    let observed = observe(&scenario.frames(), settings);
    let lines: Vec<String> = observed.records.iter().map(line).collect();
    assert_eq!(lines, expected);
    assert!(observed.report.ledger.closes, "{:#?}", observed.report.ledger);
    let counted: u64 = observed.report.handshake.results.values().sum();
    assert_eq!(counted, lines.len() as u64, "every flow counts under one result");
}

fn line(record: &FlowRecord) -> String {
    let host = |address: IpAddr, port| {
        format!("{}:{port}", address.to_string().rsplit('.').next().unwrap_or_default())
    };
    let ms = |span: Option<f64>| span.map_or("-".to_owned(), |us| (us / 1000.0).to_string());
    format!(
        "{}>{} {} {}={}+{} again {}/{} client {}/{} server {}/{} {}",
        host(record.client_ip, record.client_port),
        host(record.server_ip, record.server_port),
        record.handshake.name(),
        ms(record.handshake_us),
        ms(record.server_rtt_us),
        ms(record.client_rtt_us),
        record.syn_retransmissions,
        record.synack_retransmissions,
        record.client.frames,
        record.client.payload_bytes,
        record.server.frames,
        record.server.payload_bytes,
        serde_json::to_value(record.close).unwrap().as_str().unwrap(),
    )
}

const fn ms(milliseconds: u64) -> Span {
    Span::from_millis(milliseconds)
}

const fn secs(seconds: u64) -> Span {
    Span::from_secs(seconds)
}
