//! Listings of flows: who stands where, in what order, and that frames go on meanwhile.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    facts, ms,
    scenario::{ACK, Captured, FIN_ACK, RST_ACK, SYN, SYN_ACK, Scenario, scenario},
    secs,
};
use crate::{
    pipeline::{EngineSettings, FlowsAsked, Output, Shard, flows::Lister},
    report::flows::{FlowFilter, FlowListing, FlowOrder, FlowQuery, FlowRow, ShardListing},
    time::Timestamp,
    wire::{self, InterfaceId, ParseOptions},
};

/// Shards and their listers, as workers have them.
struct Bench {
    shards: Vec<(Shard, Lister)>,
    now: Timestamp,
}

impl Bench {
    fn new(shards: u32) -> Self {
        let settings = EngineSettings::replay(shards);
        let shard = |number| {
            let mut shard = Shard::new(&settings, number);
            (0..4).for_each(|interface| shard.set_interface(InterfaceId(interface), facts(interface)));
            (shard, Lister::default())
        };
        Self { shards: (0..shards).map(shard).collect(), now: Timestamp::MIN }
    }

    fn take(&mut self, frames: &[Captured]) {
        let count = u32::try_from(self.shards.len()).unwrap();
        for captured in frames {
            let frame = captured.frame();
            self.now = self.now.max(frame.timestamp);
            let packet = wire::parse(&frame, ParseOptions::default()).packet.unwrap();
            let (shard, _) = &mut self.shards[wire::flow_hash(&packet).shard(count) as usize];
            shard.on_frame(&frame, self.now, &mut Output::default());
        }
        for (shard, _) in &mut self.shards {
            shard.advance(self.now, &mut Output::default());
        }
    }

    fn ask(&mut self, query: &FlowQuery) -> UnboundedReceiver<ShardListing> {
        let (reply, answers) = unbounded_channel();
        let asked = FlowsAsked { query: Arc::new(query.clone()), reply };
        self.shards.iter_mut().for_each(|(_, lister)| lister.ask(asked.clone()));
        answers
    }

    /// One slice of each shard; whether there is more to do.
    fn go_on(&mut self) -> bool {
        self.shards.iter_mut().for_each(|(shard, lister)| lister.go_on(shard));
        self.shards.iter().any(|(_, lister)| lister.is_busy())
    }

    fn list(&mut self, query: &FlowQuery) -> FlowListing {
        let answers = self.ask(query);
        while self.go_on() {}
        merged(query, answers)
    }
}

fn merged(query: &FlowQuery, mut answers: UnboundedReceiver<ShardListing>) -> FlowListing {
    let parts = std::iter::from_fn(|| answers.try_recv().ok()).collect();
    FlowListing::merge(query, parts)
}

fn line(row: &FlowRow) -> String {
    let host = |ip: std::net::IpAddr, port| format!("{}:{port}", ip.to_string().rsplit('.').next().unwrap());
    format!(
        "{}>{} {}{} {}/{} bytes, {}+{} again, {} us",
        host(row.client_ip, row.client_port),
        host(row.server_ip, row.server_port),
        row.state.name(),
        if row.midstream { " midstream" } else { "" },
        row.client.payload_bytes,
        row.server.payload_bytes,
        row.client.retransmissions,
        row.server.retransmissions,
        row.round_trip().map_or("-".to_owned(), |us| us.to_string()),
    )
}

fn lines(listing: &FlowListing) -> Vec<String> {
    listing.flows.iter().map(line).collect()
}

