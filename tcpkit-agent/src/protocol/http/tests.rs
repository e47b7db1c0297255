//! HTTP conversations as stories, whole and cut at any place.

use proptest::prelude::*;

use super::*;

/// A conversation: who says what when; `~` and a number leave as many octets uncaptured.
fn hold(script: &[(Party, i64, &[u8], usize)]) -> (Vec<Exchange>, DialogueCounts) {
    let (mut http, mut out, mut offsets) = (Http::new(), Vec::new(), [0_u64; 2]);
    for (from, at, bytes, missing) in script {
        let offset = &mut offsets[usize::from(*from == Party::Server)];
        let len = u32::try_from(bytes.len() + missing).unwrap();
        let piece = Piece { offset: *offset, at: Timestamp(*at), len, bytes };
        *offset += u64::from(len);
        http.on_piece(*from, &piece, &mut out);
    }
    http.on_over(false, &mut out);
    assert_eq!(http.pending(), 0);
    (out, *http.counts())
}

fn client(at: i64, text: &str) -> (Party, i64, &[u8], usize) {
    (Party::Client, at, text.as_bytes(), 0)
}

fn server(at: i64, text: &str) -> (Party, i64, &[u8], usize) {
    (Party::Server, at, text.as_bytes(), 0)
}

/// Each exchange in one line: label, status, outcome, the four times, the octets.
fn lines(out: &[Exchange]) -> Vec<String> {
    let line = |exchange: &Exchange| {
        let Exchange { request, response, status, outcome, .. } = exchange;
        let asked = format!(
            "{} {}..{}",
            String::from_utf8_lossy(request.label()),
            request.extent.start.0,
            request.extent.end.0
        );
        let answer = response.map_or(outcome.name().to_owned(), |response| {
            format!("{} {}..{} {}", status.to_str(), response.start.0, response.end.0, response.len)
        });
        format!("{asked} = {answer}")
    };
    out.iter().map(line).collect()
}

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
fn content_ends_by_length_by_chunks_or_with_the_connection() {
    let (out, counts) = hold(&[
        client(1, "GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server(2, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5, 5\r\n\r\nab"),
        server(3, "cde"),
        client(4, "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r"),
        client(5, "\n0\r\nTrailer: t\r\n\r\n"),
        server(6, "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: gzip, chunked\r\n\r\nA\r\n01234"),
        server(7, "56789\r\n0\r\n\r\n"),
        client(8, "\r\nGET / HTTP/1.0\n\n"),
        server(9, "HTTP/1.0 500\r\n\r\nHTTP/1.1 200 OK\r\n"),
        server(10, "more"),
    ]);
    assert_eq!(
        lines(&out),
        [
            "GET /a?x=1 HTTP/1.1 1..1 = 200 2..3 65",
            "POST /b HTTP/1.1 4..5 = 404 6..7 80",
            "GET / HTTP/1.0 8..8 = 500 9..10 37"
        ]
    );
    assert_eq!(counts, NOTHING_ODD);
    assert_eq!(out[0].request.key(), b"/a");
    assert_eq!(out.iter().map(|exchange| exchange.is_error).collect::<Vec<_>>(), [false, true, true]);
}

