//! One eBPF instruction: its eight bytes, and how a person reads it.
//!
//! Only the forms that the translation uses: 32-bit arithmetic and comparison, 64-bit pointer sums, loads, stores to
//! the own stack, forward jumps, exit. No instruction takes two slots.

use std::fmt;

/// `struct bpf_insn` (linux/bpf.h), little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Class and operation.
    pub opcode: u8,
    /// Destination register.
    pub dst: u8,
    /// Source register.
    pub src: u8,
    /// Distance of a jump, or offset of a memory access.
    pub off: i16,
    /// The constant.
    pub imm: i32,
}

impl Instruction {
    /// As it stands in an ELF section and in the kernel.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        let [off_low, off_high] = self.off.to_le_bytes();
        let [a, b, c, d] = self.imm.to_le_bytes();
        [self.opcode, self.src << 4 | self.dst, off_low, off_high, a, b, c, d]
    }

    pub(super) const fn new(opcode: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        Self { opcode, dst, src, off, imm }
    }

    /// 32-bit `dst = imm`; the upper half becomes 0.
    pub(super) const fn set(dst: u8, imm: u32) -> Self {
        Self::new(ALU | MOV, dst, 0, 0, imm.cast_signed())
    }

    /// 32-bit `dst = src`.
    pub(super) const fn copy(dst: u8, src: u8) -> Self {
        Self::new(ALU | MOV | REGISTER, dst, src, 0, 0)
    }

    /// 64-bit `dst = src`, pointers too.
    pub(super) const fn copy64(dst: u8, src: u8) -> Self {
        Self::new(ALU64 | MOV | REGISTER, dst, src, 0, 0)
    }

    /// 64-bit `dst += imm`.
    pub(super) const fn advance(dst: u8, imm: i32) -> Self {
        Self::new(ALU64, dst, 0, 0, imm)
    }

    /// 64-bit `dst += src`.
    pub(super) const fn add64(dst: u8, src: u8) -> Self {
        Self::new(ALU64 | REGISTER, dst, src, 0, 0)
    }

    /// `dst = exit`.
    pub(super) const fn exit() -> Self {
        Self::new(EXIT, 0, 0, 0, 0)
    }
}

/// Reads like the kernel's own dump (`bpftool prog dump xlated`), jumps as distances.
impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.opcode & CLASS {
            ALU | ALU64 => self.fmt_alu(f),
            JMP | JMP32 => self.fmt_jump(f),
            LDX => write!(f, "r{} = *({} *)(r{} {:+})", self.dst, self.width(), self.src, self.off),
            STX => write!(f, "*({} *)(r{} {:+}) = r{}", self.width(), self.dst, self.off, self.src),
            ST => write!(f, "*({} *)(r{} {:+}) = {}", self.width(), self.dst, self.off, self.imm),
            _ => write!(f, "opcode {:#04x}", self.opcode),
        }
    }
}

impl Instruction {
    fn fmt_alu(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let register = if self.opcode & CLASS == ALU { 'w' } else { 'r' };
        let dst = self.dst;
        let sign = match self.opcode & OPERATION {
            0x00 => "+=",
            0x10 => "-=",
            0x20 => "*=",
            0x30 => "/=",
            0x40 => "|=",
            0x50 => "&=",
            0x60 => "<<=",
            0x70 => ">>=",
            0x80 => return write!(f, "{register}{dst} = -{register}{dst}"),
            0x90 => "%=",
            0xa0 => "^=",
            0xd0 => return write!(f, "r{dst} = be{} r{dst}", self.imm),
            _ => "=",
        };
        if self.opcode & REGISTER == 0 {
            write!(f, "{register}{dst} {sign} {:#x}", self.imm)
        } else {
            write!(f, "{register}{dst} {sign} {register}{}", self.src)
        }
    }

    fn fmt_jump(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.opcode & OPERATION {
            0x00 => return write!(f, "goto {:+}", self.off),
            0x90 => return f.write_str("exit"),
            0x10 => "==",
            0x20 => ">",
            0x30 => ">=",
            0x40 => "&",
            0x50 => "!=",
            0xa0 => "<",
            0xb0 => "<=",
            _ => return write!(f, "opcode {:#04x}", self.opcode),
        };
        let register = if self.opcode & CLASS == JMP32 { 'w' } else { 'r' };
        write!(f, "if {register}{} {sign} ", self.dst)?;
        if self.opcode & REGISTER == 0 {
            write!(f, "{:#x} goto {:+}", self.imm, self.off)
        } else {
            write!(f, "{register}{} goto {:+}", self.src, self.off)
        }
    }

    const fn width(&self) -> &'static str {
        match self.opcode & SIZE {
            WORD => "u32",
            HALF => "u16",
            BYTE => "u8",
            _ => "u64",
        }
    }
}

// linux/bpf_common.h and linux/bpf.h
pub(super) const CLASS: u8 = 0x07;
pub(super) const LDX: u8 = 0x01;
pub(super) const ST: u8 = 0x02;
pub(super) const STX: u8 = 0x03;
pub(super) const ALU: u8 = 0x04;
pub(super) const JMP: u8 = 0x05;
pub(super) const JMP32: u8 = 0x06;
pub(super) const ALU64: u8 = 0x07;
pub(super) const SIZE: u8 = 0x18;
pub(super) const WORD: u8 = 0x00;
pub(super) const HALF: u8 = 0x08;
pub(super) const BYTE: u8 = 0x10;
pub(super) const MEM: u8 = 0x60;
pub(super) const OPERATION: u8 = 0xf0;
pub(super) const REGISTER: u8 = 0x08;
pub(super) const MOV: u8 = 0xb0;
pub(super) const NEG: u8 = 0x80;
pub(super) const TO_BIG_ENDIAN: u8 = 0xd8;
pub(super) const LSH: u8 = 0x60;
pub(super) const AND: u8 = 0x50;
pub(super) const JA: u8 = JMP;
pub(super) const JEQ: u8 = 0x10;
pub(super) const JGT: u8 = 0x20;
pub(super) const JGE: u8 = 0x30;
pub(super) const JSET: u8 = 0x40;
pub(super) const JNE: u8 = 0x50;
pub(super) const JLT: u8 = 0xa0;
pub(super) const JLE: u8 = 0xb0;
pub(super) const EXIT: u8 = JMP | 0x90;
