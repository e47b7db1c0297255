//! What a RST cuts off, one story for each kind.

use super::*;
use crate::flow::{Ending, Reset, ResetKind};

const FIN_ACK: TcpFlags = TcpFlags::FIN.with(TcpFlags::ACK);
const RST_ACK: TcpFlags = TcpFlags::RST.with(TcpFlags::ACK);
const ONE: Client = Client(1);

impl Bench {
    fn client_data(&mut self, seq: u32, len: u32, ack: u32) -> &mut Self {
        let data = Segment { payload_len: len, ..segment(tuple(ONE), ACK, 1000 + seq, 5000 + ack) };
        self.after(ms(1)).give(&data, 0)
    }

    fn server_data(&mut self, seq: u32, len: u32, ack: u32) -> &mut Self {
        let data =
            Segment { payload_len: len, ..segment(tuple(ONE).reversed(), ACK, 5000 + seq, 1000 + ack) };
        self.after(ms(1)).give(&data, 0)
    }

    /// How its only flow ended: whether the client reset it, of what kind, and whether the RST was an answer.
    fn reset(&mut self) -> (bool, ResetKind, bool) {
        self.finish();
        let finished = &self.changes.finished[0];
        let Some(Ending::Reset(Reset { by, kind, is_answer })) = finished.flow.ending() else {
            panic!("no reset: {:?}", finished.flow.ending());
        };
        let is_client = by == finished.flow.client();
        let mut expected = [[0; 2]; ResetKind::COUNT];
        expected[kind.index()][usize::from(!is_client)] = 1;
        assert_eq!(self.table.counts().resets, expected, "it counts once, under its kind and its side");
        (is_client, kind, is_answer)
    }
}

fn opened() -> Bench {
    let mut bench = Bench::new();
    bench.handshake(ONE).after(ms(1));
    bench
}

#[test]
fn a_syn_is_refused_by_the_server_and_given_up_by_the_client() {
    let refused = Bench::new().client(ONE, SYN, 0, 0).server(ONE, RST_ACK, 0, 1).reset();
    assert_eq!(refused, (false, ResetKind::Refused, true), "a RST that answers a SYN has an ACK");
    let given_up = Bench::new().client(ONE, SYN, 0, 0).client(ONE, RST, 1, 0).reset();
    assert_eq!(given_up, (true, ResetKind::Opening, true));
    let mut scan = Bench::new();
    scan.client(ONE, SYN, 0, 0).server(ONE, SYN_ACK, 0, 1).client(ONE, RST, 1, 0);
    assert_eq!(scan.reset(), (true, ResetKind::Opening, true));
}

#[test]
fn data_for_a_closed_socket_differs_from_a_reset_behind_a_fin() {
    let mut bench = opened();
    bench.client(ONE, FIN_ACK, 1, 1).server(ONE, ACK, 1, 2).server_data(1, 10, 2).client(ONE, RST, 2, 0);
    assert_eq!(bench.reset(), (true, ResetKind::DataAfterFin, true));
    let mut bench = opened();
    bench.client(ONE, FIN_ACK, 1, 1).server(ONE, ACK, 1, 2).client(ONE, RST_ACK, 2, 1);
    assert_eq!(bench.reset(), (true, ResetKind::AfterFin, false));
}

#[test]
fn a_fin_may_be_answered_by_a_reset() {
    let mut bench = opened();
    bench.client(ONE, FIN_ACK, 1, 1).server(ONE, RST_ACK, 1, 2);
    assert_eq!(bench.reset(), (false, ResetKind::HalfClosed, false));
}

#[test]
fn data_of_either_side_may_be_under_way() {
    let mut bench = opened();
    bench.server_data(1, 10, 1).server(ONE, RST_ACK, 11, 1);
    assert_eq!(bench.reset(), (false, ResetKind::InFlight, false), "its own");
    let mut bench = opened();
    bench.client_data(1, 10, 1).server(ONE, RST, 1, 0);
    assert_eq!(
        bench.reset(),
        (false, ResetKind::InFlight, true),
        "the other side's: its connection is unknown"
    );
}

#[test]
fn a_reset_that_acknowledges_the_request_leaves_it_unanswered() {
    let mut bench = opened();
    bench.client_data(1, 10, 1).server(ONE, RST_ACK, 1, 11);
    assert_eq!(bench.reset(), (false, ResetKind::Unanswered, false));
    let mut bench = opened();
    bench.client_data(1, 10, 1).server_data(1, 5, 11).client(ONE, ACK, 11, 6).server(ONE, RST_ACK, 6, 11);
    assert_eq!(bench.reset(), (false, ResetKind::Quiet, false), "here it was answered");
    assert_eq!(opened().client(ONE, RST_ACK, 1, 1).reset(), (true, ResetKind::Quiet, false));
}

#[test]
fn a_reset_far_from_the_window_is_told_apart() {
    let mut bench = opened();
    bench.client_data(1, 10, 1).server(ONE, ACK, 1, 11).server(ONE, RST, 0x1000_0000, 0);
    assert_eq!(bench.reset(), (false, ResetKind::OutsideWindow, true));
}

#[test]
fn only_what_ends_a_flow_counts() {
    let mut bench = opened();
    bench.client_data(1, 10, 1).server(ONE, RST_ACK, 1, 11).client_data(11, 10, 1).server(ONE, RST, 1, 0);
    assert_eq!(bench.reset(), (false, ResetKind::Unanswered, false));
    let mut bench = opened();
    bench.client(ONE, FIN_ACK, 1, 1).server(ONE, FIN_ACK, 1, 2).server(ONE, RST, 2, 0).finish();
    assert_eq!(bench.changes.finished[0].flow.ending(), Some(Ending::Fin), "it was closed already");
    let mut bench = Bench::new();
    bench.client(ONE, SYN, 0, 0).server(ONE, RST_ACK, 0, 1);
    bench.after(ms(9)).client(ONE, SYN, 0, 0).server(ONE, SYN_ACK, 0, 1).client(ONE, ACK, 1, 1);
    assert_eq!(bench.finish().table.counts().resets, [[0; 2]; ResetKind::COUNT], "the RST was a stray one");
}
