//! How flows end, linger, expire, give way, and begin again.

use super::{check, check_with, ms, observe, scenario::*, secs};
use crate::pipeline::EngineSettings;

const OPEN: &str = "success 15=10+5 again 0/0 client 2/0 server 1/0";

#[test]
fn two_fins_close_and_late_frames_still_belong() {
    let late = scenario().handshake().fins().after(secs(500)).server(FIN_ACK, 1, 2, 0).client(ACK, 2, 2, 0);
    check(late, &["1:40000>2:80 success 15=10+5 again 0/0 client 5/0 server 3/0 fin"]);
}

#[test]
fn a_reset_closes_in_the_name_of_its_sender() {
    check(
        scenario().handshake().client(RST, 1, 0, 0),
        &["1:40000>2:80 success 15=10+5 again 0/0 client 3/0 server 1/0 rst_client"],
    );
    check(
        scenario().handshake().server(RST, 1, 0, 0).client(ACK, 1, 1, 0),
        &["1:40000>2:80 success 15=10+5 again 0/0 client 3/0 server 2/0 rst_server"],
    );
}

#[test]
fn one_fin_does_not_close() {
    let half = scenario().handshake().client(FIN_ACK, 1, 1, 0);
    check(half, &["1:40000>2:80 success 15=10+5 again 0/0 client 3/0 server 1/0 end_of_capture"]);
}

#[test]
fn a_syn_with_another_number_is_another_flow_and_one_with_the_same_is_not() {
    check(
        scenario().handshake().fins().after(secs(1)).client(SYN, 0, 0, 0),
        &["1:40000>2:80 success 15=10+5 again 1/0 client 5/0 server 2/0 fin"],
    );
    check(
        scenario().handshake().fins().after(secs(1)).reconnect().handshake(),
        &[
            "1:40000>2:80 success 15=10+5 again 0/0 client 4/0 server 2/0 fin",
            "1:40000>2:80 success 15=10+5 again 0/0 client 2/0 server 1/0 end_of_capture",
        ],
    );
    check(
        scenario().handshake().after(secs(1)).reconnect().handshake(),
        &[
            "1:40000>2:80 success 15=10+5 again 0/0 client 2/0 server 1/0 reused",
            "1:40000>2:80 success 15=10+5 again 0/0 client 2/0 server 1/0 end_of_capture",
        ],
    );
}

#[test]
fn a_synack_with_another_number_starts_no_flow() {
    check(
        scenario().handshake().after(ms(5)).server(SYN_ACK, 12_345, 1, 0),
        &["1:40000>2:80 success 15=10+5 again 0/1 client 2/0 server 2/0 end_of_capture"],
    );
}

#[test]
fn a_capture_that_begins_inside_a_connection_notices_the_next_one() {
    check(
        scenario().client(ACK, 500, 1, 10).after(secs(9)).reconnect().handshake(),
        &[
            "1:40000>2:80 midstream -=-+- again 0/0 client 1/10 server 0/0 reused",
            "1:40000>2:80 success 15=10+5 again 0/0 client 2/0 server 1/0 end_of_capture",
        ],
    );
}

#[test]
fn live_a_closed_flow_lingers_and_then_leaves() {
    let mut settings = EngineSettings::live(1);
    settings.flows.idle = None;
    let closed = scenario().handshake().fins();
    check_with(
        closed.clone().after(secs(59)).server(FIN_ACK, 1, 2, 0),
        &settings,
        &["1:40000>2:80 success 15=10+5 again 0/0 client 4/0 server 3/0 fin"],
    );
    check_with(
        closed.after(secs(60)).server(FIN_ACK, 1, 2, 0),
        &settings,
        &[
            "1:40000>2:80 success 15=10+5 again 0/0 client 4/0 server 2/0 fin",
            "1:40000>2:80 midstream -=-+- again 0/0 client 0/0 server 1/0 end_of_capture",
        ],
    );
}

#[test]
fn a_flow_that_goes_on_after_a_forged_reset_stays_as_long_as_it_goes_on() {
    let mut story = scenario().handshake().server(RST, 1, 0, 0);
    for _ in 0..10 {
        story = story.after(secs(30)).client(ACK, 1, 1, 1);
    }
    check_with(
        story,
        &EngineSettings::live(1),
        &["1:40000>2:80 success 15=10+5 again 0/0 client 12/10 server 2/0 rst_server"],
    );
}

