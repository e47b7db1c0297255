//! Conversations with memcached.

use super::super::{
    Carrier, DialogueCounts, MAX_PENDING, Outcome, Party, Protocol, recognise,
    testing::{Conversation, Heard, hears_anything},
};

fn talk() -> Conversation {
    Conversation::new(Protocol::Memcached)
}

fn datagrams() -> Conversation {
    Conversation::of_datagrams(Protocol::Memcached)
}

fn labels(heard: &Heard) -> Vec<String> {
    heard.labels(Outcome::Answered)
}

#[test]
fn values_are_asked_for_and_stored() {
    let heard = talk()
        .client(1, "set a 0 0 3\r\n123\r\nget a\r\nget a b c\r\n")
        .client(2, "gets n\r\ngat 10 a b\r\n")
        .server(3, "STORED\r\nVALUE a 0 3\r\nEND\r\nEND\r\nVALUE a 0 3\r\n123\r\n")
        .server(4, "VALUE c 0 5\r\nEND\r\n\r\nEND\r\nEND\r\nVALUE b 0 1 77\r\nx\r\nEND\r\n")
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 3-3 answered STORED SET a | set a 0 0 3",
            "1-1 3-3 answered HIT GET a | get a",
            "1-1 3-4 answered HIT GET a | get a b c",
            "2-2 4-4 answered MISS GETS n | gets n",
            "2-2 4-4 answered HIT GAT a | gat 10 a b",
        ]
    );
    assert_eq!(heard.counts, DialogueCounts::default());
}

#[test]
fn answers_are_told_by_their_first_word() {
    let asked = [
        "add k 0 0 1\r\nx\r\n",
        "cas k 0 0 1 5\r\nx\r\n",
        "incr k 1\r\n",
        "decr no 1\r\n",
        "delete k\r\n",
        "touch k 5\r\n",
        "flush_all\r\n",
        "version\r\n",
        "verbosity 1\r\n",
        "lru_crawler metadump all\r\n",
        "bogus\r\n",
        "set k 0 0 x\r\n",
    ];
    let answers = "NOT_STORED\r\nEXISTS\r\n6\r\nNOT_FOUND\r\nDELETED\r\nTOUCHED\r\nOK\r\nVERSION 1.6.18\r\nOK\r\n\
                   key=a exp=-1\r\nkey=b exp=-1\r\nEND\r\nERROR\r\nCLIENT_ERROR bad data chunk\r\n";
    let heard = talk().client(1, asked.concat()).server(2, answers).check();
    let told: Vec<_> = heard.lines().iter().map(|line| line.replacen("1-1 2-2 answered ", "", 1)).collect();
    assert_eq!(
        told,
        [
            "NOT_STORED ADD k | add k 0 0 1",
            "EXISTS CAS k | cas k 0 0 1 5",
            "- INCR k | incr k 1",
            "NOT_FOUND DECR no | decr no 1",
            "DELETED DELETE k | delete k",
            "TOUCHED TOUCH k | touch k 5",
            "OK FLUSH_ALL - | flush_all",
            "- VERSION - | version",
            "OK VERBOSITY - | verbosity 1",
            "- LRU_CRAWLER - | lru_crawler metadump all",
            "error ERROR BOGUS - | bogus",
            "error CLIENT_ERROR SET k | set k 0 0 x",
        ]
    );
    assert_eq!(heard.counts.malformed, 1, "a block without a length");
}

#[test]
fn statistics_go_on_until_their_end() {
    let heard = talk()
        .client(1, "stats\r\nstats reset\r\nstats items\r\n")
        .server(2, "STAT pid 1\r\nSTAT uptime 5\r\n")
        .server(3, "STAT version 1.6\r\nEND\r\nRESET\r\nEND\r\n")
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-3 answered - STATS - | stats",
            "1-1 3-3 answered RESET STATS reset | stats reset",
            "1-1 3-3 answered - STATS items | stats items",
        ]
    );
}

#[test]
fn who_wants_no_reply_is_told_at_once() {
    let heard = talk()
        .client(1, "set n 0 0 1 noreply\r\nx\r\nget n\r\ndelete n noreply\r\nquit\r\n")
        .server(2, "VALUE n 0 1\r\nx\r\nEND\r\n")
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 - no_reply - SET n | set n 0 0 1 noreply",
            "1-1 - no_reply - DELETE n | delete n noreply",
            "1-1 - no_reply - QUIT - | quit",
            "1-1 2-2 answered HIT GET n | get n",
        ]
    );
}

