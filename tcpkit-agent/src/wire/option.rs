//! TCP options (RFC 9293 §3.2), decoded on demand.
//!
//! An option is one octet, or kind, length and value. A list that contradicts itself ends there:
//! [`TcpOptions::is_malformed`] tells. A capture that cut the header looks the same, so that question belongs to
//! segments of which the whole header was captured.

use super::segment::{SeqNumber, TcpOptions};

/// Option kinds (<https://www.iana.org/assignments/tcp-parameters>).
mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NO_OPERATION: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
    pub(super) const MULTIPATH: u8 = 30;
    pub(super) const FAST_OPEN: u8 = 34;
    /// RFC 6994: experiments share this kind.
    pub(super) const EXPERIMENT: u8 = 254;
}

/// RFC 7413's identifier while fast open was an experiment (RFC 7413 §4.1.1).
const FAST_OPEN_EXPERIMENT: [u8; 2] = [0xf9, 0x89];

/// One option: its kind and its value, without kind and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOption<'a> {
    /// Option kind.
    pub kind: u8,
    /// Its value.
    pub value: &'a [u8],
}

/// The options of a segment in their order, without padding.
#[derive(Clone, Copy, Debug)]
pub struct TcpOptionIter<'a> {
    rest: &'a [u8],
    is_malformed: bool,
}

/// A range of sequence numbers that the receiver holds (RFC 2018 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SackBlock {
    /// The first sequence number of the block.
    pub left: SeqNumber,
    /// The first sequence number behind the block.
    pub right: SeqNumber,
}

/// What the options of a SYN announce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynOptions {
    /// As [`TcpOptions::mss`] tells it.
    pub mss: Option<u16>,
    /// As [`TcpOptions::window_scale`] tells it.
    pub window_scale: Option<u8>,
    /// As [`TcpOptions::sack_permitted`] tells it.
    pub permits_sack: bool,
    /// Whether [`TcpOptions::mptcp`] finds something.
    pub offers_multipath: bool,
    /// As [`TcpOptions::is_malformed`] tells it.
    pub is_malformed: bool,
}

