//! Every result of a handshake.

use super::{check, check_with, ms, observe, scenario::*, secs};
use crate::{
    pipeline::EngineSettings,
    report::{EventKind, HandshakeResult},
    wire::TcpFlags,
};

#[test]
fn a_handshake_is_timed_from_its_first_syn_to_the_ack_that_completes_it() {
    check(
        scenario().handshake(),
        &["1:40000>2:80 success 15=10+5 again 0/0 client 2/0 server 1/0 end_of_capture"],
    );
}

#[test]
fn what_a_syn_announces_is_in_the_record() {
    let observed = observe(&scenario().handshake().frames(), &EngineSettings::replay(1));
    let client = &observed.records[0].client;
    assert_eq!((client.mss, client.window_scale, client.sack_permitted), (Some(1460), Some(7), Some(true)));
    let midstream = observe(&scenario().client(ACK, 1, 1, 9).frames(), &EngineSettings::replay(1));
    assert_eq!(midstream.records[0].client.sack_permitted, None);
    assert!(midstream.records[0].midstream);
}

#[test]
fn syn_retransmission_does_not_restart_the_handshake() {
    let retried = scenario().client(SYN, 0, 0, 0).after(secs(1)).client(SYN, 0, 0, 0).after(secs(2));
    check(
        retried.handshake(),
        &["1:40000>2:80 success 3015=3010+5 again 2/0 client 4/0 server 1/0 end_of_capture"],
    );
}

#[test]
fn synack_retransmissions_count_even_after_the_handshake() {
    let retried =
        scenario().handshake().after(ms(1)).server(SYN_ACK, 0, 1, 0).after(ms(1)).client(ACK, 1, 1, 0);
    check(retried, &["1:40000>2:80 success 15=10+5 again 0/1 client 3/0 server 2/0 end_of_capture"]);
}

#[test]
fn data_on_the_completing_ack_completes_it() {
    let piggybacked = scenario()
        .client(SYN, 0, 0, 0)
        .after(ms(3))
        .server(SYN_ACK, 0, 1, 0)
        .after(ms(2))
        .client(ACK, 1, 1, 100);
    check(piggybacked, &["1:40000>2:80 success 5=3+2 again 0/0 client 2/100 server 1/0 end_of_capture"]);
}

#[test]
fn fast_open_data_may_be_acknowledged_in_part_or_whole() {
    for acknowledged in [1, 51, 101] {
        let fast_open = scenario().client(SYN, 0, 0, 100).after(ms(3)).server(SYN_ACK, 0, acknowledged, 0);
        check(
            fast_open.after(ms(2)).client(ACK, 101, 1, 0),
            &["1:40000>2:80 success 5=3+2 again 0/0 client 2/100 server 1/0 end_of_capture"],
        );
    }
}

#[test]
fn an_ecn_syn_is_a_syn() {
    let ecn = SYN.with(TcpFlags::ECE).with(TcpFlags::CWR);
    let asked = scenario().client(ecn, 0, 0, 0).after(ms(3)).server(SYN_ACK, 0, 1, 0);
    check(
        asked.after(ms(2)).client(ACK, 1, 1, 0),
        &["1:40000>2:80 success 5=3+2 again 0/0 client 2/0 server 1/0 end_of_capture"],
    );
}

#[test]
fn a_synack_for_another_syn_completes_nothing() {
    let strange = scenario().client(SYN, 0, 0, 0).after(ms(3)).server(SYN_ACK, 0, 77, 0);
    check(
        strange.clone().after(ms(2)).client(ACK, 1, 1, 0),
        &["1:40000>2:80 pending -=-+- again 0/0 client 2/0 server 1/0 end_of_capture"],
    );
    let answered = strange.after(ms(1)).server(SYN_ACK, 0, 1, 0).after(ms(2)).client(ACK, 1, 1, 0);
    check(answered, &["1:40000>2:80 success 6=4+2 again 0/1 client 2/0 server 2/0 end_of_capture"]);
}

#[test]
fn an_ack_that_does_not_cover_the_synack_completes_nothing() {
    let short = scenario().client(SYN, 0, 0, 0).after(ms(3)).server(SYN_ACK, 0, 1, 0).after(ms(2));
    check(
        short.client(ACK, 1, 0, 0).after(ms(1)).client(ACK, 1, 1, 0),
        &["1:40000>2:80 success 6=3+3 again 0/0 client 3/0 server 1/0 end_of_capture"],
    );
}

#[test]
fn frames_captured_out_of_order_still_make_a_handshake() {
    let synack_first = scenario().server(SYN_ACK, 0, 1, 0).after(ms(1)).client(SYN, 0, 0, 0).after(ms(4));
    check(
        synack_first.client(ACK, 1, 1, 0),
        &["1:40000>2:80 success 4=-+5 again 0/0 client 2/0 server 1/0 end_of_capture"],
    );
    let ack_before_synack = scenario().client(SYN, 0, 0, 0).after(ms(4)).client(ACK, 1, 1, 0);
    check(
        ack_before_synack.after(ms(1)).server(SYN_ACK, 0, 1, 0),
        &["1:40000>2:80 success 4=5+- again 0/0 client 2/0 server 1/0 end_of_capture"],
    );
}

