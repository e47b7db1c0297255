//! The view on a terminal: a table between two lines above and two below.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Clear, Paragraph},
};

use super::{
    TrackView,
    column::{Columns, Placed, cell},
    details, history,
    number::{grouped, or_dash, short},
    sparkline,
};
use crate::report::flows::{FlowRow, FlowState};

/// Line of the headings of columns.
pub(super) const HEADING: u16 = 1;

/// Lines above and below the connections.
pub(super) const AROUND: u16 = 4;

/// Draws the view.
pub(super) fn draw(view: &TrackView, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!(
            "{} columns and {} lines are needed, here are {} and {}",
            LEAST.0, LEAST.1, area.width, area.height
        );
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let columns = Columns::of(view);
    let mut lines = vec![title(view), headings(view, &columns)];
    let page = usize::from(area.height - AROUND);
    let rows = view.rows().iter().enumerate().skip(view.first_row).take(page);
    lines.extend(rows.map(|(place, row)| connection(view, &columns, row, place == view.cursor)));
    if view.rows().is_empty() {
        lines.push(Line::from(nothing(view)));
    }
    lines.resize(usize::from(area.height) - 2, Line::default());
    lines.push(total(view, area.width));
    lines.push(last_line(view));
    frame.render_widget(Paragraph::new(lines), area);
    if view.shows_details {
        details::draw(view, frame);
    }
}

fn title(view: &TrackView) -> Line<'static> {
    let mut spans = vec![Span::styled("tcpkit track ", bold()), Span::raw(view.look.subject.clone())];
    let (open, matched) = (view.listing.open, view.listing.matched);
    // What only the kernel has counted is neither open nor closed, as far as anybody knows.
    let open = if view.look.counters_only { String::new() } else { format!(", {} open", grouped(open)) };
    spans.push(Span::raw(format!("  {} connections{open}", grouped(matched))));
    if view.listing.considered > matched {
        spans.push(Span::raw(format!(" (of {})", grouped(view.listing.considered))));
    }
    if !view.filtering.text().is_empty() {
        spans.push(Span::raw("  filter: "));
        spans.push(Span::styled(view.filtering.text().to_owned(), bold()));
    }
    if view.followed.is_some() {
        spans.push(Span::styled("  FOLLOWING", bold()));
    }
    if view.is_paused {
        spans.push(Span::styled("  PAUSED", bold()));
    }
    Line::from(spans)
}

fn headings(view: &TrackView, columns: &Columns) -> Line<'static> {
    let mut spans = Vec::new();
    for placed in columns.placed() {
        let is_sorted = placed.column.order() == view.order;
        let mut text = placed.column.title(view.in_bits).to_owned();
        let width = usize::from(placed.width);
        if is_sorted && text.chars().count() < width {
            text.push(if view.descending { '▼' } else { '▲' });
        }
        let modifier = if is_sorted { Modifier::BOLD | Modifier::UNDERLINED } else { Modifier::empty() };
        let style = Style::new().add_modifier(Modifier::REVERSED | modifier);
        spans.push(Span::styled(aligned(&text, placed), style));
        spans.push(Span::styled(" ", Style::new().add_modifier(Modifier::REVERSED)));
    }
    spans.pop();
    Line::from(spans)
}

fn connection(view: &TrackView, columns: &Columns, row: &FlowRow, has_cursor: bool) -> Line<'static> {
    let line =
        if has_cursor { Style::new().add_modifier(Modifier::REVERSED) } else { style(view, row.state) };
    let mut text = String::new();
    for placed in columns.placed() {
        text.push_str(&aligned(&cell(view, row, placed), placed));
        text.push(' ');
    }
    Line::styled(text.trim_end().to_owned(), line)
}

fn aligned(text: &str, placed: &Placed) -> String {
    let width = usize::from(placed.width);
    if placed.column.is_text() { format!("{text:<width$}") } else { format!("{text:>width$}") }
}

/// What is about to be, and what has ended badly, differs from what just is.
const fn style(view: &TrackView, state: FlowState) -> Style {
    if !view.look.has_colour {
        return Style::new();
    }
    match state {
        FlowState::Established | FlowState::Counted => Style::new(),
        FlowState::SynSent | FlowState::SynReceived => Style::new().fg(Color::Yellow),
        FlowState::Closing | FlowState::Closed => Style::new().fg(Color::DarkGray),
        FlowState::Reset | FlowState::Refused | FlowState::Unreachable | FlowState::Timeout => {
            Style::new().fg(Color::Red)
        }
    }
}

