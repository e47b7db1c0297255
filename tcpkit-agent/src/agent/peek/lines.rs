//! The sessions, as they are decided: counted, and written at once when live, in one order when from files.

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
    /// Files only: the order must not depend on the number of shards.
    merge: Option<OrderedMerge<HandshakeRecord>>,
    /// Live: whose addresses are the host's own, and when they were asked for.
    watched: Option<(Vec<String>, Timestamp)>,
    waiting: String,
}

impl PeekLines {
    /// With `merged`, sessions of that many shards are put in order; `watched` interfaces' addresses are the host's.
    ///
    /// # Errors
    /// Standard output cannot be had.
    pub(super) fn new(
        peek: Shared,
        json: bool,
        merged: Option<usize>,
        watched: Option<Vec<String>>,
    ) -> anyhow::Result<Self> {
        let policy = if merged.is_some() { FlushPolicy::Replay } else { FlushPolicy::Live };
        let create = || JsonLines::create("--json", Path::new("-"), policy);
        Ok(Self {
            peek,
            json: json.then(create).transpose()?,
            merge: merged.map(|shards| OrderedMerge::new(shards, WAITING)),
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
        let Some(merge) = &mut self.merge else {
            if handshakes.is_empty() {
                return Ok(());
            }
            self.look_at_addresses();
            handshakes.iter().try_for_each(|decided| self.show(&decided.record))?;
            return self.write();
        };
        for DecidedHandshake { at, record } in handshakes {
            let order = FlowOrder {
                at,
                start_us: record.start.as_micros(),
                client: (record.client_ip, record.client_port),
                server: (record.server_ip, record.server_port),
            };
            merge.push(shard, order, record);
        }
        merge.advance(shard, progress);
        self.release()
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// `--json` cannot be written.
    pub(in crate::agent) fn finish(&mut self) -> anyhow::Result<()> {
        self.release()?;
        self.write()?;
        self.json.iter_mut().try_for_each(JsonLines::finish).map_err(Into::into)
    }

    fn release(&mut self) -> anyhow::Result<()> {
        while let Some(record) = self.merge.as_mut().and_then(OrderedMerge::pop) {
            self.show(&record)?;
        }
        Ok(())
    }

    fn show(&mut self, record: &HandshakeRecord) -> anyhow::Result<()> {
        let counts = self.peek.lock().on_handshake(record, &mut self.waiting);
        if let Some(json) = self.json.as_mut().filter(|_| counts) {
            json.write(record)?;
        }
        if self.waiting.len() > LINES_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> anyhow::Result<()> {
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

/// Sessions that may wait for a slower shard.
const WAITING: usize = 1 << 16;

/// Lines that are written in one go.
const LINES_BYTES: usize = 64 << 10;

/// How old the host's addresses may be.
const LOOK_EVERY: Span = Span::from_secs(1);
