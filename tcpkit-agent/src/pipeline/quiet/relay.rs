//! Who reads next, and what waits for whom.
//!
//! Every thread does two kinds of work: it takes its own flows' share of the chunks, in the order of the file, and
//! where the next one is not there yet, it reads another chunk for all. Reading is ahead of the slowest thread by a
//! few chunks at most. Where the records of a chunk begin is known when those of the one before were found.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use super::{
    QuietPlan, QuietWatch,
    chunk::{Chunk, Shares},
};
use crate::{
    flow::quiet::{Hasher, QuietTable, Tide},
    source::Flat,
    time::{Span, Timestamp},
    wire::LinkType,
};

/// The file has to go the usual way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// What the threads share.
pub(super) struct Relay<'a> {
    file: &'a Flat,
    plan: &'a QuietPlan<'a>,
    hasher: &'a Hasher,
    watch: &'a QuietWatch,
    owners: usize,
    state: Mutex<State>,
    news: Condvar,
}

struct State {
    /// Chunks of the file, or as many as are still to be read.
    chunks: u64,
    /// The first that nobody has begun to read.
    next: u64,
    /// The first whose records are not found, where they begin, and how many there are before.
    found: u64,
    start: u64,
    frames: u64,
    /// Frames that may have closed a flow.
    closing: u64,
    /// Chunks that are read, the first of which is number `first`; `None` while one is being read.
    ready: VecDeque<Option<Arc<Shares>>>,
    first: u64,
    /// Which chunk each thread takes next.
    taken: Vec<u64>,
    /// What is to be filled again.
    spare: Vec<Shares>,
    is_refused: bool,
}

/// What a thread does next.
enum Task {
    Take(Arc<Shares>),
    Read(u64),
    End,
}

impl<'a> Relay<'a> {
    /// Of a file; `None` where it has to go the usual way.
    pub(super) fn new(
        file: &'a Flat,
        plan: &'a QuietPlan<'a>,
        hasher: &'a Hasher,
        watch: &'a QuietWatch,
    ) -> Option<Self> {
        if file.shape.link_type != LinkType::ETHERNET || file.shape.max_captured > MOST_CAPTURED {
            return None;
        }
        let owners = plan.threads.max(1);
        let state = State {
            chunks: file.len.saturating_sub(Flat::START).div_ceil(plan.stretch),
            next: 0,
            found: 0,
            start: Flat::START,
            frames: 0,
            closing: 0,
            ready: VecDeque::new(),
            first: 0,
            taken: vec![0; owners],
            spare: Vec::new(),
            is_refused: false,
        };
        let (state, news) = (Mutex::new(state), Condvar::new());
        Some(Self { file, plan, hasher, watch, owners, state, news })
    }

    /// Works as one of the threads until the file ends; `None` where the file has to go the usual way.
    pub(super) fn work(&self, owner: usize) -> Option<QuietTable> {
        let flows = &self.plan.settings.flows;
        let mut table =
            QuietTable::new(self.owners, flows.max_flows, flows.max_half_open, flows.max_lingering);
        let mut chunk = self.chunk();
        let (mut tide, mut now) = (Tide::default(), Timestamp::MIN);
        let _others_are_told = Alarm(self);
        loop {
            let done = match self.next_task(owner) {
                Task::Take(shares) => {
                    tide = Tide { before: tide.after, after: tide.after + shares.closing };
                    let is_late = shares.clock.step_back_from(now) > STEP_BACK;
                    now = now.max(shares.clock.latest);
                    let done = if is_late { Err(Refused) } else { take(&mut table, &shares, owner, tide) };
                    self.give_back(shares);
                    done
                }
                Task::Read(number) => self.read(number, &mut chunk),
                Task::End => break,
            };
            if done.is_err() {
                self.refuse();
            }
        }
        table.finish();
        (!self.lock().is_refused).then_some(table)
    }

    /// Whether odd flows cannot have pushed out quiet ones of the engine's, nor one of them another.
    pub(super) fn is_sure_of(&self, tables: &[QuietTable]) -> bool {
        let edges: u64 = tables.iter().map(QuietTable::odd_edges).sum();
        let lingering = u64::from(self.plan.settings.flows.max_lingering);
        // What closes by a time-out is odd; what was looked at between a flow's closing and its last frame has left those
        // a quarter of the room.
        self.lock().closing + edges < lingering || edges < lingering / 4
    }

    /// What a thread reads into.
    pub(super) fn chunk(&self) -> Chunk {
        Chunk::new(&self.file.shape, self.plan.stretch)
    }

