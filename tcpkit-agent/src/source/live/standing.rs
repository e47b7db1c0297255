//! Which captured interfaces are one place, and which show only what another one shows too.
//!
//! A bond (or a team) spreads its own frames over its parts, so all captured parts of one bond are one place: a flow
//! that is sprayed over them, or moves to another one when one fails, passes that place as a whole. Where the bond
//! itself is captured, each frame of a part passes it too: then the parts show traffic, and the flows are the bond's.
//! The ports of a bridge are different places: what is forwarded passes two of them, and not the bridge.

use super::{
    link::{self, LinkFacts},
    sys,
};
use tcpkit_common::settings::MAX_INTERFACES;

/// Where an interface stands among those of a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Interfaces of the same identity are one place; never 0.
    pub identity: u16,
    /// Its frames pass another captured interface too, by rule: here they are traffic only.
    pub is_copy: bool,
}

/// What an interface is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Master {
    /// Its number in the kernel.
    pub(super) index: u32,
    /// What it was called when the interface became part of it.
    pub(super) name: String,
    /// It spreads its frames over its parts.
    pub(super) spreads: bool,
}

impl Master {
    /// What the interface with this number is part of.
    pub(super) fn of(index: u32) -> Option<Self> {
        Self::from_facts(&link::ask(index).ok()?.facts)
    }

    pub(super) fn from_facts(facts: &LinkFacts) -> Option<Self> {
        let index = facts.master?;
        let name = sys::interface_name(index).unwrap_or_else(|| format!("interface {index}"));
        Some(Self { index, name, spreads: facts.is_spread })
    }
}

/// The identities that were given to bonds of which only parts are captured, the last used last.
///
/// They are remembered by name: a bond that was made anew, or has for a moment no part, is still the same place.
#[derive(Debug, Default)]
pub(super) struct Standings {
    bonds: Vec<(String, u16)>,
    given: u16,
}

impl Standings {
    /// The place of each interface, from the number and the master of each.
    pub(super) fn assign(&mut self, interfaces: &[(Option<u32>, Option<&Master>)]) -> Vec<Standing> {
        let own = |position: usize| u16::try_from(position + 1).unwrap_or(u16::MAX);
        let captured =
            |master: &Master| interfaces.iter().position(|(index, _)| *index == Some(master.index));
        let each = interfaces.iter().enumerate();
        each.map(|(position, (_, master))| match master.filter(|master| master.spreads) {
            None => Standing { identity: own(position), is_copy: false },
            Some(master) => match captured(master) {
                Some(bond) => Standing { identity: own(bond), is_copy: true },
                None => Standing { identity: self.of_bond(&master.name), is_copy: false },
            },
        })
        .collect()
    }

    fn of_bond(&mut self, name: &str) -> u16 {
        let known = self.bonds.iter().position(|(known, _)| known == name);
        let identity = match known {
            Some(known) => self.bonds.remove(known).1,
            None => self.next(),
        };
        self.bonds.push((name.to_owned(), identity));
        identity
    }

    /// An identity that no interface has, and no bond that is remembered.
    fn next(&mut self) -> u16 {
        if self.bonds.len() > BONDS {
            self.bonds.remove(0);
        }
        loop {
            self.given = self.given.wrapping_add(1);
            let is_free = usize::from(self.given) > BONDS
                && self.bonds.iter().all(|(_, identity)| *identity != self.given);
            if is_free {
                return self.given;
            }
        }
    }
}

/// Bonds that are remembered; each captured interface may be part of another one. Interfaces' own identities end here.
const BONDS: usize = MAX_INTERFACES as usize;

#[cfg(test)]
mod tests {
    use super::*;

    fn part_of(index: u32, spreads: bool) -> Master {
        Master { index, name: format!("bond{index}"), spreads }
    }

    fn identities(standings: &[Standing]) -> Vec<(u16, bool)> {
        standings.iter().map(|one| (one.identity, one.is_copy)).collect()
    }

    #[test]
    fn parts_of_one_bond_are_one_place_and_ports_of_a_bridge_are_not() {
        let mut standings = Standings::default();
        let (bond, other, bridge) = (part_of(9, true), part_of(8, true), part_of(7, false));
        let interfaces = [
            (Some(1), Some(&bond)),
            (Some(2), Some(&bond)),
            (Some(3), Some(&other)),
            (Some(4), Some(&bridge)),
            (Some(5), Some(&bridge)),
        ];
        let assigned = identities(&standings.assign(&interfaces));
        assert_eq!(assigned, [(65, false), (65, false), (66, false), (4, false), (5, false)]);
        // Asked again, and when one of them is released for a moment.
        assert_eq!(identities(&standings.assign(&interfaces)), assigned);
        let released = identities(&standings.assign(&[(Some(1), None), (Some(2), Some(&bond))]));
        assert_eq!(released, [(1, false), (65, false)]);
    }

    #[test]
    fn a_captured_bond_owns_what_its_parts_show() {
        let mut standings = Standings::default();
        let bond = part_of(9, true);
        let interfaces = [(Some(1), Some(&bond)), (Some(9), None), (None, None)];
        assert_eq!(identities(&standings.assign(&interfaces)), [(2, true), (2, false), (3, false)]);
        // The bond is gone: the part stands for itself.
        let dissolved = [(Some(1), None), (None, None), (None, None)];
        assert_eq!(identities(&standings.assign(&dissolved)), [(1, false), (2, false), (3, false)]);
    }

    #[test]
    fn bonds_without_end_are_forgotten_one_by_one() {
        let mut standings = Standings::default();
        for index in 10..70_000 {
            let bond = part_of(index, true);
            assert!(standings.assign(&[(Some(1), Some(&bond))])[0].identity > 64);
        }
        assert!(standings.bonds.len() <= BONDS + 1);
    }
}
