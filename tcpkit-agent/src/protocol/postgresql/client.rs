//! What the client says: the opening, queries, and the groups of the extended protocol.

use super::{
    Phase, PostgreSql, Turn, Waiting,
    message::{ASKED, OPENING, may_begin},
    request,
};
use crate::protocol::{
    Cursor, Exchange, Extent, Outcome, Piece, Text,
    sql::{Dialect, Statement, Step, grow, until_nul},
};

/// Messages of the extended protocol up to an `Execute`, a `Sync` or a `Flush`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    statement: Statement,
    /// What would be executed.
    about: Option<Statement>,
    extent: Extent,
    due: u32,
    executes: bool,
}

/// Octets of the shortest `Bind`, `Execute` and `Sync`.
const SHORTEST_EXECUTION: u64 = 13 + 10 + 5;

/// Major version 3 in the upper half.
const VERSION_3: u32 = 3 << 16;
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// First octet of a TLS record that begins a handshake: encryption without asking first.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whether octets open a connection.
pub(super) fn opens(first: &[u8]) -> bool {
    let Some((header, body)) = first.split_first_chunk::<4>() else { return false };
    let Some(len) = (OPENING.len)(header) else { return false };
    let code = body.first_chunk().map(|code| u32::from_be_bytes(*code));
    len as usize >= body.len()
        && match code {
            Some(CANCEL) => len == 12,
            Some(TLS | GSS) => len == 4,
            Some(code) => code >> 16 == 3 && code & 0xffff < 100 && body[4..].starts_with(b"user\0"),
            None => false,
        }
}

/// Whether octets are a whole query.
pub(super) fn is_query(first: &[u8]) -> bool {
    let [b'Q', a, b, c, d, text @ .., 0] = first else { return false };
    let is_text = text.iter().all(|octet| *octet >= b' ' || octet.is_ascii_whitespace());
    u32::from_be_bytes([*a, *b, *c, *d]) as usize + 1 == first.len() && is_text
}

/// Whether octets are a whole batch: messages with a `Sync` behind them.
pub(super) fn is_batch(mut first: &[u8]) -> bool {
    let ends = first.ends_with(b"S\0\0\0\x04") && first.len() > 5;
    while let Some((header, rest)) = first.split_first_chunk::<5>() {
        let len = (ASKED.len)(header).filter(|_| b"PBDEHCS".contains(&header[0]));
        let Some(rest) = len.and_then(|len| rest.get(len as usize..)) else { return false };
        first = rest;
    }
    ends && first.is_empty()
}

impl PostgreSql {
    pub(super) fn on_client(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        self.on_first_octet(piece);
        if self.client.is_lost {
            let is_request = piece.bytes.first().is_some_and(|first| b"BCDEFHPQSX".contains(first));
            if !is_request || !may_begin(piece, &ASKED) {
                return self.on_unread_request(piece);
            }
            self.client.find();
        }
        let mut cursor = Cursor::new(piece);
        while self.phase != Phase::Opaque && !self.client.is_lost {
            let is_opening = self.phase != Phase::Messages;
            let layout = if is_opening { &OPENING } else { &ASKED };
            match self.client.reader.read(&mut cursor, layout) {
                Step::More => return,
                Step::Ready if is_opening => self.on_opening(out),
                Step::Ready => self.on_request(out),
                Step::Missing => {
                    self.counts.desynchronised += 1;
                    self.lose_client(piece, out);
                }
                Step::Malformed => {
                    self.counts.malformed += 1;
                    self.lose_client(piece, out);
                }
            }
        }
    }

    /// What opens a connection begins with a NUL, which no type is; TLS begins as TLS does.
    fn on_first_octet(&mut self, piece: &Piece<'_>) {
        let first = piece.bytes.first().copied();
        match (self.phase, first) {
            (Phase::Unheard | Phase::Encryption, Some(TLS_HANDSHAKE)) => self.close_the_curtain(),
            (Phase::Unheard, Some(0)) => self.phase = Phase::Opening,
            // The server's octet was not captured.
            (Phase::Encryption, _) => self.phase = Phase::Opening,
            (Phase::Unheard, _) => {
                self.phase = Phase::Messages;
                self.client.is_lost = true;
                self.server.is_lost = true;
            }
            _ => {}
        }
    }