    /// What is to be read.
    pub(super) const fn plan(&self) -> &QuietPlan<'a> {
        self.plan
    }

    /// Frames of the file that were looked at.
    pub(super) fn frames(&self) -> u64 {
        self.lock().frames
    }

    fn refuse(&self) {
        self.lock().is_refused = true;
        self.news.notify_all();
    }

    fn next_task(&self, owner: usize) -> Task {
        let mut state = self.lock();
        loop {
            if state.is_refused {
                return Task::End;
            }
            if self.watch.stop.load(Relaxed) {
                state.chunks = state.chunks.min(state.next);
            }
            if let Some(shares) = state.share_of(owner) {
                return Task::Take(shares);
            }
            if state.taken[owner] >= state.chunks {
                return Task::End;
            }
            if state.next < state.chunks && state.next - state.first < (AHEAD * self.owners) as u64 {
                state.ready.push_back(None);
                state.next += 1;
                return Task::Read(state.next - 1);
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads a chunk for all.
    fn read(&self, number: u64, chunk: &mut Chunk) -> Result<(), Refused> {
        chunk.read(self.file, Flat::START + number * self.plan.stretch)?;
        let start = self.await_turn(number)?;
        let behind = chunk.find_records(self.file, start)?;
        let mut shares = self.found(chunk, behind);
        shares.briefs.resize_with(self.owners, Vec::new);
        chunk.share_out(self.file.shape, self.plan.settings.parse, self.hasher, &mut shares)?;
        let mut state = self.lock();
        state.closing += shares.closing;
        let place = usize::try_from(number - state.first).map_err(|_| Refused)?;
        state.ready[place] = Some(Arc::new(shares));
        drop(state);
        self.news.notify_all();
        self.watch.position.fetch_max(behind, Relaxed);
        Ok(())
    }

    /// Waits until it is known where the records of a chunk begin.
    fn await_turn(&self, number: u64) -> Result<u64, Refused> {
        let mut state = self.lock();
        while state.found != number {
            if state.is_refused {
                return Err(Refused);
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(state.start)
    }

    /// Tells where those of the next one begin.
    fn found(&self, chunk: &Chunk, behind: u64) -> Shares {
        let mut state = self.lock();
        let number = state.frames;
        state.found += 1;
        state.start = behind;
        state.frames += chunk.records();
        let shares = state.spare.pop().unwrap_or_default();
        self.watch.frames.store(state.frames, Relaxed);
        drop(state);
        self.news.notify_all();
        Shares { number, ..shares }
    }

    /// A thread has taken its share of a chunk.
    fn give_back(&self, shares: Arc<Shares>) {
        // Whoever is the last to let go of it has it alone.
        if let Some(shares) = Arc::into_inner(shares) {
            self.lock().spare.push(shares);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the others where a thread panics: they would wait for what it was to read.
struct Alarm<'a>(&'a Relay<'a>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.refuse();
        }
    }
}

impl State {
    /// The share that a thread takes next, where it is there; who has taken all that is behind it goes on.
    fn share_of(&mut self, owner: usize) -> Option<Arc<Shares>> {
        let number = self.taken[owner];
        let place = usize::try_from(number - self.first).ok()?;
        let shares = self.ready.get(place)?.clone()?;
        self.taken[owner] += 1;
        let least = self.taken.iter().copied().min().unwrap_or(0);
        while self.first < least {
            self.ready.pop_front();
            self.first += 1;
        }
        Some(shares)
    }
}

/// Takes the segments of a chunk.
#[inline(never)]
fn take(table: &mut QuietTable, shares: &Shares, owner: usize, tide: Tide) -> Result<(), Refused> {
    let briefs = &shares.briefs[owner];
    for (at, brief) in briefs.iter().enumerate() {
        if let Some(later) = briefs.get(at + SOON) {
            table.fetch(later);
        }
        table.on_brief(brief, shares.number + u64::from(brief.place), tide).map_err(|_| Refused)?;
    }
    Ok(())
}

/// Time-outs go by the latest time of any frame. As long as that is not further ahead of a flow's own frames, no
/// handshake of a quiet flow can have timed out.
const STEP_BACK: Span = Span::from_secs(1);

/// Chunks for each thread that may be read before they are taken.
const AHEAD: usize = 3;

/// Segments between one and the one whose memory is asked for.
const SOON: usize = 4;

/// Octets of a record beyond which a file is rare enough.
const MOST_CAPTURED: u32 = 1 << 20;
