//! What happened to flows, as measurements, events and records.

use std::sync::Arc;

use super::{
    output::{DecidedHandshake, Finished, Output},
    settings::InterfaceFacts,
    shard::Shard,
};
use crate::{
    flow::{Decided, Failed, FinishedFlow, StreamStep, StreamStepKind},
    report::{Event, EventKind, FlowRecord, HandshakeRecord},
    wire::InterfaceId,
};

impl Shard {
    /// Turns what happened to flows into measurements, events and records.
    #[inline]
    pub(super) fn pass_on(&mut self, out: &mut Output) {
        if !self.changes.is_empty() || self.changes.round_trips.len() >= GATHERED {
            self.pass_on_changes(out);
        }
        if !self.told.is_empty() {
            self.pass_on_requests(out);
        }
    }

    /// The same behind a calm segment that nobody listens to.
    #[inline(always)]
    pub(super) fn pass_on_calm(&mut self, out: &mut Output) {
        if !self.changes.is_empty_behind_calm() || self.changes.round_trips.len() >= GATHERED {
            self.pass_on_changes(out);
        }
    }

    pub(super) fn pass_on_changes(&mut self, out: &mut Output) {
        if !self.changes.left.is_empty() {
            self.hear_left();
        }
        self.measure();
        let Self { changes, interfaces, wanted, .. } = self;
        if wanted.handshakes {
            out.handshakes
                .extend(changes.decided.iter().filter_map(|decided| handshake(decided, interfaces)));
        }
        if wanted.events {
            out.events.extend(changes.failed.iter().map(|failed| failure(failed, interfaces)));
            let worth_a_line = changes.stream_steps.iter().filter(|step| wanted.is_worth_a_line(step));
            out.events.extend(worth_a_line.filter_map(stream_event));
        }
        if wanted.flows {
            out.finished.extend(changes.finished.iter().map(|finished| record(finished, interfaces)));
        }
        changes.clear();
    }

    #[inline]
    fn measure(&mut self) {
        let Self { changes, measured, .. } = self;
        measured.handshakes.on_steps(&changes.steps);
        measured.round_trips.on_round_trips(&changes.round_trips);
        if !changes.stream_steps.is_empty() {
            measured.retransmissions.on_steps(&changes.stream_steps);
            measured.stalls.on_steps(&changes.stream_steps);
        }
        measured.talkers.on_traffic(&changes.traffic);
        for progress in &changes.progress {
            measured.retransmissions.on_progress(progress);
            measured.stalls.on_progress(progress);
        }
    }
}

pub(super) fn name(interfaces: &[InterfaceFacts], interface: InterfaceId) -> Option<&Arc<str>> {
    interfaces.get(usize::from(interface.0))?.name.as_ref()
}

fn failure(failed: &Failed, interfaces: &[InterfaceFacts]) -> Event {
    let interface = name(interfaces, failed.flow.interface);
    let record = FlowRecord::observed(&failed.flow, &failed.handshake, &failed.detail, interface);
    let kind = EventKind::HandshakeFailed { result: record.handshake, flow: Box::new(record) };
    Event { time: failed.at, kind }
}

fn record(finished: &FinishedFlow, interfaces: &[InterfaceFacts]) -> Finished {
    let interface = name(interfaces, finished.flow.interface);
    let record = FlowRecord::observed(&finished.flow, &finished.handshake, &finished.detail, interface);
    Finished { at: finished.at, record }
}

fn handshake(decided: &Decided, interfaces: &[InterfaceFacts]) -> Option<DecidedHandshake> {
    let Decided { at, took, flow, handshake } = decided;
    let interface = name(interfaces, flow.interface);
    let record = HandshakeRecord::observed(flow, handshake, *took, interface)?;
    Some(DecidedHandshake { at: *at, record })
}

fn stream_event(step: &StreamStep) -> Option<Event> {
    match &step.kind {
        StreamStepKind::EpisodeEnded(episode) => {
            Some(Event { time: episode.end, kind: EventKind::loss_episode(step, episode) })
        }
        StreamStepKind::Stalled(stall) => {
            Some(Event { time: stall.end, kind: EventKind::stall(step, stall) })
        }
        _ => None,
    }
}

/// Round trips that gather before they are measured: each costs little, and looking for them costs as much.
const GATHERED: usize = 256;
