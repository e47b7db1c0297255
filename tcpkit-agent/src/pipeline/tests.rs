//! Stories of shards.
