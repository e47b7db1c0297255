//! What the kernel says of an interface, before anything is attached to it.

use std::{
    ffi::CStr,
    io,
    mem::zeroed,
    net::{IpAddr, Ipv6Addr},
    os::fd::{AsRawFd, OwnedFd},
};

use tcpkit_common::settings::{LINK_ETHERNET, LINK_RAW};

use super::{
    LiveError,
    link::{self, LinkFacts},
    sys,
};
use crate::wire::LinkType;

/// An interface as it is now.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) index: u32,
    /// `IFF_` flags (linux/if.h).
    pub(super) flags: u32,
    /// `ARPHRD_` type (linux/if_arp.h).
    pub(super) hardware: u16,
    /// The host's own traffic goes here: it has an address, other than a link-local one that came by itself, or there
    /// is a VLAN or the like on it.
    pub(super) is_used: bool,
    /// It is part of a bond, a bridge or the like.
    pub(super) enslaved: bool,
    /// The other end of a veth, where it is in the same namespace.
    pub(super) peer: Option<u32>,
    /// It is a bond or the like: its frames are those of its parts.
    pub(super) spreads: bool,
    /// Why XDP is out of the question here, whatever the driver has.
    pub(super) without_xdp: Option<&'static str>,
    /// Driver, where it says.
    pub(super) driver: Option<String>,
}

impl Device {
    /// The interface of this name.
    pub(super) fn find(name: &str) -> Result<Self, LiveError> {
        let known = names();
        let Some((index, _)) = known.iter().find(|(_, known)| known == name) else {
            let known = known.into_iter().map(|(_, name)| name).collect();
            return Err(LiveError::UnknownInterface { name: name.to_owned(), known });
        };
        let describe = |source| LiveError::Interface { name: name.to_owned(), source };
        let control = Control::open().map_err(describe)?;
        let facts = link::ask(*index).map_err(describe)?.facts;
        Ok(Self {
            name: name.to_owned(),
            index: *index,
            flags: control.flags(name).map_err(describe)?,
            hardware: control.hardware(name).map_err(describe)?,
            is_used: is_addressed(name) || others(*index).any(|other| other.is_upper_of(*index)),
            enslaved: facts.master.is_some(),
            peer: facts.peer,
            spreads: facts.spreads,
            without_xdp: None,
            driver: control.driver(name).ok(),
        })
    }

    pub(super) const fn is_loopback(&self) -> bool {
        self.flags & libc::IFF_LOOPBACK.cast_unsigned() != 0
    }

    pub(super) const fn is_up(&self) -> bool {
        is_up(self.flags)
    }

    /// A port that only listens: the host's own traffic does not go here.
    pub(super) const fn is_tap(&self) -> bool {
        !self.is_used && !self.enslaved && !self.is_loopback() && self.hardware == libc::ARPHRD_ETHER
    }

    /// How its frames begin, for the programs and for the agent.
    pub(super) fn link(&self) -> Result<(u32, LinkType), LiveError> {
        match self.hardware {
            libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Ok((LINK_ETHERNET, LinkType::ETHERNET)),
            libc::ARPHRD_NONE
            | libc::ARPHRD_TUNNEL
            | libc::ARPHRD_TUNNEL6
            | libc::ARPHRD_SIT
            | libc::ARPHRD_IPGRE
            | ARPHRD_RAWIP
            | ARPHRD_IP6GRE => Ok((LINK_RAW, LinkType::RAW)),
            hardware => Err(LiveError::LinkLayer { name: self.name.clone(), hardware }),
        }
    }
}

/// linux/if_arp.h; missing in libc.
const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_IP6GRE: u16 = 823;

/// Up, and with a carrier.
pub(super) const fn is_up(flags: u32) -> bool {
    let both = (libc::IFF_UP | libc::IFF_RUNNING).cast_unsigned();
    flags & both == both
}

/// Every interface there is: index and name.
pub(super) fn names() -> Vec<(u32, String)> {
    let mut names = Vec::new();
    // SAFETY: the list ends with an index of 0 and is freed after the last use.
    unsafe {
        let list = libc::if_nameindex();
        let mut next = list;
        while !next.is_null() && (*next).if_index != 0 {
            names.push(((*next).if_index, CStr::from_ptr((*next).if_name).to_string_lossy().into_owned()));
            next = next.add(1);
        }
        if !list.is_null() {
            libc::if_freenameindex(list);
        }
    }
    names
}

/// The parts of a bond or the like.
pub(super) fn parts(index: u32) -> Vec<u32> {
    let is_part = |number: &u32| link::ask(*number).is_ok_and(|other| other.facts.master == Some(index));
    names().into_iter().map(|(number, _)| number).filter(is_part).collect()
}

/// What the kernel says of every link but this one.
fn others(index: u32) -> impl Iterator<Item = LinkFacts> {
    let asked = names().into_iter().map(|(other, _)| other).filter(move |other| *other != index);
    asked.filter_map(|other| link::ask(other).ok()).map(|message| message.facts)
}

impl LinkFacts {
    /// Whether this is a VLAN or the like on that interface.
    fn is_upper_of(&self, index: u32) -> bool {
        self.is_upper && self.peer == Some(index)
    }
}

fn is_addressed(name: &str) -> bool {
    let mut list = std::ptr::null_mut();
    // SAFETY: the list is walked to its end and freed after the last use; addresses are as long as their family says.
    unsafe {
        if libc::getifaddrs(&raw mut list) != 0 {
            return true;
        }
        let mut next = list;
        let mut found = false;
        while !next.is_null() {
            let entry = &*next;
            found |=
                CStr::from_ptr(entry.ifa_name).to_bytes() == name.as_bytes() && own_address(entry.ifa_addr);
            next = entry.ifa_next;
        }
        libc::freeifaddrs(list);
        found
    }
}

