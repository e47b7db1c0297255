//! `BPF_PROG_TEST_RUN`: a program over one frame, in the kernel, without traffic.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use crate::bpf;

/// What came of it.
#[derive(Debug)]
pub struct TestRun {
    /// The program's verdict.
    pub verdict: u32,
    /// Mean of one run, in nanoseconds.
    pub duration_ns: u32,
    /// The frame afterwards.
    pub frame: Vec<u8>,
}

/// What a run is given besides the frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// How often; 0 counts as once.
    pub repeat: u32,
    /// `gso_size` of the skb; 0 leaves it alone. Only for classifiers.
    pub gso_size: u32,
    /// `BPF_F_TEST_XDP_LIVE_FRAMES` and the like.
    pub flags: u32,
    /// Frames per batch of live frames.
    pub batch_size: u32,
    /// Interface on which an XDP program sees the frame; 0 leaves it to the kernel.
    pub ingress_ifindex: u32,
    /// The program is XDP.
    pub xdp: bool,
}

/// linux/bpf.h: `BPF_F_TEST_XDP_LIVE_FRAMES`.
pub const LIVE_FRAMES: u32 = 1 << 1;

/// Runs a program over a frame.
///
/// # Errors
/// The kernel's refusal; frames shorter than 14 bytes are refused always.
pub fn test_run(program: BorrowedFd<'_>, frame: &[u8], context: Context) -> io::Result<TestRun> {
    let live = context.flags & LIVE_FRAMES != 0;
    let mut out = vec![0u8; if live { 0 } else { frame.len() + 512 }];
    let skb = skb_context(context.gso_size);
    let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let md = [0, len, 0, context.ingress_ifindex, 0, 0u32];
    let (context_in, context_len) = match (context.xdp, context.gso_size, context.ingress_ifindex) {
        (true, _, 0) | (false, 0, _) => (0, 0),
        (true, ..) => (md.as_ptr().addr() as u64, size_of_val(&md)),
        (false, ..) => (skb.as_ptr().addr() as u64, size_of_val(&skb)),
    };
    let mut attributes = Attributes {
        program: program.as_raw_fd().cast_unsigned(),
        data_size_in: len,
        data_size_out: u32::try_from(out.len()).map_err(io::Error::other)?,
        data_in: frame.as_ptr().addr() as u64,
        data_out: if live { 0 } else { out.as_mut_ptr().addr() as u64 },
        repeat: context.repeat,
        ctx_size_in: u32::try_from(context_len).map_err(io::Error::other)?,
        ctx_in: context_in,
        flags: context.flags,
        batch_size: context.batch_size,
        ..Attributes::default()
    };
    // SAFETY: every pointer among the attributes points to memory that outlives the call.
    unsafe { bpf::call(BPF_PROG_TEST_RUN, &mut attributes) }?;
    out.truncate(attributes.data_size_out as usize);
    Ok(TestRun { verdict: attributes.retval, duration_ns: attributes.duration, frame: out })
}

/// `struct __sk_buff` (linux/bpf.h) with nothing set but `gso_size`.
fn skb_context(gso_size: u32) -> [u32; 48] {
    const GSO_SIZE: usize = 176 / 4;
    let mut context = [0; 48];
    context[GSO_SIZE] = gso_size;
    context
}

const BPF_PROG_TEST_RUN: libc::c_int = 10;

/// The fields of `union bpf_attr` for `BPF_PROG_TEST_RUN` (linux/bpf.h).
#[derive(Default)]
#[repr(C)]
struct Attributes {
    program: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}
