//! Values of options: words to numbers, with a reason when they are none.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use tcpkit_common::flow_count::MAX_FLOW_COUNTERS;

/// Largest frame that libpcap and the kernel side hand over, in bytes (`MAXIMUM_SNAPLEN`, libpcap).
pub const MAX_SNAPLEN: u32 = 262_144;

/// Least bytes of a frame that hold the headers of an ordinary TCP segment.
const MIN_SNAPLEN: u32 = 64;

/// Least size of a ring that the kernel accepts on any page size that Linux uses.
pub(super) const MIN_RING_BYTES: u32 = 1 << 16;

/// Largest size of a ring.
pub(super) const MAX_RING_BYTES: u32 = 1 << 30;

/// `--stats-listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Serve nothing.
    Off,
    /// Serve here.
    At(ListenAt),
}

/// Where an endpoint may listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAt {
    /// Address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenAt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// Bytes of each frame to keep: 0 is all of them.
pub(super) fn snaplen(word: &str) -> Result<u32, String> {
    match number::<u32>(word)? {
        0 => Ok(MAX_SNAPLEN),
        bytes if bytes < MIN_SNAPLEN => {
            Err(format!("fewer than {MIN_SNAPLEN} bytes do not hold the headers; 0 keeps whole frames"))
        }
        bytes if bytes > MAX_SNAPLEN => {
            Err(format!("no frame is longer than {MAX_SNAPLEN}; 0 keeps whole frames"))
        }
        bytes => Ok(bytes),
    }
}

/// Bytes of a ring: a power of two, `K`, `M` and `G` being powers of 1,024.
pub(super) fn ring_bytes(word: &str) -> Result<u32, String> {
    let bytes = bytes(word)?;
    u32::try_from(bytes)
        .ok()
        .filter(|bytes| bytes.is_power_of_two() && (MIN_RING_BYTES..=MAX_RING_BYTES).contains(bytes))
        .ok_or_else(|| "give a power of two from 64K to 1G".to_owned())
}

/// Flows that the kernel counts traffic by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowCounters {
    /// As the view needs it.
    #[default]
    Auto,
    /// As many as are usual.
    On,
    /// None.
    Off,
    /// So many, one for each direction and CPU that sees it.
    Of(u32),
}

impl FlowCounters {
    /// As many as are usual: ten thousand flows on each of a few CPUs give way to nobody, for 25 MB.
    const USUAL: u32 = 262_144;

    /// How many the kernel is to hold; 0 is none.
    #[must_use]
    pub const fn number(self, is_shown: bool) -> u32 {
        match self {
            Self::Off => 0,
            Self::Auto if !is_shown => 0,
            Self::Auto | Self::On => Self::USUAL,
            Self::Of(flows) => flows,
        }
    }
}

/// Flows that the kernel counts traffic by.
pub(super) fn flow_counters(word: &str) -> Result<FlowCounters, String> {
    match word {
        "auto" => Ok(FlowCounters::Auto),
        "on" => Ok(FlowCounters::On),
        "off" => Ok(FlowCounters::Off),
        number => match number.parse() {
            Ok(flows) if (64..=MAX_FLOW_COUNTERS).contains(&flows) => Ok(FlowCounters::Of(flows)),
            _ => Err(format!("give auto, on, off, or a number of flows from 64 to {MAX_FLOW_COUNTERS}")),
        },
    }
}

/// Kibibytes of a buffer; libpcap takes less than 2 GiB.
pub(super) fn kibibytes(word: &str) -> Result<NonZeroU32, String> {
    word.parse::<NonZeroU32>()
        .ok()
        .filter(|kib| kib.get() <= MAX_KIB)
        .ok_or_else(|| format!("give kibibytes from 1 to {MAX_KIB}"))
}

/// Bytes of each frame to keep, as tcpkit 1.1.0 takes them: fewer than hold the headers are as many as do.
pub(super) fn snarf(word: &str) -> Result<u32, String> {
    Ok(number::<u32>(word)?.clamp(MIN_SNAPLEN, MAX_SNAPLEN))
}

/// Number of a port.
pub(super) fn port(word: &str) -> Result<NonZeroU16, String> {
    word.parse()
        .map_err(|_| "give port numbers from 1 to 65535, as 80,443, or a protocol as -m takes it".to_owned())
}

/// Bits of IPv4 and IPv6 prefixes.
pub(super) fn prefixes(word: &str) -> Result<(u8, u8), String> {
    let lengths = word.split_once(',').and_then(|(v4, v6)| v4.parse().ok().zip(v6.parse().ok()));
    lengths
        .filter(|(v4, v6)| *v4 <= 32 && *v6 <= 128)
        .ok_or_else(|| "give bits of IPv4 and of IPv6 prefixes, as 24,48: at most 32,128".to_owned())
}

/// Address of a server; names are for the expression, because they may stand for several.
pub(super) fn address(word: &str) -> Result<IpAddr, String> {
    word.parse().map_err(|_| "give numeric addresses, as 192.0.2.1,2001:db8::1".to_owned())
}

