//! Tables of files: one of all connections at the end, or one each time so much capture time has passed.

use std::{cmp::Ordering, collections::BinaryHeap, net::SocketAddr, thread};

use jiff::{Timestamp, tz::TimeZone};
use tcpkit_common::flow::FourTuple;

use super::sorting;
use crate::{
    cli::{TrackArgs, track::MOST_ROWS},
    flow::quiet::{QuietEnding, QuietFlow, QuietStalls},
    pipeline::QuietFlows,
    report::{
        FlowRecord,
        flows::{FlowListing, FlowOrder, FlowQuery, FlowState, Rank, ShardListing},
    },
    sink::write_stdout,
    time::Span,
    view::track::{TableLine, TableTotals, by_all, render, sheet, threads},
};

/// What the recorder gives connections to.
pub(in crate::agent) struct TrackTables {
    order: FlowOrder,
    descending: bool,
    only_from_syn: bool,
    rows: usize,
    /// Tables come by capture time; else there is one at the end.
    is_periodic: bool,
    /// The first rows so far, the last of them on top.
    best: BinaryHeap<Ranked>,
    totals: TableTotals,
}

impl TrackTables {
    /// Those of the files of this command line.
    pub(super) fn new(args: &TrackArgs) -> Self {
        // Looked at when the run began.
        let (order, descending) = sorting(args).unwrap_or_default();
        Self {
            order,
            descending,
            only_from_syn: args.only_from_syn,
            rows: args.rows.unwrap_or(MOST_ROWS),
            is_periodic: args.interval.is_some(),
            best: BinaryHeap::new(),
            totals: TableTotals::default(),
        }
    }

    /// Takes a connection that is over.
    pub(in crate::agent) fn take(&mut self, record: &FlowRecord) {
        if self.is_periodic || record.midstream && self.only_from_syn {
            return;
        }
        let line = TableLine::of_record(record);
        self.totals.add(&line);
        let place = line.rank(self.order, self.descending);
        if self.best.len() < self.rows {
            self.best.push(Ranked { place, line });
        } else if let Some(mut last) = self.best.peek_mut().filter(|last| place < last.place) {
            *last = Ranked { place, line };
        }
    }

    /// The table of the flows of a whole file, in pieces.
    pub(super) fn of_quiet(&self, flows: &QuietFlows) -> Vec<String> {
        let wanted = flows.odd.iter().filter(|record| !(record.midstream && self.only_from_syn));
        let tables: Vec<_> = flows.quiet().collect();
        let mut parts = by_all(&tables, |flows| self.sorted(flows.clone().map(Source::Quiet)));
        parts.push(self.sorted(wanted.map(Source::Odd)));
        let mut totals = TableTotals::default();
        let mut places = Vec::with_capacity(parts.iter().map(|(places, _)| places.len()).sum());
        for (part, sums) in parts {
            places.extend(part);
            totals.merge(&sums);
        }
        // Parts that are in order are merged, not sorted once more.
        places.sort_by_key(|(first, _)| *first);
        self.settle(&mut places);
        places.truncate(self.rows);
        let line = |place: usize| {
            fetch(places.get(place + SOON));
            places[place].1.line()
        };
        sheet("", places.len(), line, &totals)
    }

