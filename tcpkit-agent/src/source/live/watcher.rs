//! A small process that takes our classifiers off an interface when the agent is gone, however it went.
//!
//! A clsact filter, other than a bpf link, stays when its maker dies. The watcher is a forked child that holds the
//! reading end of a pipe: the pipe ends with the agent, and then the child sends the requests that were made ready
//! before it was forked, and exits. After the fork it makes only calls that are safe between fork and exec.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use super::netlink::{self, TcRequest};

/// The agent's end; dropping it has the watcher remove the classifiers, and waits for that.
#[derive(Debug)]
pub(super) struct Watcher {
    pipe: Option<OwnedFd>,
    child: libc::pid_t,
}

impl Watcher {
    /// Starts one that will delete this filter, and then the clsact of interface `qdisc` unless others use it.
    pub(super) fn start(filter: TcRequest, qdisc: Option<u32>) -> io::Result<Self> {
        let socket = netlink::open(0)?;
        let (reading, writing) = pipe()?;
        // SAFETY: the child calls `guard` only, which is async-signal-safe and never returns.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => guard(filter, qdisc, reading.as_raw_fd(), socket.as_raw_fd()),
            child => Ok(Self { pipe: Some(writing), child }),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.pipe = None;
        // SAFETY: our own child; it ends as soon as it sees the end of the pipe.
        unsafe { libc::waitpid(self.child, std::ptr::null_mut(), 0) };
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: room for two descriptors, which are ours when the call succeeds.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// The child's whole life.
fn guard(filter: TcRequest, qdisc: Option<u32>, pipe: RawFd, socket: RawFd) -> ! {
    // SAFETY: only calls that are async-signal-safe; no allocation, no lock, no return.
    unsafe {
        // Out of the terminal's reach: Ctrl-C must end the agent first.
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"tcpkit-watch".as_ptr());
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE] {
            libc::signal(signal, libc::SIG_IGN);
        }
        // The agent's links, rings and output must not live on in here; nor its end of the pipe.
        close_all_but(pipe, socket);
        // Nobody ever writes: the call returns at the end of the pipe, or when a signal interrupts it.
        let mut byte = 0u8;
        while libc::read(pipe, (&raw mut byte).cast(), 1) < 0 && *libc::__errno_location() == libc::EINTR {}
        filter.send(socket);
        if let Some(index) = qdisc
            && !netlink::has_filters(socket, index)
        {
            TcRequest::delete_clsact(index).send(socket);
        }
        libc::_exit(0)
    }
}

/// # Safety
/// The caller uses no other descriptor afterwards.
unsafe fn close_all_but(one: RawFd, other: RawFd) {
    let (low, high) = if one < other { (one, other) } else { (other, one) };
    for (first, last) in [(0, low - 1), (low + 1, high - 1), (high + 1, RawFd::MAX)] {
        if first > last {
            continue;
        }
        // SAFETY: closing is what the caller allows; kernels before 5.9 have no close_range.
        unsafe {
            if libc::syscall(libc::SYS_close_range, first, last, 0) != 0 {
                for fd in first..=last.min(MOST_DESCRIPTORS) {
                    libc::close(fd);
                }
            }
        }
    }
}

/// As many as are closed one by one where `close_range` is missing.
const MOST_DESCRIPTORS: RawFd = 65_536;
