//! The view on a terminal, from 80 columns and 10 lines up.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::{Line as Text, Span},
    widgets::{Block, Borders, Cell, Clear, Paragraph, Row, Table, Wrap},
};

use super::{
    LatencyView, Tab,
    table::{Column, Line},
    text::{cells, time},
};

/// Draws the view.
pub fn draw(view: &LatencyView, frame: &mut Frame<'_>) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(heading(view), head);
    match view.tab {
        Tab::Commands => lines(view, "COMMAND", &view.tables.commands, body, frame),
        Tab::Servers => lines(view, "SERVER", &view.tables.servers, body, frame),
        Tab::Slowest => slowest(view, body, frame),
    }
    frame.render_widget(footing(view), foot);
    if view.shows_help {
        help(frame);
    }
}

fn heading(view: &LatencyView) -> Text<'static> {
    let mut spans = vec![Span::styled("tcpkit latency  ", bold())];
    for tab in Tab::ALL {
        let style =
            if tab == view.tab { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        spans.push(Span::styled(format!(" {} ", tab.title()), style));
        spans.push(Span::raw(" "));
    }
    if view.is_paused {
        spans.push(Span::styled(" PAUSED ", bold()));
    }
    Text::from(spans)
}

fn footing(view: &LatencyView) -> Text<'static> {
    let requests: u64 = view.tables.commands.iter().map(|line| line.requests).sum();
    let completeness = match view.tables.completeness {
        Some(share) => format!("{:.3} %", share * 100.0),
        None => "-".to_owned(),
    };
    Text::from(format!(
        "{requests} requests  {} flows open  completeness {completeness}  sorted by {}   ? help  q quit",
        view.tables.flows,
        view.column.word()
    ))
}

/// Columns that fit, the less important ones left out first.
fn shown(width: u16) -> Vec<Column> {
    let left_out: &[Column] = match width {
        0..=79 => &[Column::Server, Column::Lost, Column::P999, Column::Unanswered, Column::P90],
        80..=99 => &[Column::Server, Column::Lost, Column::P999],
        100..=111 => &[Column::P999],
        _ => &[],
    };
    Column::ALL.into_iter().filter(|column| !left_out.contains(column)).collect()
}

fn lines(view: &LatencyView, title: &'static str, lines: &[Line], area: Rect, frame: &mut Frame<'_>) {
    if lines.is_empty() {
        return empty(area, frame);
    }
    let columns = shown(area.width);
    let header = columns.iter().map(|column| {
        let text = if *column == Column::Name { title } else { column.title() };
        let style = if *column == view.column { bold().add_modifier(Modifier::UNDERLINED) } else { bold() };
        Cell::from(aligned(*column, text.to_owned())).style(style)
    });
    let rows = lines.iter().skip(view.first_line).take(usize::from(area.height)).map(|line| {
        let all = cells(line, &view.rates);
        let picked = Column::ALL.iter().zip(all).filter(|(column, _)| columns.contains(column));
        Row::new(picked.map(|(column, cell)| Cell::from(aligned(*column, cell))))
    });
    let widths = columns.iter().map(|column| match column {
        Column::Name => Constraint::Fill(1),
        Column::Requests | Column::Unanswered | Column::Server => Constraint::Length(10),
        _ => Constraint::Length(8),
    });
    frame.render_widget(Table::new(rows, widths).header(Row::new(header)), area);
}

fn aligned(column: Column, text: String) -> Text<'static> {
    let text = Text::from(text);
    if column == Column::Name { text } else { text.right_aligned() }
}

fn slowest(view: &LatencyView, area: Rect, frame: &mut Frame<'_>) {
    if view.tables.slowest.is_empty() {
        return empty(area, frame);
    }
    let mut text = Vec::new();
    for slow in view.tables.slowest.iter().skip(view.first_line) {
        text.push(Text::from(vec![
            Span::styled(format!("{:>8}", time(Some(slow.total_us))), bold()),
            Span::raw(format!("  {}  {}", slow.time, slow.label)),
        ]));
        text.push(Text::from(format!("          {}  {}", slow.ends, slow.spent)));
    }
    frame.render_widget(Paragraph::new(text), area);
}

