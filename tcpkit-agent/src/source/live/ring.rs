//! One ring, read without copying.
//!
//! The layout is the kernel's (linux/kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the
//! producer's, then the data, mapped twice in a row so that no record is ever split.
//! A record stays readable until the position behind it is published, so bytes are borrowed only within `poll`.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    slice,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering, fence},
    },
    time::Duration,
};

use tcpkit_common::{record::RecordHeader, settings::SLEEPER_WORDS};

use super::sys::{self, Mapping};

/// The reading end of one shard's ring; there is one reader, and it may move to another thread.
#[derive(Debug)]
pub struct RingReader {
    shard: u32,
    ring: OwnedFd,
    consumer: Mapping,
    producer: Mapping,
    sleepers: Arc<Mapping>,
    /// Where the data begins in the producer's mapping.
    data: usize,
    mask: u64,
    position: u64,
    malformed: u64,
    waker: RingWaker,
}

/// Ends the waiting of a ring's reader, from any thread (eventfd(2)).
#[derive(Clone, Debug)]
pub struct RingWaker(Arc<File>);

impl RingWaker {
    fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(sys::event_fd()?.into())))
    }

    /// Wakes it; one that does not wait will not begin to.
    pub fn wake(&self) {
        // A counter that is full wakes as well.
        let _full = (&*self.0).write(&1u64.to_ne_bytes());
    }

    fn clear(&self) {
        let _empty = (&*self.0).read(&mut [0; 8]);
    }
}

impl RingReader {
    /// A new ring of `bytes` (a power of two of whole pages) and its reader; `sleepers` holds the flag of each shard.
    pub(super) fn create(shard: u32, bytes: u32, sleepers: Arc<Mapping>) -> io::Result<Self> {
        let ring = sys::create_ring(bytes)?;
        let page = sys::page_size();
        let consumer = Mapping::new(ring.as_fd(), page, 0, true)?;
        let producer = Mapping::new(ring.as_fd(), page + 2 * bytes as usize, page, false)?;
        let mask = u64::from(bytes) - 1;
        let waker = RingWaker::new()?;
        Ok(Self {
            shard,
            ring,
            consumer,
            producer,
            sleepers,
            data: page,
            mask,
            position: 0,
            malformed: 0,
            waker,
        })
    }

    /// The map, for the program's array of rings.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }

    /// Which shard's ring this is.
    #[must_use]
    pub const fn shard(&self) -> u32 {
        self.shard
    }

    /// Records that were shorter than they said; not one is expected.
    #[must_use]
    pub const fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Hands at most `budget` records to `consume`, in ring order; gives how many.
    ///
    /// The bytes are the captured ones, from the link header on, without the tag in metadata.
    pub fn poll(&mut self, budget: usize, mut consume: impl FnMut(&RecordHeader, &[u8])) -> usize {
        let mut taken = 0;
        let mut unpublished = 0;
        let end = self.produced(Ordering::Acquire);
        while taken < budget && self.position < end {
            let Some(len) = self.record_len() else { break };
            if len & DISCARDED == 0 {
                match self.record(len) {
                    Some((header, bytes)) => consume(header, bytes),
                    None => self.malformed += 1,
                }
                taken += 1;
            }
            self.position += u64::from((len & LEN_MASK).next_multiple_of(8) + RING_HEADER);
            unpublished += 1;
            if unpublished == PUBLISH_EVERY {
                self.publish();
                unpublished = 0;
            }
        }
        if unpublished > 0 {
            self.publish();
        }
        taken
    }

