//! Stories of two sides for tests: who sends what when, with verdicts as the streams would give them.

use super::{
    super::{
        key::{FlowKey, Side},
        stall::{Observed, StallTracker},
        state::Flow,
        stream::{Acked, Cause, Seen, Sent, Stall, Verdict},
    },
    RttSample, RttTracker, SpillBudget,
};
use crate::{
    time::{Span, Timestamp},
    wire::{Segment, SeqNumber, TcpFlags, TcpOptions},
};
use proptest::prelude::*;

/// The client of every story.
pub(in crate::flow) const CLIENT: Side = Side::High;
/// Its server.
pub(in crate::flow) const SERVER: Side = Side::Low;

const PURE: TcpFlags = TcpFlags::ACK;

/// One flow, its trackers, and all that they told.
#[derive(Debug)]
pub(in crate::flow) struct Story {
    pub(in crate::flow) now: Timestamp,
    pub(in crate::flow) rtt: RttTracker,
    pub(in crate::flow) stalls: StallTracker,
    pub(in crate::flow) budget: SpillBudget,
    pub(in crate::flow) samples: Vec<RttSample>,
    pub(in crate::flow) ended: Vec<Stall>,
    /// Segments under way of each side: when they were sent, octets, whether more than once.
    under_way: [Vec<(Timestamp, u32, bool)>; 2],
    windows: [u32; 2],
    /// TSval and TSecr of the next segment.
    timestamps: Option<(u32, u32)>,
}

pub(in crate::flow) fn story() -> Story {
    Story {
        now: Timestamp(1_700_000_000_000_000_000),
        rtt: RttTracker::default(),
        stalls: StallTracker::default(),
        budget: SpillBudget::new(1 << 20),
        samples: Vec::new(),
        ended: Vec::new(),
        under_way: Default::default(),
        windows: [65_535; 2],
        timestamps: None,
    }
}

impl Story {
    /// Lets milliseconds pass.
    pub(in crate::flow) fn ms(self, milliseconds: u64) -> Self {
        self.us(milliseconds * 1_000)
    }

    /// Lets microseconds pass.
    pub(in crate::flow) fn us(mut self, microseconds: u64) -> Self {
        self.now = self.now + Span(microseconds * 1_000);
        self
    }

    /// SYN; 10 ms; SYN/ACK; 2 ms; ACK.
    pub(in crate::flow) fn handshake(mut self) -> Self {
        for (sender, took) in [(CLIENT, 10), (SERVER, 2)] {
            self.samples.push(self.rtt.opened(sender, Span::from_millis(took), &mut self.budget));
        }
        self.stalls.opened(CLIENT, self.now);
        self.ack(CLIENT)
    }

    /// New data, which acknowledges all of the other side's.
    pub(in crate::flow) fn data(mut self, side: Side, octets: u32) -> Self {
        let acked = self.acknowledges(side, usize::MAX);
        self.under_way[side as usize].push((self.now, octets, false));
        let sent = Sent { new: octets, ..self.sent(side) };
        self.take(side, PURE, octets, Verdict { sent, acked })
    }

    /// The oldest segment under way is sent again.
    pub(in crate::flow) fn again(mut self, side: Side, cause: Cause) -> Self {
        let oldest = self.under_way[side as usize].first_mut().unwrap();
        oldest.2 = true;
        let (sent_before, again) = (Some(oldest.0), oldest.1);
        let sent = Sent { again, cause: Some(cause), sent_before, ..self.sent(side) };
        self.take(side, PURE, again, Verdict { sent, acked: None })
    }

    /// A probe of a zero window, or a keep-alive.
    pub(in crate::flow) fn probe(mut self, side: Side) -> Self {
        let acked = self.acknowledges(side, 0);
        let sent = Sent { is_probe: true, ..self.sent(side) };
        self.take(side, PURE, 0, Verdict { sent, acked })
    }

    /// An acknowledgement of everything.
    pub(in crate::flow) fn ack(self, side: Side) -> Self {
        self.ack_of(side, usize::MAX)
    }

    /// An acknowledgement of the oldest segments under way.
    pub(in crate::flow) fn ack_of(mut self, side: Side, segments: usize) -> Self {
        let acked = self.acknowledges(side, segments);
        let sent = self.sent(side);
        self.take(side, PURE, 0, Verdict { sent, acked })
    }

    /// An acknowledgement of everything, with another window from now on.
    pub(in crate::flow) fn window(self, side: Side, window: u32) -> Self {
        self.announcing(side, window).ack(side)
    }

    /// The next segments of a side announce another window.
    pub(in crate::flow) fn announcing(mut self, side: Side, window: u32) -> Self {
        self.windows[side as usize] = window;
        self
    }

    /// FIN or RST, with ACK.
    pub(in crate::flow) fn close(mut self, side: Side, flags: TcpFlags) -> Self {
        let acked = self.acknowledges(side, usize::MAX);
        let sent = self.sent(side);
        self.take(side, flags.with(PURE), 0, Verdict { sent, acked })
    }

