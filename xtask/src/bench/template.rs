//! A small capture as the pattern of a large one: its frames, and where an address and the checksums over it stand.

use anyhow::{Context as _, Result, bail};

/// Bytes of the header of a pcap file.
const FILE_HEADER: usize = 24;

/// Bytes of the header of a record: seconds, microseconds, captured length, length.
const RECORD_HEADER: usize = 16;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// All frames of the pattern as they stand in a file, and what of them changes from loop to loop.
#[derive(Debug)]
pub(super) struct Template {
    header: Vec<u8>,
    records: Vec<u8>,
    frames: Vec<Place>,
    client: [u8; 4],
    /// From the first frame to a moment after the last, in microseconds.
    span_us: u64,
}

/// Where one frame's changing bytes stand in `records`.
#[derive(Clone, Copy, Debug)]
struct Place {
    record: usize,
    after_first_us: u64,
    client: usize,
    ip_checksum: usize,
    tcp_checksum: usize,
}

impl Template {
    /// Reads a microsecond pcap in little endian with Ethernet frames; keeps IPv4 and TCP between its client (who
    /// sent the first frame of those) and others.
    ///
    /// # Errors
    /// If the file is another kind of capture, is damaged, or holds no such frame.
    pub(super) fn parse(file: &[u8]) -> Result<Self> {
        if file.len() < FILE_HEADER
            || file[..4] != 0xa1b2_c3d4_u32.to_le_bytes()
            || file[20..24] != [1, 0, 0, 0]
        {
            bail!("the template must be a little-endian microsecond pcap of Ethernet frames");
        }
        let mut template = Self {
            header: file[..FILE_HEADER].to_vec(),
            records: Vec::new(),
            frames: Vec::new(),
            client: [0; 4],
            span_us: 0,
        };
        let mut rest = &file[FILE_HEADER..];
        let mut first_us = None;
        while !rest.is_empty() {
            let (record, after) = split_record(rest).context("the template ends within a record")?;
            let time = u64::from(word(record, 0)) * 1_000_000 + u64::from(word(record, 4));
            let first = *first_us.get_or_insert(time);
            template.take(record, time.saturating_sub(first));
            rest = after;
        }
        if template.frames.is_empty() {
            bail!("the template holds no TCP over IPv4");
        }
        Ok(template)
    }

    /// The header that a file begins with.
    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// The frames with another client, this many loops later; `buffer` holds them afterwards, and nothing else.
    pub(super) fn instance(&self, client: [u8; 4], start_us: u64, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend_from_slice(&self.records);
        for place in &self.frames {
            let time = start_us + place.after_first_us;
            put_word(buffer, place.record, time / 1_000_000);
            put_word(buffer, place.record + 4, time % 1_000_000);
            buffer[place.client..place.client + 4].copy_from_slice(&client);
            for at in [place.ip_checksum, place.tcp_checksum] {
                let old = u16::from_be_bytes([buffer[at], buffer[at + 1]]);
                let new = updated(old, self.client, client);
                buffer[at..at + 2].copy_from_slice(&new.to_be_bytes());
            }
        }
    }

    /// How long one loop lasts, in microseconds.
    pub(super) const fn span_us(&self) -> u64 {
        self.span_us
    }

    fn take(&mut self, record: &[u8], after_first_us: u64) {
        let frame = &record[RECORD_HEADER..];
        let Some(tcp) = tcp_offset(frame) else { return };
        let (source, destination) = (address(frame, 12), address(frame, 16));
        if self.frames.is_empty() {
            self.client = source;
        }
        let client = match self.client {
            client if client == source => ETHERNET + 12,
            client if client == destination => ETHERNET + 16,
            _ => return,
        };
        let start = self.records.len() + RECORD_HEADER;
        self.frames.push(Place {
            record: self.records.len(),
            after_first_us,
            client: start + client,
            ip_checksum: start + ETHERNET + 10,
            tcp_checksum: start + tcp + 16,
        });
        self.records.extend_from_slice(record);
        self.span_us = self.span_us.max(after_first_us + 1_000);
    }
}

