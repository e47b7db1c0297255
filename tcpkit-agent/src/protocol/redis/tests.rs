//! Conversations with a Redis server.

use super::super::{
    Carrier, Outcome, Party, Protocol, recognise,
    testing::{Conversation, Heard, hears_anything},
};

fn talk() -> Conversation {
    Conversation::new(Protocol::Redis)
}

/// A command as clients send it.
fn command(words: &[&str]) -> Vec<u8> {
    let mut octets = format!("*{}\r\n", words.len());
    for word in words {
        octets += &format!("${}\r\n{word}\r\n", word.len());
    }
    octets.into_bytes()
}

/// One line of words, as an array.
fn ask(line: &str) -> Vec<u8> {
    command(&line.split(' ').collect::<Vec<_>>())
}

fn asks(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| ask(line)).collect()
}

fn labels(heard: &Heard) -> Vec<String> {
    heard.labels(Outcome::Answered)
}

#[test]
fn each_command_of_a_pipeline_has_its_own_answer() {
    let heard = talk()
        .client(1, asks(&["SET p1 1", "get p1", "HGETALL h"]))
        .server(2, "+OK\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n")
        .server(3, "$-1\r\n")
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-2 answered - SET p1 | SET p1 1",
            "1-1 2-2 answered - GET p1 | get p1",
            "1-1 2-3 answered - HGETALL h | HGETALL h",
        ]
    );
    let response = heard.exchanges[2].response.unwrap();
    assert_eq!((response.offset, response.len), (12, 16));
    assert_eq!(heard.exchanges[1].request.extent.offset, 28);
    assert_eq!(heard.counts, super::DialogueCounts::default());
}

#[test]
fn a_request_in_several_segments_lasts_from_the_first_to_the_last() {
    let heard = talk()
        .client(1, "*2\r\n$4\r\nECHO\r\n$5\r\nhe")
        .client(5, "llo\r\n")
        .server(9, "$5\r\nhel")
        .server(12, "lo\r")
        .server(13, "\n")
        .check();
    assert_eq!(heard.lines(), ["1-5 9-13 answered - ECHO - | ECHO hello"]);
}

#[test]
fn errors_are_told_by_their_first_word() {
    let heard = talk()
        .client(1, asks(&["GET k", "LPUSH k v", "EVAL x 0"]))
        .server(
            2,
            "-MOVED 3999 127.0.0.1:6381\r\n-WRONGTYPE Operation against\r\n!21\r\nSYNTAX invalid syntax\r\n",
        )
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-2 answered error MOVED GET k | GET k",
            "1-1 2-2 answered error WRONGTYPE LPUSH k | LPUSH k v",
            "1-1 2-2 answered error SYNTAX EVAL - | EVAL x 0",
        ]
    );
}

#[test]
fn inline_commands_are_commands() {
    let heard = talk()
        .client(1, "\r\n\r\nPING\r\nset  a \"x y\"\r\nFAKE COMMAND\n\n")
        .server(2, "+PONG\r\n+OK\r\n-ERR unknown command\r\n")
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-2 answered - PING - | PING",
            "1-1 2-2 answered - SET a | set a \"x y\"",
            "1-1 2-2 answered error ERR FAKE COMMAND | FAKE COMMAND",
        ]
    );
}

#[test]
fn passwords_are_never_shown() {
    let secrets = [
        "AUTH secret",
        "AUTH name secret",
        "HELLO 3 AUTH name secret SETNAME secret",
        "CONFIG SET maxmemory 1 requirepass secret",
        "CONFIG SET masterauth secret",
        "ACL SETUSER name >secret",
        "MIGRATE host 6379 key 0 5000 AUTH2 name secret",
        "SENTINEL SET mymaster auth-pass secret",
    ];
    let answers = "+OK\r\n".repeat(secrets.len());
    let arrays = talk().client(1, asks(&secrets)).server(2, &answers).check();
    let inline = talk().client(1, secrets.join("\r\n") + "\r\n").server(2, &answers).check();
    for heard in [arrays, inline] {
        assert_eq!(
            labels(&heard),
            [
                "AUTH",
                "AUTH",
                "HELLO 3 AUTH",
                "CONFIG SET maxmemory 1 requirepass",
                "CONFIG SET masterauth",
                "ACL SETUSER",
                "MIGRATE host 6379 key 0 5000 AUTH2",
                "SENTINEL SET mymaster auth-pass",
            ]
        );
        assert!(!format!("{heard:?}").contains("secret"));
    }
}