    /// Lines in the order of the first numbers of their places, and what all of them come to.
    fn sorted<'a>(&self, sources: impl Iterator<Item = Source<'a>>) -> (Vec<(u64, Source<'a>)>, TableTotals) {
        let mut totals = TableTotals::default();
        let places = sources.map(|source| {
            let line = source.line();
            totals.add(&line);
            (line.rank(self.order, self.descending).0.first(), source)
        });
        let mut places: Vec<_> = places.collect();
        places.sort_unstable_by_key(|(first, _)| *first);
        (places, totals)
    }

    /// Puts lines in order that the first numbers leave open, by all cores.
    fn settle(&self, places: &mut [(u64, Source<'_>)]) {
        let each = places.len().div_ceil(threads(places.len())).max(1);
        thread::scope(move |scope| {
            let mut rest = places;
            while rest.len() > each {
                let first = rest[each].0;
                let behind = rest.partition_point(|(other, _)| *other <= first);
                let (part, others) = rest.split_at_mut(behind);
                rest = others;
                scope.spawn(move || self.settle_part(part));
            }
            self.settle_part(rest);
        });
    }

    fn settle_part(&self, places: &mut [(u64, Source<'_>)]) {
        let mut ranked = Vec::new();
        for same in places.chunk_by_mut(|one, other| one.0 == other.0).filter(|same| same.len() > 1) {
            ranked.extend(same.iter().enumerate().map(|(place, (_, source))| {
                fetch(same.get(place + SOON));
                let place = source.line().rank(self.order, self.descending);
                (place, *source)
            }));
            ranked.sort_unstable_by(|(one, one_source), (other, other_source)| {
                one.cmp(other).then_with(|| one_source.line().tie(&other_source.line()))
            });
            for ((_, place), (_, source)) in same.iter_mut().zip(ranked.drain(..)) {
                *place = source;
            }
        }
    }

    /// Prints a table of the capture so far.
    ///
    /// # Errors
    /// Standard output does not take it.
    pub(in crate::agent) fn print(&self, table: ShardListing) -> anyhow::Result<()> {
        let query = FlowQuery { limit: FlowQuery::MOST_ROWS, ..FlowQuery::default() };
        Ok(write_stdout(&table_of(&FlowListing::merge(&query, vec![table]), self.rows))?)
    }

    /// Prints the table of all of them.
    ///
    /// # Errors
    /// Standard output does not take it.
    pub(in crate::agent) fn finish(&mut self) -> anyhow::Result<()> {
        if self.is_periodic {
            return Ok(());
        }
        Ok(write_stdout(&self.text())?)
    }

    /// The table of all that were taken.
    pub(super) fn text(&mut self) -> String {
        let best = std::mem::take(&mut self.best).into_sorted_vec();
        let lines: Vec<_> = best.into_iter().map(|ranked| ranked.line).collect();
        render("", &lines, &self.totals)
    }
}

/// A table of connections as they stand, of at most so many lines.
pub(super) fn table_of(listing: &FlowListing, rows: usize) -> String {
    let mut lines: Vec<_> = listing.flows.iter().map(TableLine::of_row).collect();
    let mut totals = TableTotals::default();
    lines.iter().for_each(|line| totals.add(line));
    // Of those that are in no listing nothing more is known here.
    totals.unlisted = listing.matched.saturating_sub(totals.connections);
    lines.truncate(rows);
    let [client, server] = listing.bytes_per_second;
    let title = format!(
        "{}   {} connections, {} open   → {client:.0} B/s   ← {server:.0} B/s",
        clock(listing.now_us),
        listing.matched,
        listing.open
    );
    render(&title, &lines, &totals) + "\n"
}

/// A point in time in the time zone of the reader.
fn clock(us: i64) -> String {
    let at = Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX);
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// Where a line comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Quiet(&'a QuietFlow),
    Odd(&'a FlowRecord),
}

/// Asks for the memory of a line that will be needed soon: in their order they lie anywhere.
fn fetch(place: Option<&(u64, Source<'_>)>) {
    if let Some((_, Source::Quiet(flow))) = place {
        flow.fetch();
    }
}

/// Lines between one and the one whose memory is asked for.
const SOON: usize = 6;

impl Source<'_> {
    fn line(&self) -> TableLine {
        match self {
            Self::Quiet(flow) => line(flow),
            Self::Odd(record) => TableLine::of_record(record),
        }
    }
}

/// A quiet flow as a line.
fn line(flow: &QuietFlow) -> TableLine {
    let FourTuple { source, destination, source_port, destination_port } =
        flow.key().tuple_from(flow.client());
    let (start_us, end_us) = (flow.start.as_micros(), flow.end.as_micros());
    let lasted_us = TableLine::lasted(start_us, end_us);
    let [client, server] = flow.directions();
    let bytes = [client.bytes, server.bytes];
    let [one, other] = [client, server].map(|side| side.round_trip().map(Span::as_micros_f64));
    let QuietStalls { server: of_server, client: of_client, idle, .. } = flow.stalls;
    TableLine {
        client: SocketAddr::new(source.to_ip(), source_port),
        server: SocketAddr::new(destination.to_ip(), destination_port),
        state: match flow.ending() {
            QuietEnding::Open => FlowState::Established,
            QuietEnding::Fin => FlowState::Closed,
            QuietEnding::Reset => FlowState::Reset,
        },
        start_us,
        lasted_us,
        idle_us: 0.0,
        packets: [client.packets, server.packets],
        bytes,
        payload: [client.payload, server.payload],
        rates: TableLine::rates(bytes, lasted_us),
        retransmissions: 0,
        round_trip_us: one.zip(other).map(|(one, other)| one + other),
        stalls_us: [of_server, of_client, idle].map(Span::as_micros_f64).iter().sum(),
    }
}

/// A line and its place: of several, the one that comes last is the greatest.
struct Ranked {
    place: (Rank, i64),
    line: TableLine,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place).then_with(|| self.line.tie(&other.line))
    }
}
