//! Stories of flows.
