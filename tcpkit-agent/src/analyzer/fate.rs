//! What became of each frame that reached a shard: the delivered side of the ledger.
//!
//! `delivered = analyzed + Σ malformed + Σ not_analyzed` holds after every frame.

use tcpkit_common::record::Hook;

use crate::wire::{Cause, InterfaceId, Layer, ParseError, Unanalyzed};

/// Layers that [`FrameCounts::malformed`] tells apart.
const LAYERS: usize = Layer::Icmp as usize + 1;
/// Causes that [`FrameCounts::malformed`] tells apart.
const CAUSES: usize = Cause::Checksum as usize + 1;
/// Causes that [`FrameCounts::not_analyzed`] tells apart.
const UNANALYZED: usize = Unanalyzed::BeyondCount as usize + 1;
/// Places of one interface: its hooks, and none.
const HOOKS: usize = Hook::ALL.len() + 1;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The analyzers took it.
    Analyzed,
    /// It contradicts itself.
    Malformed(ParseError),
    /// It is sound, and no analyzer takes it.
    NotAnalyzed(Unanalyzed),
}

/// Something worth a count that is no fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Note {
    /// Fewer bytes were captured than the frame had.
    Truncated,
    /// Its time is before that of an earlier frame.
    TimeStepBack,
    /// Another shard owns its flow, and took it; it counts as delivered there.
    HandedOver,
    /// Its flow belongs to another interface, so it counts as traffic only.
    Duplicate,
}

impl Note {
    /// Every note, and its name in the ledger.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Truncated, "truncated"),
        (Self::TimeStepBack, "time_step_back"),
        (Self::HandedOver, "handed_over"),
        (Self::Duplicate, "duplicate"),
    ];
}

/// The frames of one interface and hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Frames that reached a shard.
    pub delivered: u64,
    /// Frames whose content the analyzers took.
    pub analyzed: u64,
    malformed: [[u64; CAUSES]; LAYERS],
    not_analyzed: [u64; UNANALYZED],
    notes: [u64; Note::ALL.len()],
}

impl FrameCounts {
    /// Frames that contradict themselves in this way.
    #[must_use]
    pub const fn malformed(&self, error: ParseError) -> u64 {
        self.malformed[error.layer as usize][error.cause as usize]
    }

    /// Sound frames that no analyzer takes, for this cause.
    #[must_use]
    pub const fn not_analyzed(&self, cause: Unanalyzed) -> u64 {
        self.not_analyzed[cause as usize]
    }

    /// How often something was noted.
    #[must_use]
    pub const fn noted(&self, note: Note) -> u64 {
        self.notes[note as usize]
    }

    /// Frames with any fate.
    #[must_use]
    pub fn fates(&self) -> u64 {
        let others = self.malformed.as_flattened().iter().chain(&self.not_analyzed);
        others.fold(self.analyzed, |sum, count| sum.wrapping_add(*count))
    }

    fn merge(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.analyzed = self.analyzed.wrapping_add(other.analyzed);
        let malformed = self.malformed.as_flattened_mut().iter_mut();
        malformed
            .zip(other.malformed.as_flattened())
            .for_each(|(own, theirs)| *own = own.wrapping_add(*theirs));
        let not_analyzed = self.not_analyzed.iter_mut();
        not_analyzed.zip(other.not_analyzed).for_each(|(own, theirs)| *own = own.wrapping_add(theirs));
        self.notes.iter_mut().zip(other.notes).for_each(|(own, theirs)| *own += theirs);
    }
}

/// Where a frame was seen.
pub type Place = (InterfaceId, Option<Hook>);

/// The fates of all frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FateAnalyzer {
    interfaces: Vec<Option<Box<[FrameCounts; HOOKS]>>>,
}

impl FateAnalyzer {
    /// A frame is delivered here, and this became of it.
    #[inline(always)]
    pub fn on_frame(&mut self, place: Place, fate: Fate) {
        let (interface, hook) = place;
        let counts = match self.interfaces.get_mut(usize::from(interface.0)) {
            Some(Some(hooks)) => &mut hooks[hook_index(hook)],
            _ => self.counts_mut(place),
        };
        counts.delivered += 1;
        let come = slot(counts, fate);
        *come = come.wrapping_add(1);
    }

    /// Frames that were counted under one fate have come to another. The first may have been handed over already:
    /// then what is left here is less than nothing (modulo 2^64), and both together are right.
    pub fn on_change(&mut self, place: Place, frames: u64, from: Fate, to: Fate) {
        let counts = self.counts_mut(place);
        let left = slot(counts, from);
        *left = left.wrapping_sub(frames);
        let come = slot(counts, to);
        *come = come.wrapping_add(frames);
    }

    /// Something worth a count.
    #[inline]
    pub fn on_note(&mut self, place: Place, note: Note) {
        self.counts_mut(place).notes[note as usize] += 1;
    }

    /// Adds another shard's frames.
    pub fn merge(&mut self, other: &Self) {
        for (place, counts) in other.places() {
            self.counts_mut(place).merge(counts);
        }
    }

    /// Every interface and hook that saw anything, in order.
    pub fn places(&self) -> impl Iterator<Item = (Place, &FrameCounts)> {
        (0u16..=u16::MAX).zip(&self.interfaces).flat_map(|(number, hooks)| {
            let hooks =
                hooks.iter().flat_map(|hooks| HOOK_ORDER.map(|hook| (&hooks[hook_index(hook)], hook)));
            hooks
                .filter(|(counts, _)| **counts != FrameCounts::default())
                .map(move |(counts, hook)| ((InterfaceId(number), hook), counts))
        })
    }

    #[inline(never)]
    fn counts_mut(&mut self, (interface, hook): Place) -> &mut FrameCounts {
        let number = usize::from(interface.0);
        if number >= self.interfaces.len() {
            self.interfaces.resize(number + 1, None);
        }
        &mut self.interfaces[number].get_or_insert_default()[hook_index(hook)]
    }
}

#[inline(always)]
fn hook_index(hook: Option<Hook>) -> usize {
    // None stands where the hooks end, as it does in memory.
    hook.map_or(HOOKS - 1, |hook| hook as usize)
}

const HOOK_ORDER: [Option<Hook>; HOOKS] =
    [None, Some(Hook::XdpIngress), Some(Hook::TcIngress), Some(Hook::TcEgress)];

#[inline(always)]
const fn slot(counts: &mut FrameCounts, fate: Fate) -> &mut u64 {
    match fate {
        Fate::Analyzed => &mut counts.analyzed,
        Fate::Malformed(error) => &mut counts.malformed[error.layer as usize][error.cause as usize],
        Fate::NotAnalyzed(cause) => &mut counts.not_analyzed[cause as usize],
    }
}