/// A flow in each state, with ports that tell the order in which they began.
fn all_states() -> Scenario {
    scenario()
        .port(40_001)
        .client(SYN, 0, 0, 0)
        .port(40_002)
        .client(SYN, 0, 0, 0)
        .server(SYN_ACK, 0, 1, 0)
        .port(40_003)
        .handshake()
        .client(ACK, 1, 1, 100)
        .after(ms(300))
        .client(ACK, 1, 1, 100)
        .server(ACK, 1, 101, 0)
        .port(40_004)
        .handshake()
        .client(FIN_ACK, 1, 1, 0)
        .port(40_005)
        .handshake()
        .fins()
        .port(40_006)
        .handshake()
        .server(RST_ACK, 1, 1, 0)
        .port(40_007)
        .client(SYN, 0, 0, 0)
        .server(RST_ACK, 0, 1, 0)
        .port(40_008)
        .client(SYN, 0, 0, 0)
        .icmp(3, 1)
        .port(40_009)
        .client(ACK, 1, 1, 10)
        .server(ACK, 1, 11, 1_000)
}

fn by_client() -> FlowQuery {
    FlowQuery { order: FlowOrder::Client, descending: false, ..FlowQuery::default() }
}

#[test]
fn every_flow_stands_where_it_stands() {
    let expected = [
        "1:40001>2:80 syn_sent 0/0 bytes, 0+0 again, - us",
        "1:40002>2:80 syn_received 0/0 bytes, 0+0 again, - us",
        "1:40003>2:80 established 200/0 bytes, 1+0 again, 15000 us",
        "1:40004>2:80 closing 0/0 bytes, 0+0 again, 15000 us",
        "1:40005>2:80 closed 0/0 bytes, 0+0 again, 15000 us",
        "1:40006>2:80 reset 0/0 bytes, 0+0 again, 15000 us",
        "1:40007>2:80 refused 0/0 bytes, 0+0 again, - us",
        "1:40008>2:80 unreachable 0/0 bytes, 0+0 again, - us",
        "1:40009>2:80 established midstream 10/1000 bytes, 0+0 again, 0.001 us",
    ];
    for shards in [1, 2, 5] {
        let mut bench = Bench::new(shards);
        bench.take(&all_states().frames());
        let listing = bench.list(&by_client());
        assert_eq!(lines(&listing), expected, "{shards} shards");
        let counts = (listing.considered, listing.matched, listing.open, listing.workers);
        assert_eq!(counts, (9, 9, 5, shards));
        assert_eq!(listing.after, None);
    }
}

#[test]
fn a_handshake_that_times_out_says_so() {
    let mut bench = Bench::new(1);
    bench.take(&scenario().client(SYN, 0, 0, 0).after(secs(61)).port(7).handshake().frames());
    let query = FlowQuery { filter: FlowFilter::parse("port 40000").unwrap(), ..by_client() };
    assert_eq!(lines(&bench.list(&query)), ["1:40000>2:80 timeout 0/0 bytes, 0+0 again, - us"]);
}

#[test]
fn closed_flows_go_from_the_listing_before_they_go_from_the_table() {
    let mut bench = Bench::new(2);
    bench.take(&all_states().after(secs(3)).port(40_010).handshake().frames());
    let query = FlowQuery { closed_within: Some(secs(2)), ..by_client() };
    let listing = bench.list(&query);
    let ports: Vec<_> = listing.flows.iter().map(|row| row.client_port - 40_000).collect();
    assert_eq!(ports, [1, 2, 3, 4, 9, 10], "open flows stay, however long nothing comes");
    assert_eq!((listing.considered, listing.matched), (10, 6));
}

#[test]
fn pages_hold_every_flow_once_in_any_order() {
    let mut bench = Bench::new(3);
    bench.take(&all_states().frames());
    for order in FlowOrder::ALL {
        for descending in [false, true] {
            let mut query = FlowQuery { order, descending, ..FlowQuery::default() };
            let whole = lines(&bench.list(&query));
            assert_eq!(whole.len(), 9);
            query.limit = 2;
            let mut pages = Vec::new();
            loop {
                let page = bench.list(&query);
                assert_eq!(page.matched, 9, "a page tells of all of them");
                pages.extend(lines(&page));
                let Some(after) = page.after else { break };
                query.after = Some(after.parse().unwrap());
            }
            assert_eq!(pages, whole, "{order:?}, descending: {descending}");
        }
    }
}

