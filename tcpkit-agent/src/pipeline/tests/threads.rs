//! The threads around the shards: whatever their number, nothing is lost, invented or put out of place on the way.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use crossbeam_channel::{Receiver, bounded};

use crate::{
    filter::Matcher,
    pipeline::{
        BlockPlan, BlockSource, Delivery, EngineSettings, FlowsAsked, Pipeline, ReadError, ReaderOutcome,
        ReaderTally, SourceNote,
    },
    report::{
        ShardSnapshot,
        flows::{FlowListing, FlowQuery},
    },
    source::{Block, Dropped, InterfaceTable, Merge, Progress, Reader, SourceError, SourceErrorKind},
    time::Timestamp,
    wire::InterfaceId,
};

/// A capture of the project, in the blocks in which its reader gives it, then perhaps an error.
struct Capture {
    merge: Merge,
    errors: VecDeque<SourceError>,
    /// Losses to tell with the first block.
    drops: Vec<Dropped>,
}

impl BlockSource for Capture {
    fn fill(&mut self, block: &mut Block) -> Result<bool, SourceError> {
        let more = self.merge.fill(block)?;
        block.drops.append(&mut self.drops);
        if more {
            return Ok(true);
        }
        self.errors.pop_front().map_or(Ok(false), Err)
    }

    fn notes(&mut self) -> Vec<SourceNote> {
        Vec::new()
    }

    fn change_filter(&mut self, _: Option<String>) -> Result<Timestamp, SourceError> {
        Ok(Timestamp::MIN)
    }

    fn progress(&self) -> Option<Progress> {
        Some(self.merge.progress())
    }

    fn stop_on(&mut self, flag: &Arc<AtomicBool>) {
        self.merge.stop_on(flag);
    }

    fn end_of_capture(&self) -> Option<Timestamp> {
        self.merge.end_of_capture()
    }

    fn idle_time(&self) -> Option<Timestamp> {
        None
    }
}

/// What came out at all ends of a pipeline.
struct Outcome {
    sum: ShardSnapshot,
    reader: ReaderOutcome,
    tally: ReaderTally,
    flows: Vec<String>,
    written: Vec<Block>,
}

struct Plan {
    shards: u32,
    filter: Option<&'static str>,
    count: Option<u64>,
    errors: Vec<SourceError>,
    drops: Vec<Dropped>,
}

const PLAIN: Plan = Plan { shards: 1, filter: None, count: None, errors: Vec::new(), drops: Vec::new() };

fn run(files: &[&str], plan: Plan) -> Outcome {
    let mut interfaces = InterfaceTable::default();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures");
    let open = |file: &&str| Reader::open(format!("{folder}/{file}").as_ref(), &mut interfaces).unwrap();
    let merge = Merge::new(files.iter().map(open).collect());
    let source = Capture { merge, errors: plan.errors.into(), drops: plan.drops };
    let (capture, blocks) = bounded(1_000);
    let matcher = plan.filter.map(|filter| Matcher::new(filter, false).unwrap());
    let block_plan = BlockPlan {
        source,
        interfaces,
        matcher,
        capture: Some(capture),
        count: plan.count,
        is_live: false,
        listeners: Vec::new(),
    };
    let (ended, end) = bounded(1);
    let (pipeline, deliveries) =
        Pipeline::over_blocks(&EngineSettings::replay(plan.shards), block_plan, move || {
            ended.send(()).unwrap()
        })
        .unwrap();
    end.recv_timeout(Duration::from_secs(20)).expect("the reader says when it is done");
    let (snapshots, reader, tally) = pipeline.finish_blocks().unwrap();
    let flows = flows(&deliveries);
    Outcome {
        sum: ShardSnapshot::sum(&snapshots),
        reader,
        tally,
        flows,
        written: blocks.try_iter().collect(),
    }
}

/// Every flow record as text, sorted; the channel closes with its pipeline.
fn flows(deliveries: &Receiver<Delivery>) -> Vec<String> {
    let records = deliveries.iter().flat_map(|delivery| delivery.finished);
    let mut flows: Vec<_> =
        records.map(|finished| serde_json::to_string(&finished.record).unwrap()).collect();
    flows.sort();
    flows
}

const MIX: &str = "traffic-mix.pcap";
const FRAGMENTS: &str = "suricata-verify__bug-6887-defrag-ipv6-tcp__frag-ip-tcp.pcap";

