//! What the two hellos say openly (RFC 8446 §4.1, RFC 5246 §7.4.1): name, protocols, version.
//!
//! Of a hello that was captured in part, what was captured is read. Extensions that nobody knows (GREASE, RFC 8701;
//! encrypted hellos) are passed over.

use crate::protocol::text::Text;

/// A client's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientHello {
    /// SNI (RFC 6066 §3) in lower case; with an encrypted hello, the name of whoever can decrypt it.
    pub(super) name: Text<64>,
    /// ALPN (RFC 7301): what the client speaks, separated by commas.
    pub(super) protocols: Text<64>,
    /// It sends data before the server has answered (RFC 8446 §4.2.10).
    pub(super) has_early_data: bool,
}

/// A server's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerHello {
    /// The version that both will speak.
    pub(super) version: u16,
    /// ALPN: what the server has chosen, where it says so openly: before TLS 1.3.
    pub(super) protocol: Text<64>,
    /// It asks for another hello (RFC 8446 §4.1.4).
    pub(super) is_retry: bool,
}

impl ClientHello {
    pub(super) fn read(body: &[u8]) -> Self {
        let mut hello = Self::default();
        // Each step gives up where the octets end; what was read before that stays.
        let _whole = hello.read_fields(body);
        hello
    }

    fn read_fields(&mut self, body: &[u8]) -> Option<()> {
        let mut rest = Fields(body);
        rest.take(2 + RANDOM)?;
        rest.vector(1)?;
        rest.vector(2)?;
        rest.vector(1)?;
        rest.take(2)?;
        while let Some((kind, data)) = rest.extension() {
            match kind {
                SERVER_NAME => self.name = name_of(data).unwrap_or_default(),
                ALPN => self.protocols = protocols_of(data),
                EARLY_DATA => self.has_early_data = true,
                _ => {}
            }
        }
        Some(())
    }
}

impl ServerHello {
    pub(super) fn read(body: &[u8]) -> Self {
        let mut hello = Self::default();
        let _whole = hello.read_fields(body);
        hello
    }

    fn read_fields(&mut self, body: &[u8]) -> Option<()> {
        let mut rest = Fields(body);
        self.version = rest.number(2)?;
        self.is_retry = rest.take(RANDOM)? == RETRY;
        rest.vector(1)?;
        rest.take(2 + 1 + 2)?;
        while let Some((kind, data)) = rest.extension() {
            match (kind, data) {
                (SUPPORTED_VERSIONS, [high, low]) => self.version = u16::from_be_bytes([*high, *low]),
                (ALPN, _) => self.protocol = protocols_of(data),
                _ => {}
            }
        }
        Some(())
    }
}

/// A version as `openssl` and servers' logs write it.
pub(super) const fn version_name(version: u16) -> &'static str {
    match version {
        0x0002 => "SSLv2",
        0x0300 => "SSLv3",
        0x0301 => "TLSv1.0",
        0x0302 => "TLSv1.1",
        0x0303 => "TLSv1.2",
        _ if is_modern(version) => "TLSv1.3",
        _ => "unknown",
    }
}

/// TLS 1.3, or one of its drafts (RFC 8446 is the last of those that had 0x7fNN).
pub(super) const fn is_modern(version: u16) -> bool {
    version == 0x0304 || matches!(version >> 8, 0x7a | 0x7e | 0x7f)
}

/// The name of an alert (RFC 8446 §6, RFC 5246 §7.2).
pub(super) const fn alert_name(description: u8) -> &'static str {
    match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status",
        114 => "bad_certificate_hash",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => "unknown_alert",
    }
}

/// RFC 6066 §3: a list of names, of which only that of a host is defined.
fn name_of(data: &[u8]) -> Option<Text<64>> {
    let mut list = Fields(data);
    list.take(2)?;
    let is_host = list.take(1)? == [0];
    let name = list.vector(2)?;
    is_host.then(|| {
        let mut text = Text::new();
        for octet in name {
            text.push(&[octet.to_ascii_lowercase()]);
        }
        text
    })
}

/// RFC 7301 §3.1; names that cannot be printed are GREASE.
fn protocols_of(data: &[u8]) -> Text<64> {
    let (mut list, mut text) = (Fields(data.get(2..).unwrap_or_default()), Text::new());
    while let Some(name) = list.vector(1) {
        if name.iter().all(u8::is_ascii_graphic) {
            text.push(if text.is_empty() { b"" } else { b"," });
            text.push(name);
        }
    }
    text
}

/// Octets that are taken from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, len: usize) -> Option<u16> {
        Some(self.take(len)?.iter().fold(0, |number, octet| number << 8 | u16::from(*octet)))
    }

    /// Octets after their length, which has one or two octets.
    fn vector(&mut self, len: usize) -> Option<&'a [u8]> {
        let len = self.number(len)?;
        self.take(usize::from(len))
    }

    fn extension(&mut self) -> Option<(u16, &'a [u8])> {
        Some((self.number(2)?, self.vector(2)?))
    }
}

const RANDOM: usize = 32;

/// RFC 8446 §4.1.3: SHA-256 of "HelloRetryRequest".
const RETRY: [u8; RANDOM] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;
