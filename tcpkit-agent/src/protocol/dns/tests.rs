//! Queries and answers as stories, by UDP and TCP.

use proptest::prelude::*;

use super::*;
use crate::protocol::{
    MAX_KEY, Protocol,
    testing::{Conversation, hears_anything},
};

/// A message: number, flags, name, type, and what follows the question.
fn message(id: u16, flags: u16, labels: &[&[u8]], kind: u16, records: [u16; 3], rest: &[u8]) -> Vec<u8> {
    let numbers = [id, flags, 1, records[0], records[1], records[2]];
    let mut octets: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    for label in labels {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend_from_slice(label);
    }
    octets.push(0);
    octets.extend_from_slice(&kind.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    octets.extend_from_slice(rest);
    octets
}

fn query(id: u16, labels: &[&[u8]], kind: u16) -> Vec<u8> {
    message(id, 0x0100, labels, kind, [0; 3], &[])
}

fn response(id: u16, labels: &[&[u8]], kind: u16, rcode: u16) -> Vec<u8> {
    message(id, 0x8180 | rcode, labels, kind, [0; 3], &[])
}

fn in_stream(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

fn over_udp() -> Conversation {
    Conversation::of_datagrams(Protocol::Dns)
}

const EXAMPLE: [&[u8]; 2] = [b"ExAmple", b"com"];

const NOTHING_ODD: DialogueCounts = DialogueCounts {
    malformed: 0,
    desynchronised: 0,
    pushes: 0,
    informational: 0,
    unmatched: 0,
    overrun: 0,
    repeated: 0,
};

#[test]
fn queries_are_answered_by_number_and_question() {
    let heard = over_udp()
        .client(1, query(7, &EXAMPLE, 1))
        .client(2, query(7, &EXAMPLE, 28))
        .client(3, query(8, &[b"nowhere"], 65))
        .client(4, query(9, &[], 1234))
        .server(5, response(7, &[b"eXaMPLE", b"cOM"], 28, 0))
        .server(6, response(8, &[b"nowhere"], 65, 3))
        .server(7, response(7, &EXAMPLE, 1, 2))
        .server(8, response(9, &[b"other"], 1234, 0))
        .hear();
    assert_eq!(
        heard.lines(),
        [
            "2-2 5-5 answered NOERROR AAAA example.com. | AAAA ExAmple.com.",
            "3-3 6-6 answered NXDOMAIN HTTPS nowhere. | HTTPS nowhere.",
            "1-1 7-7 answered error SERVFAIL A example.com. | A ExAmple.com.",
            "4-4 - unanswered - TYPE1234 . | TYPE1234 .",
        ]
    );
    assert_eq!(heard.counts, DialogueCounts { unmatched: 1, ..NOTHING_ODD });
}

#[test]
fn a_query_sent_again_counts_once_from_the_first_time() {
    let again = query(7, &EXAMPLE, 1);
    let heard = over_udp()
        .client(1, &again)
        .client(5_000_000, &again)
        .server(5_000_009, response(7, &EXAMPLE, 1, 0))
        .server(5_000_010, response(7, &EXAMPLE, 1, 0))
        .hear();
    assert_eq!(heard.lines(), ["1-1 5000009-5000009 answered NOERROR A example.com. | A ExAmple.com."]);
    assert_eq!(heard.counts, DialogueCounts { repeated: 1, unmatched: 1, ..NOTHING_ODD });
}

#[test]
fn nobody_waits_for_a_datagram_for_ever() {
    let heard = over_udp()
        .client(0, query(1, &EXAMPLE, 1))
        .client(31_000_000, query(1, &EXAMPLE, 1))
        .server(31_000_005, response(1, &EXAMPLE, 1, 0))
        .hear();
    assert_eq!(
        heard.lines(),
        [
            "0-0 - unanswered - A example.com. | A ExAmple.com.",
            "31000000-31000000 31000005-31000005 answered NOERROR A example.com. | A ExAmple.com.",
        ]
    );
    assert_eq!(heard.counts, NOTHING_ODD);
    let mut many = over_udp();
    for id in 1..=1_030 {
        many = many.client(0, query(id, &EXAMPLE, 1));
    }
    let heard = many.hear();
    assert_eq!((heard.counts.overrun, heard.pending, heard.exchanges.len()), (6, 1_024, 1_030));
}

#[test]
fn by_tcp_answers_come_in_any_order_and_any_pieces() {
    let (first, second) = (query(1, &EXAMPLE, 1), query(2, &EXAMPLE, 28));
    let large = message(2, 0x8180, &EXAMPLE, 28, [0; 3], &[0; 3_000]);
    let heard = Conversation::new(Protocol::Dns)
        .client(1, [in_stream(&first), in_stream(&second)].concat())
        .server(2, in_stream(&large))
        .server(3, in_stream(&response(1, &EXAMPLE, 1, 0)))
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-2 answered NOERROR AAAA example.com. | AAAA ExAmple.com.",
            "1-1 3-3 answered NOERROR A example.com. | A ExAmple.com."
        ]
    );
    let extents: Vec<_> = heard.exchanges.iter().map(|exchange| exchange.request.extent).collect();
    assert_eq!((extents[0].offset, extents[0].len, extents[1].len), (31, 31, 31));
    assert_eq!(heard.exchanges[0].response.map(|response| response.len), Some(3_031));
    assert_eq!(heard.counts, NOTHING_ODD);
}

