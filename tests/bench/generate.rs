//! Sends the smallest frames out of an interface, at a share of the most that the kernel can.
//!
//! `BPF_PROG_TEST_RUN` with live frames runs a tiny XDP program without pause; one call costs milliseconds, so a
//! rate cannot be made of many small calls. Instead the program itself drops all but a share of its frames, at random:
//! what leaves is spread evenly.

use std::{
    fs, io,
    os::fd::{AsFd as _, FromRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tcpkit_tests::test_run::{Context, LIVE_FRAMES, test_run};

/// Frames that one call makes, dropped ones included: some tenths of a second.
const FRAMES_PER_CALL: u32 = 1 << 21;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq)]
struct Order {
    interface: String,
    /// Of the frames that are made, how many leave: above 0, at most 1.
    share: f64,
    seconds: u64,
    /// A power of two, at most 65,536.
    flows: u32,
}

/// Sends until the time is over; says how long it took.
#[expect(clippy::disallowed_methods, reason = "a rate is frames per second of the real clock")]
pub(crate) fn run(options: &[String]) -> Result<Value> {
    let order = Order::parse(options)?;
    let index = fs::read_to_string(format!("/sys/class/net/{}/ifindex", order.interface))
        .with_context(|| format!("there is no interface {}", order.interface))?;
    let index: i32 = index.trim().parse().context("the interface's index is no number")?;
    let program = load(&program(index, &order)).context("the kernel refuses the generator")?;
    let context = Context {
        repeat: FRAMES_PER_CALL,
        flags: LIVE_FRAMES,
        batch_size: 64,
        xdp: true,
        ..Context::default()
    };
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(order.seconds) {
        test_run(program.as_fd(), &smallest_frame(), context).context("the kernel sends nothing")?;
    }
    Ok(json!({ "seconds": begin.elapsed().as_secs_f64() }))
}

/// A frame of 64 octets on the wire (60 without FCS) that holds a TCP acknowledgement.
pub(crate) fn smallest_frame() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0x26, 0x33, 10, 77, 0, 1, 10, 77, 0, 2]);
    frame.extend([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.resize(60, 0);
    frame
}

impl Order {
    fn parse(options: &[String]) -> Result<Self> {
        let mut order = Self { interface: String::new(), share: 0.0, seconds: 0, flows: 0 };
        for pair in options.chunks(2) {
            let [name, value] = pair else { bail!("{} has no value", pair[0]) };
            let wrong = || format!("{name} {value}: not a number");
            match name.as_str() {
                "--interface" => order.interface.clone_from(value),
                "--share" => order.share = value.parse().with_context(wrong)?,
                "--seconds" => order.seconds = value.parse().with_context(wrong)?,
                "--flows" => order.flows = value.parse().with_context(wrong)?,
                _ => bail!("{name}: no such option"),
            }
        }
        let is_share = order.share > 0.0 && order.share <= 1.0;
        if order.interface.is_empty() || !is_share || order.seconds == 0 {
            bail!("generate wants an interface, a share above 0 and up to 1, and seconds");
        }
        if !order.flows.is_power_of_two() || order.flows > 65_536 {
            bail!("--flows {}: a power of two up to 65536 is wanted", order.flows);
        }
        Ok(order)
    }

    /// The largest random number with which a frame leaves.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share is above 0 and at most 1"
    )]
    fn threshold(&self) -> u32 {
        (self.share * f64::from(u32::MAX)) as u32
    }
}

/// One eBPF instruction (linux/bpf.h: `struct bpf_insn`).
const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> [u8; 8] {
    let [o0, o1] = offset.to_ne_bytes();
    let [i0, i1, i2, i3] = immediate.to_ne_bytes();
    [code, registers, o0, o1, i0, i1, i2, i3]
}

fn program(interface_index: i32, order: &Order) -> Vec<u8> {
    [
        instruction(0xbf, 0x16, 0, 0),                                // r6 = r1
        instruction(0x85, 0, 0, 7),                                   // call bpf_get_prandom_u32
        instruction(0x26, 0x00, 11, order.threshold().cast_signed()), // if w0 > threshold goto +11
        instruction(0x57, 0x00, 0, order.flows.cast_signed() - 1),    // r0 &= flows - 1
        instruction(0x61, 0x62, 0, 0),                                // r2 = data
        instruction(0x61, 0x63, 4, 0),                                // r3 = data_end
        instruction(0xbf, 0x24, 0, 0),                                // r4 = r2
        instruction(0x07, 0x04, 0, 36),                               // r4 += 36
        instruction(0x2d, 0x34, 1, 0),                                // if r4 > r3 goto +1
        instruction(0x6b, 0x02, 34, 0),                               // *(u16 *)(r2 + 34) = r0
        instruction(0xb7, 0x01, 0, interface_index),                  // r1 = interface
        instruction(0xb7, 0x02, 0, 0),                                // r2 = 0
        instruction(0x85, 0, 0, 23),                                  // call bpf_redirect
        instruction(0x95, 0, 0, 0),                                   // exit
        instruction(0xb7, 0x00, 0, 1),                                // r0 = XDP_DROP
        instruction(0x95, 0, 0, 0),                                   // exit
    ]
    .concat()
}

fn load(instructions: &[u8]) -> io::Result<OwnedFd> {
    /// The fields of `union bpf_attr` for `BPF_PROG_LOAD` (linux/bpf.h) that are needed here.
    #[repr(C)]
    struct Attributes {
        kind: u32,
        instruction_count: u32,
        instructions: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
    }
    const BPF_PROG_LOAD: libc::c_int = 5;
    const BPF_PROG_TYPE_XDP: u32 = 6;
    let attributes = Attributes {
        kind: BPF_PROG_TYPE_XDP,
        instruction_count: u32::try_from(instructions.len() / 8).map_err(io::Error::other)?,
        instructions: instructions.as_ptr().addr() as u64,
        license: c"GPL".as_ptr().addr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
    };
    // SAFETY: every pointer among the attributes points to memory that outlives the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attributes, size_of::<Attributes>())
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).map_err(io::Error::other)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_order_is_whole_or_refused() {
        assert!(Order::parse(&words("--interface a --share 0.5 --seconds 1 --flows 64")).is_ok());
        for line in
            ["", "--interface a", "--share 2 --interface a --seconds 1 --flows 64", "--share x", "--share"]
        {
            assert!(Order::parse(&words(line)).is_err(), "{line}");
        }
        assert!(Order::parse(&words("--interface a --share 1 --seconds 1 --flows 63")).is_err());
    }

    #[test]
    fn a_share_is_a_threshold_over_random_numbers() {
        let order = |share| Order { interface: "a".to_owned(), share, seconds: 1, flows: 64 };
        assert_eq!(order(1.0).threshold(), u32::MAX);
        assert_eq!(order(0.25).threshold(), u32::MAX / 4);
    }
}
