//! IP datagrams out of their fragments (RFC 791 §3.2, RFC 8200 §4.5), within bounds.
//!
//! A datagram is whole when the lengths in its fragments' headers cover it; of its octets, what was captured without
//! a gap from the first one on is kept. Of octets that arrive twice the first copy stands. What grows too old, or
//! does not fit, is given up, and [`Defragmenter::take_incomplete`] says for whose frames that was.

use std::collections::{HashMap, VecDeque};

use tcpkit_common::flow::Address;
use tcpkit_common::record::Hook;

use assembly::Assembly;

use super::frame::InterfaceId;
use super::ip::{self, Endpoints};
use super::octets::Octets;
use super::packet::{FragmentInfo, IpVersion, Outer, Parsed};
use super::walk::Walk;
use super::{ParseOptions, finish, ipv6};
use crate::time::{Span, Timestamp};

mod assembly;
#[cfg(test)]
mod tests;

/// Bounds of a [`Defragmenter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentLimits {
    /// Datagrams that wait for fragments at the same time.
    pub datagrams: usize,
    /// Octets that they hold together, a small sum for each fragment included.
    pub bytes: usize,
    /// How long after its first fragment a datagram is given up. RFC 791 §3.2 begins at 15 s; Linux and Wireshark's
    /// users know 30 s.
    pub age: Span,
}

impl Default for FragmentLimits {
    fn default() -> Self {
        Self { datagrams: 4096, bytes: 8 << 20, age: Span::from_secs(30) }
    }
}

/// Where a fragment's frame was seen: its place in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentTag {
    /// Interface of the frame.
    pub interface: InterfaceId,
    /// Hook of the frame.
    pub hook: Option<Hook>,
}

/// What is known of the frame that a fragment came in.
#[derive(Clone, Copy, Debug)]
pub struct FragmentFrame {
    /// Its place in the ledger.
    pub tag: FragmentTag,
    /// Octets of the frame on the wire.
    pub frame_len: u32,
    /// What [`super::parse`] said of its outermost IP packet.
    pub outer: Outer,
}

/// Frames by where they were seen.
pub type FrameTally = Vec<(FragmentTag, u64)>;

/// A whole datagram.
#[derive(Clone, Debug)]
pub struct Reassembled {
    /// Sender's address.
    pub source: Address,
    /// Receiver's address.
    pub destination: Address,
    /// Version of its headers.
    pub version: IpVersion,
    /// What it carries; for IPv6 this may be an extension header.
    pub protocol: u8,
    /// Octets of its payload on the wire.
    pub len: u32,
    /// As many of them as were captured without a gap.
    pub bytes: Vec<u8>,
    /// Frames that brought it, by where they were seen, duplicates too.
    pub frames: FrameTally,
    /// Octets of all these frames together.
    pub frame_len: u64,
    /// Octets before the payload in the last of these frames.
    pub header_len: u32,
    /// What the last of these frames said of its outermost IP packet.
    pub outer: Outer,
}

impl Reassembled {
    /// Frames that brought it, duplicates too.
    #[must_use]
    pub fn frame_count(&self) -> u64 {
        self.frames.iter().map(|(_, count)| count).sum()
    }
}

/// How reassembly went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentCounts {
    /// Datagrams that became whole.
    pub reassembled: u64,
    /// Fragments all of whose octets were there already.
    pub duplicates: u64,
    /// Fragments some of whose octets were there already.
    pub overlaps: u64,
    /// Datagrams given up because the time was over, or the capture.
    pub expired: u64,
    /// Datagrams given up because newer ones needed the room.
    pub evicted: u64,
    /// Fragments that lie, in part, beyond the largest datagram.
    pub oversize: u64,
}

/// The datagrams that wait for fragments.
#[derive(Debug, Default)]
pub struct Defragmenter {
    limits: FragmentLimits,
    waiting: HashMap<Key, Assembly>,
    /// Keys in the order of their first fragment, with the serial number that tells a key's uses apart.
    order: VecDeque<(Key, u64)>,
    next_serial: u64,
    bytes: usize,
    counts: FragmentCounts,
    incomplete: FrameTally,
}

/// What the fragments of a datagram have in common. Protocol counts for IPv4 only (RFC 791 §3.2; RFC 8200 §4.5).
/// Each interface sees datagrams of its own: what passes two of them is captured twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: Address,
    destination: Address,
    identification: u32,
    protocol: Option<u8>,
    interface: InterfaceId,
}

impl Key {
    fn new(fragment: &FragmentInfo<'_>, tag: FragmentTag) -> Self {
        Self {
            source: fragment.source,
            destination: fragment.destination,
            identification: fragment.identification,
            protocol: (fragment.version == IpVersion::V4).then_some(fragment.protocol),
            interface: tag.interface,
        }
    }
}