    fn on_opening(&mut self, out: &mut Vec<Exchange>) {
        let body = self.client.reader.body();
        let extent = self.client.reader.extent();
        let code = body.first_chunk().map_or(0, |code| u32::from_be_bytes(*code));
        match code {
            TLS | GSS => self.phase = Phase::Encryption,
            CANCEL => {
                let cancel = request(&Statement::named(b"CANCEL", &[]), extent);
                out.push(Exchange::without_response(cancel, Outcome::NoReply));
            }
            code if code >> 16 == VERSION_3 >> 16 => {
                let statement = login(&body[4..]);
                self.phase = Phase::Messages;
                self.ask(&statement, extent, Waiting { turn: Turn::Login, due: 1, executes: false }, out);
            }
            _ => {
                self.counts.malformed += 1;
                self.phase = Phase::Messages;
                self.client.is_lost = true;
                self.server.is_lost = true;
            }
        }
    }

    fn on_request(&mut self, out: &mut Vec<Exchange>) {
        let extent = self.client.reader.extent();
        let kind = self.client.reader.header()[0];
        match kind {
            b'Q' => {
                let statement = statement(self.client.reader.body());
                self.ask_until_ready(&statement, extent, out);
            }
            b'F' => self.ask_until_ready(&Statement::named(b"FUNCTION", &[]), extent, out),
            b'P' | b'B' | b'D' | b'C' | b'E' => self.on_message(kind, extent, out),
            b'S' => self.on_sync(extent, out),
            b'H' => self.end_group(out),
            b'X' => {
                self.settle_if_lost(out);
                let terminate = request(&Statement::named(b"TERMINATE", &[]), extent);
                out.push(Exchange::without_response(terminate, Outcome::NoReply));
            }
            // More of a login: what the server said so far only asked for it.
            b'p' => self.counts.informational += u64::from(self.answer.extent.take().is_some()),
            _ => self.on_data(kind, extent),
        }
    }

    fn ask_until_ready(&mut self, statement: &Statement, extent: Extent, out: &mut Vec<Exchange>) {
        self.end_group(out);
        self.ask(statement, extent, Waiting { turn: Turn::UntilReady, due: 1, executes: true }, out);
    }

    /// A message of the extended protocol that has an answer of its own.
    fn on_message(&mut self, kind: u8, extent: Extent, out: &mut Vec<Exchange>) {
        let about = self.statement_of(kind);
        let statement = match kind {
            b'P' => about.by(b"PREPARE"),
            b'B' => about.by(b"BIND"),
            _ => about,
        };
        let group =
            self.group.get_or_insert(Group { statement, about: None, extent, due: 0, executes: false });
        if let b'P' | b'B' = kind {
            group.about = Some(about);
        }
        grow(&mut group.extent, &extent);
        group.due += 1;
        if kind == b'E' {
            (group.statement, group.executes) = (statement, true);
            self.end_group(out);
        }
    }

    /// What a message is about, remembered for those that refer to it.
    fn statement_of(&mut self, kind: u8) -> Statement {
        let body = self.client.reader.body();
        let (first, rest) = until_nul(body);
        match kind {
            b'P' => {
                let statement = statement(rest);
                self.prepared.insert(Text::of(first), statement);
                statement
            }
            b'B' => {
                let name = Text::of(until_nul(rest).0);
                let statement =
                    self.prepared.get(&name).copied().unwrap_or_else(|| unknown(b"EXECUTE", &name));
                self.portals.insert(Text::of(first), statement);
                statement
            }
            b'E' => {
                let portal = Text::of(first);
                self.portals.get(&portal).copied().unwrap_or_else(|| unknown(b"EXECUTE", &portal))
            }
            _ => self.named_by_kind(kind),
        }
    }

    /// `Describe` and `Close` tell whether they are about a statement or a portal.
    fn named_by_kind(&mut self, kind: u8) -> Statement {
        let (which, name) = self.client.reader.body().split_first().unwrap_or((&b'S', &[]));
        let name = Text::of(until_nul(name).0);
        let known = if *which == b'P' { &mut self.portals } else { &mut self.prepared };
        let command: &[u8] = if kind == b'D' { b"DESCRIBE" } else { b"CLOSE" };
        let statement = known.get(&name).map_or_else(|| unknown(command, &name), |known| known.by(command));
        if kind == b'C' {
            known.remove(&name);
        }
        statement
    }