#[test]
fn quiet_meta_commands_are_answered_only_where_they_speak() {
    let heard = talk()
        .client(1, "mg a v q k\r\nmg b v q k\r\nms c 2 q\r\nhi\r\nmd d q\r\nmn\r\nmg e v\r\n")
        .server(2, "VA 2 kb\r\nhi\r\nMN\r\nEN\r\n")
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 - no_reply - MG a | mg a v q k",
            "1-1 2-2 answered VA MG b | mg b v q k",
            "1-1 - no_reply - MS c | ms c 2 q",
            "1-1 - no_reply - MD d | md d q",
            "1-1 2-2 answered MN MN - | mn",
            "1-1 2-2 answered EN MG e | mg e v",
        ]
    );
    let heard = talk()
        .client(1, "ms a 1 q O1\r\nx\r\nms b 1 q O2\r\ny\r\nma n q O3\r\nme a\r\n")
        .server(2, "NS O2\r\nNF O3\r\nME a exp=-1\r\n")
        .check();
    assert_eq!(labels(&heard), ["ms b 1 q O2", "ma n q O3", "me a"]);
    let heard = talk().client(1, "mg a q\r\n").check();
    assert_eq!(heard.labels(Outcome::NoReply), ["mg a q"]);
}

#[test]
fn what_is_watched_answers_nothing() {
    let heard = talk()
        .client(1, "watch fetchers\r\n")
        .server(2, "OK\r\nts=1.2 gid=1 type=item_get key=a\r\nts=1.3 gid=2 type=item_get key=b\r\n")
        .check();
    assert_eq!((labels(&heard), heard.counts.pushes), (vec!["watch fetchers".to_owned()], 2));
}

#[test]
fn blocks_that_were_not_captured_are_stepped_over() {
    let heard = talk()
        .client(1, [&b"set big 0 0 1000\r\n"[..], &[b'x'; 1_002]].concat())
        .captured(40)
        .server(2, "STORED\r\n")
        .client(3, "get big\r\n")
        .server(4, [&b"VALUE big 0 1000\r\n"[..], &[b'x'; 500]].concat())
        .captured(40)
        .server(5, [&[b'x'; 500][..], b"\r\nEND\r\n"].concat())
        .client(6, "get big\r\n")
        .hear();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-2 answered STORED SET big | set big 0 0 1000",
            "3-3 4-5 answered HIT GET big | get big",
            "6-6 - unanswered - GET big | get big",
        ]
    );
    assert_eq!(heard.counts, DialogueCounts::default());
}

#[test]
fn values_that_were_not_captured_whole_end_where_the_client_goes_on() {
    let values =
        ["VALUE a 0 50\r\n", &"x".repeat(50), "\r\nVALUE b 0 50\r\n", &"x".repeat(50), "\r\nEND\r\n"]
            .concat();
    let heard = talk()
        .client(1, "get a b\r\n")
        .server(2, &values)
        .captured(30)
        .client(3, "get c\r\n")
        .server(4, "END\r\n")
        .hear();
    assert_eq!(
        heard.lines(),
        ["1-1 2-2 answered HIT GET a | get a b", "3-3 4-4 answered MISS GET c | get c"]
    );
    assert_eq!(heard.exchanges[0].response.unwrap().len, values.len() as u64);
}

#[test]
fn an_answer_that_does_not_fit_answers_nothing() {
    let heard = talk()
        .client(1, "get a\r\n")
        .server(2, "STORED\r\nEND\r\n")
        .client(3, "get b\r\nset c 0 0 1\r\nx\r\n")
        .server(4, "STORED\r\n")
        .check();
    assert_eq!(labels(&heard), ["get a", "set c 0 0 1"]);
    assert_eq!(heard.labels(Outcome::Unanswered), ["get b"]);
    assert_eq!(heard.counts.unmatched, 1);
}

#[test]
fn contradictions_are_malformed_and_the_next_request_counts_again() {
    for bad in ["\x01\x02\r\n", &"x".repeat(1_100_000)] {
        let heard = talk().client(1, "get a\r\n").server(2, "END\r\n").client(3, bad).client(4, "get b\r\n");
        let heard = heard.server(5, "END\r\n").hear();
        assert_eq!(
            (labels(&heard), heard.counts.malformed),
            (vec!["get a".to_owned(), "get b".to_owned()], 1)
        );
    }
    for bad in ["VALUE a 0 9223372036854775808\r\n", "hello\r\n", "VALUE\r\n", &"X".repeat(70_000)] {
        let heard =
            talk().client(1, "get a\r\n").server(2, bad).client(3, "get b\r\n").server(4, "END\r\n").hear();
        assert_eq!(
            (labels(&heard), heard.counts.malformed),
            (vec!["get b".to_owned()], 1),
            "{:?}",
            heard.lines()
        );
    }
    // A block of the wrong length is one malformed request, and the server goes on after it.
    let heard = talk()
        .client(1, "set a 0 0 2\r\nxyz\r\nget b\r\n")
        .server(2, "CLIENT_ERROR bad data chunk\r\nERROR\r\nEND\r\n")
        .check();
    assert_eq!(heard.counts.malformed, 1);
    assert_eq!(heard.exchanges.len(), 2);
}

