//! The time-outs of the capture that wrote a file, in an option of tcpkit's own in the section header.
//!
//! They decide when a flow is finished, and so its verdict and its place in the flow log: a replay that knows them
//! gives the log of the live capture, however long that was.

use super::{
    BLOCK_HEADER_LEN, BLOCK_TRAILER_LEN,
    options::Options,
    packet::{CUSTOM_OPTION, TCPKIT_PEN},
    section_order,
};
use crate::{source::file::scan::u32_at, time::Span};

/// Time-outs of a flow table; `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowTimers {
    /// For handshakes.
    pub handshake: Span,
    /// For closed flows.
    pub linger: Option<Span>,
    /// For silent flows.
    pub idle: Option<Span>,
}

impl FlowTimers {
    /// The option's value, for a file in the byte order of this host.
    #[must_use]
    pub(crate) fn to_option(self) -> Vec<u8> {
        let mut value = TCPKIT_PEN.to_ne_bytes().to_vec();
        value.extend_from_slice(TIMERS_TAG);
        for span in [Some(self.handshake), self.linger, self.idle] {
            value.extend_from_slice(&span.map_or(NEVER, |Span(nanoseconds)| nanoseconds).to_be_bytes());
        }
        value
    }

    /// The time-outs in the section header at the beginning of a file, where it has them.
    #[must_use]
    pub(crate) fn of_file(header: &[u8]) -> Option<Self> {
        if section_order(header, 0).ok()? { Self::of::<true>(header) } else { Self::of::<false>(header) }
    }

    fn of<const BIG: bool>(header: &[u8]) -> Option<Self> {
        let end = (u32_at::<BIG>(header, 4) as usize).checked_sub(BLOCK_TRAILER_LEN)?;
        let options = header.get(BLOCK_HEADER_LEN + super::SECTION_HEADER_FIXED_LEN..end)?;
        Options::<BIG>::new(options).map_while(Result::ok).find_map(|option| {
            let (number, rest) = option.value.split_first_chunk::<4>()?;
            let is_ours = option.code == CUSTOM_OPTION && u32_at::<BIG>(number, 0) == TCPKIT_PEN;
            let (spans, []) = rest.strip_prefix(TIMERS_TAG).filter(|_| is_ours)?.as_chunks::<8>() else {
                return None;
            };
            let [handshake, linger, idle] = *spans else { return None };
            let span = |bytes| Some(u64::from_be_bytes(bytes)).filter(|&span| span != NEVER).map(Span);
            Some(Self { handshake: span(handshake)?, linger: span(linger), idle: span(idle) })
        })
    }
}

/// Begins the value.
const TIMERS_TAG: &[u8] = b"tcpkit timers";

/// Stands for a time-out that never comes.
const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    /// A section header with one option.
    fn header(value: &[u8]) -> Vec<u8> {
        let len = u32::try_from(28 + 4 + value.len().next_multiple_of(4)).unwrap();
        let mut header = Vec::new();
        header.extend(0x0a0d_0d0a_u32.to_ne_bytes());
        header.extend(len.to_ne_bytes());
        header.extend(0x1a2b_3c4d_u32.to_ne_bytes());
        header.extend([1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        header.extend(CUSTOM_OPTION.to_ne_bytes());
        header.extend(u16::try_from(value.len()).unwrap().to_ne_bytes());
        header.extend(value);
        header.resize(len as usize - 4, 0);
        header.extend(len.to_ne_bytes());
        header
    }

    #[test]
    fn what_is_written_is_read() {
        let timers =
            FlowTimers { handshake: Span::from_secs(60), linger: Some(Span::from_secs(1)), idle: None };
        assert_eq!(FlowTimers::of_file(&header(&timers.to_option())), Some(timers));
    }

    #[test]
    fn other_options_and_cut_headers_have_none() {
        let value = FlowTimers { handshake: Span::from_secs(60), linger: None, idle: None }.to_option();
        let whole = header(&value);
        for len in 0..whole.len() - 4 {
            assert_eq!(FlowTimers::of_file(&whole[..len]), None, "{len}");
        }
        assert_eq!(FlowTimers::of_file(&header(&value[..value.len() - 1])), None);
        assert_eq!(FlowTimers::of_file(&header(b"x")), None);
    }
}
