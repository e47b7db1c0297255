//! tcptrack's own screen, to the column.
//!
//! What it shows wrong is right: the speed of IPv6 connections, speeds of a gigabyte and more, and the size of the
//! terminal. Speed is payload of both directions, as it is there.

use std::net::IpAddr;

use ratatui::{
    Frame,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{TrackView, address, number::idle};
use crate::report::flows::{FlowOrder, FlowRow, FlowState};

/// Lines above and below the connections.
pub(super) const AROUND: u16 = 3;

/// Draws the view.
pub(super) fn draw(view: &TrackView, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < 80 || area.height < 4 {
        let text = "tcptrack requires a screen at least 80 columns wide to run.";
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let width = usize::from(area.width);
    let room = usize::from(area.height - AROUND);
    let mut lines =
        vec![reversed(" Client                Server                State        Idle A Speed", width)];
    let mut shown = 0;
    for row in view.rows().iter().skip(view.first_row) {
        let connection = connection(row, view.before_us);
        if lines.len() + connection.len() > room + 1 {
            break;
        }
        lines.extend(connection.into_iter().map(Line::from));
        shown += 1;
    }
    lines.resize(room + 1, Line::default());
    let total: f64 = view.listing.payload_bytes_per_second.iter().sum();
    lines.push(reversed(&format!(" {:<64}{}", "TOTAL", speed(total)), width));
    lines.push(bottom(view, shown, width));
    frame.render_widget(Paragraph::new(lines), area);
}

fn connection(row: &FlowRow, before_us: i64) -> Vec<String> {
    let star = if row.end_us > before_us { '*' } else { ' ' };
    let rate = [row.client, row.server].iter().filter_map(|one| one.payload_bytes_per_second).sum();
    let rest = format!("{:<13}{:<5}{star} {}", state(row.state), idle(row.idle_us), speed(rate));
    let (client, server) = (address::client(row), address::server(row));
    match (row.client_ip, row.server_ip) {
        (IpAddr::V4(_), IpAddr::V4(_)) => vec![format!(
            " {client:<21} {server:<21} {rest}",
            client = client.to_string(),
            server = server.to_string()
        )],
        _ => {
            let client = client.to_string();
            vec![format!(" {client:<43} {rest}"), format!("{:23}{server}", "")]
        }
    }
}

fn bottom(view: &TrackView, shown: usize, width: usize) -> Line<'static> {
    let reverse = Style::new().add_modifier(Modifier::REVERSED);
    let letter = reverse.add_modifier(Modifier::UNDERLINED);
    let (first, last) = if shown == 0 { (0, 0) } else { (view.first_row + 1, view.first_row + shown) };
    let connections = format!(" Connections {first}-{last} of {}", view.listing.matched);
    let (before, key, after) = if view.is_paused { ("", "P", "aused  ") } else { ("Un", "p", "aused  ") };
    let sorted = match view.order {
        FlowOrder::Rate => ["", "S", "orted by rate"],
        FlowOrder::Bytes => ["", "S", "orted by bytes"],
        FlowOrder::Idle => ["", "S", "orted by idle"],
        FlowOrder::Start => ["Un", "s", "orted"],
        _ => ["", "S", "orted otherwise"],
    };
    let pause = format!("{before}{key}{after}");
    let rest = width.saturating_sub(46 + pause.len().max(10) + sorted.concat().len());
    Line::from(vec![
        Span::styled(format!("{connections:<46}"), reverse),
        Span::styled(before, reverse),
        Span::styled(key, letter),
        Span::styled(format!("{after:<0$}", 10 - before.len() - key.len()), reverse),
        Span::styled(sorted[0], reverse),
        Span::styled(sorted[1], letter),
        Span::styled(format!("{}{:rest$}", sorted[2], ""), reverse),
    ])
}

fn reversed(text: &str, width: usize) -> Line<'static> {
    Line::styled(format!("{text:<width$}"), Style::new().add_modifier(Modifier::REVERSED))
}

/// Its names; it has none for what failed.
const fn state(state: FlowState) -> &'static str {
    match state {
        FlowState::SynSent | FlowState::Unreachable | FlowState::Timeout => "SYN_SENT",
        FlowState::SynReceived => "SYN|ACK-ACK",
        FlowState::Established => "ESTABLISHED",
        FlowState::Closing => "CLOSING",
        FlowState::Closed => "CLOSED",
        FlowState::Reset | FlowState::Refused => "RESET",
        FlowState::Counted => "-",
    }
}

/// Whole units of 1,024, rounded down.
fn speed(bytes: f64) -> String {
    const KIB: f64 = 1_024.0;
    match bytes {
        bytes if bytes < KIB => format!("{:.0} B/s", bytes.floor()),
        bytes if bytes < KIB * KIB => format!("{:.0} KB/s", (bytes / KIB).floor()),
        bytes if bytes < KIB * KIB * KIB => format!("{:.0} MB/s", (bytes / KIB / KIB).floor()),
        bytes => format!("{:.0} GB/s", (bytes / KIB / KIB / KIB).floor()),
    }
}
