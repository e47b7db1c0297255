//! One classic BPF instruction, decoded: what it does, with absolute jump targets.
//!
//! A program of [`Operation`]s is sound: every jump lands in it and leads forward, every memory word exists, the last
//! operation does not fall off the end. Decoding is the only way to get one.

use super::{classic::is_packet_type, libpcap::ClassicInstruction};

/// What one instruction does. `A`, `X` and the words of `M[]` are 32 bits; loads are in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A or X becomes this value.
    Set(Register, Value),
    /// A becomes the bytes at a constant offset.
    LoadAbsolute(Size, u32),
    /// A becomes the bytes at offset X + k.
    LoadIndirect(Size, u32),
    /// X becomes 4 * (byte at k & 0xf): an IPv4 header length.
    LoadHeaderLength(u32),
    /// A becomes the kernel's packet type: 4 on the way out, 0 on the way in.
    LoadPacketType,
    /// `M[i]` becomes A or X.
    Store(u8, Register),
    /// A becomes A op operand.
    Alu(Alu, Operand),
    /// A becomes -A.
    Negate,
    /// Goes on at an instruction.
    Jump(usize),
    /// Compares A with the operand and goes on at one of two instructions.
    Branch(Condition, Operand, usize, usize),
    /// Accepts when the value is not 0.
    Return(Returned),
}

/// One of the two registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// The accumulator.
    A,
    /// The index register.
    X,
}

/// What a register is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A constant.
    Constant(u32),
    /// The frame's own length.
    FrameLen,
    /// A word of `M[]`.
    Memory(u8),
    /// The other register.
    Other,
}

/// The second operand of arithmetic and comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A constant.
    Constant(u32),
    /// X.
    X,
}

/// What a return hands back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// A constant.
    Constant(u32),
    /// A.
    A,
}

/// Bytes of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// 1.
    Byte,
    /// 2.
    Half,
    /// 4.
    Word,
}

impl Size {
    /// How many bytes that is.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }
}

/// Arithmetic on 32 bits, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alu {
    /// Sum, wrapping.
    Add,
    /// Difference, wrapping.
    Sub,
    /// Product, wrapping.
    Mul,
    /// Quotient; division by zero rejects the frame.
    Div,
    /// Remainder; division by zero rejects the frame.
    Mod,
    /// And.
    And,
    /// Or.
    Or,
    /// Exclusive or.
    Xor,
    /// Shift left; 32 and more give 0.
    Lsh,
    /// Shift right; 32 and more give 0.
    Rsh,
}

/// Comparison of A with an operand, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A = operand.
    Equal,
    /// A > operand.
    Greater,
    /// A >= operand.
    GreaterEqual,
    /// A & operand is not 0.
    AnySet,
}

/// Why a classic program cannot be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An instruction that libpcap is not known to emit.
    #[error("classic instruction {index} has the unknown code {code:#06x}")]
    UnknownCode {
        /// Where it stands.
        index: usize,
        /// Its code.
        code: u16,
    },
    /// A jump backwards: `protochain`.
    #[error(
        "the filter needs a loop (classic instruction {index} jumps backwards, as protochain does), and the kernel's \
         verifier takes no loop whose end depends on the frame: leave protochain out, or filter by libpcap \
         (--backend pcap, or a file)"
    )]
    BackwardJump {
        /// Where it stands.
        index: usize,
    },
    /// A jump beyond the program, or a program that does not end with a return.
    #[error("classic instruction {index} leads out of the program")]
    OutOfProgram {
        /// Where it stands.
        index: usize,
    },
    /// A memory word that does not exist.
    #[error("classic instruction {index} uses M[{word}], and there are 16 words")]
    MemoryWord {
        /// Where it stands.
        index: usize,
        /// The word.
        word: u32,
    },
}

/// Decodes a whole program.
///
/// # Errors
/// The first instruction that cannot be translated, and why.
pub fn decode(instructions: &[ClassicInstruction]) -> Result<Vec<Operation>, DecodeError> {
    let decoded: Result<Vec<_>, _> = instructions
        .iter()
        .enumerate()
        .map(|(index, instruction)| decode_one(instruction, index, instructions.len()))
        .collect();
    let operations = decoded?;
    match operations.last() {
        Some(Operation::Return(_) | Operation::Jump(_) | Operation::Branch(..)) => Ok(operations),
        _ => Err(DecodeError::OutOfProgram { index: operations.len().saturating_sub(1) }),
    }
}

fn decode_one(instruction: &ClassicInstruction, index: usize, len: usize) -> Result<Operation, DecodeError> {
    let (code, k) = (instruction.code, instruction.k);
    match code & CLASS {
        LD => decode_load(code, k, index),
        LDX => decode_load_x(code, k, index),
        ST => Ok(Operation::Store(word(k, index)?, Register::A)),
        STX => Ok(Operation::Store(word(k, index)?, Register::X)),
        ALU => decode_alu(code, k, index),
        JMP => decode_jump(instruction, index, len),
        RET if code & RETURN_A != 0 => Ok(Operation::Return(Returned::A)),
        RET => Ok(Operation::Return(Returned::Constant(k))),
        _ if code & TXA != 0 => Ok(Operation::Set(Register::A, Value::Other)),
        _ => Ok(Operation::Set(Register::X, Value::Other)),
    }
}

