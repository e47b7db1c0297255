//! Long programs: their sizes, the limit, and that the kernel takes them quickly.

use std::time::Duration;

use super::{capture::Random, kernel};
use crate::{
    filter::{
        Program, TranslateError, Translation, Verdict, classic,
        compare::{Emulator, callable},
        libpcap::ClassicInstruction,
        translate,
    },
    wire::LinkType,
};

pub(super) fn hosts(count: u32) -> String {
    joined((0..count).map(|index| format!("host 10.{}.{}.7", index / 250, index % 250)))
}

pub(super) fn pairs(count: u32) -> String {
    joined((0..count).map(|index| format!("(host 10.0.{}.7 and port {})", index % 250, 1_000 + index)))
}

pub(super) fn hosts_6(count: u32) -> String {
    joined((0..count).map(|index| format!("host 2001:db8:{:x}::{:x}", index * 7 + 1, index + 1)))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" or ")
}

fn translated(expression: &str) -> Result<Translation, TranslateError> {
    let program =
        classic::compile(expression, LinkType::ETHERNET, classic::SNAPLEN).expect("it is an expression");
    translate(&program)
}

#[test]
fn long_expressions_fit_and_load_quickly() {
    let in_kernel = kernel::is_available();
    for (what, expression, most) in [
        ("200 hosts", hosts(200), 1_000),
        ("200 host-port pairs", pairs(200), 10_000),
        ("500 IPv6 hosts", hosts_6(500), 20_000),
        ("800 IPv6 hosts", hosts_6(800), 31_998),
    ] {
        let translation = translated(&expression).unwrap_or_else(|error| panic!("{what}: {error}"));
        let (direct, copy) = (translation.direct.len(), translation.copy.len());
        assert!(direct <= most && copy <= most, "{what}: {direct} and {copy} instructions");
        let loading = if in_kernel { load(what, &translation) } else { String::new() };
        eprintln!("{what}: {direct} instructions (copy {copy}), reach {}{loading}", translation.reach);
    }
}

/// Loads both targets and says how long that took.
fn load(what: &str, translation: &Translation) -> String {
    let start = classic::now();
    kernel::Direct::load(&translation.direct).unwrap_or_else(|error| panic!("{what}: {error}"));
    let direct = start.elapsed();
    kernel::Copy::load(&translation.copy).unwrap_or_else(|error| panic!("{what}: {error}"));
    let both = start.elapsed();
    assert!(both.as_secs() < 20, "{what}: loading took {both:?}");
    format!(", loaded in {direct:?} (copy {:?})", both.saturating_sub(direct))
}

/// The verifier keeps 8,192 branches for later at most; libpcap needs minutes to compile so many ports, so the program
/// is written here.
#[test]
fn ten_thousand_comparisons_in_a_row_load() {
    let instruction = |code, jt, jf, k| ClassicInstruction { code, jt, jf, k };
    let mut instructions = vec![instruction(LOAD_HALF, 0, 0, 36)];
    for port in 0..10_000_u32 {
        instructions.push(instruction(JUMP_EQUAL, 0, 1, port * 3));
        instructions.push(instruction(JUMP, 0, 0, (9_999 - port) * 2 + 1));
    }
    instructions.push(instruction(RETURN, 0, 0, 0));
    instructions.push(instruction(RETURN, 0, 0, 1));
    let program = Program { link_type: LinkType::ETHERNET, instructions, took: Duration::ZERO };
    let translation = translate(&program).unwrap();
    let code = [callable(&translation.direct), callable(&translation.copy)];
    let emulator = Emulator::new(&code).unwrap();
    let mut frame = [0; 60];
    for port in [0_u16, 1, 3, 29_997, 30_000, 15_000] {
        frame[36..38].copy_from_slice(&port.to_be_bytes());
        let wanted = port % 3 == 0 && port < 30_000;
        assert_eq!(emulator.run_direct(&frame, 60, false).unwrap() == Verdict::Accept, wanted, "{port}");
    }
    if kernel::is_available() {
        eprintln!(
            "10,000 comparisons: {} instructions{}",
            translation.direct.len(),
            load("comparisons", &translation)
        );
    }
}

const LOAD_HALF: u16 = 0x28;
const JUMP_EQUAL: u16 = 0x15;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;

#[test]
fn a_long_expression_still_says_what_libpcap_says() {
    let program = classic::compile(&hosts_6(500), LinkType::ETHERNET, classic::SNAPLEN).unwrap();
    let translation = translate(&program).unwrap();
    let code = [callable(&translation.direct), callable(&translation.copy)];
    let emulator = Emulator::new(&code).unwrap();
    let executable = program.executable(crate::wire::FrameDirection::Inbound).unwrap();
    let mut random = Random(3);
    let mut accepted = 0;
    for _ in 0..200 {
        let mut frame = vec![0; 74];
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        let index = random.below(520) as u16;
        let at = *random.of(&[22, 38]);
        frame[at..at + 4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        frame[at + 4..at + 6].copy_from_slice(&(index * 7 + 1).to_be_bytes());
        frame[at + 14..at + 16].copy_from_slice(&(index + 1).to_be_bytes());
        let wanted = executable.accepts(&frame, 74);
        assert_eq!(wanted, index < 500);
        assert_eq!(emulator.run_copy(&frame, 74, false).unwrap() == Verdict::Accept, wanted);
        assert_eq!(emulator.run_direct(&frame, 74, false).unwrap() == Verdict::Accept, wanted);
        accepted += u32::from(wanted);
    }
    assert!(accepted > 100);
}

#[test]
fn an_expression_beyond_the_stub_names_the_limit() {
    let error = translated(&hosts_6(1_200)).unwrap_err();
    assert!(matches!(error, TranslateError::TooLong { limit: 31_998, .. }), "{error:?}");
    assert!(error.to_string().contains("room for 31998"), "{error}");
}

#[test]
fn reach_follows_computed_offsets() {
    let reach = |expression: &str| translated(expression).unwrap().reach;
    assert_eq!(reach("ip"), 14);
    assert_eq!(reach("tcp port 80"), 14 + 60 + 4, "a port lies behind at most 60 bytes of IPv4 header");
    assert_eq!(reach("tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420"), 14 + 60 + 60 + 4);
    assert_eq!(reach("tcp[tcp[4:4]] = 1"), u32::MAX);
    assert_eq!(reach("len > 100"), 0);
}

#[test]
fn protochain_is_refused_with_the_reason() {
    let error = translated("ip6 protochain 6").unwrap_err();
    assert!(error.to_string().contains("jumps backwards"), "{error}");
}
