//! TLS handshakes as stories.

use super::*;
use crate::protocol::{
    Protocol,
    testing::{Conversation, hears_anything},
};

fn two(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_be_bytes()
}

fn record(kind: u8, fragment: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], two(fragment.len()).as_slice(), fragment].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], two(body.len()).as_slice(), body].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().as_slice(), &two(data.len()), data].concat()
}

fn with_extensions(mut body: Vec<u8>, extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions = extensions.concat();
    body.extend_from_slice(&two(extensions.len()));
    body.extend_from_slice(&extensions);
    body
}

fn protocols(names: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> =
        names.iter().flat_map(|name| [&[u8::try_from(name.len()).unwrap()], *name].concat()).collect();
    extension(16, &[two(list.len()).as_slice(), &list].concat())
}

fn server_name(name: &[u8]) -> Vec<u8> {
    let entry = [&[0], two(name.len()).as_slice(), name].concat();
    extension(0, &[two(entry.len()).as_slice(), &entry].concat())
}

fn client_hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let fixed = [&[3, 3], [7; 32].as_slice(), &[2, 8, 8], &[0, 4, 0x0a, 0x0a, 0x13, 1], &[1, 0]].concat();
    message(CLIENT_HELLO, &with_extensions(fixed, extensions))
}

fn usual_hello() -> Vec<u8> {
    let grease = extension(0x0a0a, &[]);
    client_hello(&[grease, server_name(b"Example.com"), protocols(&[b"\x0a\x0a", b"h2", b"http/1.1"])])
}

fn server_hello(random: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let fixed = [&[3, 3], random, &[0], &[0x13, 1], &[0]].concat();
    message(SERVER_HELLO, &with_extensions(fixed, extensions))
}

fn modern() -> Vec<u8> {
    extension(43, &[3, 4])
}

fn tls() -> Conversation {
    Conversation::new(Protocol::Tls)
}

const FINISHED: [u8; 40] = [0xee; 40];
const FLIGHT: [u8; 74] = [0xee; 74];

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
fn up_to_1_2_the_handshake_ends_with_the_servers_finished() {
    let hello = server_hello(&[9; 32], &[protocols(&[b"h2"])]);
    let certificate = message(11, &[1; 300]);
    let key = message(12, &[2; 100]);
    let heard = tls()
        .client(1, record(HANDSHAKE, &usual_hello()))
        // Messages over records: two in one, one in two.
        .server(2, record(HANDSHAKE, &[hello.as_slice(), &certificate[..50]].concat()))
        .server(3, [record(HANDSHAKE, &certificate[50..]), record(HANDSHAKE, &key)].concat())
        .server(4, record(HANDSHAKE, &message(14, &[])))
        .client(
            5,
            [record(HANDSHAKE, &message(16, &[3; 66])), record(20, &[1]), record(HANDSHAKE, &FINISHED)]
                .concat(),
        )
        .server(6, [record(20, &[1]), record(HANDSHAKE, &FINISHED)].concat())
        .client(7, record(APPLICATION, &[1; 100]))
        .server(8, [0xff; 100])
        .check();
    assert_eq!(
        heard.lines(),
        ["1-1 2-6 answered TLSv1.2 h2 HANDSHAKE example.com | ClientHello example.com h2,http/1.1"]
    );
    assert_eq!(heard.counts, NOTHING_ODD);
    let resumed = tls()
        .client(1, record(HANDSHAKE, &client_hello(&[])))
        .server(
            2,
            [record(HANDSHAKE, &server_hello(&[9; 32], &[])), record(20, &[1]), record(HANDSHAKE, &FINISHED)]
                .concat(),
        )
        .client(3, [record(20, &[1]), record(HANDSHAKE, &FINISHED)].concat())
        .check();
    assert_eq!(resumed.lines(), ["1-1 2-2 answered TLSv1.2 HANDSHAKE - | ClientHello"]);
}

