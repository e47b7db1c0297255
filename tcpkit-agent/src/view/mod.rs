//! What the older tools showed, from our measurements.
//!
//! The contract: a view reads what `report` defines and nothing else; it renders text and never writes it.

mod clock;
pub mod doctor;
pub mod kit;
pub mod latency;
pub mod peek;
pub mod prof;
pub mod stat;
pub mod track;
