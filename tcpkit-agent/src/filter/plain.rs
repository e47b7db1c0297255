//! What an expression asks of the commonest frame: Ethernet without tags, IPv4 without options and whole, TCP.
//!
//! Of such a frame half of what libpcap's program asks is known before: the program is followed once with what is known,
//! and the tests that are left, of ports and addresses mostly, are all that each frame is asked. Nothing that reads
//! beyond the headers, or counts, is followed: then libpcap's interpreter decides. A test holds both verdicts equal.

use hashbrown::HashMap;

use super::operation::{Alu, Condition, Operand, Operation, Register, Returned, Size, Value};
use crate::wire::{Frame, LinkType};

/// Octets of Ethernet, IPv4 and TCP without options.
const HEADERS: usize = 54;

/// What is known of them: the place, which bits, and their value. EtherType (IEEE 802.3), version and header length,
/// fragmentation, protocol (RFC 791 §3.1).
const KNOWN: [(usize, u8, u8); 6] =
    [(12, 0xff, 0x08), (13, 0xff, 0x00), (14, 0xff, 0x45), (20, 0x3f, 0), (21, 0xff, 0), (23, 0xff, 6)];

/// More tests than this are left to libpcap, be it in all or one behind the other.
const MOST_TESTS: usize = 512;
/// Places in a program, with what is known there, that are looked at before it is given up.
const MOST_STATES: usize = 16_384;

/// The headers of a frame of this kind, where it is one.
#[inline(always)]
pub(super) fn headers<'a>(frame: &Frame<'a>) -> Option<&'a [u8; HEADERS]> {
    let headers = frame.bytes.first_chunk::<HEADERS>()?;
    let [.., a, b, c, _, _, _, _, _, d, e, _, f] = headers.first_chunk::<24>()?;
    let is_plain = (u32::from_be_bytes([*a, *b, *c, *f]) == 0x0800_4506)
        & (d & 0x3f == 0)
        & (*e == 0)
        & (frame.link_type == LinkType::ETHERNET);
    is_plain.then_some(headers)
}

/// The tests that are left of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlainFilter {
    tests: Vec<Test>,
    first: Next,
}

/// Compares some bits of the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Test {
    /// First of four octets that are looked at.
    at: u8,
    /// Binary digits of them behind those that are wanted.
    shift: u8,
    mask: u32,
    condition: Condition,
    operand: u32,
    yes: Next,
    no: Next,
}

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Verdict(bool),
    Test(u16),
}

impl PlainFilter {
    /// What is left of a program for Ethernet; `None` where it asks more than is followed here.
    pub(super) fn of(operations: &[Operation]) -> Option<Self> {
        let mut follower = Follower { operations, tests: Vec::new(), followed: HashMap::new(), depth: 0 };
        let first = follower.follow(State { place: 0, a: Word::Known(0), x: Word::Known(0) })?;
        Some(Self { tests: follower.tests, first })
    }

    /// Whether it accepts a frame with these headers.
    #[inline]
    pub(super) fn accepts(&self, headers: &[u8; HEADERS]) -> bool {
        let mut next = self.first;
        loop {
            let test = match next {
                Next::Verdict(verdict) => return verdict,
                Next::Test(number) => &self.tests[usize::from(number)],
            };
            next = if test.holds(headers) { test.yes } else { test.no };
        }
    }
}

impl Test {
    #[inline]
    fn holds(&self, headers: &[u8; HEADERS]) -> bool {
        let octets = headers.get(usize::from(self.at)..).and_then(<[u8]>::first_chunk);
        let value = (octets.map_or(0, |octets| u32::from_be_bytes(*octets)) >> self.shift) & self.mask;
        holds(self.condition, value, self.operand)
    }
}

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Word {
    Known(u32),
    /// Octets of the headers, of which the bits of the mask are left.
    Headers {
        at: usize,
        size: Size,
        mask: u32,
    },
}

/// A place in the program, and what is known there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    place: usize,
    a: Word,
    x: Word,
}

/// Follows a program.
struct Follower<'p> {
    operations: &'p [Operation],
    tests: Vec<Test>,
    followed: HashMap<State, Next>,
    /// Tests on the way.
    depth: usize,
}

impl Follower<'_> {
    /// How it goes on from there. Jumps lead forward only, so this ends; it recurses once for each test on the way.
    fn follow(&mut self, mut state: State) -> Option<Next> {
        let begin = state;
        if let Some(known) = self.followed.get(&begin) {
            return Some(*known);
        }
        if self.followed.len() >= MOST_STATES {
            return None;
        }
        let next = loop {
            match *self.operations.get(state.place)? {
                Operation::Return(Returned::Constant(value)) => break Next::Verdict(value != 0),
                Operation::Return(Returned::A) => break Next::Verdict(state.a.known()? != 0),
                Operation::Jump(place) => state.place = place,
                Operation::Branch(condition, operand, yes, no) => {
                    let operand = state.operand(operand)?;
                    match state.a.decides(condition, operand) {
                        Some(verdict) => state.place = if verdict { yes } else { no },
                        None => break self.branch(state, condition, operand, (yes, no))?,
                    }
                }
                operation => state.take(operation)?,
            }
        };
        self.followed.insert(begin, next);
        Some(next)
    }

    fn branch(
        &mut self,
        state: State,
        condition: Condition,
        operand: u32,
        (yes, no): (usize, usize),
    ) -> Option<Next> {
        let Word::Headers { at, size, mask } = state.a else { return None };
        self.depth = Some(self.depth + 1).filter(|depth| *depth <= MOST_TESTS)?;
        let yes = self.follow(State { place: yes, ..state })?;
        let no = self.follow(State { place: no, ..state })?;
        self.depth -= 1;
        // A load within the headers rejects no frame, so what changes nothing need not be asked.
        if yes == no {
            return Some(yes);
        }
        let number = u16::try_from(self.tests.len()).ok().filter(|_| self.tests.len() < MOST_TESTS)?;
        let first = at.min(HEADERS - 4);
        let shift = (4 - (at - first) - size.bytes() as usize) * 8;
        let (at, shift) = (u8::try_from(first).ok()?, u8::try_from(shift).ok()?);
        self.tests.push(Test { at, shift, mask, condition, operand, yes, no });
        Some(Next::Test(number))
    }
}

