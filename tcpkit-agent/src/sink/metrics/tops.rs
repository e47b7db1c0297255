//! Which servers, commands and places are told apart.

use super::top::{Row, Top};
use crate::report::{
    Count, DURATION_BUCKETS, Durations, HandshakeCounts, LedgerEntry, Report, SentAgainCount,
};

/// What is told apart, and what was told of it.
#[derive(Debug)]
pub(super) struct Tops {
    handshakes: Top,
    retransmissions: Top,
    requests: Top,
    commands: Top,
    interfaces: Top,
    traffic: Top,
    ledger: Top,
}

/// What is told apart now.
#[derive(Debug)]
pub(super) struct Named {
    /// By server: handshakes that succeeded and that failed.
    pub(super) handshakes: Vec<Row>,
    /// By server: segments with payload, and those sent again by cause, in the order of [`CAUSES`].
    pub(super) retransmissions: Vec<Row>,
    /// By server and protocol: requests, those answered with an error, and those without an answer.
    pub(super) requests: Vec<Row>,
    /// By protocol and command: durations.
    pub(super) commands: Vec<(Vec<String>, Durations)>,
    /// By interface: frames, packets, bytes.
    pub(super) interfaces: Vec<Row>,
    /// By interface, direction and protocol: frames, packets, bytes.
    pub(super) traffic: Vec<Row>,
    /// By interface, hook, leaf and cause: frames.
    pub(super) ledger: Vec<Row>,
}

impl Tops {
    /// So many servers and commands.
    pub(super) fn new(top: usize) -> Self {
        Self {
            handshakes: Top::new(top),
            retransmissions: Top::new(top),
            requests: Top::new(top),
            commands: Top::new(top),
            interfaces: Top::new(INTERFACES),
            traffic: Top::new(INTERFACES * WAYS),
            ledger: Top::new(INTERFACES * LEAVES),
        }
    }

    /// What is told apart now.
    pub(super) fn update(&mut self, report: &Report) -> Named {
        let (commands, others) =
            self.commands.update(of_durations(&report.figures.all_commands), commands(report));
        let commands = with_others(commands, others, 2, true);
        Named {
            handshakes: handshakes(&mut self.handshakes, report),
            retransmissions: retransmissions(&mut self.retransmissions, report),
            requests: requests(&mut self.requests, report),
            commands: commands.into_iter().map(|row| (row.key, to_durations(&row.counts))).collect(),
            interfaces: of_counts(&mut self.interfaces, interfaces(report), 1),
            traffic: of_counts(&mut self.traffic, traffic(report), 3),
            ledger: ledger(&mut self.ledger, report),
        }
    }
}

fn with_others(mut rows: Vec<Row>, others: Vec<u64>, labels: usize, always: bool) -> Vec<Row> {
    if always || others.iter().any(|count| *count > 0) {
        rows.push(Row { key: vec!["other".to_owned(); labels], counts: others });
    }
    rows
}

