//! Domain names: labels on the wire (RFC 1035 §3.1, §4.1.4) to the form in which people write them (§5.1).

use super::message::Fault;
use crate::protocol::text::Text;

/// A name out of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    /// As people write it, with its last dot, in the case in which it was sent: as much of it as fits.
    pub(super) shown: Text<127>,
    /// Of the whole of it, in lower case: names compare without case, and some resolvers play with it.
    pub(super) hash: u64,
}

impl Name {
    /// Reads the name that begins at `start`, and tells where what follows it begins.
    ///
    /// Each pointer must lead before all that was read: so it ends, whatever it says.
    pub(super) fn read(message: &[u8], start: usize) -> Result<(Self, usize), Fault> {
        let mut name = Self { shown: Text::new(), hash: HASH_START };
        let (mut place, mut run_start, mut after, mut octets) = (start, start, None, 0);
        loop {
            let len = *message.get(place).ok_or(Fault::Short)?;
            match len {
                0 => break,
                1..=LABEL_LIMIT => {
                    let end = place + 1 + usize::from(len);
                    let label = message.get(place + 1..end).ok_or(Fault::Short)?;
                    octets += 1 + label.len();
                    if octets > NAME_LIMIT {
                        return Err(Fault::Malformed);
                    }
                    name.push(label);
                    place = end;
                }
                POINTER.. => {
                    let low = *message.get(place + 1).ok_or(Fault::Short)?;
                    after.get_or_insert(place + 2);
                    place = usize::from(u16::from_be_bytes([len & !POINTER, low]));
                    if place >= run_start || place < super::message::HEADER {
                        return Err(Fault::Malformed);
                    }
                    run_start = place;
                }
                _ => return Err(Fault::Malformed),
            }
        }
        if name.shown.is_empty() {
            name.shown.push(b".");
        }
        Ok((name, after.unwrap_or(place + 1)))
    }

    fn push(&mut self, label: &[u8]) {
        self.mix(0);
        for octet in label {
            self.mix(octet.to_ascii_lowercase());
            match octet {
                // What has a meaning in master files is quoted as BIND and dig do.
                b'.' | b';' | b'\\' | b'@' | b'$' | b'"' | b'(' | b')' => self.shown.push(&[b'\\', *octet]),
                b'!'..=b'~' => self.shown.push(&[*octet]),
                _ => self.shown.push(&[b'\\', digit(octet / 100), digit(octet / 10 % 10), digit(octet % 10)]),
            }
        }
        self.shown.push(b".");
    }

    /// FNV-1a.
    const fn mix(&mut self, octet: u8) {
        self.hash = (self.hash ^ octet as u64).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

/// Where what follows a name begins; a pointer is not followed.
pub(super) fn skip(message: &[u8], mut place: usize) -> Result<usize, Fault> {
    loop {
        match *message.get(place).ok_or(Fault::Short)? {
            0 => return Ok(place + 1),
            len @ 1..=LABEL_LIMIT => place += 1 + usize::from(len),
            POINTER.. => return Ok(place + 2),
            _ => return Err(Fault::Malformed),
        }
    }
}

const fn digit(value: u8) -> u8 {
    b'0' + value
}

/// RFC 1035 §2.3.4.
const LABEL_LIMIT: u8 = 63;

/// RFC 1035 §2.3.4: 255 octets, the root's among them.
const NAME_LIMIT: usize = 254;

/// RFC 1035 §4.1.4: two high bits say that an offset follows.
const POINTER: u8 = 0xc0;

const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
