//! What the programs say of themselves when asked, and that silence is free.

use std::{net::UdpSocket, time::Duration};

use aya::programs::TcAttachType;
use tcpkit_agent::source::live::{HookChoice, LiveCapture, LiveOptions};
use tcpkit_common::record::Hook;
use tcpkit_tests::{
    netns::{Namespace, has_root},
    run::{Outcome, tcpkit},
};

use super::{classifiers, wait_until};

/// A run on loopback with these options, while datagrams to port 9 and to port 10 pass.
fn run(options: &[&str]) -> Outcome {
    let namespace = Namespace::new("log").unwrap();
    let words = ["-i", "lo", "--backend", "ebpf", "--quiet", "--stats-listen", "off"];
    let expression = ["udp", "port", "9"];
    let inside = ["ip", "netns", "exec", namespace.name()];
    let mut running = tcpkit([&words[..], options, &expression].concat()).inside(inside).start();
    wait_until(|| namespace.enter(|| classifiers("lo", TcAttachType::Ingress)).unwrap() == 1);
    // The rest of the agent starts after it has attached.
    std::thread::sleep(Duration::from_millis(500));
    let socket = namespace.enter(|| UdpSocket::bind("127.0.0.1:5000")).unwrap().unwrap();
    for port in [9, 10, 9, 10] {
        // Nobody listens, which the kernel tells us of.
        let _refused = socket.send_to(b"x", ("127.0.0.1", port));
    }
    std::thread::sleep(Duration::from_secs(1));
    running.signal(libc::SIGINT);
    running.wait().success()
}

#[test]
fn the_programs_say_what_they_are_asked_for_whatever_the_agent_says() {
    if !has_root("the_programs_say_what_they_are_asked_for_whatever_the_agent_says") {
        return;
    }
    let silent = run(&[]);
    assert!(!silent.stderr.contains("kernel:"), "{silent:?}");
    let info = run(&["--kernel-log", "info", "--log", "off"]);
    assert!(info.stderr.contains("INFO kernel: hook 1 of interface 1 works"), "{info:?}");
    assert!(!info.stderr.contains("DEBUG"), "{info:?}");
    let debug = run(&["--kernel-log", "debug"]);
    let why = "kernel: no record of a frame on interface 1: the filter does not want it";
    assert!(debug.stderr.contains(why), "{debug:?}");
    assert!(debug.stderr.contains("works"), "{debug:?}");
}

/// Numbers of the maps to which the loaded program still refers: a branch that the verifier found dead is cut out.
fn maps_used(capture: &LiveCapture, hook: Hook) -> Vec<u32> {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    let info = capture.program_info(hook).unwrap();
    let fd = info.fd().unwrap();
    let mut code = vec![0u64; 1 << 17];
    // SAFETY: integers, for which zeros are valid.
    let mut raw: aya_obj::generated::bpf_prog_info = unsafe { std::mem::zeroed() };
    raw.xlated_prog_len = size_of_val(&code[..]) as u32;
    raw.xlated_prog_insns = code.as_mut_ptr().addr() as u64;
    #[repr(C)]
    struct Attributes {
        fd: u32,
        len: u32,
        info: u64,
    }
    let attributes = Attributes {
        fd: fd.as_fd().as_raw_fd().cast_unsigned(),
        len: size_of_val(&raw) as u32,
        info: (&raw mut raw).addr() as u64,
    };
    // SAFETY: attributes, structure and code outlive the call and are as long as said.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            aya_obj::generated::bpf_cmd::BPF_OBJ_GET_INFO_BY_FD as u32,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    code.truncate(raw.xlated_prog_len as usize / size_of::<u64>());
    // `ld_imm64` whose source register says that the immediate is a map's number (linux/bpf.h).
    let is_map = |instruction: &u64| instruction & 0xff == 0x18 && matches!(instruction >> 12 & 0xf, 1 | 2);
    let mut maps: Vec<u32> =
        code.iter().filter(|code| is_map(code)).map(|instruction| (instruction >> 32) as u32).collect();
    maps.sort_unstable();
    maps.dedup();
    maps
}

#[test]
fn silence_costs_nothing() {
    if !has_root("silence_costs_nothing") {
        return;
    }
    let namespace = Namespace::new("silent").unwrap();
    let open = |log_level| {
        let options = LiveOptions {
            interfaces: vec!["lo".to_owned()],
            hook: HookChoice::Tc,
            ring_bytes: 1 << 16,
            log_level,
            ..LiveOptions::default()
        };
        namespace.enter(|| LiveCapture::open(options)).unwrap().unwrap()
    };
    let (silent, warn, debug) = (open(0), open(2), open(4));
    let numbers = |capture: &LiveCapture| {
        let info = capture.program_info(Hook::TcIngress).unwrap();
        (info.size_translated().unwrap(), info.verified_instruction_count().unwrap())
    };
    println!(
        "bytes and verified instructions: off {:?}, warn {:?}, debug {:?}",
        numbers(&silent),
        numbers(&warn),
        numbers(&debug)
    );
    let log_map = |capture: &LiveCapture| {
        let names = aya::maps::loaded_maps().filter_map(Result::ok);
        let logs: Vec<u32> =
            names.filter(|map| map.name_as_str() == Some("AYA_LOGS")).map(|map| map.id()).collect();
        maps_used(capture, Hook::TcIngress).iter().any(|id| logs.contains(id))
    };
    assert!(log_map(&debug) && log_map(&warn), "the test would see it");
    assert!(!log_map(&silent), "nothing of the log is left in a silent program");
    assert!(numbers(&silent).0 < numbers(&warn).0);
    assert!(numbers(&silent).1 < numbers(&warn).1);
}
