//! What a conversation's protocol is, and who asks in it, by what is said first.
//!
//! Octets are heard before anybody knows what they mean, so they are kept and heard again when it is known. What is
//! kept is small: a protocol that does not show itself in the first few segments is none of ours.

use super::settings::RequestSettings;
use crate::{
    flow::{FlowKey, Side},
    protocol::{Carrier, Party, Piece, Protocol, recognise, speaks},
    time::Timestamp,
};

/// Pieces and octets after which the port decides, where it suggests something.
const ENOUGH: usize = 3;
const ENOUGH_BYTES: usize = 1_024;
/// Pieces and octets after which nobody listens any more.
const MAX_PIECES: usize = 8;
const MAX_BYTES: usize = 4_096;

/// What was said so far in a conversation whose protocol is not known.
#[derive(Debug, Default)]
pub(super) struct Recognition {
    said: Vec<Said>,
    octets: usize,
}

/// A piece that is kept.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) sender: Side,
    offset: u64,
    at: Timestamp,
    len: u32,
    bytes: Box<[u8]>,
}

/// What one more piece told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is spoken, and by this client; what was kept belongs to it.
    Known(Protocol, Side),
    /// The same, but what was kept is the end of something else.
    Begins(Protocol, Side),
    /// Not yet.
    Listen,
    /// Nothing that is known, or wanted.
    Unknown,
}

/// Who is between whom, and by what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) settings: &'a RequestSettings,
    pub(super) key: &'a FlowKey,
    /// Who asks, where that is known.
    pub(super) client: Option<Side>,
    pub(super) carrier: Carrier,
}

impl Recognition {
    /// One more piece; unless the protocol is known now, it is to be kept.
    pub(super) fn on_piece(&self, sender: Side, piece: &Piece<'_>, scene: &Scene<'_>) -> Verdict {
        let is_first = self.said.iter().all(|said| said.sender != sender);
        let begins = if is_first { None } else { scene.recognise(sender, &self.with(sender, piece)) };
        if let Some((protocol, client)) = begins {
            return Verdict::Known(protocol, client);
        }
        if let Some((protocol, client)) = scene.recognise(sender, piece.bytes) {
            let verdict = if is_first { Verdict::Known } else { Verdict::Begins };
            return verdict(protocol, client);
        }
        let (pieces, octets) = (self.said.len() + 1, self.octets + piece.bytes.len());
        if (pieces >= ENOUGH || octets >= ENOUGH_BYTES)
            && let Some((protocol, client)) = scene.suggestion()
        {
            return Verdict::Known(protocol, client);
        }
        if pieces >= MAX_PIECES || octets >= MAX_BYTES { Verdict::Unknown } else { Verdict::Listen }
    }

    /// Keeps a piece.
    pub(super) fn keep(&mut self, sender: Side, piece: &Piece<'_>) {
        let Piece { offset, at, len, bytes } = *piece;
        self.octets += bytes.len();
        self.said.push(Said { sender, offset, at, len, bytes: bytes.into() });
    }

    /// Whether nothing was said.
    pub(super) fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// What was kept, in the order in which it came.
    pub(super) fn into_said(self) -> Vec<Said> {
        self.said
    }

    /// The beginning of what this side has said, this piece included, as far as nothing of it is missing.
    fn with(&self, sender: Side, piece: &Piece<'_>) -> Vec<u8> {
        let mut first = Vec::with_capacity(self.octets + piece.bytes.len());
        for said in self.said.iter().filter(|said| said.sender == sender) {
            first.extend_from_slice(&said.bytes);
            if said.bytes.len() < said.len as usize {
                return first;
            }
        }
        first.extend_from_slice(piece.bytes);
        first
    }
}

impl Said {
    /// As a dialogue hears it.
    pub(super) fn piece(&self) -> Piece<'_> {
        Piece { offset: self.offset, at: self.at, len: self.len, bytes: &self.bytes }
    }
}

impl Scene<'_> {
    /// The protocol in which this side may begin like that, if it is one only, and who asks in it.
    pub(super) fn recognise(&self, sender: Side, first: &[u8]) -> Option<(Protocol, Side)> {
        if first.is_empty() {
            return None;
        }
        let Some(client) = self.client else { return self.recognise_both(sender, first) };
        let party = if sender == client { Party::Client } else { Party::Server };
        let mut fits = Protocol::ALL.into_iter().filter(|protocol| {
            self.settings.wants(*protocol) && speaks(*protocol, party, first, self.carrier)
        });
        let protocol = fits.next()?;
        match fits.next() {
            None => Some((protocol, client)),
            // Octets that fit two protocols may be told apart by the port.
            Some(_) => {
                self.suggestion().filter(|(suggested, _)| speaks(*suggested, party, first, self.carrier))
            }
        }
    }

    /// What the ports suggest.
    pub(super) fn suggestion(&self) -> Option<(Protocol, Side)> {
        self.settings.suggestion(self.key, self.client)
    }

    fn recognise_both(&self, sender: Side, first: &[u8]) -> Option<(Protocol, Side)> {
        let as_client = |party| if party == Party::Client { sender } else { sender.other() };
        if let Some(only) = self.settings.protocol {
            let mut fits = [Party::Client, Party::Server]
                .into_iter()
                .filter(|party| speaks(only, *party, first, self.carrier));
            let party = fits.next().filter(|_| fits.next().is_none())?;
            return Some((only, as_client(party)));
        }
        let (protocol, party) = recognise(first, self.carrier)?;
        Some((protocol, as_client(party)))
    }
}
