//! The client/server protocol of MySQL and MariaDB.
//!
//! A request is a command; its answer is all that the server says until it would hear the next one: every result of
//! every statement in it. The login is one request (`LOGIN user/database`): where it takes several turns, the server's
//! last one answers it, and the others are interim. A file that the server asks for (`LOAD DATA LOCAL`) is a part of the request. Commands without an answer (`QUIT`, `CLOSE`,
//! `SEND_LONG_DATA`) have none. Of a binary log, only the first event is an answer; the others are pushes.
//!
//! Where TLS or compression begins, the thread is lost for good, which counts once. Where it is lost within an answer,
//! because octets were not captured, the answer is taken to end where the client goes on: it waits for each answer.

mod answer;
mod body;
mod command;
mod login;
mod packet;
mod server;
#[cfg(test)]
mod tests;

use super::{
    Cursor, Dialogue, DialogueCounts, Draft, Exchange, Extent, Outcome, Party, Piece, Queue, Request,
    sql::{Statement, Step, grow},
};
use crate::time::Timestamp;
use answer::{Answer, Settled};
use command::{Expect, Memory};
use login::capability;
use packet::Side;

/// Octets of a client's packet that are kept: a verb, a table and a line of a statement are found in them.
const KEEP_OF_COMMAND: usize = 1_024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nobody was heard.
    #[default]
    Unheard,
    /// The server has greeted; the client's login comes.
    Greeted,
    /// Commands and answers.
    Commands,
    /// Encrypted or compressed.
    Opaque,
}

/// A request that waits: what its answer looks like, and the number of the client's last packet.
type Waiting = (Expect, u8);

/// One connection.
#[derive(Debug, Default)]
pub(super) struct MySql {
    phase: Phase,
    client: Side,
    server: Side,
    waiting: Queue<Waiting>,
    answer: Answer,
    /// Number of the last packet of the last answer.
    last_sequence: Option<u8>,
    settled: Settled,
    memory: Memory,
    /// Packets will be compressed once the login has succeeded.
    will_compress: bool,
    /// Events come for ever.
    is_streaming: bool,
    counts: DialogueCounts,
}

/// Whether a server's first octets are a greeting, or a client's a statement.
pub(super) fn speaks(party: Party, first: &[u8]) -> bool {
    let piece = Piece {
        offset: 0,
        at: Timestamp::default(),
        len: u32::try_from(first.len()).unwrap_or(u32::MAX),
        bytes: first,
    };
    match party {
        Party::Server => packet::begins(&piece, 0, &[]).is_some_and(|packet| login::is_greeting(&packet)),
        Party::Client => command::begins_with_statement(&piece),
    }
}

impl Dialogue for MySql {
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
        self.waiting.give_up(if is_lost { Outcome::Aborted } else { Outcome::Unanswered }, out);
    }

    fn counts(&self) -> &DialogueCounts {
        &self.counts
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }
}

/// What the client says.
impl MySql {
    fn on_client(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        if self.phase == Phase::Unheard {
            self.begin_amid(piece);
        }
        if self.client.is_lost {
            if !command::may_begin(piece) {
                return;
            }
            self.client.find();
        }
        let mut cursor = Cursor::new(piece);
        while self.phase != Phase::Opaque && !self.client.is_lost {
            match self.client.read(&mut cursor, KEEP_OF_COMMAND) {
                Step::More => return self.look_ahead_at_client(),
                Step::Ready => self.on_client_packet(out),
                Step::Missing | Step::Malformed => {
                    self.counts.desynchronised += 1;
                    self.client.lose();
                }
            }
        }
    }

    /// The client is heard first: the capture began later than the connection.
    fn begin_amid(&mut self, piece: &Piece<'_>) {
        let is_login = packet::begins(piece, 1, &[]).is_some_and(|packet| login::is_login(&packet));
        self.phase = if is_login { Phase::Greeted } else { Phase::Commands };
        if !is_login {
            self.client.lose();
            self.server.lose();
        }
    }