#[test]
fn a_zone_comes_in_many_messages() {
    let heard = Conversation::new(Protocol::Dns)
        .client(1, in_stream(&query(1, &EXAMPLE, AXFR)))
        .server(2, in_stream(&response(1, &EXAMPLE, AXFR, 0)))
        .server(3, in_stream(&response(1, &EXAMPLE, AXFR, 0)))
        .client(4, in_stream(&query(2, &EXAMPLE, AXFR)))
        .server(5, in_stream(&response(2, &EXAMPLE, AXFR, 5)))
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-3 answered NOERROR AXFR example.com. | AXFR ExAmple.com.",
            "4-4 5-5 answered error REFUSED AXFR example.com. | AXFR ExAmple.com.",
        ]
    );
    assert_eq!(heard.counts, NOTHING_ODD);
}

#[test]
fn messages_in_part_are_stepped_over_and_lost_threads_found_again() {
    let large = in_stream(&message(1, 0x8180, &EXAMPLE, 1, [0; 3], &[0; 900]));
    let heard = Conversation::new(Protocol::Dns)
        .client(1, in_stream(&query(1, &EXAMPLE, 1)))
        .server(2, &large)
        .captured(100)
        .client(3, in_stream(&query(2, &EXAMPLE, 1)))
        .captured(20)
        .client(4, in_stream(&query(3, &EXAMPLE, 1)))
        .server(5, in_stream(&response(2, &EXAMPLE, 1, 0)))
        .captured(1)
        .server(6, in_stream(&response(3, &EXAMPLE, 1, 0)))
        .hear();
    assert_eq!(heard.exchanges.len(), 2, "{:?}", heard.lines());
    assert!(heard.exchanges.iter().all(|exchange| exchange.outcome == Outcome::Answered));
    assert_eq!(heard.counts, DialogueCounts { desynchronised: 2, ..NOTHING_ODD });
}

#[test]
fn what_is_said_of_a_zone_is_named_by_its_opcode() {
    let notify = message(1, 0x2400, &EXAMPLE, 6, [0; 3], &[]);
    let mut update = message(2, 0x2800, &EXAMPLE, 6, [0; 3], &[]);
    let question = update.len();
    update[question - 1] = 3;
    let bare = [0, 2, 0xa8, 0x05, 0, 0, 0, 0, 0, 0, 0, 0];
    let heard = over_udp()
        .client(1, notify)
        .client(2, update)
        .server(3, message(1, 0xa400, &EXAMPLE, 6, [0; 3], &[]))
        .server(4, bare)
        .hear();
    assert_eq!(
        heard.lines(),
        [
            "1-1 3-3 answered NOERROR NOTIFY example.com. | NOTIFY ExAmple.com.",
            "2-2 4-4 answered error REFUSED UPDATE example.com. | UPDATE CH ExAmple.com.",
        ]
    );
}

#[test]
fn truncation_and_extended_codes_are_told() {
    let opt = [0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0];
    let heard = over_udp()
        .client(1, query(1, &EXAMPLE, 1))
        .client(1, query(2, &EXAMPLE, 1))
        .server(2, response(1, &EXAMPLE, 1, 0x200))
        .server(3, message(2, 0x8180, &EXAMPLE, 1, [0, 0, 1], &opt))
        .hear();
    let statuses: Vec<_> =
        heard.exchanges.iter().map(|exchange| exchange.status.to_str().into_owned()).collect();
    assert_eq!(statuses, ["NOERROR TC", "BADVERS"]);
    assert_eq!(kinds::rcode_name(12).octets(), b"RCODE12");
    assert_eq!(kinds::rcode_name(23).octets(), b"BADCOOKIE");
    assert_eq!(kinds::rcode_name(4095).octets(), b"RCODE4095");
    assert_eq!(kinds::type_name(0).octets(), b"TYPE0");
    assert_eq!(kinds::type_name(257).octets(), b"CAA");
}

