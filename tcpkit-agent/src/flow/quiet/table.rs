//! The quiet flows of one thread, found by their keys, and those that turned out to be odd.

use super::{
    super::key::FlowKey,
    brief::{Brief, Hasher, Kind},
    flight::Flights,
    flow::{OPEN, QuietEnding, QuietFlow, Stage},
};

/// Frames of the whole capture so far that may have closed a flow: before the block at hand, and with it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tide {
    /// Before the block.
    pub(crate) before: u64,
    /// Behind it.
    pub(crate) after: u64,
}

/// More flows than the engine keeps without letting any go: then what it says depends on which ones, and it must be
/// asked itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// Bounds below which the engine lets no flow go.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Flows of this table, quiet and odd.
    flows: usize,
    /// Those of them that may be half-open.
    half_open: usize,
    /// Frames that may close a flow between a flow's own closing and its last frame.
    between: u64,
}

/// Flows of one thread.
#[derive(Debug)]
pub(crate) struct QuietTable {
    /// A flow's number, counted from 1, below its hash; a power of two of them.
    index: Vec<u64>,
    /// Flows in the order in which they began, a thousand at a time, so that none ever moves.
    chunks: Vec<Vec<QuietFlow>>,
    /// How many.
    flows: usize,
    flights: Flights,
    bounds: Bounds,
    /// Flows that are waiting for their handshake.
    half_open: usize,
    /// Odd flows.
    odd: usize,
    /// Frames of odd flows that may have opened or closed one.
    odd_edges: u64,
}

impl QuietTable {
    /// One of `tables` tables that share the flows of a capture out; the engine keeps so many flows, so many of them
    /// half-open, and so many closed ones.
    pub(crate) fn new(tables: usize, flows: u32, half_open: u32, lingering: u32) -> Self {
        // Room for established flows is what the engine does not keep for half-open ones.
        let bounds = Bounds {
            flows: (flows / 5 * 4) as usize / tables,
            half_open: half_open as usize / tables,
            between: u64::from(lingering / 4 * 3),
        };
        Self {
            index: vec![0; LEAST_INDEX],
            chunks: Vec::new(),
            flows: 0,
            flights: Flights::default(),
            bounds,
            half_open: 0,
            odd: 0,
            odd_edges: 0,
        }
    }

    /// Takes a segment, which is the capture's frame number `number`.
    ///
    /// # Errors
    /// The engine would let flows go.
    #[inline(always)]
    pub(crate) fn on_brief(&mut self, brief: &Brief, number: u64, tide: Tide) -> Result<(), TooMuch> {
        let Some(flow) = self.find(brief) else { return self.begin(brief, number) };
        let flow = &mut self.chunks[flow / CHUNK][flow % CHUNK];
        if flow.stage == Stage::Open
            && flow.ending == QuietEnding::Open
            && flow.on_open(brief, &mut self.flights)
        {
            if flow.ending != QuietEnding::Open {
                flow.closed = tide.before;
            }
            return Ok(());
        }
        self.on_rare(brief, number, tide)
    }

    /// Asks for the memory of what a segment will need.
    #[inline(always)]
    pub(crate) fn fetch(&self, brief: &Brief) {
        super::super::prefetch(&self.index[brief.hash as usize & (self.index.len() - 1)]);
    }

    /// Anything but a segment of an open flow that stays quiet.
    #[inline(never)]
    fn on_rare(&mut self, brief: &Brief, number: u64, tide: Tide) -> Result<(), TooMuch> {
        let Some(place) = self.find(brief) else { return Ok(()) };
        let flow = &mut self.chunks[place / CHUNK][place % CHUNK];
        let stage = flow.stage;
        match stage {
            Stage::Odd => return self.on_odd(place, brief, tide),
            _ if flow.is_reopened_by(brief) => {
                flow.give_back(&mut self.flights);
                return self.replace(brief, number);
            }
            Stage::Asked => {
                if flow.on_answer(brief) {
                    return Ok(());
                }
            }
            Stage::Answered => {
                if flow.on_completion(brief) {
                    self.half_open -= 1;
                    return Ok(());
                }
            }
            Stage::Open if flow.ending != QuietEnding::Open => {
                if tide.after - flow.closed >= self.bounds.between {
                    return Err(TooMuch);
                }
                if flow.on_open(brief, &mut self.flights) {
                    return Ok(());
                }
            }
            Stage::Open => {}
        }
        self.give_up(place, brief, tide)
    }

    /// A flow is odd.
    #[cold]
    fn give_up(&mut self, place: usize, brief: &Brief, tide: Tide) -> Result<(), TooMuch> {
        let flow = &mut self.chunks[place / CHUNK][place % CHUNK];
        let was_half_open = flow.stage != Stage::Open;
        flow.give_up(&mut self.flights);
        if was_half_open {
            self.half_open -= 1;
            self.odd_edges += 1;
            flow.closed = tide.before;
        }
        self.odd += 1;
        self.check()?;
        self.on_odd(place, brief, tide)
    }