#[test]
fn in_1_3_it_ends_where_the_client_goes_on() {
    let hello = record(HANDSHAKE, &server_hello(&[9; 32], &[modern()]));
    let heard = tls()
        .client(1, record(HANDSHAKE, &usual_hello()))
        .server(2, [hello.as_slice(), &record(20, &[1]), &record(APPLICATION, &FLIGHT)].concat())
        .server(3, record(APPLICATION, &FLIGHT))
        .client(4, [record(20, &[1]), record(APPLICATION, &FLIGHT)].concat())
        .server(5, record(APPLICATION, &FLIGHT))
        .check();
    let label = "ClientHello example.com h2,http/1.1";
    assert_eq!(heard.lines(), [format!("1-1 2-3 answered TLSv1.3 HANDSHAKE example.com | {label}")]);
    assert_eq!(heard.counts, NOTHING_ODD);
}

#[test]
fn another_hello_may_be_asked_for() {
    let retry = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
        0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    ];
    let heard = tls()
        .client(1, record(HANDSHAKE, &client_hello(&[])))
        .server(2, record(HANDSHAKE, &server_hello(&retry, &[modern()])))
        .client(3, [record(20, &[1]), record(HANDSHAKE, &client_hello(&[]))].concat())
        .server(
            4,
            [record(HANDSHAKE, &server_hello(&[9; 32], &[modern()])), record(APPLICATION, &FLIGHT)].concat(),
        )
        .client(5, record(APPLICATION, &FLIGHT))
        .check();
    assert_eq!(heard.lines(), ["1-1 2-4 answered TLSv1.3 HANDSHAKE - | ClientHello"]);
    assert_eq!(heard.counts, DialogueCounts { informational: 1, ..NOTHING_ODD });
}

#[test]
fn alerts_end_it() {
    let hello = record(HANDSHAKE, &client_hello(&[]));
    let refused =
        tls().client(1, &hello).server(2, record(21, &[1, 112])).server(3, record(21, &[2, 40])).check();
    assert_eq!(refused.lines(), ["1-1 3-3 answered error handshake_failure HANDSHAKE - | ClientHello"]);
    let old = record(HANDSHAKE, &server_hello(&[9; 32], &[]));
    let distrusted = tls().client(1, &hello).server(2, old).client(3, record(21, &[2, 48])).check();
    assert_eq!(distrusted.lines(), ["1-1 2-2 answered error unknown_ca HANDSHAKE - | ClientHello"]);
    let flight =
        [record(HANDSHAKE, &server_hello(&[9; 32], &[modern()])), record(APPLICATION, &FLIGHT)].concat();
    let hidden = tls().client(1, &hello).server(2, flight).client(3, record(APPLICATION, &[1; 19])).check();
    assert_eq!(hidden.lines(), ["1-1 2-2 answered error encrypted_alert HANDSHAKE - | ClientHello"]);
    let silent = tls().client(1, &hello);
    assert_eq!(silent.check().lines(), ["1-1 - unanswered - HANDSHAKE - | ClientHello"]);
    assert_eq!(silent.hear_lost().lines(), ["1-1 - aborted - HANDSHAKE - | ClientHello"]);
}

#[test]
fn a_hello_may_lie_in_several_records_and_be_captured_in_part() {
    let hello = client_hello(&[server_name(b"example.com"), extension(51, &[1; 1_300])]);
    let (first, second) = hello.split_at(60);
    let answer =
        [record(HANDSHAKE, &server_hello(&[9; 32], &[])), record(20, &[1]), record(HANDSHAKE, &FINISHED)];
    let split = tls()
        .client(1, record(HANDSHAKE, first))
        .client(2, record(HANDSHAKE, second))
        .server(3, answer.concat())
        .check();
    assert_eq!(split.lines(), ["1-2 3-3 answered TLSv1.2 HANDSHAKE example.com | ClientHello example.com"]);
    let cut = tls().client(1, record(HANDSHAKE, &hello)).captured(120).server(3, answer.concat()).hear();
    assert_eq!(cut.lines(), ["1-1 3-3 answered TLSv1.2 HANDSHAKE example.com | ClientHello example.com"]);
    assert_eq!(cut.counts, NOTHING_ODD);
    // A certificate that was not captured hides the messages behind it, but not the records.
    let flight = [message(SERVER_HELLO, &server_hello(&[9; 32], &[])[4..]), message(11, &[1; 900])].concat();
    let heard = tls()
        .client(1, record(HANDSHAKE, &hello))
        .server(2, record(HANDSHAKE, &flight))
        .captured(100)
        .server(3, record(HANDSHAKE, &message(14, &[])))
        .server(4, [record(20, &[1]), record(HANDSHAKE, &FINISHED)].concat())
        .hear();
    assert_eq!(heard.lines()[0][..26], *"1-1 2-4 answered TLSv1.2 H");
}

