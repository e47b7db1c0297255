//! A bpf link of our own: a program on an interface for as long as this lives, and another one in its place.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya_obj::generated::{bpf_attach_type, bpf_cmd};
use tcpkit_common::record::Hook;

use super::sys;

/// A program on an interface; dropping it takes the program off.
#[derive(Debug)]
pub(super) struct BpfLink(OwnedFd);

impl BpfLink {
    /// Puts a program on the interface with this number: native XDP, or TCX before everybody else's programs, so that
    /// none of them hides frames from the count.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub(super) fn attach(program: BorrowedFd<'_>, index: u32, hook: Hook) -> io::Result<Self> {
        /// The fields of `union bpf_attr` for `BPF_LINK_CREATE` (linux/bpf.h) that these hooks need.
        #[repr(C)]
        struct LinkCreate {
            program: u32,
            target_index: u32,
            attach_type: u32,
            flags: u32,
            relative: u32,
            padding: u32,
            expected_revision: u64,
        }
        let (attach_type, flags) = match hook {
            Hook::XdpIngress => (bpf_attach_type::BPF_XDP, XDP_FLAGS_DRV_MODE),
            Hook::TcIngress => (bpf_attach_type::BPF_TCX_INGRESS, BPF_F_BEFORE),
            Hook::TcEgress => (bpf_attach_type::BPF_TCX_EGRESS, BPF_F_BEFORE),
        };
        let attributes = LinkCreate {
            program: program.as_raw_fd().cast_unsigned(),
            target_index: index,
            attach_type: attach_type as u32,
            flags,
            relative: 0,
            padding: 0,
            expected_revision: 0,
        };
        let fd = sys::bpf(bpf_cmd::BPF_LINK_CREATE as u32, &attributes)?;
        // SAFETY: the kernel has just given us this descriptor.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Puts another program in the place of the one that runs: each frame meets the one or the other.
    ///
    /// # Errors
    /// The kernel's refusal; the old program then stays.
    pub(super) fn replace(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        /// The fields of `union bpf_attr` for `BPF_LINK_UPDATE` (linux/bpf.h).
        #[repr(C)]
        struct LinkUpdate {
            link: u32,
            program: u32,
            flags: u32,
            old_program: u32,
        }
        let attributes = LinkUpdate {
            link: self.0.as_raw_fd().cast_unsigned(),
            program: program.as_raw_fd().cast_unsigned(),
            flags: 0,
            old_program: 0,
        };
        sys::bpf(bpf_cmd::BPF_LINK_UPDATE as u32, &attributes).map(drop)
    }
}

/// linux/if_link.h: in the driver, before the kernel has a buffer for the frame.
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// linux/bpf.h: before others; without one that is named, before all.
const BPF_F_BEFORE: u32 = 1 << 3;
