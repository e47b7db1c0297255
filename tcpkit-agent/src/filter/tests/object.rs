//! Filters placed into the object that `cargo xtask build` made, and given to the verifier with all that calls them.

use aya::{
    EbpfLoader, include_bytes_aligned,
    programs::{ProgramError, SchedClassifier, Xdp},
};

use super::{kernel, long};
use crate::{
    filter::{classic, place, translate},
    wire::LinkType,
};

static OBJECT: &[u8] = include_bytes_aligned!(env!("TCPKIT_EBPF_OBJECT"));

/// `Settings` as words: ABI, snaplen, shards, filter on, reach, strict, no_decap, log level; the rest is 0.
fn settings(reach: u32, strict: u32) -> Vec<u8> {
    let words = [tcpkit_common::settings::ABI, 256, 1, 1, reach, strict, 0, 0];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize(size_of::<tcpkit_common::settings::Settings>(), 0);
    bytes
}

/// Offers a program to the verifier, again where a signal made that stop (EAGAIN).
fn offer(mut load: impl FnMut() -> Result<(), ProgramError>) -> Result<(), ProgramError> {
    let interrupted = |outcome: &Result<(), ProgramError>| {
        matches!(outcome, Err(ProgramError::LoadError { io_error, .. })
            if io_error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let outcome = std::iter::repeat_with(&mut load).take(20).find(|outcome| !interrupted(outcome));
    outcome.unwrap_or_else(load)
}

fn load(expression: &str, strict: u32) {
    let program = classic::compile(expression, LinkType::ETHERNET, classic::SNAPLEN).unwrap();
    let translation = translate(&program).unwrap();
    let object = place(OBJECT, &translation.direct, &translation.copy).unwrap();
    let settings = settings(translation.reach, strict);
    let start = classic::now();
    let mut ebpf = EbpfLoader::new()
        .override_global(tcpkit_common::settings::SETTINGS_SYMBOL, settings.as_slice(), true)
        .load(&object)
        .unwrap();
    let xdp: &mut Xdp = ebpf.program_mut("xdp_ingress").unwrap().try_into().unwrap();
    offer(|| xdp.load()).unwrap_or_else(|error| panic!("xdp_ingress: {error}"));
    let verified = xdp.info().unwrap().verified_instruction_count();
    for name in ["tc_ingress", "tc_egress"] {
        let classifier: &mut SchedClassifier = ebpf.program_mut(name).unwrap().try_into().unwrap();
        offer(|| classifier.load()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let took = start.elapsed();
    let start: String = expression.chars().take(40).collect();
    eprintln!(
        "{start}: {} instructions, three programs load in {took:?}, the verifier walked \
        {verified:?} in the first",
        translation.direct.len()
    );
    assert!(took.as_secs() < 60, "{took:?}");
}

#[test]
fn every_program_loads_with_a_filter_in_its_place() {
    if !kernel::is_available() {
        return;
    }
    load("tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", 0);
    load("inbound and (vlan or not tcp) and len / ip[8] > 3", 1);
    load(&long::pairs(200), 0);
    load(&long::hosts_6(500), 0);
}
