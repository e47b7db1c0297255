//! Messages: who asks, what, and how it was answered (RFC 1035 §4).

use super::name::{self, Name};

/// What of a message tells requests and responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Chosen by whoever asks, repeated by whoever answers.
    pub(super) id: u16,
    /// QR.
    pub(super) is_response: bool,
    pub(super) opcode: u8,
    /// TC: the rest did not fit.
    pub(super) is_truncated: bool,
    /// RD: the answer may come from other servers.
    pub(super) is_recursive: bool,
    /// No flag is set and no record added, as LLMNR has it (RFC 4795 §2.1.1) and hardly any query or response of DNS.
    pub(super) is_bare: bool,
    /// With the high bits of EDNS (RFC 6891 §6.1.3), where its record was captured.
    pub(super) rcode: u16,
    /// The first question; that of an update or a notification is its zone.
    pub(super) question: Option<Question>,
    /// Records: answers, authorities, additional ones.
    records: [u16; 3],
    /// What follows the question contradicts the format.
    pub(super) has_flaw: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) kind: u16,
    pub(super) class: u16,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The octets end within it.
    Short,
    /// It contradicts the format.
    Malformed,
}

impl Message {
    /// Reads what was captured of a message.
    pub(super) fn parse(octets: &[u8]) -> Result<Self, Fault> {
        let header = octets.first_chunk::<HEADER>().ok_or(Fault::Short)?;
        let number = |place: usize| u16::from_be_bytes([header[place], header[place + 1]]);
        let questions = number(4);
        let (question, rest) = match questions {
            0 => (None, HEADER),
            _ => Question::read(octets, HEADER).map(|(question, rest)| (Some(question), rest))?,
        };
        let mut message = Self {
            id: number(0),
            is_response: header[2] & 0x80 != 0,
            opcode: header[2] >> 3 & 0xf,
            is_truncated: header[2] & 0x02 != 0,
            is_recursive: header[2] & 0x01 != 0,
            is_bare: header[2] & 0x07 == 0 && header[3] & 0xf0 == 0 && number(10) == 0,
            rcode: u16::from(header[3] & 0xf),
            question,
            records: [number(6), number(8), number(10)],
            has_flaw: false,
        };
        message.has_flaw = message.read_records(octets, rest, questions) == Err(Fault::Malformed);
        Ok(message)
    }

    /// Goes through the records for the one of EDNS.
    fn read_records(&mut self, octets: &[u8], mut place: usize, questions: u16) -> Result<(), Fault> {
        for _ in 1..questions {
            place = name::skip(octets, place)? + 4;
        }
        for _ in 0..self.records.iter().map(|count| u32::from(*count)).sum() {
            place = name::skip(octets, place)?;
            let fixed = octets.get(place..place + RECORD).ok_or(Fault::Short)?;
            if fixed[..2] == OPT && self.is_response {
                self.rcode |= u16::from(fixed[4]) << 4;
            }
            place += RECORD + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        }
        if place > octets.len() { Err(Fault::Short) } else { Ok(()) }
    }

    /// Whether there is hardly anything else that these octets could be: how the protocol is recognised, and how a
    /// lost thread is found again.
    pub(super) fn is_plausible(&self, octets: &[u8]) -> bool {
        let has_zero_bits = octets.get(3).is_some_and(|flags| flags & 0x40 == 0);
        let is_known = self.question.is_some_and(|question| {
            super::kinds::of_type(question.kind).is_some() && CLASSES.contains(&question.class)
        });
        let is_usual = matches!(self.opcode, 0 | 4 | 5) && octets.get(4..6) == Some(&[0, 1]);
        let is_fitting = self.is_response || (self.rcode == 0 && self.records[0] <= 1 && !self.is_truncated);
        // The name service of NetBIOS has the same header and names of one form (RFC 1001 §14.1).
        let label = octets.get(HEADER..HEADER + 33).and_then(<[u8]>::split_first);
        let is_netbios = label
            .is_some_and(|(len, name)| *len == 32 && name.iter().all(|octet| (b'A'..=b'P').contains(octet)));
        has_zero_bits && !is_netbios && is_known && is_usual && is_fitting && !self.has_flaw
    }

    /// Multicast DNS asks without a number (RFC 6762 §18.1), and everybody may answer: nothing is due to it here.
    pub(super) const fn is_multicast(&self) -> bool {
        self.id == 0 && !self.is_recursive && self.opcode == 0
    }
}

impl Question {
    fn read(octets: &[u8], start: usize) -> Result<(Self, usize), Fault> {
        let (name, place) = Name::read(octets, start)?;
        let fixed = octets.get(place..place + 4).ok_or(Fault::Short)?;
        let (kind, class) =
            (u16::from_be_bytes([fixed[0], fixed[1]]), u16::from_be_bytes([fixed[2], fixed[3]]));
        Ok((Self { name, kind, class }, place + 4))
    }
}

/// RFC 1035 §4.1.1.
pub(super) const HEADER: usize = 12;

/// RFC 1035 §4.1.3: type, class, time to live, length of the data.
const RECORD: usize = 10;

/// RFC 6891 §6.1.1.
const OPT: [u8; 2] = [0, 41];

/// IN, CH, HS (RFC 1035 §3.2.4), NONE (RFC 2136 §1.3), ANY (RFC 1035 §3.2.5).
const CLASSES: [u16; 5] = [1, 3, 4, 254, 255];