impl State {
    /// Takes one operation that neither branches nor returns.
    fn take(&mut self, operation: Operation) -> Option<()> {
        match operation {
            Operation::Set(register, Value::Constant(value)) => self.set(register, Word::Known(value)),
            Operation::Set(Register::A, Value::Other) => self.a = self.x,
            Operation::Set(Register::X, Value::Other) => self.x = self.a,
            Operation::LoadAbsolute(size, at) => self.a = Word::load(at, size)?,
            Operation::LoadIndirect(size, at) => {
                self.a = Word::load(at.checked_add(self.x.known()?)?, size)?;
            }
            Operation::LoadHeaderLength(at) => {
                let octet = Word::load(at, Size::Byte)?.known()?;
                self.x = Word::Known(4 * (octet & 0xf));
            }
            Operation::Alu(Alu::And, operand) => self.a = self.a.and(self.operand(operand)?),
            _ => return None,
        }
        self.place += 1;
        Some(())
    }

    const fn set(&mut self, register: Register, word: Word) {
        match register {
            Register::A => self.a = word,
            Register::X => self.x = word,
        }
    }

    fn operand(&self, operand: Operand) -> Option<u32> {
        match operand {
            Operand::Constant(value) => Some(value),
            Operand::X => self.x.known(),
        }
    }
}

impl Word {
    /// `None` where not all of it lies within the headers.
    fn load(at: u32, size: Size) -> Option<Self> {
        let (at, len) = (usize::try_from(at).ok()?, size.bytes() as usize);
        let is_within = at.checked_add(len)? <= HEADERS;
        let mask = u32::MAX >> (32 - 8 * size.bytes());
        is_within.then(|| Self::Headers { at, size, mask }.and(mask))
    }

    fn and(self, other: u32) -> Self {
        match self {
            Self::Known(value) => Self::Known(value & other),
            Self::Headers { at, size, mask } => {
                let (mask, (known, value)) = (mask & other, known(at, size));
                if mask & !known == 0 { Self::Known(value & mask) } else { Self::Headers { at, size, mask } }
            }
        }
    }

    const fn known(self) -> Option<u32> {
        match self {
            Self::Known(value) => Some(value),
            Self::Headers { .. } => None,
        }
    }

    /// What a comparison with it comes to, where that is the same for all frames of this kind.
    fn decides(self, condition: Condition, operand: u32) -> Option<bool> {
        let (at, size, mask) = match self {
            Self::Known(value) => return Some(holds(condition, value, operand)),
            Self::Headers { at, size, mask } => (at, size, mask),
        };
        let (known, value) = known(at, size);
        match condition {
            Condition::Equal if operand & !mask != 0 || (operand ^ value) & known & mask != 0 => Some(false),
            Condition::AnySet if value & mask & operand != 0 => Some(true),
            Condition::AnySet if mask & operand & !known == 0 => Some(false),
            _ => None,
        }
    }
}

/// Which bits of these octets are known, and what they are.
fn known(at: usize, size: Size) -> (u32, u32) {
    (at..at + size.bytes() as usize).fold((0, 0), |(known, value), at| {
        let octet = KNOWN.iter().find(|(place, ..)| *place == at);
        let (bits, octet) = octet.map_or((0, 0), |(_, bits, octet)| (*bits, *octet));
        (known << 8 | u32::from(bits), value << 8 | u32::from(octet))
    })
}

#[inline]
const fn holds(condition: Condition, value: u32, operand: u32) -> bool {
    match condition {
        Condition::Equal => value == operand,
        Condition::Greater => value > operand,
        Condition::GreaterEqual => value >= operand,
        Condition::AnySet => value & operand != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{classic, operation::decode};

    fn left_of(expression: &str) -> Option<usize> {
        let program = classic::compile(expression, LinkType::ETHERNET, classic::SNAPLEN).unwrap();
        PlainFilter::of(&decode(&program.instructions).unwrap()).map(|filter| filter.tests.len())
    }

    #[test]
    fn only_ports_and_addresses_are_left_to_ask() {
        assert_eq!(left_of("tcp port 6379"), Some(2));
        assert_eq!(left_of("tcp port 80 or tcp port 443"), Some(4));
        assert_eq!(left_of("src host 10.0.0.1 and dst port 80"), Some(2));
        assert_eq!(left_of("tcp"), Some(0));
        assert_eq!(left_of("udp port 53 or ip6 or arp or vlan"), Some(0));
        assert_eq!(left_of("tcp[tcpflags] & tcp-syn != 0"), Some(1));
        assert_eq!(left_of("ip[6:2] & 0x2000 != 0 or ip[6] & 0x40 != 0"), Some(1));
    }

    #[test]
    fn what_lies_beyond_the_headers_or_counts_is_left_to_libpcap() {
        assert_eq!(left_of("tcp[20:4] = 0x47455420"), None);
        assert_eq!(left_of("len > 100"), None);
        assert_eq!(left_of("ip[2:2] - 20 > 100"), None);
    }
}