#[test]
fn the_oldest_form_of_a_hello_is_known() {
    let old = [&[0x80, 0x4c, 1, 3, 0], [0; 73].as_slice()].concat();
    let heard = tls()
        .client(1, old)
        .server(
            2,
            [record(HANDSHAKE, &server_hello(&[9; 32], &[])), record(20, &[1]), record(HANDSHAKE, &FINISHED)]
                .concat(),
        )
        .check();
    assert_eq!(heard.lines(), ["1-1 2-2 answered TLSv1.2 HANDSHAKE - | ClientHello"]);
}

#[test]
fn what_comes_before_it_or_begins_in_its_middle_is_not_taken_for_it() {
    // STARTTLS: the hello is found where a piece begins with it.
    let heard = tls()
        .server(1, b"220 mail\r\n")
        .client(2, b"STARTTLS\r\n")
        .server(3, b"220 go\r\n")
        .client(4, record(HANDSHAKE, &usual_hello()))
        .server(
            5,
            [record(HANDSHAKE, &server_hello(&[9; 32], &[])), record(20, &[1]), record(HANDSHAKE, &FINISHED)]
                .concat(),
        )
        .hear();
    assert_eq!(heard.exchanges.len(), 1, "{:?}", heard.counts);
    assert_eq!(heard.counts, DialogueCounts { desynchronised: 2, ..NOTHING_ODD });
    let middle =
        tls().server(1, record(APPLICATION, &[1; 99])).client(2, record(APPLICATION, &[1; 99])).check();
    assert_eq!((middle.exchanges.len(), middle.counts), (0, NOTHING_ODD));
    let half = tls().server(1, record(HANDSHAKE, &server_hello(&[9; 32], &[]))).check();
    assert_eq!((half.exchanges.len(), half.counts), (0, DialogueCounts { unmatched: 1, ..NOTHING_ODD }));
    let odd = tls().client(1, record(HANDSHAKE, &[99, 0, 0, 1, 0])).hear();
    assert_eq!(odd.counts.malformed, 1);
}

#[test]
fn the_protocol_is_recognised_by_its_hellos() {
    let (asked, answered) =
        (record(HANDSHAKE, &usual_hello()), record(HANDSHAKE, &server_hello(&[9; 32], &[])));
    assert!(
        speaks(Party::Client, &asked, Carrier::Stream) && !speaks(Party::Server, &asked, Carrier::Stream)
    );
    assert!(
        speaks(Party::Server, &answered, Carrier::Stream)
            && !speaks(Party::Client, &answered, Carrier::Stream)
    );
    assert!(!speaks(Party::Client, &asked[..9], Carrier::Stream));
    assert!(!speaks(Party::Client, &asked, Carrier::Datagrams));
}

#[test]
fn anything_is_heard() {
    const SNIPPETS: &[&[u8]] = &[
        b"\x16\x03\x03\0\x30\x01\0\0\x2c\x03\x03",
        b"\x16\x03\x03\0\x30\x02\0\0\x2c\x03\x03",
        b"\x16\x03\x01\0\x04\x0e\0\0\0",
        b"\x14\x03\x03\0\x01\x01",
        b"\x15\x03\x03\0\x02\x02\x28",
        b"\x17\x03\x03\0\x05hello",
        b"\x80\x2e\x01\x03\x01",
    ];
    hears_anything(Protocol::Tls, Carrier::Stream, SNIPPETS);
}
