//! Waiting for a file descriptor, so that whoever reads from a pipe or a device can still be told to stop.

use std::{os::fd::AsRawFd, time::Duration};

/// Sleeps until the descriptor has something to read or has ended; false when the time is over or a signal came.
pub(super) fn is_readable(descriptor: &impl AsRawFd, wait: Duration) -> bool {
    let mut descriptor = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let milliseconds = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer is to one `pollfd` that lives through the call; the descriptor is borrowed, so it is open.
    let ready = unsafe { libc::poll(&raw mut descriptor, 1, milliseconds) };
    ready > 0
}
