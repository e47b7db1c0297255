//! Requests: what a shard's conversations are told, and what they tell.

use super::{
    output::{FinishedRequest, Origin, Output},
    settings::EngineSettings,
    shard::Shard,
    telling::name,
};
use crate::{
    analyzer::{
        Conversations, DatagramArrival, MeasuredRequest, Note, Outlet, RequestSettings, TakenSegment,
    },
    report::{Event, EventKind, RequestRecord},
    time::Timestamp,
    wire::{Datagram, Segment},
};
use tcpkit_common::flow::FlowHash;

/// The conversations of one of the shards, where requests are measured.
pub(super) fn conversations(settings: &EngineSettings) -> Option<Box<Conversations>> {
    let requests = settings.requests.as_ref()?;
    Some(Box::new(Conversations::new(shared(requests, settings.shards))))
}

/// The settings of one of so many shards.
pub(super) fn shared(requests: &RequestSettings, shards: u32) -> RequestSettings {
    RequestSettings { limits: requests.limits.shared_by(shards), ..requests.clone() }
}

impl Shard {
    /// Whether datagrams are listened to.
    #[inline]
    pub(super) fn hears_datagrams(&self) -> bool {
        self.requests.as_ref().is_some_and(|conversations| conversations.hears_datagrams())
    }

    /// A segment was taken by the flow table.
    #[inline]
    pub(super) fn hear_segment(
        &mut self,
        segment: &Segment<'_>,
        slot: Option<u32>,
        segment_size: u32,
        at: Timestamp,
    ) {
        if !self.changes.left.is_empty() {
            self.hear_left();
        }
        let Some(slot) = slot else { return };
        let Self { requests: Some(conversations), table, changes, measured, told, wanted, now, .. } = self
        else {
            return;
        };
        let taken = TakenSegment { segment, slot, at, segment_size, steps: &changes.stream_steps };
        let wants = wanted.requests_told();
        let mut out = Outlet { sums: &mut measured.requests, told, wants, now: *now };
        conversations.on_segment(&taken, table, &mut out);
    }

    /// Flows have left the table.
    #[cold]
    pub(super) fn hear_left(&mut self) {
        let Self { requests: Some(conversations), changes, measured, told, wanted, now, .. } = self else {
            return;
        };
        let wants = wanted.requests_told();
        let mut out = Outlet { sums: &mut measured.requests, told, wants, now: *now };
        conversations.on_left(&changes.left, &mut out);
        changes.left.clear();
    }

    /// Time has come to `now`.
    #[inline]
    pub(super) fn hear_nothing(&mut self, now: Timestamp) {
        let Self { requests: Some(conversations), measured, told, wanted, .. } = self else { return };
        let wants = wanted.requests_told();
        conversations.advance(now, &mut Outlet { sums: &mut measured.requests, told, wants, now });
    }

    /// The capture is over, and every flow has left.
    pub(super) fn hear_no_more(&mut self) {
        self.hear_left();
        let Self { requests: Some(conversations), measured, told, wanted, now, .. } = self else { return };
        let wants = wanted.requests_told();
        let mut out = Outlet { sums: &mut measured.requests, told, wants, now: *now };
        conversations.finish(*now, &mut out);
    }

    /// Takes a datagram that this shard owns.
    pub(super) fn hear_datagram(&mut self, datagram: &Datagram<'_>, hash: FlowHash, origin: &Origin) {
        if self.is_copy(origin.interface) {
            return self.measured.fates.on_note(origin.place(), Note::Duplicate);
        }
        let (identity, is_named) = self.identity(origin.interface);
        let arrival = DatagramArrival {
            timestamp: origin.timestamp,
            now: self.now,
            interface: origin.interface,
            identity,
            is_named,
        };
        let Self { requests: Some(conversations), measured, told, wanted, now, .. } = self else { return };
        let wants = wanted.requests_told();
        let mut out = Outlet { sums: &mut measured.requests, told, wants, now: *now };
        if conversations.on_datagram(hash, datagram, &arrival, &mut out) {
            measured.fates.on_note(origin.place(), Note::Duplicate);
        }
    }

    /// Makes records and events of requests that are over.
    #[cold]
    pub(super) fn pass_on_requests(&mut self, out: &mut Output) {
        let Self { told, wanted, interfaces, .. } = self;
        for request in told.drain(..) {
            let interface = name(interfaces, request.interface);
            let record = RequestRecord::observed(&request, interface);
            if wanted.events && request.is_slow(wanted.slow_request) {
                out.events.push(slow(&request, &record));
            }
            if wanted.requests || wanted.shown_us.is_some_and(|least| request.is_shown(least)) {
                out.requests.push(FinishedRequest { at: request.at, record });
            }
        }
    }
}

fn slow(request: &MeasuredRequest, record: &RequestRecord) -> Event {
    Event { time: request.at, kind: EventKind::SlowRequest { request: Box::new(record.clone()) } }
}