#[test]
fn what_has_no_answer_is_told_when_the_connection_is_over() {
    let talk = talk().client(1, "get a\r\nmg b q\r\n");
    assert_eq!(talk.hear().labels(Outcome::Unanswered), ["get a"]);
    assert_eq!(talk.hear_lost().labels(Outcome::Aborted), ["get a"]);
    assert_eq!(talk.hear_lost().labels(Outcome::NoReply), ["mg b q"]);
}

/// A binary message.
fn binary(magic: u8, opcode: u8, opaque: u8, status: u8, extras: &[u8], key: &str, value: &str) -> Vec<u8> {
    let body = extras.len() + key.len() + value.len();
    let mut octets =
        vec![magic, opcode, 0, u8::try_from(key.len()).unwrap(), u8::try_from(extras.len()).unwrap(), 0, 0];
    octets.extend([status, 0, 0, 0, u8::try_from(body).unwrap(), 0, 0, 0, opaque]);
    octets.extend([0; 8]);
    octets.extend(extras);
    octets.extend(key.bytes());
    octets.extend(value.bytes());
    octets
}

fn request(opcode: u8, opaque: u8, extras: &[u8], key: &str, value: &str) -> Vec<u8> {
    binary(0x80, opcode, opaque, 0, extras, key, value)
}

fn response(opcode: u8, opaque: u8, status: u8, value: &str) -> Vec<u8> {
    binary(0x81, opcode, opaque, status, &[], "", value)
}

#[test]
fn binary_responses_belong_to_the_request_of_the_same_opaque_value() {
    let heard = talk()
        .client(1, request(0x01, 1, &[0; 8], "k", "value"))
        .server(2, response(0x01, 1, 0, ""))
        .client(3, [request(0x00, 2, &[], "k", ""), request(0x00, 3, &[], "no", "")].concat())
        .server(4, [response(0x00, 3, 1, "Not found"), response(0x00, 2, 0, "value")].concat())
        .client(5, request(0x21, 4, &[], "PLAIN", "\0name\0secret"))
        .server(6, response(0x21, 4, 0x20, "Auth failure"))
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-2 answered STORED SET k | SET k",
            "3-3 4-4 answered MISS GET no | GET no",
            "3-3 4-4 answered HIT GET k | GET k",
            "5-5 6-6 answered error AUTH_ERROR SASL_AUTH PLAIN | SASL_AUTH PLAIN",
        ]
    );
    assert!(!format!("{heard:?}").contains("secret"));
}

#[test]
fn quiet_binary_requests_end_with_the_next_answer() {
    let quiet =
        [request(0x0d, 1, &[], "a", ""), request(0x0d, 2, &[], "b", ""), request(0x11, 3, &[0; 8], "c", "v")];
    let heard = talk()
        .client(1, [&quiet.concat()[..], &request(0x0a, 4, &[], "", "")].concat())
        .client(2, request(0x17, 5, &[], "", ""))
        .server(3, [response(0x0d, 2, 0, "bv"), response(0x0a, 4, 0, "")].concat())
        .check();
    assert_eq!(
        heard.lines(),
        [
            "2-2 - no_reply - QUITQ - | QUITQ",
            "1-1 - no_reply - GETKQ a | GETKQ a",
            "1-1 3-3 answered HIT GETKQ b | GETKQ b",
            "1-1 - no_reply - SETQ c | SETQ c",
            "1-1 3-3 answered - NOOP - | NOOP",
        ]
    );
}

#[test]
fn binary_statistics_are_one_answer_of_many_messages() {
    let heard = talk()
        .client(1, request(0x10, 7, &[], "", ""))
        .server(2, binary(0x81, 0x10, 7, 0, &[], "pid", "1"))
        .server(3, binary(0x81, 0x10, 7, 0, &[], "uptime", "1"))
        .server(4, response(0x10, 7, 0, ""))
        .check();
    assert_eq!(heard.lines(), ["1-1 2-4 answered - STAT - | STAT"]);
    assert_eq!(heard.exchanges[0].response.unwrap().len, 24 * 3 + 4 + 7);
    let cut =
        talk().client(1, request(0x10, 7, &[], "", "")).server(2, binary(0x81, 0x10, 7, 0, &[], "pid", "1"));
    assert_eq!((cut.hear().pending, cut.hear().labels(Outcome::Unanswered)), (1, vec!["STAT".to_owned()]));
}

