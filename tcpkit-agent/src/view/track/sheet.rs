//! The table as text: cells are written once, and then set to the width of their columns.

use std::{fmt::Write as _, net::SocketAddr, num::NonZeroUsize, ops::Range, thread};

use super::{
    digits::{put_display, put_fixed, put_grouped, put_integer},
    number::{grouped, put_short, put_time},
    table::{TableLine, TableTotals},
};

/// The table: `title`, a heading, a line for each connection, and what all of them come to.
#[must_use]
pub fn render(title: &str, lines: &[TableLine], totals: &TableTotals) -> String {
    sheet(title, lines.len(), |place| lines[place], totals).concat()
}

/// The same in pieces, of so many lines that are made where they are needed: by several threads, where they are many.
#[must_use]
pub fn sheet(
    title: &str,
    count: usize,
    line: impl Fn(usize) -> TableLine + Sync,
    totals: &TableTotals,
) -> Vec<String> {
    let parts = parts(count);
    let cells = by_all(&parts, |part| Cells::of(part.clone().map(&line)));
    let mut widths = TITLES.map(|title| title.chars().count());
    for cells in &cells {
        for (width, other) in widths.iter_mut().zip(cells.widths) {
            *width = (*width).max(other.into());
        }
    }
    let mut pieces = vec![heading(title, &widths)];
    pieces.extend(by_all(&cells, |cells| cells.set(&widths)));
    pieces.push(ending(count, totals));
    pieces
}

/// Does something with each of them, each on a thread of its own where there are several.
pub(crate) fn by_all<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if let [one] = all {
        return vec![work(one)];
    }
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = all.iter().map(|one| scope.spawn(move || work(one))).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Lines shared out to as many threads as there are cores; few lines are not worth more than one.
fn parts(count: usize) -> Vec<Range<usize>> {
    let each = count.div_ceil(threads(count)).max(1);
    (0..count.max(1)).step_by(each).map(|from| from..(from + each).min(count)).collect()
}

/// Threads that so many lines are worth.
pub(crate) fn threads(count: usize) -> usize {
    let cores = if count < MANY { 1 } else { thread::available_parallelism().map_or(1, NonZeroUsize::get) };
    cores.min(MOST_THREADS)
}

/// The cells of some lines, one behind the other.
struct Cells {
    text: Vec<u8>,
    /// Octets of each, which are its columns as well: all of it is ASCII.
    lens: Vec<[u8; COLUMNS]>,
    widths: [u8; COLUMNS],
}

impl Cells {
    fn of(lines: impl ExactSizeIterator<Item = TableLine>) -> Self {
        let text = Vec::with_capacity(lines.len() * USUAL);
        let mut cells = Self { text, lens: Vec::with_capacity(lines.len()), widths: [0; COLUMNS] };
        lines.for_each(|line| cells.add(&line));
        cells
    }

    fn add(&mut self, line: &TableLine) {
        let mut lens = [0; COLUMNS];
        let mut from = self.text.len();
        for (place, len) in lens.iter_mut().enumerate() {
            put_cell(&mut self.text, place, line);
            *len = u8::try_from(self.text.len() - from).expect("no cell is as long as an octet counts");
            from = self.text.len();
        }
        for (width, len) in self.widths.iter_mut().zip(lens) {
            *width = (*width).max(len);
        }
        self.lens.push(lens);
    }

    /// The lines, each cell as wide as its column.
    fn set(&self, widths: &[usize; COLUMNS]) -> String {
        let whole: usize = widths.iter().map(|width| width + GAP).sum::<usize>() - GAP + 1;
        let mut text = vec![b' '; self.lens.len() * whole];
        let mut from = 0;
        for (line, lens) in text.chunks_exact_mut(whole).zip(&self.lens) {
            let mut start = 0;
            for (place, (len, width)) in lens.iter().zip(widths).enumerate() {
                let len = usize::from(*len);
                let at = if place < TEXTS { start } else { start + width - len };
                line[at..at + len].copy_from_slice(&self.text[from..from + len]);
                from += len;
                start += width + GAP;
            }
            line[whole - 1] = b'\n';
        }
        String::from_utf8(text).expect("cells are ASCII")
    }
}

fn put_cell(text: &mut Vec<u8>, place: usize, line: &TableLine) {
    match place {
        0 => put_end(text, &line.client),
        1 => put_end(text, &line.server),
        2 => text.extend_from_slice(line.state.name().as_bytes()),
        3 => put_fixed(text, line.lasted_us / 1e6, 3),
        4 => put_grouped(text, line.packets[0]),
        5 => put_grouped(text, line.packets[1]),
        6 => put_grouped(text, line.bytes[0]),
        7 => put_grouped(text, line.bytes[1]),
        8 => put_known(text, line.rates[0], put_short),
        9 => put_known(text, line.rates[1], put_short),
        10 => put_known(text, line.round_trip_us, put_time),
        11 => put_grouped(text, line.retransmissions),
        _ => put_known(text, Some(line.stalls_us).filter(|us| *us > 0.0), put_time),
    }
}

/// A dash for what is not known.
fn put_known(text: &mut Vec<u8>, known: Option<f64>, put: impl Fn(&mut Vec<u8>, f64)) {
    match known {
        Some(value) => put(text, value),
        None => text.push(b'-'),
    }
}

fn put_end(text: &mut Vec<u8>, end: &SocketAddr) {
    let SocketAddr::V4(end) = end else { return put_display(text, end) };
    for (octet, behind) in end.ip().octets().into_iter().zip(*b"...:") {
        put_integer(text, octet.into());
        text.push(behind);
    }
    put_integer(text, end.port().into());
}

fn heading(title: &str, widths: &[usize; COLUMNS]) -> String {
    let mut text = if title.is_empty() { String::new() } else { format!("{title}\n") };
    for (place, (cell, width)) in TITLES.iter().zip(widths).enumerate() {
        let gap = if place == 0 { 0 } else { GAP };
        let _ = if place < TEXTS {
            write!(text, "{:gap$}{cell:<width$}", "")
        } else {
            write!(text, "{:gap$}{cell:>width$}", "")
        };
    }
    text + "\n"
}

/// What all connections come to, those included that have no line.
fn ending(lines: usize, totals: &TableTotals) -> String {
    let TableTotals { connections, packets, bytes, payload, retransmissions, unlisted } = totals;
    let mut text = format!(
        "TOTAL  {} connections  {} packets  {} bytes  {} payload  {} sent again\n",
        grouped(*connections),
        grouped(*packets),
        grouped(*bytes),
        grouped(*payload),
        grouped(*retransmissions)
    );
    let left_out = connections.saturating_sub(lines as u64);
    if left_out > 0 {
        let _ = writeln!(text, "{} of them have no line here", grouped(left_out));
    }
    if *unlisted > 0 {
        let _ = writeln!(text, "{} more connections are neither listed nor summed up", grouped(*unlisted));
    }
    text
}

const TITLES: [&str; COLUMNS] = [
    "CLIENT",
    "SERVER",
    "STATE",
    "SECONDS",
    "→ PKTS",
    "← PKTS",
    "→ BYTES",
    "← BYTES",
    "→ B/s",
    "← B/s",
    "RTT",
    "RETR",
    "STALL",
];

const COLUMNS: usize = 13;

/// Columns of text, before those of numbers.
const TEXTS: usize = 3;

/// Blanks between columns.
const GAP: usize = 2;

/// Octets of a line's cells, as a rule.
const USUAL: usize = 80;

/// Lines that are worth more than one thread.
const MANY: usize = 8_192;

/// More threads would wait for memory.
const MOST_THREADS: usize = 8;
