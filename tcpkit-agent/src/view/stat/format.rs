//! `-o`: a line's format, its conversions and escapes.

use super::{
    number::{fixed, int, wide},
    sample::Sample,
};

/// A format, as typed: conversions begin with `%`, escapes with `\`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    parts: Vec<Part>,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Value(u8),
    /// From here on to this file descriptor.
    Descriptor(i32),
}

/// What a line tells of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) sample: &'a Sample,
    /// Middle of the interval, in seconds since the epoch.
    pub(super) middle: f64,
    /// Its length in seconds.
    pub(super) length: f64,
    /// First packet of the capture.
    pub(super) first: f64,
    pub(super) relative_to: f64,
    pub(super) load: f64,
    pub(super) extra: Extra,
}

/// What tcpkit's engine knows of an interval and tcpstat did not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extra {
    /// `%f`: connections that were seen for the first time.
    pub flows: u64,
    /// `%g`, by the interval's length: octets of payload that had not been seen before.
    pub unique_bytes: u64,
    /// `%x`: segments with payload that were sent again.
    pub retransmissions: u64,
    /// `%c`: analysed frames as a share of those that were wanted, from the start of the capture.
    pub completeness: f64,
}

impl Default for Extra {
    fn default() -> Self {
        Self { flows: 0, unique_bytes: 0, retransmissions: 0, completeness: 1.0 }
    }
}

impl Default for Format {
    /// `Time:%S\tn=%n\tavg=%a\tstddev=%d\tbps=%b\n`.
    fn default() -> Self {
        Self::parse(br"Time:%S\tn=%n\tavg=%a\tstddev=%d\tbps=%b\n", false)
    }
}

impl Format {
    /// Reads a format; anything is one. `strict` makes `%%` a percent sign, as the manual page has it.
    #[must_use]
    pub fn parse(words: &[u8], strict: bool) -> Self {
        let mut parts = Vec::new();
        let mut text = Vec::new();
        let mut rest = words;
        while let [byte, behind @ ..] = rest {
            rest = behind;
            match byte {
                b'\\' => rest = escape(behind, &mut text),
                b'%' => rest = conversion(behind, strict, &mut text, &mut parts),
                other => text.push(*other),
            }
        }
        flush(&mut text, &mut parts);
        Self { parts }
    }

    /// The same without file descriptors, for a program that runs with somebody else's rights.
    #[must_use]
    pub fn without_descriptors(mut self) -> Self {
        self.parts.retain(|part| !matches!(part, Part::Descriptor(_)));
        self
    }

    /// Whether a line needs what only tcpkit's engine knows.
    #[must_use]
    pub fn asks_engine(&self) -> bool {
        self.asks(b"fgxc")
    }

    /// Whether a line needs the size of the smallest or the largest packet, which sums do not tell.
    #[must_use]
    pub fn asks_extremes(&self) -> bool {
        self.asks(b"mM")
    }

    /// The file descriptors that it names.
    pub fn descriptors(&self) -> impl Iterator<Item = i32> {
        self.parts.iter().filter_map(|part| match part {
            Part::Descriptor(number) => Some(*number),
            Part::Text(_) | Part::Value(_) => None,
        })
    }

    fn asks(&self, letters: &[u8]) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value(letter) if letters.contains(letter)))
    }

    /// One line, in pieces for each file descriptor.
    pub(super) fn render<E>(
        &self,
        line: &Line<'_>,
        mut write: impl FnMut(i32, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut descriptor = 1;
        for part in &self.parts {
            match part {
                Part::Text(text) => write(descriptor, text)?,
                Part::Value(letter) => write(descriptor, line.value(*letter).as_bytes())?,
                Part::Descriptor(number) => descriptor = *number,
            }
        }
        Ok(())
    }
}

fn flush(text: &mut Vec<u8>, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}

/// The character behind a backslash; what is no escape stands for itself.
fn escape<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let [byte, behind @ ..] = rest else { return rest };
    text.push(match byte {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        other => *other,
    });
    behind
}

/// What stands behind a percent sign.
fn conversion<'a>(rest: &'a [u8], strict: bool, text: &mut Vec<u8>, parts: &mut Vec<Part>) -> &'a [u8] {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 {
        flush(text, parts);
        parts.push(Part::Descriptor(descriptor(&rest[..digits])));
        return &rest[digits..];
    }
    match rest {
        [letter, behind @ ..] if LETTERS.contains(letter) => {
            flush(text, parts);
            parts.push(Part::Value(*letter));
            behind
        }
        [b'%', behind @ ..] if strict => {
            text.push(b'%');
            behind
        }
        [other, behind @ ..] => {
            text.extend_from_slice(&[b'%', *other]);
            behind
        }
        [] => {
            text.push(b'%');
            rest
        }
    }
}

/// A file descriptor; beyond 256 it is standard output, and one that no integer holds is none.
fn descriptor(digits: &[u8]) -> i32 {
    let push = |number: i64, digit: &u8| number.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    let number = digits.iter().fold(0, push);
    #[expect(clippy::cast_possible_truncation, reason = "tcpstat keeps the low half of what strtol says")]
    let number = number as i32;
    if number > MAX_DESCRIPTOR { 1 } else { number }
}

impl Line<'_> {
    fn value(&self, letter: u8) -> String {
        let Sample { packets, sum, min, max, arp, ipv4, ipv6, tcp, udp, icmp, .. } = *self.sample;
        let Self { middle, length, relative_to, extra, .. } = *self;
        let beginning = relative_to + self.first;
        match letter {
            b'A' => arp.to_string(),
            b'C' => icmp.to_string(),
            b'I' => ipv4.to_string(),
            b'T' => tcp.to_string(),
            b'U' => udp.to_string(),
            b'V' => ipv6.to_string(),
            b'n' => packets.to_string(),
            b'm' => min.to_string(),
            b'M' => max.to_string(),
            b'a' => fixed(self.sample.mean(), 2),
            b'd' => fixed(self.sample.deviation(), 2),
            b'p' => fixed(wide(packets) / length, 2),
            b'B' => fixed(sum / length, 2),
            b'b' => fixed(sum / length * 8.0, 2),
            b'l' => fixed(self.load, 2),
            b'N' => fixed(sum, 0),
            b'S' => int(middle + 0.5 - relative_to).to_string(),
            b'R' => int(middle + 0.5 - beginning).to_string(),
            b's' => fixed(middle - relative_to, 6),
            b'r' => fixed(middle - beginning, 6),
            b'f' => extra.flows.to_string(),
            b'g' => fixed(wide(extra.unique_bytes) / length * 8.0, 2),
            b'x' => extra.retransmissions.to_string(),
            _ => fixed(extra.completeness, 6),
        }
    }
}

/// Conversions: tcpstat's, and behind them those of our own.
const LETTERS: &[u8] = b"ABCIMNRSTUVabdlmnprsfgxc";
const MAX_DESCRIPTOR: i32 = 256;
