//! What each eBPF program costs per frame, by `BPF_PROG_TEST_RUN`: warm caches, no traffic.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use tcpkit_agent::source::live::{HookChoice, LiveCapture, LiveOptions, RingReader};
use tcpkit_common::record::Hook;
use tcpkit_tests::{
    netns::Namespace,
    test_run::{Context, test_run},
};

use crate::generate::smallest_frame;

/// Frames of one measurement: as many as a ring surely holds, so that each one is recorded.
const FRAMES: u32 = 20_000;

/// Measurements; the fastest is the one that nothing disturbed.
const ROUNDS: usize = 50;

/// Nanoseconds per frame, by program.
pub(crate) fn run() -> Result<Value> {
    let namespace = Namespace::new("programs")?;
    let options =
        LiveOptions { interfaces: vec!["lo".to_owned()], hook: HookChoice::Tc, ..LiveOptions::default() };
    let capture = namespace.enter(|| LiveCapture::open(options))?;
    let mut capture = capture.context("the programs cannot be loaded")?;
    let mut readers = capture.take_readers();
    let mut costs = Map::new();
    for hook in Hook::ALL {
        let program = capture.program_fd(hook).context("the program cannot be reached")?;
        let mut best = u32::MAX;
        for _ in 0..ROUNDS {
            let context = Context { repeat: FRAMES, xdp: hook == Hook::XdpIngress, ..Context::default() };
            let run =
                test_run(program.as_fd(), &smallest_frame(), context).context("the program cannot be run")?;
            best = best.min(run.duration_ns);
            if drained(&mut readers) != FRAMES as usize {
                bail!("{hook:?}: not every frame was recorded, so its cost is not known");
            }
        }
        costs.insert(name(hook).to_owned(), json!(best));
    }
    Ok(Value::Object(costs))
}

fn drained(readers: &mut [RingReader]) -> usize {
    let mut records = 0;
    for reader in readers {
        loop {
            let taken = reader.poll(FRAMES as usize, |_, _| {});
            records += taken;
            if taken == 0 {
                break;
            }
        }
    }
    records
}

const fn name(hook: Hook) -> &'static str {
    match hook {
        Hook::XdpIngress => "xdp_ingress",
        Hook::TcIngress => "tc_ingress",
        Hook::TcEgress => "tc_egress",
    }
}
