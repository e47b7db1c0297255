//! Causes of retransmissions and round trips, judged by the kernel that made them; `cargo xtask accuracy` judges more.

use tcpkit_tests::{
    judge::{
        receiver_score::ReceiverScore,
        scenario::{Scenario, few},
        score::Score,
        sockets::SocketScore,
    },
    left_out::{Need, can_run},
};

/// Runs of a scenario until its round trips are right: the kernel takes its own while the test's processes wait for a
/// processor, and the capture does not.
const ATTEMPTS: usize = 4;

/// What came of all runs of a scenario; the round trips of one of them were right.
fn judged(scenario: &Scenario) -> (Score, SocketScore) {
    let (mut sum, mut sockets) = <(Score, SocketScore)>::default();
    let mut misses = Vec::new();
    for _ in 0..ATTEMPTS {
        let folder = tempfile::tempdir().unwrap();
        let run = scenario.run(folder.path()).unwrap_or_else(|error| panic!("{}: {error:#}", scenario.name));
        let (score, socket_score) = (Score::of(&run.verdict), SocketScore::of(&run.sockets));
        assert!(score.segments() > 0, "{}: nothing was sent again, so nothing was judged", scenario.name);
        check_receiver(scenario, &score, &ReceiverScore::of(&run.verdict.receiver));
        sum.add(&score);
        sockets.add(&socket_score);
        let missed = [score.time_misses(), socket_score.time_misses()].concat();
        if missed.is_empty() {
            return (sum, sockets);
        }
        misses.extend(missed);
    }
    panic!("{}: {}\n{sum}\n{sockets}", scenario.name, misses.join("; "));
}

fn check_receiver(scenario: &Scenario, sender: &Score, receiver: &ReceiverScore) {
    assert_eq!(receiver.segments(), sender.segments(), "{}: arrived or not:\n{receiver}", scenario.name);
    let [all, found, _] = receiver.knowable();
    // Between a lost segment and its copy lies a round trip of 20 ms, which time stamps tell.
    let is_plain = scenario.name == "bulk, 1 % lost";
    assert!(!is_plain || found * 10 >= all * 8, "{}, at the other end:\n{receiver}", scenario.name);
}

#[test]
fn the_kernel_finds_no_fault_with_causes_and_round_trips() {
    let needs = [Need::Ebpf, Need::Program("nft"), Need::Program("tc")];
    if !can_run("the_kernel_finds_no_fault_with_causes_and_round_trips", &needs) {
        return;
    }
    let (mut sum, mut sockets) = <(Score, SocketScore)>::default();
    for scenario in few() {
        let (score, socket_score) = judged(&scenario);
        sum.add(&score);
        sockets.add(&socket_score);
    }
    assert!(sum.segments() > 100, "too little to judge by:\n{sum}");
    let misses = [sum.count_misses(), sockets.count_misses()].concat();
    assert!(misses.is_empty(), "{}:\n{sum}\n{sockets}", misses.join("; "));
}