#[test]
fn live_a_silent_flow_expires_and_replayed_it_does_not() {
    let mut settings = EngineSettings::live(1);
    settings.flows.idle = Some(secs(10));
    let story =
        scenario().handshake().after(secs(9)).client(ACK, 1, 1, 1).after(secs(10)).client(ACK, 2, 1, 1);
    check_with(
        story.clone(),
        &settings,
        &[
            "1:40000>2:80 success 15=10+5 again 0/0 client 3/1 server 1/0 idle",
            "1:40000>2:80 midstream -=-+- again 0/0 client 1/1 server 0/0 end_of_capture",
        ],
    );
    check(story, &["1:40000>2:80 success 15=10+5 again 0/0 client 4/2 server 1/0 end_of_capture"]);
}

#[test]
fn too_many_closed_flows_push_the_first_one_out() {
    let mut settings = EngineSettings::replay(1);
    settings.flows.max_lingering = 1;
    let story = scenario().handshake().fins().after(ms(1)).port(40001).handshake().fins().after(ms(1));
    check_with(
        story.port(40000).client(ACK, 2, 2, 0),
        &settings,
        &[
            "1:40000>2:80 success 15=10+5 again 0/0 client 4/0 server 2/0 fin",
            "1:40001>2:80 success 15=10+5 again 0/0 client 4/0 server 2/0 fin",
            "1:40000>2:80 midstream -=-+- again 0/0 client 1/0 server 0/0 end_of_capture",
        ],
    );
}

#[test]
fn too_many_flows_push_out_closed_ones_first_and_then_the_one_idle_longest() {
    let mut settings = EngineSettings::replay(1);
    settings.flows.max_flows = 2;
    let story = scenario().handshake().after(ms(1)).port(40001).handshake().fins().after(ms(1));
    let third = story.port(40002).handshake().after(ms(1)).port(40000).client(ACK, 1, 1, 0).after(ms(1));
    let fourth = third.port(40003).handshake();
    let frames = fourth.clone().frames();
    check_with(
        fourth,
        &settings,
        &[
            "1:40001>2:80 success 15=10+5 again 0/0 client 4/0 server 2/0 fin",
            &format!("1:40002>2:80 {OPEN} evicted"),
            "1:40000>2:80 success 15=10+5 again 0/0 client 3/0 server 1/0 end_of_capture",
            &format!("1:40003>2:80 {OPEN} end_of_capture"),
        ],
    );
    let totals = observe(&frames, &settings).report.totals;
    assert_eq!((totals.flows, totals.open_flows, totals.evicted_flows), (4, 2, 1));
}

#[test]
fn a_flood_of_syns_stays_within_its_bounds() {
    let mut settings = EngineSettings::replay(1);
    settings.flows.max_flows = 100;
    let mut story = scenario();
    for port in 0..5000 {
        story = story.port(10_000 + port).client(SYN, 0, 0, 0).after(ms(1));
    }
    let observed = observe(&story.frames(), &settings);
    assert_eq!(observed.records.len(), 5000);
    assert_eq!(observed.report.totals.evicted_flows, 4900);
}

#[test]
fn a_flow_seen_on_another_named_interface_is_traffic_there() {
    let twice = |story: Scenario, flags, seq, ack, from_client: bool| {
        [3u16, 2].into_iter().fold(story, |story, interface| {
            let story = story.on_interface(interface).after(ms(1));
            if from_client { story.client(flags, seq, ack, 0) } else { story.server(flags, seq, ack, 0) }
        })
    };
    let story = twice(twice(twice(scenario(), SYN, 0, 0, true), SYN_ACK, 0, 1, false), ACK, 1, 1, true);
    check(story.clone(), &["1:40000>2:80 success 4=2+2 again 0/0 client 2/0 server 1/0 end_of_capture"]);
    let observed = observe(&story.frames(), &EngineSettings::replay(1));
    assert_eq!(observed.records[0].interface.as_deref(), Some("eth1"));
    assert_eq!(observed.report.ledger.total.notes["duplicate"], 3);
    let frames: Vec<u64> =
        observed.report.bandwidth.interfaces.iter().map(|entry| entry.traffic.count.frames).collect();
    assert_eq!(frames, [3, 3]);
}

#[test]
fn each_direction_belongs_to_the_interface_that_saw_it_first() {
    let asymmetric = scenario().on_interface(2).client(SYN, 0, 0, 0).after(ms(1)).on_interface(3);
    check(
        asymmetric.server(SYN_ACK, 0, 1, 0).on_interface(2).after(ms(1)).client(ACK, 1, 1, 0),
        &["1:40000>2:80 success 2=1+1 again 0/0 client 2/0 server 1/0 end_of_capture"],
    );
}

#[test]
fn files_of_one_rotation_are_one_place() {
    let rotated = scenario().client(SYN, 0, 0, 0).after(ms(1)).on_interface(1).server(SYN_ACK, 0, 1, 0);
    check(
        rotated.after(ms(1)).client(ACK, 1, 1, 0),
        &["1:40000>2:80 success 2=1+1 again 0/0 client 2/0 server 1/0 end_of_capture"],
    );
}
