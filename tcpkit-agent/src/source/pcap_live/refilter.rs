//! Another kernel filter for a libpcap capture, between two frames.
//!
//! libpcap's own way (`pcap_setfilter` on Linux) has the kernel drop everything for a moment, and judges what waits in
//! the ring by the new filter: frames would be lost that no counter tells of. The socket takes another program
//! atomically (`SO_ATTACH_FILTER`, socket(7)), so that is done here, with the program that libpcap compiles for it.

use std::{
    io,
    os::fd::{AsRawFd as _, RawFd},
};

use pcap::{Active, Capture};

use crate::{
    filter::{ClassicInstruction, compile_for_handle},
    wire::LinkType,
};

/// Has the kernel filter by this expression from now on; `None` lets every frame through, and so does an expression
/// that the kernel cannot run: whoever reads the frames decides among them all the same.
pub(super) fn replace(
    capture: &Capture<Active>,
    link_type: LinkType,
    expression: Option<&str>,
) -> Result<(), String> {
    let socket = capture.as_raw_fd();
    let Some(expression) = expression else { return detach(socket).map_err(|error| error.to_string()) };
    // SAFETY: the handle lives as long as the capture that it was taken from.
    let program = unsafe { compile_for_handle(capture.as_ptr().cast(), expression) }?;
    let attached = match for_socket(program, link_type) {
        Some(program) => attach(socket, &program),
        None => detach(socket),
    };
    match attached {
        // More instructions than a socket takes (`BPF_MAXINSNS`, linux/bpf_common.h), or than its memory.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOMEM)) => {
            detach(socket).map_err(|error| error.to_string())
        }
        other => other.map_err(|error| error.to_string()),
    }
}

/// Whether the kernel filters; where it refused libpcap's program, libpcap does itself, and cannot be told otherwise.
pub(super) fn is_in_kernel(capture: &Capture<Active>) -> bool {
    let mut len: libc::socklen_t = 0;
    // SAFETY: no memory is handed over; the length comes back in instructions (`sk_get_filter`, linux/net/core/filter.c).
    let asked = unsafe {
        libc::getsockopt(
            capture.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_GET_FILTER,
            std::ptr::null_mut(),
            &raw mut len,
        )
    };
    asked == 0 && len > 0
}

fn attach(socket: RawFd, program: &[ClassicInstruction]) -> io::Result<()> {
    let Ok(len) = u16::try_from(program.len()) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    // `struct sock_filter` (linux/filter.h) has the same fields, and is only read.
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    set(socket, libc::SO_ATTACH_FILTER, &program)
}

/// Every frame from now on.
fn detach(socket: RawFd) -> io::Result<()> {
    match set(socket, libc::SO_DETACH_FILTER, &0i32) {
        // There is none.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

fn set<T>(socket: RawFd, option: i32, value: &T) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: value and length belong together, and what the value points to lives through the call.
    let done =
        unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, option, std::ptr::from_ref(value).cast(), len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A program as the socket sees frames: of a cooked capture without the header that libpcap puts before them, so what it
/// reads there must be asked of the kernel. `None` where the kernel has no such answer.
fn for_socket(mut program: Vec<ClassicInstruction>, link_type: LinkType) -> Option<Vec<ClassicInstruction>> {
    let Some(cooked) = Cooked::of(link_type) else { return Some(program) };
    for instruction in program.iter_mut().filter(|instruction| reads_packet(instruction.code)) {
        instruction.k = cooked.moved(instruction.k)?;
    }
    Some(program)
}

/// Loads by a place in the packet, absolute or relative, or by the length of an IPv4 header there (linux/bpf_common.h).
const fn reads_packet(code: u16) -> bool {
    const LD: u16 = 0x00;
    const LDX: u16 = 0x01;
    const ABS: u16 = 0x20;
    const IND: u16 = 0x40;
    const MSH: u16 = 0xa0;
    matches!(code & 0x07, LD | LDX) && matches!(code & 0xe0, ABS | IND | MSH)
}

/// A header that libpcap makes.
struct Cooked {
    len: u32,
    /// Places in it, and where the kernel keeps what stands there.
    known: &'static [(u32, u32)],
}

impl Cooked {
    const fn of(link_type: LinkType) -> Option<Self> {
        match link_type {
            LinkType::LINUX_SLL => Some(Self { len: 16, known: &[(0, PACKET_TYPE), (14, PROTOCOL)] }),
            LinkType::LINUX_SLL2 => {
                Some(Self { len: 20, known: &[(0, PROTOCOL), (4, INTERFACE), (10, PACKET_TYPE)] })
            }
            _ => None,
        }
    }

    fn moved(&self, place: u32) -> Option<u32> {
        match place {
            // Already something that the kernel keeps.
            ANCILLARY.. => Some(place),
            place if place >= self.len => Some(place - self.len),
            place => self.known.iter().find(|(known, _)| *known == place).map(|(_, kept)| *kept),
        }
    }
}

/// `SKF_AD_OFF` (linux/filter.h) as a place: from here on it is what the kernel keeps of a packet.
const ANCILLARY: u32 = (-0x1000i32).cast_unsigned();
const PROTOCOL: u32 = ANCILLARY;
const PACKET_TYPE: u32 = ANCILLARY + 4;
const INTERFACE: u32 = ANCILLARY + 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn load(code: u16, k: u32) -> ClassicInstruction {
        ClassicInstruction { code, jt: 0, jf: 0, k }
    }

    #[test]
    fn a_cooked_header_is_asked_of_the_kernel() {
        // ldh [0]; ldb [29]; ldb [10]; ldxb 4*([20]&0xf); ret #1
        let program = [(0x28, 0), (0x30, 29), (0x30, 10), (0xb1, 20), (0x06, 1)];
        let program: Vec<_> = program.map(|(code, k)| load(code, k)).into();
        let places = |link_type| {
            let moved = for_socket(program.clone(), link_type);
            moved.map(|moved| moved.iter().map(|instruction| instruction.k).collect::<Vec<_>>())
        };
        assert_eq!(places(LinkType::LINUX_SLL2).unwrap(), [PROTOCOL, 9, PACKET_TYPE, 0, 1]);
        assert_eq!(places(LinkType::LINUX_SLL), None, "nobody keeps what stands at 10");
        assert_eq!(places(LinkType::ETHERNET).unwrap(), [0, 29, 10, 20, 1]);
    }
}
