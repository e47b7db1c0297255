//! One pass over the operations that writes eBPF, and a second one that fills in the jumps.

use std::collections::BTreeSet;

use super::{
    super::{
        analysis::Analysis,
        ebpf::{
            ALU, AND, BYTE, HALF, Instruction, JA, JEQ, JGE, JGT, JLE, JLT, JMP, JMP32, JNE, JSET, LDX, LSH,
            MEM, NEG, REGISTER, ST, STX, TO_BIG_ENDIAN, WORD,
        },
        operation::{Alu, Condition, MEMORY_WORDS, Operand, Operation, Register, Returned, Size, Value},
    },
    REST_SLOTS, STUB_SLOTS, Target, Verdict,
};

/// Writes the translation of one program for one target.
pub(super) struct Emitter<'a> {
    operations: &'a [Operation],
    analysis: &'a Analysis,
    target: Target,
    /// Let the verifier meet returns before it walks on: it keeps at most 8,192 branches for later.
    returns_first: bool,
    code: Vec<Instruction>,
    /// Jumps whose distance is still open.
    open: Vec<(usize, Label)>,
    /// Where each operation's code begins.
    starts: Vec<Option<usize>>,
}

/// A place that jumps lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Operation(usize),
    /// A load that needs this many bytes finds fewer held.
    Short(u32),
    /// The same, with the number of bytes where the verdict goes.
    OutOfReach,
    Reject,
    Accept,
    End,
}

