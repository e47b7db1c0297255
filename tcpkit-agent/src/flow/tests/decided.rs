//! Handshakes that were decided.

use super::*;
use crate::flow::Outcome;

const ONE: Client = Client(40_000);

/// Outcome, time taken in milliseconds, SYNs and SYN/ACKs repeated: of each handshake that was decided.
fn decided(bench: &Bench) -> Vec<(Outcome, u64, u32, u32)> {
    let line = |decided: &crate::flow::Decided| {
        let handshake = &decided.handshake;
        let repeats = (handshake.syn_retransmissions(), handshake.synack_repeats());
        (handshake.outcome(), decided.took.0 / 1_000_000, repeats.0, repeats.1)
    };
    bench.changes.decided.iter().map(line).collect()
}

#[test]
fn a_success_is_decided_once_by_the_ack_that_completes_it() {
    let mut bench = Bench::new();
    bench.client(ONE, SYN, 0, 0).after(ms(1000)).handshake(ONE);
    assert_eq!(decided(&bench), [(Outcome::Success, 1015, 1, 0)]);
    bench.after(ms(1)).server(ONE, SYN_ACK, 0, 1).client(ONE, ACK, 1, 1).client(ONE, RST, 1, 1).finish();
    assert_eq!(bench.changes.decided.len(), 1);
}

#[test]
fn every_failure_is_decided_once_with_the_time_it_took() {
    let mut bench = Bench::new();
    bench.client(ONE, SYN, 0, 0).after(ms(2)).server(ONE, RST, 0, 1).server(ONE, RST, 0, 1);
    bench.client(Client(2), SYN, 0, 0).after(ms(3)).icmp(Client(2), 3, 1).icmp(Client(2), 3, 1);
    bench.client(Client(3), SYN, 0, 0).after(ms(4)).client(Client(3), RST, 1, 0);
    bench.client(Client(4), SYN, 0, 0).after(ms(30_000)).client(Client(4), SYN, 0, 0).after(ms(90_000));
    bench.finish();
    assert_eq!(
        decided(&bench),
        [
            (Outcome::Reject, 2, 0, 0),
            (Outcome::Unreachable, 3, 0, 0),
            (Outcome::Aborted, 4, 0, 0),
            (Outcome::Timeout, 60_000, 1, 0),
        ]
    );
    assert_eq!(bench.changes.failed.len(), 4);
}

#[test]
fn a_first_verdict_that_is_revised_is_not_told_again() {
    let mut bench = Bench::new();
    bench.client(ONE, SYN, 0, 0).after(ms(61_000)).handshake(ONE).finish();
    assert_eq!(decided(&bench), [(Outcome::Timeout, 60_000, 0, 0)]);
    assert_eq!(bench.changes.finished[0].handshake.outcome(), Outcome::Success);
}

#[test]
fn a_pending_handshake_is_told_as_pending_when_the_capture_ends() {
    let mut bench = Bench::new();
    bench.client(ONE, SYN, 0, 0).after(ms(7)).server(ONE, SYN_ACK, 0, 1).after(ms(500)).finish();
    assert_eq!(decided(&bench), [(Outcome::Pending, 7, 0, 0)]);
    assert!(bench.changes.failed.is_empty());
}

#[test]
fn a_flow_without_syn_has_no_handshake_to_decide() {
    let mut bench = Bench::new();
    bench.client(ONE, ACK, 1, 1).server(Client(2), SYN_ACK, 0, 1).client(Client(2), ACK, 1, 1).finish();
    assert_eq!(decided(&bench), []);
}

#[test]
fn only_a_synack_with_the_number_of_the_answer_repeats_it() {
    let mut bench = Bench::new();
    bench.client(ONE, SYN, 0, 0).server(ONE, SYN_ACK, 0, 77).server(ONE, SYN_ACK, 0, 1);
    bench.server(ONE, SYN_ACK, 0, 1).server(ONE, SYN_ACK, 9, 1).client(ONE, ACK, 1, 1);
    assert_eq!(decided(&bench), [(Outcome::Success, 0, 0, 1)]);
}
