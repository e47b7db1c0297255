//! Conversations with MySQL and MariaDB: stories, captured sessions, any octets.

use crate::protocol::{
    Carrier, Outcome, Party, Protocol, recognise,
    sql::captured::{expect_lines, lines, requests},
    testing::{Conversation, hears_anything},
};

const CAPTURE: &str = "made__mariadb-session.pcap";

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&len[..3], &[sequence], body].concat()
}

fn greeting() -> Vec<u8> {
    packet(0, b"\x0a8.4.0\0\x01\0\0\0saltsalt\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0saltsaltsalt\0plug\0")
}

/// A login with these capabilities beside those of every client.
fn login(capabilities: u32) -> Vec<u8> {
    let bits = (capabilities | 1 << 9 | 1 << 15 | 1 << 3).to_le_bytes();
    packet(1, &[&bits[..], &[0; 28], b"web\0\x06secretapp\0plug\0"].concat())
}

fn query(text: &str) -> Vec<u8> {
    packet(0, &[b"\x03", text.as_bytes()].concat())
}

fn ok(sequence: u8) -> Vec<u8> {
    packet(sequence, b"\0\0\0\x02\0\0\0")
}

/// One column and two rows, with EOF packets or without.
fn rows(eofs: bool) -> Vec<u8> {
    let eof = |sequence| packet(sequence, b"\xfe\0\0\x22\0");
    let mut answer = [packet(1, b"\x01"), packet(2, b"\x03def\x01a")].concat();
    let first = if eofs { 4 } else { 3 };
    if eofs {
        answer.extend(eof(3));
    }
    answer.extend(packet(first, b"\x011"));
    answer.extend(packet(first + 1, b"\xfb"));
    answer.extend(if eofs { eof(first + 2) } else { packet(first + 2, b"\xfe\0\0\x22\0\0\0") });
    answer
}

fn opened(capabilities: u32) -> Conversation {
    Conversation::new(Protocol::MySql).server(1, greeting()).client(2, login(capabilities)).server(3, ok(2))
}

const DEPRECATE_EOF: u32 = 1 << 24;
const LOGIN: &str = "2-2 3-3 answered OK LOGIN web/app | LOGIN web/app";

#[test]
fn result_sets_end_with_or_without_eof_packets() {
    for (capabilities, eofs) in [(0, true), (DEPRECATE_EOF, false)] {
        let heard = opened(capabilities).client(4, query("SELECT a FROM t")).server(5, rows(eofs)).check();
        assert_eq!(heard.lines(), [LOGIN, "4-4 5-5 answered OK SELECT t | SELECT a FROM t"]);
        assert_eq!((heard.pending, heard.counts.malformed), (0, 0));
    }
}

#[test]
fn a_prepared_statement_is_named_by_its_text_with_or_without_eof_packets() {
    for capabilities in [0, DEPRECATE_EOF] {
        let eof = |sequence| if capabilities == 0 { packet(sequence, b"\xfe\0\0\x02\0") } else { Vec::new() };
        let next = if capabilities == 0 { 4 } else { 3 };
        let prepared = [
            packet(1, b"\0\x07\0\0\0\x01\0\x01\0\0\0\0"),
            packet(2, b"\x03def?"),
            eof(3),
            packet(next, b"\x03defa"),
            eof(next + 1),
        ];
        let heard = opened(capabilities)
            .client(4, packet(0, b"\x16SELECT a FROM t WHERE b = ?"))
            .server(5, prepared.concat())
            .client(6, packet(0, b"\x17\x07\0\0\0\0\x01\0\0\0\0\x01\x03\0\x01\0\0\0"))
            .server(7, rows(capabilities == 0))
            .client(8, packet(0, b"\x19\x07\0\0\0"))
            .client(9, packet(0, b"\x17\x07\0\0\0\0\x01\0\0\0"))
            .server(10, packet(1, b"\xff\xdb\x04#HY000Unknown prepared statement"))
            .check();
        let told = [
            LOGIN,
            "4-4 5-5 answered OK PREPARE t | PREPARE SELECT a FROM t WHERE b = ?",
            "6-6 7-7 answered OK SELECT t | SELECT a FROM t WHERE b = ?",
            "8-8 - no_reply - CLOSE t | CLOSE SELECT a FROM t WHERE b = ?",
            "9-9 10-10 answered error 1243 HY000 EXECUTE - | EXECUTE #7",
        ];
        assert_eq!(heard.lines(), told);
    }
}

#[test]
fn commands_on_their_way_together_are_answered_in_order() {
    let both = [query("INSERT INTO a VALUES (1)"), query("SELECT 1")].concat();
    let heard = opened(0).client(4, both).server(5, [ok(1), rows(true)].concat()).check();
    let told = [
        "4-4 5-5 answered OK INSERT a | INSERT INTO a VALUES (1)",
        "4-4 5-5 answered OK SELECT - | SELECT 1",
    ];
    assert_eq!(heard.lines()[1..], told);
}