/// Byte order in which a load leaves its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Host,
    Network,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(operations: &'a [Operation], analysis: &'a Analysis, target: Target) -> Self {
        let branches =
            operations.iter().filter(|operation| matches!(operation, Operation::Branch(..))).count();
        Self {
            operations,
            analysis,
            target,
            returns_first: branches > MANY_BRANCHES,
            code: Vec::with_capacity(operations.len() * 4),
            open: Vec::new(),
            starts: vec![None; operations.len()],
        }
    }

    /// The code, or how many instructions it would have where that is too many.
    pub(super) fn run(mut self) -> Result<Vec<Instruction>, usize> {
        self.prologue();
        for index in 0..self.operations.len() {
            let Some(held) = self.analysis.held[index].filter(|_| !self.is_passed(index)) else { continue };
            self.starts[index] = Some(self.code.len());
            self.operation(index, held);
        }
        let ends = self.epilogue();
        if self.code.len() > STUB_SLOTS - REST_SLOTS {
            return Err(self.code.len());
        }
        self.fill_in(&ends);
        Ok(self.code)
    }

    fn prologue(&mut self) {
        self.push(Instruction::copy(FRAME_LEN, FRAME_LEN));
        self.push(Instruction::set(A, 0));
        self.push(Instruction::set(X, 0));
        for word in (0..MEMORY_WORDS).filter(|word| self.analysis.unwritten & (1 << word) != 0) {
            self.push(Instruction::new(ST | WORD | MEM, STACK, 0, slot(word), 0));
        }
    }

    fn operation(&mut self, index: usize, held: u32) {
        match self.operations[index] {
            Operation::Set(register, value) => self.set(number(register), value),
            Operation::LoadAbsolute(size, k) => self.load_absolute(A, size, k, held, self.order(index)),
            Operation::LoadHeaderLength(k) => {
                self.load_absolute(X, Size::Byte, k, held, Order::Host);
                self.push(Instruction::new(ALU | AND, X, 0, 0, 0x0f));
                self.push(Instruction::new(ALU | LSH, X, 0, 0, 2));
            }
            Operation::LoadIndirect(size, k) => self.load_indirect(size, k, self.order(index)),
            Operation::LoadPacketType => {
                self.push(Instruction::copy(A, EGRESS));
                self.push(Instruction::new(ALU | LSH, A, 0, 0, PACKET_OUTGOING_SHIFT));
            }
            Operation::Store(word, register) => {
                self.push(Instruction::new(STX | WORD | MEM, STACK, number(register), slot(word), 0));
            }
            Operation::Alu(alu, operand) => self.alu(alu, operand),
            Operation::Negate => self.push(Instruction::new(ALU | NEG, A, 0, 0, 0)),
            Operation::Jump(to) => self.goto_unless_next(index, self.label(to)),
            Operation::Branch(condition, operand, taken, otherwise) => {
                self.branch(index, condition, operand, taken, otherwise);
            }
            Operation::Return(value) => self.give_back(value),
        }
    }

    fn set(&mut self, register: u8, value: Value) {
        let other = if register == A { X } else { A };
        self.push(match value {
            Value::Constant(k) => Instruction::set(register, k),
            Value::FrameLen => Instruction::copy(register, FRAME_LEN),
            Value::Memory(word) => Instruction::new(LDX | WORD | MEM, register, STACK, slot(word), 0),
            Value::Other => Instruction::copy(register, other),
        });
    }

    fn load_absolute(&mut self, register: u8, size: Size, k: u32, held: u32, order: Order) {
        let end = k.saturating_add(size.bytes());
        if end > self.target.limit() {
            return self.never_held(register, |code| code.push(Instruction::set(VERDICT, end)));
        }
        if held < end {
            self.require(end);
        }
        match i16::try_from(k) {
            Ok(off) => self.load(register, size, FRAME, off, order),
            Err(_) => {
                self.push(Instruction::copy64(SCRATCH, FRAME));
                self.push(Instruction::advance(SCRATCH, k.cast_signed()));
                self.load(register, size, SCRATCH, 0, order);
            }
        }
    }

    /// Goes on only when the first `end` bytes are held.
    fn require(&mut self, end: u32) {
        match self.target {
            Target::Direct => {
                self.push(Instruction::copy64(SCRATCH, FRAME));
                self.push(Instruction::advance(SCRATCH, end.cast_signed()));
                self.jump(JMP | JGT | REGISTER, SCRATCH, HELD, 0, Label::Short(end));
            }
            Target::Copy => self.jump(JMP | JLT, HELD, 0, end.cast_signed(), Label::Short(end)),
        }
    }

    fn load_indirect(&mut self, size: Size, k: u32, order: Order) {
        let end = k.saturating_add(size.bytes()).min(i32::MAX.unsigned_abs());
        let need = [Instruction::copy64(VERDICT, X), Instruction::advance(VERDICT, end.cast_signed())];
        let Some(largest_x) = self.target.limit().checked_sub(end) else {
            return self.never_held(A, |code| code.extend(need));
        };
        self.code.extend(need);
        if self.target == Target::Copy {
            self.jump(JMP | JGT | REGISTER, VERDICT, HELD, 0, Label::OutOfReach);
        }
        self.push(Instruction::copy64(SCRATCH, X));
        self.jump(JMP | JGT, SCRATCH, 0, largest_x.cast_signed(), Label::OutOfReach);
        self.push(Instruction::add64(SCRATCH, FRAME));
        self.push(Instruction::advance(SCRATCH, end.cast_signed()));
        if self.target == Target::Direct {
            self.jump(JMP | JGT | REGISTER, SCRATCH, HELD, 0, Label::OutOfReach);
        }
        let back = match size {
            Size::Byte => -1,
            Size::Half => -2,
            Size::Word => -4,
        };
        self.load(A, size, SCRATCH, back, order);
    }

    /// A load that no frame in this target can satisfy. The condition always holds; it is there because the verifier
    /// wants a way to the code behind it.
    fn never_held(&mut self, register: u8, need: impl FnOnce(&mut Vec<Instruction>)) {
        need(&mut self.code);
        self.jump(JMP | JNE, VERDICT, 0, 0, Label::OutOfReach);
        self.push(Instruction::set(register, 0));
    }

    fn load(&mut self, register: u8, size: Size, base: u8, off: i16, order: Order) {
        let (width, bits) = match size {
            Size::Byte => (BYTE, None),
            Size::Half => (HALF, Some(16)),
            Size::Word => (WORD, Some(32)),
        };
        self.push(Instruction::new(LDX | MEM | width, register, base, off, 0));
        if let Some(bits) = bits.filter(|_| order == Order::Host) {
            self.push(Instruction::new(ALU | TO_BIG_ENDIAN, register, 0, 0, bits));
        }
    }

    fn alu(&mut self, alu: Alu, operand: Operand) {
        let code = ALU | alu_code(alu);
        match (alu, operand) {
            (Alu::Lsh | Alu::Rsh, Operand::Constant(32..)) => self.push(Instruction::set(A, 0)),
            (Alu::Div | Alu::Mod, Operand::Constant(0)) => {
                self.push(Instruction::set(VERDICT, 0));
                self.jump(JMP | JEQ, VERDICT, 0, 0, Label::Reject);
            }
            (_, Operand::Constant(k)) => self.push(Instruction::new(code, A, 0, 0, k.cast_signed())),
            (Alu::Lsh | Alu::Rsh, Operand::X) => {
                self.push(Instruction::new(JMP32 | JGT, X, 0, 2, 31));
                self.push(Instruction::new(code | REGISTER, A, X, 0, 0));
                self.push(Instruction::new(JA, 0, 0, 1, 0));
                self.push(Instruction::set(A, 0));
            }
            (Alu::Div | Alu::Mod, Operand::X) => {
                self.jump(JMP32 | JEQ, X, 0, 0, Label::Reject);
                self.push(Instruction::new(code | REGISTER, A, X, 0, 0));
            }
            (_, Operand::X) => self.push(Instruction::new(code | REGISTER, A, X, 0, 0)),
        }
    }

    fn branch(
        &mut self,
        index: usize,
        condition: Condition,
        operand: Operand,
        taken: usize,
        otherwise: usize,
    ) {
        let (yes, no) = (self.label(taken), self.label(otherwise));
        let operand = self.in_order(index, operand);
        if yes == no {
            return self.goto_unless_next(index, yes);
        }
        let next = self.next(index);
        let (holds, fails) = condition_codes(condition);
        let walk_on_last = self.returns_first && is_return(yes) && !is_return(no);
        match fails {
            Some(fails) if yes == next || walk_on_last => {
                self.compare(fails, operand, no);
                self.goto_unless_next(index, yes);
            }
            _ => {
                self.compare(holds, operand, yes);
                self.goto_unless_next(index, no);
            }
        }
    }

    /// Whether this load's value is only compared with one constant: then the constant is turned around instead.
    fn order(&self, index: usize) -> Order {
        if self.analysis.only_compared[index] { Order::Network } else { Order::Host }
    }

    /// The operand of a comparison, in the byte order of what the operation before it loaded.
    fn in_order(&self, index: usize, operand: Operand) -> Operand {
        let Some(load) = index.checked_sub(1).filter(|load| self.analysis.only_compared[*load]) else {
            return operand;
        };
        match (self.operations[load], operand) {
            (
                Operation::LoadAbsolute(Size::Half, _) | Operation::LoadIndirect(Size::Half, _),
                Operand::Constant(k),
            ) => Operand::Constant(u16::try_from(k).map_or(k, |half| half.to_be().into())),
            (_, Operand::Constant(k)) => Operand::Constant(k.to_be()),
            (_, operand) => operand,
        }
    }

    fn compare(&mut self, condition: u8, operand: Operand, to: Label) {
        match operand {
            Operand::Constant(k) => self.jump(JMP32 | condition, A, 0, k.cast_signed(), to),
            Operand::X => self.jump(JMP32 | condition | REGISTER, A, X, 0, to),
        }
    }

    fn give_back(&mut self, value: Returned) {
        match value {
            Returned::Constant(k) => self.goto(verdict(k)),
            Returned::A => {
                self.jump(JMP32 | JEQ, A, 0, 0, Label::Reject);
                self.goto(Label::Accept);
            }
        }
    }

    fn goto_unless_next(&mut self, index: usize, to: Label) {
        if to != self.next(index) {
            self.goto(to);
        }
    }

    fn goto(&mut self, to: Label) {
        self.jump(JA, 0, 0, 0, to);
    }

    /// Where the code behind this operation belongs to.
    fn next(&self, index: usize) -> Label {
        let is_written = |next: &usize| self.analysis.held[*next].is_some() && !self.is_passed(*next);
        (index + 1..self.operations.len()).find(is_written).map_or(Label::End, Label::Operation)
    }

    /// Where a jump to this operation ends: behind further jumps, at a verdict.
    fn label(&self, mut index: usize) -> Label {
        while let Operation::Jump(to) = self.operations[index] {
            index = to;
        }
        match self.operations[index] {
            Operation::Return(Returned::Constant(k)) => verdict(k),
            _ => Label::Operation(index),
        }
    }

    /// Whether an operation needs no code: jumps and verdicts that nothing runs into, since jumps to them lead to
    /// their end at once.
    fn is_passed(&self, index: usize) -> bool {
        let leads_on =
            matches!(self.operations[index], Operation::Jump(_) | Operation::Return(Returned::Constant(_)));
        let ends = |before: &Operation| {
            matches!(before, Operation::Jump(_) | Operation::Branch(..) | Operation::Return(_))
        };
        leads_on
            && index
                .checked_sub(1)
                .is_some_and(|before| self.analysis.held[before].is_none() || ends(&self.operations[before]))
    }

    fn push(&mut self, instruction: Instruction) {
        self.code.push(instruction);
    }

    fn jump(&mut self, opcode: u8, dst: u8, src: u8, imm: i32, to: Label) {
        self.open.push((self.code.len(), to));
        self.push(Instruction::new(opcode, dst, src, 0, imm));
    }

    /// Writes the code of the verdicts that something leads to, and says where each begins.
    fn epilogue(&mut self) -> Vec<(Label, usize)> {
        let mut ends = self.short_ends();
        ends.push((Label::OutOfReach, self.code.len()));
        if self.is_wanted(Label::OutOfReach) {
            self.jump(JMP | JGT | REGISTER, VERDICT, FRAME_LEN, 0, Label::Reject);
            self.push(Instruction::set(VERDICT, Verdict::OutOfReach as u32));
            self.goto(Label::End);
        }
        ends.push((Label::Reject, self.code.len()));
        if self.is_wanted(Label::Reject) {
            self.push(Instruction::set(VERDICT, Verdict::Reject as u32));
            self.goto(Label::End);
        }
        ends.push((Label::Accept, self.code.len()));
        if self.is_wanted(Label::Accept) {
            self.push(Instruction::set(VERDICT, Verdict::Accept as u32));
        }
        ends.push((Label::End, self.code.len()));
        self.push(Instruction::exit());
        ends
    }

    /// Out of line, so that a check that holds costs no more than itself.
    fn short_ends(&mut self) -> Vec<(Label, usize)> {
        let short = |(_, label): &(usize, Label)| match label {
            Label::Short(end) => Some(*end),
            _ => None,
        };
        let needs: BTreeSet<u32> = self.open.iter().filter_map(short).collect();
        let mut ends = Vec::with_capacity(needs.len() + 4);
        for end in needs {
            ends.push((Label::Short(end), self.code.len()));
            self.push(Instruction::set(VERDICT, end));
            self.goto(Label::OutOfReach);
        }
        ends
    }

    fn is_wanted(&self, label: Label) -> bool {
        self.open.iter().any(|(_, to)| *to == label)
    }

    fn fill_in(&mut self, ends: &[(Label, usize)]) {
        for (at, to) in &self.open {
            let place = match to {
                Label::Operation(index) => self.starts[*index],
                end => ends.iter().find(|(label, _)| label == end).map(|(_, place)| *place),
            };
            let distance =
                place.and_then(|place| place.checked_sub(at + 1)).and_then(|far| i16::try_from(far).ok());
            self.code[*at].off = distance.expect("jumps lead forward to code that exists, within STUB_SLOTS");
        }
    }
}

