//! Does the translation say what libpcap says? Counts both over frames of a file.
//!
//! The translation runs in an interpreter, as the kernel would run it: first on the frame's first [`FILTER_COPY`]
//! bytes by the copy target, and where those do not reach, on all captured bytes by the direct target.

use std::cell::OnceCell;

use rbpf::EbpfVmMbuff;

use super::{
    classic::{self, FilterError, SNAPLEN},
    ebpf::{ALU64, Instruction, LDX, MEM, MOV, REGISTER},
    libpcap::Executable,
    translate::{FILTER_COPY, TranslateError, Verdict, translate},
};
use crate::wire::{Frame, FrameDirection, LinkType};

/// Why a comparison cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompareError {
    /// libpcap does not compile the expression.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The expression has no translation.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// The interpreter stopped: the translation is wrong.
    #[error("the translation cannot be executed: {0}; this is a defect of tcpkit, please report it")]
    Execute(String),
    /// More link types than the comparison has room for.
    #[error("the capture has more than {MOST_LINK_TYPES} link types")]
    LinkTypes,
}

/// Room for the translations, which outlive the interpreters that run them.
#[derive(Debug)]
pub struct Programs(Vec<OnceCell<[Vec<u8>; 2]>>);

impl Default for Programs {
    fn default() -> Self {
        Self((0..MOST_LINK_TYPES).map(|_| OnceCell::new()).collect())
    }
}

/// Counts over all frames so far.
///
/// Both by the letter of the expression: no rule about fragments or ICMP errors.
pub struct Comparison<'a> {
    /// Frames that libpcap's interpreter accepted.
    pub libpcap_matched: u64,
    /// Frames that the translation accepted.
    pub translated_matched: u64,
    /// Frames asked about.
    pub frames: u64,
    /// Frames on which the two do not agree.
    pub disagreements: u64,
    expression: String,
    programs: &'a Programs,
    pairs: Vec<Pair<'a>>,
}

struct Pair<'a> {
    link_type: LinkType,
    asks_direction: bool,
    inbound: Executable,
    outbound: Executable,
    translated: Emulator<'a>,
}

impl<'a> Comparison<'a> {
    /// A comparison that has seen nothing yet.
    #[must_use]
    pub fn new(expression: &str, programs: &'a Programs) -> Self {
        Self {
            libpcap_matched: 0,
            translated_matched: 0,
            frames: 0,
            disagreements: 0,
            expression: expression.to_owned(),
            programs,
            pairs: Vec::new(),
        }
    }

    /// Asks both about a frame.
    ///
    /// # Errors
    /// The expression does not compile for the frame's link type or has no translation.
    pub fn on_frame(&mut self, frame: &Frame<'_>) -> Result<(), CompareError> {
        let pair = match self.pairs.iter().position(|pair| pair.link_type == frame.link_type) {
            Some(index) => &self.pairs[index],
            None => self.add(frame.link_type)?,
        };
        let is_outbound = frame.direction == FrameDirection::Outbound;
        if pair.asks_direction && frame.direction == FrameDirection::Unknown {
            return Err(FilterError::Direction.into());
        }
        let filter = if is_outbound { &pair.outbound } else { &pair.inbound };
        let libpcap = filter.accepts(frame.bytes, frame.frame_len);
        let verdict = pair.translated.run(frame.bytes, frame.frame_len, is_outbound)?;
        let translated = verdict == Verdict::Accept;
        self.frames += 1;
        self.libpcap_matched += u64::from(libpcap);
        self.translated_matched += u64::from(translated);
        self.disagreements += u64::from(libpcap != translated);
        Ok(())
    }

