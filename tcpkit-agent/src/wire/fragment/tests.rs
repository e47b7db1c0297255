//! Datagrams come together from their lengths, in any order, within bounds.

use proptest::prelude::*;

use super::*;
use crate::wire::{Packet, Unanalyzed};

const NOW: Timestamp = Timestamp(1_000_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW + Span::from_secs(seconds)
}

fn frame_of(interface: u16) -> FragmentFrame {
    let tag = FragmentTag { interface: InterfaceId(interface), hook: None };
    FragmentFrame { tag, frame_len: 100, outer: Outer::default() }
}

/// Octets `from..to` of a datagram of 100, of which `captured` were captured.
fn piece<'a>(datagram: &'a [u8], from: usize, to: usize, captured: usize) -> FragmentInfo<'a> {
    FragmentInfo {
        source: Address::v4([10, 0, 0, 1]),
        destination: Address::v4([10, 0, 0, 2]),
        version: IpVersion::V4,
        identification: 7,
        protocol: 6,
        offset: u32::try_from(from).unwrap(),
        len: u32::try_from(to - from).unwrap(),
        more: to < datagram.len(),
        header_len: 34,
        payload: &datagram[from..from + captured],
    }
}

fn whole_piece(datagram: &[u8], from: usize, to: usize) -> FragmentInfo<'_> {
    piece(datagram, from, to, to - from)
}

/// A SYN from port 40000 to 80, with 80 octets of payload.
fn syn() -> Vec<u8> {
    let mut octets = vec![0x9c, 0x40, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 2, 0xfa, 0xf0, 0, 0, 0, 0];
    octets.extend(0..80);
    octets
}

fn add(defragmenter: &mut Defragmenter, fragment: &FragmentInfo<'_>) -> Option<Reassembled> {
    defragmenter.on_fragment(fragment, &frame_of(0), NOW)
}

#[test]
fn fragments_in_any_order_make_the_segment() {
    let datagram = syn();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        let pieces = [(0, 8), (8, 48), (48, 100)];
        let mut defragmenter = Defragmenter::default();
        let made: Vec<_> = order
            .iter()
            .filter_map(|&index| {
                let (from, to): (usize, usize) = pieces[index];
                add(&mut defragmenter, &whole_piece(&datagram, from, to))
            })
            .collect();
        let [whole] = &made[..] else { panic!("made {} datagrams", made.len()) };
        assert_eq!((whole.len, &whole.bytes), (100, &datagram));
        assert_eq!((whole.frame_count(), whole.frame_len), (3, 300));
        let parsed = parse_datagram(whole, ParseOptions::default());
        let Ok(Packet::Tcp(segment)) = parsed.packet else { panic!("{:?}", parsed.packet) };
        assert_eq!((segment.tuple.source_port, segment.payload_len, segment.header_len), (40000, 80, 54));
        assert_eq!(defragmenter.waiting(), 0);
        assert!(defragmenter.take_incomplete().is_empty());
    }
}

#[test]
fn a_hole_keeps_it_waiting() {
    let datagram = syn();
    let mut defragmenter = Defragmenter::default();
    assert!(add(&mut defragmenter, &whole_piece(&datagram, 0, 40)).is_none());
    assert!(add(&mut defragmenter, &whole_piece(&datagram, 48, 100)).is_none());
    assert_eq!(defragmenter.waiting(), 1);
    assert!(add(&mut defragmenter, &whole_piece(&datagram, 40, 48)).is_some());
}

#[test]
fn lengths_make_it_whole_even_where_bytes_were_not_captured() {
    let datagram = syn();
    let mut defragmenter = Defragmenter::default();
    assert!(add(&mut defragmenter, &piece(&datagram, 0, 48, 30)).is_none());
    let whole = add(&mut defragmenter, &whole_piece(&datagram, 48, 100)).unwrap();
    assert_eq!((whole.len, &whole.bytes[..]), (100, &datagram[..30]));
    let parsed = parse_datagram(&whole, ParseOptions::default());
    assert!(parsed.outer.truncated);
    let Ok(Packet::Tcp(segment)) = parsed.packet else { panic!("{:?}", parsed.packet) };
    assert_eq!((segment.payload_len, segment.payload.len()), (80, 10));
}

