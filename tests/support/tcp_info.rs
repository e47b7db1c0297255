//! What the kernel says of a socket: `struct tcp_info` (include/uapi/linux/tcp.h), as far as it is compared with.

use std::{io, os::fd::AsRawFd};

use anyhow::{Result, ensure};

/// A socket as its kernel has it; round trips in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// As in include/net/tcp_states.h; [`CLOSED`](Self::CLOSED) at the end of an orderly life.
    pub state: u8,
    /// Segments that are not acknowledged.
    pub unacked: u32,
    /// Smoothed round trip; 0 where none was measured.
    pub rtt: u32,
    /// How far round trips are from it, smoothed likewise.
    pub rtt_variation: u32,
    /// Least round trip of the last five minutes.
    pub min_rtt: u32,
    /// Segments sent again, with SYN, SYN/ACK and FIN among them.
    pub total_retrans: u32,
    /// Octets of payload sent again.
    pub bytes_retrans: u64,
    /// Packets that came to be known as delivered with ECE (RFC 3168).
    pub delivered_ce: u32,
    /// Segments that D-SACKs told of.
    pub dsack_dups: u32,
    /// Times that it saw its segments overtake each other.
    pub reord_seen: u32,
}

impl TcpInfo {
    /// `TCP_CLOSE`: both directions are closed and acknowledged.
    pub const CLOSED: u8 = 7;

    /// Of an open descriptor, whatever state its connection is in.
    ///
    /// # Errors
    /// When it is no TCP socket, or the kernel is older than 4.19 and does not say all of this.
    pub fn of(socket: &impl AsRawFd) -> Result<Self> {
        let mut info = [0_u8; LEN];
        let mut len = libc::socklen_t::try_from(LEN)?;
        // SAFETY: the buffer has as many octets as `len` says, and the descriptor is open.
        let result = unsafe {
            let value = info.as_mut_ptr().cast();
            libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, value, &raw mut len)
        };
        ensure!(result == 0 && len as usize == LEN, "TCP_INFO: {}", io::Error::last_os_error());
        let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
        let mut octets = [0; 8];
        octets.copy_from_slice(&info[208..216]);
        Ok(Self {
            state: info[0],
            unacked: word(24),
            rtt: word(68),
            rtt_variation: word(72),
            min_rtt: word(148),
            total_retrans: word(100),
            bytes_retrans: u64::from_ne_bytes(octets),
            delivered_ce: word(196),
            dsack_dups: word(216),
            reord_seen: word(220),
        })
    }
}

/// Up to `tcpi_reord_seen`, which is the last that is read.
const LEN: usize = 224;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_socket_of_our_own_is_open_and_measured() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let info = TcpInfo::of(&stream).unwrap();
        assert_eq!((info.state, info.unacked, info.total_retrans), (1, 0, 0));
        assert!((1..10_000_000).contains(&info.rtt) && info.min_rtt <= info.rtt, "{info:?}");
    }
}
