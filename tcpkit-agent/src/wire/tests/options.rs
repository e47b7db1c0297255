//! TCP options, decoded on demand.

use proptest::prelude::*;

use crate::wire::{SackBlock, SeqNumber, SynOptions, TcpOptions};

/// As Linux sends them with a SYN.
const OF_LINUX: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9, 1, 3, 3, 7];

#[test]
fn a_linux_syn_says_what_it_can() {
    let options = TcpOptions(&OF_LINUX);
    assert_eq!(options.mss(), Some(1460));
    assert_eq!(options.window_scale(), Some(7));
    assert!(options.sack_permitted());
    assert_eq!(options.timestamps(), Some((7, 9)));
    assert_eq!(options.sack_blocks().count(), 0);
    assert!(!options.is_malformed());
    assert_eq!(options.iter().map(|option| option.kind).collect::<Vec<_>>(), [2, 4, 8, 3]);
}

#[test]
fn the_usual_layout_of_timestamps_is_read_alike() {
    let aligned = TcpOptions(&[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    let other = TcpOptions(&[8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1]);
    assert_eq!(aligned.timestamps(), Some((0x0102_0304, 0x0506_0708)));
    assert_eq!(aligned.timestamps(), other.timestamps());
}

#[test]
fn sack_blocks_keep_their_order() {
    let options = TcpOptions(&[1, 1, 5, 18, 0, 0, 0, 9, 0, 0, 0, 12, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 3]);
    let block = |left, right| SackBlock { left: SeqNumber(left), right: SeqNumber(right) };
    assert_eq!(options.sack_blocks().collect::<Vec<_>>(), [block(9, 12), block(u32::MAX, 3)]);
}

#[test]
fn fast_open_has_a_kind_and_had_an_experiment() {
    assert_eq!(TcpOptions(&[34, 2, 1, 1]).fast_open_cookie(), Some(&[][..]));
    assert_eq!(TcpOptions(&[34, 6, 1, 2, 3, 4]).fast_open_cookie(), Some(&[1, 2, 3, 4][..]));
    assert_eq!(TcpOptions(&[254, 8, 0xf9, 0x89, 1, 2, 3, 4]).fast_open_cookie(), Some(&[1, 2, 3, 4][..]));
    assert_eq!(TcpOptions(&[254, 4, 0xe2, 0xd4]).fast_open_cookie(), None);
    assert_eq!(TcpOptions(&[30, 4, 0x10, 0x81]).mptcp(), Some(&[0x10, 0x81][..]));
}

#[test]
fn a_list_that_contradicts_itself_ends_there() {
    for list in
        [&[2, 4, 5, 0xb4, 3, 0][..], &[2, 4, 5, 0xb4, 3, 1], &[2, 4, 5, 0xb4, 3, 9], &[2, 4, 5, 0xb4, 3]]
    {
        let options = TcpOptions(list);
        assert_eq!(options.mss(), Some(1460), "{list:?}");
        assert_eq!(options.window_scale(), None, "{list:?}");
        assert!(options.is_malformed(), "{list:?}");
    }
}

#[test]
fn what_follows_the_end_of_the_list_is_padding() {
    let options = TcpOptions(&[3, 3, 7, 0, 2, 4, 5, 0xb4]);
    assert_eq!((options.window_scale(), options.mss()), (Some(7), None));
    assert!(!options.is_malformed());
}

#[test]
fn an_option_of_the_wrong_length_is_not_that_option() {
    assert_eq!(TcpOptions(&[2, 3, 5, 2, 4, 5, 0xb4]).mss(), Some(1460));
    assert_eq!(TcpOptions(&[3, 4, 7, 7]).window_scale(), None);
}

proptest! {
    #[test]
    fn one_look_tells_what_many_tell(place in 0..20usize, octet in prop_oneof![0u8..40, any::<u8>()], len in 0..=20usize) {
        let mut octets = OF_LINUX;
        octets[place] = octet;
        let options = TcpOptions(&octets[..len]);
        let one_by_one = SynOptions {
            mss: options.mss(),
            window_scale: options.window_scale(),
            permits_sack: options.sack_permitted(),
            offers_multipath: options.mptcp().is_some(),
            is_malformed: options.is_malformed(),
        };
        prop_assert_eq!(options.announced(), one_by_one);
    }

    #[test]
    fn options_never_overlap_and_stay_within_the_list(list in prop::collection::vec(any::<u8>(), 0..60)) {
        let octets: usize = TcpOptions(&list).iter().map(|option| option.value.len() + 2).sum();
        prop_assert!(octets <= list.len());
    }
}
