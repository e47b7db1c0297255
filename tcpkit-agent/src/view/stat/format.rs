//! `-o`: a line's format, its conversions and escapes.

use super::{
    number::{fixed, int},
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
    Descriptor(u32),
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

    /// One line, in pieces for each file descriptor.
    pub(super) fn render(&self, line: &Line<'_>, out: &mut Vec<(u32, Vec<u8>)>) {
        let mut descriptor = 1;
        for part in &self.parts {
            match part {
                Part::Text(text) => push(out, descriptor, text),
                Part::Value(letter) => push(out, descriptor, line.value(*letter).as_bytes()),
                Part::Descriptor(number) => descriptor = *number,
            }
        }
    }
}

/// Adds text for a file descriptor behind what is there.
pub(super) fn push(out: &mut Vec<(u32, Vec<u8>)>, descriptor: u32, text: &[u8]) {
    match out.last_mut() {
        Some((last, bytes)) if *last == descriptor => bytes.extend_from_slice(text),
        _ => out.push((descriptor, text.to_vec())),
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

/// A file descriptor; beyond 256 it is standard output.
fn descriptor(digits: &[u8]) -> u32 {
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.filter(|number| *number <= MAX_DESCRIPTOR).unwrap_or(1)
}

impl Line<'_> {
    fn value(&self, letter: u8) -> String {
        let Sample { packets, sum, min, max, arp, ipv4, ipv6, tcp, udp, icmp, .. } = *self.sample;
        let count = |count: u32| count.cast_signed().to_string();
        let seconds = self.middle - self.relative_to;
        let since_first = self.middle - (self.first + self.relative_to);
        match letter {
            b'A' => count(arp),
            b'C' => count(icmp),
            b'I' => count(ipv4),
            b'T' => count(tcp),
            b'U' => count(udp),
            b'V' => count(ipv6),
            b'n' => count(packets),
            b'm' => count(min),
            b'M' => count(max),
            b'a' => fixed(self.sample.mean(), 2),
            b'd' => fixed(self.sample.deviation(), 2),
            b'p' => fixed(f64::from(packets) / self.length, 2),
            b'B' => fixed(sum / self.length, 2),
            b'b' => fixed(sum * 8.0 / self.length, 2),
            b'l' => fixed(self.load, 2),
            b'N' => fixed(sum, 0),
            b'S' => int(seconds + 0.5).to_string(),
            b'R' => int(since_first + 0.5).to_string(),
            b's' => fixed(seconds, 6),
            _ => fixed(since_first, 6),
        }
    }
}

/// Conversions, in tcpstat's order.
const LETTERS: &[u8] = b"ABCIMNRSTUVabdlmnprs";
const MAX_DESCRIPTOR: u32 = 256;
