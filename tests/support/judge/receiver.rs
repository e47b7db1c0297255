//! What the engine says of retransmissions at the receiver's end, where a lost original was never seen.
//!
//! A segment of the kernel's and a frame there are one when way, sequence number and IP identification are. What can be
//! known of it there depends on what had arrived before it, so each is judged by its [`Sight`].

use std::collections::{HashMap, VecDeque};

use super::{
    observed::{Observed, Said, Sent},
    reached::Reached,
    truth::Way,
    verdict::Judged,
};

/// How something that was sent again looks at the receiver's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// It fills a hole: octets behind it had arrived. Sent again or overtaken, only time and stamps can tell.
    Hole,
    /// All of it had arrived before: octets tell.
    Arrived,
    /// Nothing behind it had arrived: it looks like data that is sent for the first time.
    InOrder,
    /// It does not come: lost on its way as well.
    Absent,
}

/// Segments of one retransmission that came together, or not at all.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// As at the sender's end, but cause and segments found are what the engine says here.
    pub judged: Judged,
    /// How it looks here.
    pub sight: Sight,
    /// How many segments.
    pub segments: u32,
}

/// All of a run, at the receivers' ends.
#[derive(Clone, Debug, Default)]
pub struct ReceiverVerdict {
    /// What the kernels sent again.
    pub arrivals: Vec<Arrival>,
    /// Segments that the network doubled and the engine takes for sent again.
    pub doubled: u64,
    /// Segments that came late though they were sent once, which the engine takes for sent again.
    pub overtaken: u64,
}

impl ReceiverVerdict {
    /// Takes what was judged at the sender's end, and the other end's capture of the same ways.
    pub fn add(&mut self, judged: &[Judged], receiver: &Observed, is_ours: impl Fn(&Way) -> bool) {
        let mut frames = Frames::new(receiver, is_ours);
        for one in judged {
            frames.take(one, &mut self.arrivals);
        }
        let left = frames.all.iter().filter_map(|frame| Some((frame, frame.said?)));
        for (frame, said) in left.filter(|(frame, _)| !frame.is_matched) {
            let sum = if frame.is_doubled { &mut self.doubled } else { &mut self.overtaken };
            *sum += u64::from(said.segments);
        }
    }
}

/// A frame at the receiver's end.
struct Frame {
    sent: Sent,
    sight: Sight,
    said: Option<Said>,
    is_doubled: bool,
    is_matched: bool,
}

struct Frames {
    all: Vec<Frame>,
    /// Places of those not matched, by way, sequence number and identification; a doubled one has two.
    open: HashMap<(Way, u32, u16), VecDeque<usize>>,
}

impl Frames {
    fn new(receiver: &Observed, is_ours: impl Fn(&Way) -> bool) -> Self {
        let mut reached: HashMap<Way, Reached> = HashMap::new();
        let mut frames = Self { all: Vec::new(), open: HashMap::new() };
        for sent in receiver.sent.iter().filter(|sent| is_ours(&sent.way)) {
            let reached = reached.entry(sent.way).or_insert_with(|| Reached::from(sent.seq));
            let sight = match (reached.covers(sent), reached.is_beyond(sent)) {
                (true, _) => Sight::Arrived,
                (false, true) => Sight::Hole,
                (false, false) => Sight::InOrder,
            };
            reached.take_whole(sent);
            let open = frames.open.entry((sent.way, sent.seq.0, sent.identification)).or_default();
            let is_doubled = !open.is_empty();
            open.push_back(frames.all.len());
            frames.all.push(Frame { sent: *sent, sight, said: sent.said, is_doubled, is_matched: false });
        }
        frames
    }

    /// Follows a retransmission, which may have been cut on its way: its parts count their identifications on.
    fn take(&mut self, judged: &Judged, arrivals: &mut Vec<Arrival>) {
        let sent = judged.frame;
        let (mut at, mut part) = (0, 0_u32);
        while at < sent.payload_len {
            let number = sent.identification.wrapping_add(part as u16);
            let key = (sent.way, sent.seq.advanced(at).0, number);
            let place = self.open.get_mut(&key).and_then(VecDeque::pop_front);
            let arrival = match place {
                Some(place) => self.arrival(judged, place),
                None => {
                    let judged = Judged { found: 0, cause: None, ..*judged };
                    Arrival { judged, sight: Sight::Absent, segments: 1 }
                }
            };
            at += place.map_or(sent.segment_len, |place| self.all[place].sent.payload_len);
            part += arrival.segments;
            arrivals.push(arrival);
        }
    }

    fn arrival(&mut self, judged: &Judged, place: usize) -> Arrival {
        let frame = &mut self.all[place];
        frame.is_matched = true;
        let segments = frame.sent.payload_len.div_ceil(frame.sent.segment_len);
        let found = frame.said.map_or(0, |said| said.segments.min(segments));
        let judged = Judged { found, cause: frame.said.map(|said| said.cause()), ..*judged };
        Arrival { judged, sight: frame.sight, segments }
    }
}
