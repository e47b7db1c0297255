//! The addresses of interfaces, as they are now.

use std::{
    ffi::CStr,
    io,
    net::{IpAddr, Ipv4Addr},
    ptr,
};

/// Every IPv4 and IPv6 address of these interfaces; `any` stands for all interfaces.
///
/// # Errors
/// What the kernel says.
pub fn addresses(interfaces: &[String]) -> io::Result<Vec<IpAddr>> {
    let is_asked = |name: &CStr| {
        interfaces.iter().any(|interface| interface == "any" || interface.as_bytes() == name.to_bytes())
    };
    let mut found = Vec::new();
    let mut list = ptr::null_mut();
    // SAFETY: the list is walked to its end and freed after the last use; an address is as long as its family says.
    unsafe {
        if libc::getifaddrs(&raw mut list) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut next = list;
        while !next.is_null() {
            let entry = &*next;
            if is_asked(CStr::from_ptr(entry.ifa_name)) {
                found.extend(address(entry.ifa_addr));
            }
            next = entry.ifa_next;
        }
        libc::freeifaddrs(list);
    }
    Ok(found)
}

/// # Safety
/// `address` is null or as long as its family says.
unsafe fn address(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for it.
    unsafe {
        match i32::from((*address).sa_family) {
            libc::AF_INET => {
                let bits = (*address.cast::<libc::sockaddr_in>()).sin_addr.s_addr;
                Some(Ipv4Addr::from(bits.to_ne_bytes()).into())
            }
            libc::AF_INET6 => Some((*address.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr.into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_its_address_and_nothing_has_none() {
        let own: IpAddr = Ipv4Addr::LOCALHOST.into();
        assert!(addresses(&["lo".to_owned()]).unwrap().contains(&own));
        assert!(addresses(&["any".to_owned()]).unwrap().contains(&own));
        assert_eq!(addresses(&[]).unwrap(), [] as [IpAddr; 0]);
    }
}
