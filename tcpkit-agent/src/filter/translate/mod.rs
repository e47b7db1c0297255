//! Classic BPF to eBPF, for the two stubs of the object.
//!
//! Both are functions of the form `f(r1, r2, r3 = frame_len, r4 = egress 0/1) -> Verdict`:
//! - direct: `r1` is the packet pointer and `r2` its end (`data`, `data_end`);
//! - copy: `r1` points to a map value of [`FILTER_COPY`] bytes and `r2` is how many of them are the frame's.
//!
//! Classic semantics hold: registers of 32 bits, a load beyond the frame rejects it, so does a division by zero, `len`
//! is the frame's own length. A load beyond the bytes held and within the frame gives [`Verdict::OutOfReach`].
//! The code jumps forward only, has no two-slot instruction, its only `exit` is its last instruction, and verifiers
//! from Linux 5.10 on accept it.

mod emit;

use super::{
    analysis::analyse,
    classic::Program,
    ebpf::Instruction,
    operation::{DecodeError, Operation, decode},
};
use emit::Emitter;

/// Bytes of the map value that the copy target reads.
pub const FILTER_COPY: u32 = 16_384;

/// Instruction slots of each stub in the object.
pub const STUB_SLOTS: usize = 32_000;

/// Slots that stay unused at least: the rest of a stub, which becomes a function of its own, may not be empty.
pub(super) const REST_SLOTS: usize = 2;

/// A classic program as eBPF.
#[derive(Clone, Debug)]
pub struct Translation {
    /// For frames that lie in packet memory.
    pub direct: Vec<Instruction>,
    /// For frames copied into a map value.
    pub copy: Vec<Instruction>,
    /// Bytes from the frame's start that the program may read; `u32::MAX` when that depends on the frame.
    pub reach: u32,
}

/// What a translated filter returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// Not wanted.
    Reject = 0,
    /// Wanted.
    Accept = 1,
    /// The frame is longer than what is held of it, and the filter must read there.
    OutOfReach = 2,
}

/// Why an expression cannot filter in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// An instruction that has no translation.
    #[error("this filter cannot run in the kernel: {0}")]
    Decode(#[from] DecodeError),
    /// More instructions than a stub has slots.
    #[error(
        "this filter is too long for the kernel: {instructions} eBPF instructions, and the object has room for \
         {limit}; shorten it (networks instead of hosts), or filter by libpcap (--backend pcap)"
    )]
    TooLong {
        /// How many it would be.
        instructions: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// Translates a program for both targets.
///
/// # Errors
/// A loop (`protochain`), or more instructions than the stubs hold.
pub fn translate(program: &Program) -> Result<Translation, TranslateError> {
    let operations = decode(&program.instructions)?;
    let analysis = analyse(&operations);
    let direct = emit(&operations, &analysis, Target::Direct)?;
    let copy = emit(&operations, &analysis, Target::Copy)?;
    Ok(Translation { direct, copy, reach: analysis.reach })
}

fn emit(
    operations: &[Operation],
    analysis: &super::analysis::Analysis,
    target: Target,
) -> Result<Vec<Instruction>, TranslateError> {
    let instructions = Emitter::new(operations, analysis, target).run();
    let limit = STUB_SLOTS - REST_SLOTS;
    instructions.map_err(|instructions| TranslateError::TooLong { instructions, limit })
}

/// Where the frame's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// Packet memory.
    Direct,
    /// A map value.
    Copy,
}

impl Target {
    /// Bytes that can be addressed at all: the verifier's bound on packet offsets (`MAX_PACKET_OFF` is 0xffff,
    /// linux/kernel/bpf/verifier.c) less room for a pointer that does not begin at offset 0, or the map value.
    const fn limit(self) -> u32 {
        match self {
            Self::Direct => 0xff00,
            Self::Copy => FILTER_COPY,
        }
    }
}
