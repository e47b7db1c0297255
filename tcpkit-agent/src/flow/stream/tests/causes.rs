//! Why something was sent again.

use super::{
    super::{Cause, StreamStepKind},
    talk::{Line, MSS, Talk, Who, line, stamped},
};

#[test]
fn silence_ends_with_a_time_out_where_the_receiver_has_no_sack() {
    let mut talk = Talk::opened_without_sack();
    talk.data(0, 3).ms(215).data(0, 1).ms(10).ack(3);
    assert_eq!(talk.causes(), [1, 0, 0, 0, 0]);
}

#[test]
fn the_last_segment_is_probed_once_and_then_the_timer_runs_out() {
    let mut talk = Talk::opened();
    talk.data(0, 1).ms(212).data(0, 1).ms(424).data(0, 1).ms(848).data(0, 1).ms(10).ack(1);
    assert_eq!(talk.causes(), [2, 0, 1, 0, 0]);
}

#[test]
fn a_probe_of_the_tail_comes_after_two_round_trips() {
    let mut talk = Talk::opened();
    talk.data(0, 4).ms(10).ack(2).ms(24).data(3, 1).ms(10).ack(4);
    assert_eq!(talk.causes(), [0, 0, 1, 0, 0]);
}

#[test]
fn what_was_sent_at_once_again_without_any_reason_is_unknown() {
    let mut talk = Talk::opened();
    talk.data(0, 3).ms(1).data(1, 1).ms(9).ack(3);
    assert_eq!(talk.causes(), [0, 0, 0, 0, 1]);
}

#[test]
fn holes_that_the_receiver_tells_of_are_mended_fast() {
    let mut talk = Talk::opened();
    talk.data(0, 6).ms(10).sack(1, &[(2, 3)]).sack(1, &[(2, 4)]).sack(1, &[(5, 6), (2, 4)]);
    talk.data(1, 1).data(4, 1).ms(10).ack(6);
    assert_eq!(talk.causes(), [0, 2, 0, 0, 0]);
    let episodes = talk.steps.iter().filter_map(|step| match step {
        StreamStepKind::EpisodeEnded(episode) => Some(*episode),
        _ => None,
    });
    let episodes: Vec<_> = episodes.collect();
    assert_eq!(episodes.len(), 1);
    assert_eq!(episodes[0].end.since(episodes[0].start).0, 10_000_000);
    assert_eq!(episodes[0].retransmissions, [0, 2, 0, 0, 0]);
    assert_eq!(episodes[0].bytes, u64::from(2 * MSS));
}

#[test]
fn repeated_acknowledgements_do_without_sack() {
    let mut talk = Talk::opened_without_sack();
    talk.data(0, 5).ms(10).ack(1).ack(1).ack(1).ack(1).data(1, 1).ms(10).ack(5);
    assert_eq!(talk.causes(), [0, 1, 0, 0, 0]);
}

#[test]
fn what_follows_a_time_out_belongs_to_it() {
    let mut talk = Talk::opened();
    talk.data(0, 5).ms(30).data(4, 1).ms(230).data(0, 1).ms(10).ack(1).data(1, 2).ms(10).ack(3).data(3, 1);
    talk.ms(10).ack(5);
    assert_eq!(talk.causes(), [4, 0, 1, 0, 0]);
}

#[test]
fn a_timer_that_ran_out_before_originals_arrived_gives_way_to_what_the_receiver_tells() {
    // The acknowledgement that told of 4 and 5 was lost on its way: the timer ran out for want of it.
    let mut talk = Talk::opened();
    talk.data(0, 6).ms(220).data(0, 1).ms(10).sack(1, &[(4, 6)]).data(1, 1).data(2, 2).ms(10).ack(6);
    assert_eq!(talk.causes(), [1, 3, 0, 0, 0]);
}

#[test]
fn originals_that_arrive_after_more_was_sent_again_change_nothing() {
    let mut talk = Talk::opened();
    talk.data(0, 6).ms(220).data(0, 1).ms(10).ack(1).data(1, 2).ms(10).sack(3, &[(5, 6)]).data(3, 2);
    talk.ms(10).ack(6);
    assert_eq!(talk.causes(), [5, 0, 0, 0, 0]);
}