#[test]
fn what_was_not_captured_of_a_command_makes_the_rest_of_it_secret() {
    let octets = ask("CONFIG SET requirepass secret");
    // The last octet of the parameter's name begins the second segment; eight before it were not captured.
    let place = octets.len() - 15;
    let heard = talk()
        .client(1, &octets[..place])
        .captured(place - 8)
        .client(2, &octets[place..])
        .server(3, "+OK\r\n")
        .hear();
    assert_eq!(labels(&heard), ["CONFIG SET res"]);
    // The second half of a request whose first half was not captured is none.
    let heard = talk().client(1, "*2\r\n$4\r\nAUTH\r\n$6\r\n").captured(0).client(2, "secret\r\n").hear();
    assert!(heard.exchanges.is_empty());
    assert_eq!(heard.counts.desynchronised, 1);
}

#[test]
fn keys_are_where_the_command_has_them() {
    let asked = [
        ("EVAL script 1 k v", "k"),
        ("EVAL script 0 v", ""),
        ("OBJECT ENCODING k", "k"),
        ("MEMORY USAGE k", "k"),
        ("XREAD COUNT 2 STREAMS s1 s2 0 0", "s1"),
        ("XREADGROUP GROUP g c BLOCK 0 STREAMS s1 >", "s1"),
        ("BITOP AND d a b", "d"),
        ("LMPOP 2 a b LEFT", "a"),
        ("BZMPOP 0 1 z MIN", "z"),
        ("MIGRATE host 6379 k 0 10", "k"),
        ("PUBLISH c text", "c"),
        ("JSON.GET doc", "doc"),
        ("SELECT 3", ""),
        ("INFO", ""),
    ];
    let lines: Vec<_> = asked.iter().map(|(line, _)| *line).collect();
    let heard = talk().client(1, asks(&lines)).server(2, "+OK\r\n".repeat(lines.len())).check();
    let keys: Vec<_> = heard
        .exchanges
        .iter()
        .map(|exchange| String::from_utf8_lossy(exchange.request.key()).into_owned())
        .collect();
    assert_eq!(keys, asked.map(|(_, key)| key));
    let blocking = heard.exchanges.iter().filter(|exchange| exchange.request.is_blocking);
    let commands: Vec<_> = blocking.map(|exchange| exchange.request.command.to_str().into_owned()).collect();
    assert_eq!(commands, ["XREADGROUP", "BZMPOP"]);
}

#[test]
fn a_transaction_queues_its_commands() {
    let heard = talk()
        .client(1, asks(&["MULTI", "INCR a", "BLPOP l 5", "EXEC", "BLPOP l 5"]))
        .server(2, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n*-1\r\n")
        .server(900, "*2\r\n$1\r\nl\r\n$1\r\nx\r\n")
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-2 answered - MULTI - | MULTI",
            "1-1 2-2 answered - INCR a | INCR a",
            "1-1 2-2 answered - BLPOP l | BLPOP l 5",
            "1-1 2-2 answered - EXEC - | EXEC",
            "1-1 900-900 answered - BLPOP l | BLPOP l 5 (blocking)",
        ]
    );
}

#[test]
fn messages_of_channels_answer_nothing() {
    let heard = talk()
        .client(1, asks(&["SUBSCRIBE a b", "PSUBSCRIBE p*"]))
        .server(2, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n")
        .server(3, "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n*3\r\n$10\r\npsubscribe\r\n$2\r\np*\r\n:3\r\n")
        .server(4, "*4\r\n$8\r\npmessage\r\n$2\r\np*\r\n$2\r\npa\r\n$2\r\nhi\r\n")
        .client(5, asks(&["PING", "UNSUBSCRIBE", "PUNSUBSCRIBE p*", "LRANGE l 0 -1"]))
        .server(6, "*2\r\n$4\r\npong\r\n$0\r\n\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n")
        .server(
            7,
            "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n*3\r\n$12\r\npunsubscribe\r\n$2\r\np*\r\n:0\r\n",
        )
        .server(8, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n")
        .check();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-3 answered - SUBSCRIBE a | SUBSCRIBE a b",
            "1-1 3-3 answered - PSUBSCRIBE p* | PSUBSCRIBE p*",
            "5-5 6-6 answered - PING - | PING",
            "5-5 6-7 answered - UNSUBSCRIBE - | UNSUBSCRIBE",
            "5-5 7-7 answered - PUNSUBSCRIBE p* | PUNSUBSCRIBE p*",
            "5-5 8-8 answered - LRANGE l | LRANGE l 0 -1",
        ]
    );
    assert_eq!((heard.counts.pushes, heard.counts.unmatched), (2, 0));
}

