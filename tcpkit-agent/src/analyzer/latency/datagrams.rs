//! Pairs of UDP ports that are listened to.
//!
//! Nothing tells when such a conversation ends, so one that was silent for a while is over, by the watermark of capture
//! time: what has no answer then has none. Each direction belongs to the place where it was first seen, as those of
//! flows do.

use std::{cmp::Reverse, collections::BinaryHeap};

use hashbrown::{HashTable, hash_table::Entry};
use tcpkit_common::flow::FlowHash;

use super::{
    conversations::Conversations,
    measured::Measurement,
    outlet::Outlet,
    recognition::Scene,
    settings::{Interest, RequestSettings},
    sizes::SegmentSizes,
    spent::{Circumstances, spent},
    trouble::Troubles,
};
use crate::{
    flow::{FlowKey, Side},
    protocol::{Carrier, Dialogue, Exchange, Party, Piece, Protocol, open},
    time::{Span, Timestamp},
    wire::{Datagram, InterfaceId},
};

/// Where and when a datagram was seen.
#[derive(Clone, Copy, Debug)]
pub struct DatagramArrival {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// Watermark of capture time, this frame included.
    pub now: Timestamp,
    /// Interface that saw it.
    pub interface: InterfaceId,
    /// Interfaces of the same identity count as one.
    pub identity: u16,
    /// Whether that interface has a name.
    pub is_named: bool,
}

/// All pairs of ports that are listened to.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    index: HashTable<(u32, u32)>,
    list: Vec<Option<Pair>>,
    free: Vec<u32>,
    /// One entry for each pair: no later than when it is over, unless it is heard of again.
    due: BinaryHeap<Reverse<(Timestamp, u32)>>,
}

#[derive(Debug)]
struct Pair {
    key: FlowKey,
    hash: FlowHash,
    client: Side,
    protocol: Protocol,
    dialogue: Box<dyn Dialogue + Send>,
    interface: InterfaceId,
    /// Octets that were heard, by side.
    heard: [u64; 2],
    /// Identity of the interfaces on which a direction counts.
    owners: [Option<u16>; 2],
    /// Watermark at its latest datagram.
    seen: Timestamp,
}

impl Conversations {
    /// Takes a datagram; true where another interface showed it too.
    pub fn on_datagram(
        &mut self,
        hash: FlowHash,
        datagram: &Datagram<'_>,
        arrival: &DatagramArrival,
        out: &mut Outlet<'_>,
    ) -> bool {
        let (key, sender) = FlowKey::of(&datagram.tuple);
        let place = match self.datagrams.find(hash, &key) {
            Some(place) => place,
            None => {
                let Some(pair) = self.recognise_pair(hash, key, sender, datagram, arrival) else {
                    return false;
                };
                self.make_room(out);
                self.budget.counts.datagram_conversations += 1;
                self.datagrams.insert(pair, self.settings.limits.datagram_idle)
            }
        };
        let Self { datagrams, scratch, .. } = self;
        let Some(pair) = datagrams.list[place as usize].as_mut() else { return false };
        let owner = *pair.owners[sender as usize].get_or_insert(arrival.identity);
        if owner != arrival.identity && arrival.is_named {
            return true;
        }
        pair.hear(sender, datagram, arrival, scratch);
        pair.tell(scratch, out);
        false
    }

    /// Whether a pair may have been silent for too long by `now`.
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.datagrams.due.peek().is_some_and(|Reverse((due, _))| *due <= now)
    }

    /// Ends the pairs that were silent for too long by `now`.
    #[inline]
    pub fn advance(&mut self, now: Timestamp, out: &mut Outlet<'_>) {
        while let Some(&Reverse((due, place))) = self.datagrams.due.peek()
            && due <= now
        {
            self.datagrams.due.pop();
            self.end_or_wait(place, due, out);
        }
    }

    /// Ends all pairs: the capture is over.
    pub fn finish(&mut self, end: Timestamp, out: &mut Outlet<'_>) {
        self.advance(end, out);
        out.now = end;
        while let Some(Reverse((_, place))) = self.datagrams.due.pop() {
            self.end_pair(place, out);
        }
    }

    /// A pair whose time has come is over, unless it was heard of again.
    fn end_or_wait(&mut self, place: u32, due: Timestamp, out: &mut Outlet<'_>) -> bool {
        let idle = self.settings.limits.datagram_idle;
        let seen = self.datagrams.list[place as usize].as_ref().map(|pair| pair.seen);
        match seen {
            Some(seen) if seen + idle > due => {
                self.datagrams.due.push(Reverse((seen + idle, place)));
                false
            }
            _ => {
                let now = out.now;
                out.now = due.min(now);
                self.end_pair(place, out);
                out.now = now;
                true
            }
        }
    }

    fn end_pair(&mut self, place: u32, out: &mut Outlet<'_>) {
        let Some(mut pair) = self.datagrams.remove(place) else { return };
        pair.dialogue.on_over(false, &mut self.scratch);
        out.sums.on_dialogue(pair.protocol, pair.dialogue.counts());
        pair.tell(&mut self.scratch, out);
    }

    /// The pair that was silent longest gives way, where there are as many as may be.
    fn make_room(&mut self, out: &mut Outlet<'_>) {
        while self.datagrams.len() >= self.settings.limits.datagram_conversations.max(1) as usize {
            let Some(Reverse((due, place))) = self.datagrams.due.pop() else { return };
            self.budget.counts.evicted += u64::from(self.end_or_wait(place, due, out));
        }
    }

    fn recognise_pair(
        &self,
        hash: FlowHash,
        key: FlowKey,
        sender: Side,
        datagram: &Datagram<'_>,
        arrival: &DatagramArrival,
    ) -> Option<Pair> {
        let (protocol, client) = spoken(&self.settings, &key, sender, datagram.payload)?;
        Some(Pair {
            key,
            hash,
            client,
            protocol,
            dialogue: open(protocol, Carrier::Datagrams)?,
            interface: arrival.interface,
            heard: [0; 2],
            owners: [None; 2],
            seen: arrival.now,
        })
    }
}