/// Why there is no connection to be seen.
fn nothing(view: &TrackView) -> String {
    match (&view.trouble, view.listing.considered) {
        (Some(trouble), _) => trouble.clone(),
        (None, 0) => "no connection yet".to_owned(),
        (None, others) => format!("none of {} connections is what the filter wants", grouped(others)),
    }
}

fn total(view: &TrackView, width: u16) -> Line<'static> {
    let unit = if view.in_bits { ("b/s", 8.0) } else { ("B/s", 1.0) };
    let rate = |rate: f64| format!("{} {}", short(rate * unit.1), unit.0);
    let [client, server] = view.listing.bytes_per_second;
    let [client_payload, server_payload] = view.listing.payload_bytes_per_second;
    let payload = (!view.look.counters_only).then(|| rate(client_payload + server_payload));
    let text = format!(
        "TOTAL {}   → {}   ← {}   payload {}",
        rate(client + server),
        rate(client),
        rate(server),
        or_dash(payload)
    );
    let taken = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
    let room = usize::from(width.saturating_sub(taken + 2)).min(history::SECONDS);
    let minute = sparkline::bars(&view.histories.total.sums(), history::SECONDS, room);
    let padding = usize::from(width).saturating_sub(usize::from(taken) + room);
    Line::styled(format!("{text}{:padding$}{minute}", ""), Style::new().add_modifier(Modifier::REVERSED))
}

/// The filter that is being typed, else where we are.
fn last_line(view: &TrackView) -> Line<'static> {
    if let Some((text, mistake)) = view.filtering.editing() {
        let mut spans = vec![Span::styled("/", bold()), Span::raw(text.to_owned()), Span::raw("█")];
        let hint = mistake.unwrap_or("as: port 443 and host 10.0.0.1; not estab");
        spans.push(Span::styled(format!("  {hint}"), Style::new().add_modifier(Modifier::DIM)));
        return Line::from(spans);
    }
    let rows = view.rows().len();
    let last = (view.first_row + view.page()).min(rows);
    let first = if rows == 0 { 0 } else { view.first_row + 1 };
    let (what, completeness) = match view.completeness {
        _ if view.look.counters_only => ("the kernel's counters", String::new()),
        completeness => ("completeness ", or_dash(completeness.map(percent))),
    };
    let direction = if view.descending { '▼' } else { '▲' };
    let mut spans = vec![
        Span::raw(format!("{first}-{last} of {}  {what}", grouped(view.listing.matched))),
        Span::styled(
            completeness,
            if view.completeness.is_some_and(|share| share < 1.0) { bold() } else { Style::new() },
        ),
        Span::raw(format!("  by {}{direction}  /filter  ?help  q quit", view.order.name())),
    ];
    if let Some(trouble) = view.trouble.as_ref().filter(|_| rows > 0) {
        spans.insert(0, Span::styled(format!("{trouble}   "), bold()));
    }
    Line::from(spans)
}

/// What is not all is never shown as all.
fn percent(share: f64) -> String {
    let shown = (share * 1e5).floor() / 1e3;
    format!("{shown:.3} %")
}

/// What the keys do.
pub(super) fn help(frame: &mut Frame<'_>) {
    const KEYS: &str = "\
s S  > <  Left Right   sort by the column beside; or click on a heading
r                      turn the order round
Up Down j k  PgUp PgDn  Home End   move; or by the wheel
Enter                  details of the connection at the cursor, and back
f                      follow it: the cursor stays with it
/                      filter as you type: port 443 and host 10.0.0.1
Esc                    back; where there is nothing to leave: no filter
p Space                pause, go on
b                      rates in bits, in bytes
c                      tcptrack's own screen
? h                    this help
q                      quit

→ is what the client sends, ← the server; bytes are those on the wire.
RTT is the smoothed round trip of both halves, RETR segments sent again,
STALL time that the connection waited with something to do.
A closed connection stays for the seconds of -r.";
    popup(frame, " keys ", KEYS, 76, 19);
}

/// Text in a frame, in the middle.
pub(super) fn popup(frame: &mut Frame<'_>, title: &str, text: &str, width: u16, height: u16) {
    let area = frame.area();
    let (width, height) = (width.min(area.width), height.min(area.height));
    let place = Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height);
    frame.render_widget(Clear, place);
    let block = Block::new().borders(Borders::ALL).title(title.to_owned());
    frame.render_widget(Paragraph::new(text.to_owned()).block(block), place);
}

const fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// Columns and lines below which nothing of use can be shown.
pub(super) const LEAST: (u16, u16) = (80, 6);
