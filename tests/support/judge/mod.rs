//! The kernel as judge: what TCP itself says of each retransmission and each round trip, held against tcpkit.
//!
//! [`truth`] records it inside the kernel, by small programs that [`probe`] writes with the offsets that [`btf`] finds;
//! [`counters`] has what the kernel counted anyway, which the record must come to. [`bed`] joins two namespaces by
//! cables that lose, delay, reorder and duplicate; [`workload`] is the traffic, [`scenario`] the two together.
//! [`observed`] is what the engine says of a capture frame by frame, [`verdict`] compares, [`score`] sums up.
//! All that is about the sender's end, where everything that was sent again passes. [`receiver`] and [`receiver_score`]
//! are about the other end; [`sockets`] holds what the kernel says of its sockets against the flow log.

mod assembly;
pub mod bed;
pub mod btf;
pub mod capture;
pub mod counters;
pub mod observed;
pub mod probe;
mod reached;
pub mod receiver;
pub mod receiver_score;
pub mod relay;
pub mod scenario;
pub mod score;
pub mod sockets;
pub mod tap;
pub mod truth;
pub mod verdict;
pub mod workload;
