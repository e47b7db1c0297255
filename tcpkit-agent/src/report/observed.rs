//! From the flow engine's own types to records.

use std::sync::Arc;

use super::{
    Close, DirectionRecord, FlowRecord, HandshakeResult, RetransmissionsByCause, RstRecord, RttRecord,
    StallRecord, StallsByKind,
};
use crate::{
    flow::{
        Cause, Ending, Flow, FlowDetail, Handshake, IcmpReason, Outcome, RttSummary, Side, SideState,
        StallCounts, StallKind, Trait,
    },
    time::Span,
};

impl FlowRecord {
    /// The record of a flow as it stands.
    #[must_use]
    pub fn observed(
        flow: &Flow,
        handshake: &Handshake,
        detail: &FlowDetail,
        interface: Option<&Arc<str>>,
    ) -> Self {
        let client = flow.client();
        let tuple = flow.key().tuple_from(client);
        Self {
            client_ip: tuple.source.to_ip(),
            client_port: tuple.source_port,
            server_ip: tuple.destination.to_ip(),
            server_port: tuple.destination_port,
            midstream: !handshake.is_seen(),
            interface: interface.map(ToString::to_string),
            start_us: flow.start.as_micros(),
            end_us: flow.end.as_micros(),
            handshake: handshake.outcome().into(),
            icmp: handshake.icmp().map(|IcmpReason { kind, code, .. }| format!("{kind}/{code}")),
            icmp_name: handshake.icmp().map(IcmpReason::name),
            icmp_errors: handshake.icmp_errors(),
            path_mtu_errors: handshake.path_mtu_errors(),
            handshake_us: handshake.duration().map(Span::as_micros_f64),
            server_rtt_us: handshake.server_rtt().map(Span::as_micros_f64),
            client_rtt_us: handshake.client_rtt().map(Span::as_micros_f64),
            syn_retransmissions: handshake.syn_retransmissions(),
            synack_retransmissions: handshake.synack_retransmissions(),
            accept_queue_overflow: handshake.shows(Trait::AcceptQueueOverflow),
            client: DirectionRecord::observed(flow.side(client), detail, client),
            server: DirectionRecord::observed(flow.side(client.other()), detail, client.other()),
            stalls: (&detail.stalls).into(),
            fast_open: detail.fast_open,
            fast_open_accepted: handshake.shows(Trait::FastOpenAccepted),
            simultaneous_open: detail.simultaneous_open,
            mptcp: detail.mptcp,
            ecn: detail.ecn,
            close: close(flow.ending(), client),
            rst: rst(flow.ending()),
        }
    }
}

impl DirectionRecord {
    fn observed(side: &SideState, detail: &FlowDetail, sender: Side) -> Self {
        let stream = detail.stream(sender);
        Self {
            frames: side.frames,
            segments: side.segments,
            bytes: side.bytes,
            payload_bytes: side.payload_bytes,
            retransmissions: stream.retransmissions.into(),
            zero_window_us: stream.zero_window_time.as_micros_f64(),
            loss_episode_us: stream.loss_episode_time.as_micros_f64(),
            unique_bytes: stream.unique_bytes,
            retransmitted_frames: stream.retransmitted_frames,
            retransmitted_bytes: stream.retransmitted_bytes,
            fin_retransmissions: stream.fin_retransmissions,
            out_of_order: stream.out_of_order,
            duplicate_acks: stream.duplicate_acks,
            zero_windows: stream.zero_windows,
            zero_window_episodes: stream.zero_window_episodes,
            window_full: stream.window_full,
            keep_alives: stream.keep_alives,
            window_probes: stream.window_probes,
            capture_gaps: stream.capture_gaps,
            capture_gap_bytes: stream.capture_gap_bytes,
            loss_episodes: stream.loss_episodes,
            ece: stream.ece,
            cwr: stream.cwr,
            ce: stream.ce,
            invalid_sequence: stream.invalid_sequence,
            max_in_flight: stream.max_in_flight,
            rtt: detail.rtt(sender).into(),
            mss: side.announced.mss,
            window_scale: side.announced.window_scale,
            sack_permitted: side.announced.sack_permitted,
        }
    }
}

impl From<[u32; Cause::COUNT]> for RetransmissionsByCause {
    fn from(counts: [u32; Cause::COUNT]) -> Self {
        let of = |cause: Cause| counts[cause.index()];
        Self {
            rto: of(Cause::Rto),
            fast: of(Cause::Fast),
            tlp: of(Cause::Tlp),
            spurious: of(Cause::Spurious),
            unknown: of(Cause::Unknown),
        }
    }
}

impl From<&RttSummary> for RttRecord {
    fn from(rtt: &RttSummary) -> Self {
        let micros = |span: Option<Span>| span.map(Span::as_micros_f64);
        Self {
            samples: rtt.samples,
            min: micros(rtt.min),
            avg: rtt.mean_ns.map(|mean| mean / 1_000.0),
            p50: micros(rtt.p50),
            p90: micros(rtt.p90),
            p99: micros(rtt.p99),
            max: micros(rtt.max),
            smoothed: micros(rtt.smoothed),
            variation: micros(rtt.variation),
            queueing: micros(rtt.queueing),
            delayed_acks: rtt.delayed_acks,
            by_timestamp: rtt.by_timestamp,
            min_echo: micros(rtt.min_echo),
            percentile_error: rtt.percentile_error,
        }
    }
}

impl From<&StallCounts> for StallsByKind {
    fn from(stalls: &StallCounts) -> Self {
        let of = |kind: StallKind| StallRecord {
            count: stalls.count[kind.index()],
            us: stalls.time[kind.index()].as_micros_f64(),
        };
        Self {
            zero_window: of(StallKind::ZeroWindow),
            rto: of(StallKind::Rto),
            server_thinking: of(StallKind::ServerThinking),
            client_thinking: of(StallKind::ClientThinking),
            sender_idle: of(StallKind::SenderIdle),
        }
    }
}

impl From<Outcome> for HandshakeResult {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Midstream => Self::Midstream,
            Outcome::Pending => Self::Pending,
            Outcome::Success => Self::Success,
            Outcome::Reject => Self::Reject,
            Outcome::Timeout => Self::Timeout,
            Outcome::Unreachable => Self::Unreachable,
            Outcome::Aborted => Self::Aborted,
        }
    }
}

fn rst(ending: Option<Ending>) -> Option<RstRecord> {
    let Some(Ending::Reset(reset)) = ending else { return None };
    Some(RstRecord { kind: reset.kind.name(), answers: reset.is_answer })
}

/// A flow that has not ended is one whose capture ends now.
fn close(ending: Option<Ending>, client: Side) -> Close {
    match ending {
        Some(Ending::Fin) => Close::Fin,
        Some(Ending::Reset(reset)) if reset.by == client => Close::RstClient,
        Some(Ending::Reset(_)) => Close::RstServer,
        Some(Ending::Idle) => Close::Idle,
        Some(Ending::Evicted) => Close::Evicted,
        Some(Ending::Reused) => Close::Reused,
        Some(Ending::EndOfCapture) | None => Close::EndOfCapture,
    }
}
