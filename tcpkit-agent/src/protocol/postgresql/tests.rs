//! Conversations with PostgreSQL: stories, captured sessions, any octets.

use crate::protocol::{
    Carrier, DialogueCounts, Outcome, Party, Protocol, recognise,
    sql::captured::{expect_lines, lines, requests},
    testing::{Conversation, hears_anything},
};

const CAPTURE: &str = "made__postgresql-session.pcap";

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &len[..], body].concat()
}

fn opening(code: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&len[..], &code.to_be_bytes(), body].concat()
}

fn startup() -> Vec<u8> {
    opening(0x3_0000, b"user\0web\0database\0app\0\0")
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', &[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"].concat())
}

fn bind(portal: &str, name: &str) -> Vec<u8> {
    message(b'B', &[portal.as_bytes(), b"\0", name.as_bytes(), b"\0\0\0\0\0\0\0"].concat())
}

fn execute(portal: &str) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), b"\0\0\0\0\0"].concat())
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn complete(tag: &str) -> Vec<u8> {
    message(b'C', &[tag.as_bytes(), b"\0"].concat())
}

fn error(state: &str) -> Vec<u8> {
    message(b'E', &[b"SERROR\0VERROR\0C", state.as_bytes(), b"\0Mno\0\0"].concat())
}

fn bare(kind: u8) -> Vec<u8> {
    message(kind, b"")
}

fn opened() -> Conversation {
    Conversation::new(Protocol::PostgreSql)
        .client(1, startup())
        .server(2, [message(b'R', &[0, 0, 0, 0]), message(b'S', b"a\0b\0"), ready()].concat())
}

const LOGIN: &str = "1-1 2-2 answered OK LOGIN web/app | LOGIN web/app";

#[test]
fn a_query_is_answered_when_the_server_is_ready() {
    let heard = opened()
        .client(3, query("SELECT 1; SELECT 2"))
        .server(4, [message(b'T', b"\0\0"), message(b'D', b"\0\0"), complete("SELECT 1")].concat())
        .server(5, [complete("SELECT 1"), ready()].concat())
        .client(6, query("SELECT x"))
        .server(7, [error("42703"), ready()].concat())
        .client(8, bare(b'X'))
        .check();
    let told = [
        LOGIN,
        "3-3 4-5 answered SELECT SELECT - | SELECT 1; SELECT 2",
        "6-6 7-7 answered error 42703 SELECT - | SELECT x",
        "8-8 - no_reply - TERMINATE - | TERMINATE",
    ];
    assert_eq!(heard.lines(), told);
    assert_eq!(heard.counts, DialogueCounts::default());
}

#[test]
fn encryption_that_is_refused_is_followed_by_the_login() {
    let asked = Conversation::new(Protocol::PostgreSql).client(0, opening(80_877_103, b""));
    let refused = asked.clone().server(0, b"N").client(1, startup()).server(2, ready());
    assert_eq!(refused.check().lines(), [LOGIN]);
    let taken = asked.server(0, b"S").client(1, b"\x16\x03\x01\x02").server(2, b"\x16\x03\x03");
    assert_eq!(taken.check().counts.desynchronised, 1);
    let cancelled = Conversation::new(Protocol::PostgreSql).client(0, opening(80_877_102, &[0; 8]));
    assert_eq!(cancelled.check().labels(Outcome::NoReply), ["CANCEL"]);
}

#[test]
fn a_login_that_fails_has_its_code() {
    let heard = Conversation::new(Protocol::PostgreSql)
        .client(1, startup())
        .server(2, message(b'R', &[0, 0, 0, 3]))
        .client(3, message(b'p', b"secret\0"))
        .server(4, error("28P01"))
        .check();
    assert_eq!(heard.lines(), ["1-1 4-4 answered error 28P01 LOGIN web/app | LOGIN web/app"]);
}