fn decode_load(code: u16, k: u32, index: usize) -> Result<Operation, DecodeError> {
    let size = match code & SIZE {
        WORD => Size::Word,
        HALF => Size::Half,
        BYTE => Size::Byte,
        _ => return Err(DecodeError::UnknownCode { index, code }),
    };
    match code & MODE {
        ABS | IND if is_packet_type(code, k) => Ok(Operation::LoadPacketType),
        ABS => Ok(Operation::LoadAbsolute(size, k)),
        IND => Ok(Operation::LoadIndirect(size, k)),
        mode => Ok(Operation::Set(Register::A, value(mode, code, k, index)?)),
    }
}

fn decode_load_x(code: u16, k: u32, index: usize) -> Result<Operation, DecodeError> {
    match code & MODE {
        MSH if code & SIZE == BYTE => Ok(Operation::LoadHeaderLength(k)),
        mode => Ok(Operation::Set(Register::X, value(mode, code, k, index)?)),
    }
}

fn value(mode: u16, code: u16, k: u32, index: usize) -> Result<Value, DecodeError> {
    match mode {
        IMM => Ok(Value::Constant(k)),
        MEM => Ok(Value::Memory(word(k, index)?)),
        LEN => Ok(Value::FrameLen),
        _ => Err(DecodeError::UnknownCode { index, code }),
    }
}

fn word(k: u32, index: usize) -> Result<u8, DecodeError> {
    match u8::try_from(k) {
        Ok(word) if word < MEMORY_WORDS => Ok(word),
        _ => Err(DecodeError::MemoryWord { index, word: k }),
    }
}

fn decode_alu(code: u16, k: u32, index: usize) -> Result<Operation, DecodeError> {
    let alu = match code & OPERATION {
        0x00 => Alu::Add,
        0x10 => Alu::Sub,
        0x20 => Alu::Mul,
        0x30 => Alu::Div,
        0x40 => Alu::Or,
        0x50 => Alu::And,
        0x60 => Alu::Lsh,
        0x70 => Alu::Rsh,
        0x80 => return Ok(Operation::Negate),
        0x90 => Alu::Mod,
        0xa0 => Alu::Xor,
        _ => return Err(DecodeError::UnknownCode { index, code }),
    };
    Ok(Operation::Alu(alu, operand(code, k)))
}

fn decode_jump(instruction: &ClassicInstruction, index: usize, len: usize) -> Result<Operation, DecodeError> {
    let ClassicInstruction { code, jt, jf, k } = *instruction;
    if code & OPERATION == 0x00 {
        // libpcap writes the distance of a backward `ja` as a negative number.
        if k > i32::MAX.unsigned_abs() {
            return Err(DecodeError::BackwardJump { index });
        }
        return Ok(Operation::Jump(target(index, k, len)?));
    }
    let condition = match code & OPERATION {
        0x10 => Condition::Equal,
        0x20 => Condition::Greater,
        0x30 => Condition::GreaterEqual,
        0x40 => Condition::AnySet,
        _ => return Err(DecodeError::UnknownCode { index, code }),
    };
    let taken = target(index, u32::from(jt), len)?;
    let otherwise = target(index, u32::from(jf), len)?;
    Ok(Operation::Branch(condition, operand(code, k), taken, otherwise))
}

fn target(index: usize, distance: u32, len: usize) -> Result<usize, DecodeError> {
    match index.checked_add(1).and_then(|next| next.checked_add(distance as usize)) {
        Some(target) if target < len => Ok(target),
        _ => Err(DecodeError::OutOfProgram { index }),
    }
}

fn operand(code: u16, k: u32) -> Operand {
    if code & SOURCE_X == 0 { Operand::Constant(k) } else { Operand::X }
}

/// Words of `M[]` (`BPF_MEMWORDS`).
pub const MEMORY_WORDS: u8 = 16;

// pcap/bpf.h
const CLASS: u16 = 0x07;
const LD: u16 = 0x00;
const LDX: u16 = 0x01;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const RET: u16 = 0x06;
const SIZE: u16 = 0x18;
const WORD: u16 = 0x00;
const HALF: u16 = 0x08;
const BYTE: u16 = 0x10;
const MODE: u16 = 0xe0;
const IMM: u16 = 0x00;
const ABS: u16 = 0x20;
const IND: u16 = 0x40;
const MEM: u16 = 0x60;
const LEN: u16 = 0x80;
const MSH: u16 = 0xa0;
const OPERATION: u16 = 0xf0;
const SOURCE_X: u16 = 0x08;
const RETURN_A: u16 = 0x10;
const TXA: u16 = 0x80;
