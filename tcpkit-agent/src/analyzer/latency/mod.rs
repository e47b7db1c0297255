//! How long requests took, and where their time went.
//!
//! [`Conversations`] listens to the connections of a shard: each direction becomes a stream of octets, each heard once
//! (`direction`); what is spoken is known by port or recognised (`recognition`); a dialogue of `protocol` tells
//! requests with their answers; what the stream engine tells of losses and shut windows (`trouble`) says where their
//! time went (`spent`). [`RequestAnalyzer`] sums them up.
//! Nothing is allocated for a request; a connection that nobody listens to costs one look at a number.

mod analyzer;
mod calm;
mod conversation;
mod conversations;
mod counts;
mod datagrams;
mod direction;
mod finishing;
mod measured;
mod outlet;
mod recognition;
mod rows;
mod settings;
mod settling;
mod sizes;
mod spent;
mod sums;
mod trouble;

pub use analyzer::{Command, RequestAnalyzer, SpokenAt};
pub use conversations::{Conversations, TakenSegment};
pub use counts::RequestCounts;
pub use datagrams::DatagramArrival;
pub use measured::MeasuredRequest;
pub use outlet::{Outlet, RequestsTold};
pub use settings::{RequestLimits, RequestSettings};
pub use spent::{Blame, Spent};
pub use sums::{BUCKET_BOUNDS_US, BUCKETS, PortSum, RequestSum};
pub use trouble::DelayCause;

#[cfg(test)]
mod tests;