#[test]
fn each_execute_of_a_batch_is_a_request() {
    let batch = [
        [parse("", "INSERT INTO a VALUES ($1)"), bind("", ""), execute("")].concat(),
        [bind("", ""), execute("")].concat(),
        [parse("s", "SELECT * FROM b"), bind("p", "s"), message(b'D', b"Pp\0"), execute("p"), bare(b'S')]
            .concat(),
    ];
    let answers = [
        [bare(b'1'), bare(b'2'), complete("INSERT 0 1")].concat(),
        [bare(b'2'), complete("INSERT 0 1")].concat(),
        [bare(b'1'), bare(b'2'), message(b'T', b"\0\0"), complete("SELECT 0")].concat(),
    ];
    let heard = opened()
        .client(3, &batch[0])
        .client(4, &batch[1])
        .client(5, &batch[2])
        .server(6, &answers[0])
        .server(7, &answers[1])
        .server(8, &answers[2])
        .server(9, ready())
        .check();
    let told = [
        LOGIN,
        "3-3 6-6 answered INSERT INSERT a | INSERT INTO a VALUES ($1)",
        "4-4 7-7 answered INSERT INSERT a | INSERT INTO a VALUES ($1)",
        "5-5 8-9 answered SELECT SELECT b | SELECT * FROM b",
    ];
    assert_eq!(heard.lines(), told);
}

#[test]
fn what_the_server_skips_after_an_error_failed_by_that_error() {
    let execute_once = [bind("", ""), execute("")].concat();
    let heard = opened()
        .client(3, [parse("", "SELECT 1/$1"), execute_once.clone(), execute_once.clone()].concat())
        .server(4, [bare(b'1'), error("22012")].concat())
        .client(5, [execute_once.clone(), bare(b'S'), execute_once, bare(b'S')].concat())
        .server(6, ready())
        .server(7, [bare(b'2'), complete("SELECT 1"), ready()].concat())
        .check();
    let told = [
        LOGIN,
        "3-3 4-4 answered error 22012 SELECT - | SELECT 1/$1",
        "3-3 6-6 answered error 22012 SELECT - | SELECT 1/$1",
        "5-5 6-6 answered error 22012 SELECT - | SELECT 1/$1",
        "5-5 7-7 answered SELECT SELECT - | SELECT 1/$1",
    ];
    assert_eq!(heard.lines(), told);
}

#[test]
fn messages_without_an_execute_end_with_a_sync_or_a_flush() {
    let heard = opened()
        .client(3, [parse("s", "SELECT a FROM t"), message(b'D', b"Ss\0"), bare(b'H')].concat())
        .server(4, [bare(b'1'), message(b't', b"\0\0"), bare(b'n')].concat())
        .client(5, [bind("", "s"), execute("")].concat())
        .client(6, bare(b'S'))
        .server(7, [bare(b'2'), bare(b's'), ready()].concat())
        .client(8, [message(b'C', b"Ss\0"), bare(b'S')].concat())
        .server(9, [bare(b'3'), ready()].concat())
        .client(10, bare(b'S'))
        .server(11, ready())
        .check();
    let told = [
        LOGIN,
        "3-3 4-4 answered - PREPARE t | PREPARE SELECT a FROM t",
        "5-6 7-7 answered - SELECT t | SELECT a FROM t",
        "8-8 9-9 answered - CLOSE t | CLOSE SELECT a FROM t",
        "10-10 11-11 answered - SYNC - | SYNC",
    ];
    assert_eq!(heard.lines(), told);
}

#[test]
fn the_data_of_a_copy_is_a_part_of_the_request() {
    let data = [message(b'd', b"1\n"), bare(b'c')].concat();
    let heard = opened()
        .client(3, query("COPY t FROM STDIN"))
        .server(4, message(b'G', b"\0\0\0"))
        .client(5, &data)
        .server(6, [complete("COPY 1"), ready()].concat())
        // The server takes no notice of a `Sync` before the data.
        .client(7, [parse("", "COPY u FROM STDIN"), bind("", ""), execute(""), bare(b'S')].concat())
        .server(8, [bare(b'1'), bare(b'2')].concat())
        .check();
    let told = "3-5 6-6 answered COPY COPY t | COPY t FROM STDIN";
    assert_eq!((heard.lines()[1].as_str(), heard.counts.informational), (told, 1));
}