#[test]
fn an_ack_captured_before_its_syn_proves_the_handshake_and_tells_no_time() {
    let early = scenario().client(ACK, 1, 1, 0).after(ms(1)).client(SYN, 0, 0, 0).after(ms(1));
    let early = early.server(SYN_ACK, 0, 1, 0);
    check(early.clone(), &["1:40000>2:80 success -=1+- again 0/0 client 2/0 server 1/0 end_of_capture"]);
    check(
        early.after(ms(3)).client(ACK, 1, 1, 7),
        &["1:40000>2:80 success 4=1+3 again 0/0 client 3/7 server 1/0 end_of_capture"],
    );
    let by_its_stamp = scenario().after(ms(9)).client(ACK, 1, 1, 0).before(ms(9)).client(SYN, 0, 0, 0);
    check(
        by_its_stamp.after(ms(5)).server(SYN_ACK, 0, 1, 0).after(ms(7)).client(ACK, 1, 1, 7),
        &["1:40000>2:80 success 9=5+4 again 0/0 client 3/7 server 1/0 end_of_capture"],
    );
}

#[test]
fn a_client_that_resets_an_older_connection_and_goes_on_has_succeeded() {
    let one_sided =
        scenario().client(SYN, 0, 0, 0).client(RST, 7777, 0, 0).after(secs(1)).client(SYN, 0, 0, 0);
    check(
        one_sided.after(ms(4)).client(ACK, 1, 1, 50),
        &["1:40000>2:80 success 1004=-+- again 1/0 client 4/50 server 0/0 end_of_capture"],
    );
}

#[test]
fn what_a_synack_says_of_its_number_replaces_a_guess() {
    let guessed = scenario().client(SYN, 0, 0, 0).server(TcpFlags::PSH, 4, 1, 5).server(SYN_ACK, 0, 1, 0);
    check(
        guessed.client(ACK, 1, 1, 0).server(SYN, 0, 0, 0),
        &["1:40000>2:80 success 0=0+0 again 0/0 client 2/0 server 3/5 end_of_capture"],
    );
}

#[test]
fn a_client_that_goes_on_has_succeeded_even_if_its_server_was_never_captured() {
    let one_sided = scenario().client(SYN, 0, 0, 0).after(ms(4)).client(ACK, 1, 1, 0).client(ACK, 1, 1, 50);
    check(one_sided, &["1:40000>2:80 success 4=-+- again 0/0 client 3/50 server 0/0 end_of_capture"]);
}

#[test]
fn a_simultaneous_open_succeeds_when_both_syns_are_acknowledged() {
    let crossed = scenario().client(SYN, 0, 0, 0).after(ms(1)).server(SYN, 0, 0, 0).after(ms(1));
    let synacks = crossed.clone().client(SYN_ACK, 0, 1, 0).server(SYN_ACK, 0, 1, 0).after(ms(2));
    check(
        synacks.client(ACK, 1, 1, 0),
        &["1:40000>2:80 success 4=2+2 again 0/0 client 3/0 server 2/0 end_of_capture"],
    );
    let acks = crossed.client(ACK, 1, 1, 0).after(ms(3)).server(ACK, 1, 1, 0);
    check(acks, &["1:40000>2:80 success 5=-+- again 0/0 client 2/0 server 2/0 end_of_capture"]);
}

#[test]
fn a_reset_in_answer_is_a_rejection() {
    let refused = scenario().client(SYN, 0, 0, 0).after(ms(2)).server(RST_ACK, 0, 1, 0);
    check(refused, &["1:40000>2:80 reject -=-+- again 0/0 client 1/0 server 1/0 rst_server"]);
}

#[test]
fn a_client_that_resets_or_finishes_before_its_ack_has_aborted() {
    let asked = scenario().client(SYN, 0, 0, 0).after(ms(2));
    check(
        asked.clone().client(RST, 1, 0, 0),
        &["1:40000>2:80 aborted -=-+- again 0/0 client 2/0 server 0/0 rst_client"],
    );
    check(
        asked.clone().server(SYN_ACK, 0, 1, 0).client(RST, 1, 0, 0).client(ACK, 1, 1, 0),
        &["1:40000>2:80 aborted -=2+- again 0/0 client 3/0 server 1/0 rst_client"],
    );
    check(
        asked.client(TcpFlags::FIN, 0, 0, 0),
        &["1:40000>2:80 aborted -=-+- again 0/0 client 2/0 server 0/0 end_of_capture"],
    );
}

