//! What route netlink says of links: their names, states and relations, when asked and when they change.
//!
//! Netlink answers for the namespace in which its socket was opened, whatever `/sys` shows.

use std::{
    io,
    os::fd::{AsRawFd as _, RawFd},
};

use super::netlink::{self, NLM_F_REQUEST, half, word};

/// What a link message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LinkMessage {
    /// The interface.
    pub(super) index: u32,
    /// `IFF_` flags.
    pub(super) flags: u32,
    /// Whether the interface is no more, and where it went.
    pub(super) departure: Option<Departure>,
    /// What else stands in the message.
    pub(super) facts: LinkFacts,
}

/// How an interface left its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    /// It was deleted.
    Deleted,
    /// It went to another network namespace.
    Moved,
}

/// What the kernel says of a link and of its relations to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LinkFacts {
    /// Its name.
    pub(super) name: String,
    /// The bond, bridge or the like of which it is a part.
    pub(super) master: Option<u32>,
    /// That master spreads its own frames over its parts, as a bond does and a bridge does not.
    pub(super) is_spread: bool,
    /// The link that it belongs to in this same namespace: the other end of a veth, the interface below a VLAN.
    pub(super) peer: Option<u32>,
    /// It has frames of its own on an interface below, as a VLAN or a macvlan has.
    pub(super) is_upper: bool,
    /// It is a bond or the like: its frames are those of its parts.
    pub(super) spreads: bool,
}

/// Calls `take` for each link message that waits; true when some were lost.
pub(super) fn receive(socket: RawFd, mut take: impl FnMut(LinkMessage)) -> bool {
    let mut buffer = [0u8; 16_384];
    let mut lost = false;
    loop {
        // SAFETY: the buffer is ours and as long as said.
        let received =
            unsafe { libc::recv(socket, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_TRUNC) };
        match usize::try_from(received) {
            Ok(0) => return lost,
            Ok(len) => {
                lost |= len > buffer.len();
                parse(&buffer[..len.min(buffer.len())], &mut take);
            }
            Err(_) => match io::Error::last_os_error().raw_os_error() {
                Some(libc::ENOBUFS) => lost = true,
                Some(libc::EINTR) => {}
                _ => return lost,
            },
        }
    }
}

/// Asks for one link.
pub(super) fn ask(index: u32) -> io::Result<LinkMessage> {
    let socket = netlink::open(0)?;
    if !LinkRequest::new(index).send(socket.as_raw_fd()) {
        return Err(io::Error::last_os_error());
    }
    let mut buffer = vec![0u8; 65_536];
    // SAFETY: the buffer is ours and as long as said; the kernel has answered before the request returned.
    let received = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    let len = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    answer(buffer.get(..len).unwrap_or_default())
}

/// A link, or the kernel's refusal.
fn answer(bytes: &[u8]) -> io::Result<LinkMessage> {
    if half(bytes, 4).map(i32::from) == Some(libc::NLMSG_ERROR) {
        let errno = word(bytes, 16).map_or(libc::EPROTO, |errno| errno.cast_signed().wrapping_neg());
        return Err(io::Error::from_raw_os_error(errno));
    }
    let mut found = None;
    parse(bytes, &mut |message| found = Some(message));
    found.filter(|found| found.departure.is_none()).ok_or_else(|| io::Error::from_raw_os_error(libc::EPROTO))
}

