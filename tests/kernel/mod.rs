//! The kernel side and the live source, on this kernel.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod agree;
mod filter;
mod frames;
mod links;
mod live;
mod log;
mod long_filter;
mod namespaces;
mod overload;
mod parse;
mod passing;
mod programs;
mod vlan;

use aya::programs::{SchedClassifier, TcAttachType};

/// Programs that TCX runs on an interface of the namespace that the thread is in.
fn classifiers(interface: &str, direction: TcAttachType) -> usize {
    SchedClassifier::query_tcx(interface, direction).unwrap().1.len()
}

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
