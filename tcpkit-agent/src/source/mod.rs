//! Where frames come from.

pub mod block;
pub mod counts;
pub mod error;
pub mod file;
pub mod heads;
mod input;
pub mod interface;
mod libpcap;
pub mod live;
pub mod merge;
pub mod pcap_live;
mod poll;
#[cfg(test)]
pub(crate) mod testing;

pub use block::{Block, Dropped, FrameDescriptor};
pub use counts::SourceCounts;
pub use error::{SourceError, SourceErrorKind};
pub(crate) use file::{Flat, Shape};
pub use file::{FlowTimers, Progress, Reader};
pub use heads::{Head, Heads, HeadsError};
pub use interface::{Interface, InterfaceTable};
pub use merge::Merge;
pub use pcap_live::{LiveOptions, LiveStatistics, PcapBreaker, PcapLive};
