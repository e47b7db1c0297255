//! What an agent costs that has nothing to do, and how soon it wakes.

use std::time::Duration;

use tcpkit_tests::{live::Live, netns::Pair};

use super::tell::{feature, judge};
use crate::live::backend::cpu_ticks;

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn a_sleeping_reader_costs_little_and_wakes_at_once() {
    judge("a sleeping reader is woken at once", || {
        crate::kernel::live::a_sleeping_reader_is_woken_at_once();
        ""
    });
    judge("an idle agent uses no CPU", || {
        let share = idle_share(Duration::from_secs(10));
        feature(
            "CPU of an idle agent",
            &format!("{:.1} %", share * 100.0),
            "4 shards; emulated, unoptimized",
        );
        // Emulated, a system call costs some ten times what it costs elsewhere.
        assert!(share < 0.03, "{share}");
        ""
    });
}

/// Share of one CPU that an agent without traffic uses.
fn idle_share(time: Duration) -> f64 {
    let pair = Pair::without_addresses("idle").unwrap();
    let mut live = Live::start(&pair.server, &["-i", "veth0", "--shards", "4"]);
    // What starting costs is over soon.
    std::thread::sleep(Duration::from_secs(2));
    let id = live.running().id();
    let before = cpu_ticks(id);
    std::thread::sleep(time);
    let used = cpu_ticks(id) - before;
    let _stopped = live.end(libc::SIGINT).success();
    // SAFETY: no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    used as f64 / per_second / time.as_secs_f64()
}
