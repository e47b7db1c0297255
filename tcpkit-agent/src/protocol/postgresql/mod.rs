//! The frontend/backend protocol of PostgreSQL, version 3.
//!
//! What one request is:
//! - the login (`LOGIN user/database`): where it takes several turns, the server's last one answers it;
//! - a simple query with all its statements, until the server is ready again; a function call likewise;
//! - of the extended protocol, each `Execute` with the messages since the one before (`Parse`, `Bind`, `Describe`,
//!   `Close`), and with the `Sync` that follows it at once. It is named by its statement. Messages that a `Sync` or
//!   `Flush` ends without any `Execute` are one too (`PREPARE`, `DESCRIBE`, `CLOSE`), and so is a `Sync` by itself.
//!
//! After an error the server skips what comes until the next `Sync`: what it skipped is answered by the error that made
//! it do so. The octets of a `COPY … FROM STDIN` are a part of the request. Replication streams are pushes.
//!
//! Where encryption begins, the thread is lost for good, which counts once. Where it is lost within an answer, because
//! octets were not captured, the answer is taken to end where the client goes on, or with the `ReadyForQuery` in sight.

mod client;
mod group;
mod message;
mod server;
#[cfg(test)]
mod tests;

use super::{
    Dialogue, DialogueCounts, Draft, Exchange, Extent, Outcome, Party, Piece, Queue, Request, Text,
    sql::{MOST_PREPARED, Prepared, Reader, Statement},
};
use crate::time::Timestamp;
use group::Group;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nobody was heard.
    #[default]
    Unheard,
    /// The client opens the connection.
    Opening,
    /// The client asked for encryption; the server says yes or no in one octet.
    Encryption,
    /// Messages with types.
    Messages,
    /// Encrypted.
    Opaque,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// By `ReadyForQuery`, or an error.
    Login,
    /// By `ReadyForQuery`.
    UntilReady,
    /// When every message has its answer; `syncs` where one of them is a `Sync`.
    Batch { syncs: bool },
}

/// What is known of a request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    turn: Turn,
    /// Messages without an answer.
    due: u32,
    /// One of them is an `Execute`.
    executes: bool,
}

/// The answer that is being given.
#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    extent: Option<Extent>,
    status: Text<24>,
    is_error: bool,
}

/// One party's messages.
#[derive(Debug, Default)]
struct Side {
    reader: Reader,
    /// The thread was lost: nothing is read until something begins plausibly.
    is_lost: bool,
}

impl Side {
    fn find(&mut self) {
        self.is_lost = false;
        self.reader.reset();
    }
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct PostgreSql {
    phase: Phase,
    client: Side,
    server: Side,
    /// Messages of the extended protocol that no `Execute` or `Sync` has ended.
    group: Option<Group>,
    prepared: Prepared<Text<64>, MOST_PREPARED>,
    /// Cursors: few are open at once.
    portals: Prepared<Text<64>, 16>,
    waiting: Queue<Waiting>,
    answer: Answer,
    /// The error after which the server skips messages.
    aborted: Option<Text<24>>,
    /// The server takes data from the client for the oldest request.
    is_upload: bool,
    /// The server took no notice of the `Sync` that came before the data: the next one counts.
    swallows_sync: bool,
    /// A replication stream.
    is_streaming: bool,
    counts: DialogueCounts,
}

/// Whether a client's first octets open a connection, or are a query or a batch.
pub(super) fn speaks(party: Party, first: &[u8]) -> bool {
    party == Party::Client && (client::opens(first) || client::is_query(first) || client::is_batch(first))
}

impl Dialogue for PostgreSql {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        match (self.phase, from) {
            (Phase::Opaque, _) => {}
            (_, Party::Client) => self.on_client(piece, out),
            (_, Party::Server) => self.on_server(piece, out),
        }
    }

    fn on_end(&mut self, _: Party, _: Timestamp, _: &mut Vec<Exchange>) {}

    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>) {
        self.settle_if_lost(out);
        // A fatal error ends the connection, and nothing comes behind it.
        if self.answer.is_error {
            self.finish(out);
        }
        if let Some(group) = self.group.take() {
            self.close(&group, out);
        }
        self.waiting.give_up(if is_lost { Outcome::Aborted } else { Outcome::Unanswered }, out);
    }

    fn counts(&self) -> &DialogueCounts {
        &self.counts
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }
}

impl PostgreSql {
    /// From here on, nothing can be read.
    fn close_the_curtain(&mut self) {
        self.phase = Phase::Opaque;
        self.counts.desynchronised += 1;
    }

    fn ask(&mut self, statement: &Statement, extent: Extent, waiting: Waiting, out: &mut Vec<Exchange>) {
        self.settle_if_lost(out);
        self.waiting.push(request(statement, extent), waiting, &mut self.counts, out);
    }
}

fn request(statement: &Statement, extent: Extent) -> Request {
    let Statement { command, key, label } = *statement;
    Draft { command, key, label, extent, is_blocking: false }.request()
}
