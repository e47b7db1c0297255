//! Frames for the tests: from captures of this repository, and random ones.

use std::{fs, path::Path};

use crate::{
    time::Timestamp,
    wire::{Frame, FrameDirection, InterfaceId, LinkType},
};

/// A frame that owns its bytes.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    pub(super) frame_len: u32,
}

impl Sample {
    pub(super) fn frame(&self, link_type: LinkType, direction: FrameDirection) -> Frame<'_> {
        Frame {
            timestamp: Timestamp(0),
            interface: InterfaceId(0),
            link_type,
            direction,
            hook: None,
            frame_len: self.frame_len,
            gso_size: 0,
            bytes: &self.bytes,
        }
    }
}

/// Every frame of a little-endian pcap file of `tests/captures`.
pub(super) fn read(name: &str) -> (LinkType, Vec<Sample>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures").join(name);
    let file = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), 0xa1b2_c3d4, "{name} is a little-endian pcap");
    let link_type = LinkType(u16::try_from(word(20)).unwrap());
    let mut samples = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let (captured, frame_len) = (word(at + 8) as usize, word(at + 12));
        samples.push(Sample { bytes: file[at + 16..at + 16 + captured].to_vec(), frame_len });
        at += 16 + captured;
    }
    assert!(!samples.is_empty());
    (link_type, samples)
}

/// A small generator of numbers that are random enough for tests, and the same in every run (xorshift64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// `0..bound`
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 16) % bound as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// The samples, each also cut short somewhere, and as many random ones.
pub(super) fn varied(samples: &[Sample], random: &mut Random) -> Vec<Sample> {
    let mut all = samples.to_vec();
    for sample in samples {
        let cut = random.below(sample.bytes.len() + 1).min(80);
        all.push(Sample { bytes: sample.bytes[..cut].to_vec(), frame_len: sample.frame_len });
        let mut spoilt = sample.clone();
        for _ in 0..3 {
            let at = random.below(spoilt.bytes.len().min(80));
            spoilt.bytes[at] = random.next() as u8;
        }
        all.push(spoilt);
    }
    for _ in 0..20 {
        let len = random.below(160);
        let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let beyond = if random.chance(50) { 0 } else { random.below(2_000) };
        all.push(Sample { frame_len: (len + beyond) as u32, bytes });
    }
    all.push(Sample { bytes: Vec::new(), frame_len: 0 });
    all.push(Sample { bytes: Vec::new(), frame_len: 60 });
    all
}
