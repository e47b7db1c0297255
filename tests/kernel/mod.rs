//! The kernel side and the live source, on this kernel.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod agree;
pub(crate) mod filter;
pub(crate) mod flows;
mod frames;
mod links;
pub(crate) mod live;
mod log;
mod long_filter;
mod namespaces;
mod overload;
mod parse;
mod passing;
pub(crate) mod programs;
pub(crate) mod refilter;
mod vlan;

use tcpkit_tests::attached::classifiers;

/// Waits for something that another process does.
fn wait_until(mut ready: impl FnMut() -> bool) {
    for _ in 0..1_500 {
        if ready() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("not ready after half a minute");
}
