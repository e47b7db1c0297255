//! Checksums: looked at only when asked, and only where every octet was captured.

use super::*;
use crate::wire::Verify;

/// Each with right checksums, made by another implementation; the layer of its transport header, and where that begins.
const FRAMES: [(&str, Layer, usize); 4] = [
    (
        "02000000000a02000000000b08004500002b00010000400666ca0a0000010a0000029c400050000003e8000007d0\
         501802001e1a00006f6464",
        Layer::Tcp,
        34,
    ),
    (
        "02000000000a02000000000b86dd6000000000170640fd770000000000000000000000000001fd77000000000000\
         00000000000000029c400050000003e8000007d050180200372a00006f6464",
        Layer::Tcp,
        54,
    ),
    (
        "02000000000a02000000000b08004500003800010000400166c20a0000010a00000203035c840000000045000 02b\
         00010000400666ca0a0000010a0000029c400050000003e8",
        Layer::Icmp,
        34,
    ),
    (
        "02000000000a02000000000b86dd6000000000443a40fd770000000000000000000000000001fd77000000000000\
         0000000000000002010470b8000000006000000000140640fd770000000000000000000000000002fd7700000000\
         000000000000000000019c400050000003e8000007d050180200372a0000",
        Layer::Icmp,
        54,
    ),
];

const BOTH: Verify = Verify { ip: true, transport: true };

fn verified(bytes: &[u8], frame_len: usize, verify: Verify) -> Option<(Layer, Cause)> {
    let options = ParseOptions { verify, ..ParseOptions::default() };
    let parsed = parse(&frame(1, u32::try_from(frame_len).unwrap(), bytes), options);
    parsed.packet.err().map(|error| (error.layer, error.cause))
}

#[test]
fn a_right_checksum_passes_and_any_wrong_bit_is_malformed() {
    for (hex, layer, transport) in FRAMES {
        let bytes = unhex(hex);
        assert_eq!(verified(&bytes, bytes.len(), BOTH), None, "{hex}");
        for place in [transport, transport + 1, bytes.len() - 1] {
            let mut wrong = bytes.clone();
            wrong[place] ^= 0x04;
            // What type of ICMP message it is, its first octet says.
            let expected = (layer, Cause::Checksum);
            assert_eq!(verified(&wrong, wrong.len(), BOTH), Some(expected), "{hex} {place}");
            let only_ip = Verify { transport: false, ..BOTH };
            assert_ne!(verified(&wrong, wrong.len(), only_ip), Some(expected), "{hex} {place}");
        }
        // The whole was not captured, so nobody can tell.
        assert_eq!(
            verified(&bytes, bytes.len(), BOTH),
            verified(&bytes[..bytes.len() - 1], bytes.len(), BOTH)
        );
    }
}

#[test]
fn an_ipv4_header_is_looked_at_by_itself() {
    let mut bytes = unhex(FRAMES[0].0);
    bytes[14 + 8] ^= 1;
    let only = |ip, transport| verified(&bytes, bytes.len(), Verify { ip, transport });
    assert_eq!(only(true, false), Some((Layer::Ipv4, Cause::Checksum)));
    assert_eq!(only(false, true), None, "the time to live is not in TCP's checksum");
    assert_eq!(only(false, false), None);
}

#[test]
fn a_checksum_that_the_network_card_is_to_finish_says_nothing() {
    let mut bytes = unhex(FRAMES[0].0);
    // The pseudo-header's sum: 0a00 + 0001 + 0a00 + 0002 + 6 + 23.
    bytes[34 + 16..34 + 18].copy_from_slice(&[0x14, 0x20]);
    assert_eq!(verified(&bytes, bytes.len(), BOTH), None);
    bytes[34 + 17] ^= 1;
    assert_eq!(verified(&bytes, bytes.len(), BOTH), Some((Layer::Tcp, Cause::Checksum)));
}
