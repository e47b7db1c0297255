//! Names of hosts, ports and protocols, as this system resolves them.

use std::{ffi::CStr, mem, net::IpAddr};

use crate::view::prof::Names;

/// The system's own resolution: hosts files, DNS, services and protocols.
pub(super) struct SystemNames {
    /// `-n`: nothing is resolved.
    pub(super) numbers_only: bool,
}

impl Names for SystemNames {
    fn host(&self, address: IpAddr) -> Option<String> {
        if self.numbers_only { None } else { host(address) }
    }

    fn service(&self, port: u16) -> Option<String> {
        if self.numbers_only {
            return None;
        }
        // SAFETY: the result is null or points to a record that stays until the next call; only this thread calls.
        unsafe {
            let entry = libc::getservbyport(i32::from(port.to_be()), std::ptr::null());
            (!entry.is_null()).then(|| CStr::from_ptr((*entry).s_name).to_string_lossy().into_owned())
        }
    }

    fn protocol(&self, number: u8) -> Option<String> {
        if self.numbers_only {
            return None;
        }
        // SAFETY: as above.
        unsafe {
            let entry = libc::getprotobynumber(i32::from(number));
            (!entry.is_null()).then(|| CStr::from_ptr((*entry).p_name).to_string_lossy().into_owned())
        }
    }
}

/// The name of a host; `None` where it has none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "constants of the C library and lengths of its structures"
)]
fn host(address: IpAddr) -> Option<String> {
    let mut name = [0; NAME_LEN];
    // SAFETY: an address of all zeros is one; each branch fills the kind that its length says, and the buffer is as
    // long as it is said to be. The result ends with NUL.
    unsafe {
        let mut storage: libc::sockaddr_storage = mem::zeroed();
        let len = match address {
            IpAddr::V4(address) => {
                let socket = (&raw mut storage).cast::<libc::sockaddr_in>();
                (*socket).sin_family = libc::AF_INET as libc::sa_family_t;
                (*socket).sin_addr.s_addr = u32::from_ne_bytes(address.octets());
                size_of::<libc::sockaddr_in>()
            }
            IpAddr::V6(address) => {
                let socket = (&raw mut storage).cast::<libc::sockaddr_in6>();
                (*socket).sin6_family = libc::AF_INET6 as libc::sa_family_t;
                (*socket).sin6_addr.s6_addr = address.octets();
                size_of::<libc::sockaddr_in6>()
            }
        };
        let status = libc::getnameinfo(
            (&raw const storage).cast(),
            len as libc::socklen_t,
            name.as_mut_ptr(),
            NAME_LEN as libc::socklen_t,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        );
        (status == 0).then(|| CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned())
    }
}

/// NI_MAXHOST (netdb.h).
const NAME_LEN: usize = 1025;
