//! Conversations for the tests of dialogues: what each party says and when, heard as it was sent and cut at any place.
//!
//! [`Conversation::check`] is what a story uses: however the octets are cut into pieces, the same exchanges are told.

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use super::{Carrier, DialogueCounts, Exchange, MAX_PENDING, Outcome, Party, Piece, Protocol, open};
use crate::time::Timestamp;

/// What one party says at once.
#[derive(Clone, Debug)]
struct Said {
    from: Party,
    at_us: i64,
    octets: Vec<u8>,
    /// So many of the octets were captured.
    captured: usize,
}

/// What is said, in the order of capture.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    protocol: Protocol,
    carrier: Carrier,
    said: Vec<Said>,
}

/// What a dialogue made of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) counts: DialogueCounts,
    /// Requests that waited when the conversation was over.
    pub(crate) pending: usize,
}

impl Conversation {
    pub(crate) const fn new(protocol: Protocol) -> Self {
        Self { protocol, carrier: Carrier::Stream, said: Vec::new() }
    }

    /// Of datagrams, each said at once; they are never cut.
    pub(crate) const fn of_datagrams(protocol: Protocol) -> Self {
        Self { protocol, carrier: Carrier::Datagrams, said: Vec::new() }
    }

    pub(crate) fn client(self, at_us: i64, octets: impl AsRef<[u8]>) -> Self {
        self.say(Party::Client, at_us, octets.as_ref())
    }

    pub(crate) fn server(self, at_us: i64, octets: impl AsRef<[u8]>) -> Self {
        self.say(Party::Server, at_us, octets.as_ref())
    }

    /// Of what was said last only so many octets were captured.
    pub(crate) fn captured(mut self, captured: usize) -> Self {
        let last = self.said.last_mut().expect("something was said");
        last.captured = captured.min(last.octets.len());
        self
    }

    fn say(mut self, from: Party, at_us: i64, octets: &[u8]) -> Self {
        self.said.push(Said { from, at_us, octets: octets.to_vec(), captured: octets.len() });
        self
    }

    /// As it was sent: each thing said is a piece.
    pub(crate) fn hear(&self) -> Heard {
        self.hear_cut(false, |_, said| vec![said.octets.len()])
    }

    /// The same, each octet a piece.
    pub(crate) fn hear_octet_by_octet(&self) -> Heard {
        self.hear_cut(false, |_, said| vec![1; said.octets.len()])
    }

    /// The same, torn down (RST) in the end.
    pub(crate) fn hear_lost(&self) -> Heard {
        self.hear_cut(true, |_, said| vec![said.octets.len()])
    }

    /// What is told as it was sent, after proof that any cut, and octet by octet, gives the same.
    pub(crate) fn check(&self) -> Heard {
        let whole = self.hear();
        if self.carrier == Carrier::Datagrams {
            return whole;
        }
        assert_eq!(self.hear_octet_by_octet(), whole, "octet by octet");
        for (which, said) in self.said.iter().enumerate() {
            for place in 1..said.octets.len() {
                let cut = self.hear_cut(false, |number, said| {
                    let len = said.octets.len();
                    if number == which { vec![place, len - place] } else { vec![len] }
                });
                assert_eq!(cut, whole, "what was said as number {which} is cut at octet {place}");
            }
        }
        whole
    }

    /// `cut` tells the lengths of the pieces of what is said.
    fn hear_cut(&self, is_lost: bool, cut: impl Fn(usize, &Said) -> Vec<usize>) -> Heard {
        let mut dialogue = open(self.protocol, self.carrier).expect("a protocol over its carrier");
        let mut exchanges = Vec::new();
        let mut offsets = [0_u64; 2];
        for (number, said) in self.said.iter().enumerate() {
            let mut start = 0;
            for len in cut(number, said) {
                let piece = Piece {
                    offset: offsets[said.from as usize],
                    at: Timestamp(said.at_us * 1_000),
                    len: u32::try_from(len).expect("a piece of a test"),
                    bytes: &said.octets[start.min(said.captured)..(start + len).min(said.captured)],
                };
                dialogue.on_piece(said.from, &piece, &mut exchanges);
                assert!(dialogue.pending() <= MAX_PENDING);
                start += len;
                offsets[said.from as usize] += u64::from(piece.len);
            }
        }
        let at = Timestamp(self.said.last().map_or(0, |said| said.at_us * 1_000));
        dialogue.on_end(Party::Client, at, &mut exchanges);
        dialogue.on_end(Party::Server, at, &mut exchanges);
        let pending = dialogue.pending();
        dialogue.on_over(is_lost, &mut exchanges);
        assert_eq!(dialogue.pending(), 0, "what is over waits for nothing");
        Heard { exchanges, counts: *dialogue.counts(), pending }
    }
}

impl Heard {
    /// Each exchange as one line: microseconds of the request's first and last octet and the response's, outcome,
    /// status, command, key, label; `-` where there is none.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.exchanges.iter().map(line).collect()
    }

    /// The labels of those with this outcome.
    pub(crate) fn labels(&self, outcome: Outcome) -> Vec<String> {
        let fits = self.exchanges.iter().filter(|exchange| exchange.outcome == outcome);
        fits.map(|exchange| String::from_utf8_lossy(exchange.request.label()).into_owned()).collect()
    }
}

fn line(exchange: &Exchange) -> String {
    let times = |extent: &super::Extent| format!("{}-{}", extent.start.as_micros(), extent.end.as_micros());
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    format!(
        "{} {} {}{} {} {} {} | {}{}",
        times(&exchange.request.extent),
        exchange.response.as_ref().map_or_else(|| "-".to_owned(), times),
        exchange.outcome.name(),
        if exchange.is_error { " error" } else { "" },
        or_dash(&exchange.status.to_str()),
        or_dash(&exchange.request.command.to_str()),
        or_dash(&String::from_utf8_lossy(exchange.request.key())),
        String::from_utf8_lossy(exchange.request.label()),
        if exchange.request.is_blocking { " (blocking)" } else { "" },
    )
}

/// Whatever is said, made of `snippets` and of any octets, captured or not: no panic, and what waits is bounded.
pub(crate) fn hears_anything(protocol: Protocol, carrier: Carrier, snippets: &'static [&'static [u8]]) {
    let octets = prop_oneof![
        3 => (0..snippets.len().max(1)).prop_map(move |which| snippets.get(which).unwrap_or(&&b""[..]).to_vec()),
        1 => vec(any::<u8>(), 0..40),
    ];
    // One time in four, some of it was not captured.
    let said = (any::<bool>(), vec(octets, 1..4), prop_oneof![3 => Just(usize::MAX), 1 => 0..60_usize]);
    let conversations = vec(said, 0..12);
    let mut runner = TestRunner::default();
    let result = runner.run(&(conversations, 1..50_usize), |(said, cut)| {
        let mut conversation = Conversation { protocol, carrier, said: Vec::new() };
        for (at_us, (is_client, octets, captured)) in (1..).zip(said) {
            let from = if is_client { Party::Client } else { Party::Server };
            conversation = conversation.say(from, at_us, &octets.concat()).captured(captured);
        }
        conversation.hear();
        conversation.hear_cut(true, |_, said| {
            let len = said.octets.len();
            if len > cut { vec![cut, len - cut] } else { vec![len] }
        });
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
