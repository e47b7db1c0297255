//! The filter against libpcap: thousands of expressions over real and random frames.

mod capture;
mod classic;
mod differential;
mod generator;
mod kernel;
mod long;
mod matcher;
mod place;