#[test]
fn nothing_of_the_transport_header_is_truncated_not_malformed() {
    let datagram = syn();
    let mut defragmenter = Defragmenter::default();
    assert!(add(&mut defragmenter, &piece(&datagram, 0, 48, 0)).is_none());
    let whole = add(&mut defragmenter, &whole_piece(&datagram, 48, 100)).unwrap();
    let parsed = parse_datagram(&whole, ParseOptions::default());
    assert!(matches!(parsed.packet, Ok(Packet::Other(Unanalyzed::Truncated))));
}

#[test]
fn the_first_copy_of_an_octet_stands() {
    let datagram = syn();
    let other = vec![0xee; 100];
    let mut defragmenter = Defragmenter::default();
    assert!(add(&mut defragmenter, &whole_piece(&datagram, 0, 48)).is_none());
    assert!(add(&mut defragmenter, &whole_piece(&other, 0, 48)).is_none());
    assert!(add(&mut defragmenter, &whole_piece(&other, 40, 56)).is_none());
    let whole = add(&mut defragmenter, &whole_piece(&datagram, 48, 100)).unwrap();
    assert_eq!(whole.bytes[..48], datagram[..48]);
    assert_eq!(whole.bytes[48..56], other[48..56]);
    assert_eq!(whole.bytes[56..], datagram[56..]);
    let counts = defragmenter.counts();
    assert_eq!((counts.duplicates, counts.overlaps, counts.reassembled), (1, 2, 1));
    assert_eq!(whole.frame_count(), 4);
}

#[test]
fn what_grows_too_old_is_given_up_and_told() {
    let datagram = syn();
    let mut defragmenter = Defragmenter::default();
    assert!(defragmenter.on_fragment(&whole_piece(&datagram, 0, 48), &frame_of(3), NOW).is_none());
    defragmenter.expire(later(30));
    assert_eq!(defragmenter.waiting(), 1);
    assert!(defragmenter.on_fragment(&whole_piece(&datagram, 48, 100), &frame_of(3), later(31)).is_none());
    assert_eq!(defragmenter.take_incomplete(), [(frame_of(3).tag, 1)]);
    assert_eq!(defragmenter.counts().expired, 1);
    defragmenter.finish();
    assert_eq!(defragmenter.take_incomplete(), [(frame_of(3).tag, 1)]);
    assert_eq!(defragmenter.waiting(), 0);
}

#[test]
fn a_step_back_in_time_gives_nothing_up() {
    let datagram = syn();
    let mut defragmenter = Defragmenter::default();
    assert!(defragmenter.on_fragment(&whole_piece(&datagram, 0, 48), &frame_of(0), later(100)).is_none());
    assert!(add(&mut defragmenter, &whole_piece(&datagram, 48, 100)).is_some());
}

#[test]
fn the_oldest_makes_room() {
    let datagram = syn();
    let mut defragmenter = Defragmenter::new(FragmentLimits { datagrams: 2, ..FragmentLimits::default() });
    for identification in 0..5 {
        let fragment = FragmentInfo { identification, ..whole_piece(&datagram, 0, 48) };
        assert!(add(&mut defragmenter, &fragment).is_none());
    }
    assert_eq!((defragmenter.waiting(), defragmenter.counts().evicted), (2, 3));
    assert_eq!(defragmenter.take_incomplete(), [(frame_of(0).tag, 3)]);
    let newest = FragmentInfo { identification: 4, ..whole_piece(&datagram, 48, 100) };
    assert!(add(&mut defragmenter, &newest).is_some());
}

#[test]
fn octets_are_bounded_too() {
    let octets = vec![0; 60_000];
    let limits = FragmentLimits { bytes: 100_000, ..FragmentLimits::default() };
    let mut defragmenter = Defragmenter::new(limits);
    for identification in 0..10 {
        let fragment = FragmentInfo { identification, ..whole_piece(&octets, 0, 50_000) };
        assert!(add(&mut defragmenter, &fragment).is_none());
        assert!(defragmenter.bytes <= limits.bytes);
    }
    assert_eq!(defragmenter.waiting(), 1);
}

#[test]
fn a_fragment_beyond_the_largest_datagram_is_refused() {
    let fragment = FragmentInfo { offset: 65_528, len: 1_000, more: false, ..whole_piece(&[0; 100], 0, 48) };
    let mut defragmenter = Defragmenter::default();
    assert!(add(&mut defragmenter, &fragment).is_none());
    assert_eq!((defragmenter.waiting(), defragmenter.counts().oversize), (0, 1));
    assert_eq!(defragmenter.take_incomplete(), [(frame_of(0).tag, 1)]);
}

