//! Tables of packets that are made up; whole captures are held against tcpprof's own output elsewhere.

use super::*;

struct NoNames;

impl Names for NoNames {
    fn host(&self, _: IpAddr) -> Option<String> {
        None
    }
    fn service(&self, port: u16) -> Option<String> {
        (port == 80).then(|| "http".to_owned())
    }
    fn protocol(&self, number: u8) -> Option<String> {
        (number == 6).then(|| "tcp".to_owned())
    }
}

/// An Ethernet frame with an IPv4 header of so many words, and ports.
fn frame(header_words: u8, source: [u8; 4], destination: [u8; 4], ports: [u16; 2]) -> Vec<u8> {
    let mut frame = vec![0; 100];
    frame[12] = 8;
    let ip = &mut frame[14..];
    ip[0] = 0x40 | header_words;
    ip[9] = 6;
    ip[12..16].copy_from_slice(&source);
    ip[16..20].copy_from_slice(&destination);
    let at = usize::from(header_words) * 4;
    ip[at..at + 2].copy_from_slice(&ports[0].to_be_bytes());
    ip[at + 2..at + 4].copy_from_slice(&ports[1].to_be_bytes());
    frame
}

fn tables(options: ProfOptions, frames: &[Vec<u8>]) -> String {
    let mut prof = Prof::new(ProfOptions { sections: Section::ALL.to_vec(), ..options });
    let mut decoder = Decoder::new(Link::Ethernet, true);
    for frame in frames {
        decoder.take(frame);
        prof.on_packet(&decoder, decoder.size(u32::try_from(frame.len()).unwrap()));
    }
    prof.render(&NoNames)
}

#[test]
fn rows_are_sorted_by_bytes_and_what_is_both_ends_counts_once() {
    let frames = [
        frame(5, [10, 0, 0, 1], [172, 16, 0, 1], [4000, 80]),
        frame(5, [192, 168, 1, 1], [192, 168, 1, 1], [80, 80]),
    ];
    let expected = "Total Statistics:\n\tTotal                    2         200       100.0000 %\n\
        Link Statistics:\n\tEthernet (IP):           2         200       100.0000 %\n\
        IP Statistics:\n\ttcp                      2         200       100.0000 %\n\
        Port Statistics:\n\thttp (80)                2         200       100.0000 %\n\
        \t4000                     1         100       50.0000 %\n\
        Host Statistics:\n\t10.0.0.1                 1         100       50.0000 %\n\
        \t172.16.0.1               1         100       50.0000 %\n\
        \t192.168.1.1              1         100       50.0000 %\n\
        Network Statistics:\n\t10.0.0.0                 1         100       50.0000 %\n\
        \t16.172.0.0               1         100       50.0000 %\n\
        \t1.168.192.0              1         100       50.0000 %\n";
    assert_eq!(tables(ProfOptions::default(), &frames), expected);
}

#[test]
fn strict_is_right_where_tcpprof_is_not() {
    let frames = [frame(6, [172, 16, 0, 1], [192, 168, 1, 1], [4000, 80])];
    let plain = tables(ProfOptions::default(), &frames);
    assert!(!plain.contains("\t4000 "), "{plain}");
    let strict = tables(ProfOptions { strict: true, ..ProfOptions::default() }, &frames);
    for row in ["\t4000 ", "\thttp (80) ", "\t172.16.0.0 ", "\t192.168.1.0 "] {
        assert!(strict.contains(row), "{row}: {strict}");
    }
}

#[test]
fn ipv6_has_rows_when_they_are_asked_for() {
    let mut frame = vec![0; 80];
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    frame[14 + 6] = 6;
    frame[14 + 8] = 0xfd;
    frame[14 + 24] = 0xfe;
    frame[14 + 43] = 80;
    let frames = [frame];
    assert!(!tables(ProfOptions::default(), &frames).contains("fd00::"));
    let both = tables(ProfOptions { ipv6: true, splits: true, ..ProfOptions::default() }, &frames);
    for row in ["\tfd00:: > ", "\tfe00:: < ", "\tfd00::/64 > ", "\thttp (80) < "] {
        assert!(both.contains(row), "{row}: {both}");
    }
}
