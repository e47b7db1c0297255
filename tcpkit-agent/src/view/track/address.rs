//! Ends of connections as text.

use std::net::SocketAddr;

use crate::report::flows::FlowRow;

/// The client's end.
pub(super) fn client(row: &FlowRow) -> SocketAddr {
    SocketAddr::new(row.client_ip, row.client_port)
}

/// The server's end.
pub(super) fn server(row: &FlowRow) -> SocketAddr {
    SocketAddr::new(row.server_ip, row.server_port)
}

/// An end in so many columns: where it has to be cut, its beginning goes, because the port tells most.
pub(super) fn fitted(end: SocketAddr, width: usize) -> String {
    let text = end.to_string();
    if text.len() <= width {
        return text;
    }
    let kept = width.saturating_sub(1);
    format!("…{}", text.get(text.len() - kept.min(text.len())..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_too_long_keeps_its_port() {
        let end: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        assert_eq!(fitted(end, 17), "[2001:db8::1]:443");
        assert_eq!(fitted(end, 10), "…8::1]:443");
        assert_eq!(fitted(end, 1), "…");
        assert_eq!(fitted(end, 0), "…");
    }
}
