//! Attaching and detaching as users see it: whatever ends the run, nothing stays; what is in the way is left alone.

use std::time::Duration;

use tcpkit_tests::{
    attached::Attached,
    left_out::{Need, can_run},
    live::{Live, inside},
    netns::Pair,
    traffic::transfer,
    wait::until,
};

#[test]
fn nothing_stays_attached_however_it_ends() {
    if !can_run("nothing_stays_attached_however_it_ends", &[Need::Ebpf]) {
        return;
    }
    nothing_stays_attached_after(&[libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGKILL]);
}

pub(crate) fn nothing_stays_attached_after(signals: &[i32]) {
    let pair = Pair::new("ends").unwrap();
    for (hook, attached) in [("tc", Attached::by_tc()), ("xdp", Attached::by_xdp())] {
        for &signal in signals {
            let live = Live::start(&pair.server, &["-i", "veth0", "--hook", hook, "--json"]);
            assert_eq!(Attached::now(&pair.server, "veth0"), attached, "{hook}");
            let outcome = live.end(signal);
            let is_off =
                until(Duration::from_secs(1), || Attached::now(&pair.server, "veth0") == Attached::NONE);
            assert!(is_off, "{hook} by signal {signal}: {:?}", Attached::now(&pair.server, "veth0"));
            if [libc::SIGINT, libc::SIGTERM].contains(&signal) {
                assert_eq!(outcome.success().json()["complete"], true);
            }
        }
    }
}

#[test]
fn a_foreign_xdp_program_is_left_alone_and_the_user_is_told() {
    if !can_run("a_foreign_xdp_program_is_left_alone_and_the_user_is_told", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("foreign").unwrap();
    let first = Live::start(&pair.server, &["-i", "veth0", "--hook", "xdp", "--json"]);
    let elsewhere = std::net::SocketAddr::from(([127, 0, 0, 1], 34_300));
    let second = Live::at(&pair.server, elsewhere, &["-i", "veth0", "--hook", "xdp", "--json"]);
    let outcome = second.end(libc::SIGINT).success();
    let report = outcome.json();
    let notes = report["capture"]["notes"].to_string();
    assert!(notes.contains("another XDP program") && notes.contains("TC"), "{notes}");
    assert!(outcome.stderr.contains("another XDP program"), "{}", outcome.stderr);
    assert_eq!(report["capture"]["interfaces"][0]["hook"], "ebpf/tc");
    assert_eq!(Attached::now(&pair.server, "veth0"), Attached::by_xdp(), "the first one's programs stay");
    let report = first.end(libc::SIGINT).success().json();
    assert_eq!(report["capture"]["interfaces"][0]["hook"], "ebpf/xdp+tc");
}

#[test]
fn an_unknown_interface_is_one_line_that_names_those_there_are() {
    if !can_run("an_unknown_interface_is_one_line_that_names_those_there_are", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("unknown").unwrap();
    for backend in ["auto", "ebpf", "pcap"] {
        let words = ["-i", "eth77", "--backend", backend];
        let outcome = inside(&pair.server, words).run().failure(1, &["eth77", "lo", "veth0"]);
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    }
}

#[test]
fn an_interface_that_goes_and_comes_back_is_followed() {
    if !can_run("an_interface_that_goes_and_comes_back_is_followed", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("updown").unwrap();
    let live = Live::start(&pair.server, &["-i", "veth0"]);
    transfer(&pair, 1_000).unwrap();
    pair.server.ip(&["link", "set", "veth0", "down"]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    pair.server.ip(&["link", "set", "veth0", "up"]).unwrap();
    // A veth's carrier comes back up to a second later.
    let again = || live.get("/api/v1/report")["capture"]["notes"].to_string().contains("is up again");
    assert!(until(Duration::from_secs(5), again));
    transfer(&pair, 1_000).unwrap();
    let outcome = live.end(libc::SIGINT).success();
    let lines = |word: &str| outcome.stdout.lines().filter(|line| line.contains(word)).count();
    assert!(lines("veth0 went down") >= 1 && lines("veth0 is up again") >= 1, "{outcome:?}");
    let flows =
        outcome.stdout.lines().find(|line| line.trim_start().starts_with("flows")).unwrap_or_default();
    assert!(flows.split_whitespace().nth(1).is_some_and(|count| count.starts_with('2')), "{outcome:?}");
}

#[test]
fn the_last_interface_that_is_deleted_ends_the_run_with_a_full_report() {
    if !can_run("the_last_interface_that_is_deleted_ends_the_run_with_a_full_report", &[Need::Ebpf]) {
        return;
    }
    for backend in ["ebpf", "pcap"] {
        let pair = Pair::new("deleted").unwrap();
        pair.server.ip(&["link", "add", "other0", "type", "veth", "peer", "name", "other1"]).unwrap();
        pair.server.ip(&["link", "set", "other0", "up"]).unwrap();
        let words = ["-i", "veth0", "-i", "other0", "--json", "--backend", backend];
        let mut live = Live::start(&pair.server, &words);
        pair.server.ip(&["link", "del", "other0"]).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert!(!live.running().has_ended(), "{backend}: the other interface goes on");
        transfer(&pair, 1_000).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        pair.server.ip(&["link", "del", "veth0"]).unwrap();
        let outcome = live.wait().failure(1, &["veth0", "disappeared"]);
        let report = outcome.json();
        assert_eq!(report["complete"], true, "{backend}");
        assert_eq!(report["totals"]["flows"], 1, "{backend}: {report}");
        assert_eq!(report["handshake"]["results"]["success"], 1, "{backend}");
        assert_eq!(report["ledger"]["closes"], true, "{backend}");
    }
}
