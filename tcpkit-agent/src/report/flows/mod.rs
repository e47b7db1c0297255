//! Flows as they stand while a capture runs: rows, and what to ask for.
//!
//! A listing is put together while frames are analysed, so its rows are not of one instant: each is true within the
//! second or so that the listing took.

mod counted;
mod filter;
mod overlay;
mod query;
mod row;

pub use filter::{FilterMistake, FlowFacts, FlowFilter};
pub use query::{FlowCursor, FlowListing, FlowOrder, FlowQuery, Rank, ShardListing};
pub use row::{DirectionRow, FlowRow, FlowState, RoundTripNow, Throughput, endpoint, tuple};