/// Where the whole is nothing but the sum of the rows.
fn of_counts(top: &mut Top, mut rows: Vec<Row>, labels: usize) -> Vec<Row> {
    let mut whole = vec![0; rows.first().map_or(0, |row| row.counts.len())];
    for row in &rows {
        whole.iter_mut().zip(&row.counts).for_each(|(sum, count)| *sum += count);
    }
    rows.sort_by(|a, b| b.counts.cmp(&a.counts).then_with(|| a.key.cmp(&b.key)));
    let (rows, others) = top.update(whole, rows);
    let mut rows = with_others(rows, others, labels, false);
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

fn handshakes(top: &mut Top, report: &Report) -> Vec<Row> {
    let counts =
        |counts: &HandshakeCounts| vec![counts.results.get("success").copied().unwrap_or(0), counts.failures];
    let servers = &report.handshake.servers;
    let rows: Vec<_> = servers
        .iter()
        .map(|one| Row { key: vec![server(one.server_ip, one.server_port)], counts: counts(&one.counts) })
        .collect();
    let mut whole = counts(&report.handshake.other_servers);
    for row in &rows {
        whole.iter_mut().zip(&row.counts).for_each(|(sum, count)| *sum += count);
    }
    let (rows, others) = top.update(whole, rows);
    with_others(rows, others, 1, true)
}

fn retransmissions(top: &mut Top, report: &Report) -> Vec<Row> {
    let counts = |count: &SentAgainCount| {
        let causes = CAUSES.map(|cause| count.retransmissions.get(cause).copied().unwrap_or(0));
        let mut counts = vec![count.data_segments];
        counts.extend(causes);
        counts
    };
    let rows = report
        .retransmit
        .servers
        .iter()
        .map(|one| Row { key: vec![server(one.server_ip, one.server_port)], counts: counts(&one.count) });
    let (rows, others) = top.update(counts(&report.retransmit.total), rows.collect());
    with_others(rows, others, 1, true)
}

fn requests(top: &mut Top, report: &Report) -> Vec<Row> {
    let Some(requests) = &report.latency.requests else { return Vec::new() };
    let counts =
        |one: &crate::report::RequestSummary| vec![one.requests, one.errors, one.unanswered + one.aborted];
    let rows = requests.servers.iter().map(|one| Row {
        key: vec![server(one.server_ip, one.server_port), one.protocol.to_owned()],
        counts: counts(&one.summary),
    });
    let (rows, others) = top.update(counts(&requests.total), rows.collect());
    with_others(rows, others, 2, true)
}

fn commands(report: &Report) -> Vec<Row> {
    let commands = report.figures.commands.iter();
    commands
        .map(|((protocol, command), durations)| Row {
            key: vec![(*protocol).to_owned(), command.clone()],
            counts: of_durations(durations),
        })
        .collect()
}

fn interfaces(report: &Report) -> Vec<Row> {
    let interfaces = report.bandwidth.interfaces.iter();
    interfaces
        .map(|one| Row { key: vec![one.interface.clone()], counts: counts(one.traffic.count) })
        .collect()
}

fn traffic(report: &Report) -> Vec<Row> {
    let figures = report.figures.traffic.iter();
    figures
        .map(|one| Row {
            key: vec![one.interface.clone(), one.direction.to_owned(), one.protocol.to_owned()],
            counts: counts(one.count),
        })
        .collect()
}

fn ledger(top: &mut Top, report: &Report) -> Vec<Row> {
    of_counts(top, report.ledger.entries.iter().flat_map(leaves).collect(), 4)
}

/// The leaves of an entry; their sum is what was seen.
fn leaves(entry: &LedgerEntry) -> Vec<Row> {
    let row = |leaf: &str, cause: &str, frames: u64| Row {
        key: vec![entry.interface.clone(), entry.hook.clone(), leaf.to_owned(), cause.to_owned()],
        counts: vec![frames],
    };
    let mut rows = vec![
        row("filtered", "", entry.filtered),
        row("ring_full", "", entry.ring_full),
        row("helper_failed", "", entry.helper_failed),
        row("analyzed", "", entry.analyzed),
    ];
    rows.extend(entry.malformed.iter().map(|(cause, frames)| row("malformed", cause, *frames)));
    rows.extend(entry.not_analyzed.iter().map(|(cause, frames)| row("not_analyzed", cause, *frames)));
    rows
}

fn counts(count: Count) -> Vec<u64> {
    vec![count.frames, count.packets, count.bytes]
}

fn of_durations(durations: &Durations) -> Vec<u64> {
    [&durations.buckets[..], &[durations.sum_ns], &durations.native].concat()
}

fn to_durations(counts: &[u64]) -> Durations {
    let (buckets, others) = counts.split_at(DURATION_BUCKETS.min(counts.len()));
    let (sum, native) = others.split_at(1.min(others.len()));
    Durations {
        buckets: buckets.try_into().unwrap_or_default(),
        native: native.to_vec(),
        sum_ns: sum.first().copied().unwrap_or_default(),
    }
}

/// Address and port, as people write them.
fn server(address: std::net::IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

/// Causes of retransmissions, in the order of the manual.
pub(super) const CAUSES: [&str; 5] = ["rto", "fast", "tlp", "spurious", "unknown"];

/// Interfaces that are told apart: as many as a live capture can have.
const INTERFACES: usize = 64;

/// Directions and protocols of one interface.
const WAYS: usize = 12;

/// Leaves of one interface's ledger, with their causes, that are commonly there.
const LEAVES: usize = 24;