#[test]
fn more_results_belong_to_the_same_answer() {
    let more = [packet(1, b"\0\x01\0\x0a\0\0\0"), packet(2, b"\0\x01\0\x02\0\0\0")];
    let heard = opened(0)
        .client(4, query("UPDATE a SET b = 1; UPDATE c SET d = 1"))
        .server(5, &more[0])
        .server(6, &more[1])
        .check();
    assert_eq!(heard.lines()[1], "4-4 5-6 answered OK UPDATE a | UPDATE a SET b = 1; UPDATE c SET d = 1");
}

#[test]
fn a_file_that_the_server_asked_for_is_a_part_of_the_request() {
    let heard = opened(0)
        .client(4, query("LOAD DATA LOCAL INFILE 'f' INTO TABLE t"))
        .server(5, packet(1, b"\xfbf"))
        .client(6, packet(2, b"1\n2\n"))
        .client(7, packet(3, b""))
        .server(8, ok(4))
        .check();
    assert_eq!(heard.lines()[1], "4-7 8-8 answered OK LOAD t | LOAD DATA LOCAL INFILE 'f' INTO TABLE t");
    assert_eq!(heard.counts.informational, 1);
}

#[test]
fn where_encryption_or_compression_begins_the_thread_is_lost_once() {
    let tls = packet(1, &[&[0, 0x0a, 0, 0][..], &[0; 28]].concat());
    let heard = Conversation::new(Protocol::MySql)
        .server(1, greeting())
        .client(2, tls)
        .client(3, b"\x16\x03\x01")
        .check();
    assert_eq!((heard.lines().len(), heard.counts.desynchronised), (0, 1));
    let heard = opened(1 << 5).client(4, [0; 50]).server(5, [1; 50]).check();
    assert_eq!((heard.lines(), heard.counts.desynchronised), (vec![LOGIN.to_owned()], 1));
}

#[test]
fn a_login_may_take_several_turns() {
    let heard = Conversation::new(Protocol::MySql)
        .server(1, greeting())
        .client(2, login(0))
        .server(3, packet(2, b"\xfecaching_sha2_password\0salt"))
        .client(4, packet(3, b"proof"))
        .server(5, packet(4, b"\x01\x04"))
        .client(6, packet(5, b"\x02"))
        .server(7, packet(6, b"\xff\x15\x04#28000Access denied"))
        .check();
    assert_eq!(heard.lines(), ["2-2 7-7 answered error 1045 28000 LOGIN web/app | LOGIN web/app"]);
}

#[test]
fn packets_of_16_megabytes_go_on_in_the_next_one() {
    let text = format!("\x03INSERT INTO t VALUES ('{}')", "x".repeat(0xff_ffff));
    let (first, rest) = text.as_bytes().split_at(0xff_ffff);
    let heard = opened(0).client(4, packet(0, first)).client(5, packet(1, rest)).server(6, ok(2)).hear();
    let told = &heard.exchanges[1];
    assert_eq!((told.request.key(), told.request.extent.len), (&b"t"[..], text.len() as u64 + 8));
    assert_eq!((told.outcome, told.request.extent.end.as_micros()), (Outcome::Answered, 5));
}

#[test]
fn a_capture_may_begin_amid_a_connection() {
    let heard = Conversation::new(Protocol::MySql)
        .server(1, b"the rest of some row and more")
        .client(2, query("SELECT a FROM t"))
        .server(3, rows(false))
        .client(4, packet(0, b"\x17\x03\0\0\0\0\x01\0\0\0"))
        .server(5, rows(false))
        .hear();
    assert_eq!(
        heard.lines(),
        ["2-2 3-3 answered OK SELECT t | SELECT a FROM t", "4-4 5-5 answered OK EXECUTE - | EXECUTE #3"]
    );
    assert_eq!(heard.counts, crate::protocol::DialogueCounts::default());
}

#[test]
fn an_answer_whose_thread_was_lost_ends_where_the_client_goes_on() {
    let heard = opened(0)
        .client(4, query("SELECT a FROM t"))
        .server(5, rows(true))
        .captured(12)
        .server(6, [7; 100])
        .captured(0)
        .client(7, query("SELECT 2"))
        .server(8, rows(true))
        .hear();
    let told = ["4-4 5-6 answered - SELECT t | SELECT a FROM t", "7-7 8-8 answered OK SELECT - | SELECT 2"];
    assert_eq!(heard.lines()[1..], told);
    assert_eq!(heard.counts.desynchronised, 1);
}

#[test]
fn an_end_in_sight_ends_an_answer_whose_thread_was_lost() {
    let heard = opened(0)
        .client(4, query("SELECT a FROM t"))
        .server(5, rows(true))
        .captured(12)
        .server(6, [b"end of a row".to_vec(), packet(9, b"\xfe\0\0\x22\0")].concat())
        .hear();
    assert_eq!(heard.lines()[1], "4-4 5-6 answered - SELECT t | SELECT a FROM t");
    assert_eq!(heard.pending, 0);
}

