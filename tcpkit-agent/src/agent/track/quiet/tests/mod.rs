//! The table by way of quiet flows against the one by way of the whole engine, letter for letter.

mod talk;

use std::path::{Path, PathBuf};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use talk::{Act, capture};

use super::*;
use crate::{
    agent::track::tables::TrackTables,
    pipeline::{Output, Shard},
    source::{Block, InterfaceTable, Reader},
    time::{Span, Timestamp},
};

/// As the agent sets the engine up for a table.
fn settings() -> EngineSettings {
    EngineSettings::replay(1)
}

fn args(sort: Option<&str>, rows: Option<usize>, only_from_syn: bool) -> TrackArgs {
    TrackArgs {
        sort: sort.map(str::to_owned),
        rows,
        only_from_syn,
        files: vec!["x".into()],
        ..TrackArgs::default()
    }
}

/// The table by way of the whole engine.
fn usual(path: &Path, settings: &EngineSettings, args: &TrackArgs) -> Option<String> {
    let mut reader = Reader::open(path, &mut InterfaceTable::default()).ok()?;
    let (mut block, mut shard, mut output) = (Block::default(), Shard::new(settings, 0), Output::default());
    let mut tables = TrackTables::new(args);
    let mut now = Timestamp::MIN;
    while reader.fill(&mut block).ok()? {
        for descriptor in &block.frames {
            now = now.max(descriptor.timestamp);
            shard.on_frame(&block.frame(descriptor), now, &mut output);
        }
    }
    shard.finish(now, &mut output);
    output.finished.iter().for_each(|finished| tables.take(&finished.record));
    Some(tables.text())
}

/// The table by way of quiet flows, and how many were odd.
fn quick(
    path: &Path,
    settings: &EngineSettings,
    args: &TrackArgs,
    (threads, stretch): (usize, u64),
) -> Option<(String, usize)> {
    let plan = QuietPlan { path, threads, stretch, settings };
    let flows = QuietFlows::read(&plan, &QuietWatch::default())?;
    Some((TrackTables::new(args).of_quiet(&flows).concat(), flows.odd.len()))
}

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_capture_gives_the_same_table_both_ways() {
    let (mut read, mut quiet) = (0, 0);
    for path in captures() {
        for (sort, rows, only_from_syn) in
            [(None, None, false), (Some("rtt"), Some(5), true), (Some("-client"), Some(1), false)]
        {
            let args = args(sort, rows, only_from_syn);
            for way in [(1, 1 << 19), (3, 700)] {
                let Some((text, odd)) = quick(&path, &settings(), &args, way) else { continue };
                assert_eq!(Some(&text), usual(&path, &settings(), &args).as_ref(), "{}", path.display());
                read += 1;
                quiet += usize::from(odd == 0);
            }
        }
    }
    assert!(read > 150 && quiet > 30, "{read} {quiet}");
}

#[test]
fn the_mix_is_quiet_but_for_few() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures/traffic-mix.pcap");
    let (text, odd) = quick(&path, &settings(), &args(None, None, false), (2, 4_096)).unwrap();
    let total = text.lines().last().unwrap_or_default();
    assert!(total.starts_with("TOTAL  71 connections") && odd < 10, "{odd} {total}");
}

#[test]
fn what_is_no_flat_file_or_is_damaged_goes_the_usual_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcap");
    let whole = capture(&[Act::open(0), Act::say(0), Act::say(0)]);
    for bytes in
        [&whole[..0], &whole[..20], &whole[..whole.len() - 1], &[b"\x0a\x0d\x0d\x0a", &whole[4..]].concat()]
    {
        std::fs::write(&path, bytes).unwrap();
        assert!(quick(&path, &settings(), &args(None, None, false), (2, 64)).is_none());
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(quick(&path, &settings(), &args(None, None, false), (2, 64)).is_some());
    assert!(quick(folder.path(), &settings(), &args(None, None, false), (2, 64)).is_none());
}

#[test]
fn random_talk_has_quiet_flows_and_odd_ones() {
    let mut runner = TestRunner::deterministic();
    let file = tempfile::NamedTempFile::new().unwrap();
    let (mut quiet, mut odd, mut refused) = (0, 0, 0);
    for _ in 0..100 {
        let acts = talk::acts(400).new_tree(&mut runner).unwrap().current();
        std::fs::write(file.path(), capture(&acts)).unwrap();
        let plan = QuietPlan { path: file.path(), threads: 2, stretch: 999, settings: &settings() };
        let flows = QuietFlows::read(&plan, &QuietWatch::default());
        refused += u32::from(flows.is_none());
        if let Some(flows) = flows {
            quiet += flows.quiet().map(Iterator::count).sum::<usize>();
            odd += flows.odd.len();
        }
    }
    assert!(quiet > 500 && odd > 500 && refused < 50, "{quiet} {odd} {refused}");
}

/// The first line that differs.
fn differing<'a>(one: &'a str, other: &'a str) -> Option<(&'a str, &'a str)> {
    let lines = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    lines.or_else(|| (one != other).then_some((one, other)))
}

#[test]
fn a_clock_that_leaps_back_goes_the_usual_way() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (back, stretch, is_quick) in
        [(900_000, 64, true), (1_100_000, 64, false), (1_100_000, 1 << 18, false)]
    {
        let acts = [Act::open(0), Act::say(0).after(2_000_000), Act::open(1).after(-back), Act::say(0)];
        std::fs::write(file.path(), capture(&acts)).unwrap();
        let quick = quick(file.path(), &settings(), &args(None, None, false), (2, stretch));
        assert_eq!(quick.is_some(), is_quick, "{back} {stretch}");
    }
}

fn orders() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(vec![
        None,
        Some("rtt"),
        Some("-stalls"),
        Some("rate"),
        Some("-start"),
        Some("server"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_talk_gives_the_same_table_both_ways(
        acts in talk::acts(400),
        sort in orders(),
        threads in 1_usize..4,
        stretch in 30_u64..5_000,
    ) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), capture(&acts)).unwrap();
        let args = args(sort, None, false);
        if let Some((text, _)) = quick(file.path(), &settings(), &args, (threads, stretch)) {
            let usual = usual(file.path(), &settings(), &args).unwrap();
            prop_assert_eq!(differing(&text, &usual), None);
        }
    }

    #[test]
    fn bounds_that_bite_are_left_to_the_engine(
        acts in talk::acts(400),
        most in (4_u32..60, 4_u32..60, 4_u32..60),
        patience in 1_u64..70,
    ) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), capture(&acts)).unwrap();
        let mut settings = settings();
        (settings.flows.max_flows, settings.flows.max_half_open, settings.flows.max_lingering) = most;
        settings.flows.handshake_timeout = Span::from_secs(30 + patience);
        let args = args(None, None, false);
        if let Some((text, _)) = quick(file.path(), &settings, &args, (1, 300)) {
            let usual = usual(file.path(), &settings, &args).unwrap();
            prop_assert_eq!(differing(&text, &usual), None);
        }
    }
}
