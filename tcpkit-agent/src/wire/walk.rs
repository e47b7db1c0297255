//! What is carried along from header to header: how to read, what was seen, how deep we are.

use super::ParseOptions;
use super::frame::FrameDirection;
use super::ip::protocol;
use super::octets::Stop;
use super::packet::{IpVersion, Outer, Transport, Unanalyzed};

/// Headers within each other, beyond which a frame is left alone. Real stacks of tags, labels and tunnels have
/// a dozen; the limit bounds the work that a hostile frame can cause.
const MAX_HEADERS: u8 = 32;

/// One walk down the headers of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// How to read.
    pub(super) options: ParseOptions,
    /// What the outermost IP packet turned out to be.
    pub(super) outer: Outer,
    headers: u8,
}

impl Walk {
    /// At the first header of a frame.
    #[inline(always)]
    pub(super) const fn new(options: ParseOptions, outer: Outer) -> Self {
        Self { options, outer, headers: 0 }
    }

    /// One more tag, label, extension header or tunnel.
    #[inline(always)]
    pub(super) const fn descend(&mut self) -> Result<(), Stop> {
        if self.headers >= MAX_HEADERS {
            return Err(Stop::Unanalyzed(Unanalyzed::TooDeep));
        }
        self.headers += 1;
        Ok(())
    }

    /// What follows is carried by a tunnel.
    pub(super) const fn enter_tunnel(&mut self) -> Result<(), Stop> {
        self.outer.tunnelled = true;
        self.descend()
    }

    /// An IP packet of this version begins so many octets behind the frame's start.
    #[inline(always)]
    pub(super) const fn on_ip(&mut self, version: IpVersion, offset: u32) {
        if !self.outer.tunnelled {
            self.outer.version = Some(version);
            self.outer.ip_offset = Some(offset);
        }
    }

    /// The IP packet carries this protocol.
    #[inline(always)]
    pub(super) const fn on_protocol(&mut self, number: u8) {
        if !self.outer.tunnelled {
            self.outer.transport = match number {
                protocol::TCP => Transport::Tcp,
                protocol::UDP => Transport::Udp,
                protocol::ICMP | protocol::ICMPV6 => Transport::Icmp,
                _ => Transport::Other,
            };
        }
    }

    /// The link header says which way the frame went; what the source knows goes first.
    pub(super) fn on_direction(&mut self, direction: FrameDirection) {
        if self.outer.direction == FrameDirection::Unknown {
            self.outer.direction = direction;
        }
    }
}