#[test]
fn numbers_that_do_not_follow_are_a_contradiction() {
    let heard = opened(0)
        .client(4, query("SELECT 1"))
        .server(5, [packet(1, b"\x01"), packet(9, b"\x03def")].concat())
        .client(6, query("SELECT 2"))
        .server(7, rows(true))
        .hear();
    assert_eq!((heard.counts.malformed, heard.counts.desynchronised), (1, 0));
    assert_eq!(heard.lines()[2], "6-6 7-7 answered OK SELECT - | SELECT 2");
}

#[test]
fn another_protocol_is_not_waited_for() {
    let heard = opened(0)
        .client(4, b"GET / HTTP/1.1\r\n\r\n")
        .client(5, query("SELECT 1"))
        .server(6, b"HTTP/1.1 200 OK\r\n\r\n")
        .client(7, query("SELECT 2"))
        .server(8, ok(1))
        .hear();
    assert_eq!(heard.counts.malformed, 2);
    let told = ["5-5 6-6 answered - SELECT - | SELECT 1", "7-7 8-8 answered OK SELECT - | SELECT 2"];
    assert_eq!(heard.lines()[1..], told);
}

#[test]
fn what_a_server_says_unasked_is_no_answer() {
    let heard = opened(0)
        .client(4, query("ALTER TABLE t FORCE"))
        .server(5, packet(1, b"\xff\xff\xff\x01\x01\x02\0\0\0\x05copy"))
        .server(6, ok(2))
        .server(7, packet(0, b"\xff\xbf\x0f#HY000The client was disconnected"))
        .check();
    assert_eq!(heard.lines()[1], "4-4 6-6 answered OK ALTER t | ALTER TABLE t FORCE");
    assert_eq!((heard.counts.pushes, heard.counts.unmatched), (2, 0));
}

#[test]
fn of_a_binary_log_the_first_event_is_the_answer() {
    let heard = opened(0)
        .client(4, packet(0, b"\x12\x04\0\0\0\0\0\x01\0\0\0binlog.000001"))
        .server(5, packet(1, b"\0event"))
        .server(6, [packet(2, b"\0event"), packet(3, b"\0event")].concat())
        .check();
    assert_eq!(heard.lines()[1], "4-4 5-5 answered OK BINLOG_DUMP - | BINLOG_DUMP");
    assert_eq!(heard.counts.pushes, 2);
}

#[test]
fn a_request_without_an_answer_is_told_when_the_connection_is_over() {
    let conversation = opened(0).client(4, query("SELECT sleep(9)"));
    assert_eq!(conversation.hear().labels(Outcome::Unanswered), ["SELECT sleep(9)"]);
    assert_eq!(conversation.hear_lost().labels(Outcome::Aborted), ["SELECT sleep(9)"]);
}

#[test]
fn greetings_and_statements_are_recognised() {
    let recognised = |first: &[u8]| recognise(first, Carrier::Stream);
    assert_eq!(recognised(&greeting()), Some((Protocol::MySql, Party::Server)));
    assert_eq!(recognised(&query("SELECT 1")), Some((Protocol::MySql, Party::Client)));
    assert_eq!(recognised(&packet(0, b"\x16SELECT ?")), Some((Protocol::MySql, Party::Client)));
    assert_eq!(recognised(&query("qwertz")), None);
}

#[test]
fn a_session_of_mariadb_is_heard_whole() {
    expect_lines(&lines(Protocol::MySql, 3306, CAPTURE, usize::MAX, 0), "mysql/session.txt");
}

#[test]
fn every_request_is_found_where_only_the_beginnings_of_frames_were_captured() {
    let whole = lines(Protocol::MySql, 3306, CAPTURE, usize::MAX, 0);
    let cut = lines(Protocol::MySql, 3306, CAPTURE, 202, 0);
    assert_eq!(requests(&cut), requests(&whole));
}

#[test]
fn a_session_of_which_the_beginning_was_not_captured_is_heard_from_the_next_request_on() {
    expect_lines(&lines(Protocol::MySql, 3306, CAPTURE, usize::MAX, 9), "mysql/amid.txt");
}

#[test]
fn any_octets_are_heard() {
    let snippets: &[&[u8]] = &[
        b"\x0f\0\0\0\x03SELECT 1 FROM ",
        b"\x01\0\0\0\x0e",
        b"\x01\0\0\x01\x01",
        b"\x04\0\0\x02\x03def",
        b"\x05\0\0\x03\xfe\0\0\x0a\0",
        b"\x07\0\0\x01\0\0\0\x02\0\0\0",
        b"\x05\0\0\x01\xff\xff\xff\0\0",
        b"\x0c\0\0\x01\0\x07\0\0\0\x01\0\x01\0\0\0\0",
        b"\x0a\0\0\0\x17\x07\0\0\0\0\x01\0\0\0",
        b"\x02\0\0\0\x16a",
        b"\xff\xff\xff\0\x03SELECT",
        b"\x02\0\0\x01\xfbf",
        b"\0\0\0\x02",
        b"\x20\0\0\x01\x00\x0a\0\0",
        b"\x1f\0\0\0\x0a5.5.5\0",
    ];
    hears_anything(Protocol::MySql, Carrier::Stream, snippets);
}
