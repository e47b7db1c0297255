//! SIGUSR1, and what ends a live run.

use std::{
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// SIGUSR1 came since somebody looked.
static REQUESTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_request(_signal: libc::c_int) {
    REQUESTED.store(true, Ordering::Relaxed);
}

/// From now on SIGUSR1 ends no run that reads a file.
pub(super) fn notice_requests() {
    // SAFETY: the handler only stores a flag, which a signal handler may.
    unsafe { libc::signal(libc::SIGUSR1, on_request as *const () as libc::sighandler_t) };
}

/// Whether SIGUSR1 came.
#[inline]
pub(super) fn was_requested() -> bool {
    REQUESTED.load(Ordering::Relaxed) && REQUESTED.swap(false, Ordering::Relaxed)
}

/// What a signal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Told {
    /// SIGUSR1: print now.
    Print,
    /// End.
    End,
}

/// Waits for signals, which otherwise wait themselves: none is missed between two looks.
#[derive(Debug)]
pub(in crate::agent) struct Waiter(libc::sigset_t);

impl Waiter {
    /// Threads and processes that are started later inherit that these signals wait.
    pub(in crate::agent) fn new() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: the set is filled before it is read; the mask of this thread is ours to change.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            let mut set = set.assume_init();
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1] {
                libc::sigaddset(&raw mut set, signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
            Self(set)
        }
    }

    /// The next signal, waited for at most so long.
    pub(in crate::agent) fn wait(&self, limit: Duration) -> Option<Told> {
        let limit = limit.min(Duration::from_secs(3_600));
        let time = libc::timespec {
            tv_sec: limit.as_secs().cast_signed(),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        // SAFETY: set and time are initialised and live during the call.
        let signal = unsafe { libc::sigtimedwait(&raw const self.0, ptr::null_mut(), &raw const time) };
        match signal {
            libc::SIGUSR1 => Some(Told::Print),
            -1 => None,
            _ => Some(Told::End),
        }
    }
}
