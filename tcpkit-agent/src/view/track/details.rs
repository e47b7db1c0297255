//! All that is known of one connection.

use std::fmt::Write as _;

use ratatui::Frame;

use super::{
    TrackView, address,
    column::{is_analysed, micros},
    history::{History, SECONDS},
    number::{grouped, idle, or_dash, short, time},
    screen::popup,
    sparkline,
};
use crate::report::flows::{DirectionRow, FlowRow};

/// Draws the connection that was chosen.
pub(super) fn draw(view: &TrackView, frame: &mut Frame<'_>) {
    let Some(row) = &view.chosen else { return };
    let is_gone =
        !view.is_paused && view.listing.now_us.saturating_sub(row.end_us) > GONE_US && !row.state.is_open();
    let mut text = head(view, row, is_gone);
    let _ = writeln!(text, "\n{:<14}{:>20}  {:>20}", "", "→ client sends", "← server sends");
    let (client, server) = (&row.client, &row.server);
    let mut line = |name: &str, of: &dyn Fn(&DirectionRow) -> String| {
        let _ = writeln!(text, "{name:<14}{:>20}  {:>20}", of(client), of(server));
    };
    line("frames", &|one| grouped(one.frames));
    line("packets", &|one| grouped(one.segments));
    line("bytes", &|one| grouped(one.bytes));
    let known = |count: u64| or_dash(is_analysed(row).then(|| grouped(count)));
    line("payload", &|one| known(one.payload_bytes));
    line("sent again", &|one| known(one.retransmissions));
    line("bytes/s", &|one| or_dash(one.bytes_per_second.map(short)));
    line("bits/s", &|one| or_dash(one.bytes_per_second.map(|rate| short(rate * 8.0))));
    line("payload bits/s", &|one| or_dash(one.payload_bytes_per_second.map(|rate| short(rate * 8.0))));
    line("round trip", &|one| or_dash(one.rtt.smoothed.map(time)));
    line("least", &|one| or_dash(one.rtt.min.map(time)));
    let _ = writeln!(text, "\nlast minute");
    for (place, arrow) in ["→", "←"].into_iter().enumerate() {
        let minute = view.histories.of(row).map(|history: &History| history.of(place)).unwrap_or_default();
        let most = minute.iter().copied().fold(0.0, f32::max);
        let bars = sparkline::bars(&minute, SECONDS, SECONDS);
        let _ = writeln!(text, "{arrow} {bars}  most {} B/s", short(most.into()));
    }
    popup(frame, " connection ", &text, 80, 22);
}

fn head(view: &TrackView, row: &FlowRow, is_gone: bool) -> String {
    let mut text = format!("{}  →  {}\n", address::client(row), address::server(row));
    let _ = write!(text, "{}", row.state.name());
    if !is_analysed(row) {
        text.push_str(" by the kernel alone (client inferred)");
    } else if row.midstream {
        text.push_str(", open before we looked (client inferred)");
    }
    if is_gone {
        text.push_str(", not listed any more");
    }
    if let Some(interface) = &row.interface {
        let _ = write!(text, "   on {}", interface.escape_default());
    }
    let age = micros(view.listing.now_us.saturating_sub(row.start_us));
    let _ = write!(text, "\nage {}   idle {}", idle(age), idle(row.idle_us));
    let _ = write!(text, "   handshake {}", or_dash(row.handshake_us.map(time)));
    let _ = writeln!(text, "   round trip {}", or_dash(row.round_trip().map(time)));
    if is_analysed(row) {
        let _ = writeln!(text, "stalls {} ({} altogether)", row.stalls.count, time(row.stalls.us));
    }
    text
}

/// A closed connection is listed no longer than it lingers.
const GONE_US: i64 = 60_000_000;