#[test]
fn any_number_of_threads_says_the_same() {
    let files = [MIX, FRAGMENTS, "arkime__tcp_handshake_synthetic.pcap"];
    let one = run(&files, PLAIN);
    assert_eq!(one.flows.len(), 71 + 1 + 16);
    for shards in [2, 3, 8] {
        let many = run(&files, Plan { shards, ..PLAIN });
        assert_eq!(many.flows, one.flows, "{shards} shards");
        assert!(many.sum == one.sum, "{shards} shards sum up to something else");
        assert_eq!(many.reader.end, one.reader.end);
    }
}

#[test]
fn the_filter_counts_what_it_keeps_back() {
    let all = run(&[MIX], PLAIN);
    let some = run(&[MIX], Plan { filter: Some("tcp port 6379"), shards: 2, ..PLAIN });
    let (all, some) = (&all.tally.interfaces[0], &some.tally.interfaces[0]);
    assert_eq!((all.seen, all.filtered), (1_875, 0));
    assert_eq!(some.seen, all.seen);
    assert!(some.filtered > 0 && some.filtered < some.seen, "{some:?}");
}

#[test]
fn a_count_stops_the_reader_at_that_frame() {
    let outcome = run(&[MIX], Plan { count: Some(10), ..PLAIN });
    let tally = &outcome.tally.interfaces[0];
    assert_eq!((tally.seen, tally.filtered), (10, 0));
    assert_eq!(outcome.written.iter().map(|block| block.frames.len()).sum::<usize>(), 10);
}

#[test]
fn an_error_comes_after_the_frames_before_it_and_does_not_end_the_others() {
    let error = SourceError {
        source_name: "x".into(),
        kind: SourceErrorKind::Corrupt,
        what: "bad".into(),
        advice: "mend it".into(),
    };
    let outcome = run(&[MIX], Plan { errors: vec![error.clone(), error], shards: 2, ..PLAIN });
    assert_eq!(outcome.flows.len(), 71);
    assert!(matches!(outcome.reader.errors[..], [ReadError::Source(_), ReadError::Source(_)]));
}

#[test]
fn an_expression_without_meaning_here_ends_the_run_with_its_error() {
    let outcome = run(&[MIX], Plan { filter: Some("inbound"), ..PLAIN });
    assert!(matches!(outcome.reader.errors[..], [ReadError::Filter(_)]), "{:?}", outcome.reader.errors);
    assert!(outcome.flows.is_empty());
}

#[test]
fn losses_stay_before_the_frame_that_they_came_before() {
    let lost = |before| Dropped { before, interface: InterfaceId(0), frames: 1 };
    let drops = vec![lost(0), lost(3), lost(100_000)];
    let all = run(&[MIX], Plan { drops: drops.clone(), ..PLAIN });
    assert_eq!(all.written[0].drops, [lost(0), lost(3), lost(all.written[0].frames.len())]);
    let none = run(&[MIX], Plan { drops, filter: Some("udp"), ..PLAIN });
    assert_eq!(none.written[0].drops, [lost(0), lost(0), lost(0)]);
}

#[test]
fn a_pipeline_can_be_asked_while_it_works_and_stopped() {
    let (reading, writing) = std::io::pipe().unwrap();
    let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reading));
    let bytes =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures/traffic-mix.pcap")).unwrap();
    let feeder = std::thread::spawn(move || {
        std::io::Write::write_all(&mut &writing, &bytes).unwrap();
        writing
    });
    let mut interfaces = InterfaceTable::default();
    let merge = Merge::new(vec![Reader::open(path.as_ref(), &mut interfaces).unwrap()]);
    let source = Capture { merge, errors: VecDeque::new(), drops: Vec::new() };
    let plan = BlockPlan {
        source,
        interfaces,
        matcher: None,
        capture: None,
        count: None,
        is_live: false,
        listeners: Vec::new(),
    };
    let (mut pipeline, deliveries) = Pipeline::over_blocks(&EngineSettings::replay(2), plan, || ()).unwrap();
    let still_open = feeder.join().unwrap();
    let seen = |pipeline: &mut Pipeline| pipeline.gather().flows.opened;
    for _ in 0..200 {
        if seen(&mut pipeline) == 71 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(seen(&mut pipeline), 71, "all frames were written, and the pipe is still open");
    let query = Arc::new(FlowQuery::default());
    let (reply, mut answers) = tokio::sync::mpsc::unbounded_channel();
    pipeline.ask_for_flows(&FlowsAsked { query: Arc::clone(&query), reply });
    let parts = std::iter::from_fn(|| answers.blocking_recv()).collect();
    let listing = FlowListing::merge(&query, parts);
    assert_eq!((listing.workers, listing.considered), (2, 71), "nothing leaves a replay before its end");
    pipeline.stop();
    pipeline.finish_blocks().unwrap();
    assert_eq!(flows(&deliveries).len(), 71);
    drop(still_open);
}
