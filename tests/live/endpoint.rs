//! The endpoint while a capture runs.

use std::net::TcpListener;

use tcpkit_tests::{
    left_out::{Need, can_run},
    live::{ENDPOINT, Live, get, inside},
    netns::Pair,
    traffic::transfer,
};

#[test]
fn reports_are_served_while_the_capture_goes_on() {
    if !can_run("reports_are_served_while_the_capture_goes_on", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("serve").unwrap();
    let live = Live::start(&pair.server, &["-i", "veth0", "--json"]);
    transfer(&pair, 500_000).unwrap();
    let flows = || live.get("/api/v1/report")["handshake"]["results"]["success"] == 1;
    assert!(tcpkit_tests::wait::until(std::time::Duration::from_secs(3), flows));
    let now = live.get("/api/v1/report");
    assert_eq!((&now["complete"], &now["completeness"]), (&false.into(), &1.0.into()), "{now}");
    assert_eq!(now["ledger"]["closes"], true, "{}", now["ledger"]);
    let ledger = live.get("/api/v1/ledger");
    assert_eq!(ledger["total"]["matched"], now["ledger"]["total"]["matched"], "{ledger}");
    let (status, body) = get(&pair.server, ENDPOINT, "/nothing").unwrap();
    assert!(status == 404 && body.contains("/api/v1/report"), "{status} {body}");
    let last = live.end(libc::SIGINT).success().json();
    assert_eq!(last["complete"], true);
    assert_eq!(last["totals"]["flows"], now["totals"]["flows"]);
    assert!(get(&pair.server, ENDPOINT, "/healthz").is_err(), "it ends with the run");
}

#[test]
fn a_busy_default_port_is_a_warning_and_an_asked_for_one_an_error() {
    if !can_run("a_busy_default_port_is_a_warning_and_an_asked_for_one_an_error", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("busyport").unwrap();
    let listener = pair.server.enter(|| TcpListener::bind(ENDPOINT)).unwrap().unwrap();
    let words = ["-i", "veth0", "--json", "--duration", "0.3"];
    let outcome = inside(&pair.server, words).run().success();
    assert!(outcome.stderr.contains("warning: 127.0.0.1:33333 is taken"), "{outcome:?}");
    assert_eq!(outcome.json()["complete"], true);
    let asked = [&words[..], &["--stats-listen", "127.0.0.1:33333"]].concat();
    inside(&pair.server, asked).run().failure(1, &["127.0.0.1:33333", "in use"]);
    drop(listener);
}
