//! What a SYN's options announce (RFC 9293 §3.2, RFC 7323 §2, RFC 2018 §2).

use super::{
    key::Side,
    state::{Announced, Flow},
};
use crate::wire::{Segment, TcpOptions};

/// Option kinds (<https://www.iana.org/assignments/tcp-parameters>).
mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NO_OPERATION: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
}

/// RFC 7323 §2.3: a larger shift counts as this one.
const MAX_WINDOW_SCALE: u8 = 14;

impl Flow {
    /// Remembers what a SYN or SYN/ACK announces; what the first one said counts.
    pub(super) fn note_options(&mut self, side: Side, segment: &Segment<'_>) {
        let announced = &mut self.sides[side as usize].announced;
        let new = announced_by(segment.options);
        announced.mss = announced.mss.or(new.mss);
        announced.window_scale = announced.window_scale.or(new.window_scale);
        announced.sack_permitted = announced.sack_permitted.or(new.sack_permitted);
    }
}

/// Options up to the first one that contradicts itself or was not captured whole.
fn announced_by(options: TcpOptions<'_>) -> Announced {
    let mut announced = Announced::default();
    let mut has_sack = false;
    let mut rest = options.0;
    let is_whole = loop {
        match rest {
            [] | [kind::END, ..] => break true,
            [kind::NO_OPERATION, tail @ ..] => rest = tail,
            [kind, len, ..] => {
                let Some((option, tail)) = rest.split_at_checked(usize::from(*len).max(2)) else {
                    break false;
                };
                match (*kind, &option[2..]) {
                    (kind::MSS, [high, low]) => announced.mss = Some(u16::from_be_bytes([*high, *low])),
                    (kind::WINDOW_SCALE, [shift]) => {
                        announced.window_scale = Some((*shift).min(MAX_WINDOW_SCALE));
                    }
                    (kind::SACK_PERMITTED, []) => has_sack = true,
                    _ => {}
                }
                rest = tail;
            }
            [_] => break false,
        }
    };
    announced.sack_permitted = (is_whole || has_sack).then_some(has_sack);
    announced
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_options_of_a_linux_syn_are_read() {
        let octets = [2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
        let expected = Announced { mss: Some(1460), window_scale: Some(7), sack_permitted: Some(true) };
        assert_eq!(announced_by(TcpOptions(&octets)), expected);
    }

    #[test]
    fn no_options_permit_no_sack_but_cut_ones_leave_it_open() {
        assert_eq!(announced_by(TcpOptions(&[])).sack_permitted, Some(false));
        assert_eq!(announced_by(TcpOptions(&[2, 4, 5])).sack_permitted, None);
        assert_eq!(announced_by(TcpOptions(&[2, 4, 5, 0xb4, 8])).mss, Some(1460));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            let announced = announced_by(TcpOptions(&octets));
            prop_assert!(announced.window_scale.is_none_or(|shift| shift <= MAX_WINDOW_SCALE));
        }
    }
}
