//! ICMP errors that quote a segment: which of them mean that it did not arrive, and what they are called.

/// ICMP type and code of an error, and of which protocol they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IcmpReason {
    /// True for ICMPv6.
    pub version_6: bool,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
}

impl IcmpReason {
    /// Whether it says that a segment did not reach its receiver.
    ///
    /// RFC 792: destination unreachable (without *fragmentation needed*, which asks for smaller segments), time
    /// exceeded, parameter problem. RFC 4443 §3: the same without *packet too big*.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match (self.version_6, self.kind) {
            (false, 3) => self.code != 4,
            (false, 11 | 12) | (true, 1 | 3 | 4) => true,
            _ => false,
        }
    }

    /// Whether it tells of a path whose packets must be smaller (RFC 1191 §4, RFC 8201 §4).
    #[must_use]
    pub const fn is_path_mtu(self) -> bool {
        matches!((self.version_6, self.kind, self.code), (false, 3, 4) | (true, 2, _))
    }

    /// What its RFC calls it; `unassigned` for a code that none names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        if self.version_6 { self.name_6() } else { self.name_4() }
    }

    /// RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1.
    const fn name_4(self) -> &'static str {
        match (self.kind, self.code) {
            (3, 0) => "net_unreachable",
            (3, 1) => "host_unreachable",
            (3, 2) => "protocol_unreachable",
            (3, 3) => "port_unreachable",
            (3, 4) => "fragmentation_needed",
            (3, 5) => "source_route_failed",
            (3, 6) => "net_unknown",
            (3, 7) => "host_unknown",
            (3, 8) => "source_host_isolated",
            (3, 9) => "net_prohibited",
            (3, 10) => "host_prohibited",
            (3, 11) => "net_unreachable_for_tos",
            (3, 12) => "host_unreachable_for_tos",
            (3, 13) => "admin_prohibited",
            (3, 14) => "host_precedence_violation",
            (3, 15) => "precedence_cutoff",
            (4, 0) => "source_quench",
            (5, 0..=3) => "redirect",
            (11, 0) => "ttl_exceeded",
            (11, 1) => "reassembly_time_exceeded",
            (12, 0..=2) => "parameter_problem",
            _ => "unassigned",
        }
    }

    /// RFC 4443 §3, RFC 6554 §3, RFC 8883 §3.
    const fn name_6(self) -> &'static str {
        match (self.kind, self.code) {
            (1, 0) => "no_route",
            (1, 1) => "admin_prohibited",
            (1, 2) => "beyond_scope",
            (1, 3) => "address_unreachable",
            (1, 4) => "port_unreachable",
            (1, 5) => "source_address_policy",
            (1, 6) => "reject_route",
            (1, 7) => "source_routing_error",
            (1, 8) => "headers_too_long",
            (2, _) => "packet_too_big",
            (3, 0) => "hop_limit_exceeded",
            (3, 1) => "reassembly_time_exceeded",
            (4, 0..=10) => "parameter_problem",
            _ => "unassigned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn reason(version_6: bool, kind: u8, code: u8) -> IcmpReason {
        IcmpReason { version_6, kind, code }
    }

    #[test]
    fn names_are_those_of_the_protocol() {
        assert_eq!(reason(false, 3, 13).name(), "admin_prohibited");
        assert_eq!(reason(true, 1, 1).name(), "admin_prohibited");
        assert_eq!(reason(true, 3, 13).name(), "unassigned");
    }

    #[test]
    fn what_asks_for_smaller_packets_is_no_failure() {
        for version_6 in [false, true] {
            for (kind, code) in (0..=255).flat_map(|kind| (0..=255).map(move |code| (kind, code))) {
                let reason = reason(version_6, kind, code);
                assert!(!(reason.is_failure() && reason.is_path_mtu()), "{reason:?}");
            }
        }
        assert!(reason(false, 3, 4).is_path_mtu() && reason(true, 2, 0).is_path_mtu());
    }
}