/// The checksum after one address took the place of another (RFC 1624, equation 3).
fn updated(checksum: u16, old: [u8; 4], new: [u8; 4]) -> u16 {
    let halves = |address: [u8; 4]| {
        [u16::from_be_bytes([address[0], address[1]]), u16::from_be_bytes([address[2], address[3]])]
    };
    let mut sum = u32::from(!checksum);
    for (old, new) in halves(old).into_iter().zip(halves(new)) {
        sum += u32::from(!old) + u32::from(new);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

fn split_record(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(word(rest.get(..RECORD_HEADER)?, 8)).ok()?;
    rest.split_at_checked(RECORD_HEADER + length)
}

/// Where the TCP header begins, in a frame whose headers were captured whole.
fn tcp_offset(frame: &[u8]) -> Option<usize> {
    let ip = frame.get(ETHERNET..).filter(|_| frame[12..14] == [8, 0])?;
    let first = *ip.first()?;
    let header = usize::from(first & 15) * 4;
    let is_tcp = first >> 4 == 4 && *ip.get(9)? == 6 && ip.len() >= header + 20;
    is_tcp.then_some(ETHERNET + header)
}

fn address(frame: &[u8], at: usize) -> [u8; 4] {
    let at = ETHERNET + at;
    [frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Seconds fit their 32 bits until 2106.
fn put_word(bytes: &mut [u8], at: usize, value: u64) {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u32 {
        bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))).sum()
    }

    fn folded(mut sum: u32) -> u16 {
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap()
    }

    /// A frame with right checksums; the receiver's sum over everything is then all ones (RFC 1071).
    fn frame(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let mut ip = vec![0x45, 0, 0, 44, 0, 1, 0, 0, 64, 6, 0, 0];
        ip.extend(source);
        ip.extend(destination);
        let checksum = !folded(sum(&ip));
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        let mut tcp = vec![0x1f, 0x90, 0xc0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
        tcp.extend(b"ping");
        let checksum = !folded(sum(&tcp) + sum(&source) + sum(&destination) + 6 + 24);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        let mut frame = vec![2; 12];
        frame.extend([8, 0]);
        frame.extend(ip);
        frame.extend(tcp);
        frame
    }

    fn file(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            file.extend(word.to_le_bytes());
        }
        for (index, frame) in frames.iter().enumerate() {
            let length = u32::try_from(frame.len()).unwrap();
            for word in [100, u32::try_from(index).unwrap() * 10, length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(frame);
        }
        file
    }

    #[test]
    fn an_instance_has_the_new_client_and_right_checksums() {
        let (client, server) = ([10, 99, 0, 1], [10, 99, 0, 2]);
        let template = Template::parse(&file(&[frame(client, server), frame(server, client)])).unwrap();
        for new in [[10, 99, 1, 1], [10, 99, 250, 250], [255, 255, 255, 255], [0, 0, 0, 0]] {
            let mut buffer = Vec::new();
            template.instance(new, 7_000_003, &mut buffer);
            assert_eq!((word(&buffer, 0), word(&buffer, 4)), (7, 3));
            for (record, side) in buffer.chunks(RECORD_HEADER + 58).zip([12, 16]) {
                let bytes = &record[RECORD_HEADER..];
                assert_eq!(address(bytes, side), new);
                assert_eq!(folded(sum(&bytes[14..34])), 0xffff);
                assert_eq!(folded(sum(&bytes[34..]) + sum(&bytes[26..34]) + 6 + 24), 0xffff);
            }
        }
    }

    #[test]
    fn other_files_and_damaged_ones_are_refused() {
        let good = file(&[frame([1, 1, 1, 1], [2, 2, 2, 2])]);
        assert!(Template::parse(&good[..good.len() - 1]).is_err());
        assert!(Template::parse(b"not a capture at all, really not").is_err());
        assert!(Template::parse(&file(&[vec![0; 60]])).is_err());
        assert!(Template::parse(&file(&[vec![0; 3]])).is_err());
    }
}
