//! What the parts of listening promise, each by itself.

mod direction;
mod spent;
