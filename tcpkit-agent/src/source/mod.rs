//! Where frames come from.

pub mod block;
pub mod interface;
pub mod live;

pub use block::{Block, FrameDescriptor};
pub use interface::{Interface, InterfaceTable};
