//! How a connection begins: the server's greeting, the client's login.
//!
//! MySQL, "Connection Phase Packets": `Protocol::HandshakeV10`, `Protocol::HandshakeResponse41`, `Protocol::SSLRequest`.

use super::packet::{Packet, variable};
use crate::protocol::{
    Text,
    sql::{Statement, until_nul},
};

/// Capabilities (`CLIENT_…`) that change what is said, or how.
pub(super) mod capability {
    /// The login names a database.
    pub(in super::super) const CONNECT_WITH_DB: u32 = 1 << 3;
    /// Packets are compressed once logged in.
    pub(in super::super) const COMPRESS: u32 = 1 << 5;
    /// The protocol of 4.1 and later.
    pub(in super::super) const PROTOCOL_41: u32 = 1 << 9;
    /// TLS begins behind this packet.
    pub(in super::super) const SSL: u32 = 1 << 11;
    /// The proof of the password has one octet of length before it.
    pub(in super::super) const SECURE_CONNECTION: u32 = 1 << 15;
    /// The proof of the password has a length of variable length before it.
    pub(in super::super) const AUTH_LENENC: u32 = 1 << 21;
    /// Result sets end with an OK packet, and columns with nothing.
    pub(in super::super) const DEPRECATE_EOF: u32 = 1 << 24;
    /// Result sets begin with an octet that tells whether columns are described.
    pub(in super::super) const OPTIONAL_METADATA: u32 = 1 << 25;
    /// As [`COMPRESS`], by Zstandard.
    pub(in super::super) const ZSTD: u32 = 1 << 26;
    /// Statements have attributes before their text.
    pub(in super::super) const QUERY_ATTRIBUTES: u32 = 1 << 27;
}

/// What a client says to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// What the connection will be able to do.
    pub(super) capabilities: u32,
    /// `LOGIN user/database`.
    pub(super) statement: Statement,
}

/// Whether a server begins like this: version 10, and the version's name.
pub(super) fn is_greeting(packet: &Packet<'_>) -> bool {
    let Some((10, rest)) = packet.body.split_first() else { return false };
    let (version, _) = until_nul(rest);
    packet.sequence == 0
        && (30..1_024).contains(&packet.len)
        && version.first().is_some_and(u8::is_ascii_digit)
        && version.iter().all(u8::is_ascii_graphic)
}

/// Whether this may be a login although no greeting was captured.
pub(super) fn is_login(packet: &Packet<'_>) -> bool {
    let fixed = packet.body.get(..FIXED);
    packet.sequence == 1
        && (FIXED as u64..65_536).contains(&packet.len)
        && fixed.is_some_and(|fixed| {
            capabilities(fixed) & capability::PROTOCOL_41 != 0 && fixed[9..28].iter().all(|octet| *octet == 0)
        })
}

/// Whether TLS follows instead of a name.
pub(super) fn asks_for_tls(packet: &Packet<'_>) -> bool {
    capabilities(packet.body) & capability::SSL != 0 && packet.len <= FIXED as u64
}

/// Reads who wants in. The password's proof is stepped over.
pub(super) fn read(packet: &Packet<'_>) -> Login {
    let mut capabilities = capabilities(packet.body);
    if capabilities & capability::PROTOCOL_41 == 0 {
        // Before 4.1: two octets of capabilities, three of packet size, name.
        capabilities &= 0xffff;
        let (user, _) = until_nul(packet.body.get(5..).unwrap_or_default());
        return Login { capabilities, statement: named(b"LOGIN", user, &[]) };
    }
    let (user, rest) = until_nul(packet.body.get(FIXED..).unwrap_or_default());
    let after_proof = match capabilities {
        bits if bits & capability::AUTH_LENENC != 0 => variable(rest),
        bits if bits & capability::SECURE_CONNECTION != 0 => {
            rest.split_first().map(|(len, rest)| (u64::from(*len), rest))
        }
        _ => Some((0, until_nul(rest).1)),
    }
    .and_then(|(len, rest)| rest.get(usize::try_from(len).ok()?..));
    let database = match after_proof {
        Some(rest) if capabilities & capability::CONNECT_WITH_DB != 0 => until_nul(rest).0,
        _ => &[],
    };
    Login { capabilities, statement: named(b"LOGIN", user, database) }
}

/// `COM_CHANGE_USER`, behind its first octet.
pub(super) fn change_user(arguments: &[u8]) -> Statement {
    let (user, rest) = until_nul(arguments);
    let database = rest
        .split_first()
        .and_then(|(len, rest)| rest.get(usize::from(*len)..))
        .map_or(&[][..], |rest| until_nul(rest).0);
    named(b"CHANGE_USER", user, database)
}

/// Octets before the user's name: capabilities, packet size, character set, filler.
const FIXED: usize = 32;

fn capabilities(body: &[u8]) -> u32 {
    body.first_chunk().map_or(0, |bits| u32::from_le_bytes(*bits))
}

fn named(command: &[u8], user: &[u8], database: &[u8]) -> Statement {
    let mut key: Text<64> = Text::of(user);
    if !database.is_empty() {
        key.push(b"/");
        key.push(database);
    }
    Statement::named(command, key.octets())
}
