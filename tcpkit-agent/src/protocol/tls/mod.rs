//! TLS as far as it can be seen: the handshake (RFC 8446, RFC 5246).
//!
//! One exchange per connection: `command` is `HANDSHAKE`, `key` the name of the server (SNI), `label` the ClientHello
//! with the protocols that it offers, `status` the version and the protocol that the server chose, where it says so
//! openly (before TLS 1.3). The request is the ClientHello. The response begins with the ServerHello (or with the
//! request for another hello, counted as `informational`) and ends, up to TLS 1.2, with the server's Finished; in TLS
//! 1.3 with the server's last record before the client goes on. An alert that ends the handshake, from either side,
//! is an error, and `status` its name; one of the client in TLS 1.3 is known by its length alone: `encrypted_alert`.
//!
//! After that everything is ciphertext and is stepped over unread.

mod hello;
mod record;
#[cfg(test)]
mod tests;

use self::{
    hello::{ClientHello, ServerHello},
    record::{APPLICATION, CLIENT_HELLO, HANDSHAKE, Heard, Records, SERVER_HELLO},
};
use super::{
    Dialogue,
    catalogue::Carrier,
    cursor::Cursor,
    exchange::{DialogueCounts, Draft, Exchange, Extent, Outcome},
    piece::{Party, Piece},
    text::Text,
};
use crate::time::Timestamp;

/// Whether a party of TLS may begin like this, and hardly anybody else does.
pub(super) fn speaks(party: Party, first: &[u8], carrier: Carrier) -> bool {
    let kind = if party == Party::Client { CLIENT_HELLO } else { SERVER_HELLO };
    let is_hello =
        matches!(first, [HANDSHAKE, 3, 0..=4, _, _, hello, 0, _, _, 3, 0..=3, ..] if *hello == kind);
    carrier == Carrier::Stream && is_hello
}

/// One connection.
#[derive(Debug)]
pub(super) struct Tls {
    client: Records,
    server: Records,
    stage: Stage,
    counts: DialogueCounts,
}

/// How far the handshake is.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// No hello.
    Silent,
    /// The client has asked.
    Asked(Asked),
    /// The server answers.
    Answering(Asked, Answer),
    /// It is over, or was before the capture began.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    draft: Draft,
    has_early_data: bool,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    extent: Extent,
    hello: ServerHello,
    /// Encrypted records followed the hello.
    has_ciphertext: bool,
}

impl Tls {
    /// A connection that has said nothing.
    pub(super) fn new() -> Self {
        Self {
            client: Records::new(Party::Client),
            server: Records::new(Party::Server),
            stage: Stage::Silent,
            counts: DialogueCounts::default(),
        }
    }

    fn on_client(&mut self, heard: Heard, out: &mut Vec<Exchange>) {
        match (self.stage, heard) {
            (Stage::Silent, Heard::Message(CLIENT_HELLO, extent)) => self.on_client_hello(extent),
            (Stage::Silent, Heard::Message(..)) => {
                self.counts.desynchronised += 1;
                self.stage = Stage::Over;
            }
            // In the middle of a connection: there is nothing to be seen any more.
            (Stage::Silent, Heard::Opaque(..)) => self.stage = Stage::Over,
            (Stage::Answering(asked, answer), Heard::Alert(level, description, _))
                if is_end(level, description) =>
            {
                self.fail(&asked, answer.extent, hello::alert_name(description), out);
            }
            (Stage::Answering(asked, answer), Heard::Opaque(APPLICATION, len, _)) if answer.is_sent() => {
                if len <= ENCRYPTED_ALERT && !asked.has_early_data {
                    self.fail(&asked, answer.extent, "encrypted_alert", out);
                } else {
                    self.finish(out);
                }
            }
            _ => {}
        }
    }

    fn on_client_hello(&mut self, extent: Extent) {
        let hello = ClientHello::read(&self.client.take_body());
        let mut label = Text::of(b"ClientHello");
        for text in [hello.name, hello.protocols].iter().filter(|text| !text.is_empty()) {
            label.push(b" ");
            label.push(text.octets());
        }
        let draft =
            Draft { command: Text::of(b"HANDSHAKE"), key: hello.name, label, extent, is_blocking: false };
        self.stage = Stage::Asked(Asked { draft, has_early_data: hello.has_early_data });
    }

    fn on_server(&mut self, heard: Heard, out: &mut Vec<Exchange>) {
        match (self.stage, heard) {
            (Stage::Silent, Heard::Message(SERVER_HELLO, _)) => {
                self.counts.unmatched += 1;
                self.stage = Stage::Over;
            }
            (Stage::Silent, Heard::Opaque(..)) => self.stage = Stage::Over,
            (Stage::Asked(asked), Heard::Message(SERVER_HELLO, extent)) => {
                let answer = Answer { extent, hello: self.server_hello(), has_ciphertext: false };
                self.stage = Stage::Answering(asked, answer);
            }
            (Stage::Asked(asked), Heard::Alert(level, description, extent)) if is_end(level, description) => {
                self.fail(&asked, extent, hello::alert_name(description), out);
            }
            (Stage::Answering(asked, answer), _) => self.on_answer(asked, answer, heard, out),
            _ => {}
        }
    }