#[test]
fn names_are_written_so_that_no_terminal_minds() {
    let labels: [&[u8]; 3] = [b"a.b\\c\"", b"\x1b[2J \xff", b"\0"];
    let heard = over_udp().client(1, query(1, &labels, 16)).hear();
    assert_eq!(heard.exchanges[0].request.label(), br#"TXT a\.b\\c\".\027[2J\032\255.\000."#);
    let long = [[b'x'; 63].as_slice(); 3];
    let heard = over_udp().client(1, query(1, &long, 16)).server(2, response(1, &long, 16, 0)).hear();
    assert!(heard.exchanges[0].request.key().len() == MAX_KEY && heard.exchanges[0].response.is_some());
}

#[test]
fn loops_and_labels_of_no_kind_are_malformed() {
    let fixed = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for name in [
        // To itself, to the header, forward, to another one that leads back.
        [0xc0, 12, 0, 1, 0, 1, 0, 0].as_slice(),
        &[0xc0, 0, 0, 1, 0, 1, 0, 0],
        &[0xc0, 40, 0, 1, 0, 1, 0, 0],
        &[1, b'a', 0xc0, 12, 0, 1, 0, 1],
        &[0x40, 1, 0, 0, 1, 0, 1],
        &[0x80, 0, 0, 1, 0, 1],
        &[5, b'a'],
        &[[63; 64].repeat(4).as_slice(), &[0, 0, 1, 0, 1]].concat(),
    ] {
        let heard = over_udp().client(1, [&fixed, name].concat()).hear();
        assert_eq!(heard.counts, DialogueCounts { malformed: 1, ..NOTHING_ODD }, "{name:?}");
        assert!(heard.exchanges.is_empty());
    }
    // What is wrong behind the question does not take the answer away.
    let heard = over_udp()
        .client(1, query(1, &EXAMPLE, 1))
        .server(2, message(1, 0x8180, &EXAMPLE, 1, [1, 0, 0], &[0x40, 0]))
        .hear();
    assert_eq!((heard.counts.malformed, heard.exchanges[0].outcome), (1, Outcome::Answered));
    let zero = Conversation::new(Protocol::Dns)
        .client(1, in_stream(&message(0, 0, &EXAMPLE, 1, [0; 3], &[])))
        .check();
    assert_eq!(zero.exchanges.len(), 1);
    let short = Conversation::new(Protocol::Dns).client(1, [0, 5, 1, 2, 3, 4, 5]).check();
    assert_eq!(short.counts, DialogueCounts { malformed: 1, ..NOTHING_ODD });
}

#[test]
fn multicast_and_what_servers_ask_are_pushes() {
    let heard = over_udp()
        .client(1, message(0, 0, &[b"_ipp", b"local"], 12, [0; 3], &[]))
        .server(2, message(0, 0x8400, &[b"_ipp", b"local"], 12, [0; 3], &[]))
        .server(3, query(1, &EXAMPLE, 1))
        .hear();
    assert_eq!((heard.exchanges.len(), heard.counts), (0, DialogueCounts { pushes: 3, ..NOTHING_ODD }));
}

#[test]
fn the_protocol_is_recognised_and_its_relatives_are_not() {
    let query_one = query(1, &EXAMPLE, 1);
    assert!(speaks(Party::Client, &query_one, Carrier::Datagrams));
    assert!(!speaks(Party::Server, &query_one, Carrier::Datagrams));
    assert!(speaks(Party::Server, &response(1, &EXAMPLE, 1, 3), Carrier::Datagrams));
    assert!(speaks(Party::Client, &in_stream(&query_one), Carrier::Stream));
    for other in [
        message(0, 0, &[b"_ipp", b"local"], 12, [0; 3], &[]),
        message(5, 0, &[b"host"], 1, [0; 3], &[]),
        query(1, &EXAMPLE, 7_777),
        query_one[..14].to_vec(),
        message(5, 0x0110, &[b"FHFAEBEECACACACACACACACACACACAAA"], 32, [0; 3], &[]),
        vec![0; 60],
        b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_vec(),
    ] {
        assert!(!speaks(Party::Client, &other, Carrier::Datagrams), "{}", other.escape_ascii());
        assert!(!speaks(Party::Client, &other, Carrier::Stream), "{}", other.escape_ascii());
    }
}

#[test]
fn any_messages_are_heard() {
    const SNIPPETS: &[&[u8]] = &[
        b"\0\x1d\0\x01\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01",
        b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01",
        b"\0\x01\x81\x80\0\x01\0\x01\0\0\0\0\x07example\x03com\0\0\x01\0\x01",
        b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x01\x02\x03\x04",
        b"\0\xfc",
    ];
    for carrier in [Carrier::Stream, Carrier::Datagrams] {
        hears_anything(Protocol::Dns, carrier, SNIPPETS);
    }
}

proptest! {
    #[test]
    fn every_name_that_can_be_read_ends_within_its_message(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok((name, after)) = name::Name::read(&octets, octets.len().min(12)) {
            prop_assert!(after <= octets.len());
            prop_assert!(name.shown.octets().iter().all(|octet| (b'!'..=b'~').contains(octet)));
        }
        let _any_result = Message::parse(&octets);
    }
}
