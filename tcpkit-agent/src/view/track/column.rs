//! Columns of the table: which ones have room, and what stands in them.

use super::{
    TrackView, address,
    number::{idle, or_dash, short, short_count, time},
    sparkline,
};
use crate::report::flows::{FlowOrder, FlowRow, FlowState};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Who opened the connection.
    Client,
    /// The other end.
    Server,
    /// Where it was seen.
    Interface,
    /// Where it stands.
    State,
    /// Time since its first frame.
    Age,
    /// Time since its last frame.
    Idle,
    /// What the client sends in a second.
    ClientRate,
    /// What the server sends in a second.
    ServerRate,
    /// Wire bytes of both.
    Bytes,
    /// Smoothed round trip of the whole path.
    RoundTrip,
    /// Segments sent again by both.
    Retransmissions,
    /// Time spent in stalls.
    Stalls,
    /// The last minute, second by second.
    Minute,
}

impl Column {
    /// What it is sorted by.
    #[must_use]
    pub const fn order(self) -> FlowOrder {
        match self {
            Self::Client => FlowOrder::Client,
            Self::Server => FlowOrder::Server,
            Self::Interface => FlowOrder::Interface,
            Self::State => FlowOrder::State,
            Self::Age => FlowOrder::Start,
            Self::Idle => FlowOrder::Idle,
            Self::ClientRate => FlowOrder::ClientRate,
            Self::ServerRate => FlowOrder::ServerRate,
            Self::Bytes => FlowOrder::Bytes,
            Self::RoundTrip => FlowOrder::RoundTrip,
            Self::Retransmissions => FlowOrder::Retransmissions,
            Self::Stalls => FlowOrder::Stalls,
            Self::Minute => FlowOrder::Rate,
        }
    }

    /// Whether the greatest is of most interest, and comes first.
    #[must_use]
    pub const fn is_descending(self) -> bool {
        !matches!(self, Self::Client | Self::Server | Self::Interface | Self::State | Self::Idle)
    }

    /// Its heading.
    pub(super) const fn title(self, in_bits: bool) -> &'static str {
        match self {
            Self::Client => "CLIENT",
            Self::Server => "SERVER",
            Self::Interface => "IFACE",
            Self::State => "STATE",
            Self::Age => "AGE",
            Self::Idle => "IDLE",
            Self::ClientRate if in_bits => "→ b/s",
            Self::ServerRate if in_bits => "← b/s",
            Self::ClientRate => "→ B/s",
            Self::ServerRate => "← B/s",
            Self::Bytes => "BYTES",
            Self::RoundTrip => "RTT",
            Self::Retransmissions => "RETR",
            Self::Stalls => "STALL",
            Self::Minute => "LAST MINUTE",
        }
    }

    /// Whether its text begins at the left.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Client | Self::Server | Self::Interface | Self::State | Self::Minute)
    }

    /// Columns that its text needs; that of ends and of the minute depends on the room.
    const fn width(self) -> u16 {
        match self {
            Self::Client | Self::Server => END_LEAST,
            Self::Interface => 8,
            Self::State => 7,
            Self::Age | Self::Idle => 4,
            Self::ClientRate | Self::ServerRate | Self::Bytes => 5,
            Self::RoundTrip | Self::Stalls => 6,
            Self::Retransmissions => 5,
            Self::Minute => MINUTE_LEAST,
        }
    }
}

/// The columns that have room, from the left.
#[derive(Clone, Debug)]
pub(super) struct Columns(Vec<Placed>);

/// A column and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) column: Column,
    pub(super) start: u16,
    pub(super) width: u16,
}

impl Columns {
    /// Those that a view has room for: first the ten that nobody wants to miss, then ends in full, then the others.
    pub(super) fn of(view: &TrackView) -> Self {
        let width = view.size.0;
        let ends = view.rows().iter().take(view.first_row + view.page()).skip(view.first_row);
        let longest = ends
            .map(|row| address::client(row).to_string().len().max(address::server(row).to_string().len()));
        let wanted = u16::try_from(longest.max().unwrap_or(0)).unwrap_or(END_MOST).clamp(END_LEAST, END_MOST);
        let mut shown = ALWAYS.to_vec();
        let needed = |shown: &[Column]| {
            let widths = shown.iter().map(|column| column.width() + 1);
            widths.sum::<u16>() - 1
        };
        let room = width.saturating_sub(needed(&shown));
        let end = END_LEAST + (wanted - END_LEAST).min(room / 2);
        let mut room = room.saturating_sub(2 * (end - END_LEAST));
        for column in MORE {
            let more = column.width() + 1;
            if room >= more {
                room -= more;
                shown.push(column);
            }
        }
        shown.sort_by_key(|column| ORDER.iter().position(|one| one == column));
        Self::place(&shown, end, room)
    }