#[test]
fn answers_without_content_and_interim_ones_do_not_confuse_the_order() {
    let (out, counts) = hold(&[
        client(1, "HEAD /h HTTP/1.1\r\n\r\nGET /n HTTP/1.1\r\n\r\nGET /m HTTP/1.1\r\n\r\n"),
        client(2, "PUT /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
        server(3, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        server(4, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
        client(5, "body"),
        server(6, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(
        lines(&out),
        [
            "HEAD /h HTTP/1.1 1..1 = 200 3..3 40",
            "GET /n HTTP/1.1 1..1 = 204 3..3 27",
            "GET /m HTTP/1.1 1..1 = 304 4..4 48",
            "PUT /p HTTP/1.1 2..5 = 201 6..6 43"
        ]
    );
    assert_eq!(counts, DialogueCounts { informational: 1, ..NOTHING_ODD });
}

#[test]
fn an_answer_may_come_before_its_request_is_complete() {
    let (out, counts) = hold(&[
        client(1, "POST /big HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234"),
        server(2, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
        client(3, "56789"),
        client(4, "POST /lost HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234"),
    ]);
    assert_eq!(
        lines(&out),
        ["POST /big HTTP/1.1 1..3 = 413 2..2 45", "POST /lost HTTP/1.1 4..4 = unanswered"]
    );
    assert_eq!(counts, NOTHING_ODD);
}

#[test]
fn what_is_no_http_any_more_costs_and_says_nothing() {
    let garbage = "\x01\x02HTTP/1.1 200 OK\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    for (request, response) in [
        ("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        ("CONNECT h:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
    ] {
        let (out, counts) = hold(&[
            client(1, request),
            server(2, response),
            server(3, garbage),
            client(4, garbage),
            server(5, garbage),
        ]);
        assert_eq!((out.len(), out[0].outcome, counts), (1, Outcome::Answered, NOTHING_ODD));
    }
    let preface = client(1, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let (out, counts) = hold(&[preface, server(2, garbage), client(3, garbage)]);
    assert_eq!((out.len(), counts), (0, DialogueCounts { desynchronised: 1, ..NOTHING_ODD }));
    // A refused tunnel is none.
    let (out, _) = hold(&[
        client(1, "CONNECT h:443 HTTP/1.1\r\n\r\n"),
        server(2, "HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno"),
        client(3, "GET / HTTP/1.1\r\n\r\n"),
        server(4, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(lines(&out).len(), 2);
}

#[test]
fn content_that_was_not_captured_is_stepped_over() {
    let (out, counts) = hold(&[
        (Party::Client, 1, b"PUT /f HTTP/1.1\r\nContent-Length: 1000\r\n\r\nab", 98),
        (Party::Client, 2, b"", 900),
        (Party::Server, 3, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n", 200),
        (Party::Server, 4, b"", 56),
        server(5, "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(lines(&out), ["PUT /f HTTP/1.1 1..2 = 200 3..5 315"]);
    assert_eq!(counts, DialogueCounts { unmatched: 1, ..NOTHING_ODD });
}

#[test]
fn heads_in_part_count_and_end_where_the_next_message_begins() {
    let (out, counts) = hold(&[
        (Party::Client, 1, b"GET /first HTTP/1.1\r\nCookie: ", 200),
        (Party::Server, 2, b"HTTP/1.1 200 OK\r\nContent-Le", 1000),
        (Party::Server, 3, b"xyz", 1000),
        (Party::Client, 4, b"POST /a/path/that/is/lo", 200),
        (Party::Client, 5, b"", 900),
        (Party::Server, 6, b"HTTP/1.1 100 Continue\r\n\r\n", 0),
        (Party::Client, 7, b"content", 0),
        (Party::Server, 8, b"HTTP/1.1 503 No", 50),
    ]);
    assert_eq!(
        lines(&out),
        ["GET /first HTTP/1.1 1..1 = 200 2..3 2030", "POST /a/path/that/is/lo 4..7 = 503 8..8 65"]
    );
    assert_eq!((counts.desynchronised, counts.informational, counts.unmatched), (4, 1, 0));
}

#[test]
fn a_response_that_was_never_captured_takes_its_request_along() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (out, counts) = hold(&[
        client(1, "GET /1 HTTP/1.1\r\n\r\n"),
        (Party::Server, 3, b"", 38),
        client(3, "GET /2 HTTP/1.1\r\n\r\n"),
        server(4, answer),
        client(5, "GET /3 HTTP/1.1\r\n\r\n"),
        server(6, answer),
    ]);
    assert_eq!(
        lines(&out),
        [
            "GET /1 HTTP/1.1 1..1 = unanswered",
            "GET /2 HTTP/1.1 3..3 = 200 4..4 38",
            "GET /3 HTTP/1.1 5..5 = 200 6..6 38"
        ]
    );
    assert_eq!(counts, DialogueCounts { desynchronised: 1, ..NOTHING_ODD });
}

#[test]
fn directions_that_are_heard_late_are_matched_by_time() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    // The first response was not captured, which shows after three requests.
    let (out, counts) = hold(&[
        client(10, "GET /1 HTTP/1.1\r\n\r\n"),
        client(20, "GET /2 HTTP/1.1\r\n\r\n"),
        client(30, "GET /3 HTTP/1.1\r\n\r\n"),
        (Party::Server, 31, b"", 38),
        server(25, answer),
        server(35, answer),
    ]);
    assert_eq!(
        lines(&out),
        [
            "GET /1 HTTP/1.1 10..10 = unanswered",
            "GET /2 HTTP/1.1 20..20 = 200 25..25 38",
            "GET /3 HTTP/1.1 30..30 = 200 35..35 38"
        ]
    );
    assert_eq!(counts, DialogueCounts { desynchronised: 1, ..NOTHING_ODD });
    // The first request was not captured, which shows after three responses.
    let (out, counts) = hold(&[
        server(15, answer),
        server(25, answer),
        server(35, answer),
        (Party::Client, 36, b"", 38),
        client(20, "GET /2 HTTP/1.1\r\n\r\n"),
        client(30, "GET /3 HTTP/1.1\r\n\r\n"),
        client(40, "GET /4 HTTP/1.1\r\n\r\n"),
        server(45, answer),
    ]);
    assert_eq!(
        lines(&out),
        [
            "GET /2 HTTP/1.1 20..20 = 200 25..25 38",
            "GET /3 HTTP/1.1 30..30 = 200 35..35 38",
            "GET /4 HTTP/1.1 40..40 = 200 45..45 38"
        ]
    );
    assert_eq!(counts, DialogueCounts { desynchronised: 1, unmatched: 1, ..NOTHING_ODD });
}

#[test]
fn of_pipelined_requests_nothing_is_said_after_a_loss_until_both_are_silent() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let three = "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n";
    let (out, counts) = hold(&[
        client(1, three),
        server(2, answer),
        (Party::Server, 3, b"", 38),
        server(4, answer),
        client(5, "GET /4 HTTP/1.1\r\n\r\n"),
        server(6, answer),
        client(2_000_000_000, "GET /5 HTTP/1.1\r\n\r\n"),
        server(2_000_000_001, answer),
    ]);
    let answered: Vec<_> = out.iter().filter(|exchange| exchange.response.is_some()).collect();
    assert_eq!(answered.len(), 2, "{:?}", lines(&out));
    assert_eq!(answered[1].request.key(), b"/5");
    assert_eq!((out.len(), counts.unmatched, counts.desynchronised), (4, 2, 2));
}

#[test]
fn more_requests_than_may_wait_are_given_up_together() {
    let many = "GET / HTTP/1.1\r\n\r\n".repeat(5_000);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (out, counts) = hold(&[client(1, &many), server(2, answer), server(3, answer)]);
    assert!(out.iter().all(|exchange| exchange.outcome == Outcome::Unanswered));
    let heard = out.len() + usize::try_from(counts.desynchronised).unwrap();
    assert_eq!((heard, counts.overrun, counts.unmatched), (5_000, 1, 2));
}

#[test]
fn contradictions_and_boundless_lines_are_malformed() {
    let long = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(1 << 19));
    for request in [
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        &long,
    ] {
        let (out, counts) = hold(&[
            client(1, request),
            server(2, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
            client(3, "GET /next HTTP/1.1\r\n\r\n"),
            server(4, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ]);
        assert_eq!((counts.malformed, counts.desynchronised), (1, 0), "{request:.60}");
        let lines = lines(&out);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("GET / HTTP/1.1 1..1 = 400 2"), "{lines:?}");
        assert!(lines[1].starts_with("GET /next HTTP/1.1 3..3 = 200 4"), "{lines:?}");
    }
}

#[test]
fn other_protocols_are_not_taken_for_this_one() {
    let is_http = |party, first: &[u8]| speaks(party, first, Carrier::Stream);
    assert!(is_http(Party::Client, b"GET / HTTP/1.1\r\nHost: x"));
    assert!(is_http(Party::Client, b"MKCALENDAR /c HTTP/1.1\r\n"));
    assert!(is_http(Party::Client, &[b"GET /".as_slice(), &[b'a'; 100]].concat()));
    assert!(is_http(Party::Server, b"HTTP/1.1 200 OK\r\n"));
    for other in [
        b"GET key\r\n".as_slice(),
        b"get /a HTTP/1.1\r\n",
        b"GET /",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        assert!(!is_http(Party::Client, other), "{}", other.escape_ascii());
        assert!(!is_http(Party::Server, other), "{}", other.escape_ascii());
    }
    assert!(!speaks(Party::Client, b"GET / HTTP/1.1\r\n", Carrier::Datagrams));
}

const CONVERSATION: [(Party, &str); 6] = [
    (Party::Client, "GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\n\r\n"),
    (Party::Server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
    (Party::Server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    (Party::Client, "POST /c HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"),
    (Party::Server, "HTTP/1.1 100 Continue\r\n\r\n"),
    (Party::Server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
];

fn cut_up(cuts: &[usize]) -> Vec<Exchange> {
    let (mut http, mut out, mut offsets, mut cuts) =
        (Http::new(), Vec::new(), [0_u64; 2], cuts.iter().cycle());
    for (turn, (from, text)) in CONVERSATION.iter().enumerate() {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (bytes, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            let offset = &mut offsets[usize::from(*from == Party::Server)];
            let len = u32::try_from(bytes.len()).unwrap();
            let piece = Piece { offset: *offset, at: Timestamp(i64::try_from(turn).unwrap()), len, bytes };
            *offset += u64::from(len);
            http.on_piece(*from, &piece, &mut out);
            rest = after;
        }
    }
    assert_eq!(*http.counts(), DialogueCounts { informational: 1, ..NOTHING_ODD });
    out
}

proptest! {
    #[test]
    fn cuts_change_nothing(cuts in prop::collection::vec(1_usize..40, 1..20)) {
        let whole = cut_up(&[usize::MAX]);
        prop_assert_eq!(whole.len(), 3);
        prop_assert_eq!(cut_up(&cuts), whole);
    }

    #[test]
    fn no_octets_in_any_pieces_do_harm(
        pieces in prop::collection::vec(
            (any::<bool>(), prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                prop::sample::select(CONVERSATION.to_vec()).prop_map(|(_, text)| text.as_bytes().to_vec()),
                "[A-Z]{1,5} /[a-z]{0,9} HTTP/1\\.1\r\n(Content-Length: [0-9]{1,21}\r\n)?".prop_map(String::into_bytes),
                "[0-9a-f]{1,17}\r\n".prop_map(String::into_bytes),
            ], 0_u32..1000),
            0..60,
        )
    ) {
        let (mut http, mut out, mut offsets) = (Http::new(), Vec::new(), [0_u64; 2]);
        for (is_server, bytes, missing) in &pieces {
            let offset = &mut offsets[usize::from(*is_server)];
            let len = u32::try_from(bytes.len()).unwrap() + missing;
            let from = if *is_server { Party::Server } else { Party::Client };
            http.on_piece(from, &Piece { offset: *offset, at: Timestamp(7), len, bytes }, &mut out);
            *offset += u64::from(len);
        }
        http.on_over(true, &mut out);
        prop_assert_eq!(http.pending(), 0);
        for exchange in &out {
            prop_assert!(exchange.request.extent.len <= offsets[0]);
            prop_assert!(exchange.response.is_none_or(|response| response.len <= offsets[1]));
        }
    }
}