/// Messages of one datagram: `struct nlmsghdr`, then `struct ifinfomsg`, then attributes.
///
/// Messages of another family than `AF_UNSPEC` are about a link's part in something (a bridge tells of its ports so,
/// and calls it `RTM_DELLINK` when one leaves), not about the link.
fn parse(mut bytes: &[u8], take: &mut impl FnMut(LinkMessage)) {
    while let (Some(len), Some(kind)) = (word(bytes, 0), half(bytes, 4)) {
        let len = len as usize;
        if len < 16 || len > bytes.len() {
            return;
        }
        let message = &bytes[..len];
        let is_gone = kind == libc::RTM_DELLINK;
        let is_about_link = (is_gone || kind == libc::RTM_NEWLINK) && message.get(16) == Some(&0);
        if is_about_link && let (Some(index), Some(flags)) = (word(message, 20), word(message, 24)) {
            let attributes = message.get(ATTRIBUTES..).unwrap_or_default();
            let (facts, is_moved) = facts(attributes);
            let departure = is_gone.then_some(if is_moved { Departure::Moved } else { Departure::Deleted });
            take(LinkMessage { index, flags, departure, facts });
        }
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
}

/// The attributes that somebody here reads, and whether they say that the link is in another namespace now.
fn facts(bytes: &[u8]) -> (LinkFacts, bool) {
    let mut facts = LinkFacts::default();
    let mut is_elsewhere = false;
    let mut is_moved = false;
    let number = |value: &[u8]| word(value, 0).filter(|index| *index != 0);
    each_attribute(bytes, &mut |kind, value| match kind {
        libc::IFLA_IFNAME => facts.name = text(value),
        libc::IFLA_MASTER => facts.master = number(value),
        libc::IFLA_LINK => facts.peer = number(value),
        libc::IFLA_LINK_NETNSID => is_elsewhere = true,
        libc::IFLA_NEW_NETNSID => is_moved = true,
        libc::IFLA_LINKINFO => each_attribute(value, &mut |kind, value| match kind {
            libc::IFLA_INFO_KIND => {
                facts.spreads = SPREADING.contains(&text(value).as_str());
                facts.is_upper = UPPERS.contains(&text(value).as_str());
            }
            libc::IFLA_INFO_SLAVE_KIND => facts.is_spread = SPREADING.contains(&text(value).as_str()),
            _ => {}
        }),
        _ => {}
    });
    if is_elsewhere {
        // The number means an interface of another namespace, and here perhaps a stranger.
        facts.peer = None;
    }
    (facts, is_moved)
}

/// Calls `take` with kind and value of each attribute (`struct nlattr`, linux/netlink.h).
fn each_attribute(mut bytes: &[u8], take: &mut dyn FnMut(u16, &[u8])) {
    /// `NLA_TYPE_MASK`: above it are flags.
    const KIND: u16 = 0x3fff;
    while let (Some(len), Some(kind)) = (half(bytes, 0), half(bytes, 2)) {
        let len = usize::from(len);
        if len < 4 || len > bytes.len() {
            return;
        }
        take(kind & KIND, &bytes[4..len]);
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
}

/// A string that ends with a zero.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// Drivers whose interfaces spread their frames over others (`rtnl_link_ops.kind`).
const SPREADING: [&str; 2] = ["bond", "team"];

/// Drivers whose interfaces have frames of their own on the one below.
const UPPERS: [&str; 5] = ["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"];

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

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of this kind and family about interface 7, with these attributes.
    fn message(kind: u16, family: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0u8; ATTRIBUTES];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[16] = family;
        bytes[20..24].copy_from_slice(&7u32.to_ne_bytes());
        bytes[24..28].copy_from_slice(&1u32.to_ne_bytes());
        attributes.iter().for_each(|(kind, value)| bytes.extend(attribute(*kind, value)));
        let len = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&len.to_ne_bytes());
        bytes
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn all(bytes: &[u8]) -> Vec<LinkMessage> {
        let mut seen = Vec::new();
        parse(bytes, &mut |link| seen.push(link));
        seen
    }

    #[test]
    fn a_cut_message_ends_the_datagram() {
        let bytes = message(libc::RTM_NEWLINK, 0, &[(libc::IFLA_IFNAME, b"eth0\0")]);
        let facts = LinkFacts { name: "eth0".into(), ..LinkFacts::default() };
        assert_eq!(all(&bytes), [LinkMessage { index: 7, flags: 1, departure: None, facts }]);
        for cut in 0..bytes.len() {
            assert_eq!(all(&bytes[..cut]), []);
        }
    }

    #[test]
    fn a_port_that_leaves_its_bridge_is_not_gone() {
        let bridge = u8::try_from(libc::AF_BRIDGE).unwrap();
        assert_eq!(all(&message(libc::RTM_DELLINK, bridge, &[])), []);
        let gone = all(&message(libc::RTM_DELLINK, 0, &[]));
        assert_eq!(gone[0].departure, Some(Departure::Deleted));
        let moved = all(&message(libc::RTM_DELLINK, 0, &[(libc::IFLA_NEW_NETNSID, &3u32.to_ne_bytes())]));
        assert_eq!(moved[0].departure, Some(Departure::Moved));
    }

    #[test]
    fn a_link_of_another_namespace_is_no_peer() {
        let (master, link) = (3u32.to_ne_bytes(), 9u32.to_ne_bytes());
        let near = [(libc::IFLA_MASTER, &master[..]), (libc::IFLA_LINK, &link)];
        let far = [&near[..], &[(libc::IFLA_LINK_NETNSID, &[0; 4])]].concat();
        let facts = |attributes: &[(u16, &[u8])]| {
            let facts = answer(&message(libc::RTM_NEWLINK, 0, attributes)).unwrap().facts;
            (facts.master, facts.peer)
        };
        assert_eq!(facts(&near), (Some(3), Some(9)));
        assert_eq!(facts(&far), (Some(3), None));
    }

    #[test]
    fn a_bond_spreads_and_a_bridge_does_not() {
        for (kind, spreads) in [("bond\0", true), ("team\0", true), ("bridge\0", false)] {
            let part = attribute(libc::IFLA_INFO_SLAVE_KIND, kind.as_bytes());
            let whole = attribute(libc::IFLA_INFO_KIND, kind.as_bytes());
            let facts = |info: &[u8]| all(&message(libc::RTM_NEWLINK, 0, &[(libc::IFLA_LINKINFO, info)]));
            assert_eq!(facts(&part)[0].facts.is_spread, spreads, "{kind}");
            assert_eq!(facts(&whole)[0].facts.spreads, spreads, "{kind}");
        }
    }

    #[test]
    fn a_refusal_is_the_kernels_own() {
        let lo = ask(1).unwrap();
        assert_eq!((lo.index, lo.facts.name.as_str(), lo.facts.master), (1, "lo", None));
        assert_eq!(ask(0x7fff_fff0).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