#[test]
fn a_sync_before_the_data_of_a_copy_does_not_count() {
    let heard = opened()
        .client(3, [parse("", "COPY t FROM STDIN"), bind("", ""), execute(""), bare(b'S')].concat())
        .server(4, [bare(b'1'), bare(b'2'), message(b'G', b"\0\0\0")].concat())
        .client(5, [message(b'd', b"1\n"), bare(b'c'), bare(b'S')].concat())
        .server(6, [complete("COPY 1"), ready()].concat())
        .client(7, query("SELECT 1"))
        .server(8, [complete("SELECT 1"), ready()].concat())
        .check();
    let told = [
        LOGIN,
        "3-5 6-6 answered COPY COPY t | COPY t FROM STDIN",
        "7-7 8-8 answered SELECT SELECT - | SELECT 1",
    ];
    assert_eq!(heard.lines(), told);
}

#[test]
fn what_a_server_says_unasked_does_not_begin_an_answer() {
    let heard = opened()
        .server(3, message(b'A', b"\0\0\0\x01news\0\0"))
        .client(4, query("SELECT 1"))
        .server(5, message(b'N', b"SNOTICE\0\0"))
        .server(6, [complete("SELECT 1"), ready()].concat())
        .server(7, error("57P01"))
        .check();
    assert_eq!(heard.lines()[1], "4-4 6-6 answered SELECT SELECT - | SELECT 1");
    assert_eq!((heard.counts.pushes, heard.counts.unmatched), (3, 0));
}

#[test]
fn a_fatal_error_answers_although_nothing_follows() {
    let heard = opened().client(3, query("SELECT 1")).server(4, error("57P01")).hear_lost();
    assert_eq!(heard.lines()[1], "3-3 4-4 answered error 57P01 SELECT - | SELECT 1");
}

#[test]
fn a_replication_stream_is_pushed() {
    let heard = opened()
        .client(3, query("START_REPLICATION 0/0"))
        .server(4, message(b'W', b"\0\0\0"))
        .server(5, [message(b'd', b"wal"), message(b'd', b"wal")].concat())
        .client(6, message(b'd', b"status"))
        .check();
    assert_eq!(heard.lines()[1], "3-3 4-4 answered - START_REPLICATION - | START_REPLICATION 0/0");
    assert_eq!((heard.counts.pushes, heard.counts.malformed), (2, 0));
}

#[test]
fn a_capture_may_begin_amid_a_connection() {
    let heard = Conversation::new(Protocol::PostgreSql)
        .server(1, b"the rest of some row and more")
        .client(2, [bind("", "s1"), execute(""), bare(b'S')].concat())
        .server(3, [bare(b'2'), complete("SELECT 1"), ready()].concat())
        .client(4, query("SELECT 2 FROM t"))
        .server(5, [complete("SELECT 1"), ready()].concat())
        .hear();
    let told = [
        "2-2 3-3 answered SELECT EXECUTE - | EXECUTE s1",
        "4-4 5-5 answered SELECT SELECT t | SELECT 2 FROM t",
    ];
    assert_eq!(heard.lines(), told);
    assert_eq!(heard.counts, DialogueCounts::default());
}

#[test]
fn a_batch_whose_end_was_not_captured_is_answered_when_the_server_is_ready() {
    let text = format!("SELECT a FROM t WHERE b = '{}'", "x".repeat(60));
    let heard = opened()
        .client(3, [parse("", &text), bind("", ""), execute(""), bare(b'S')].concat())
        .captured(40)
        .server(4, [bare(b'1'), bare(b'2'), complete("SELECT 1"), ready()].concat())
        .client(5, query("SELECT 2"))
        .server(6, [complete("SELECT 1"), ready()].concat())
        .hear();
    let told = [
        "3-3 4-4 answered SELECT SELECT t | SELECT a FROM t WHERE b = 'xxxxxxx",
        "5-5 6-6 answered SELECT SELECT - | SELECT 2",
    ];
    assert_eq!(heard.lines()[1..], told);
}

