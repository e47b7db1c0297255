//! Stories of round trips.

use proptest::prelude::*;

use super::{
    super::stream::Cause,
    story::{CLIENT, SERVER, Story, story},
};
use crate::time::Span;

const fn ms(milliseconds: u64) -> Option<Span> {
    Some(Span::from_millis(milliseconds))
}

/// So many segments of the server at once, all acknowledged after some time.
fn burst(story: Story, segments: u32, milliseconds: u64) -> Story {
    let sent = (0..segments).fold(story, |story, _| story.data(SERVER, 1448));
    sent.ms(milliseconds).ack(CLIENT)
}

#[test]
fn both_halves_are_measured_from_the_first_syn_on() {
    let told = story().handshake().data(CLIENT, 100).ms(12).data(SERVER, 500).ms(3).ack(CLIENT);
    let server_half = told.rtt.summary(CLIENT);
    assert_eq!((server_half.samples, server_half.min, server_half.max), (2, ms(10), ms(12)));
    let client_half = told.rtt.summary(SERVER);
    assert_eq!((client_half.samples, client_half.min, client_half.max), (2, ms(2), ms(3)));
    assert_eq!(client_half.smoothed, Some(Span(2_125_000)));
}

#[test]
fn a_sample_is_of_the_oldest_segment_and_the_least_of_the_newest() {
    let told = story().handshake().data(SERVER, 1448).ms(5).data(SERVER, 1448).ms(20).ack(CLIENT);
    let sample = told.samples.last().unwrap();
    assert_eq!(
        (sample.sender, sample.span, sample.above_min),
        (SERVER, Span::from_millis(25), Span::from_millis(18))
    );
    let late = story().data(SERVER, 1448).ms(5).data(SERVER, 1448).ms(1).ack(CLIENT);
    assert_eq!((late.rtt.summary(SERVER).min, late.rtt.summary(SERVER).max), (ms(1), ms(6)));
}

#[test]
fn what_was_sent_twice_tells_nothing_by_itself() {
    let told = story().handshake().data(SERVER, 1448).ms(300).again(SERVER, Cause::Rto).ms(2).ack(CLIENT);
    assert_eq!(told.rtt.summary(SERVER).samples, 1, "the handshake's");
}

#[test]
fn the_echoed_timestamp_tells_which_copy_was_answered() {
    let lost = story().handshake().stamped(100, 7).data(SERVER, 1448).ms(300);
    let mended = lost.stamped(400, 7).again(SERVER, Cause::Rto).ms(25).stamped(8, 400).ack(CLIENT);
    let summary = mended.rtt.summary(SERVER);
    assert_eq!((summary.samples, summary.by_timestamp, summary.max), (2, 1, ms(25)));
}

#[test]
fn the_echo_of_the_first_copy_is_no_round_trip_of_the_second() {
    let spurious = story().handshake().stamped(100, 7).data(SERVER, 1448).ms(300);
    let told = spurious.stamped(400, 7).again(SERVER, Cause::Rto).ms(1).stamped(8, 100).ack(CLIENT);
    assert_eq!(told.rtt.summary(SERVER).samples, 1);
}

#[test]
fn a_late_acknowledgement_of_a_lone_segment_is_marked_and_counts() {
    let told = story().handshake().data(SERVER, 100).ms(42).ack(CLIENT);
    let summary = told.rtt.summary(SERVER);
    assert_eq!((summary.samples, summary.delayed_acks, summary.max), (2, 1, ms(42)));
    assert!(told.samples.last().unwrap().is_delayed_ack);
    for (milliseconds, is_delayed) in [(30, false), (40, true), (202, true), (300, false)] {
        let told = story().handshake().data(SERVER, 100).ms(milliseconds).ack(CLIENT);
        assert_eq!(told.samples.last().unwrap().is_delayed_ack, is_delayed, "{milliseconds}");
    }
}

#[test]
fn neither_an_answer_nor_an_acknowledgement_of_several_segments_is_marked() {
    let answered = story().handshake().data(CLIENT, 100).ms(60).data(SERVER, 100);
    let stretched = burst(story().handshake(), 2, 60);
    for told in [answered, stretched] {
        assert!(!told.samples.last().unwrap().is_delayed_ack);
    }
}

#[test]
fn a_queue_shows_in_bursts_and_thinking_does_not() {
    let bulk = (0..50).fold(story().handshake(), |story, _| burst(story, 4, 22));
    let summary = bulk.rtt.summary(SERVER);
    let queueing = summary.queueing.unwrap();
    assert!(queueing > Span::from_millis(19) && queueing < Span::from_millis(20), "{summary:?}");
    let asking = (0..50).fold(story().handshake(), |story, _| story.data(CLIENT, 9).ms(30).data(SERVER, 9));
    let summary = asking.rtt.summary(CLIENT);
    assert_eq!((summary.samples, summary.queueing), (51, None));
}

#[test]
fn a_side_that_only_listens_is_measured_by_the_echoes_of_its_timestamps() {
    let mut told = story().handshake();
    for round in 0..40 {
        told = told.stamped(round + 1, round + 500).data(SERVER, 1448).ms(3);
        told = told.stamped(round + 501, round + 1).ack(CLIENT).ms(if round == 30 { 7 } else { 9 });
    }
    let summary = told.rtt.summary(CLIENT);
    assert_eq!((summary.samples, summary.min_echo), (1, ms(7)));
    assert_eq!(told.rtt.summary(SERVER).min_echo, None);
}

#[test]
fn quantiles_are_those_of_the_samples() {
    let told =
        (1..=1000).fold(story(), |story, milliseconds| story.data(SERVER, 9).ms(milliseconds).ack(CLIENT));
    let summary = told.rtt.summary(SERVER);
    for (given, exact) in [(summary.p50, 500), (summary.p90, 900), (summary.p99, 990)] {
        let off = given.unwrap().0.abs_diff(Span::from_millis(exact).0) as f64;
        assert!(off <= Span::from_millis(exact).0 as f64 * summary.percentile_error.unwrap(), "{summary:?}");
    }
    assert_eq!((summary.min, summary.max, summary.mean_ns), (ms(1), ms(1000), Some(500_500_000.0)));
}

#[test]
fn a_flow_that_is_gone_gives_its_memory_back() {
    let budget = story().budget;
    let mut told = (0..1000).fold(story(), |story, step| story.data(SERVER, 9).us(10 + step * 7).ack(CLIENT));
    assert_ne!(told.budget, budget);
    told.rtt.release(&mut told.budget);
    assert_eq!(told.budget, budget);
}

proptest! {
    #[test]
    fn any_verdicts_give_sound_summaries(steps in super::story::any_steps()) {
        let told = steps.into_iter().fold(story(), super::story::Step::take);
        for side in [CLIENT, SERVER] {
            let summary = told.rtt.summary(side);
            let of_side = told.samples.iter().filter(|sample| sample.sender == side).count();
            prop_assert_eq!(summary.samples, of_side as u64);
            if let (Some(min), Some(max), Some(p50), Some(p99)) = (summary.min, summary.max, summary.p50, summary.p99) {
                prop_assert!(min <= p50 && p50 <= p99 && p99 <= max, "{:?}", summary);
            }
        }
    }
}