    fn place(shown: &[Column], end: u16, room: u16) -> Self {
        let mut start = 0;
        let placed = shown.iter().map(|column| {
            let width = match column {
                Column::Client | Column::Server => end,
                Column::Minute => (MINUTE_LEAST + room).min(MINUTE_MOST),
                _ => column.width(),
            };
            let placed = Placed { column: *column, start, width };
            start += width + 1;
            placed
        });
        Self(placed.collect())
    }

    /// From the left.
    pub(super) fn shown(&self) -> impl Iterator<Item = Column> {
        self.0.iter().map(|placed| placed.column)
    }

    /// From the left, with their places.
    pub(super) fn placed(&self) -> impl Iterator<Item = &Placed> {
        self.0.iter()
    }

    /// The one at a column of the terminal.
    pub(super) fn at(&self, column: u16) -> Option<Column> {
        let found =
            self.0.iter().find(|placed| (placed.start..=placed.start + placed.width).contains(&column));
        found.map(|placed| placed.column)
    }
}

/// What stands in a column for a connection.
pub(super) fn cell(view: &TrackView, row: &FlowRow, placed: &Placed) -> String {
    let width = usize::from(placed.width);
    let rate =
        |rate: Option<f64>| or_dash(rate.map(|rate| short(if view.in_bits { rate * 8.0 } else { rate })));
    match placed.column {
        Column::Client => address::fitted(address::client(row), width),
        Column::Server => address::fitted(address::server(row), width),
        Column::Interface => row.interface.as_deref().map(|name| shown_name(name, width)).unwrap_or_default(),
        Column::State => state(row.state).to_owned(),
        Column::Age => idle(micros(view.listing.now_us.saturating_sub(row.start_us))),
        Column::Idle => idle(row.idle_us),
        Column::ClientRate => rate(row.client.bytes_per_second),
        Column::ServerRate => rate(row.server.bytes_per_second),
        Column::Bytes => short_count(row.bytes()),
        Column::RoundTrip => or_dash(row.round_trip().map(time)),
        Column::Retransmissions => or_dash(is_analysed(row).then(|| short_count(row.retransmissions()))),
        Column::Stalls => or_dash((row.stalls.count > 0).then(|| time(row.stalls.us))),
        Column::Minute => {
            let minute = view.histories.of(row).map(super::history::History::sums).unwrap_or_default();
            sparkline::bars(&minute, super::history::SECONDS, width)
        }
    }
}

/// Whether more is known of it than its traffic.
pub(super) const fn is_analysed(row: &FlowRow) -> bool {
    !matches!(row.state, FlowState::Counted)
}

/// A state in seven columns.
pub(super) const fn state(state: FlowState) -> &'static str {
    match state {
        FlowState::SynSent => "syn",
        FlowState::SynReceived => "syn/ack",
        FlowState::Established => "estab",
        FlowState::Closing => "closing",
        FlowState::Closed => "closed",
        FlowState::Reset => "reset",
        FlowState::Refused => "refused",
        FlowState::Unreachable => "unreach",
        FlowState::Timeout => "timeout",
        FlowState::Counted => "-",
    }
}

/// An interface's name without what would disturb a terminal, cut where it is too long.
fn shown_name(name: &str, width: usize) -> String {
    name.chars().map(|character| if character.is_control() { '?' } else { character }).take(width).collect()
}

/// Never negative.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
pub(super) const fn micros(us: i64) -> f64 {
    if us < 0 { 0.0 } else { us as f64 }
}

/// What has room in 80 columns.
const ALWAYS: [Column; 9] = [
    Column::Client,
    Column::Server,
    Column::State,
    Column::Idle,
    Column::ClientRate,
    Column::ServerRate,
    Column::Bytes,
    Column::RoundTrip,
    Column::Retransmissions,
];

/// What comes in as there is more room.
const MORE: [Column; 4] = [Column::Minute, Column::Stalls, Column::Interface, Column::Age];

/// From the left.
const ORDER: [Column; 13] = [
    Column::Client,
    Column::Server,
    Column::Interface,
    Column::State,
    Column::Age,
    Column::Idle,
    Column::ClientRate,
    Column::ServerRate,
    Column::Bytes,
    Column::RoundTrip,
    Column::Retransmissions,
    Column::Stalls,
    Column::Minute,
];

/// An end: at least so wide that 80 columns hold what has to be there, at most an IPv6 address and port in full.
const END_LEAST: u16 = 17;
const END_MOST: u16 = 47;

/// The last minute: three seconds in a column, up to one.
const MINUTE_LEAST: u16 = 20;
const MINUTE_MOST: u16 = 60;
