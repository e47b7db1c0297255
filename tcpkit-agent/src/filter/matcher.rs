//! Filters frames of files and of libpcap captures, with libpcap's own interpreter; the commonest frames by what its
//! program comes to for them.
//!
//! Unless strict, an ICMP error that does not match by itself is tried as the packet that it quotes, and a later
//! fragment matches when the first one of its datagram did: a port filter does not blind the analyzers. The kernel
//! follows the same rules. Nothing is allocated per frame once the buffers have grown to the largest quotation.

use super::{
    classic::{self, FilterError, Program, SNAPLEN},
    fragments::MatchedDatagrams,
    headers::{self, Kind},
    libpcap::{self, Executable},
    operation::decode,
    plain::{self, PlainFilter},
};
use crate::wire::{Frame, FrameDirection, LinkType};

/// An expression that frames are asked for, of whatever link types turn up.
#[derive(Debug)]
pub struct Matcher {
    expression: String,
    is_empty: bool,
    strict: bool,
    compiled: Vec<(LinkType, Result<Filters, FilterError>)>,
    /// Where in `compiled` the last frame's link type stands.
    last: usize,
    fragments: MatchedDatagrams,
    quotation: Vec<u8>,
}

impl Matcher {
    /// An expression to filter by; an empty one matches every frame.
    ///
    /// # Errors
    /// libpcap accepts it for none of the usual link types: its message for Ethernet.
    pub fn new(expression: &str, strict: bool) -> Result<Self, FilterError> {
        let mut matcher = Self {
            expression: expression.to_owned(),
            is_empty: expression.trim().is_empty(),
            strict,
            compiled: Vec::new(),
            last: 0,
            fragments: MatchedDatagrams::new(),
            quotation: Vec::new(),
        };
        if matcher.is_empty() {
            return Ok(matcher);
        }
        let first = matcher.filters(LinkType::ETHERNET);
        let Some(error) = matcher.compiled[first].1.as_ref().err().cloned() else { return Ok(matcher) };
        if error.is_for_every_link_type() {
            return Err(error);
        }
        // `wlan` and the like mean nothing on Ethernet, and the frames may be of another kind.
        let other = OTHER_LINK_TYPES.iter().any(|link_type| {
            let index = matcher.filters(LinkType(*link_type));
            matcher.compiled[index].1.is_ok()
        });
        if other { Ok(matcher) } else { Err(error) }
    }

    /// Whether every frame matches.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether the frame is wanted.
    ///
    /// # Errors
    /// libpcap cannot compile the expression for the frame's link type (the same answer for every such frame), or it
    /// asks for a direction that the frame does not have.
    #[inline]
    pub fn matches(&mut self, frame: &Frame<'_>) -> Result<bool, FilterError> {
        if self.is_empty() {
            return Ok(true);
        }
        // Such a frame is no fragment, and quotes nothing.
        if let Some((LinkType::ETHERNET, Ok(Filters { plain: Some(filter), .. }))) = self.compiled.first()
            && let Some(headers) = plain::headers(frame)
        {
            return Ok(filter.accepts(headers));
        }
        self.matches_any(frame)
    }

    #[inline(never)]
    fn matches_any(&mut self, frame: &Frame<'_>) -> Result<bool, FilterError> {
        self.last = self.filters(frame.link_type);
        let filters = match &self.compiled[self.last].1 {
            Ok(filters) => filters,
            Err(error) => return Err(error.clone()),
        };
        let filter = filters.for_direction(frame.direction)?;
        let matched = filter.accepts(frame.bytes, frame.frame_len);
        if self.strict {
            return Ok(matched);
        }
        match headers::kind(frame.link_type, frame.bytes) {
            Some(Kind::FirstFragment(datagram)) => {
                self.fragments.on_first(&datagram, matched);
                Ok(matched)
            }
            Some(Kind::LaterFragment(datagram)) => Ok(matched || self.fragments.contains(&datagram)),
            Some(Kind::Error { link_len, quoted }) if !matched => {
                Ok(quotation_matches(filter, frame, link_len, quoted, &mut self.quotation))
            }
            _ => Ok(matched),
        }
    }

