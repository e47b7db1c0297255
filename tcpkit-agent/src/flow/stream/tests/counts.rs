//! What is counted besides retransmissions.

use super::{
    super::StreamStepKind,
    talk::{Line, MSS, Talk, Who, line, stamped},
};
use crate::{time::Span, wire::TcpFlags};

const FIN: TcpFlags = TcpFlags::FIN.with(TcpFlags::ACK);

#[test]
fn data_in_order_is_counted_once_and_is_under_way_until_acknowledged() {
    let mut talk = Talk::opened();
    talk.data(0, 5).ms(10).ack(5).data(5, 2).ms(10).ack(7);
    let counts = talk.client();
    assert_eq!(counts.unique_bytes, u64::from(7 * MSS));
    assert_eq!(counts.max_in_flight, 5 * MSS);
    assert_eq!(counts.retransmitted_segments() + u64::from(counts.out_of_order), 0);
}

#[test]
fn a_segment_that_was_overtaken_is_out_of_order() {
    let mut talk = Talk::opened();
    talk.data(0, 1).data(2, 1).data(1, 1).ms(10).ack(3);
    let counts = talk.client();
    assert_eq!((counts.out_of_order, counts.retransmitted_segments()), (1, 0));
    assert_eq!(counts.unique_bytes, u64::from(3 * MSS));
}

#[test]
fn a_hole_that_is_filled_after_a_round_trip_was_sent_again() {
    let mut talk = Talk::opened();
    talk.data(0, 1).data(2, 3).sack(1, &[(2, 3)]).sack(1, &[(2, 4)]).sack(1, &[(2, 5)]);
    talk.ms(11).data(1, 1).ack(5);
    let counts = talk.client();
    assert_eq!((counts.out_of_order, counts.retransmissions), (0, [0, 1, 0, 0, 0]));
}

#[test]
fn the_clock_of_the_sender_tells_overtaken_from_sent_again() {
    for (tsval, out_of_order) in [(99, 1), (101, 0)] {
        let mut talk = Talk::opened();
        talk.take(Who::Client, &Line { seq: MSS, len: MSS, options: stamped(100, 1), ..line() }).ms(5);
        talk.take(Who::Client, &Line { len: MSS, options: stamped(tsval, 1), ..line() });
        let counts = talk.client();
        assert_eq!(counts.out_of_order, out_of_order);
        assert_eq!(counts.retransmitted_segments(), u64::from(1 - out_of_order));
    }
}

#[test]
fn what_the_receiver_acknowledges_and_nobody_captured_is_our_loss() {
    let mut talk = Talk::opened();
    talk.data(0, 1).data(4, 1).ms(10).ack(5).data(5, 1).ms(10).ack(9);
    let counts = talk.client();
    assert_eq!((counts.capture_gaps, counts.capture_gap_bytes), (2, u64::from(6 * MSS)));
    assert_eq!(counts.retransmitted_segments() + u64::from(counts.out_of_order), 0);
    let told = talk.steps.iter().filter(|step| matches!(step, StreamStepKind::CaptureGap { .. })).count();
    assert_eq!(told, 2);
}

#[test]
fn data_captured_behind_its_acknowledgement_is_no_gap() {
    let mut talk = Talk::opened();
    talk.data(0, 1).ack(2).data(1, 1).data(2, 1);
    let counts = talk.client();
    assert_eq!((counts.capture_gaps, counts.retransmitted_segments()), (0, 0));
    assert_eq!(counts.unique_bytes, u64::from(3 * MSS));
}

#[test]
fn a_closed_window_is_counted_timed_and_probed() {
    let mut talk = Talk::opened();
    let closed = Line { ack: MSS, window: 0, ..line() };
    let probe = Line { seq: MSS - 1, ..line() };
    talk.data(0, 1).ms(1).take(Who::Server, &closed).ms(200).take(Who::Client, &probe);
    talk.take(Who::Server, &closed).ms(400).take(Who::Server, &Line { window: 9_000, ..closed });
    let flow = talk.finish();
    let [client, server] =
        [flow.flow.client(), flow.flow.client().other()].map(|side| *flow.detail.stream(side));
    assert_eq!((server.zero_windows, server.zero_window_episodes), (2, 1));
    assert_eq!(server.zero_window_time, Span::from_millis(600));
    assert_eq!((client.window_probes, client.keep_alives, client.retransmitted_frames), (1, 1, 0));
}

#[test]
fn data_up_to_the_edge_fills_the_window() {
    let mut talk = Talk::opened();
    talk.take(Who::Server, &Line { window: 2_000, ..line() }).data(0, 2);
    assert_eq!(talk.client().window_full, 1);
}

#[test]
fn keep_alives_are_no_data_and_no_retransmissions() {
    let mut talk = Talk::opened();
    let (empty, one) = (Line { seq: MSS - 1, ..line() }, Line { seq: MSS - 1, len: 1, ..line() });
    talk.data(0, 1).ms(10).ack(1).ms(60_000).take(Who::Client, &empty).ack(1);
    talk.ms(60_000).take(Who::Client, &one).ack(1);
    let counts = talk.client();
    assert_eq!((counts.keep_alives, counts.retransmitted_segments(), counts.retransmitted_frames), (2, 0, 0));
    assert_eq!(counts.unique_bytes, u64::from(MSS));
}