    /// The server's answer goes on.
    fn on_answer(&mut self, asked: Asked, mut answer: Answer, heard: Heard, out: &mut Vec<Exchange>) {
        let (Heard::Message(_, extent)
        | Heard::ChangeCipher(extent)
        | Heard::Alert(.., extent)
        | Heard::Opaque(.., extent)) = heard
        else {
            return;
        };
        answer.extent.end = extent.end;
        answer.extent.len = extent.offset + extent.len - answer.extent.offset;
        if let Heard::Message(SERVER_HELLO, _) = heard {
            answer.hello = self.server_hello();
        }
        answer.has_ciphertext |= matches!(heard, Heard::Opaque(..));
        self.stage = Stage::Answering(asked, answer);
        match heard {
            Heard::Alert(level, description, _) if is_end(level, description) => {
                self.fail(&asked, answer.extent, hello::alert_name(description), out);
            }
            // Finished, or what comes after it.
            Heard::Opaque(..) if !hello::is_modern(answer.hello.version) => self.finish(out),
            _ => {}
        }
    }

    fn server_hello(&mut self) -> ServerHello {
        let hello = ServerHello::read(&self.server.take_body());
        self.counts.informational += u64::from(hello.is_retry);
        hello
    }

    /// Tells the handshake as far as it came.
    fn finish(&mut self, out: &mut Vec<Exchange>) {
        if let Stage::Answering(asked, answer) = self.stage {
            let mut status = Text::of(hello::version_name(answer.hello.version).as_bytes());
            if !answer.hello.protocol.is_empty() {
                status.push(b" ");
                status.push(answer.hello.protocol.octets());
            }
            let response = Some(answer.extent);
            let outcome = Outcome::Answered;
            let request = asked.draft.request();
            out.push(Exchange { request, response, status, is_error: false, outcome });
        }
        self.stage = Stage::Over;
    }

    fn fail(&mut self, asked: &Asked, extent: Extent, why: &str, out: &mut Vec<Exchange>) {
        self.stage = Stage::Over;
        out.push(Exchange {
            request: asked.draft.request(),
            response: Some(extent),
            status: Text::of(why.as_bytes()),
            is_error: true,
            outcome: Outcome::Answered,
        });
    }
}

impl Dialogue for Tls {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        let mut cursor = Cursor::new(piece);
        while !matches!(self.stage, Stage::Over) {
            let records = if from == Party::Client { &mut self.client } else { &mut self.server };
            let Some(heard) = records.next(&mut cursor, piece.offset) else { break };
            match heard {
                Heard::Malformed => self.counts.malformed += 1,
                Heard::Desynchronised => self.counts.desynchronised += 1,
                _ if from == Party::Client => self.on_client(heard, out),
                _ => self.on_server(heard, out),
            }
        }
    }

    fn on_end(&mut self, _from: Party, _at: Timestamp, out: &mut Vec<Exchange>) {
        // Whoever closes has had enough of the handshake.
        if matches!(self.stage, Stage::Answering(..)) {
            self.finish(out);
        }
    }

    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>) {
        match self.stage {
            Stage::Asked(asked) => {
                let outcome = if is_lost { Outcome::Aborted } else { Outcome::Unanswered };
                out.push(Exchange::without_response(asked.draft.request(), outcome));
            }
            Stage::Answering(..) => self.finish(out),
            Stage::Silent | Stage::Over => {}
        }
        self.stage = Stage::Over;
    }

    fn counts(&self) -> &DialogueCounts {
        &self.counts
    }

    fn pending(&self) -> usize {
        usize::from(matches!(self.stage, Stage::Asked(_) | Stage::Answering(..)))
    }
}

impl Answer {
    /// TLS 1.3: whatever the client says now, it says after the server's flight.
    const fn is_sent(&self) -> bool {
        hello::is_modern(self.hello.version) && !self.hello.is_retry && self.has_ciphertext
    }
}

/// Whether an alert ends the handshake: all but warnings (RFC 5246 §7.2) do, and so does the wish to close.
const fn is_end(level: u8, description: u8) -> bool {
    level != 1 || description == 0
}

/// An alert with its inner kind and the longest tag; the shortest Finished has 45 octets (RFC 8446 §5.2, §4.4.4).
const ENCRYPTED_ALERT: u64 = 2 + 1 + 16;