    /// The next segment carries this TSval and TSecr.
    pub(in crate::flow) fn stamped(mut self, tsval: u32, tsecr: u32) -> Self {
        self.timestamps = Some((tsval, tsecr));
        self
    }

    fn sent(&self, side: Side) -> Sent {
        let in_flight = self.under_way[side as usize].iter().map(|(_, octets, _)| octets).sum();
        Sent { in_flight, ..Sent::default() }
    }

    fn acknowledges(&mut self, side: Side, segments: usize) -> Option<Acked> {
        let (now, window) = (self.now, self.windows[side as usize]);
        let under_way = &mut self.under_way[side.other() as usize];
        let segments = segments.min(under_way.len());
        let acked: Vec<_> = under_way.drain(..segments).collect();
        let left = under_way.iter().map(|(_, octets, _)| octets).sum();
        let is_clear = acked.iter().all(|(_, _, is_resent)| !is_resent);
        let since = |segment: Option<&(Timestamp, u32, bool)>| segment.map(|(sent, ..)| now.since(*sent));
        Some(Acked {
            octets: acked.iter().map(|(_, octets, _)| octets).sum(),
            segments: u32::try_from(segments).unwrap(),
            rtt: since(acked.last()).filter(|_| is_clear),
            rtt_oldest: since(acked.first()).filter(|_| is_clear),
            in_flight: left,
            window,
            ..Acked::default()
        })
    }

    fn take(mut self, side: Side, flags: TcpFlags, payload_len: u32, verdict: Verdict) -> Self {
        let mut octets = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
        let stamps = self.timestamps.take();
        if let Some((tsval, tsecr)) = stamps {
            octets[4..8].copy_from_slice(&tsval.to_be_bytes());
            octets[8..].copy_from_slice(&tsecr.to_be_bytes());
        }
        let options = TcpOptions(if stamps.is_some() { &octets } else { &[] });
        let segment = Segment {
            tuple: FlowKey::default().tuple_from(side),
            seq: SeqNumber(0),
            ack: SeqNumber(0),
            flags,
            window: 0,
            payload_len,
            header_len: 40,
            payload: &[],
            is_ce: false,
            options,
        };
        let at = self.now;
        let sample = self.rtt.on_segment(side, at, &segment, &verdict, &mut self.budget);
        self.samples.extend(sample);
        let flow = Flow { client: CLIENT, ..Flow::default() };
        let seen = Seen { flow: &flow, segment: &segment, side, at, packets: 1 };
        let is_delayed_ack = sample.is_some_and(|sample| sample.is_delayed_ack);
        let observed = Observed::new(&seen, &verdict, is_delayed_ack, &self.rtt);
        self.stalls.on_segment(&observed, |_, stall| self.ended.push(stall));
        self
    }
}

/// A segment with whatever verdict.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct Step {
    from_client: bool,
    /// Time since the last one; it may step back.
    passed: i64,
    flags: u16,
    timestamps: Option<(u32, u32)>,
    sent: Sent,
    acked: Option<Acked>,
}

impl Step {
    /// Goes on with a story.
    pub(in crate::flow) fn take(story: Story, step: Self) -> Story {
        let mut story = story;
        story.now = Timestamp(story.now.0.saturating_add(step.passed));
        story.timestamps = step.timestamps;
        let side = if step.from_client { CLIENT } else { SERVER };
        let verdict = Verdict { sent: step.sent, acked: step.acked };
        story.take(side, TcpFlags(step.flags), step.sent.new.saturating_add(step.sent.again) >> 8, verdict)
    }
}

/// Segments that no stream would judge like that.
pub(in crate::flow) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let number = || prop_oneof![Just(0), Just(1), 0u32..3000, any::<u32>()];
    let span = || prop::option::of((0u32..64, any::<u64>()).prop_map(|(shift, value)| Span(value >> shift)));
    let cause = prop::option::of(prop::sample::select(Cause::ALL.to_vec()));
    let sent = (number(), number(), cause, any::<bool>(), number()).prop_map(
        |(new, again, cause, is_probe, in_flight)| Sent {
            new,
            again,
            cause,
            is_probe,
            in_flight,
            sent_before: None,
        },
    );
    let acked = (number(), number(), span(), span(), number(), number(), number());
    let acked = acked.prop_map(|(octets, selectively, rtt, rtt_oldest, segments, in_flight, window)| Acked {
        // The newest was sent after the oldest.
        rtt: rtt.min(rtt_oldest).or(rtt),
        rtt_oldest,
        octets,
        selectively,
        segments,
        in_flight,
        window,
        is_duplicate: false,
    });
    let passed = prop_oneof![-1_000i64..1_000_000, 0i64..5_000_000_000, any::<i64>()];
    let timestamps = prop::option::of((number(), number()));
    let step = (any::<bool>(), passed, 0u16..512, timestamps, sent, prop::option::of(acked)).prop_map(
        |(from_client, passed, flags, timestamps, sent, acked)| Step {
            from_client,
            passed,
            flags,
            timestamps,
            sent,
            acked,
        },
    );
    prop::collection::vec(step, 0..60)
}