    /// Index of the filters for a link type, compiled at its first frame.
    fn filters(&mut self, link_type: LinkType) -> usize {
        if self.compiled.get(self.last).is_some_and(|(known, _)| *known == link_type) {
            return self.last;
        }
        if let Some(index) = self.compiled.iter().position(|(known, _)| *known == link_type) {
            return index;
        }
        let filters = Filters::new(&self.expression, link_type);
        self.compiled.push((link_type, filters));
        self.compiled.len() - 1
    }
}

/// Tries the packet that an ICMP error quotes, behind the error's own link header.
fn quotation_matches(
    filter: &Executable,
    frame: &Frame<'_>,
    link_len: usize,
    quoted: usize,
    buffer: &mut Vec<u8>,
) -> bool {
    let (Some(link), Some(packet)) = (frame.bytes.get(..link_len), frame.bytes.get(quoted..)) else {
        return false;
    };
    let packet = packet.get(..MAX_QUOTE_LEN).unwrap_or(packet);
    if packet.is_empty() {
        return false;
    }
    buffer.clear();
    buffer.extend_from_slice(link);
    buffer.extend_from_slice(packet);
    let left_out = u32::try_from(quoted - link_len).unwrap_or(u32::MAX);
    let most = u32::try_from(link_len + MAX_QUOTE_LEN).unwrap_or(u32::MAX);
    filter.accepts(buffer, frame.frame_len.saturating_sub(left_out).min(most))
}

/// The expression for one link type: one program for all frames, or two where the direction is asked for.
#[derive(Debug)]
struct Filters {
    inbound: Executable,
    outbound: Option<Executable>,
    /// The same for the commonest frames, where it asks no more of them than their headers.
    plain: Option<PlainFilter>,
}

impl Filters {
    fn new(expression: &str, link_type: LinkType) -> Result<Self, FilterError> {
        let program = classic::compile(expression, link_type, SNAPLEN)?;
        let inbound = executable(&program, expression, FrameDirection::Inbound)?;
        let outbound = match program.asks_direction() {
            true => Some(executable(&program, expression, FrameDirection::Outbound)?),
            false => None,
        };
        let is_ethernet = link_type == LinkType::ETHERNET;
        let operations = is_ethernet.then(|| decode(&program.instructions).ok()).flatten();
        let plain = operations.and_then(|operations| PlainFilter::of(&operations));
        Ok(Self { inbound, outbound, plain })
    }

    fn for_direction(&self, direction: FrameDirection) -> Result<&Executable, FilterError> {
        match (&self.outbound, direction) {
            (None, _) | (Some(_), FrameDirection::Inbound) => Ok(&self.inbound),
            (Some(outbound), FrameDirection::Outbound) => Ok(outbound),
            (Some(_), FrameDirection::Unknown) => Err(FilterError::Direction),
        }
    }
}

fn executable(
    program: &Program,
    expression: &str,
    direction: FrameDirection,
) -> Result<Executable, FilterError> {
    program.executable(direction).ok_or_else(|| FilterError::LinkType {
        link_type: libpcap::link_type_name(program.link_type),
        expression: expression.to_owned(),
        message: "libpcap's own check refuses the program that it compiled".to_owned(),
    })
}

/// Octets of a quote that a filter can see, as in the kernel: RFC 4443 §2.4 has errors end at 1,280.
const MAX_QUOTE_LEN: usize = 1_280;

/// Link types for which an expression may make sense when it does not for Ethernet: raw IP, Linux cooked, IEEE 802.11
/// with radiotap and without, PPP, loopback, PF log.
const OTHER_LINK_TYPES: [u16; 8] = [101, 113, 127, 105, 9, 0, 117, 276];