#[test]
fn pushes_of_resp3_answer_nothing_but_subscriptions() {
    let heard = talk()
        .client(1, asks(&["HELLO 3", "SUBSCRIBE a", "GET k"]))
        .server(2, "%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n")
        .server(
            3,
            ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n_\r\n",
        )
        .check();
    assert_eq!(labels(&heard), ["HELLO 3", "SUBSCRIBE a", "GET k"]);
    assert_eq!(heard.counts.pushes, 2);
}

#[test]
fn every_type_of_resp3_is_one_answer() {
    let answers = [
        "|1\r\n+ttl\r\n:3600\r\n*2\r\n|1\r\n$1\r\na\r\n*1\r\n#t\r\n,1.5\r\n(349\r\n",
        "%2\r\n+a\r\n~2\r\n:1\r\n_\r\n+b\r\n=8\r\ntxt:text\r\n",
        "*?\r\n:1\r\n*2\r\n:2\r\n:3\r\n$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n%?\r\n+k\r\n:1\r\n.\r\n.\r\n",
        "$?\r\n;0\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n",
        "#f\r\n",
        "$0\r\n\r\n",
    ];
    let asked: Vec<_> = (0..answers.len()).map(|number| format!("GET {number}")).collect();
    let lines: Vec<_> = asked.iter().map(String::as_str).collect();
    let mut talk = talk().client(1, asks(&lines));
    for (at, answer) in (10..).zip(answers) {
        talk = talk.server(at, answer);
    }
    let heard = talk.check();
    assert_eq!(labels(&heard), lines);
    let starts = heard.exchanges.iter().map(|exchange| exchange.response.unwrap().start.as_micros());
    assert!(starts.eq(10..19));
    assert_eq!(heard.counts, super::DialogueCounts::default());
}

#[test]
fn who_turns_answers_off_gets_none() {
    let inline =
        ["PING", "CLIENT REPLY OFF", "PING", "CLIENT REPLY ON", "PING", "CLIENT REPLY SKIP", "GET a", "PING"];
    let heard = talk().client(1, asks(&inline)).server(2, "+PONG\r\n+OK\r\n+PONG\r\n+PONG\r\n").check();
    assert_eq!(labels(&heard), ["PING", "CLIENT REPLY ON", "PING", "PING"]);
    assert_eq!(heard.labels(Outcome::NoReply), ["CLIENT REPLY OFF", "PING", "CLIENT REPLY SKIP", "GET a"]);
}

#[test]
fn what_a_monitor_shows_answers_nothing() {
    let heard = talk()
        .client(1, ask("MONITOR"))
        .server(2, "+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n")
        .client(3, ask("QUIT"))
        .server(4, "+1339518087.877697 [0 127.0.0.1:60866] \"get\"\r\n+OK\r\n")
        .check();
    assert_eq!(heard.lines(), ["1-1 2-2 answered - MONITOR - | MONITOR", "3-3 4-4 answered - QUIT - | QUIT"]);
    assert_eq!(heard.counts.pushes, 2);
}

#[test]
fn a_replica_leaves_the_protocol() {
    let heard = talk()
        .client(1, asks(&["REPLCONF listening-port 6380", "PSYNC ? -1"]))
        .server(2, "+OK\r\n\n\n+FULLRESYNC 0123 0\r\n$9\r\nREDIS0011*1\r\n$4\r\nPING\r\n")
        .client(3, ask("REPLCONF ACK 14"))
        .check();
    assert_eq!(labels(&heard), ["REPLCONF listening-port 6380", "PSYNC ? -1"]);
    assert_eq!(heard.labels(Outcome::NoReply), ["REPLCONF ACK 14"]);
    let heard = talk().client(1, ask("SYNC")).server(2, "$EOF:012345\r\n").server(3, [0xff; 9]).check();
    assert_eq!(heard.lines(), ["1-1 2-2 answered - SYNC - | SYNC"], "{:?}", heard.counts);
}