#[test]
fn resetting_the_remains_of_an_older_connection_does_not_end_the_handshake() {
    let half_open =
        scenario().client(SYN, 0, 0, 0).after(ms(1)).server(ACK, 500, 900, 0).client(RST, 900, 0, 0);
    check(
        half_open.after(secs(1)).handshake().fins(),
        &["1:40000>2:80 success 1016=1011+5 again 1/0 client 6/0 server 3/0 fin"],
    );
}

#[test]
fn silence_becomes_a_timeout_and_is_told_once() {
    let silent = scenario().client(SYN, 0, 0, 0).after(secs(1)).client(SYN, 0, 0, 0).after(secs(3));
    check(silent.clone(), &["1:40000>2:80 pending -=-+- again 1/0 client 2/0 server 0/0 end_of_capture"]);
    let later = silent.after(secs(70)).port(40001).client(ACK, 1, 1, 0);
    check(
        later.clone(),
        &[
            "1:40000>2:80 timeout -=-+- again 1/0 client 2/0 server 0/0 idle",
            "1:40001>2:80 midstream -=-+- again 0/0 client 1/0 server 0/0 end_of_capture",
        ],
    );
    let events = observe(&later.frames(), &EngineSettings::replay(1)).events;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].time, crate::time::Timestamp(1_700_000_060_000_000_000), "at its due time");
}

#[test]
fn an_answer_after_the_timeout_still_makes_a_success() {
    let late = scenario().client(SYN, 0, 0, 0).after(secs(63)).handshake().fins();
    check(late, &["1:40000>2:80 success 63015=63010+5 again 1/0 client 5/0 server 2/0 fin"]);
}

#[test]
fn an_icmp_error_that_quotes_the_syn_is_unreachable_with_its_type_and_code() {
    let refused = scenario().client(SYN, 0, 0, 0).after(ms(2)).icmp(3, 13).icmp(3, 13);
    check(
        refused.clone(),
        &["1:40000>2:80 unreachable -=-+- again 0/0 client 1/0 server 0/0 end_of_capture"],
    );
    let observed = observe(&refused.clone().frames(), &EngineSettings::replay(1));
    assert_eq!(observed.records[0].icmp.as_deref(), Some("3/13"));
    let EventKind::HandshakeFailed { result, .. } = &observed.events[0].kind else { panic!("another event") };
    assert_eq!((observed.events.len(), *result), (1, HandshakeResult::Unreachable));
    check(
        refused.after(secs(1)).handshake(),
        &["1:40000>2:80 success 1017=1012+5 again 1/0 client 3/0 server 1/0 end_of_capture"],
    );
}

#[test]
fn an_icmp_error_that_is_no_answer_to_the_syn_changes_nothing() {
    let asked = scenario().client(SYN, 0, 0, 0).after(ms(2));
    let line = ["1:40000>2:80 pending -=-+- again 0/0 client 1/0 server 0/0 end_of_capture"];
    check(asked.clone().icmp(3, 4), &line);
    check(asked.clone().icmp(4, 0), &line);
    check(asked.reconnect().icmp(3, 1), &line);
    let open = scenario().handshake().icmp(3, 1);
    check(open, &["1:40000>2:80 success 15=10+5 again 0/0 client 2/0 server 1/0 end_of_capture"]);
}

#[test]
fn without_a_syn_the_lower_port_is_the_server_but_a_synack_knows_better() {
    let data = scenario().server(ACK, 1, 1, 9).client(ACK, 1, 10, 0);
    check(data, &["1:40000>2:80 midstream -=-+- again 0/0 client 1/0 server 1/9 end_of_capture"]);
    let synack = scenario().between((1, 80), (2, 9000)).server(SYN_ACK, 0, 1, 0).client(ACK, 1, 1, 0);
    check(synack, &["1:80>2:9000 midstream -=-+- again 0/0 client 1/0 server 1/0 end_of_capture"]);
    let same_ports = scenario().between((1, 179), (2, 179)).server(ACK, 1, 1, 9);
    check(same_ports, &["2:179>1:179 midstream -=-+- again 0/0 client 1/9 server 0/0 end_of_capture"]);
}

#[test]
fn a_handshake_may_take_as_long_as_it_is_given() {
    let mut settings = EngineSettings::replay(1);
    settings.flows.handshake_timeout = secs(2);
    let silent = scenario().client(SYN, 0, 0, 0);
    check_with(
        silent.clone().after(ms(1999)).port(40001).client(ACK, 1, 1, 0),
        &settings,
        &[
            "1:40000>2:80 pending -=-+- again 0/0 client 1/0 server 0/0 end_of_capture",
            "1:40001>2:80 midstream -=-+- again 0/0 client 1/0 server 0/0 end_of_capture",
        ],
    );
    check_with(
        silent.after(secs(2)).port(40001).client(ACK, 1, 1, 0),
        &settings,
        &[
            "1:40000>2:80 timeout -=-+- again 0/0 client 1/0 server 0/0 idle",
            "1:40001>2:80 midstream -=-+- again 0/0 client 1/0 server 0/0 end_of_capture",
        ],
    );
}
