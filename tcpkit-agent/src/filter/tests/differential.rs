//! libpcap's verdict is the translation's, executed outside of the kernel and in it.

use super::{
    capture::{Random, Sample, read, varied},
    generator::{Vocabulary, expression},
    kernel,
};
use crate::{
    filter::{
        Program, Translation, Verdict, classic,
        compare::{Emulator, callable},
        translate,
    },
    wire::{FrameDirection, LinkType},
};

/// Expressions that are compared; about as many again are refused by libpcap.
const EXPRESSIONS: usize = 3_000;

/// Every how many of them goes to the kernel too.
const KERNEL_EVERY: usize = 6;

/// Frames for each expression.
const FRAMES: usize = 40;

#[test]
fn the_translation_says_what_libpcap_says() {
    let mut random = Random(0x7c9_0b17);
    let pools = pools(&mut random);
    let words = Vocabulary::new(&pools[0].1);
    let in_kernel = kernel::is_available();
    let (mut proven, mut in_kernel_proven, mut accepted, mut out_of_reach, mut tried) = (0, 0, 0, 0, 0);
    while proven < EXPRESSIONS {
        tried += 1;
        assert!(tried < EXPRESSIONS * 4, "libpcap refuses most of what the generator writes");
        let (link_type, samples) = if random.chance(70) { &pools[0] } else { random.of(&pools) };
        let text = expression(&words, &mut random, 3);
        let Ok(program) = classic::compile(&text, *link_type, classic::SNAPLEN) else { continue };
        let translation = translate(&program).unwrap_or_else(|error| panic!("{text}: {error}"));
        let chosen: Vec<&Sample> = (0..FRAMES).map(|_| random.of(samples)).collect();
        let in_kernel = in_kernel && proven % KERNEL_EVERY == 0;
        let counts = check(&text, &program, &translation, &chosen, in_kernel);
        accepted += counts.0;
        out_of_reach += counts.1;
        proven += 1;
        in_kernel_proven += usize::from(in_kernel);
    }
    eprintln!(
        "{proven} expressions agree with libpcap on {FRAMES} frames each ({accepted} accepted, {out_of_reach} out of \
         reach), {in_kernel_proven} of them also in kernel {}",
        kernel::release()
    );
    assert!(accepted > EXPRESSIONS * 4, "expressions match frames: {accepted}");
    assert!(out_of_reach > 100, "cut frames are out of reach: {out_of_reach}");
}

/// Frames of several link types, Ethernet first.
fn pools(random: &mut Random) -> Vec<(LinkType, Vec<Sample>)> {
    let mut pools: Vec<(LinkType, Vec<Sample>)> = Vec::new();
    for name in [
        "golden__handshake.pcap",
        "zeek__vlan-qinqinq.pcap",
        "zeek__mixed-vlan-mpls.pcap",
        "arkime__v6-http.pcap",
        "arkime__pppoe.pcap",
        "zeek__geneve-many-options.pcap",
        "zeek__ipv6-http-atomic-frag.pcap",
        "pcapplusplus__sll2.pcap",
        "suricata-verify__bug-6887-defrag-ipv6-tcp__frag-ip-tcp.pcap",
    ] {
        let (link_type, samples) = read(name);
        let samples = varied(&samples, random);
        match pools.iter_mut().find(|(known, _)| *known == link_type) {
            Some((_, pool)) => pool.extend(samples),
            None => pools.push((link_type, samples)),
        }
    }
    let ip =
        |sample: &Sample| Sample { bytes: sample.bytes[14..].to_vec(), frame_len: sample.frame_len - 14 };
    let raw: Vec<Sample> = pools[0].1.iter().filter(|sample| sample.bytes.len() > 34).map(ip).collect();
    pools.push((LinkType::RAW, raw));
    pools
}

/// Compares on each frame, both ways; counts accepted and out-of-reach verdicts.
fn check(
    text: &str,
    program: &Program,
    translation: &Translation,
    samples: &[&Sample],
    in_kernel: bool,
) -> (usize, usize) {
    let code = [callable(&translation.direct), callable(&translation.copy)];
    let emulator = Emulator::new(&code).unwrap_or_else(|error| panic!("{text}: {error}"));
    let loaded = in_kernel.then(|| {
        let direct = kernel::Direct::load(&translation.direct);
        let copy = kernel::Copy::load(&translation.copy);
        (
            direct.unwrap_or_else(|error| panic!("{text}: {error}")),
            copy.unwrap_or_else(|error| panic!("{text}: {error}")),
        )
    });
    let mut loaded = loaded;
    let (mut accepted, mut out_of_reach) = (0, 0);
    for (index, sample) in samples.iter().enumerate() {
        let (bytes, len) = (sample.bytes.as_slice(), sample.frame_len);
        let egress = index % 2 == 1;
        let direction = if egress { FrameDirection::Outbound } else { FrameDirection::Inbound };
        let wanted = program.executable(direction).expect("libpcap accepts its program").accepts(bytes, len);
        let fail = |what: &str, verdict: Verdict| {
            panic!(
                "{text}\n{what} says {verdict:?}, libpcap {wanted}: len {len} egress {egress} {bytes:02x?}"
            )
        };
        let copy = emulator.run_copy(bytes, len, egress).unwrap_or_else(|error| panic!("{text}: {error}"));
        if (copy == Verdict::Accept) != wanted {
            fail("the copy target", copy);
        }
        // Bytes that are all there are never out of reach.
        if copy == Verdict::OutOfReach && bytes.len() as u32 >= len {
            fail("the copy target, with the whole frame,", copy);
        }
        let direct =
            emulator.run_direct(bytes, len, egress).unwrap_or_else(|error| panic!("{text}: {error}"));
        if direct != copy {
            fail("the direct target", direct);
        }
        if direct != Verdict::OutOfReach && translation.reach < len && bytes.len() as u32 >= translation.reach
        {
            let cut = &bytes[..translation.reach as usize];
            let verdict = emulator.run_direct(cut, len, egress).expect("it ran before");
            if verdict != direct {
                fail("what lies within its reach", verdict);
            }
        }
        if let Some((direct_program, copy_program)) = &mut loaded {
            if let Some(verdict) = direct_program.run(bytes, len, egress).filter(|verdict| *verdict != direct)
            {
                fail("the direct target in the kernel", verdict);
            }
            let verdict = copy_program.run(bytes, len, egress);
            if verdict != copy {
                fail("the copy target in the kernel", verdict);
            }
        }
        accepted += usize::from(copy == Verdict::Accept);
        out_of_reach += usize::from(copy == Verdict::OutOfReach);
    }
    (accepted, out_of_reach)
}
