//! Names of numbers, as IANA registers them ("Domain Name System (DNS) Parameters").

use crate::protocol::text::Text;

/// The mnemonic of a record type, where it has one.
pub(super) fn of_type(number: u16) -> Option<&'static str> {
    TYPES.binary_search_by_key(&number, |(number, _)| *number).ok().map(|place| TYPES[place].1)
}

/// A record type's mnemonic, or `TYPE1234` (RFC 3597 §5).
pub(super) fn type_name(number: u16) -> Text<24> {
    of_type(number).map_or_else(|| numbered("TYPE", number), |name| Text::of(name.as_bytes()))
}

/// A class other than IN.
pub(super) fn class_name(number: u16) -> Text<24> {
    match number {
        1 => Text::of(b"IN"),
        3 => Text::of(b"CH"),
        4 => Text::of(b"HS"),
        254 => Text::of(b"NONE"),
        255 => Text::of(b"ANY"),
        _ => numbered("CLASS", number),
    }
}

/// What is asked for, where it is not records.
pub(super) fn opcode_name(number: u8) -> Text<24> {
    match number {
        0 => Text::of(b"QUERY"),
        1 => Text::of(b"IQUERY"),
        2 => Text::of(b"STATUS"),
        4 => Text::of(b"NOTIFY"),
        5 => Text::of(b"UPDATE"),
        6 => Text::of(b"DSO"),
        _ => numbered("OPCODE", u16::from(number)),
    }
}

/// How it was answered.
pub(super) fn rcode_name(number: u16) -> Text<24> {
    let low = RCODES.get(usize::from(number));
    let high = number.checked_sub(16).and_then(|number| EXTENDED_RCODES.get(usize::from(number)));
    match low.or(high) {
        Some(name) => Text::of(name.as_bytes()),
        None => numbered("RCODE", number),
    }
}

fn numbered(word: &str, number: u16) -> Text<24> {
    let mut text = Text::of(word.as_bytes());
    let mut divisor = 10_000;
    while divisor > 1 && number < divisor {
        divisor /= 10;
    }
    while divisor > 0 {
        text.push(&[b'0' + u8::try_from(number / divisor % 10).unwrap_or_default()]);
        divisor /= 10;
    }
    text
}

const RCODES: [&str; 12] = [
    "NOERROR",
    "FORMERR",
    "SERVFAIL",
    "NXDOMAIN",
    "NOTIMP",
    "REFUSED",
    "YXDOMAIN",
    "YXRRSET",
    "NXRRSET",
    "NOTAUTH",
    "NOTZONE",
    "DSOTYPENI",
];

/// From 16 on.
const EXTENDED_RCODES: [&str; 8] =
    ["BADVERS", "BADKEY", "BADTIME", "BADMODE", "BADNAME", "BADALG", "BADTRUNC", "BADCOOKIE"];

/// In order of their numbers.
const TYPES: [(u16, &str); 96] = [
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (22, "NSAP"),
    (23, "NSAP-PTR"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (31, "EID"),
    (32, "NIMLOC"),
    (33, "SRV"),
    (34, "ATMA"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (38, "A6"),
    (39, "DNAME"),
    (40, "SINK"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (56, "NINFO"),
    (57, "RKEY"),
    (58, "TALINK"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (66, "DSYNC"),
    (67, "HHIT"),
    (68, "BRID"),
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (128, "NXNAME"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (258, "AVC"),
    (259, "DOA"),
    (260, "AMTRELAY"),
    (261, "RESINFO"),
    (262, "WALLET"),
    (263, "CLA"),
    (32_768, "TA"),
    (32_769, "DLV"),
];
