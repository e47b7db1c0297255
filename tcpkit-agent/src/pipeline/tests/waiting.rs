//! How long round trips took, and what flows waited for.

use super::{ms, observe, scenario::*};
use crate::{
    pipeline::EngineSettings,
    report::{FlowRecord, Report},
    time::Span,
};

fn told(story: Scenario) -> (FlowRecord, Report) {
    let mut observed = observe(&story.frames(), &EngineSettings::replay(1));
    (observed.records.remove(0), observed.report)
}

/// Kinds of stalls with their count and milliseconds, those that there were.
fn stalls(story: Scenario) -> Vec<String> {
    let (record, report) = told(story);
    let all = serde_json::to_value(record.stalls).unwrap();
    let mut lines = Vec::new();
    for (kind, stall) in all.as_object().unwrap() {
        let sums = &report.stalls.kinds[kind.as_str()];
        assert_eq!(stall["count"], sums.span_us.samples, "{kind}: the report counts the same");
        if stall["count"] != 0 {
            let milliseconds = stall["us"].as_f64().unwrap() / 1000.0;
            lines.push(format!("{kind} {} {milliseconds}", stall["count"]));
        }
    }
    lines
}

/// The server's half takes 10 ms, the client's 5; the client asks with 100 octets.
fn asked() -> Scenario {
    scenario().handshake().client(ACK, 1, 1, 100)
}

#[test]
fn both_halves_are_measured_over_the_whole_life() {
    let story = asked().after(ms(12)).server(ACK, 1, 101, 500).after(ms(4)).client(ACK, 101, 501, 0);
    let (record, report) = told(story);
    let rtt = record.client.rtt;
    assert_eq!((rtt.samples, rtt.min, rtt.avg, rtt.max), (2, Some(10_000.0), Some(11_000.0), Some(12_000.0)));
    assert_eq!((rtt.smoothed, rtt.variation), (Some(10_250.0), Some(4_250.0)));
    let rtt = record.server.rtt;
    assert_eq!((rtt.samples, rtt.min, rtt.max), (2, Some(4_000.0), Some(5_000.0)));
    assert_eq!(report.latency.towards_server.rtt_us.samples, 2);
    assert_eq!(report.latency.towards_client.rtt_us.max, Some(5_000.0));
}

#[test]
fn an_acknowledgement_of_what_was_sent_twice_is_no_sample() {
    let lost = asked().after(ms(300)).client(ACK, 1, 1, 100);
    let (record, _) = told(lost.after(ms(2)).server(ACK, 1, 101, 0));
    assert_eq!((record.client.rtt.samples, record.client.rtt.max), (1, Some(10_000.0)));
}

#[test]
fn a_syn_that_was_sent_twice_is_no_sample_either() {
    let again = scenario().client(SYN, 0, 0, 0).after(ms(1000)).client(SYN, 0, 0, 0).after(ms(10));
    let (record, _) = told(again.server(SYN_ACK, 0, 1, 0).after(ms(5)).client(ACK, 1, 1, 0));
    assert_eq!((record.client.rtt.samples, record.server.rtt.samples), (0, 1));
}

#[test]
fn super_segments_give_a_round_trip_for_each_acknowledgement() {
    let bulk = scenario().handshake().bulk(14_480, 1448).after(ms(6)).client(ACK, 1, 7241, 0);
    let (record, _) = told(bulk.after(ms(1)).client(ACK, 1, 14_481, 0));
    let rtt = record.server.rtt;
    assert_eq!((rtt.samples, rtt.min, rtt.max), (3, Some(5_000.0), Some(7_000.0)));
}