impl<'a> TcpOptions<'a> {
    /// The options in their order.
    #[must_use]
    #[inline]
    pub const fn iter(self) -> TcpOptionIter<'a> {
        TcpOptionIter { rest: self.0, is_malformed: false }
    }

    /// Whether the list contradicts itself: a length below two, or beyond the list.
    #[must_use]
    pub fn is_malformed(self) -> bool {
        let mut options = self.iter();
        options.by_ref().for_each(drop);
        options.is_malformed
    }

    /// Maximum segment size (RFC 9293 §3.7.1), octets; of SYN segments.
    #[must_use]
    #[inline]
    pub fn mss(self) -> Option<u16> {
        self.value(kind::MSS).map(u16::from_be_bytes)
    }

    /// Window scale (RFC 7323 §2.2), a shift count as it was sent; those above 14 count as 14 (§2.3).
    #[must_use]
    #[inline]
    pub fn window_scale(self) -> Option<u8> {
        self.value::<1>(kind::WINDOW_SCALE).map(|[shift]| shift)
    }

    /// Whether selective acknowledgements may be sent (RFC 2018 §2).
    #[must_use]
    #[inline]
    pub fn sack_permitted(self) -> bool {
        self.value::<0>(kind::SACK_PERMITTED).is_some()
    }

    /// What [`mss`](Self::mss), [`window_scale`](Self::window_scale), [`sack_permitted`](Self::sack_permitted),
    /// [`mptcp`](Self::mptcp) and [`is_malformed`](Self::is_malformed) tell, for one look at the list.
    #[must_use]
    #[inline]
    pub fn announced(self) -> SynOptions {
        // The layout that Linux sends (net/ipv4/tcp_output.c, `tcp_options_write`).
        if let &[kind::MSS, 4, high, low, kind::SACK_PERMITTED, 2, kind::TIMESTAMPS, 10, ref rest @ ..] =
            self.0
            && let &[_, _, _, _, _, _, _, _, kind::NO_OPERATION, kind::WINDOW_SCALE, 3, shift] = rest
        {
            let mss = Some(u16::from_be_bytes([high, low]));
            return SynOptions {
                mss,
                window_scale: Some(shift),
                permits_sack: true,
                ..SynOptions::default()
            };
        }
        self.any_announced()
    }

    #[inline(never)]
    fn any_announced(self) -> SynOptions {
        let mut told = SynOptions::default();
        let mut options = self.iter();
        for TcpOption { kind, value } in options.by_ref() {
            match (kind, value) {
                (kind::MSS, &[high, low]) => {
                    told.mss.get_or_insert(u16::from_be_bytes([high, low]));
                }
                (kind::WINDOW_SCALE, &[shift]) => {
                    told.window_scale.get_or_insert(shift);
                }
                (kind::SACK_PERMITTED, []) => told.permits_sack = true,
                (kind::MULTIPATH, _) => told.offers_multipath = true,
                _ => {}
            }
        }
        told.is_malformed = options.is_malformed;
        told
    }

    /// TSval and TSecr (RFC 7323 §3.2).
    #[must_use]
    #[inline]
    pub fn timestamps(self) -> Option<(u32, u32)> {
        // Nearly every segment of an open connection has exactly this layout (RFC 7323, appendix A).
        let value = match *self.0 {
            [kind::NO_OPERATION, kind::NO_OPERATION, kind::TIMESTAMPS, 10, a, b, c, d, e, f, g, h] => {
                [a, b, c, d, e, f, g, h]
            }
            _ => self.value::<8>(kind::TIMESTAMPS)?,
        };
        let [a, b, c, d, e, f, g, h] = value;
        Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
    }

    /// The blocks of the selective acknowledgement (RFC 2018 §3), in their order.
    #[inline]
    pub fn sack_blocks(self) -> impl Iterator<Item = SackBlock> + 'a {
        let value = self.find(kind::SACK).unwrap_or_default();
        value.chunks_exact(8).filter_map(|block| {
            let (left, rest) = block.split_first_chunk()?;
            let (right, _) = rest.split_first_chunk()?;
            Some(SackBlock {
                left: SeqNumber(u32::from_be_bytes(*left)),
                right: SeqNumber(u32::from_be_bytes(*right)),
            })
        })
    }

    /// The fast open cookie (RFC 7413 §4.1.1), empty where one is asked for; the experimental option too.
    #[must_use]
    pub fn fast_open_cookie(self) -> Option<&'a [u8]> {
        self.find(kind::FAST_OPEN)
            .or_else(|| self.find(kind::EXPERIMENT)?.strip_prefix(FAST_OPEN_EXPERIMENT.as_slice()))
    }

    /// The multipath option's value, subtype in its first four bits (RFC 8684 §3); the first one of several.
    #[must_use]
    pub fn mptcp(self) -> Option<&'a [u8]> {
        self.find(kind::MULTIPATH)
    }

    /// The value of the first option of this kind.
    #[inline]
    fn find(self, kind: u8) -> Option<&'a [u8]> {
        self.iter().find(|option| option.kind == kind).map(|option| option.value)
    }

    /// The same, where the value has the `LEN` octets that the option's definition asks for.
    #[inline]
    fn value<const LEN: usize>(self, kind: u8) -> Option<[u8; LEN]> {
        self.iter()
            .filter(|option| option.kind == kind)
            .find_map(|option| <[u8; LEN]>::try_from(option.value).ok())
    }
}

impl<'a> IntoIterator for TcpOptions<'a> {
    type Item = TcpOption<'a>;
    type IntoIter = TcpOptionIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> Iterator for TcpOptionIter<'a> {
    type Item = TcpOption<'a>;

    #[inline]
    fn next(&mut self) -> Option<TcpOption<'a>> {
        loop {
            let (&kind, rest) = self.rest.split_first()?;
            match kind {
                kind::END => self.rest = &[],
                kind::NO_OPERATION => self.rest = rest,
                _ => return self.sized(kind, rest),
            }
        }
    }
}

impl<'a> TcpOptionIter<'a> {
    /// An option with a length, which counts kind and length too.
    #[inline]
    fn sized(&mut self, kind: u8, rest: &'a [u8]) -> Option<TcpOption<'a>> {
        let split = rest
            .split_first()
            .and_then(|(&len, rest)| rest.split_at_checked(usize::from(len).checked_sub(2)?));
        let Some((value, rest)) = split else {
            self.is_malformed = true;
            self.rest = &[];
            return None;
        };
        self.rest = rest;
        Some(TcpOption { kind, value })
    }
}