/// What is spoken in a datagram, and who asks.
fn spoken(
    settings: &RequestSettings,
    key: &FlowKey,
    sender: Side,
    payload: &[u8],
) -> Option<(Protocol, Side)> {
    let client = match settings.interest(key, None) {
        Interest::None => return None,
        Interest::Client(client) => Some(client),
        Interest::Unknown => None,
    };
    let at_port = client.and_then(|client| Some((settings.protocol_at(key, client.other())?, client)));
    let scene = Scene { settings, key, client, carrier: Carrier::Datagrams };
    at_port.or_else(|| scene.recognise(sender, payload)).or_else(|| scene.suggestion())
}

impl Datagrams {
    /// What could not be read in conversations that go on.
    pub(super) fn dialogues(&self) -> impl Iterator<Item = (Protocol, &dyn Dialogue)> {
        self.list.iter().flatten().map(|pair| (pair.protocol, &*pair.dialogue as &dyn Dialogue))
    }

    fn len(&self) -> usize {
        self.index.len()
    }

    fn find(&self, hash: FlowHash, key: &FlowKey) -> Option<u32> {
        let is_it = |(other, place): &(u32, u32)| {
            *other == hash.0 && self.list[*place as usize].as_ref().is_some_and(|pair| pair.key == *key)
        };
        self.index.find(spread(hash.0), is_it).map(|(_, place)| *place)
    }

    fn insert(&mut self, pair: Pair, idle: Span) -> u32 {
        let (hash, due) = (pair.hash.0, pair.seen + idle);
        let place = self.free.pop().unwrap_or_else(|| {
            self.list.push(None);
            u32::try_from(self.list.len() - 1).expect("the bound on pairs is a u32")
        });
        self.list[place as usize] = Some(pair);
        self.index.insert_unique(spread(hash), (hash, place), |(hash, _)| spread(*hash));
        self.due.push(Reverse((due, place)));
        place
    }

    fn remove(&mut self, place: u32) -> Option<Pair> {
        let pair = self.list.get_mut(place as usize)?.take()?;
        let is_it = |(_, other): &(u32, u32)| *other == place;
        if let Entry::Occupied(entry) =
            self.index.entry(spread(pair.hash.0), is_it, |(hash, _)| spread(*hash))
        {
            entry.remove();
        }
        self.free.push(place);
        Some(pair)
    }
}

impl Pair {
    fn hear(
        &mut self,
        sender: Side,
        datagram: &Datagram<'_>,
        arrival: &DatagramArrival,
        scratch: &mut Vec<Exchange>,
    ) {
        self.seen = self.seen.max(arrival.now);
        let heard = &mut self.heard[sender as usize];
        let piece = Piece {
            offset: *heard,
            at: arrival.timestamp,
            len: datagram.payload_len,
            bytes: datagram.payload,
        };
        *heard += u64::from(datagram.payload_len);
        let from = if sender == self.client { Party::Client } else { Party::Server };
        self.dialogue.on_piece(from, &piece, scratch);
    }

    /// Hands on what the dialogue told: an answer in a datagram is delivered when it passes.
    fn tell(&self, scratch: &mut Vec<Exchange>, out: &mut Outlet<'_>) {
        let (troubles, sizes) = (Troubles::default(), SegmentSizes::default());
        let around = Circumstances {
            client: self.client,
            way: Span(0),
            handshake: None,
            troubles: &troubles,
            sizes: [&sizes; 2],
        };
        for exchange in scratch.drain(..) {
            let spent = spent(&exchange, &around);
            out.take(&Measurement {
                at: out.now,
                tuple: self.key.tuple_from(self.client),
                interface: self.interface,
                protocol: self.protocol,
                is_datagram: true,
                spent: spent.as_ref(),
                exchange: &exchange,
            });
        }
    }
}

/// A flow hash on 64 bits: hash tables take their tags from the top.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
