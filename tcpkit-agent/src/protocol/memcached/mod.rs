//! Memcached: which answer belongs to which request, in text, meta and binary commands, by TCP and by UDP.
//!
//! The first octet of a connection says whether it is binary. `noreply` and `quit` are told at once as having no reply;
//! quiet requests, when what follows them was answered. The status of an exchange is the answer's first word
//! (`STORED`, `NOT_FOUND`, `CLIENT_ERROR`, `HD`), and `HIT` or `MISS` where values were asked for: a hit is one of them
//! at least. Errors are `ERROR`, `CLIENT_ERROR`, `SERVER_ERROR`, and the binary statuses that say as much.

mod binary;
mod command;
mod datagrams;
mod frame;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod text;

use self::{binary::BinaryDialogue, text::TextDialogue};
use super::{
    Dialogue,
    exchange::{DialogueCounts, Exchange},
    piece::{Party, Piece},
};
use crate::time::Timestamp;

pub(in crate::protocol) use datagrams::DatagramDialogue;

/// A connection to memcached.
#[derive(Debug, Default)]
pub(super) struct Memcached {
    dialogue: Spoken,
}

#[derive(Debug)]
enum Spoken {
    /// Nothing was heard so far.
    Nothing(DialogueCounts),
    Text(Box<TextDialogue>),
    Binary(Box<BinaryDialogue>),
}

impl Default for Spoken {
    fn default() -> Self {
        Self::Nothing(DialogueCounts::default())
    }
}

impl Memcached {
    /// The first octet that was captured says which protocol it is.
    fn open(&mut self, from: Party, first: Option<u8>) {
        let Spoken::Nothing(counts) = &mut self.dialogue else { return };
        match first {
            None => counts.desynchronised += 1,
            Some(first) if first == frame::magic(from) => {
                let mut dialogue = Box::<BinaryDialogue>::default();
                dialogue.counts = *counts;
                self.dialogue = Spoken::Binary(dialogue);
            }
            Some(_) => {
                let mut dialogue = Box::<TextDialogue>::default();
                dialogue.counts = *counts;
                self.dialogue = Spoken::Text(dialogue);
            }
        }
    }

    fn dialogue(&self) -> Option<&dyn Dialogue> {
        match &self.dialogue {
            Spoken::Nothing(_) => None,
            Spoken::Text(dialogue) => Some(&**dialogue),
            Spoken::Binary(dialogue) => Some(&**dialogue),
        }
    }

    fn dialogue_mut(&mut self) -> Option<&mut dyn Dialogue> {
        match &mut self.dialogue {
            Spoken::Nothing(_) => None,
            Spoken::Text(dialogue) => Some(&mut **dialogue),
            Spoken::Binary(dialogue) => Some(&mut **dialogue),
        }
    }
}

impl Dialogue for Memcached {
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        self.open(from, piece.bytes.first().copied());
        if let Some(dialogue) = self.dialogue_mut() {
            dialogue.on_piece(from, piece, out);
        }
    }

    fn on_end(&mut self, from: Party, at: Timestamp, out: &mut Vec<Exchange>) {
        if let Some(dialogue) = self.dialogue_mut() {
            dialogue.on_end(from, at, out);
        }
    }

    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>) {
        if let Some(dialogue) = self.dialogue_mut() {
            dialogue.on_over(is_lost, out);
        }
    }

    fn counts(&self) -> &DialogueCounts {
        match &self.dialogue {
            Spoken::Nothing(counts) => counts,
            Spoken::Text(dialogue) => dialogue.counts(),
            Spoken::Binary(dialogue) => dialogue.counts(),
        }
    }

    fn pending(&self) -> usize {
        self.dialogue().map_or(0, Dialogue::pending)
    }
}

/// Whether a client or server of memcached may begin like this, and hardly anybody else does.
pub(super) fn speaks(party: Party, first: &[u8]) -> bool {
    if first.first() == Some(&frame::magic(party)) {
        return frame::is_frame(first, party);
    }
    match party {
        Party::Client => request::is_request(first),
        Party::Server => response::is_answer(first),
    }
}

/// The same of a datagram.
pub(super) fn speaks_datagrams(party: Party, first: &[u8]) -> bool {
    datagrams::first_payload(first).is_some_and(|payload| speaks(party, payload))
}
