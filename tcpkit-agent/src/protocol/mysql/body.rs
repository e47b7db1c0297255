//! Bodies of a server's packets: OK, EOF and errors.

use super::packet::{CONTINUED, Packet, variable};
use crate::protocol::Text;

/// Whether it is the EOF behind the columns of a prepared statement, which is not expected where the login was missed.
pub(super) fn is_stray_eof(packet: &Packet<'_>, sequence: Option<u8>) -> bool {
    packet.len == EOF_LEN
        && packet.body.first() == Some(&EOF)
        && sequence.is_some_and(|last| packet.sequence == last.wrapping_add(1))
}

/// Whether captured octets end with the end of an answer: an EOF packet, or an OK packet without text that ends rows,
/// and no more results are announced.
pub(super) fn is_tail(octets: &[u8]) -> bool {
    let ends = |flags: [u8; 2]| u16::from_le_bytes(flags) & MORE_RESULTS == 0 && flags[1] < 0x80;
    match octets {
        [.., 7, 0, 0, _, EOF, 0, 0, low, high, _, _] | [.., 5, 0, 0, _, EOF, _, _, low, high] => {
            ends([*low, *high])
        }
        _ => false,
    }
}

/// `1146 42S02`: the code and the SQLSTATE of an error.
pub(super) fn status_of_error(body: &[u8]) -> Text<24> {
    let mut status = Text::new();
    if let Some([low, high]) = body.get(1..3) {
        status.push(u16::from_le_bytes([*low, *high]).to_string().as_bytes());
    }
    if let Some([b'#', state @ ..]) = body.get(3..9)
        && state.iter().all(u8::is_ascii_alphanumeric)
    {
        status.push(b" ");
        status.push(state);
    }
    status
}

/// Whether rows end here. What begins like this and is longer is a row whose first field has 2^24 octets and more.
pub(super) fn ends_rows(packet: &Packet<'_>) -> bool {
    packet.body.first() == Some(&EOF) && packet.len < u64::from(CONTINUED)
}

/// Status flags of an OK packet: behind affected rows and the last number inserted.
pub(super) fn ok_flags(body: &[u8]) -> Option<u16> {
    let (_, rest) = variable(body.get(1..)?)?;
    let (_, rest) = variable(rest)?;
    rest.first_chunk().map(|flags| u16::from_le_bytes(*flags))
}

/// Status flags of an EOF packet: behind the number of warnings.
pub(super) fn eof_flags(body: &[u8]) -> Option<u16> {
    body.get(3..5).map(|flags| u16::from_le_bytes([flags[0], flags[1]]))
}

/// First octet of an OK packet.
pub(super) const OK: u8 = 0;

/// First octet of an EOF packet, of an OK packet in its place, of a request for another way to log in.
pub(super) const EOF: u8 = 0xfe;

/// First octet of an error.
pub(super) const ERR: u8 = 0xff;

/// First octet where the server asks for a file.
pub(super) const LOCAL_INFILE: u8 = 0xfb;

/// Octets of an EOF packet's body.
pub(super) const EOF_LEN: u64 = 5;

/// Error code under which MariaDB reports progress.
pub(super) const PROGRESS: u16 = 0xffff;

/// More than any table has (4096).
pub(super) const MOST_COLUMNS: u32 = 65_535;

/// `SERVER_MORE_RESULTS_EXISTS`.
pub(super) const MORE_RESULTS: u16 = 1 << 3;

/// `SERVER_STATUS_CURSOR_EXISTS`: rows come when they are fetched.
pub(super) const CURSOR_EXISTS: u16 = 1 << 6;
