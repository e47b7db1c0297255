//! What the view shows, taken out of a report: a line for each command or server, and the slowest requests.

use std::{cmp::Ordering, collections::HashMap};

/// Requests of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Which protocol; empty where it is told by the name.
    pub protocol: &'static str,
    /// Command, or server and port; what would break a terminal is escaped already.
    pub name: String,
    /// All of them so far.
    pub requests: u64,
    /// Answered with an error.
    pub errors: u64,
    /// Without an answer: unanswered and aborted.
    pub unanswered: u64,
    /// p50, p90, p99, p99.9 and the longest, in microseconds; `None` where none was answered.
    pub times_us: [Option<f64>; TIMES],
    /// What the server itself took at p50, in microseconds.
    pub server_us: Option<f64>,
    /// Lost to retransmissions and shut windows, all of them together, in microseconds.
    pub lost_us: f64,
}

/// One slow request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slow {
    /// When it was asked, as text.
    pub time: String,
    /// How long it took, in microseconds.
    pub total_us: f64,
    /// Client and server.
    pub ends: String,
    /// The request, escaped.
    pub label: String,
    /// Where the time went.
    pub spent: String,
}

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// By command.
    pub commands: Vec<Line>,
    /// By server.
    pub servers: Vec<Line>,
    /// Slowest first.
    pub slowest: Vec<Slow>,
    /// Capture time of the report, seconds since the epoch.
    pub at: f64,
    /// Delivered of matched.
    pub completeness: Option<f64>,
    /// Open flows.
    pub flows: u64,
}

/// By what lines are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Column {
    /// Protocol and name.
    Name,
    /// Requests so far.
    #[default]
    Requests,
    /// Requests per second.
    Rate,
    /// Errors.
    Errors,
    /// Without an answer.
    Unanswered,
    /// p50.
    P50,
    /// p90.
    P90,
    /// p99.
    P99,
    /// p99.9.
    P999,
    /// The longest.
    Max,
    /// What the server took at p50.
    Server,
    /// Lost to the network.
    Lost,
}

/// Percentiles of a line, and the longest.
pub const TIMES: usize = 5;

impl Column {
    /// In order of the screen.
    pub const ALL: [Self; 12] = [
        Self::Name,
        Self::Requests,
        Self::Rate,
        Self::Errors,
        Self::Unanswered,
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::Max,
        Self::Server,
        Self::Lost,
    ];

    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Name => "COMMAND",
            Self::Requests => "REQUESTS",
            Self::Rate => "REQ/S",
            Self::Errors => "ERRORS",
            Self::Unanswered => "UNANSWERED",
            Self::P50 => "P50",
            Self::P90 => "P90",
            Self::P99 => "P99",
            Self::P999 => "P99.9",
            Self::Max => "MAX",
            Self::Server => "SERVER P50",
            Self::Lost => "LOST",
        }
    }

    /// The word that `--sort` takes.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Requests => "requests",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::Unanswered => "unanswered",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Max => "max",
            Self::Server => "server",
            Self::Lost => "lost",
        }
    }

    /// The next one on the screen, or the one before.
    #[must_use]
    pub fn beside(self, forward: bool) -> Self {
        let count = Self::ALL.len();
        let here = Self::ALL.iter().position(|column| *column == self).unwrap_or(0);
        Self::ALL[(here + if forward { 1 } else { count - 1 }) % count]
    }
}

/// Requests per second, from one report to the next.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    before: HashMap<(&'static str, String), u64>,
    at: Option<f64>,
    per_second: HashMap<(&'static str, String), f64>,
}

impl Rates {
    /// Takes the lines of a report.
    pub fn on_lines<'a>(&mut self, lines: impl Iterator<Item = &'a Line>, at: f64) {
        let elapsed = self.at.map(|before| at - before).filter(|elapsed| *elapsed > 0.0);
        if self.at.is_some() && elapsed.is_none() {
            return;
        }
        let mut now = HashMap::new();
        self.per_second.clear();
        for line in lines {
            let key = (line.protocol, line.name.clone());
            if let Some(elapsed) = elapsed {
                let new = line.requests.saturating_sub(self.before.get(&key).copied().unwrap_or(0));
                self.per_second.insert(key.clone(), count(new) / elapsed);
            }
            now.insert(key, line.requests);
        }
        self.before = now;
        self.at = Some(at);
    }

    /// Of a line; `None` before a second report.
    #[must_use]
    pub fn of(&self, line: &Line) -> Option<f64> {
        self.per_second.get(&(line.protocol, line.name.clone())).copied()
    }
}

/// Sorts lines, the greatest first, names upwards; equal ones by name.
pub fn sort(lines: &mut [Line], column: Column, rates: &Rates) {
    let number = |line: &Line| match column {
        Column::Name => None,
        Column::Requests => Some(count(line.requests)),
        Column::Rate => rates.of(line),
        Column::Errors => Some(count(line.errors)),
        Column::Unanswered => Some(count(line.unanswered)),
        Column::P50 => line.times_us[0],
        Column::P90 => line.times_us[1],
        Column::P99 => line.times_us[2],
        Column::P999 => line.times_us[3],
        Column::Max => line.times_us[4],
        Column::Server => line.server_us,
        Column::Lost => Some(line.lost_us),
    };
    lines.sort_by(|left, right| {
        let by_number = number(right).partial_cmp(&number(left)).unwrap_or(Ordering::Equal);
        by_number.then_with(|| (left.protocol, &left.name).cmp(&(right.protocol, &right.name)))
    });
}

#[expect(clippy::cast_precision_loss, reason = "for the eye")]
const fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, requests: u64, p99: Option<f64>) -> Line {
        let times_us = [None, None, p99, None, None];
        Line { protocol: "redis", name: name.into(), requests, times_us, ..Line::default() }
    }

    #[test]
    fn the_greatest_is_first_and_what_has_no_number_last() {
        let mut lines = vec![line("GET", 5, None), line("SET", 9, Some(3.0)), line("INCR", 5, Some(8.0))];
        let names = |lines: &[Line]| lines.iter().map(|line| line.name.clone()).collect::<Vec<_>>();
        sort(&mut lines, Column::Requests, &Rates::default());
        assert_eq!(names(&lines), ["SET", "GET", "INCR"]);
        sort(&mut lines, Column::P99, &Rates::default());
        assert_eq!(names(&lines), ["INCR", "SET", "GET"]);
        sort(&mut lines, Column::Name, &Rates::default());
        assert_eq!(names(&lines), ["GET", "INCR", "SET"]);
    }

    #[test]
    fn rates_are_of_capture_time() {
        let mut rates = Rates::default();
        let get = line("GET", 100, None);
        rates.on_lines([&get].into_iter(), 10.0);
        assert_eq!(rates.of(&get), None);
        rates.on_lines([&line("GET", 100, None)].into_iter(), 10.0);
        rates.on_lines([&line("GET", 150, None)].into_iter(), 12.0);
        assert_eq!(rates.of(&get), Some(25.0));
    }

    #[test]
    fn columns_go_round() {
        assert_eq!(Column::Lost.beside(true), Column::Name);
        assert_eq!(Column::Name.beside(false), Column::Lost);
    }
}
