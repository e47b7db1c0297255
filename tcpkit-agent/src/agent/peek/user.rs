//! Becoming another user for good.

use std::{
    ffi::{CStr, CString},
    io, ptr,
};

use crate::cli::Failure;

/// Who somebody is.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    user: libc::uid_t,
    group: libc::gid_t,
    name: CString,
}

/// Becomes this user (a name or a number) with its groups, in all threads.
///
/// # Errors
/// There is no such user, or only root may do that.
pub(super) fn become_user(user: &str) -> Result<(), Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::run(format!("-u {user}")).because(error);
    let identity = find(user)
        .map_err(|error| refused(&error))?
        .ok_or_else(|| refused(&"there is no such user").hint("give a name or number of passwd(5)"))?;
    become_identity(&identity).map_err(|error| refused(&error).hint("start as root, or leave -u away"))
}

fn become_identity(identity: &Identity) -> io::Result<()> {
    let done = |status| if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: the name ends with NUL; the others take integers. The C library does each in all threads.
    unsafe {
        done(libc::initgroups(identity.name.as_ptr(), identity.group))?;
        done(libc::setgid(identity.group))?;
        done(libc::setuid(identity.user))
    }
}

/// The user by name, else by number.
fn find(user: &str) -> io::Result<Option<Identity>> {
    let name = CString::new(user)?;
    let by_name = look_up(|entry, buffer, len, found| {
        // SAFETY: the caller's buffers, and a name that ends with NUL.
        unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, len, found) }
    })?;
    let Ok(number) = user.parse::<libc::uid_t>() else { return Ok(by_name) };
    if by_name.is_some() {
        return Ok(by_name);
    }
    look_up(|entry, buffer, len, found| {
        // SAFETY: the caller's buffers.
        unsafe { libc::getpwuid_r(number, entry, buffer, len, found) }
    })
}

/// Runs one of passwd's re-entrant look-ups, with a buffer that is large enough.
fn look_up(
    ask: impl Fn(*mut libc::passwd, *mut libc::c_char, usize, *mut *mut libc::passwd) -> libc::c_int,
) -> io::Result<Option<Identity>> {
    let mut buffer = vec![0; 1 << 12];
    loop {
        // SAFETY: integers and pointers, for which zeros are valid.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = ptr::null_mut();
        match ask(&raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found) {
            0 if found.is_null() => return Ok(None),
            0 => {
                // SAFETY: it was found, so its name points into the buffer and ends with NUL.
                let name = unsafe { CStr::from_ptr(entry.pw_name) }.to_owned();
                return Ok(Some(Identity { user: entry.pw_uid, group: entry.pw_gid, name }));
            }
            libc::ERANGE if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_by_name_and_by_number() {
        let root = find("root").unwrap().unwrap();
        assert_eq!((root.user, root.group), (0, 0));
        assert_eq!(find("0").unwrap().unwrap(), root);
        assert_eq!(find("no-such-user-of-tcpkit").unwrap(), None);
        let refused = become_user("no-such-user-of-tcpkit").unwrap_err().to_string();
        assert!(refused.starts_with("-u no-such-user-of-tcpkit: there is no such user"), "{refused}");
    }
}
