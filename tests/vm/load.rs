//! Every program before this kernel's verifier: with no filter, a simple one, and large ones.
#![expect(clippy::disallowed_methods, reason = "how long loading takes is asked")]

use std::time::Instant;

use tcpkit_agent::source::live::{HookChoice, LiveCapture, LiveOptions, XdpKind};
use tcpkit_common::record::Hook;
use tcpkit_tests::netns::Namespace;

use super::tell::{feature, judge, judge_at_length};
use crate::kernel::filter::placed;

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn every_program_loads_with_every_filter() {
    let hosts = |text: fn(u32) -> String, count| (0..count).map(text).collect::<Vec<_>>().join(" or ");
    for (name, expression) in [
        ("no filter", None),
        ("a port", Some("tcp port 443".to_owned())),
        ("200 hosts", Some(hosts(|n| format!("host 10.1.{}.{}", n / 250, n % 250 + 1), 200))),
        ("500 IPv6 hosts", Some(hosts(|n| format!("host fd00::{:x}:{n:x}", n * 7 + 1), 500))),
    ] {
        // The longest one tells more.
        let judge = if name == "200 hosts" { judge_at_length } else { judge };
        judge(&format!("programs load, {name}"), || {
            let seconds = load_seconds(expression.as_deref());
            let text = seconds.map(|seconds| format!("{seconds:.1} s"));
            feature(
                &format!("load time, {name}"),
                &text.join(", "),
                "TC in (with the start of a capture), TC out, XDP; emulated, unoptimized",
            );
            ""
        });
    }
}

/// How long the kernel takes for each program: TC in, TC out, XDP.
fn load_seconds(expression: Option<&str>) -> [f64; 3] {
    let namespace = Namespace::new("load").unwrap();
    let filter = expression.and_then(placed);
    let options = LiveOptions {
        interfaces: vec!["lo".to_owned()],
        hook: HookChoice::Tc,
        filter,
        ..LiveOptions::default()
    };
    let begun = Instant::now();
    let mut capture = namespace.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let opened = begun.elapsed().as_secs_f64();
    let mut load = |hook| {
        let begun = Instant::now();
        let _program = capture.program_fd(hook).unwrap();
        begun.elapsed().as_secs_f64()
    };
    [opened, load(Hook::TcEgress), load(Hook::XdpIngress)]
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn the_programs_of_this_kernel_and_of_older_ones_see_the_same() {
    judge("records, hashes and counters of single frames", || {
        crate::kernel::programs::every_kind_of_frame_is_recorded_in_the_ring_of_its_flow();
        crate::kernel::programs::whole_frames_are_recorded_when_asked_for();
        ""
    });
    judge("traffic by flow and by millisecond, counted in the kernel", || {
        crate::kernel::flows::each_direction_of_a_flow_has_its_own_sums_at_every_hook();
        ""
    });
    judge("a port filter keeps what belongs to the port", || {
        crate::kernel::filter::a_port_filter_keeps_what_belongs_to_the_port();
        ""
    });
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn which_xdp_program_this_kernel_runs() {
    let namespace = Namespace::new("kind").unwrap();
    let options =
        LiveOptions { interfaces: vec!["lo".to_owned()], xdp: XdpKind::Auto, ..LiveOptions::default() };
    let mut capture = namespace.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let _program = capture.program_fd(Hook::XdpIngress).unwrap();
    let info = capture.program_info(Hook::XdpIngress).unwrap();
    let name = info.name_as_str().unwrap().to_owned();
    let (value, remark) = match name.as_str() {
        "xdp_ingress" => ("yes", ""),
        "xdp_linear" => {
            ("no", "XDP takes frames of up to one page (no jumbo frames), by a program of its own")
        }
        other => panic!("{other}"),
    };
    feature("XDP with frames in several pieces (5.18)", value, remark);
}