#[test]
fn binary_contradictions_are_malformed_and_the_next_request_counts_again() {
    let mut bad = request(0x00, 1, &[], "k", "");
    bad[8..12].copy_from_slice(&[0xff; 4]);
    let heard = talk()
        .client(1, request(0x0a, 1, &[], "", ""))
        .client(2, bad)
        .client(3, request(0x0a, 2, &[], "", ""));
    let heard = heard.server(4, [response(0x0a, 1, 0, ""), response(0x0a, 2, 0, "")].concat()).hear();
    assert_eq!(heard.counts.malformed, 1);
    assert_eq!(labels(&heard).last().map(String::as_str), Some("NOOP"));
}

/// A datagram of UDP.
fn datagram(id: u8, number: u8, total: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    [&[0, id, 0, number, 0, total, 0, 0][..], payload.as_ref()].concat()
}

#[test]
fn datagrams_belong_together_by_their_id() {
    let heard = datagrams()
        .client(1, datagram(1, 0, 1, "get a\r\n"))
        .client(2, datagram(2, 0, 1, "set b 0 0 1\r\nx\r\n"))
        .client(3, datagram(3, 0, 1, "set b 0 0 1 noreply\r\nx\r\n"))
        .client(4, datagram(4, 0, 1, request(0x00, 9, &[], "k", "")))
        .server(5, datagram(2, 0, 1, "STORED\r\n"))
        .server(6, datagram(1, 1, 2, "tail\r\nEND\r\n"))
        .server(7, datagram(4, 0, 1, response(0x00, 9, 1, "")))
        .server(8, datagram(1, 0, 2, "VALUE a 0 2000\r\n"))
        .server(9, datagram(9, 0, 1, "END\r\n"))
        .check();
    assert_eq!(
        heard.lines(),
        [
            "3-3 - no_reply - SET b | set b 0 0 1 noreply",
            "2-2 5-5 answered STORED SET b | set b 0 0 1",
            "4-4 7-7 answered MISS GET k | GET k",
            "1-1 6-8 answered HIT GET a | get a",
        ]
    );
    assert_eq!(heard.counts.unmatched, 1);
    let again =
        datagrams().client(1, datagram(1, 0, 1, "get a\r\n")).client(2, datagram(1, 0, 1, "get b\r\n"));
    assert_eq!(again.server(3, datagram(1, 0, 1, "END\r\n")).hear().labels(Outcome::Unanswered), ["get a"]);
    assert_eq!(datagrams().client(1, "short").hear().counts.malformed, 1);
}

#[test]
fn memcached_is_recognised() {
    let is_asked =
        |first: &[u8]| recognise(first, Carrier::Stream) == Some((Protocol::Memcached, Party::Client));
    for first in ["get a\r\n", "set a 0 0 5\r\n", "mg a v\r\n", "stats\r\n", "incr a 1\r\n", "version\r\n"] {
        assert!(is_asked(first.as_bytes()), "{first:?}");
    }
    assert!(is_asked(&request(0x00, 1, &[], "k", "")));
    for first in
        ["get", "set a b\r\n", "GET / HTTP/1.1\r\n", "get / HTTP/1.1\r\n", "quit\r\n", "hello\r\n", ""]
    {
        assert!(!is_asked(first.as_bytes()), "{first:?}");
    }
    let answered = Some((Protocol::Memcached, Party::Server));
    assert_eq!(recognise(b"VALUE a 0 1\r\n", Carrier::Stream), answered);
    assert_eq!(recognise(&response(0x00, 1, 0, ""), Carrier::Stream), answered);
    let by_udp = recognise(&datagram(1, 0, 1, "get a\r\n"), Carrier::Datagrams);
    assert_eq!(by_udp, Some((Protocol::Memcached, Party::Client)));
}

#[test]
fn more_requests_than_may_wait_give_way() {
    let heard = talk().client(1, "get a\r\n".repeat(MAX_PENDING + 5)).hear();
    assert_eq!((heard.counts.overrun, heard.pending), (5, MAX_PENDING));
}

const SNIPPETS: &[&[u8]] = &[
    b"get a\r\n",
    b"set a 0 0 3\r\nabc\r\n",
    b"set a 0 0 99999\r\n",
    b"mg a v q k O1\r\n",
    b"mn\r\n",
    b"stats\r\n",
    b"END\r\n",
    b"VALUE a 0 3\r\nabc\r\n",
    b"VALUE a 0 2147483645\r\n",
    b"VA 3 O1\r\nabc\r\n",
    b"STORED\r\n",
    b"ERROR\r\n",
    b"STAT a b\r\n",
    b"\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00k",
    b"\x80\x0d\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00k",
    b"\x81\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x80\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x81\x10\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00k",
    b"\x00\x01\x00\x00\x00\x01\x00\x00",
    b"\r\n",
];

#[test]
fn anything_may_be_said() {
    hears_anything(Protocol::Memcached, Carrier::Stream, SNIPPETS);
    hears_anything(Protocol::Memcached, Carrier::Datagrams, SNIPPETS);
}
