//! What the kernel must allow, and giving it up again.

use std::io;

use caps::{CapSet, Capability, CapsHashSet};

use super::{LiveError, sys};

/// Capabilities that live eBPF capture needs and this process has not.
#[must_use]
pub fn missing() -> Vec<&'static str> {
    let held = caps::read(None, CapSet::Effective).unwrap_or_default();
    if held.contains(&Capability::CAP_SYS_ADMIN) && held.contains(&Capability::CAP_NET_ADMIN) {
        return Vec::new();
    }
    let needed: &[(Capability, &'static str)] = if sys::knows_capability(Capability::CAP_BPF.index()) {
        &[
            (Capability::CAP_BPF, "CAP_BPF"),
            (Capability::CAP_NET_ADMIN, "CAP_NET_ADMIN"),
            (Capability::CAP_PERFMON, "CAP_PERFMON"),
        ]
    } else {
        &[(Capability::CAP_SYS_ADMIN, "CAP_SYS_ADMIN"), (Capability::CAP_NET_ADMIN, "CAP_NET_ADMIN")]
    };
    needed.iter().filter(|(capability, _)| !held.contains(capability)).map(|(_, name)| *name).collect()
}

/// Whether this kernel has what capture is built on, and lets this process have it; found by trying.
///
/// # Errors
/// [`LiveError::Forbidden`] or [`LiveError::OldKernel`].
pub(super) fn try_bpf() -> Result<(), LiveError> {
    let smallest = u32::try_from(sys::page_size()).unwrap_or(4096);
    sys::create_ring(smallest).map(drop).map_err(refused)
}

fn refused(refusal: io::Error) -> LiveError {
    match refusal.raw_os_error() {
        // A type of map that the kernel does not know.
        Some(libc::EINVAL) => LiveError::OldKernel { kernel: sys::kernel(), refusal },
        _ => LiveError::Forbidden { refusal },
    }
}

/// Gives up every capability but those in `keep`, for the calling thread and all that it starts from now on.
///
/// To be called after [`super::LiveCapture::open`], before other threads are started.
///
/// # Errors
/// The kernel's refusal, in words.
pub fn keep_only(keep: &[Capability]) -> Result<(), String> {
    let permitted = caps::read(None, CapSet::Permitted).map_err(|error| error.to_string())?;
    let kept: CapsHashSet = permitted.intersection(&keep.iter().copied().collect()).copied().collect();
    let refused = |error: caps::errors::CapsError| format!("capabilities could not be given up: {error}");
    caps::clear(None, CapSet::Inheritable).map_err(refused)?;
    // Kernels before 4.3 have no ambient set, and nothing to give up there.
    let _ = caps::clear(None, CapSet::Ambient);
    caps::set(None, CapSet::Effective, &kept).map_err(refused)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(refused)
}
