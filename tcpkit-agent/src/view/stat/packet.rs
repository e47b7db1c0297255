//! A packet as tcpstat reads it: its size, and what the first bytes of its headers announce.
//!
//! tcpstat knows three link headers and looks at fixed places behind them. Where fewer bytes were captured it reads
//! what an earlier packet left there; so does this, because its counts depend on that.

/// How frames begin (libpcap's `DLT_` numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An address family in the byte order of the host that captured (`DLT_NULL`).
    Null,
    /// `DLT_EN10MB`.
    Ethernet,
    /// `DLT_PPP`.
    Ppp,
    /// Anything else: the size counts, and nothing is looked at.
    Other,
}

/// Network protocols that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// ARP.
    Arp,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Anything else.
    #[default]
    Other,
}

/// Transport protocols that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP and ICMPv6.
    Icmp,
    /// Anything else.
    #[default]
    Other,
}

/// A packet as tcpstat counts it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// Capture time in seconds since the epoch: whole ones.
    pub seconds: i64,
    /// And microseconds.
    pub micros: i64,
    /// Bytes; a frame shorter than the link header that does not count wraps, as it does there.
    pub size: u32,
    /// What the link header announces.
    pub network: Network,
    /// What the IP header announces, extension headers not looked into.
    pub transport: Transport,
}

/// Reads packets.
#[derive(Clone, Debug)]
pub struct Decoder {
    link: Link,
    counts_link: bool,
    /// The first bytes of the buffer that libpcap reads frames into.
    buffer: [u8; KEPT],
    /// The first bytes behind the link header, as they were copied last.
    data: [u8; KEPT],
    /// `data` is to be found in `buffer`, behind the link header.
    is_in_buffer: bool,
}

/// Bytes of each frame that matter: an Ethernet header, the longest IPv6 header, ports.
const KEPT: usize = 64;

impl Link {
    /// By libpcap's number.
    #[must_use]
    pub const fn of_dlt(dlt: i32) -> Self {
        match dlt {
            0 => Self::Null,
            1 => Self::Ethernet,
            9 => Self::Ppp,
            _ => Self::Other,
        }
    }

    /// Bytes of the header that are skipped, and bytes that tcpstat subtracts from a size.
    const fn header(self) -> (usize, u32) {
        match self {
            Self::Null => (4, 0),
            Self::Ethernet => (14, 14),
            Self::Ppp => (4, 4),
            Self::Other => (0, 0),
        }
    }
}

impl Decoder {
    /// For frames of one kind; `counts_link` when the link header is part of a size (`-l`).
    #[must_use]
    pub const fn new(link: Link, counts_link: bool) -> Self {
        Self { link, counts_link, buffer: [0; KEPT], data: [0; KEPT], is_in_buffer: true }
    }

    /// Bytes of a frame that a size counts.
    #[inline]
    #[must_use]
    pub const fn size(&self, frame_len: u32) -> u32 {
        if self.counts_link { frame_len } else { frame_len.wrapping_sub(self.link.header().1) }
    }

    /// Takes the first bytes of a frame.
    #[inline]
    pub fn take(&mut self, bytes: &[u8]) {
        match bytes.first_chunk() {
            Some(first) => {
                self.buffer = *first;
                self.is_in_buffer = true;
            }
            None => self.take_short(bytes),
        }
    }

    /// Bytes of a frame that a filter refused; they stay in libpcap's buffer, which the next one may be read from.
    pub fn pass_over(&mut self, bytes: &[u8]) {
        self.settle();
        let len = bytes.len().min(KEPT);
        self.buffer[..len].copy_from_slice(&bytes[..len]);
    }

    #[cold]
    fn take_short(&mut self, bytes: &[u8]) {
        self.pass_over(bytes);
        let skipped = self.link.header().0;
        // A frame shorter than its header makes the length wrap, and everything is copied.
        let len = match self.link {
            Link::Ethernet | Link::Ppp => bytes.len().checked_sub(skipped).unwrap_or(KEPT),
            Link::Null | Link::Other => bytes.len(),
        };
        let len = len.min(KEPT - skipped);
        self.data[..len].copy_from_slice(&self.buffer[skipped..skipped + len]);
    }

    /// Keeps what lies behind the link header before the buffer is overwritten.
    fn settle(&mut self) {
        if std::mem::take(&mut self.is_in_buffer) {
            let skipped = self.link.header().0;
            self.data[..KEPT - skipped].copy_from_slice(&self.buffer[skipped..]);
        }
    }

    /// A byte behind the link header; `at` is below 44.
    #[inline]
    #[must_use]
    pub fn at(&self, at: usize) -> u8 {
        if self.is_in_buffer { self.buffer[self.link.header().0 + at] } else { self.data[at] }
    }

    /// Sixteen bits at this place of the link header.
    const fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.buffer[at], self.buffer[at + 1]])
    }

    /// What the link header says follows it: an EtherType, a protocol of PPP, an address family; 0 for other links.
    #[inline]
    #[must_use]
    pub const fn announced(&self) -> u32 {
        match self.link {
            Link::Ethernet => self.word(12) as u32,
            Link::Ppp => self.word(2) as u32,
            Link::Null => {
                u32::from_le_bytes([self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]])
            }
            Link::Other => 0,
        }
    }

    /// How the frames begin.
    #[must_use]
    pub const fn link(&self) -> Link {
        self.link
    }

    /// The network protocol of the frame that was taken last.
    #[inline]
    #[must_use]
    pub const fn network(&self) -> Network {
        match (self.link, self.announced()) {
            (Link::Ethernet, 0x0800) | (Link::Ppp, 0x0021) | (Link::Null, AF_INET) => Network::V4,
            (Link::Ethernet, 0x86dd) | (Link::Ppp, 0x0057) | (Link::Null, AF_INET6) => Network::V6,
            (Link::Ethernet, 0x0806) => Network::Arp,
            _ => Network::Other,
        }
    }

    /// The number of the protocol inside IP; `None` where there is no IP.
    #[inline]
    #[must_use]
    pub fn protocol(&self, network: Network) -> Option<u8> {
        match network {
            Network::V4 => Some(self.at(IPV4_PROTOCOL)),
            Network::V6 => Some(self.at(IPV6_NEXT_HEADER)),
            Network::Arp | Network::Other => None,
        }
    }

    /// The transport protocol of the frame that was taken last.
    #[inline]
    #[must_use]
    pub fn transport(&self, network: Network) -> Transport {
        match self.protocol(network) {
            Some(6) => Transport::Tcp,
            Some(17) => Transport::Udp,
            Some(1 | 58) => Transport::Icmp,
            _ => Transport::Other,
        }
    }
}

/// Linux's numbers, which tcpstat was compiled with.
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

/// RFC 791 §3.1.
const IPV4_PROTOCOL: usize = 9;
/// RFC 8200 §3.
const IPV6_NEXT_HEADER: usize = 6;