fn empty(area: Rect, frame: &mut Frame<'_>) {
    let text = "no request yet: -m and -p say which are measured";
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
}

fn help(frame: &mut Frame<'_>) {
    const KEYS: &str = "\
1 2 3  Tab        commands, servers, slowest requests
s S  > <          sort by the next column, by the one before
Up Down  PgUp PgDn  Home End   scroll
Space p           pause, go on
? h               this help
q                 quit

LOST is what retransmissions and shut windows cost; SERVER what the
server itself took. Times are from the request's first octet until the
client had the whole response.";
    let area = frame.area();
    let (width, height) = (72.min(area.width), 13.min(area.height));
    let place = Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height);
    frame.render_widget(Clear, place);
    let block = Block::new().borders(Borders::ALL).title(" keys ");
    frame.render_widget(Paragraph::new(KEYS).block(block), place);
}

const fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::view::latency::{Key, Slow, Tables, Wish};

    fn view() -> LatencyView {
        let line = |name: &str, requests| Line {
            protocol: "redis",
            name: name.into(),
            requests,
            times_us: [Some(48.0), Some(60.0), Some(1_500.0), Some(2_000.0), Some(203_100.0)],
            server_us: Some(40.0),
            lost_us: 200_400.0,
            ..Line::default()
        };
        let slow = Slow {
            total_us: 203_100.0,
            label: "GET /big".into(),
            spent: "1.2 server".into(),
            ..Slow::default()
        };
        let mut view = LatencyView::new(Column::Requests);
        view.on_tables(Tables {
            commands: vec![line("GET", 5), line("SET", 9)],
            servers: vec![],
            slowest: vec![slow],
            at: 1.0,
            completeness: Some(0.5),
            flows: 3,
        });
        view
    }

    fn screen(view: &LatencyView, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(view, frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_busiest_command_is_first_and_the_foot_says_how_complete_it_is() {
        let screen = screen(&view(), 120, 8);
        let lines: Vec<_> = screen.lines().collect();
        assert!(lines[0].contains("1 commands") && lines[0].contains("3 slowest"), "{screen}");
        assert!(lines[1].contains("COMMAND") && lines[1].contains("SERVER P50"), "{screen}");
        assert!(lines[2].contains("redis SET") && lines[2].contains("203ms"), "{screen}");
        assert!(lines[3].contains("redis GET"), "{screen}");
        assert!(lines[7].contains("14 requests  3 flows open  completeness 50.000 %"), "{screen}");
    }

    #[test]
    fn eighty_columns_keep_what_matters() {
        let screen = screen(&view(), 80, 8);
        assert!(screen.contains("P99") && screen.contains("MAX") && screen.contains("203ms"), "{screen}");
        assert!(!screen.contains("P99.9"), "{screen}");
    }

    #[test]
    fn keys_sort_turn_pause_help_and_quit() {
        let mut view = view();
        assert_eq!(view.on_key(Key::Char('S')), Wish::None);
        assert!(screen(&view, 120, 8).lines().nth(2).unwrap().contains("GET"), "by name now");
        let _ = view.on_key(Key::Tab { forward: true });
        assert!(screen(&view, 80, 8).contains("no request yet"));
        let _ = view.on_key(Key::Char('3'));
        assert!(screen(&view, 80, 8).contains("GET /big"));
        let _ = view.on_key(Key::Move(40));
        assert!(screen(&view, 80, 8).contains("GET /big"), "the last one stays in view");
        let _ = view.on_key(Key::Char(' '));
        view.on_tables(Tables::default());
        assert!(screen(&view, 80, 8).contains("PAUSED") && screen(&view, 80, 8).contains("GET /big"));
        let _ = view.on_key(Key::Char('?'));
        assert!(screen(&view, 80, 20).contains("this help"));
        assert_eq!(view.on_key(Key::Char('q')), Wish::Quit);
    }

    #[test]
    fn no_size_is_too_small_to_draw() {
        for (width, height) in [(1, 1), (10, 2), (30, 3), (300, 100)] {
            let mut view = view();
            for key in ['1', '2', '3', '?'] {
                let _ = view.on_key(Key::Char(key));
                let _ = screen(&view, width, height);
            }
        }
    }
}