    fn add(&mut self, link_type: LinkType) -> Result<&Pair<'a>, CompareError> {
        let program = classic::compile(&self.expression, link_type, SNAPLEN)?;
        let translation = translate(&program)?;
        let room = self.programs.0.get(self.pairs.len()).ok_or(CompareError::LinkTypes)?;
        let code = room.get_or_init(|| [callable(&translation.direct), callable(&translation.copy)]);
        let unsound = || CompareError::Execute("libpcap's own check refuses its program".to_owned());
        self.pairs.push(Pair {
            link_type,
            asks_direction: program.asks_direction(),
            inbound: program.executable(FrameDirection::Inbound).ok_or_else(unsound)?,
            outbound: program.executable(FrameDirection::Outbound).ok_or_else(unsound)?,
            translated: Emulator::new(code)?,
        });
        Ok(&self.pairs[self.pairs.len() - 1])
    }
}

/// Runs both targets of a translation outside of the kernel.
pub(super) struct Emulator<'a> {
    direct: EbpfVmMbuff<'a>,
    copy: EbpfVmMbuff<'a>,
}

impl<'a> Emulator<'a> {
    /// Takes the direct and the copy target, each made [`callable`].
    pub(super) fn new(code: &'a [Vec<u8>; 2]) -> Result<Self, CompareError> {
        let machine = |code: &'a Vec<u8>| {
            EbpfVmMbuff::new(Some(code.as_slice())).map_err(|error| CompareError::Execute(error.to_string()))
        };
        Ok(Self { direct: machine(&code[0])?, copy: machine(&code[1])? })
    }

    fn run(&self, bytes: &[u8], frame_len: u32, egress: bool) -> Result<Verdict, CompareError> {
        match self.run_copy(bytes, frame_len, egress)? {
            Verdict::OutOfReach if bytes.len() > FILTER_COPY as usize => {
                self.run_direct(bytes, frame_len, egress)
            }
            verdict => Ok(verdict),
        }
    }

    pub(super) fn run_copy(
        &self,
        bytes: &[u8],
        frame_len: u32,
        egress: bool,
    ) -> Result<Verdict, CompareError> {
        let held = &bytes[..bytes.len().min(FILTER_COPY as usize)];
        execute(&self.copy, held, held.len() as u64, frame_len, egress)
    }

    pub(super) fn run_direct(
        &self,
        bytes: &[u8],
        frame_len: u32,
        egress: bool,
    ) -> Result<Verdict, CompareError> {
        execute(&self.direct, bytes, bytes.as_ptr_range().end as u64, frame_len, egress)
    }
}

fn execute(
    machine: &EbpfVmMbuff<'_>,
    bytes: &[u8],
    held: u64,
    frame_len: u32,
    egress: bool,
) -> Result<Verdict, CompareError> {
    let mut arguments = [0; ARGUMENTS * 8];
    let values = [bytes.as_ptr() as u64, held, frame_len.into(), egress.into()];
    for (slot, value) in arguments.chunks_exact_mut(8).zip(values) {
        slot.copy_from_slice(&value.to_ne_bytes());
    }
    match machine.execute_program(bytes, &arguments) {
        Ok(0) => Ok(Verdict::Reject),
        Ok(1) => Ok(Verdict::Accept),
        Ok(2) => Ok(Verdict::OutOfReach),
        Ok(other) => Err(CompareError::Execute(format!("it returned {other}"))),
        Err(error) => Err(CompareError::Execute(error.to_string())),
    }
}

/// A translation behind instructions that fetch its arguments from memory, since the interpreter passes but one.
pub(super) fn callable(translation: &[Instruction]) -> Vec<u8> {
    let keep = Instruction::new(ALU64 | MOV | REGISTER, 9, 1, 0, 0);
    let fetch = (1..=4).map(|register| {
        let off = i16::from(register - 1) * 8;
        Instruction::new(LDX | MEM | DOUBLE_WORD, register, 9, off, 0)
    });
    let whole = std::iter::once(keep).chain(fetch).chain(translation.iter().copied());
    whole.flat_map(Instruction::to_bytes).collect()
}

const ARGUMENTS: usize = 4;
const DOUBLE_WORD: u8 = 0x18;
const MOST_LINK_TYPES: usize = 64;
