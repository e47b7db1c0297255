//! What each eBPF program costs per frame, by `BPF_PROG_TEST_RUN`: warm caches, no traffic; and how long the kernel
//! takes to load all three with a filter of that kind.

use std::{
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Map, Value, json};
use tcpkit_agent::{
    filter,
    source::live::{HookChoice, LiveCapture, LiveOptions, ObjectFilter, RingReader},
    wire::LinkType,
};
use tcpkit_common::record::Hook;
use tcpkit_tests::{
    generator::smallest_frame,
    netns::Namespace,
    test_run::{Context, test_run},
};

/// Frames of one measurement: as many as the ring surely holds, so that each one is recorded.
const FRAMES: u32 = 4_000;

/// A ring that stays in the cache.
const RING_BYTES: u32 = 512 << 10;

/// Measurements; the fastest is the one that nothing disturbed.
const ROUNDS: usize = 100;

/// For each kind of filter, nanoseconds per frame by program, instructions that the verifier examined, and seconds
/// that loading took.
pub(crate) fn run() -> Result<Value> {
    let kinds = [
        ("no filter", None, false),
        ("flows and bursts counted", None, true),
        ("simple filter", Some("tcp port 443".to_owned()), false),
        ("200 hosts, none matching", Some(hosts(200)), false),
        ("500 IPv6 hosts", Some(format!("({}) or tcp", hosts_6(500))), false),
    ];
    let mut costs = Map::new();
    for (kind, expression, is_counted) in kinds {
        let measured = measure(expression.as_deref(), is_counted).with_context(|| kind.to_owned())?;
        costs.insert(kind.to_owned(), measured);
    }
    Ok(Value::Object(costs))
}

fn measure(expression: Option<&str>, is_counted: bool) -> Result<Value> {
    let namespace = Namespace::new("programs")?;
    let filter = expression.map(placed).transpose()?;
    let options = LiveOptions {
        interfaces: vec!["lo".to_owned()],
        hook: HookChoice::Tc,
        ring_bytes: RING_BYTES,
        filter,
        flow_counters: if is_counted { 262_144 } else { 0 },
        bursts: is_counted,
        ..LiveOptions::default()
    };
    let mut took = Duration::ZERO;
    let capture = timed(&mut took, || namespace.enter(|| LiveCapture::open(options)))?;
    let mut capture = capture.context("the programs cannot be loaded")?;
    let mut readers = capture.take_readers();
    let mut costs = Map::new();
    for hook in Hook::ALL {
        // The third program is loaded when it is first asked for.
        let program = timed(&mut took, || capture.program_fd(hook)).context("it cannot be reached")?;
        let best = fastest(&mut readers, |context| {
            let context = Context { xdp: hook == Hook::XdpIngress, ..context };
            Ok(test_run(program.as_fd(), &smallest_frame(), context)?.duration_ns)
        })?;
        let verified = capture.program_info(hook)?.verified_instruction_count();
        costs.insert(name(hook).to_owned(), json!({ "ns": best, "verified": verified }));
    }
    Ok(json!({ "programs": costs, "load_seconds": took.as_secs_f64() }))
}

/// The fastest of many rounds, in nanoseconds per frame; each frame must get the fate of the others.
fn fastest(readers: &mut [RingReader], run: impl Fn(Context) -> Result<u32>) -> Result<u32> {
    let mut best = u32::MAX;
    for _ in 0..ROUNDS {
        let ns = run(Context { repeat: FRAMES, ..Context::default() })?;
        let records = drained(readers);
        if records != FRAMES as usize && records != 0 {
            bail!("{records} of {FRAMES} frames were recorded, so the cost of one is not known");
        }
        best = best.min(ns);
    }
    Ok(best)
}

fn placed(expression: &str) -> Result<ObjectFilter> {
    let program =
        filter::compile(expression, LinkType::ETHERNET, 65_535).map_err(|error| anyhow!("{error}"))?;
    let translation = filter::translate(&program)?;
    let reach = translation.reach;
    let place = Box::new(move |object: &mut Vec<u8>| {
        *object = filter::place(object, &translation.direct, &translation.copy)
            .map_err(|error| error.to_string())?;
        Ok(())
    });
    Ok(ObjectFilter { place, reach })
}

#[expect(clippy::disallowed_methods, reason = "loading takes time of the real clock")]
fn timed<T>(took: &mut Duration, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = work();
    *took += begin.elapsed();
    done
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

fn hosts(count: u32) -> String {
    joined((0..count).map(|index| format!("host 192.168.{}.{}", index / 250, index % 250)))
}

fn hosts_6(count: u32) -> String {
    joined((0..count).map(|index| format!("host 2001:db8:{:x}::{:x}", index * 7 + 1, index + 1)))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" or ")
}

const fn name(hook: Hook) -> &'static str {
    match hook {
        Hook::XdpIngress => "xdp_ingress",
        Hook::TcIngress => "tc_ingress",
        Hook::TcEgress => "tc_egress",
    }
}