    /// Sleeps until there is a record, at most `timeout`; spurious returns are possible.
    ///
    /// # Errors
    /// When the kernel refuses to wait, which it does for no known reason.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let flag = self.sleeper();
        flag.store(1, Ordering::SeqCst);
        // Pairs with the full barrier by which the kernel commits a record: either it sees the flag, or we its record.
        fence(Ordering::SeqCst);
        if self.produced(Ordering::SeqCst) != self.position {
            flag.store(0, Ordering::Relaxed);
            return Ok(());
        }
        let of = |fd: i32| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut polls = [of(self.ring.as_raw_fd()), of(self.waker.0.as_raw_fd())];
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: these are two descriptors, and they live through the call.
        let result = unsafe { libc::poll(polls.as_mut_ptr(), 2, milliseconds) };
        let error = io::Error::last_os_error();
        self.sleeper().store(0, Ordering::Relaxed);
        if polls[1].revents != 0 {
            self.waker.clear();
        }
        match error {
            error if result < 0 && error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// How full the ring is, from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ring is far below 2^53 bytes")]
    pub fn fill(&self) -> f64 {
        let waiting = self.produced(Ordering::Acquire).saturating_sub(self.position);
        waiting as f64 / (self.mask + 1) as f64
    }

    /// What ends a [`wait`](Self::wait) early.
    #[must_use]
    pub fn waker(&self) -> RingWaker {
        self.waker.clone()
    }

    /// Whether everything that was produced so far was consumed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.produced(Ordering::Acquire) == self.position
    }

    fn produced(&self, ordering: Ordering) -> u64 {
        // SAFETY: the first word of the producer's page, aligned, alive as long as the mapping.
        unsafe { AtomicU64::from_ptr(self.producer.start().cast()) }.load(ordering)
    }

    fn publish(&self) {
        // SAFETY: the first word of the consumer's page, as above; we are its only writer.
        unsafe { AtomicU64::from_ptr(self.consumer.start().cast()) }.store(self.position, Ordering::Release);
    }

    fn sleeper(&self) -> &AtomicU64 {
        let offset = self.shard as usize * SLEEPER_WORDS * size_of::<u64>();
        // SAFETY: the array has a line for each of the most shards; aligned; alive as long as the mapping.
        unsafe { AtomicU64::from_ptr(self.sleepers.start().add(offset).cast()) }
    }

    /// The record at the position.
    fn at_position(&self) -> *mut u8 {
        let offset = usize::try_from(self.position & self.mask).expect("a ring is smaller than memory");
        // SAFETY: masked into the first of the two copies of the data.
        unsafe { self.producer.start().add(self.data + offset) }
    }

    /// Length and flags of the record at the position; `None` while its producer still writes it.
    fn record_len(&self) -> Option<u32> {
        // SAFETY: a record begins with its length, 8-aligned, below the producer's position.
        let len = unsafe { AtomicU32::from_ptr(self.at_position().cast()) }.load(Ordering::Acquire);
        (len & BUSY == 0).then_some(len)
    }

    fn record(&self, len: u32) -> Option<(&RecordHeader, &[u8])> {
        let len = (len & LEN_MASK) as usize;
        if len < size_of::<RecordHeader>() {
            return None;
        }
        // SAFETY: the record is committed and not yet given back, 8-aligned, and every bit pattern is a header.
        let (header, bytes) = unsafe {
            let start = self.at_position().add(RING_HEADER as usize);
            let bytes = slice::from_raw_parts(start, len);
            (&*start.cast::<RecordHeader>(), &bytes[size_of::<RecordHeader>()..])
        };
        bytes.get(..header.captured_len as usize).map(|bytes| (header, bytes))
    }
}

/// linux/bpf.h: `BPF_RINGBUF_BUSY_BIT`.
const BUSY: u32 = 1 << 31;
/// linux/bpf.h: `BPF_RINGBUF_DISCARD_BIT`.
const DISCARDED: u32 = 1 << 30;
/// What remains of the length field.
const LEN_MASK: u32 = DISCARDED - 1;
/// linux/bpf.h: `BPF_RINGBUF_HDR_SZ`.
const RING_HEADER: u32 = 8;
/// Records between two publications: fewer cost the producers a cache miss each, more hold back room.
const PUBLISH_EVERY: u32 = 32;