#[test]
fn an_answer_whose_thread_was_lost_ends_where_the_client_goes_on_or_with_an_end_in_sight() {
    let row = [message(b'D', &[0; 200]), complete("SELECT 1"), ready()].concat();
    let heard = opened()
        .client(3, query("SELECT 1"))
        .server(4, &row)
        .captured(50)
        .server(5, [7; 100])
        .captured(0)
        .client(6, query("SELECT 2"))
        .server(7, &row)
        .captured(50)
        .server(8, [&b"end of a row"[..], &ready()].concat())
        .client(9, query("SELECT 3"))
        .server(10, [complete("SELECT 1"), ready()].concat())
        .hear();
    let told = [
        "3-3 4-5 answered - SELECT - | SELECT 1",
        "6-6 7-8 answered - SELECT - | SELECT 2",
        "9-9 10-10 answered SELECT SELECT - | SELECT 3",
    ];
    assert_eq!(heard.lines()[1..], told);
    assert_eq!(heard.counts.desynchronised, 2);
}

#[test]
fn impossible_lengths_are_malformed_and_the_next_query_is_heard() {
    for len in [3_u32, 1 << 31, u32::MAX] {
        let heard = opened()
            .client(3, query("SELECT 1"))
            .server(4, [&b"D"[..], &len.to_be_bytes(), b"abc"].concat())
            .client(5, query("SELECT 2"))
            .server(6, [complete("SELECT 1"), ready()].concat())
            .hear();
        assert_eq!(heard.counts.malformed, 1, "{len}");
        assert_eq!(heard.lines()[2], "5-5 6-6 answered SELECT SELECT - | SELECT 2", "{len}");
    }
}

#[test]
fn openings_and_queries_are_recognised() {
    let recognised = |first: &[u8]| recognise(first, Carrier::Stream);
    let batch = [parse("", "SELECT 1"), bind("", ""), execute(""), bare(b'S')].concat();
    for first in [startup(), opening(80_877_103, b""), query("SELECT 1"), batch] {
        assert_eq!(recognised(&first), Some((Protocol::PostgreSql, Party::Client)));
    }
    assert_eq!(recognised(b"\0\0\0\x08abcd"), None);
}

#[test]
fn a_session_of_postgresql_is_heard_whole() {
    expect_lines(&lines(Protocol::PostgreSql, 5432, CAPTURE, usize::MAX, 0), "postgresql/session.txt");
}

#[test]
fn every_request_is_found_where_only_the_beginnings_of_frames_were_captured() {
    let whole = lines(Protocol::PostgreSql, 5432, CAPTURE, usize::MAX, 0);
    let cut = lines(Protocol::PostgreSql, 5432, CAPTURE, 202, 0);
    assert_eq!(requests(&cut), requests(&whole));
}

#[test]
fn a_session_of_which_the_beginning_was_not_captured_is_heard_from_the_next_request_on() {
    expect_lines(&lines(Protocol::PostgreSql, 5432, CAPTURE, usize::MAX, 9), "postgresql/amid.txt");
}

#[test]
fn any_octets_are_heard() {
    let snippets: &[&[u8]] = &[
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"\0\0\0\x1a\0\x03\0\0user\0web\0database\0",
        b"N",
        b"Q\0\0\0\x0dSELECT 1\0",
        b"P\0\0\0\x0a\0BEGIN",
        b"B\0\0\0\x0c\0\0\0\0\0\0\0\0",
        b"E\0\0\0\x09\0\0\0\0\0",
        b"S\0\0\0\x04",
        b"H\0\0\0\x04",
        b"d\0\0\0\x05xc\0\0\0\x04",
        b"1\0\0\0\x042\0\0\0\x04",
        b"C\0\0\0\x0dSELECT 1\0",
        b"Z\0\0\0\x05I",
        b"E\0\0\0\x0cC22012\0\0",
        b"G\0\0\0\x07\0\0\0",
        b"W\0\0\0\x07\0\0\0",
        b"D\x7f\xff\xff\xff",
    ];
    hears_anything(Protocol::PostgreSql, Carrier::Stream, snippets);
}
