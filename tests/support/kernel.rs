//! The version of the running kernel, for what differs between kernels without a way to ask for it.

use std::fs;

/// Whether the kernel is this one or newer, by major and minor version.
///
/// # Panics
/// If it does not tell its release, which every Linux does.
#[must_use]
pub fn is_at_least(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel tells its release");
    let mut numbers = release.split(['.', '-']).map_while(|number| number.trim().parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
}
