//! What a SYN's options announce (RFC 9293 §3.2, RFC 7323 §2, RFC 2018 §2).

use super::{
    key::Side,
    state::{Announced, Flow},
};
use crate::wire::{Segment, SeqNumber, SynOptions, TcpFlags};

/// RFC 7323 §2.3: a larger shift counts as this one.
const MAX_WINDOW_SCALE: u8 = 14;

impl Flow {
    /// Where a side's data begins, where its SYN was seen.
    pub(super) fn first_octet(&self, side: Side) -> Option<SeqNumber> {
        let state = self.side(side);
        if state.announced.is_seen { state.isn.map(|isn| isn.advanced(1)) } else { None }
    }

    /// The lowest number of a side's data that is known of, or thought of.
    pub(super) fn first_number(&self, side: Side) -> Option<SeqNumber> {
        self.side(side).isn.map(|isn| isn.advanced(1))
    }

    /// The shift of a side's windows, where it is known (RFC 7323 §2.2: none unless both sides offer one).
    pub(super) fn window_shift(&self, side: Side) -> Option<u8> {
        let (own, other) = (&self.side(side).announced, &self.side(side.other()).announced);
        if !own.is_seen {
            return None;
        }
        let is_agreed = other.window_scale.is_some() || !other.is_seen;
        Some(own.window_scale.filter(|_| is_agreed).unwrap_or(0))
    }

    /// Whether its senders may probe for tail losses: that takes SACK (RFC 8985 §4).
    pub(super) fn may_probe(&self) -> bool {
        self.sides.iter().all(|side| side.announced.sack_permitted != Some(false))
    }

    /// Whether ECE and CWR of this segment mean what RFC 3168 says.
    pub(super) const fn echoes_marks(&self, segment: &Segment<'_>) -> bool {
        !segment.flags.contains(TcpFlags::SYN) && !self.is_accurate_ecn
    }

    /// Remembers what a SYN or SYN/ACK announces; what the first one said counts.
    pub(super) fn note_options(&mut self, side: Side, segment: &Segment<'_>, options: &SynOptions) {
        let announced = &mut self.sides[side as usize].announced;
        let new = Announced::of(options);
        announced.mss = announced.mss.or(new.mss);
        announced.window_scale = announced.window_scale.or(new.window_scale);
        announced.sack_permitted = announced.sack_permitted.or(new.sack_permitted);
        announced.is_seen = true;
        self.is_accurate_ecn |= segment.flags.contains(TcpFlags::AE);
    }
}

impl Announced {
    /// Options up to the first one that contradicts itself or was not captured whole: behind that one SACK may still
    /// have been permitted.
    pub(super) fn of(options: &SynOptions) -> Self {
        Self {
            mss: options.mss,
            window_scale: options.window_scale.map(|shift| shift.min(MAX_WINDOW_SCALE)),
            sack_permitted: (options.permits_sack || !options.is_malformed).then_some(options.permits_sack),
            is_seen: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::TcpOptions;

    #[test]
    fn the_options_of_a_linux_syn_are_read() {
        let octets = [2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
        let expected =
            Announced { mss: Some(1460), window_scale: Some(7), sack_permitted: Some(true), is_seen: true };
        assert_eq!(Announced::of(&TcpOptions(&octets).announced()), expected);
    }

    #[test]
    fn no_options_permit_no_sack_but_cut_ones_leave_it_open() {
        assert_eq!(Announced::of(&TcpOptions(&[]).announced()).sack_permitted, Some(false));
        assert_eq!(Announced::of(&TcpOptions(&[2, 4, 5]).announced()).sack_permitted, None);
        assert_eq!(Announced::of(&TcpOptions(&[2, 4, 5, 0xb4, 8]).announced()).mss, Some(1460));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            let announced = Announced::of(&TcpOptions(&octets).announced());
            prop_assert!(announced.window_scale.is_none_or(|shift| shift <= MAX_WINDOW_SCALE));
        }
    }
}
