//! What the kernel did beside what the engine says of it, segment by segment and flow by flow.
//!
//! A retransmission of the kernel and a frame at the sender's end are one when way, sequence number and length are,
//! and no other pair of these is closer in time. A copy was *needless* when the other end's capture shows that
//! octets sent before it, by earlier frames, arrived: the identification in the IP header tells the copies apart.

use std::collections::{BTreeMap, HashMap};

use tcpkit_agent::{flow::Cause, time::Span};

use super::{
    observed::{Observed, Sent},
    reached::Reached,
    receiver::ReceiverVerdict,
    truth::{Retransmission, Trigger, Truth, Way},
};

/// A retransmission of the kernel, judged.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// As the kernel did it.
    pub truth: Retransmission,
    /// The receiver had it, or was about to have it.
    pub is_needless: bool,
    /// And said so by a D-SACK that the sender got.
    pub is_told: bool,
    /// What the engine says of the frame; `None` when it takes it for something else.
    pub cause: Option<Cause>,
    /// Segments of it that the engine counts as sent again.
    pub found: u32,
    /// The frame at the sender's end.
    pub frame: Sent,
}

impl Judged {
    /// Whether the engine names the cause: the kernel's, or `spurious` where the copy was needless. Where a D-SACK told
    /// that, `spurious` is the only right answer.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let trigger = match self.truth.trigger {
            Trigger::Rto => Cause::Rto,
            Trigger::Fast => Cause::Fast,
            Trigger::Tlp => Cause::Tlp,
        };
        match self.cause {
            Some(Cause::Spurious) => self.is_needless,
            Some(cause) => cause == trigger && !(self.is_needless && self.is_told),
            None => false,
        }
    }
}

/// A percentile of one flow's round trips, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Percentile {
    /// Whose data.
    pub way: Way,
    /// 50 or 99.
    pub percent: u32,
    /// Of how many samples, the kernel's and the engine's.
    pub samples: [u64; 2],
    /// The kernel's.
    pub kernel_us: f64,
    /// The engine's.
    pub engine_us: f64,
}

impl Percentile {
    /// Off by no more than 5 % or 50 µs.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let error = (self.engine_us - self.kernel_us).abs();
        error <= 50.0 || error <= 0.05 * self.kernel_us
    }
}

/// All of a run.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Retransmissions of data that left, in the kernel's order.
    pub judged: Vec<Judged>,
    /// What the engine counts as sent again and the kernel did not send again.
    pub invented: Vec<Sent>,
    /// Segments too many of frames that were sent again.
    pub excess: u64,
    /// Retransmissions that no capture has: the record and the capture disagree.
    pub unmatched: Vec<Retransmission>,
    /// FINs without data that were sent again: the kernel's, and the engine's.
    pub fins: [u64; 2],
    /// SYNs and SYN/ACKs sent again: the kernel's, and the engine's.
    pub syns: [u64; 2],
    /// Round trips of flows that have enough of them.
    pub percentiles: Vec<Percentile>,
    /// What the engine says of the same at the other end.
    pub receiver: ReceiverVerdict,
}

/// Compares a run; the captures are those of the client's and of the server's end.
#[must_use]
pub fn judge(truth: &Truth, observed: [&Observed; 2], server_port: u16, realtime_offset_ns: i64) -> Verdict {
    let mut verdict = Verdict::default();
    for (sender, receiver) in [(0, 1), (1, 0)] {
        let is_ours = |way: &Way| if sender == 0 { way.to == server_port } else { way.from == server_port };
        let mut frames = Frames::new(observed[sender], observed[receiver], is_ours);
        let before = verdict.judged.len();
        for retransmission in truth.retransmissions.iter().filter(|one| is_ours(&one.way)) {
            judge_one(&mut verdict, &mut frames, *retransmission, realtime_offset_ns);
        }
        verdict.receiver.add(&verdict.judged[before..], observed[receiver], is_ours);
        verdict.invented.extend(frames.left());
        verdict.percentiles.extend(percentiles(truth, observed[sender], is_ours));
        verdict.fins[1] += observed[sender].fins(is_ours);
    }
    verdict.syns[0] += truth.synacks;
    verdict.syns[1] = observed[0].syns[0] + observed[1].syns[1];
    verdict
}