/// Seconds, decimals allowed, 0 too.
pub(super) fn seconds(word: &str) -> Result<Duration, String> {
    let seconds: f64 = word.parse().map_err(|_| "give seconds, as 10 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| duration.as_secs() <= MAX_SECONDS)
        .ok_or_else(|| format!("give seconds from 0 to {MAX_SECONDS}"))
}

/// Seconds, decimals allowed, at least a millisecond.
pub(super) fn positive_seconds(word: &str) -> Result<Duration, String> {
    let duration = seconds(word)?;
    if duration < Duration::from_millis(1) {
        return Err("give at least 0.001 seconds".to_owned());
    }
    Ok(duration)
}

/// Milliseconds, decimals allowed, 0 too.
pub(super) fn milliseconds(word: &str) -> Result<Duration, String> {
    let milliseconds: f64 = word.parse().map_err(|_| "give milliseconds, as 10 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(milliseconds / 1_000.0)
        .ok()
        .filter(|duration| duration.as_secs() <= MAX_SECONDS)
        .ok_or_else(|| format!("give milliseconds from 0 to {}", MAX_SECONDS * 1_000))
}

/// An address and a port, `unix:` and a path, or `off`.
pub(super) fn listen(word: &str) -> Result<Listen, String> {
    if word == "off" {
        return Ok(Listen::Off);
    }
    if let Some(path) = word.strip_prefix(UNIX).filter(|path| !path.is_empty()) {
        return Ok(Listen::At(ListenAt::Unix(path.into())));
    }
    SocketAddr::from_str(word).map(|address| Listen::At(ListenAt::Tcp(address))).map_err(|_| {
        "give a numeric address and a port, as 127.0.0.1:33333 or [::1]:33333, unix:/PATH, or off".to_owned()
    })
}

fn bytes(word: &str) -> Result<u64, String> {
    let (digits, unit) = match word.char_indices().last() {
        Some((at, 'k' | 'K')) => (&word[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&word[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&word[..at], 1 << 30),
        _ => (word, 1),
    };
    number::<u64>(digits)?.checked_mul(unit).ok_or_else(|| "the number is too large".to_owned())
}

fn number<T: FromStr>(word: &str) -> Result<T, String>
where
    T::Err: fmt::Display,
{
    word.parse().map_err(|error: T::Err| error.to_string())
}

/// `INT_MAX` bytes, in whole kibibytes.
const MAX_KIB: u32 = (1 << 21) - 1;

/// A hundred years: time-outs are added to nanosecond times of capture, which hold 292 years from 1970.
const MAX_SECONDS: u64 = 100 * 366 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snaplen_zero_is_whole_frames_and_headers_must_fit() {
        assert_eq!(snaplen("0"), Ok(MAX_SNAPLEN));
        assert_eq!(snaplen("262144"), Ok(MAX_SNAPLEN));
        assert_eq!(snaplen("64"), Ok(64));
        assert!(snaplen("63").unwrap_err().contains("headers"));
        assert!(snaplen("262145").unwrap_err().contains("262144"));
        assert!(snaplen("-1").is_err());
    }

    #[test]
    fn a_ring_is_a_power_of_two_with_a_unit() {
        assert_eq!(ring_bytes("64K"), Ok(65_536));
        assert_eq!(ring_bytes("32M"), Ok(33_554_432));
        assert_eq!(ring_bytes("1g"), Ok(1 << 30));
        assert_eq!(ring_bytes("131072"), Ok(131_072));
        assert_eq!(flow_counters("65536").map(|flows| flows.number(false)), Ok(65_536));
        assert_eq!(flow_counters("auto").map(|flows| flows.number(false)), Ok(0));
        assert_eq!(flow_counters("auto"), Ok(FlowCounters::default()));
        for bad in ["63", "16777217", "yes", ""] {
            assert!(flow_counters(bad).is_err(), "{bad}");
        }
        for bad in ["", "K", "3M", "32K", "2G", "99999999999999999999G", "18446744073709551615G", "é", "1é"]
        {
            assert!(ring_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_are_finite_and_not_negative() {
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1_500)));
        for bad in ["-1", "nan", "inf", "1e30", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert!(positive_seconds("0").is_err());
        assert_eq!(milliseconds("2.5"), Ok(Duration::from_micros(2_500)));
        assert!(milliseconds("-1").is_err() && milliseconds("soon").is_err());
    }

    #[test]
    fn listening_needs_address_and_port() {
        assert_eq!(listen("off"), Ok(Listen::Off));
        let at = |word: &str| match listen(word) {
            Ok(Listen::At(at)) => Some((at.to_string(), matches!(at, ListenAt::Unix(_)))),
            _ => None,
        };
        assert_eq!(at("[::1]:80"), Some(("[::1]:80".into(), false)));
        assert_eq!(at("unix:/run/tcpkit.sock"), Some(("unix:/run/tcpkit.sock".into(), true)));
        assert_eq!(at("unix:"), None);
        assert!(listen("localhost:80").unwrap_err().contains("127.0.0.1:33333"));
        assert!(listen("33333").is_err());
    }
}