#[test]
fn orders_are_what_they_say() {
    let mut bench = Bench::new(2);
    bench.take(&all_states().frames());
    let mut first = |order, descending| {
        let query = FlowQuery { order, descending, limit: 1, ..FlowQuery::default() };
        bench.list(&query).flows[0].client_port - 40_000
    };
    assert_eq!(first(FlowOrder::Bytes, true), 9);
    assert_eq!(first(FlowOrder::Retransmissions, true), 3);
    assert_eq!(first(FlowOrder::Client, true), 9);
    assert_eq!(first(FlowOrder::Start, false), 1);
    assert_eq!(first(FlowOrder::Idle, true), 1);
    assert_eq!(first(FlowOrder::State, true), 8);
    assert_eq!(first(FlowOrder::Stalls, true), 3);
}

#[test]
fn a_flow_s_throughput_is_that_since_the_last_look() {
    let talk = scenario().handshake().client(ACK, 1, 1, 1_000);
    let before = talk.frames().len();
    let talk = scenario().handshake().client(ACK, 1, 1, 1_000).after(secs(2)).client(ACK, 1_001, 1, 500);
    let frames = talk.server(ACK, 1, 1_501, 200).frames();
    let mut bench = Bench::new(1);
    bench.take(&frames[..before]);
    let rate = |listing: &FlowListing| {
        let row = &listing.flows[0];
        (row.client.payload_bytes_per_second, row.server.payload_bytes_per_second)
    };
    assert_eq!(rate(&bench.list(&by_client())), (None, None), "it was there when we looked first");
    bench.take(&frames[before..]);
    let listing = bench.list(&by_client());
    assert_eq!(rate(&listing), (Some(250.0), Some(100.0)), "in two seconds");
    assert_eq!(listing.bytes_per_second, [270.0, 120.0], "headers are wire bytes");
    assert_eq!(rate(&bench.list(&by_client())), (Some(250.0), Some(100.0)), "nothing is new in no time");
    let young = scenario().after(secs(3)).port(7).handshake().client(ACK, 1, 1, 1_000);
    bench.take(&young.frames());
    let query = FlowQuery { filter: FlowFilter::parse("port 7").unwrap(), ..by_client() };
    assert_eq!(rate(&bench.list(&query)).0, Some(1_000.0), "it began after we had begun to look");
}

#[test]
fn frames_go_on_between_slices_and_no_flow_is_missed() {
    let mut bench = Bench::new(1);
    let mut story = scenario();
    for port in 1..=5_000 {
        story = story.port(port).client(SYN, 0, 0, 0);
    }
    bench.take(&story.frames());
    let query = FlowQuery { limit: 10_000, ..by_client() };
    let answers = bench.ask(&query);
    let mut slices = 0;
    while bench.go_on() {
        slices += 1;
        // Some are behind the walk and some before it.
        let first = slices * 500;
        let mut story = scenario();
        for port in first..first + 500 {
            story = story.port(port).server(SYN_ACK, 0, 1, 0).client(ACK, 1, 1, 0);
        }
        bench.take(&story.frames());
    }
    assert!(slices >= 5, "{slices} slices: no more than a thousand flows are looked at at a time");
    let listing = merged(&query, answers);
    let ports: Vec<_> = listing.flows.iter().map(|row| row.client_port).collect();
    assert_eq!(ports, (1..=5_000).collect::<Vec<_>>());
    assert!(listing.considered >= 5_000, "what moved was looked at twice: {}", listing.considered);
}

#[test]
fn nothing_is_made_for_somebody_who_went_away() {
    let mut bench = Bench::new(1);
    bench.take(&all_states().frames());
    drop(bench.ask(&by_client()));
    assert!(!bench.go_on());
    assert_eq!(bench.list(&by_client()).flows.len(), 9);
}