impl Defragmenter {
    /// With these bounds, and nothing waiting.
    #[must_use]
    pub fn new(limits: FragmentLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes one fragment; returns its datagram when that is whole now.
    pub fn on_fragment(
        &mut self,
        fragment: &FragmentInfo<'_>,
        frame: &FragmentFrame,
        now: Timestamp,
    ) -> Option<Reassembled> {
        self.expire(now);
        if fragment.offset.saturating_add(fragment.len) > assembly::MAX_LEN {
            self.counts.oversize += 1;
            tally(&mut self.incomplete, frame.tag, 1);
            return None;
        }
        let key = Key::new(fragment, frame.tag);
        let assembly = self.waiting.entry(key).or_insert_with(|| {
            self.next_serial += 1;
            self.order.push_back((key, self.next_serial));
            Assembly::new(self.next_serial, now)
        });
        let before = assembly.cost();
        match assembly.add(fragment, frame) {
            assembly::Added::New => {}
            assembly::Added::Duplicate => self.counts.duplicates += 1,
            assembly::Added::Overlap => self.counts.overlaps += 1,
        }
        let is_whole = assembly.is_whole();
        self.bytes += assembly.cost() - before;
        if is_whole { self.complete(key, fragment) } else { self.make_room() }
    }

    /// Gives up what is too old. [`Self::on_fragment`] does so itself; an idle capture's clock calls this.
    pub fn expire(&mut self, now: Timestamp) {
        while let Some(&(key, serial)) = self.order.front() {
            let Some(assembly) = self.waiting.get(&key).filter(|assembly| assembly.serial() == serial) else {
                self.order.pop_front();
                continue;
            };
            if now.since(assembly.begun()) <= self.limits.age {
                return;
            }
            self.counts.expired += 1;
            self.give_up_oldest();
        }
    }

    /// Gives up everything: the capture is over.
    pub fn finish(&mut self) {
        self.counts.expired += self.waiting.len() as u64;
        while !self.order.is_empty() {
            self.give_up_oldest();
        }
    }

    /// Frames whose fragments were given up since this was last asked.
    #[must_use]
    pub fn take_incomplete(&mut self) -> FrameTally {
        std::mem::take(&mut self.incomplete)
    }

    /// How it went so far.
    #[must_use]
    pub const fn counts(&self) -> FragmentCounts {
        self.counts
    }

    /// Datagrams that wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn complete(&mut self, key: Key, last: &FragmentInfo<'_>) -> Option<Reassembled> {
        let assembly = self.waiting.remove(&key)?;
        self.bytes -= assembly.cost();
        self.counts.reassembled += 1;
        self.forget_stale_keys();
        Some(assembly.into_reassembled(last))
    }

    fn make_room(&mut self) -> Option<Reassembled> {
        while self.waiting.len() > self.limits.datagrams || self.bytes > self.limits.bytes {
            let before = self.waiting.len();
            self.give_up_oldest();
            self.counts.evicted += (before - self.waiting.len()) as u64;
        }
        None
    }

    fn give_up_oldest(&mut self) {
        let Some((key, serial)) = self.order.pop_front() else { return };
        let is_current = self.waiting.get(&key).is_some_and(|assembly| assembly.serial() == serial);
        if !is_current {
            return;
        }
        if let Some(assembly) = self.waiting.remove(&key) {
            self.bytes -= assembly.cost();
            for &(tag, count) in assembly.frames() {
                tally(&mut self.incomplete, tag, count);
            }
        }
    }

    /// Keys of completed datagrams stay in the queue until half of it is stale, so that each costs little.
    fn forget_stale_keys(&mut self) {
        if self.order.len() < 64 + 2 * self.waiting.len() {
            return;
        }
        let waiting = &self.waiting;
        self.order
            .retain(|(key, serial)| waiting.get(key).is_some_and(|assembly| assembly.serial() == *serial));
    }
}

/// Reads a whole datagram as if it had come in one frame. A tunnel's datagram may hold a fragment in its turn, which
/// belongs into the [`Defragmenter`] again; each round strips a header, so there is an end to it.
#[must_use]
pub fn parse_datagram(datagram: &Reassembled, options: ParseOptions) -> Parsed<'_> {
    let octets = Octets::new(&datagram.bytes, datagram.len, datagram.header_len);
    let mut outer = datagram.outer;
    outer.truncated |= octets.is_truncated();
    let mut walk = Walk::new(options, outer);
    let ip = Endpoints {
        source: datagram.source,
        destination: datagram.destination,
        version: datagram.version,
        ecn: 0,
    };
    let outcome = match datagram.version {
        IpVersion::V4 => ip::transport(&mut walk, ip, datagram.protocol, octets),
        IpVersion::V6 => ipv6::upper(&mut walk, ip, datagram.protocol, octets),
    };
    finish(outcome, &walk)
}

fn tally(frames: &mut FrameTally, tag: FragmentTag, count: u64) {
    match frames.iter_mut().find(|(known, _)| *known == tag) {
        Some((_, sum)) => *sum += count,
        None => frames.push((tag, count)),
    }
}
