//! One end of a cable that a program holds: frames in and out of an interface, by `/dev/net/tun`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::fs::OpenOptionsExt as _,
    },
};

use anyhow::{Context as _, Result, ensure};

use crate::netns::Namespace;

/// A tap interface; it vanishes with this.
#[derive(Debug)]
pub struct Tap(File);

impl Tap {
    /// Makes an interface of this name in a namespace, Ethernet frames without offloads, and brings it up.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn new(namespace: &Namespace, name: &str) -> Result<Self> {
        let tap = Self(namespace.enter(|| open(name))??);
        // Silent: nothing but the test's traffic passes.
        namespace.ip(&["link", "set", name, "addrgenmode", "none"])?;
        namespace.ip(&["link", "set", name, "up"])?;
        Ok(tap)
    }

    /// The next frame that the namespace sent; `None` when there is none now.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match self.0.read(buffer) {
            Ok(len) => Ok(Some(&buffer[..len])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets a frame arrive in the namespace.
    ///
    /// # Errors
    /// When the interface is gone or down.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.write_all(frame)
    }

    /// For `ppoll`.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn open(name: &str) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open("/dev/net/tun")
        .context("no /dev/net/tun")?;
    // SAFETY: integers and bytes.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_TAP | libc::IFF_NO_PI)?;
    // SAFETY: the request lives through the call and is of the kind that it takes.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    ensure!(result == 0, "TUNSETIFF: {}", io::Error::last_os_error());
    Ok(file)
}