#[test]
fn the_protocol_is_the_first_fragments() {
    let datagram = syn();
    let mut defragmenter = Defragmenter::default();
    let v6 = |from, to, protocol| FragmentInfo {
        version: IpVersion::V6,
        protocol,
        ..whole_piece(&datagram, from, to)
    };
    assert!(add(&mut defragmenter, &v6(48, 100, 60)).is_none());
    let whole = add(&mut defragmenter, &v6(0, 48, 6)).unwrap();
    assert!(matches!(parse_datagram(&whole, ParseOptions::default()).packet, Ok(Packet::Tcp(_))));
}

#[test]
fn each_interface_has_its_own_datagrams() {
    let datagram = syn();
    let mut defragmenter = Defragmenter::default();
    assert!(defragmenter.on_fragment(&whole_piece(&datagram, 0, 48), &frame_of(1), NOW).is_none());
    assert!(defragmenter.on_fragment(&whole_piece(&datagram, 48, 100), &frame_of(2), NOW).is_none());
    assert_eq!(defragmenter.waiting(), 2);
}

#[test]
fn completed_datagrams_do_not_pile_up_in_the_queue() {
    let datagram = syn();
    let mut defragmenter = Defragmenter::default();
    for identification in 0..10_000 {
        let of = |from, to| FragmentInfo { identification, ..whole_piece(&datagram, from, to) };
        assert!(add(&mut defragmenter, &of(0, 48)).is_none());
        assert!(add(&mut defragmenter, &of(48, 100)).is_some());
    }
    assert!(defragmenter.order.len() < 100, "{}", defragmenter.order.len());
    assert_eq!(defragmenter.bytes, 0);
}

proptest! {
    /// Cuts a datagram into pieces, some of them twice, shuffles them, and expects it back.
    #[test]
    fn any_cut_in_any_order_gives_the_datagram_back(
        len in 1..400_usize,
        cuts in prop::collection::vec(1..400_usize, 0..8),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let datagram: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut edges: Vec<usize> = cuts.into_iter().filter(|&cut| cut < len).chain([0, len]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut pieces: Vec<(usize, usize)> = edges.windows(2).map(|pair| (pair[0], pair[1])).collect();
        for (from, index) in order.iter().enumerate() {
            let from = from % pieces.len();
            let to = index.index(pieces.len());
            pieces.swap(from, to);
        }
        let mut defragmenter = Defragmenter::default();
        for (at, &(from, to)) in pieces.iter().enumerate() {
            let made = add(&mut defragmenter, &whole_piece(&datagram, from, to));
            prop_assert_eq!(made.is_some(), at + 1 == pieces.len());
            if let Some(whole) = made {
                prop_assert_eq!(&whole.bytes, &datagram);
                prop_assert_eq!(whole.frame_count(), pieces.len() as u64);
            }
        }
        prop_assert_eq!(defragmenter.bytes, 0);
    }

    /// Whatever comes, no frame is lost from the books, and nothing exceeds its bound.
    #[test]
    fn every_fragment_is_accounted_for(
        fragments in prop::collection::vec((0..4_u32, 0..200_u32, 0..90_u32, any::<bool>(), 0..40_u64), 0..80),
    ) {
        let limits = FragmentLimits { datagrams: 3, bytes: 2_000, age: Span::from_secs(30) };
        let mut defragmenter = Defragmenter::new(limits);
        let octets = [7; 100];
        let mut now = NOW;
        let mut done = 0;
        for &(identification, offset, len, more, seconds) in &fragments {
            now = now + Span::from_secs(seconds / 10);
            let payload = &octets[..len as usize / 2];
            let fragment = FragmentInfo { identification, offset, len, more, payload, ..whole_piece(&octets, 0, 8) };
            if let Some(whole) = defragmenter.on_fragment(&fragment, &frame_of(0), now) {
                done += whole.frame_count();
                prop_assert!(whole.bytes.len() as u64 <= u64::from(whole.len));
            }
            prop_assert!(defragmenter.waiting() <= limits.datagrams);
            prop_assert!(defragmenter.bytes <= limits.bytes);
        }
        defragmenter.finish();
        let given_up: u64 = defragmenter.take_incomplete().iter().map(|(_, count)| count).sum();
        prop_assert_eq!(done + given_up, fragments.len() as u64);
        prop_assert_eq!(defragmenter.bytes, 0);
    }
}
