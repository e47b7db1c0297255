//! Route netlink, as little as the live source needs: link events, and taking a classifier away again.

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
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const ETH_P_ALL: u16 = 3;
/// linux/pkt_sched.h: the root of both directions' classifiers.
const TC_H_CLSACT: u32 = 0xffff_fff1;
/// linux/pkt_sched.h: `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`.
pub(super) const PARENT_INGRESS: u32 = 0xffff_fff2;
/// linux/pkt_sched.h: `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)`.
pub(super) const PARENT_EGRESS: u32 = 0xffff_fff3;

/// What a link message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkMessage {
    /// The interface.
    pub(super) index: u32,
    /// `IFF_` flags.
    pub(super) flags: u32,
    /// The interface is no more.
    pub(super) gone: bool,
}

/// Calls `take` for each link message that waits; true when the kernel had to drop some.
pub(super) fn receive(socket: RawFd, mut take: impl FnMut(LinkMessage)) -> bool {
    let mut buffer = [0u8; 16_384];
    loop {
        // SAFETY: the buffer is ours and as long as said.
        let received = unsafe { libc::recv(socket, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        match usize::try_from(received) {
            Ok(0) => return false,
            Ok(len) => parse(&buffer[..len.min(buffer.len())], &mut take),
            Err(_) => match io::Error::last_os_error().raw_os_error() {
                Some(libc::ENOBUFS) => return true,
                Some(libc::EINTR) => {}
                _ => return false,
            },
        }
    }
}

/// Messages of one datagram: `struct nlmsghdr`, then `struct ifinfomsg`, then attributes that nobody here reads.
fn parse(mut bytes: &[u8], take: &mut impl FnMut(LinkMessage)) {
    while let (Some(len), Some(kind)) = (word(bytes, 0), half(bytes, 4)) {
        let len = len as usize;
        if len < 16 || len > bytes.len() {
            return;
        }
        let gone = kind == libc::RTM_DELLINK;
        if (gone || kind == libc::RTM_NEWLINK)
            && let (Some(index), Some(flags)) = (word(&bytes[..len], 20), word(&bytes[..len], 24))
        {
            take(LinkMessage { index, flags, gone });
        }
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
}

/// What the kernel says of a link's relations to others, in the namespace of the one who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LinkFacts {
    /// The bond, bridge or the like of which it is a part.
    pub(super) master: Option<u32>,
    /// The link that it belongs to in this same namespace: the other end of a veth, the interface below a VLAN.
    pub(super) peer: Option<u32>,
}

/// Asks for one link. Netlink answers for the namespace that the thread is in, whatever `/sys` shows.
pub(super) fn link_facts(index: u32) -> io::Result<LinkFacts> {
    let socket = open(0)?;
    if !LinkRequest::new(index).send(socket.as_raw_fd()) {
        return Err(io::Error::last_os_error());
    }
    let mut buffer = vec![0u8; 65_536];
    // SAFETY: the buffer is ours and as long as said; the kernel has answered before the request returned.
    let received = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    let len = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    parse_facts(buffer.get(..len).unwrap_or_default())
}

/// `struct nlmsghdr`, `struct ifinfomsg`, then attributes; or an error.
fn parse_facts(bytes: &[u8]) -> io::Result<LinkFacts> {
    match half(bytes, 4) {
        Some(libc::RTM_NEWLINK) => {}
        Some(kind) if i32::from(kind) == libc::NLMSG_ERROR => {
            let errno = word(bytes, 16).map_or(libc::EPROTO, |errno| errno.cast_signed().wrapping_neg());
            return Err(io::Error::from_raw_os_error(errno));
        }
        _ => return Err(io::Error::from_raw_os_error(libc::EPROTO)),
    }
    let len = word(bytes, 0).unwrap_or(0) as usize;
    let mut rest = bytes.get(ATTRIBUTES..len.min(bytes.len())).unwrap_or_default();
    let mut facts = LinkFacts::default();
    let mut elsewhere = false;
    while let (Some(len), Some(kind)) = (half(rest, 0), half(rest, 2)) {
        let len = usize::from(len);
        if len < 4 || len > rest.len() {
            break;
        }
        match kind {
            libc::IFLA_MASTER => facts.master = word(&rest[..len], 4).filter(|index| *index != 0),
            libc::IFLA_LINK => facts.peer = word(&rest[..len], 4).filter(|index| *index != 0),
            libc::IFLA_LINK_NETNSID => elsewhere = true,
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    if elsewhere {
        // The number means an interface of another namespace, and here perhaps a stranger.
        facts.peer = None;
    }
    Ok(facts)
}

/// A message header and `struct ifinfomsg` (linux/rtnetlink.h).
#[repr(C)]
struct LinkRequest {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    family: u8,
    padding: u8,
    hardware: u16,
    index: i32,
    link_flags: u32,
    change: u32,
}

impl LinkRequest {
    const fn new(index: u32) -> Self {
        Self {
            len: LINK_REQUEST_BYTES,
            kind: libc::RTM_GETLINK,
            flags: NLM_F_REQUEST,
            sequence: 1,
            port: 0,
            family: 0,
            padding: 0,
            hardware: 0,
            index: index.cast_signed(),
            link_flags: 0,
            change: 0,
        }
    }

    fn send(&self, socket: RawFd) -> bool {
        // SAFETY: plain integers without padding of the compiler's, alive through the call.
        unsafe {
            libc::send(socket, std::ptr::from_ref(self).cast(), size_of::<Self>(), libc::MSG_NOSIGNAL) > 0
        }
    }
}

/// Where the attributes of a link message begin, and where our request, which has none, ends.
const ATTRIBUTES: usize = 32;
const LINK_REQUEST_BYTES: u32 = 32;
const _: () = assert!(ATTRIBUTES == size_of::<LinkRequest>() && ATTRIBUTES == LINK_REQUEST_BYTES as usize);

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_message_ends_the_datagram() {
        let mut message = vec![0u8; 32];
        message[..4].copy_from_slice(&32u32.to_ne_bytes());
        message[4..6].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
        message[20..24].copy_from_slice(&7u32.to_ne_bytes());
        message[24..28].copy_from_slice(&1u32.to_ne_bytes());
        let mut seen = Vec::new();
        parse(&message, &mut |link| seen.push(link));
        assert_eq!(seen, [LinkMessage { index: 7, flags: 1, gone: false }]);
        for cut in 0..32 {
            parse(&message[..cut], &mut |link| panic!("{link:?} of {cut} bytes"));
        }
    }

    #[test]
    fn a_link_of_another_namespace_is_no_peer() {
        let mut message = vec![0u8; ATTRIBUTES];
        message[4..6].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
        let mut add = |kind: u16, value: u32| {
            message.extend(8u16.to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(value.to_ne_bytes());
            let len = u32::try_from(message.len()).unwrap();
            message[..4].copy_from_slice(&len.to_ne_bytes());
            message.clone()
        };
        add(libc::IFLA_MASTER, 3);
        let near = add(libc::IFLA_LINK, 9);
        let far = add(libc::IFLA_LINK_NETNSID, 0);
        assert_eq!(parse_facts(&near).unwrap(), LinkFacts { master: Some(3), peer: Some(9) });
        assert_eq!(parse_facts(&far).unwrap(), LinkFacts { master: Some(3), peer: None });
        for cut in 0..far.len() {
            // Never panics; what is there is read.
            drop(parse_facts(&far[..cut]));
        }
    }

    #[test]
    fn a_refusal_is_the_kernels_own() {
        assert_eq!(link_facts(1).unwrap(), LinkFacts::default());
        assert_eq!(link_facts(0x7fff_fff0).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