    fn on_client_packet(&mut self, out: &mut Vec<Exchange>) {
        let packet = self.client.packet();
        let is_login = matches!(self.waiting.front(), Some((_, (Expect::Login, _))));
        if self.phase == Phase::Greeted {
            self.on_login(out);
        } else if packet.sequence == 0 && !self.answer.is_upload() {
            self.on_command(out);
        } else if self.answer.is_upload() {
            let (extent, is_end, last) = (packet.extent, packet.len == 0, packet.last_sequence);
            self.on_upload(&extent, is_end.then_some(last));
        } else if is_login {
            self.on_proof();
        } else {
            self.counts.malformed += 1;
            self.client.lose();
        }
    }

    /// A command that cannot be one is not waited for: its length may be anything.
    fn look_ahead_at_client(&mut self) {
        let Some(packet) = self.client.announced() else { return };
        let is_login = matches!(self.waiting.front(), Some((_, (Expect::Login, _))));
        let is_free = self.phase != Phase::Commands || is_login || self.answer.is_upload();
        let is_command =
            packet.sequence == 0 && packet.body.first().is_none_or(|command| command::is_command(*command));
        if !is_free && !is_command {
            self.counts.malformed += 1;
            self.client.lose();
        }
    }

    /// More of a login: what the server said so far only asked for it.
    fn on_proof(&mut self) {
        self.counts.informational += u64::from(self.answer.extent.take().is_some());
    }

    fn on_login(&mut self, out: &mut Vec<Exchange>) {
        let packet = self.client.packet();
        if login::asks_for_tls(&packet) {
            return self.close_the_curtain();
        }
        let login = login::read(&packet);
        let has = |bits: u32| login.capabilities & bits != 0;
        self.will_compress = has(capability::COMPRESS | capability::ZSTD);
        self.settled.eofs = Some(!has(capability::DEPRECATE_EOF));
        self.settled.optional_metadata = has(capability::OPTIONAL_METADATA);
        self.memory.has_attributes = has(capability::QUERY_ATTRIBUTES);
        let (extent, last) = (packet.extent, packet.last_sequence);
        self.phase = Phase::Commands;
        self.ask(&login.statement, extent, (Expect::Login, last), out);
    }

    fn on_command(&mut self, out: &mut Vec<Exchange>) {
        let packet = self.client.packet();
        let (extent, last) = (packet.extent, packet.last_sequence);
        let Some(asked) = command::read(&packet, &mut self.memory) else {
            self.counts.malformed += 1;
            return self.client.lose();
        };
        if asked.expect == Expect::Nothing {
            self.settle_if_lost(out);
            let request = request(&asked.statement, extent);
            out.push(Exchange::without_response(request, Outcome::NoReply));
            return;
        }
        self.ask(&asked.statement, extent, (asked.expect, last), out);
    }

    fn ask(&mut self, statement: &Statement, extent: Extent, waiting: Waiting, out: &mut Vec<Exchange>) {
        self.settle_if_lost(out);
        self.is_streaming = false;
        self.waiting.push(request(statement, extent), waiting, &mut self.counts, out);
    }

    /// A stretch of the file that the server asked for; with the client's last number, its end.
    fn on_upload(&mut self, extent: &Extent, end: Option<u8>) {
        if let Some((request, _)) = self.waiting.front_mut() {
            grow(&mut request.extent, extent);
        }
        if let Some(last) = end {
            self.answer.on_uploaded(last);
        }
    }

    /// From here on, nothing can be read.
    fn close_the_curtain(&mut self) {
        self.phase = Phase::Opaque;
        self.counts.desynchronised += 1;
    }
}

fn request(statement: &Statement, extent: Extent) -> Request {
    let Statement { command, key, label } = *statement;
    Draft { command, key, label, extent, is_blocking: false }.request()
}