    fn on_sync(&mut self, extent: Extent, out: &mut Vec<Exchange>) {
        let sync = Statement::named(b"SYNC", &[]);
        if let Some(mut group) = self.group.take() {
            grow(&mut group.extent, &extent);
            group.due += 1;
            return self.close_with(&group, Turn::Batch { syncs: true }, out);
        }
        let swallowed = std::mem::take(&mut self.swallows_sync);
        match self.waiting.back_mut() {
            Some((request, Waiting { turn: Turn::Batch { .. }, .. })) if swallowed => {
                grow(&mut request.extent, &extent);
            }
            Some((request, waiting)) if waiting.turn == (Turn::Batch { syncs: false }) => {
                grow(&mut request.extent, &extent);
                waiting.turn = Turn::Batch { syncs: true };
                waiting.due += 1;
            }
            _ => {
                let waiting = Waiting { turn: Turn::Batch { syncs: true }, due: 1, executes: false };
                self.ask(&sync, extent, waiting, out);
            }
        }
    }

    /// Data that the server asked for, or that goes to a replication stream.
    fn on_data(&mut self, kind: u8, extent: Extent) {
        if !self.is_upload {
            return;
        }
        if let Some((request, waiting)) = self.waiting.front_mut() {
            grow(&mut request.extent, &extent);
            if kind != b'd' {
                self.is_upload = false;
                self.swallows_sync = waiting.turn == (Turn::Batch { syncs: true });
            }
        }
    }

    fn end_group(&mut self, out: &mut Vec<Exchange>) {
        if let Some(group) = self.group.take() {
            self.close(&group, out);
        }
    }

    pub(super) fn close(&mut self, group: &Group, out: &mut Vec<Exchange>) {
        self.close_with(group, Turn::Batch { syncs: false }, out);
    }

    fn close_with(&mut self, group: &Group, turn: Turn, out: &mut Vec<Exchange>) {
        let waiting = Waiting { turn, due: group.due, executes: group.executes };
        self.ask(&group.statement, group.extent, waiting, out);
    }
}

/// What becomes of requests whose thread was lost.
impl PostgreSql {
    /// The rest of the piece belongs to the batch in it, which a `Sync` ends, as every batch does.
    fn lose_client(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        self.client.is_lost = true;
        if let Some(mut group) = self.group.take() {
            let rest = piece.offset + u64::from(piece.len) - (group.extent.offset + group.extent.len);
            if let Some(about) = group.about
                && rest >= SHORTEST_EXECUTION
            {
                group.statement = about;
            }
            self.close_with(&group, Turn::UntilReady, out);
        } else if let Some((_, waiting)) = self.waiting.back_mut()
            && waiting.turn == (Turn::Batch { syncs: false })
        {
            waiting.turn = Turn::UntilReady;
        }
        self.on_unread_request(piece);
    }

    /// A piece that nobody can read belongs to the request before it, unless that is being answered.
    fn on_unread_request(&mut self, piece: &Piece<'_>) {
        let extent =
            Extent { start: piece.at, end: piece.at, offset: piece.offset, len: u64::from(piece.len) };
        if self.answer.extent.is_none()
            && let Some((request, _)) = self.waiting.back_mut()
        {
            grow(&mut request.extent, &extent);
        }
    }
}

fn statement(text: &[u8]) -> Statement {
    let end = memchr::memchr(0, text);
    Statement::read(&text[..end.unwrap_or(text.len())], end.is_some(), Dialect::PostgreSql)
}

/// What was prepared before the capture began: `EXECUTE name`.
fn unknown(command: &[u8], name: &Text<64>) -> Statement {
    let mut statement = Statement::named(command, name.octets());
    statement.key = Text::new();
    statement
}

/// Reads who wants in: names and values, each ended by a NUL.
fn login(mut parameters: &[u8]) -> Statement {
    let (mut user, mut database) = (&b""[..], &b""[..]);
    while !parameters.is_empty() {
        let (name, rest) = until_nul(parameters);
        let (value, rest) = until_nul(rest);
        match name {
            b"user" => user = value,
            b"database" => database = value,
            _ => {}
        }
        parameters = rest;
    }
    let mut key: Text<64> = Text::of(user);
    if !database.is_empty() {
        key.push(b"/");
        key.push(database);
    }
    Statement::named(b"LOGIN", key.octets())
}
