//! What the client says: the opening, queries, data.

use super::{
    Phase, PostgreSql, Turn, Waiting,
    group::statement,
    message::{ASKED, OPENING, may_begin},
    request,
};
use crate::protocol::{
    Cursor, Exchange, Extent, Outcome, Piece, Text,
    sql::{Statement, Step, grow, until_nul},
};

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
            b'p' if matches!(self.waiting.front(), Some((_, Waiting { turn: Turn::Login, .. }))) => {
                self.counts.informational += u64::from(self.answer.extent.take().is_some());
            }
            _ => self.on_data(kind, extent),
        }
    }

    fn ask_until_ready(&mut self, statement: &Statement, extent: Extent, out: &mut Vec<Exchange>) {
        self.end_group(out);
        self.ask(statement, extent, Waiting { turn: Turn::UntilReady, due: 1, executes: true }, out);
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
