//! What is left of an expression for the commonest frames says what libpcap says.

use super::{
    capture::{Random, Sample, read},
    generator::{Vocabulary, expression},
};
use crate::{
    filter::{
        Matcher, classic,
        operation::decode,
        plain::{PlainFilter, headers},
    },
    wire::{FrameDirection, LinkType},
};

/// Expressions that are compared, of those that ask no more than is followed.
const EXPRESSIONS: usize = 2_000;
/// Frames for each of them.
const FRAMES: usize = 60;

#[test]
fn what_is_left_of_an_expression_says_what_libpcap_says() {
    let mut random = Random(0x91a_17c0);
    let (link_type, samples) = read("golden__handshake.pcap");
    let words = Vocabulary::new(&samples);
    let samples = changed(&samples, &mut random);
    let (mut followed, mut plain, mut accepted) = (0, 0, 0);
    for tried in 0.. {
        assert!(tried < EXPRESSIONS * 12, "most of what the generator writes is not followed: {followed}");
        if followed >= EXPRESSIONS {
            break;
        }
        let text = expression(&words, &mut random, 3);
        let Ok(program) = classic::compile(&text, link_type, classic::SNAPLEN) else { continue };
        let Ok(operations) = decode(&program.instructions) else { continue };
        let Some(filter) = PlainFilter::of(&operations) else { continue };
        let executable = program.executable(FrameDirection::Unknown).unwrap();
        followed += 1;
        for _ in 0..FRAMES {
            let sample = random.of(&samples);
            let frame = sample.frame(link_type, FrameDirection::Unknown);
            let Some(headers) = headers(&frame) else { continue };
            let wanted = executable.accepts(&sample.bytes, sample.frame_len);
            assert_eq!(filter.accepts(headers), wanted, "{text}\n{:02x?}\n{filter:?}", sample.bytes);
            plain += 1;
            accepted += usize::from(wanted);
        }
    }
    assert!(plain > EXPRESSIONS * FRAMES / 2 && accepted > plain / 20, "{followed} {plain} {accepted}");
}

/// The frames, and many like them with other octets in the headers, or cut.
fn changed(samples: &[Sample], random: &mut Random) -> Vec<Sample> {
    let mut changed: Vec<Sample> = samples.to_vec();
    let long: Vec<&Sample> = samples.iter().filter(|sample| sample.bytes.len() >= 54).collect();
    for _ in 0..2_000 {
        let mut sample = (*random.of(&long)).clone();
        for _ in 0..random.below(4) {
            let other = random.of(&long);
            let at = *random.of(&[0, 6, 12, 14, 15, 16, 18, 20, 22, 23, 26, 30, 34, 36, 38, 42, 46, 47, 48]);
            let len = random.below(4) + 1;
            sample.bytes[at..at + len].copy_from_slice(&other.bytes[at..at + len]);
        }
        if random.chance(30) {
            sample.bytes[random.below(54)] = random.next() as u8;
        }
        if random.chance(10) {
            sample.bytes.truncate(50 + random.below(8));
        }
        changed.push(sample);
    }
    changed
}

/// The same by the door that everybody uses, with the rules for fragments and quotations.
#[test]
fn a_matcher_says_the_same_of_plain_frames_and_of_others() {
    let mut random = Random(77);
    let (link_type, samples) = read("golden__handshake.pcap");
    let samples = changed(&samples, &mut random);
    for text in ["tcp port 7001 or tcp port 7002", "port 7002", "not port 7001", "host 10.99.0.1 or arp"] {
        let program = classic::compile(text, link_type, classic::SNAPLEN).unwrap();
        let executable = program.executable(FrameDirection::Unknown).unwrap();
        let mut matcher = Matcher::new(text, true).unwrap();
        let mut lenient = Matcher::new(text, false).unwrap();
        for sample in &samples {
            let frame = sample.frame(link_type, FrameDirection::Unknown);
            let wanted = executable.accepts(&sample.bytes, sample.frame_len);
            assert_eq!(matcher.matches(&frame), Ok(wanted), "{text} {:02x?}", sample.bytes);
            if headers(&frame).is_some() {
                assert_eq!(lenient.matches(&frame), Ok(wanted), "{text} {:02x?}", sample.bytes);
            }
        }
    }
    assert_eq!(link_type, LinkType::ETHERNET);
}