const fn number(register: Register) -> u8 {
    match register {
        Register::A => A,
        Register::X => X,
    }
}

/// Where a memory word stands below the frame pointer.
fn slot(word: u8) -> i16 {
    -4 * (i16::from(word) + 1)
}

const fn verdict(k: u32) -> Label {
    if k == 0 { Label::Reject } else { Label::Accept }
}

const fn is_return(label: Label) -> bool {
    matches!(label, Label::Accept | Label::Reject)
}

const fn alu_code(alu: Alu) -> u8 {
    match alu {
        Alu::Add => 0x00,
        Alu::Sub => 0x10,
        Alu::Mul => 0x20,
        Alu::Div => 0x30,
        Alu::Or => 0x40,
        Alu::And => AND,
        Alu::Lsh => LSH,
        Alu::Rsh => 0x70,
        Alu::Mod => 0x90,
        Alu::Xor => 0xa0,
    }
}

/// The jump on a condition and the one on its opposite; nothing is the opposite of "any bit set".
const fn condition_codes(condition: Condition) -> (u8, Option<u8>) {
    match condition {
        Condition::Equal => (JEQ, Some(JNE)),
        Condition::Greater => (JGT, Some(JLE)),
        Condition::GreaterEqual => (JGE, Some(JLT)),
        Condition::AnySet => (JSET, None),
    }
}

/// Half of the verifier's limit on branches kept for later (`BPF_COMPLEXITY_LIMIT_JMP_SEQ`).
const MANY_BRANCHES: usize = 4_096;

/// `PACKET_OUTGOING` is 4, egress is 1.
const PACKET_OUTGOING_SHIFT: i32 = 2;

/// The verdict; before that, how many bytes a load needs.
const VERDICT: u8 = 0;
const FRAME: u8 = 1;
/// End of the packet, or count of the bytes held.
const HELD: u8 = 2;
const FRAME_LEN: u8 = 3;
const EGRESS: u8 = 4;
const SCRATCH: u8 = 5;
const A: u8 = 6;
const X: u8 = 7;
const STACK: u8 = 10;