#[test]
fn the_timer_counts_from_the_last_copy_whatever_the_sender_says_besides() {
    let mut talk = Talk::opened();
    talk.data(0, 2).ms(24).data(1, 1).ms(190);
    // A request of the other side that acknowledges nothing, and its acknowledgement.
    talk.take(Who::Server, &Line { len: 300, ..line() });
    talk.take(Who::Client, &Line { seq: 2 * MSS, ack: 300, ..line() });
    talk.ms(8).data(0, 1).ms(10).ack(1).data(1, 1).ms(10).ack(2);
    assert_eq!(talk.causes(), [2, 0, 1, 0, 0]);
}

#[test]
fn a_lost_copy_is_sent_again_by_the_timer_although_there_were_acknowledgements() {
    let mut talk = Talk::opened();
    talk.data(0, 4).ms(10).sack(0, &[(1, 4)]).data(0, 1).ms(300).data(0, 1).ms(10).ack(4);
    assert_eq!(talk.causes(), [1, 1, 0, 0, 0]);
}

#[test]
fn a_dsack_tells_that_a_copy_was_in_vain() {
    let mut talk = Talk::opened();
    talk.data(0, 4).ms(10).sack(0, &[(1, 4)]).data(0, 1).ms(9).ack(4).ms(1).sack(4, &[(0, 1)]);
    assert_eq!(talk.causes(), [0, 0, 0, 1, 0]);
    let revised = StreamStepKind::Revised { from: Cause::Fast, to: Cause::Spurious, segments: 1 };
    assert!(talk.steps.contains(&revised));
}

#[test]
fn an_echo_from_before_the_copy_tells_it_too() {
    let mut talk = Talk::opened();
    let data = |tsval| Line { len: MSS, options: stamped(tsval, 1), ..line() };
    talk.take(Who::Client, &data(100)).ms(220).take(Who::Client, &data(320)).ms(20);
    talk.take(Who::Server, &Line { ack: MSS, options: stamped(9, 100), ..line() });
    assert_eq!(talk.causes(), [0, 0, 0, 1, 0]);
}

#[test]
fn an_echo_of_the_copy_proves_that_it_was_needed_however_soon_it_comes() {
    let mut talk = Talk::opened();
    let data = |tsval| Line { len: MSS, options: stamped(tsval, 1), ..line() };
    talk.take(Who::Client, &data(100)).ms(220).take(Who::Client, &data(320)).ms(1);
    talk.take(Who::Server, &Line { ack: MSS, options: stamped(9, 320), ..line() });
    assert_eq!(talk.causes(), [0, 0, 1, 0, 0]);
}

#[test]
fn data_that_was_acknowledged_before_is_sent_in_vain() {
    let mut talk = Talk::opened();
    talk.data(0, 2).ms(10).ack(2).ms(300).data(0, 2);
    assert_eq!(talk.causes(), [0, 0, 0, 2, 0]);
}

#[test]
fn a_super_segment_sent_again_counts_as_its_segments() {
    let mut talk = Talk::opened();
    let gso_size = u16::try_from(MSS).unwrap();
    let big = Line { len: 20 * MSS, gso_size, ..line() };
    talk.take(Who::Client, &big).ms(10).sack(0, &[(12, 20)]);
    talk.take(Who::Client, &Line { len: 12 * MSS, ..big }).ms(10).ack(20);
    let counts = talk.client();
    assert_eq!(counts.retransmissions, [0, 12, 0, 0, 0]);
    assert_eq!((counts.retransmitted_frames, counts.retransmitted_bytes), (1, u64::from(12 * MSS)));
}

#[test]
fn segments_of_a_split_super_segment_are_revised_once() {
    let mut talk = Talk::opened();
    let gso_size = u16::try_from(MSS).unwrap();
    let big = Line { len: 9 * MSS, gso_size, ..line() };
    talk.take(Who::Client, &big).data(9, 1).ms(10).sack(0, &[(9, 10)]).take(Who::Client, &big).ms(10);
    for segment in 1..=9 {
        talk.ack(segment);
    }
    talk.ack(10).sack(10, &[(0, 5)]).sack(10, &[(0, 5)]);
    assert_eq!(talk.causes(), [0, 4, 0, 5, 0]);
}
