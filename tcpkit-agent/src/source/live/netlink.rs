//! Route netlink, as little as the live source needs: sockets, and taking a classifier away again.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

use super::sys;

/// A netlink route socket that listens to these groups and never blocks.
pub(super) fn open(groups: u32) -> io::Result<OwnedFd> {
    let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_NONBLOCK, libc::NETLINK_ROUTE)?;
    // SAFETY: an all-zero address is a valid one.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = u16::try_from(libc::AF_NETLINK).map_err(io::Error::other)?;
    address.nl_groups = groups;
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).map_err(io::Error::other)?;
    // SAFETY: address and length belong together.
    if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket)
}

/// `struct tcmsg` (linux/rtnetlink.h) behind its message header.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct TcRequest {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    family: u8,
    padding: [u8; 3],
    index: i32,
    handle: u32,
    parent: u32,
    info: u32,
}

impl TcRequest {
    /// Deletes one filter.
    pub(super) const fn delete_filter(index: u32, parent: u32, priority: u16, handle: u32) -> Self {
        // In network order, in the lower half of `tcm_info`.
        let protocol = ETH_P_ALL.to_be() as u32;
        Self::new(libc::RTM_DELTFILTER, index, handle, parent, (priority as u32) << 16 | protocol)
    }

    /// Deletes the clsact queueing discipline and all that hangs on it.
    pub(super) const fn delete_clsact(index: u32) -> Self {
        Self::new(libc::RTM_DELQDISC, index, TC_H_CLSACT & 0xffff_0000, TC_H_CLSACT, 0)
    }

    /// Asks for the filters of one direction.
    const fn list_filters(index: u32, parent: u32) -> Self {
        let mut request = Self::new(libc::RTM_GETTFILTER, index, 0, parent, 0);
        request.flags |= NLM_F_DUMP;
        request
    }

    const fn new(kind: u16, index: u32, handle: u32, parent: u32, info: u32) -> Self {
        Self {
            len: TC_REQUEST_BYTES,
            kind,
            flags: NLM_F_REQUEST,
            sequence: 1,
            port: 0,
            family: 0,
            padding: [0; 3],
            index: index.cast_signed(),
            handle,
            parent,
            info,
        }
    }

    /// Sends it. Async-signal-safe, so that a forked child may call it.
    pub(super) fn send(&self, socket: RawFd) -> bool {
        // SAFETY: plain integers without padding, alive through the call.
        unsafe {
            libc::send(socket, std::ptr::from_ref(self).cast(), size_of::<Self>(), libc::MSG_NOSIGNAL) > 0
        }
    }
}

/// Whether a classifier, anyone's, hangs on this interface. Async-signal-safe; in doubt, yes.
pub(super) fn has_filters(socket: RawFd, index: u32) -> bool {
    [PARENT_INGRESS, PARENT_EGRESS]
        .iter()
        .any(|parent| !TcRequest::list_filters(index, *parent).send(socket) || answer_has_filter(socket))
}

/// Reads one dump to its end.
fn answer_has_filter(socket: RawFd) -> bool {
    let mut buffer = [0u8; 16_384];
    let mut found = false;
    loop {
        // SAFETY: the buffer is ours and as long as said.
        let received = unsafe { libc::recv(socket, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        let Ok(len) = usize::try_from(received) else { return true };
        let mut bytes = buffer.get(..len).unwrap_or_default();
        while let (Some(len), Some(kind)) = (word(bytes, 0), half(bytes, 4)) {
            if i32::from(kind) == libc::NLMSG_DONE {
                return found;
            }
            found |= kind == libc::RTM_NEWTFILTER;
            if len < 16 {
                return true;
            }
            bytes = bytes.get((len as usize).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// Octets of a message header and a `struct tcmsg`.
const TC_REQUEST_BYTES: u32 = 36;
const _: () = assert!(TC_REQUEST_BYTES as usize == size_of::<TcRequest>());
/// linux/netlink.h and linux/if_ether.h, in the width of their fields.
pub(super) const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const ETH_P_ALL: u16 = 3;
/// linux/pkt_sched.h: the root of both directions' classifiers.
const TC_H_CLSACT: u32 = 0xffff_fff1;
/// linux/pkt_sched.h: `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`.
pub(super) const PARENT_INGRESS: u32 = 0xffff_fff2;
/// linux/pkt_sched.h: `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)`.
pub(super) const PARENT_EGRESS: u32 = 0xffff_fff3;

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}
