//! Causes of retransmissions and round trips, judged by the kernel that made them; `cargo xtask accuracy` judges more.

use tcpkit_tests::{
    judge::{scenario::few, score::Score},
    left_out::{Need, can_run},
};

#[test]
fn the_kernel_finds_no_fault_with_causes_and_round_trips() {
    let needs = [Need::Ebpf, Need::Program("nft"), Need::Program("tc")];
    if !can_run("the_kernel_finds_no_fault_with_causes_and_round_trips", &needs) {
        return;
    }
    let mut sum = Score::default();
    for scenario in few() {
        let folder = tempfile::tempdir().unwrap();
        let run = scenario.run(folder.path()).unwrap_or_else(|error| panic!("{}: {error:#}", scenario.name));
        let score = Score::of(&run.verdict);
        assert!(score.segments() > 0, "{}: nothing was sent again, so nothing was judged", scenario.name);
        sum.add(&score);
    }
    assert!(sum.segments() > 100, "too little to judge by:\n{sum}");
    assert!(sum.misses().is_empty(), "{}:\n{sum}", sum.misses().join("; "));
}
