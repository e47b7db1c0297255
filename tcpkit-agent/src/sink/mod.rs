//! Where results go.

pub mod capture;
