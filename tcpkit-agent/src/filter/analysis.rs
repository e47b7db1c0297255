//! What is known of a classic program before it runs: how far it reads, which loads need no bounds check of their own,
//! which memory words may be read before they are written.
//!
//! Classic programs only jump forward, so one pass in program order sees every predecessor first.

use super::operation::{Alu, Condition, MEMORY_WORDS, Operand, Operation, Register, Returned, Size, Value};

/// Facts about a program.
#[derive(Debug)]
pub(super) struct Analysis {
    /// For each operation: bytes that are known to be held when it begins; `None` when nothing leads to it.
    pub(super) held: Vec<Option<u32>>,
    /// Bytes from the frame's start that the program may read; `u32::MAX` when that is not known.
    pub(super) reach: u32,
    /// For each operation: it loads two or four bytes, and all that becomes of them is one comparison with a constant,
    /// by the next operation.
    pub(super) only_compared: Vec<bool>,
    /// Memory words, as bits, that may be read before they are written.
    pub(super) unwritten: u16,
}

/// Analyses a program from [`decode`](super::operation::decode).
pub(super) fn analyse(operations: &[Operation]) -> Analysis {
    let mut states: Vec<Option<State>> = vec![None; operations.len()];
    if let Some(first) = states.first_mut() {
        *first = Some(State::ENTRY);
    }
    let mut analysis = Analysis {
        held: Vec::with_capacity(operations.len()),
        reach: 0,
        only_compared: only_compared(operations),
        unwritten: 0,
    };
    for (index, operation) in operations.iter().enumerate() {
        analysis.held.push(states[index].map(|state| state.held));
        let Some(mut state) = states[index] else { continue };
        state.apply(operation, &mut analysis);
        for successor in successors(operation, index).into_iter().flatten() {
            if let Some(known) = states.get_mut(successor) {
                *known = Some(known.map_or(state, |other| other.join(&state)));
            }
        }
    }
    analysis
}

/// Loads whose value may stay in network order: the constant of the comparison is turned around instead.
fn only_compared(operations: &[Operation]) -> Vec<bool> {
    let used = uses_of_a(operations);
    let mut jumped_to = vec![false; operations.len()];
    for (index, operation) in operations.iter().enumerate() {
        if let Operation::Jump(_) | Operation::Branch(..) = operation {
            for target in successors(operation, index).into_iter().flatten() {
                jumped_to[target] = true;
            }
        }
    }
    let is_compared = |(index, operation): (usize, &Operation)| {
        let (Operation::LoadAbsolute(size, _) | Operation::LoadIndirect(size, _)) = operation else {
            return false;
        };
        match (size, operations.get(index + 1)) {
            (Size::Half, Some(Operation::Branch(_, Operand::Constant(0x1_0000..), ..))) => false,
            (
                Size::Half | Size::Word,
                Some(Operation::Branch(Condition::Equal, Operand::Constant(_), taken, otherwise)),
            ) => !jumped_to[index + 1] && !used[*taken] && !used[*otherwise],
            _ => false,
        }
    };
    operations.iter().enumerate().map(is_compared).collect()
}

/// For each operation: A's value at its beginning is read by it or later.
fn uses_of_a(operations: &[Operation]) -> Vec<bool> {
    let mut used = vec![false; operations.len()];
    for (index, operation) in operations.iter().enumerate().rev() {
        used[index] = match *operation {
            Operation::Set(Register::A, _)
            | Operation::LoadAbsolute(..)
            | Operation::LoadIndirect(..)
            | Operation::LoadPacketType => false,
            Operation::Set(Register::X, Value::Other)
            | Operation::Store(_, Register::A)
            | Operation::Alu(..)
            | Operation::Negate
            | Operation::Branch(..)
            | Operation::Return(Returned::A) => true,
            Operation::Return(Returned::Constant(_)) => false,
            Operation::Jump(target) => used[target],
            _ => used.get(index + 1).copied().unwrap_or(false),
        };
    }
    used
}

fn successors(operation: &Operation, index: usize) -> [Option<usize>; 2] {
    match *operation {
        Operation::Return(_) => [None, None],
        Operation::Jump(target) => [Some(target), None],
        Operation::Branch(_, _, taken, otherwise) => [Some(taken), Some(otherwise)],
        _ => [Some(index + 1), None],
    }
}

