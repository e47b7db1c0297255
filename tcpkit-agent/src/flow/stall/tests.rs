//! Stories of stalls.

use proptest::prelude::*;

use super::super::{
    rtt::story::{CLIENT, SERVER, Step, Story, any_steps, story},
    stream::{Cause, StallKind},
};
use crate::{time::Span, wire::TcpFlags};

/// Kinds and milliseconds of the stalls so far.
fn told(story: &Story) -> Vec<(StallKind, u64)> {
    let length = |stall: &super::Stall| stall.end.since(stall.start).0 / 1_000_000;
    story.ended.iter().map(|stall| (stall.kind, length(stall))).collect()
}

/// The server's half takes 10 ms, the client's 2.
fn asked() -> Story {
    story().handshake().data(CLIENT, 100)
}

#[test]
fn a_server_thinks_from_when_it_has_the_request() {
    let acknowledged = asked().ms(10).ack(SERVER).ms(200).data(SERVER, 1000);
    assert_eq!(told(&acknowledged), [(StallKind::ServerThinking, 200)]);
    let with_the_answer = asked().ms(10).ms(200).data(SERVER, 1000);
    assert_eq!(told(&with_the_answer), [(StallKind::ServerThinking, 200)]);
    let delayed = asked().ms(10).ms(40).ack(SERVER).ms(160).data(SERVER, 1000);
    assert_eq!(told(&delayed), [(StallKind::ServerThinking, 200)]);
}

#[test]
fn an_answer_within_a_round_trip_is_no_thinking() {
    assert_eq!(told(&asked().ms(10).ack(SERVER).ms(11).data(SERVER, 1000)), []);
    assert_eq!(told(&asked().ms(21).data(SERVER, 1000)), []);
}

#[test]
fn a_queue_on_the_way_is_no_thinking() {
    assert_eq!(told(&asked().ms(35).ack(SERVER).ms(5).data(SERVER, 1000)), []);
}

#[test]
fn a_client_thinks_between_answer_and_question() {
    let again = asked().ms(10).data(SERVER, 1000).ms(2).ack(CLIENT).ms(5_000).data(CLIENT, 100);
    assert_eq!(told(&again), [(StallKind::ClientThinking, 5_000)]);
    let first = story().handshake().ms(300).data(CLIENT, 100);
    assert_eq!(told(&first), [(StallKind::ClientThinking, 300)]);
}

#[test]
fn a_server_that_speaks_first_thinks_from_the_end_of_the_handshake() {
    let greeted = story().handshake().ms(10).ms(150).data(SERVER, 80);
    assert_eq!(told(&greeted), [(StallKind::ServerThinking, 150)]);
}

#[test]
fn a_question_that_is_never_answered_is_thinking_until_one_side_closes() {
    let given_up = asked().ms(10).ack(SERVER).ms(3_000).close(CLIENT, TcpFlags::FIN);
    assert_eq!(told(&given_up), [(StallKind::ServerThinking, 3_000)]);
    let reset = asked().ms(10).ack(SERVER).ms(4_000).close(SERVER, TcpFlags::RST);
    assert_eq!(told(&reset), [(StallKind::ServerThinking, 4_000)]);
    let half_closed = asked().close(CLIENT, TcpFlags::FIN).ms(10).ack(SERVER).ms(500).data(SERVER, 10);
    assert_eq!(told(&half_closed), [(StallKind::ServerThinking, 500)]);
}

#[test]
fn who_has_nothing_left_to_say_does_not_think() {
    let closed = asked().ms(10).data(SERVER, 9).ms(2).ack(CLIENT).ms(9_000).close(CLIENT, TcpFlags::FIN);
    assert_eq!(told(&closed), []);
}

#[test]
fn a_sender_that_goes_on_unasked_was_idle() {
    let answer = asked().ms(10).data(SERVER, 1448).ms(2).ack(CLIENT);
    assert_eq!(told(&answer.ms(70).data(SERVER, 1448)), [(StallKind::SenderIdle, 70)]);
    let paced = asked().ms(10).data(SERVER, 1448).ms(2).ack(CLIENT).ms(20).data(SERVER, 1448);
    assert_eq!(told(&paced), []);
}

#[test]
fn a_sender_that_waits_for_acknowledgements_is_not_idle() {
    let answer = asked().ms(10).data(SERVER, 1448).data(SERVER, 1448).ms(15).ack_of(CLIENT, 1).ms(15);
    assert_eq!(told(&answer.ack(CLIENT).us(10).data(SERVER, 1448)), []);
}

#[test]
fn keep_alives_are_no_sign_of_life() {
    let silent = asked().ms(10).data(SERVER, 1448).ms(2).ack(CLIENT);
    let alive = silent.ms(1_000).probe(SERVER).ms(2).ack(CLIENT).ms(1_000).data(SERVER, 1448);
    assert_eq!(told(&alive), [(StallKind::SenderIdle, 2_002)]);
}

