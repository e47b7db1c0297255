//! Frames put on a wire as they are.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

/// Sends a frame from an interface of the calling thread's namespace, by `AF_PACKET`.
///
/// # Errors
/// The kernel's refusal.
pub fn send_frame(index: u32, frame: &[u8]) -> io::Result<()> {
    // SAFETY: no memory is touched; protocol 0 receives nothing.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: integers and bytes.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    address.sll_ifindex = index.cast_signed();
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: frame and address live through the call and are as long as said.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            len,
        )
    };
    if usize::try_from(sent).is_ok_and(|sent| sent == frame.len()) {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
