//! Where the time of requests went, by what happened to their segments.

use super::super::{
    sizes::SegmentSizes,
    spent::{Circumstances, Spent, spent},
    trouble::{DelayCause, Troubles},
};
use crate::{
    flow::{Cause, Side, Stall, StallKind},
    protocol::{Exchange, Extent, Outcome, Request, Text},
    time::{Span, Timestamp},
};

const CLIENT: Side = Side::Low;
const SERVER: Side = Side::High;

const fn at(ms: i64) -> Timestamp {
    Timestamp(ms * 1_000_000)
}

const fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

/// A request of 3,000 octets from 0 to 2 ms; a response of 10,000 octets in segments of 1,000.
fn exchange(response: (i64, i64)) -> Exchange {
    let extent = |(start, end), len| Extent { start: at(start), end: at(end), offset: 0, len };
    Exchange {
        request: Request { extent: extent((0, 2), 3_000), ..Request::default() },
        response: Some(extent(response, 10_000)),
        status: Text::new(),
        is_error: false,
        outcome: Outcome::Answered,
    }
}

fn measured(response: (i64, i64), way: u64, troubles: &Troubles) -> Spent {
    let mut sizes = [SegmentSizes::default(); 2];
    sizes[SERVER as usize].on_segments(0, 1_000, 10);
    sizes[CLIENT as usize].on_segments(0, 1_000, 3);
    let [low, high] = &sizes;
    let around =
        Circumstances { client: CLIENT, way: ms(way), handshake: None, troubles, sizes: [low, high] };
    let spent = spent(&exchange(response), &around).unwrap();
    assert_eq!(spent.server.0 + spent.network.0, spent.total.0);
    assert!(spent.lost.iter().map(|lost| lost.0).sum::<u64>() <= spent.network.0, "{spent:?}");
    spent
}

fn blamed(spent: &Spent) -> (&'static str, u32, &'static str, Span) {
    let worst = spent.culprit.unwrap();
    (worst.message(), worst.segment, worst.cause.name(), worst.cost)
}

#[test]
fn without_trouble_the_way_to_the_server_and_back_is_the_network_s() {
    let spent = measured((32, 36), 10, &Troubles::default());
    assert_eq!((spent.total, spent.server, spent.network), (ms(36), ms(20), ms(16)));
    assert_eq!((spent.request, spent.response, spent.culprit), (ms(2), ms(4), None));
}

#[test]
fn a_way_longer_than_the_answer_took_leaves_nothing_to_the_server() {
    assert_eq!(measured((5, 6), 10, &Troubles::default()).server, Span(0));
}

#[test]
fn a_response_segment_that_is_sent_again_delays_delivery() {
    let mut troubles = Troubles::default();
    troubles.on_retransmission(SERVER, 1_000, (Cause::Rto, 1), at(3), at(203));
    troubles.on_retransmission(SERVER, 2_000, (Cause::Rto, 1), at(3), at(204));
    let spent = measured((3, 4), 0, &troubles);
    assert_eq!((spent.total, spent.server, spent.network), (ms(204), ms(1), ms(203)));
    assert_eq!(spent.lost[DelayCause::Rto as usize], ms(201), "time that two of them share counts once");
    assert_eq!(blamed(&spent), ("response", 2, "rto", ms(200)));
}

#[test]
fn a_request_segment_that_is_sent_again_reaches_the_server_late() {
    let mut troubles = Troubles::default();
    troubles.on_retransmission(CLIENT, 2_500, (Cause::Tlp, 1), at(2), at(42));
    let spent = measured((50, 51), 0, &troubles);
    assert_eq!((spent.server, spent.request), (ms(8), ms(42)));
    assert_eq!(blamed(&spent), ("request", 3, "rto", ms(40)));
}

#[test]
fn a_needless_copy_delays_nothing() {
    let mut troubles = Troubles::default();
    troubles.on_retransmission(SERVER, 0, (Cause::Rto, 1), at(3), at(203));
    troubles.on_revision(SERVER, Cause::Rto, Cause::Spurious, 1);
    let spent = measured((3, 4), 0, &troubles);
    assert_eq!((spent.total, spent.culprit), (ms(4), None));
}

#[test]
fn a_shut_window_is_the_network_s_and_named() {
    let mut troubles = Troubles::default();
    let stall = Stall { kind: StallKind::ZeroWindow, start: at(10), end: at(310) };
    troubles.on_stall(SERVER, 4_000, stall);
    let spent = measured((3, 320), 0, &troubles);
    assert_eq!((spent.server, spent.lost[DelayCause::ZeroWindow as usize]), (ms(1), ms(300)));
    assert_eq!(blamed(&spent), ("response", 5, "zero_window", ms(300)));
    let elsewhere = Stall { kind: StallKind::SenderIdle, ..stall };
    troubles = Troubles::default();
    troubles.on_stall(SERVER, 4_000, elsewhere);
    assert!(troubles.is_empty(), "who pauses by himself is not held up");
}

#[test]
fn a_response_whose_beginning_was_lost_on_its_way_here_had_begun_before() {
    let mut troubles = Troubles::default();
    troubles.on_retransmission(SERVER, 0, (Cause::Fast, 1), at(4), at(34));
    let spent = measured((34, 6), 0, &troubles);
    assert_eq!((spent.server, spent.total), (ms(2), ms(34)));
    assert_eq!(blamed(&spent), ("response", 1, "fast", ms(30)));
}

#[test]
fn what_was_late_before_the_response_delays_it_without_being_part_of_it() {
    let mut troubles = Troubles::default();
    troubles.on_retransmission(SERVER, 20_000, (Cause::Fast, 1), at(3), at(90));
    let spent = measured((3, 4), 0, &troubles);
    assert_eq!((spent.total, spent.culprit), (ms(4), None), "octets behind a response do not delay it");
}