#[test]
fn a_time_out_after_another_is_waited_for_each_time() {
    let answer = asked().ms(10).data(SERVER, 1448);
    let lost = answer.ms(212).again(SERVER, Cause::Rto).ms(424).again(SERVER, Cause::Rto).ms(2).ack(CLIENT);
    assert_eq!(told(&lost), [(StallKind::Rto, 212), (StallKind::Rto, 424)]);
}

#[test]
fn a_retransmission_that_duplicates_asked_for_is_no_stall() {
    let answer = asked().ms(10).data(SERVER, 1448).data(SERVER, 1448).ms(50).again(SERVER, Cause::Fast);
    assert_eq!(told(&answer), []);
}

#[test]
fn thinking_begins_behind_the_retransmission_of_the_question() {
    let lost = asked().ms(220).again(CLIENT, Cause::Rto).ms(10).ack(SERVER).ms(100).data(SERVER, 9);
    assert_eq!(told(&lost), [(StallKind::Rto, 220), (StallKind::ServerThinking, 100)]);
    let spurious = asked().ms(10).ack(SERVER).ms(210).data(SERVER, 9);
    assert_eq!(told(&spurious), [(StallKind::ServerThinking, 210)]);
}

#[test]
fn a_zero_window_counts_when_the_sender_probed_it() {
    let shut = asked().ms(10).data(SERVER, 1448).ms(2).window(CLIENT, 0);
    let probed = shut.ms(200).probe(SERVER).ms(2).ack(CLIENT).ms(500);
    let open = probed.window(CLIENT, 65_535);
    assert_eq!(told(&open), [(StallKind::ZeroWindow, 702)]);
    let on = open.ms(9).data(SERVER, 1448);
    assert_eq!(told(&on).len(), 1);
}

#[test]
fn a_zero_window_counts_when_the_sender_goes_on_at_once() {
    let shut = || asked().ms(10).data(SERVER, 1448).ms(2).window(CLIENT, 0).ms(90).window(CLIENT, 65_535);
    assert_eq!(told(&shut()), [], "nobody knows yet");
    assert_eq!(told(&shut().us(50).data(SERVER, 1448)), [(StallKind::ZeroWindow, 90)]);
    assert_eq!(told(&shut().ms(600).data(SERVER, 1448)), [(StallKind::SenderIdle, 600)]);
}

#[test]
fn a_server_that_could_not_answer_for_the_window_did_not_think_meanwhile() {
    let shut = asked().ms(1).window(CLIENT, 0).ms(500).window(CLIENT, 65_535);
    assert_eq!(told(&shut.ms(10).data(SERVER, 1448)), [(StallKind::ZeroWindow, 500)]);
}

#[test]
fn a_reset_s_window_is_none() {
    let answered = asked().ms(10).data(SERVER, 1448).ms(2).ack(CLIENT);
    let reset = answered.announcing(CLIENT, 0).ms(9).close(CLIENT, TcpFlags::RST);
    assert_eq!(told(&reset.ms(900).window(CLIENT, 9).data(SERVER, 9)), []);
}

#[test]
fn without_a_handshake_nothing_is_blamed_before_the_first_word() {
    assert_eq!(told(&story().ack(SERVER).ms(700).data(CLIENT, 9)), []);
    let first = story().data(CLIENT, 9).ms(300).data(SERVER, 9);
    assert_eq!(told(&first), [], "it may have been on the way as long");
    let second = first.ms(1).ack(CLIENT).data(CLIENT, 9).ms(20).ack(SERVER).ms(300).data(SERVER, 9);
    assert_eq!(told(&second), [(StallKind::ServerThinking, 300)]);
}

#[test]
fn sums_are_of_what_was_told() {
    let all = asked().ms(10).ack(SERVER).ms(200).data(SERVER, 1448).ms(212).again(SERVER, Cause::Rto);
    let counts = *all.ms(2).ack(CLIENT).ms(100).data(SERVER, 9).stalls.counts();
    let times = [StallKind::ServerThinking, StallKind::Rto, StallKind::SenderIdle];
    let times = times.map(|kind| (counts.count[kind.index()], counts.time[kind.index()]));
    assert_eq!(times, [200, 212, 100].map(|time| (1, Span::from_millis(time))));
    assert_eq!(counts.held_up(), Span::from_millis(312));
}

proptest! {
    #[test]
    fn any_verdicts_give_sound_stalls(steps in any_steps()) {
        let story = steps.into_iter().fold(story(), Step::take);
        let counts = story.stalls.counts();
        prop_assert_eq!(counts.count.iter().sum::<u32>() as usize, story.ended.len());
        for stall in &story.ended {
            prop_assert!(stall.end.since(stall.start) > super::FLOOR);
        }
    }
}
