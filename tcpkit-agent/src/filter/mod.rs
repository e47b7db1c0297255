//! A tcpdump expression, compiled once, meaning the same in the kernel and on a file.
//!
//! The contract:
//! - libpcap decides what an expression means: it compiles to classic BPF on a dead handle ([`classic`]), and its own
//!   interpreter filters files and libpcap captures ([`matcher`]).
//! - For the kernel the classic program becomes eBPF ([`mod@translate`]) and is written into the object before it is
//!   loaded ([`mod@place`]). The translation gives the interpreter's verdict for every frame; where it would have to read
//!   further than the bytes that it was given, it says so instead of guessing.
//! - `inbound` and `outbound` are answered by the hook or by [`Frame::direction`](crate::wire::Frame::direction),
//!   unless the link header itself says (Linux cooked capture).
//! - An expression applies to the outer frame.

mod analysis;
mod caret;
pub mod classic;
pub mod compare;
pub mod ebpf;
pub mod explain;
mod fragments;
mod headers;
mod libpcap;
pub mod matcher;
pub mod operation;
pub mod place;
mod plain;
pub mod translate;

#[cfg(test)]
mod tests;

pub use classic::{FilterError, Program, compile};
pub use compare::Comparison;
pub use ebpf::Instruction;
pub use explain::{Explanation, explain};
pub use libpcap::{
    ClassicInstruction, compile_for_handle, libpcap_version, link_type_by_name, link_type_description,
    link_type_name,
};
pub use matcher::Matcher;
pub use place::{PlaceError, place, place_nothing};
pub use translate::{FILTER_COPY, STUB_SLOTS, TranslateError, Translation, Verdict, translate};