    /// A frame of an odd flow.
    fn on_odd(&mut self, place: usize, brief: &Brief, tide: Tide) -> Result<(), TooMuch> {
        let flow = &mut self.chunks[place / CHUNK][place % CHUNK];
        if flow.closed != OPEN && tide.after - flow.closed >= self.bounds.between {
            return Err(TooMuch);
        }
        if !matches!(brief.kind, Kind::Plain | Kind::Odd) {
            flow.closed = tide.before;
            self.odd_edges += 1;
        }
        Ok(())
    }

    /// A flow begins with this segment.
    #[inline(never)]
    fn begin(&mut self, brief: &Brief, number: u64) -> Result<(), TooMuch> {
        if self.flows * 2 >= self.index.len() {
            self.grow();
        }
        let place = self.flows;
        self.add(brief, number)?;
        let mask = self.index.len() - 1;
        let mut at = brief.hash as usize & mask;
        while self.index[at] != 0 {
            at = (at + 1) & mask;
        }
        self.index[at] = entry(brief.hash, place);
        Ok(())
    }

    /// The same where another one of the same key is over.
    #[inline(never)]
    fn replace(&mut self, brief: &Brief, number: u64) -> Result<(), TooMuch> {
        let place = self.flows;
        self.add(brief, number)?;
        if let Some(at) = self.find_entry(brief.hash, &brief.key) {
            self.index[at] = entry(brief.hash, place);
        }
        Ok(())
    }

    fn add(&mut self, brief: &Brief, number: u64) -> Result<(), TooMuch> {
        let flow = QuietFlow::new(brief, number);
        if flow.stage == Stage::Odd {
            self.odd += 1;
            self.odd_edges += 1;
        } else {
            self.half_open += 1;
        }
        if self.flows.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[self.flows / CHUNK].push(flow);
        self.flows += 1;
        self.check()
    }

    const fn check(&self) -> Result<(), TooMuch> {
        if self.flows > self.bounds.flows || self.half_open + self.odd > self.bounds.half_open {
            return Err(TooMuch);
        }
        Ok(())
    }

    #[inline(always)]
    fn find(&self, brief: &Brief) -> Option<usize> {
        let at = self.find_entry(brief.hash, &brief.key)?;
        Some(place_of(self.index[at]))
    }

    #[inline(always)]
    fn find_entry(&self, hash: u32, key: &FlowKey) -> Option<usize> {
        let mask = self.index.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let entry = self.index[at];
            if entry == 0 {
                return None;
            }
            if (entry >> 32) as u32 == hash && self.flow(place_of(entry)).key == *key {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    #[inline(always)]
    fn flow(&self, place: usize) -> &QuietFlow {
        &self.chunks[place / CHUNK][place % CHUNK]
    }

    #[cold]
    fn grow(&mut self) {
        let mask = self.index.len() * 4 - 1;
        let old = std::mem::replace(&mut self.index, vec![0; mask + 1]);
        for entry in old.into_iter().filter(|entry| *entry != 0) {
            let mut at = (entry >> 32) as usize & mask;
            while self.index[at] != 0 {
                at = (at + 1) & mask;
            }
            self.index[at] = entry;
        }
    }

    /// The capture has ended: who still waits for a handshake is odd, because time-outs may have come to pass.
    pub(crate) fn finish(&mut self) {
        for flow in self.chunks.iter_mut().flatten() {
            if matches!(flow.stage, Stage::Asked | Stage::Answered) {
                flow.give_up(&mut self.flights);
                self.odd += 1;
                self.odd_edges += 1;
            }
        }
    }

    /// Those that were quiet to their end.
    pub(crate) fn quiet(&self) -> impl Iterator<Item = &QuietFlow> + Clone {
        self.chunks.iter().flatten().filter(|flow| flow.stage == Stage::Open)
    }

    /// How many flows are odd.
    pub(crate) const fn odd(&self) -> usize {
        self.odd
    }

    /// Frames of odd flows that may have opened or closed one.
    pub(crate) const fn odd_edges(&self) -> u64 {
        self.odd_edges
    }

    /// Whether a frame of this key, which is the capture's frame number `number`, is one of an odd flow.
    pub(crate) fn is_odd(&self, key: &FlowKey, hasher: &Hasher, number: u64) -> bool {
        let found = self.find_entry(hasher.hash(key), key).map(|at| self.flow(place_of(self.index[at])));
        found.is_some_and(|flow| flow.stage == Stage::Odd && number >= flow.first)
    }
}

const fn entry(hash: u32, place: usize) -> u64 {
    (hash as u64) << 32 | (place as u64 + 1)
}

const fn place_of(entry: u64) -> usize {
    (entry & 0xffff_ffff) as usize - 1
}

/// Flows that are allotted together.
const CHUNK: usize = 1_024;

/// Entries of an index at first.
const LEAST_INDEX: usize = 1 << 12;