#[test]
fn a_server_that_thinks_is_told_from_the_network() {
    let at_once = asked().after(ms(10)).server(ACK, 1, 101, 0).after(ms(250)).server(ACK, 1, 101, 9);
    assert_eq!(stalls(at_once), ["server_thinking 1 250"]);
    let with_the_answer = asked().after(ms(260)).server(ACK, 1, 101, 9);
    assert_eq!(stalls(with_the_answer), ["server_thinking 1 250"]);
    let delayed = asked().after(ms(50)).server(ACK, 1, 101, 0).after(ms(210)).server(ACK, 1, 101, 9);
    assert_eq!(stalls(delayed), ["server_thinking 1 250"]);
}

#[test]
fn a_server_that_speaks_first_thinks_from_the_last_segment_of_the_handshake() {
    let greeted = scenario().handshake().after(ms(110)).server(ACK, 1, 1, 40);
    assert_eq!(stalls(greeted), ["server_thinking 1 100"]);
}

#[test]
fn a_client_thinks_before_it_asks() {
    let first = scenario().handshake().after(ms(500)).client(ACK, 1, 1, 9);
    assert_eq!(stalls(first), ["client_thinking 1 500"]);
    let next = asked().after(ms(10)).server(ACK, 1, 101, 9).after(ms(5)).client(ACK, 101, 10, 0);
    assert_eq!(stalls(next.after(ms(300)).client(ACK, 101, 10, 9)), ["client_thinking 1 300"]);
}

#[test]
fn a_client_that_gives_up_ends_the_wait_for_the_server() {
    let given_up = asked().after(ms(10)).server(ACK, 1, 101, 0).after(ms(700)).client(FIN_ACK, 101, 1, 0);
    assert_eq!(stalls(given_up), ["server_thinking 1 700"]);
    let reset = asked().after(ms(10)).server(ACK, 1, 101, 0).after(ms(700)).client(RST_ACK, 101, 1, 0);
    assert_eq!(stalls(reset), ["server_thinking 1 700"]);
}

#[test]
fn a_lost_question_is_waited_for_before_the_server_can_think() {
    let lost = asked().after(ms(230)).client(ACK, 1, 1, 100).after(ms(10)).server(ACK, 1, 101, 0);
    let answered = lost.after(ms(120)).server(ACK, 1, 101, 9);
    assert_eq!(stalls(answered), ["rto 1 230", "server_thinking 1 120"]);
}

#[test]
fn a_server_that_pauses_in_its_answer_was_idle() {
    let begun = asked().after(ms(10)).server(ACK, 1, 101, 1000).after(ms(5)).client(ACK, 101, 1001, 0);
    assert_eq!(stalls(begun.after(ms(80)).server(ACK, 1001, 101, 1000)), ["sender_idle 1 80"]);
}

#[test]
fn a_receiver_that_does_not_read_shuts_the_window() {
    let shut =
        asked().after(ms(10)).server(ACK, 1, 101, 1000).after(ms(5)).window(0).client(ACK, 101, 1001, 0);
    let probed = shut.after(ms(200)).window(512).server(ACK, 1000, 101, 0).after(ms(5)).window(0);
    let opened = probed.client(ACK, 101, 1001, 0).after(ms(400)).window(512).client(ACK, 101, 1001, 0);
    let (record, _) = told(opened.clone());
    assert_eq!(record.client.zero_window_episodes, 1);
    assert_eq!(stalls(opened.after(ms(10)).server(ACK, 1001, 101, 1000)), ["zero_window 1 605"]);
}

#[test]
fn what_was_already_read_is_not_waited_for() {
    let done =
        asked().after(ms(10)).server(ACK, 1, 101, 1000).after(ms(5)).window(0).client(ACK, 101, 1001, 0);
    let later = done
        .after(ms(400))
        .window(512)
        .client(ACK, 101, 1001, 0)
        .after(ms(900))
        .client(FIN_ACK, 101, 1001, 0);
    assert_eq!(stalls(later), [""; 0]);
}

#[test]
fn time_that_steps_back_makes_no_stall() {
    let story =
        asked().before(ms(40)).server(ACK, 1, 101, 9).before(Span::from_secs(9)).client(ACK, 101, 10, 9);
    assert_eq!(stalls(story), [""; 0]);
}