fn judge_one(verdict: &mut Verdict, frames: &mut Frames<'_>, truth: Retransmission, offset_ns: i64) {
    match truth {
        Retransmission { is_syn: true, .. } => verdict.syns[0] += 1,
        Retransmission { was_sent: false, .. } => {}
        Retransmission { payload_len: 0, .. } => verdict.fins[0] += 1,
        _ => {
            let Some((sent, is_needless)) = frames.find(&truth, offset_ns) else {
                verdict.unmatched.push(truth);
                return;
            };
            let said = sent.said.map_or(0, |said| said.segments);
            verdict.excess += u64::from(said.saturating_sub(truth.segments));
            verdict.judged.push(Judged {
                truth,
                is_needless,
                is_told: sent.is_dsacked,
                cause: sent.said.map(|said| said.cause()),
                found: said.min(truth.segments),
                frame: *sent,
            });
        }
    }
}

/// Frames with payload at the sender's end, to be matched once each.
struct Frames<'a> {
    all: Vec<(&'a Sent, bool)>,
    /// Places of those not matched, by way, sequence number and length.
    open: HashMap<(Way, u32, u32), Vec<usize>>,
}

impl<'a> Frames<'a> {
    fn new(sender: &'a Observed, receiver: &Observed, is_ours: impl Fn(&Way) -> bool) -> Self {
        let arrived: HashMap<_, _> = receiver
            .sent
            .iter()
            .map(|sent| ((sent.way, sent.seq.0, sent.identification), sent.payload_len))
            .collect();
        let mut reached: HashMap<Way, Reached> = HashMap::new();
        let mut frames = Self { all: Vec::new(), open: HashMap::new() };
        for sent in sender.sent.iter().filter(|sent| is_ours(&sent.way)) {
            let reached = reached.entry(sent.way).or_insert_with(|| Reached::from(sent.seq));
            let key = (sent.way, sent.seq.0, sent.payload_len);
            frames.open.entry(key).or_default().push(frames.all.len());
            frames.all.push((sent, reached.covers(sent)));
            reached.take(sent, &arrived);
        }
        frames
    }

    /// The closest in time, and whether it was needless.
    fn find(&mut self, truth: &Retransmission, offset_ns: i64) -> Option<(&'a Sent, bool)> {
        let at_ns = truth.at_ns.cast_signed() + offset_ns;
        let open = self.open.get_mut(&(truth.way, truth.seq, truth.payload_len))?;
        let distance = |place: &usize| (self.all[*place].0.at_ns - at_ns).unsigned_abs();
        let (nearest, _) = open.iter().enumerate().min_by_key(|(_, place)| distance(place))?;
        (distance(&open[nearest]) <= TOLERANCE_NS).then(|| self.all[open.remove(nearest)])
    }

    /// Those that were not matched, and that the engine takes for copies.
    fn left(&self) -> impl Iterator<Item = Sent> {
        let places = self.open.values().flatten();
        places.map(|place| *self.all[*place].0).filter(|sent| sent.said.is_some())
    }
}

/// A frame is captured within microseconds of the record; the clocks are compared once.
const TOLERANCE_NS: u64 = 2_000_000;

/// Samples below which a percentile is a single round trip's luck.
const ENOUGH: [(u32, usize); 2] = [(50, 20), (99, 200)];

fn percentiles(truth: &Truth, sender: &Observed, is_ours: impl Fn(&Way) -> bool) -> Vec<Percentile> {
    let mut flows: BTreeMap<Way, Vec<u32>> = BTreeMap::new();
    for one in truth.round_trips.iter().filter(|one| is_ours(&one.way)) {
        flows.entry(one.way).or_default().push(one.span_us);
    }
    let mut all = Vec::new();
    for (way, mut spans) in flows {
        spans.sort_unstable();
        let Some(summary) = sender.rtt.get(&way) else { continue };
        for (percent, _) in ENOUGH.iter().filter(|(_, enough)| spans.len() >= *enough) {
            let percent = *percent;
            let ours = if percent == 50 { summary.p50 } else { summary.p99 };
            let place = (spans.len() * percent as usize).div_ceil(100) - 1;
            all.push(Percentile {
                way,
                percent,
                samples: [spans.len() as u64, summary.samples],
                kernel_us: spans[place].into(),
                engine_us: ours.map_or(f64::INFINITY, Span::as_micros_f64),
            });
        }
    }
    all
}
