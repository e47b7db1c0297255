//! Which datagrams matched by their first fragment, so that their later fragments, which have no ports, match too.
//!
//! Bounded: 4,096 datagrams, in sets of four that forget the one used longest ago. Nothing is allocated after `new`.

use super::headers::Datagram;

/// The datagrams that matched last.
#[derive(Debug)]
pub(super) struct MatchedDatagrams {
    sets: Vec<[Entry; WAYS]>,
    clock: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    datagram: Option<Datagram>,
    used: u64,
}

impl MatchedDatagrams {
    pub(super) fn new() -> Self {
        Self { sets: vec![[Entry::default(); WAYS]; SETS], clock: 0 }
    }

    /// A first fragment matched, or did not: what an earlier datagram of the same identification did is forgotten.
    pub(super) fn on_first(&mut self, datagram: &Datagram, matched: bool) {
        self.clock += 1;
        let used = self.clock;
        let set = &mut self.sets[set_of(datagram)];
        let known = set.iter().position(|entry| entry.datagram.as_ref() == Some(datagram));
        if !matched {
            if let Some(known) = known {
                set[known] = Entry::default();
            }
            return;
        }
        let place = known.or_else(|| (0..WAYS).min_by_key(|way| set[*way].used));
        if let Some(entry) = place.and_then(|place| set.get_mut(place)) {
            *entry = Entry { datagram: Some(*datagram), used };
        }
    }

    /// Whether the first fragment of this datagram matched.
    pub(super) fn contains(&mut self, datagram: &Datagram) -> bool {
        self.clock += 1;
        let used = self.clock;
        let set = &mut self.sets[set_of(datagram)];
        match set.iter_mut().find(|entry| entry.datagram.as_ref() == Some(datagram)) {
            Some(entry) => {
                entry.used = used;
                true
            }
            None => false,
        }
    }
}

/// Spreads identifications, which are often consecutive, and addresses over the sets.
fn set_of(datagram: &Datagram) -> usize {
    let fold = |address: &[u8; 16]| (u128::from_le_bytes(*address) % 0xffff_ffff_ffff_ffc5) as u64;
    let addresses = fold(&datagram.source) ^ fold(&datagram.destination).rotate_left(32);
    let mixed = (addresses ^ u64::from(datagram.identification)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % SETS
}

const SETS: usize = 1_024;
const WAYS: usize = 4;
