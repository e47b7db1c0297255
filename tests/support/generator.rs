//! Frames by the million, made inside the kernel.
//!
//! `BPF_PROG_TEST_RUN` with live frames runs a tiny XDP program, which gives each frame another source port and
//! redirects it to an interface. On a veth the frame comes in at the other end, where native XDP or, with GRO
//! switched on there, the stack takes it.
//!
//! One call costs milliseconds, so a rate cannot be made of many small calls. Instead the program itself drops all but
//! a share of its frames, at random: what leaves is spread evenly.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use crate::{
    bpf::{ProgramKind, load},
    test_run::{Context, LIVE_FRAMES, test_run},
};

/// A loaded generator.
#[derive(Debug)]
pub struct Generator {
    program: OwnedFd,
    frame: Vec<u8>,
}

impl Generator {
    /// Sends to the interface with this index, in the network namespace of the calling thread, from so many source
    /// ports (a power of two, at most 65,536): as many flows.
    ///
    /// # Errors
    /// When the kernel refuses the program, as it does without root.
    pub fn new(interface_index: u32, flows: u32, frame: Vec<u8>) -> io::Result<Self> {
        Self::thinned(interface_index, flows, frame, 1.0)
    }

    /// The same, of whose frames only this share leaves: above 0, at most 1.
    ///
    /// # Errors
    /// As above.
    pub fn thinned(interface_index: u32, flows: u32, frame: Vec<u8>, share: f64) -> io::Result<Self> {
        let program = load(ProgramKind::Xdp, &program(interface_index, flows, threshold(share)))?;
        Ok(Self { program, frame })
    }

    /// Makes so many frames and gives how long that took, in nanoseconds per frame.
    ///
    /// The kernel stops half-way when a signal waits for the thread, and does not say how far it came: then it begins
    /// anew, so there may be more frames. Who wants their number asks the interface.
    ///
    /// The frames that are on their way when this returns arrive within the next milliseconds.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn send(&self, frames: u32) -> io::Result<u32> {
        let context =
            Context { repeat: frames, flags: LIVE_FRAMES, batch_size: 64, xdp: true, ..Context::default() };
        loop {
            match test_run(self.program.as_fd(), &self.frame, context) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome.map(|run| run.duration_ns),
            }
        }
    }
}

/// A frame of 64 octets on the wire (60 without FCS) that holds a TCP acknowledgement.
#[must_use]
pub fn smallest_frame() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0x26, 0x33, 10, 77, 0, 1, 10, 77, 0, 2]);
    frame.extend([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.resize(60, 0);
    frame
}

/// One eBPF instruction (linux/bpf.h: `struct bpf_insn`).
const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> [u8; 8] {
    let [o0, o1] = offset.to_ne_bytes();
    let [i0, i1, i2, i3] = immediate.to_ne_bytes();
    [code, registers, o0, o1, i0, i1, i2, i3]
}

/// The largest random number with which a frame leaves.
#[expect(clippy::cast_sign_loss, reason = "a share is no less than 0, and what is more than 1 saturates")]
fn threshold(share: f64) -> u32 {
    (share * f64::from(u32::MAX)) as u32
}

fn program(interface_index: u32, flows: u32, threshold: u32) -> Vec<u8> {
    [
        instruction(0xbf, 0x16, 0, 0),                             // r6 = r1
        instruction(0x85, 0, 0, 7),                                // call bpf_get_prandom_u32
        instruction(0x26, 0x00, 11, threshold.cast_signed()),      // if w0 > threshold goto +11
        instruction(0x57, 0x00, 0, flows.cast_signed() - 1),       // r0 &= flows - 1
        instruction(0x61, 0x62, 0, 0),                             // r2 = data
        instruction(0x61, 0x63, 4, 0),                             // r3 = data_end
        instruction(0xbf, 0x24, 0, 0),                             // r4 = r2
        instruction(0x07, 0x04, 0, 36),                            // r4 += 36
        instruction(0x2d, 0x34, 1, 0),                             // if r4 > r3 goto +1
        instruction(0x6b, 0x02, 34, 0),                            // *(u16 *)(r2 + 34) = r0
        instruction(0xb7, 0x01, 0, interface_index.cast_signed()), // r1 = interface
        instruction(0xb7, 0x02, 0, 0),                             // r2 = 0
        instruction(0x85, 0, 0, 23),                               // call bpf_redirect
        instruction(0x95, 0, 0, 0),                                // exit
        instruction(0xb7, 0x00, 0, 1),                             // r0 = XDP_DROP
        instruction(0x95, 0, 0, 0),                                // exit
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_threshold_over_random_numbers() {
        assert_eq!([threshold(1.0), threshold(0.25), threshold(0.0)], [u32::MAX, u32::MAX / 4, 0]);
    }
}
