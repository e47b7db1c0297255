//! The sessions, as they are decided: counted and written in the order of their decisions.
//!
//! From files that order is exact. Live, shards are heard at slightly different times, so a session waits
//! [`LIVE_WAIT`] for an earlier one of another shard, and no longer.

use std::path::Path;

use super::{super::sources::clock, outlet::Shared};
use crate::{
    pipeline::DecidedHandshake,
    report::HandshakeRecord,
    sink::{
        log::{FlushPolicy, JsonLines},
        merge::{FlowOrder, OrderedMerge},
        write_stderr_text,
    },
    source::live::addresses,
    time::{Span, Timestamp},
    view::peek::Own,
};

/// Takes the decided handshakes of all shards.
pub(in crate::agent) struct PeekLines {
    peek: Shared,
    json: Option<JsonLines>,
    merge: OrderedMerge<HandshakeRecord>,
    shards: usize,
    is_live: bool,
    /// Live: whose addresses are the host's own, and when they were asked for.
    watched: Option<(Vec<String>, Timestamp)>,
    waiting: String,
}

impl PeekLines {
    /// For sessions of that many shards; `watched` interfaces' addresses are the host's.
    ///
    /// # Errors
    /// Standard output cannot be had.
    pub(super) fn new(
        peek: Shared,
        json: bool,
        shards: usize,
        is_live: bool,
        watched: Option<Vec<String>>,
    ) -> anyhow::Result<Self> {
        let policy = if is_live { FlushPolicy::Live } else { FlushPolicy::Replay };
        let create = || JsonLines::create("--json", Path::new("-"), policy);
        Ok(Self {
            peek,
            json: json.then(create).transpose()?,
            merge: OrderedMerge::new(shards, WAITING),
            shards,
            is_live,
            watched: watched.map(|interfaces| (interfaces, clock())),
            waiting: String::new(),
        })
    }

    /// Takes what a shard delivers.
    ///
    /// # Errors
    /// `--json` cannot be written.
    pub(in crate::agent) fn take(
        &mut self,
        shard: usize,
        handshakes: Vec<DecidedHandshake>,
        progress: Timestamp,
    ) -> anyhow::Result<()> {
        for DecidedHandshake { at, record } in handshakes {
            let order = FlowOrder {
                at,
                start_us: record.start.as_micros(),
                client: (record.client_ip, record.client_port),
                server: (record.server_ip, record.server_port),
            };
            self.merge.push(shard, order, record);
        }
        self.merge.advance(shard, progress);
        self.release()
    }

    /// Whether sessions wait that [`pause`](Self::pause) may release.
    pub(in crate::agent) fn is_waiting(&self) -> bool {
        self.is_live && self.merge.waiting() > 0
    }

    /// Nothing came for [`LIVE_WAIT`].
    ///
    /// # Errors
    /// `--json` cannot be written.
    pub(in crate::agent) fn pause(&mut self) -> anyhow::Result<()> {
        self.release()
    }

    /// Writes what is left, when every shard has made its last delivery.
    ///
    /// # Errors
    /// `--json` cannot be written.
    pub(in crate::agent) fn finish(&mut self) -> anyhow::Result<()> {
        self.release()?;
        self.write()?;
        self.json.iter_mut().try_for_each(JsonLines::finish).map_err(Into::into)
    }

    fn release(&mut self) -> anyhow::Result<()> {
        if self.is_live && self.merge.waiting() > 0 {
            self.look_at_addresses();
            let mark = Timestamp(clock().0.saturating_sub_unsigned(LIVE_WAIT.0));
            (0..self.shards).for_each(|shard| self.merge.advance(shard, mark));
        }
        while let Some(record) = self.merge.pop() {
            self.show(&record)?;
        }
        if self.is_live { self.write() } else { Ok(()) }
    }

    fn show(&mut self, record: &HandshakeRecord) -> anyhow::Result<()> {
        let counts = self.peek.lock().on_handshake(record, &mut self.waiting);
        if let Some(json) = self.json.as_mut().filter(|_| counts) {
            json.write(record)?;
        }
        if self.waiting.len() > LINES_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() && self.json.is_none() {
            return Ok(());
        }
        write_stderr_text(&self.waiting);
        self.waiting.clear();
        self.json.iter_mut().try_for_each(JsonLines::settle).map_err(Into::into)
    }

    /// An interface may get and lose addresses while it is captured.
    fn look_at_addresses(&mut self) {
        let Some((interfaces, looked)) = &mut self.watched else { return };
        let now = clock();
        if now.since(*looked) < LOOK_EVERY {
            return;
        }
        *looked = now;
        match addresses(interfaces) {
            // One that is being taken down has none for a moment; sessions of its last addresses are still decided.
            Ok(own) if own.is_empty() => {}
            Ok(own) => self.peek.lock().set_own(Own::only(own)),
            Err(error) => tracing::warn!("the interface's addresses are not known any more: {error}"),
        }
    }
}

/// How long a live session waits for an earlier one: libpcap hands frames over up to 20 ms late.
pub(in crate::agent) const LIVE_WAIT: Span = Span::from_millis(40);

/// Sessions that may wait for a slower shard.
const WAITING: usize = 1 << 16;

/// Lines that are written in one go.
const LINES_BYTES: usize = 64 << 10;

/// How old the host's addresses may be.
const LOOK_EVERY: Span = Span::from_secs(1);
