//! What an agent costs that has nothing to do, and how soon it wakes.

use std::{fs, path::PathBuf, time::Duration};

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
    judge("an idle agent sleeps", || {
        let (wakes, share) = idle(Duration::from_secs(10));
        feature("wake-ups of an idle agent", &format!("{wakes:.0} per second"), "4 shards");
        // Emulated, and beside others, this is many times what it is on a machine of its own: told, not judged.
        feature(
            "CPU of an idle agent",
            &format!("{:.1} %", share * 100.0),
            "4 shards; emulated, unoptimized",
        );
        assert!(wakes < 200.0, "{wakes} wake-ups per second");
        ""
    });
}

/// How often per second an agent without traffic wakes, all its threads together, and its share of one CPU.
fn idle(time: Duration) -> (f64, f64) {
    let pair = Pair::without_addresses("idle").unwrap();
    let mut live = Live::start(&pair.server, &["-i", "veth0", "--shards", "4"]);
    // What starting costs is over soon.
    std::thread::sleep(Duration::from_secs(2));
    let id = live.running().id();
    let before = (wake_ups(id), cpu_ticks(id));
    std::thread::sleep(time);
    let after = (wake_ups(id), cpu_ticks(id));
    let _stopped = live.end(libc::SIGINT).success();
    // SAFETY: no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let seconds = time.as_secs_f64();
    ((after.0 - before.0) as f64 / seconds, (after.1 - before.1) as f64 / per_second / seconds)
}

/// proc(5): a thread that slept and goes on switched voluntarily before.
fn wake_ups(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of_thread = |path: PathBuf| {
        let text = fs::read_to_string(path.join("status")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    threads.map(|thread| of_thread(thread.unwrap().path())).sum()
}
