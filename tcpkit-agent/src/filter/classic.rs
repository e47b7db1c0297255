//! Expression to classic BPF, by libpcap, for one link type.
//!
//! Compiled on a dead handle, so that one expression means the same live and on a file. `inbound` and `outbound`
//! become a load of the kernel's packet type (linux/filter.h, `SKF_AD_PKTTYPE`), which we answer ourselves, where the
//! link header does not hold the direction.

use std::time::{Duration, Instant};

use super::{
    analysis::analyse,
    caret,
    libpcap::{self, ClassicInstruction, Executable},
    operation::{MEMORY_WORDS, decode},
};
use crate::wire::{FrameDirection, LinkType};

/// Snap length that a filter is compiled for unless the caller knows better: what tcpdump uses.
pub const SNAPLEN: u32 = 262_144;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Program {
    /// What frames it reads.
    pub link_type: LinkType,
    /// The classic instructions, in libpcap's order.
    pub instructions: Vec<ClassicInstruction>,
    /// How long libpcap took.
    pub took: Duration,
}

/// Why an expression filters nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// libpcap refused; its own message, and the expression with a caret under the place where that can be found.
    #[error("filter expression: {message}{place}")]
    Refused {
        /// libpcap's message.
        message: String,
        /// Two lines that begin with a line feed, or nothing.
        place: String,
        /// Bytes from the expression's start to the offending token.
        offset: Option<usize>,
    },
    /// libpcap cannot filter this kind of frame, or not by this expression.
    #[error(
        "filter expression: cannot filter frames of link type {link_type} with {expression:?}: {message}"
    )]
    LinkType {
        /// Name of the link type.
        link_type: String,
        /// The expression.
        expression: String,
        /// libpcap's message.
        message: String,
    },
    /// `inbound` or `outbound` was asked of a frame whose direction nobody knows.
    #[error(
        "filter expression: the capture does not say which way its frames went, so inbound and outbound cannot be \
         answered; leave them out"
    )]
    Direction,
    /// A NUL byte.
    #[error("filter expression: byte {0} is NUL; write the expression as text")]
    Nul(usize),
}

impl FilterError {
    /// Whether the expression would be refused for frames of any kind: names and grammar do not depend on that, and a
    /// name that could not be resolved takes as long the next time.
    pub(super) fn is_for_every_link_type(&self) -> bool {
        match self {
            Self::Refused { message, .. } => {
                message.starts_with("unknown ") || message.contains("syntax error")
            }
            Self::Nul(_) => true,
            Self::LinkType { .. } | Self::Direction => false,
        }
    }
}

/// Compiles `expression` for frames of `link_type`, keeping `snaplen` bytes of each.
///
/// Says through `tracing` when it took more than a second.
///
/// # Errors
/// What libpcap does not accept, with its own message and the place.
pub fn compile(expression: &str, link_type: LinkType, snaplen: u32) -> Result<Program, FilterError> {
    let text = c_string(expression)?;
    let start = now();
    let compiled = libpcap::compile(&text, link_type, snaplen, true);
    let took = start.elapsed();
    if took > SLOW {
        tracing::info!(
            seconds = took.as_secs_f64(),
            link_type = link_type.0,
            "libpcap took long to compile the filter expression; a shorter one starts faster"
        );
    }
    match compiled {
        Ok(instructions) => Ok(Program { link_type, instructions, took }),
        Err(message) => Err(caret::refused(expression, link_type, message)),
    }
}

impl Program {
    /// Whether the program asks for the direction in which the frame went.
    #[must_use]
    pub fn asks_direction(&self) -> bool {
        self.instructions.iter().any(|instruction| is_packet_type(instruction.code, instruction.k))
    }

    /// The program for libpcap's interpreter, for frames of one direction: it has no kernel to ask.
    pub(super) fn executable(&self, direction: FrameDirection) -> Option<Executable> {
        let answer = packet_type(direction);
        let resolve = |instruction: &ClassicInstruction| match is_packet_type(instruction.code, instruction.k)
        {
            true => ClassicInstruction { code: LOAD_CONSTANT, jt: 0, jf: 0, k: answer },
            false => *instruction,
        };
        Executable::new(self.zeroes().chain(self.instructions.iter().map(resolve)).collect())
    }

    /// Stores that give memory a value where libpcap's code may read a word that it did not write (`geneve or …`), and
    /// would find there whatever the stack held. In a program with a loop every word is read after it was written.
    fn zeroes(&self) -> impl Iterator<Item = ClassicInstruction> + use<> {
        let unwritten = decode(&self.instructions).map_or(0, |operations| analyse(&operations).unwritten);
        let words = (0..MEMORY_WORDS).filter(move |word| unwritten & (1 << word) != 0);
        words.map(|word| ClassicInstruction { code: STORE, jt: 0, jf: 0, k: word.into() })
    }
}

/// Whether this instruction loads the packet type, at an offset that may have been moved by a tunnel's header.
pub(super) fn is_packet_type(code: u16, k: u32) -> bool {
    matches!(code, LOAD_HALF_ABSOLUTE | LOAD_HALF_INDIRECT) && k == PACKET_TYPE_OFFSET
}

/// The packet type by which `inbound` and `outbound` tell frames apart (linux/if_packet.h).
///
/// libpcap compiles `outbound` to "is 4" and `inbound` to "is not 4".
const fn packet_type(direction: FrameDirection) -> u32 {
    match direction {
        FrameDirection::Outbound => PACKET_OUTGOING,
        FrameDirection::Inbound | FrameDirection::Unknown => 0,
    }
}

pub(super) fn c_string(expression: &str) -> Result<std::ffi::CString, FilterError> {
    libpcap::c_string(expression).ok_or_else(|| FilterError::Nul(expression.find('\0').unwrap_or_default()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "measures the compiler before the capture begins; no capture time is involved"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// linux/if_packet.h
pub(super) const PACKET_OUTGOING: u32 = 4;

/// linux/filter.h: `SKF_AD_OFF + SKF_AD_PKTTYPE`.
const PACKET_TYPE_OFFSET: u32 = 0xffff_f004;
const LOAD_HALF_ABSOLUTE: u16 = 0x28;
const LOAD_HALF_INDIRECT: u16 = 0x48;
const LOAD_CONSTANT: u16 = 0x00;
const STORE: u16 = 0x02;

const SLOW: Duration = Duration::from_secs(1);