/// The largest values that the registers and words can have, and the bytes known to be held.
#[derive(Clone, Copy, Debug)]
struct State {
    held: u32,
    a: u32,
    x: u32,
    memory: [u32; MEMORY_WORDS as usize],
    written: u16,
}

impl State {
    const ENTRY: Self = Self { held: 0, a: 0, x: 0, memory: [0; MEMORY_WORDS as usize], written: 0 };

    fn join(&self, other: &Self) -> Self {
        let mut memory = self.memory;
        for (word, other) in memory.iter_mut().zip(other.memory) {
            *word = (*word).max(other);
        }
        Self {
            held: self.held.min(other.held),
            a: self.a.max(other.a),
            x: self.x.max(other.x),
            memory,
            written: self.written & other.written,
        }
    }

    fn apply(&mut self, operation: &Operation, analysis: &mut Analysis) {
        match *operation {
            Operation::Set(register, value) => {
                let largest = self.largest(register, value, analysis);
                *self.register(register) = largest;
            }
            Operation::LoadAbsolute(size, k) => {
                self.on_load(0, k, size, analysis);
                self.held = self.held.max(k.saturating_add(size.bytes()));
                self.a = largest_load(size);
            }
            Operation::LoadIndirect(size, k) => {
                self.on_load(self.x, k, size, analysis);
                self.a = largest_load(size);
            }
            Operation::LoadHeaderLength(k) => {
                self.on_load(0, k, Size::Byte, analysis);
                self.held = self.held.max(k.saturating_add(1));
                self.x = 60;
            }
            Operation::LoadPacketType => self.a = u32::from(u16::MAX),
            Operation::Store(word, register) => {
                self.memory[usize::from(word)] = *self.register(register);
                self.written |= 1 << word;
            }
            Operation::Alu(alu, operand) => self.a = self.largest_result(alu, operand),
            Operation::Negate => self.a = u32::MAX,
            Operation::Branch(..) | Operation::Jump(_) | Operation::Return(_) => {}
        }
    }

    fn on_load(&self, base: u32, k: u32, size: Size, analysis: &mut Analysis) {
        let end = base.saturating_add(k).saturating_add(size.bytes());
        analysis.reach = analysis.reach.max(end);
    }

    fn largest(&self, register: Register, value: Value, analysis: &mut Analysis) -> u32 {
        match value {
            Value::Constant(k) => k,
            Value::FrameLen => u32::MAX,
            Value::Memory(word) => {
                analysis.unwritten |= (1 << word) & !self.written;
                self.memory[usize::from(word)]
            }
            Value::Other if register == Register::A => self.x,
            Value::Other => self.a,
        }
    }

    const fn register(&mut self, register: Register) -> &mut u32 {
        match register {
            Register::A => &mut self.a,
            Register::X => &mut self.x,
        }
    }

    /// An upper bound of `A alu operand`; whatever may wrap is unknown.
    fn largest_result(&self, alu: Alu, operand: Operand) -> u32 {
        let (constant, other) = match operand {
            Operand::Constant(k) => (Some(k), k),
            Operand::X => (None, self.x),
        };
        let unknown = u32::MAX;
        match alu {
            Alu::Add => self.a.saturating_add(other),
            Alu::Mul => self.a.saturating_mul(other),
            Alu::And => self.a.min(other),
            Alu::Or | Alu::Xor => (self.a | other)
                .checked_add(1)
                .map_or(unknown, |sum| sum.checked_next_power_of_two().map_or(unknown, |power| power - 1)),
            Alu::Sub => unknown,
            Alu::Div => constant.map_or(self.a, |k| self.a.checked_div(k).unwrap_or(0)),
            Alu::Mod => constant.map_or(self.a, |k| self.a.min(k.saturating_sub(1))),
            Alu::Rsh => constant.map_or(self.a, |k| self.a.checked_shr(k).unwrap_or(0)),
            Alu::Lsh => constant.map_or(unknown, |k| shifted_left(self.a, k)),
        }
    }
}

/// `a << k` where no bit is lost, else unknown.
fn shifted_left(a: u32, k: u32) -> u32 {
    if a.leading_zeros() >= k || k >= 32 { a.checked_shl(k).unwrap_or(0) } else { u32::MAX }
}

const fn largest_load(size: Size) -> u32 {
    match size {
        Size::Byte => 0xff,
        Size::Half => 0xffff,
        Size::Word => u32::MAX,
    }
}
