//! Long programs: their sizes, the limit, and that the kernel takes them quickly.

use std::fmt::Write as _;

use super::{capture::Random, kernel};
use crate::{
    filter::{
        TranslateError, Translation, Verdict, classic,
        compare::{Emulator, callable},
        translate,
    },
    wire::LinkType,
};

fn hosts(count: u32) -> String {
    joined((0..count).map(|index| format!("host 10.{}.{}.7", index / 250, index % 250)))
}

fn pairs(count: u32) -> String {
    joined((0..count).map(|index| format!("(host 10.0.{}.7 and port {})", index % 250, 1_000 + index)))
}

fn hosts_6(count: u32) -> String {
    joined((0..count).map(|index| format!("host 2001:db8:{:x}::{:x}", index * 7 + 1, index + 1)))
}

fn ports(count: u32) -> String {
    joined((0..count).map(|index| format!("port {}", 1 + index * 3)))
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
    let mut report = String::new();
    for (what, expression, most) in [
        ("200 hosts", hosts(200), 1_000),
        ("200 host-port pairs", pairs(200), 10_000),
        ("500 IPv6 hosts", hosts_6(500), 20_000),
        ("800 IPv6 hosts", hosts_6(800), 31_998),
        ("2,000 ports", ports(2_000), 31_000),
    ] {
        let translation = translated(&expression).unwrap_or_else(|error| panic!("{what}: {error}"));
        let (direct, copy) = (translation.direct.len(), translation.copy.len());
        assert!(direct <= most && copy <= most, "{what}: {direct} and {copy} instructions");
        write!(report, "{what}: {direct} instructions (copy {copy}), reach {}", translation.reach).unwrap();
        if in_kernel {
            let start = classic::now();
            kernel::Direct::load(&translation.direct).unwrap_or_else(|error| panic!("{what}: {error}"));
            let direct = start.elapsed();
            kernel::Copy::load(&translation.copy).unwrap_or_else(|error| panic!("{what}: {error}"));
            let both = start.elapsed();
            write!(report, ", loaded in {direct:?} (copy {:?})", both.saturating_sub(direct)).unwrap();
            assert!(both.as_secs() < 20, "{what}: loading took {both:?}");
        }
        report.push('\n');
    }
    eprint!("{report}");
}

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