/// # Safety
/// `address` is null or as long as its family says.
unsafe fn own_address(address: *const libc::sockaddr) -> bool {
    if address.is_null() {
        return false;
    }
    // SAFETY: the caller vouches for it.
    let ip = unsafe {
        match i32::from((*address).sa_family) {
            libc::AF_INET => return true,
            libc::AF_INET6 => (*address.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr,
            _ => return false,
        }
    };
    !matches!(IpAddr::from(ip), IpAddr::V6(ip) if Ipv6Addr::is_unicast_link_local(&ip))
}

/// What a link carries, in bits per second and direction; `None` where the driver does not know.
#[must_use]
pub fn link_speed(name: &str) -> Option<u64> {
    Control::open().ok()?.speed(name)
}

/// A socket to ask and tell interfaces by `ioctl`.
#[derive(Debug)]
pub(super) struct Control(OwnedFd);

impl Control {
    pub(super) fn open() -> io::Result<Self> {
        sys::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).map(Self)
    }

    /// What the interface with this number is called by now, in the namespace of this socket.
    pub(super) fn name(&self, index: u32) -> Option<String> {
        let mut request = request("").ok()?;
        request.ifr_ifru.ifru_ifindex = index.cast_signed();
        self.call(libc::SIOCGIFNAME, &mut request).ok()?;
        let name: Vec<u8> = request.ifr_name.iter().map(|byte| byte.to_ne_bytes()[0]).collect();
        CStr::from_bytes_until_nul(&name).ok().map(|name| name.to_string_lossy().into_owned())
    }

    pub(super) fn flags(&self, name: &str) -> io::Result<u32> {
        let mut request = request(name)?;
        self.call(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the call filled this member.
        Ok(u32::from(unsafe { request.ifr_ifru.ifru_flags }.cast_unsigned()))
    }

    fn hardware(&self, name: &str) -> io::Result<u16> {
        let mut request = request(name)?;
        self.call(libc::SIOCGIFHWADDR, &mut request)?;
        // SAFETY: the call filled this member.
        Ok(unsafe { request.ifr_ifru.ifru_hwaddr }.sa_family)
    }

    fn driver(&self, name: &str) -> io::Result<String> {
        /// `struct ethtool_drvinfo` (linux/ethtool.h).
        #[repr(C)]
        struct DriverInfo {
            command: u32,
            driver: [u8; 32],
            rest: [u8; 160],
        }
        const ETHTOOL_GDRVINFO: u32 = 3;
        let mut info = DriverInfo { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
        self.ethtool(name, &mut info)?;
        let driver = CStr::from_bytes_until_nul(&info.driver).map_err(io::Error::other)?;
        Ok(driver.to_string_lossy().into_owned())
    }

    /// What the link carries, in bits per second; `None` where the driver does not know, as without a cable.
    fn speed(&self, name: &str) -> Option<u64> {
        /// `struct ethtool_cmd` (linux/ethtool.h), of which all drivers tell the speed, in millions of bits.
        #[repr(C)]
        struct Settings {
            command: u32,
            supported_advertising: [u32; 2],
            speed: u16,
            duplex_to_trigger: [u8; 6],
            most_packets: [u32; 2],
            speed_high: u16,
            rest: [u8; 2],
            partner: u32,
            reserved: [u32; 2],
        }
        const ETHTOOL_GSET: u32 = 1;
        const _: () = assert!(size_of::<Settings>() == 44);
        // SAFETY: integers only, for which zeros are valid.
        let mut settings: Settings = unsafe { zeroed() };
        settings.command = ETHTOOL_GSET;
        self.ethtool(name, &mut settings).ok()?;
        let megabits = u32::from(settings.speed_high) << 16 | u32::from(settings.speed);
        // `SPEED_UNKNOWN`: all ones, of which old drivers fill only the lower half.
        let is_known = !matches!(megabits, 0 | 0xffff | u32::MAX);
        is_known.then(|| u64::from(megabits) * 1_000_000)
    }

    /// An ethtool command, `structure` beginning with its number.
    pub(super) fn ethtool<T>(&self, name: &str, structure: &mut T) -> io::Result<()> {
        let mut request = request(name)?;
        request.ifr_ifru.ifru_data = std::ptr::from_mut(structure).cast();
        self.call(libc::SIOCETHTOOL, &mut request)
    }

    fn call(&self, command: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: the request lives through the call, and so does what it points to.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), command as libc::Ioctl, request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: integers, bytes and pointers, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    Ok(request)
}

/// Keeps interfaces in promiscuous mode for as long as it lives; the kernel ends it with the process.
///
/// Opening takes CAP_NET_RAW, which the agent gives up; adding an interface takes nothing.
#[derive(Debug)]
pub(super) struct Promiscuous(OwnedFd);

impl Promiscuous {
    pub(super) fn open() -> io::Result<Self> {
        // Protocol 0: the socket itself receives nothing.
        sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0).map(Self)
    }

    /// One more; its membership ends with the interface.
    pub(super) fn add(&self, index: u32) -> io::Result<()> {
        // SAFETY: integers and bytes.
        let mut membership: libc::packet_mreq = unsafe { zeroed() };
        membership.mr_ifindex = index.cast_signed();
        membership.mr_type = u16::try_from(libc::PACKET_MR_PROMISC).map_err(io::Error::other)?;
        let len = libc::socklen_t::try_from(size_of::<libc::packet_mreq>()).map_err(io::Error::other)?;
        // SAFETY: value and length belong together.
        let result = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const membership).cast(),
                len,
            )
        };
        if result != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
