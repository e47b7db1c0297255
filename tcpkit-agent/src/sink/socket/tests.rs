//! The socket against real clients.
