//! Bytes of a frame to what they say; never panics, never allocates, for any bytes.
//!
//! The contract of every parser in here:
//! - Lengths come from headers, bytes from what was captured. A frame cut by the snap length is *truncated*, not
//!   malformed; a header that contradicts itself or the frame's own length is *malformed*.
//! - A value that parsed is valid: accessors cannot fail.
//! - Checksums are not verified: offload makes outgoing ones look bad.

pub mod frame;
pub mod packet;
pub mod segment;

pub use frame::{Frame, FrameDirection, InterfaceId, LinkType};
pub use packet::{
    Cause, Datagram, FragmentInfo, IcmpError, IpVersion, Layer, Outer, Packet, ParseError, Parsed, Transport,
    Unanalyzed,
};
pub use segment::{Segment, SeqNumber, TcpFlags, TcpOptions};

/// How frames are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    /// Look into tunnels and analyse the inner packet.
    pub decapsulate: bool,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { decapsulate: true }
    }
}