#[test]
fn strings_that_were_not_captured_are_stepped_over() {
    let heard = talk()
        .client(1, [&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\n"[..], &[b'x'; 1_002]].concat())
        .captured(60)
        .server(2, "+OK\r\n")
        .client(3, ask("GET k"))
        .server(4, [&b"$1000\r\n"[..], &[b'x'; 400]].concat())
        .captured(30)
        .server(5, [b'x'; 400])
        .captured(0)
        .server(6, [&[b'x'; 200][..], b"\r\n"].concat())
        .hear();
    assert_eq!(heard.exchanges.len(), 2);
    assert_eq!(heard.lines()[1], "3-3 4-6 answered - GET k | GET k");
    assert_eq!(heard.exchanges[0].request.extent.len, 1_029);
    assert_eq!(heard.counts, super::DialogueCounts::default());
}

#[test]
fn an_answer_that_was_not_captured_leaves_the_newest_request_to_the_next_one() {
    let heard = talk()
        .client(1, ask("GET a"))
        .client(3, ask("GET b"))
        .server(4, "+1\r\n")
        .captured(0)
        .server(4, "+2\r\n")
        .client(5, ask("GET c"))
        .server(6, "+3\r\n")
        .hear();
    assert_eq!(labels(&heard), ["GET b", "GET c"]);
    assert_eq!(heard.labels(Outcome::Unanswered), ["GET a"]);
    assert_eq!(heard.counts.desynchronised, 1);
}

#[test]
fn the_directions_may_tell_of_their_losses_in_any_order() {
    // The second request and the answer to the third were not captured.
    let heard = talk()
        .client(1, ask("GET a"))
        .server(2, "+1\r\n")
        .client(3, ask("GET b"))
        .captured(0)
        .server(4, "+2\r\n")
        .client(5, ask("GET c"))
        .server(6, "+3\r\n")
        .captured(0)
        .client(7, ask("GET d"))
        .server(8, "+4\r\n")
        .client(9, ask("GET e"))
        .server(10, "+5\r\n");
    assert_eq!(labels(&heard.hear()), ["GET a", "GET d", "GET e"]);
    let early = talk()
        .client(1, ask("GET a"))
        .server(2, "+1\r\n")
        .server(4, "+2\r\n")
        .server(6, "+3\r\n")
        .captured(0)
        .client(3, ask("GET b"))
        .captured(0)
        .client(5, ask("GET c"))
        .client(7, ask("GET d"))
        .server(8, "+4\r\n")
        .client(9, ask("GET e"))
        .server(10, "+5\r\n");
    assert_eq!(labels(&early.hear()), ["GET a", "GET d", "GET e"]);
}

#[test]
fn after_lost_answers_a_pipeline_is_in_step_with_its_next_batch() {
    let heard = talk()
        .client(1, asks(&["GET a", "GET b", "GET c"]))
        .server(2, "+1\r\n+2\r\n")
        .captured(0)
        .server(3, "+3\r\n")
        .client(4, asks(&["GET d", "GET e"]))
        .server(5, "+4\r\n+5\r\n")
        .hear();
    assert_eq!(labels(&heard), ["GET d", "GET e"]);
    assert_eq!(heard.labels(Outcome::Unanswered), ["GET a", "GET b", "GET c"]);
    assert_eq!(heard.counts.unmatched, 1);
}

#[test]
fn a_request_whose_options_were_not_captured_ends_with_its_segment() {
    let set = [&b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\n"[..], &[b'x'; 100], b"\r\n$2\r\nEX\r\n$2\r\n60\r\n"]
        .concat();
    let two = [ask("GET a"), ask("GET b")].concat();
    let heard = talk()
        .client(0, &two)
        .server(0, "$-1\r\n$-1\r\n")
        .client(1, &set)
        .captured(50)
        .server(2, "+OK\r\n")
        .client(3, &set)
        .captured(50)
        .client(4, ask("GET k"))
        .server(5, "+OK\r\n$-1\r\n")
        .hear();
    assert_eq!(heard.exchanges.len(), 5, "{:?}", heard.lines());
    let lines = heard.lines();
    assert!(lines[3].starts_with("3-3 5-5 answered - SET k | SET k xxx"), "{lines:?}");
    assert_eq!(heard.exchanges[2].request.extent.len, set.len() as u64);
    // Behind what was not captured another request may stand: whose the last answer is, nobody can know.
    assert!(lines[4].starts_with("4-4 - unanswered - GET k"), "{lines:?}");
    assert_eq!((heard.counts.desynchronised, heard.counts.unmatched, heard.counts.malformed), (2, 1, 0));
}

#[test]
fn a_reply_whose_elements_were_not_captured_ends_where_its_client_goes_on() {
    let list = ["*9\r\n", &"$9\r\n123456789\r\n".repeat(9)].concat();
    let heard = talk()
        .client(1, ask("LRANGE l 0 -1"))
        .server(2, &list[..70])
        .captured(40)
        .server(3, &list[70..])
        .captured(20)
        .client(4, ask("GET k"))
        .server(5, "$-1\r\n")
        .client(6, ask("HGETALL h"))
        .server(7, &list)
        .captured(30)
        .hear();
    assert_eq!(
        heard.lines(),
        [
            "1-1 2-3 answered - LRANGE l | LRANGE l 0 -1",
            "4-4 5-5 answered - GET k | GET k",
            "6-6 7-7 answered - HGETALL h | HGETALL h",
        ]
    );
    assert_eq!(heard.exchanges[0].response.unwrap().len, list.len() as u64);
}

#[test]
fn of_a_pipeline_that_was_not_captured_whole_the_beginning_is_answered() {
    let batch = asks(&["GET a", "GET b", "GET c", "GET d"]);
    let heard = talk()
        .client(1, &batch)
        .captured(45)
        .server(2, "+1\r\n+2\r\n+3\r\n+4\r\n")
        .client(3, asks(&["GET e", "GET f"]))
        .server(4, "+5\r\n+6\r\n")
        .hear();
    assert_eq!(labels(&heard), ["GET a", "GET b", "GET e", "GET f"]);
    assert_eq!((heard.counts.desynchronised, heard.counts.unmatched), (1, 2));
}

#[test]
fn contradictions_are_malformed_and_the_next_request_counts_again() {
    for bad in [
        "*2\r\n$3\r\nGET\r\n$9223372036854775808\r\n",
        "*2\r\n$3\r\nGET\r\n$-20\r\n",
        "*99999999999999999999\r\n",
        "*2\r\n$3\r\nGETxx",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
    ] {
        let heard = talk()
            .client(1, ask("GET a"))
            .server(2, "+1\r\n")
            .client(3, bad)
            .client(5, ask("GET b"))
            .server(6, "+2\r\n");
        let heard = heard.hear();
        assert_eq!(labels(&heard), ["GET a", "GET b"], "{bad:?}");
        assert_eq!((heard.counts.malformed, heard.counts.desynchronised), (1, 0), "{bad:?}");
    }
    let heard =
        talk().client(1, ask("GET a")).server(2, "$9223372036854775807\r\n").server(3, "+1\r\n").hear();
    assert_eq!((labels(&heard), heard.counts.malformed), (vec!["GET a".to_owned()], 1));
}

#[test]
fn unbounded_lines_and_nesting_cost_nothing() {
    let mut talk = talk().client(1, ask("GET a"));
    for at in 2..100 {
        talk = talk.server(at, "*1\r\n".repeat(1_000)).client(at, "x".repeat(1_000));
    }
    let heard = talk.hear();
    assert_eq!((heard.exchanges.len(), heard.pending), (1, 1));
    assert_eq!(heard.counts.malformed, 1, "only the line is malformed: {:?}", heard.counts);
}

#[test]
fn what_has_no_answer_is_told_when_the_connection_is_over() {
    let talk = talk().client(1, asks(&["GET a", "GET b"])).server(2, "+1\r\n$10\r\nabc");
    assert_eq!(talk.hear().labels(Outcome::Unanswered), ["GET b"]);
    assert_eq!(talk.hear_lost().labels(Outcome::Aborted), ["GET b"]);
    assert_eq!(talk.hear().pending, 1);
}

#[test]
fn redis_is_recognised() {
    let asked = Some((Protocol::Redis, Party::Client));
    for first in ["*1\r\n$4\r\nPING\r\n", "PING\r\n", "hset a b c\r\n", "set a b\r\n"] {
        assert_eq!(recognise(first.as_bytes(), Carrier::Stream), asked, "{first:?}");
    }
    for first in [
        "*1\r\n",
        "get a\r\n",
        "set a 0 0 1\r\nx\r\n",
        "GET / HTTP/1.1\r\n",
        "QUIT\r\n",
        "FAKE x\r\n",
        "+OK\r\n",
        "",
    ] {
        assert_ne!(recognise(first.as_bytes(), Carrier::Stream), asked, "{first:?}");
    }
    assert_eq!(recognise(b"$3\r\nabc\r\n", Carrier::Stream), Some((Protocol::Redis, Party::Server)));
}

#[test]
fn anything_may_be_said() {
    const SNIPPETS: &[&[u8]] = &[
        b"*1\r\n$4\r\nPING\r\n",
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
        b"*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"*1\r\n$11\r\nUNSUBSCRIBE\r\n",
        b"MULTI\r\nEXEC\r\n",
        b"CLIENT REPLY OFF\r\n",
        b"*2\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
        b">3\r\n$7\r\nmessage\r\n",
        b"*?\r\n",
        b"$?\r\n",
        b";3\r\nabc\r\n",
        b".\r\n",
        b"|1\r\n",
        b"*4294967295\r\n",
        b"$5\r\nhello\r\n",
        b"$1000000\r\n",
        b"+OK\r\n",
        b"-ERR x\r\n",
        b":1\r\n",
        b"\r\n",
        b"*",
        b"$",
    ];
    hears_anything(Protocol::Redis, Carrier::Stream, SNIPPETS);
}
