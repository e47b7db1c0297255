//! What an expression becomes, for people: the classic program as `tcpdump -d` prints it, and its translation.

use std::fmt::{self, Write as _};

use super::{
    classic::{self, FilterError, Program, SNAPLEN},
    ebpf::{Instruction, JMP, JMP32},
    libpcap,
    translate::{STUB_SLOTS, TranslateError, Translation, translate},
};
use crate::wire::LinkType;

/// A compiled and translated expression; `Display` is the text of `tcpkit filter EXPR`.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The classic program.
    pub program: Program,
    /// Its translation, or why it has none.
    pub translation: Result<Translation, TranslateError>,
}

/// Compiles and translates an expression for frames of one link type.
///
/// # Errors
/// What libpcap does not accept.
pub fn explain(expression: &str, link_type: LinkType) -> Result<Explanation, FilterError> {
    let program = classic::compile(expression, link_type, SNAPLEN)?;
    let translation = translate(&program);
    Ok(Explanation { program, translation })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link_type = libpcap::link_type_name(self.program.link_type);
        writeln!(f, "classic BPF for {link_type}, {} instructions:", self.program.instructions.len())?;
        for (index, instruction) in self.program.instructions.iter().enumerate() {
            writeln!(f, "{}", libpcap::image(instruction, index))?;
        }
        match &self.translation {
            Ok(translation) => write!(f, "\n{}", Translated(translation)),
            Err(error) => writeln!(f, "\nno eBPF: {error}"),
        }
    }
}

struct Translated<'a>(&'a Translation);

impl fmt::Display for Translated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Translation { direct, copy, reach } = self.0;
        writeln!(
            f,
            "eBPF, {} instructions on packet memory ({} on a copy of the frame, room for {STUB_SLOTS} each), {}:",
            direct.len(),
            copy.len(),
            reach_in_words(*reach),
        )?;
        writeln!(
            f,
            "r1 = frame, r2 = its end, r3 = frame_len, r4 = egress, w6 = A, w7 = X; \
             returns 0 reject, 1 accept, 2 out of reach"
        )?;
        f.write_str(&listing(direct))
    }
}

fn reach_in_words(reach: u32) -> String {
    match reach {
        u32::MAX => "reads as far as the frame says".to_owned(),
        0 => "reads no byte of the frame".to_owned(),
        reach => format!("reads the first {reach} bytes at most"),
    }
}

/// One line for each instruction, jumps with the place they lead to.
#[must_use]
pub fn listing(instructions: &[Instruction]) -> String {
    let mut text = String::with_capacity(instructions.len() * 40);
    for (index, instruction) in instructions.iter().enumerate() {
        let line = instruction.to_string();
        let is_jump = matches!(instruction.opcode & super::ebpf::CLASS, JMP | JMP32);
        let line = match line.rsplit_once("goto ") {
            Some((head, _)) if is_jump => {
                let to = index.saturating_add_signed(isize::from(instruction.off)) + 1;
                format!("{head}goto {to}")
            }
            _ => line,
        };
        writeln!(text, "{index:>5}: {line}").expect("writing into a String succeeds");
    }
    text
}