#[test]
fn one_octet_that_is_still_to_be_acknowledged_was_sent_again() {
    let mut talk = Talk::opened();
    let one = Line { len: 1, ..line() };
    talk.take(Who::Client, &one)
        .ms(212)
        .take(Who::Client, &one)
        .ms(10)
        .take(Who::Server, &Line { ack: 1, ..line() });
    let counts = talk.client();
    assert_eq!((counts.keep_alives, counts.retransmitted_frames), (1, 0));
    assert_eq!(counts.retransmissions, [0, 0, 1, 0, 0]);
}

#[test]
fn acknowledgements_that_repeat_the_one_before_are_duplicates() {
    let mut talk = Talk::opened();
    talk.data(0, 4).ms(10).ack(1).ack(1).ack(1);
    talk.take(Who::Server, &Line { ack: MSS, window: 59_000, ..line() });
    assert_eq!(talk.server().duplicate_acks, 2);
}

#[test]
fn a_fin_sent_again_is_no_data() {
    let mut talk = Talk::opened();
    let fin = Line { seq: MSS, flags: FIN, ..line() };
    talk.data(0, 1).take(Who::Client, &fin).ms(220).take(Who::Client, &fin);
    let counts = talk.client();
    assert_eq!((counts.fin_retransmissions, counts.retransmitted_frames), (1, 0));
    // Linux puts a FIN to the data before it when it sends both again: one segment, which is one of data.
    let mut talk = Talk::opened();
    talk.data(0, 1).take(Who::Client, &fin).ms(220);
    talk.take(Who::Client, &Line { flags: FIN, len: MSS, ..line() });
    let counts = talk.client();
    assert_eq!((counts.fin_retransmissions, counts.retransmitted_frames), (0, 1));
}

#[test]
fn numbers_from_afar_are_nobodys() {
    let mut talk = Talk::opened();
    talk.data(0, 2).ms(10).ack(2);
    talk.take(Who::Client, &Line { seq: 0x4000_0000, len: MSS, ..line() });
    talk.take(Who::Server, &Line { ack: 0x6000_0000, ..line() });
    talk.data(2, 1).ms(10).ack(3);
    let flow = talk.finish();
    for side in [flow.flow.client(), flow.flow.client().other()] {
        assert_eq!(flow.detail.stream(side).invalid_sequence, 1);
    }
    let counts = flow.detail.stream(flow.flow.client());
    assert_eq!((counts.unique_bytes, counts.capture_gaps), (u64::from(3 * MSS), 0));
}

#[test]
fn a_reset_outside_the_window_is_counted() {
    let mut talk = Talk::opened();
    let reset = Line { seq: 0x1000_0000, flags: TcpFlags::RST, ..line() };
    talk.data(0, 2).ms(10).ack(2).take(Who::Client, &reset);
    assert_eq!(talk.client().invalid_sequence, 1);
}

#[test]
fn marks_of_congestion_are_counted_for_who_shows_them() {
    let mut talk = Talk::opened();
    talk.take(Who::Client, &Line { len: MSS, is_ce: true, ..line() });
    talk.take(Who::Server, &Line { ack: MSS, flags: TcpFlags::ACK.with(TcpFlags::ECE), ..line() });
    talk.take(Who::Client, &Line { seq: MSS, len: MSS, flags: TcpFlags::ACK.with(TcpFlags::CWR), ..line() });
    let flow = talk.finish();
    let [client, server] =
        [flow.flow.client(), flow.flow.client().other()].map(|side| *flow.detail.stream(side));
    assert_eq!((client.ce, client.cwr, server.ece), (1, 1, 1));
}

#[test]
fn data_in_the_syn_counts() {
    let mut talk = Talk::new();
    let syn = Line { seq: u32::MAX, flags: TcpFlags::SYN, len: 10, ..line() };
    talk.take(Who::Client, &syn).ms(10);
    talk.take(
        Who::Server,
        &Line { seq: u32::MAX, ack: 10, flags: TcpFlags::SYN.with(TcpFlags::ACK), ..line() },
    );
    talk.take(Who::Client, &Line { seq: 10, len: 20, ..line() });
    let flow = talk.finish();
    assert!(flow.detail.fast_open);
    let counts = flow.detail.stream(flow.flow.client());
    assert_eq!((counts.unique_bytes, counts.retransmitted_segments(), counts.capture_gaps), (30, 0, 0));
}

#[test]
fn a_busy_flow_tells_how_far_it_has_come_once_a_second() {
    let mut talk = Talk::opened();
    for number in 0..35 {
        talk.ms(100).data(number, 1).ack(number + 1);
    }
    assert_eq!(talk.told.len(), 3);
}
