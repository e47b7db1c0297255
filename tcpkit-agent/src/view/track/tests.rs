//! Screens of the view, and what keys and mouse make of them.

use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::*;
use crate::report::{
    StallRecord,
    flows::{DirectionRow, FlowListing, FlowState, RoundTripNow, ShardListing},
};

/// A connection from 10.0.0.1 with this port; rates and bytes go with the port.
fn row(port: u16, state: FlowState) -> FlowRow {
    let size = u64::from(port - 40_000);
    let direction = |factor: u64, rtt: f64| DirectionRow {
        frames: 10,
        segments: 12 * factor,
        bytes: 1_500 * size * factor,
        payload_bytes: 1_400 * size * factor,
        retransmissions: size,
        bytes_per_second: Some(100.0 * (size * factor) as f64),
        payload_bytes_per_second: Some(90.0 * (size * factor) as f64),
        rtt: RoundTripNow { smoothed: Some(rtt), min: Some(rtt / 2.0) },
    };
    FlowRow {
        client_ip: "10.0.0.1".parse().unwrap(),
        client_port: port,
        server_ip: "10.0.0.2".parse().unwrap(),
        server_port: 443,
        interface: Some("bond0".into()),
        state,
        midstream: false,
        start_us: NOW - 90_000_000,
        end_us: NOW - i64::from(port - 40_000) * 1_000_000,
        idle_us: f64::from(port - 40_000) * 1e6,
        handshake_us: Some(1_234.0),
        client: direction(1, 200.0),
        server: direction(1_000, 50.0),
        stalls: StallRecord { count: 3, us: 45_000.0 },
    }
}

const NOW: i64 = 1_700_000_000_000_000;

/// What the workers would give of these.
fn listing(rows: Vec<FlowRow>, query: &FlowQuery) -> FlowListing {
    let mut shard = ShardListing { considered: rows.len() as u64, now_us: NOW, ..ShardListing::default() };
    for row in rows {
        shard.matched += 1;
        shard.open += u64::from(row.state.is_open());
        shard.bytes_per_second[0] += row.client.bytes_per_second.unwrap_or(0.0);
        shard.bytes_per_second[1] += row.server.bytes_per_second.unwrap_or(0.0);
        shard.payload_bytes_per_second[0] += row.client.payload_bytes_per_second.unwrap_or(0.0);
        shard.payload_bytes_per_second[1] += row.server.payload_bytes_per_second.unwrap_or(0.0);
        let rank = crate::report::flows::Rank::new(row.value(query.order), row.tuple(), query.descending);
        shard.rows.push((rank, row));
    }
    FlowListing::merge(query, vec![shard])
}

fn look() -> Look {
    Look {
        counters_only: false,
        subject: "bond0".into(),
        is_classic: false,
        has_colour: true,
        only_from_syn: false,
        closed_stay: Span::from_secs(2),
        sort: None,
    }
}

/// A view of so many connections, of which the first waits for an answer and the last was reset.
fn view_of(look: Look, count: u16) -> TrackView {
    let mut view = TrackView::new(look);
    feed(&mut view, count);
    view
}

fn feed(view: &mut TrackView, count: u16) {
    let state = |place| match place {
        1 => FlowState::SynSent,
        place if place == count => FlowState::Reset,
        _ => FlowState::Established,
    };
    let rows = (1..=count).map(|place| row(40_000 + place, state(place))).collect();
    if let Some(query) = view.query() {
        view.on_listing(listing(rows, &query), None, Some(1.0));
    }
}

fn screen(view: &mut TrackView, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    view.on_size(width, height);
    terminal.draw(|frame| view.draw(frame)).unwrap();
    let text = terminal.backend().to_string();
    text.lines().map(|line| line.trim_matches('"').trim_end().to_owned()).collect()
}

fn press(view: &mut TrackView, keys: &str) -> Wish {
    keys.chars().map(|key| view.on_input(Input::Key(Key::Char(key)))).last().unwrap()
}

fn key(view: &mut TrackView, key: Key) -> Wish {
    view.on_input(Input::Key(key))
}

#[test]
fn eighty_columns_have_everything_that_matters() {
    let screen = screen(&mut view_of(look(), 3), 80, 8);
    assert_eq!(
        screen,
        [
            "tcpkit track bond0  3 connections, 2 open",
            "CLIENT            SERVER            STATE   IDLE → B/s ← B/s BYTES    RTT  RETR",
            "10.0.0.1:40003    10.0.0.2:443      reset     3s   300  300K 4.50M  250us     6",
            "10.0.0.1:40002    10.0.0.2:443      estab     2s   200  200K 3.00M  250us     4",
            "10.0.0.1:40001    10.0.0.2:443      syn       1s   100  100K 1.50M  250us     2",
            "",
            "TOTAL 601K B/s   → 600 B/s   ← 600K B/s   payload 541K B/s                     █",
            "1-3 of 3  completeness 100.000 %  by rate▼  /filter  ?help  q quit",
        ]
    );
}

#[test]
fn a_wide_terminal_has_more_columns() {
    let screen = screen(&mut view_of(look(), 2), 200, 8);
    assert_eq!(
        screen[1],
        "CLIENT            SERVER            IFACE    STATE    AGE IDLE → B/s ← B/s BYTES    RTT  RETR  STALL LAST MINUTE▼"
    );
    assert!(
        screen[2].starts_with("10.0.0.1:40002    10.0.0.2:443      bond0    reset     1m   2s   200  200K 3.00M  250us     4 45.0ms "),
        "{screen:?}"
    );
    assert!(screen[2].ends_with('█'), "the last second stands at the right: {screen:?}");
}

#[test]
fn long_ends_get_room_where_there_is_some_and_keep_their_ports_where_there_is_none() {
    let mut view = TrackView::new(look());
    let mut long = row(40_001, FlowState::Established);
    long.client_ip = "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap();
    let query = view.query().unwrap();
    view.on_listing(listing(vec![long], &query), None, Some(0.999_999_9));
    let narrow = screen(&mut view, 80, 8);
    assert!(narrow[2].starts_with("…1234:5678]:40001 10.0.0.2:443"), "{narrow:?}");
    assert!(narrow[7].contains("completeness 99.999 %"), "what is not all is not shown as all: {narrow:?}");
    let wide = screen(&mut view, 160, 8);
    assert!(wide[2].starts_with("[2001:db8:1234:5678:9abc:def0:1234:5678]:40001 10.0.0.2:443 "), "{wide:?}");
}

#[test]
fn any_column_can_be_sorted_by() {
    let mut view = view_of(look(), 3);
    let _ = screen(&mut view, 80, 8);
    assert_eq!(press(&mut view, "s"), Wish::Refresh);
    assert_eq!(view.query().map(|query| (query.order, query.descending)), Some((FlowOrder::Client, false)));
    assert!(screen(&mut view, 80, 8)[2].starts_with("10.0.0.1:40001"), "at once, without another listing");
    for order in [
        FlowOrder::Server,
        FlowOrder::State,
        FlowOrder::Idle,
        FlowOrder::ClientRate,
        FlowOrder::ServerRate,
        FlowOrder::Bytes,
        FlowOrder::RoundTrip,
        FlowOrder::Retransmissions,
        FlowOrder::Client,
    ] {
        let _ = key(&mut view, Key::Tab { forward: true });
        assert_eq!(view.query().unwrap().order, order);
    }
    let _ = press(&mut view, "S");
    assert_eq!(view.query().unwrap().order, FlowOrder::Retransmissions);
    let _ = press(&mut view, "r");
    assert!(!view.query().unwrap().descending);
    assert!(screen(&mut view, 80, 8)[1].ends_with("RETR▲"), "the heading tells");
}

#[test]
fn a_click_sorts_moves_and_opens_and_the_wheel_scrolls() {
    let mut view = view_of(look(), 40);
    let _ = screen(&mut view, 80, 12);
    assert_eq!(view.on_input(Input::Click(45, 1)), Wish::Refresh);
    assert_eq!(view.query().unwrap().order, FlowOrder::Idle);
    let _ = view.on_input(Input::Click(47, 1));
    assert!(view.query().unwrap().descending, "again, and the order turns");
    assert_eq!(view.on_input(Input::Click(3, 4)), Wish::None);
    assert_eq!(view.cursor, 2);
    let _ = view.on_input(Input::Click(3, 4));
    assert!(screen(&mut view, 80, 24)[1].contains("connection"), "a second click opens");
    let _ = view.on_input(Input::Click(3, 4));
    let _ = screen(&mut view, 80, 12);
    let _ = view.on_input(Input::Wheel(3));
    let _ = view.on_input(Input::Wheel(6));
    assert_eq!((view.cursor, view.first_row), (11, 4), "the cursor stays in view");
    for nowhere in [(0, 0), (79, 10), (79, 11), (200, 200)] {
        let _ = view.on_input(Input::Click(nowhere.0, nowhere.1));
    }
    assert_eq!(view.cursor, 11);
}

#[test]
fn a_filter_holds_while_it_is_typed() {
    let mut view = view_of(look(), 3);
    assert_eq!(press(&mut view, "/"), Wish::None);
    assert_eq!(press(&mut view, "port 4"), Wish::Refresh);
    assert!(screen(&mut view, 80, 8)[7].starts_with("/port 4█  as: port 443"));
    assert!(view.query().unwrap().filter == FlowFilter::parse("port 4").unwrap());
    let _ = press(&mut view, "x");
    let last = screen(&mut view, 80, 8)[7].clone();
    assert_eq!(last, "/port 4x█  '4x' is no port and no range of them");
    assert!(view.query().unwrap().filter == FlowFilter::parse("port 4").unwrap(), "the last that made sense");
    let _ = key(&mut view, Key::Backspace);
    let _ = press(&mut view, "43");
    let _ = key(&mut view, Key::Enter);
    let first = screen(&mut view, 80, 8)[0].clone();
    assert_eq!(first, "tcpkit track bond0  3 connections, 2 open  filter: port 443");
    let _ = press(&mut view, "/q");
    let _ = key(&mut view, Key::Escape);
    assert!(view.query().unwrap().filter == FlowFilter::parse("port 443").unwrap(), "as it was before");
    let _ = key(&mut view, Key::Escape);
    assert!(view.query().unwrap().filter.is_empty(), "and then none");
}

#[test]
fn details_are_of_one_connection_until_they_are_left() {
    let mut view = view_of(look(), 3);
    let _ = key(&mut view, Key::Move(1));
    assert_eq!(key(&mut view, Key::Enter), Wish::Refresh);
    let text = screen(&mut view, 80, 24).join("\n");
    for part in [
        "10.0.0.1:40002  →  10.0.0.2:443",
        "established   on bond0",
        "age 1m   idle 2s   handshake 1.23ms   round trip 250us",
        "stalls 3 (45.0ms altogether)",
        "packets                         12                12,000",
        "bytes                        3,000             3,000,000",
        "bits/s                       1.60K                 1.60M",
        "round trip                   200us                  50us",
        "█  most 200K B/s",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let asked = view.chosen_query().unwrap();
    assert!(asked.filter == FlowFilter::only(&row(40_002, FlowState::Closed).tuple()));
    let query = view.query().unwrap();
    view.on_listing(listing(Vec::new(), &query), Some(row(40_002, FlowState::Closed)), Some(1.0));
    assert!(screen(&mut view, 80, 24).join("\n").contains("closed   on bond0"), "it goes on without its row");
    let _ = key(&mut view, Key::Enter);
    assert_eq!(view.chosen_query(), None);
    assert!(screen(&mut view, 80, 24).join("\n").contains("no connection yet"));
}

#[test]
fn the_cursor_follows_a_connection() {
    let mut view = view_of(look(), 3);
    let _ = screen(&mut view, 80, 12);
    let _ = press(&mut view, "f");
    assert_eq!(view.row().unwrap().client_port, 40_003);
    let _ = press(&mut view, "s");
    assert_eq!((view.cursor, view.row().unwrap().client_port), (2, 40_003), "sorted by client now");
    feed(&mut view, 9);
    assert_eq!((view.cursor, view.row().unwrap().client_port), (2, 40_003));
    assert!(screen(&mut view, 80, 12)[0].contains("FOLLOWING"));
    let _ = key(&mut view, Key::Move(1));
    assert!(!screen(&mut view, 80, 12)[0].contains("FOLLOWING"), "who moves the cursor leaves it");
}

#[test]
fn a_paused_view_stands_still() {
    let mut view = view_of(look(), 3);
    assert_eq!(press(&mut view, "p"), Wish::None);
    assert!(view.query().is_none() && view.chosen_query().is_none());
    let before = screen(&mut view, 80, 8);
    let empty = listing(Vec::new(), &FlowQuery::default());
    view.on_listing(empty, None, None);
    assert_eq!(screen(&mut view, 80, 8), before);
    assert!(before[0].ends_with("PAUSED"));
    let _ = press(&mut view, "s");
    assert!(
        screen(&mut view, 80, 8)[2].starts_with("10.0.0.1:40001"),
        "what is there is sorted all the same"
    );
    assert_eq!(press(&mut view, " "), Wish::Refresh);
    assert!(view.query().is_some());
}

#[test]
fn scrolling_asks_for_more_when_it_comes_near_the_end() {
    let mut view = view_of(look(), 300);
    view.listing.matched = 5_000;
    let _ = screen(&mut view, 80, 24);
    assert_eq!(view.query().unwrap().limit, 250);
    assert_eq!(key(&mut view, Key::Page(1)), Wish::None);
    assert_eq!(key(&mut view, Key::Last), Wish::Refresh);
    assert_eq!(view.query().unwrap().limit, 500);
    assert!(screen(&mut view, 80, 24)[23].starts_with("231-250 of 5,000"));
    let _ = key(&mut view, Key::First);
    assert!(screen(&mut view, 80, 24)[23].starts_with("1-20 of 5,000"));
}

#[test]
fn states_have_colours_unless_nobody_wants_them() {
    let colours = |has_colour| {
        let mut view = view_of(Look { has_colour, ..look() }, 3);
        let mut terminal = Terminal::new(TestBackend::new(80, 12)).unwrap();
        view.on_size(80, 12);
        let _ = key(&mut view, Key::Last);
        terminal.draw(|frame| view.draw(frame)).unwrap();
        let cells = terminal.backend().buffer().content().iter();
        let mut colours: Vec<_> = cells.map(|cell| cell.fg).collect();
        colours.dedup();
        colours
    };
    assert_eq!(colours(false), [Color::Reset]);
    assert!(colours(true).contains(&Color::Red));
}

#[test]
fn trouble_is_told_and_goes_away() {
    let mut view = view_of(look(), 3);
    view.on_trouble("the capture is too busy for a report".into());
    assert!(screen(&mut view, 80, 8)[7].starts_with("the capture is too busy for a report   1-3 of 3"));
    feed(&mut view, 3);
    assert!(screen(&mut view, 80, 8)[7].starts_with("1-3 of 3"));
}

#[test]
fn the_classic_screen_is_tcptrack_s() {
    let mut view = TrackView::new(Look { is_classic: true, ..look() });
    let mut six = row(40_002, FlowState::SynReceived);
    six.client_ip = "fd99::1".parse().unwrap();
    six.server_ip = "fd99::2".parse().unwrap();
    six.start_us += 1;
    let rows = vec![row(40_001, FlowState::Established), six, row(40_125, FlowState::Refused)];
    let query = view.query().unwrap();
    assert_eq!((query.order, query.descending), (FlowOrder::Start, false));
    view.on_listing(listing(rows, &query), None, Some(1.0));
    assert_eq!(
        screen(&mut view, 80, 9),
        [
            " Client                Server                State        Idle A Speed",
            " 10.0.0.1:40001        10.0.0.2:443          ESTABLISHED  1s   * 87 KB/s",
            " 10.0.0.1:40125        10.0.0.2:443          RESET        2m   * 10 MB/s",
            " [fd99::1]:40002                             SYN|ACK-ACK  2s   * 175 KB/s",
            "                       [fd99::2]:443",
            "",
            "",
            " TOTAL                                                           10 MB/s",
            " Connections 1-3 of 3                         Unpaused  Unsorted",
        ]
    );
    let bottom = |view: &mut TrackView| screen(view, 80, 9)[8].clone();
    for (order, text) in [
        (FlowOrder::Rate, "Sorted by rate"),
        (FlowOrder::Bytes, "Sorted by bytes"),
        (FlowOrder::Idle, "Sorted by idle"),
        (FlowOrder::Start, "Unsorted"),
    ] {
        let _ = press(&mut view, "s");
        assert_eq!(view.query().unwrap().order, order);
        assert!(bottom(&mut view).ends_with(text), "{}", bottom(&mut view));
    }
    let _ = key(&mut view, Key::Move(1));
    assert_eq!(
        screen(&mut view, 80, 9)[1],
        " 10.0.0.1:40125        10.0.0.2:443          RESET        2m   * 10 MB/s"
    );
    let _ = press(&mut view, "p");
    assert_eq!(bottom(&mut view), " Connections 2-3 of 3                         Paused    Unsorted");
    let _ = press(&mut view, "p/frb?");
    assert!(view.filtering.editing().is_none() && view.followed.is_none(), "there is no place for them");
    assert!(screen(&mut view, 80, 24).join("\n").contains("this help"));
    let empty = TrackView::new(Look { is_classic: true, ..look() });
    assert_eq!(
        bottom(&mut empty.clone()),
        " Connections 0-0 of 0                         Unpaused  Unsorted"
    );
}

#[test]
fn no_size_is_too_small_to_draw() {
    for is_classic in [false, true] {
        for (width, height) in [(1, 1), (79, 24), (80, 1), (80, 4), (80, 6), (300, 100), (500, 2)] {
            let mut view = view_of(Look { is_classic, ..look() }, 7);
            for keys in ["?", "?", "/", "x"] {
                let _ = press(&mut view, keys);
                let _ = screen(&mut view, width, height);
            }
            for one in [Key::Enter, Key::Enter, Key::Last, Key::Page(1), Key::Page(-3), Key::Escape] {
                let _ = key(&mut view, one);
                let _ = screen(&mut view, width, height);
            }
        }
    }
}

#[test]
fn what_the_keys_do_can_be_read() {
    let mut view = view_of(look(), 3);
    let _ = press(&mut view, "?");
    let text = screen(&mut view, 80, 24).join("\n");
    assert!(text.contains("this help") && text.contains("tcptrack's own screen"), "{text}");
    assert!(text.contains("and back  ") && text.contains("the wheel  "), "{text}");
    assert_eq!(press(&mut view, "q"), Wish::Quit);
}

#[test]
fn a_table_is_sorted_and_says_what_it_leaves_out() {
    let mut lines: Vec<_> =
        [40_002, 40_001].map(|port| TableLine::of_row(&row(port, FlowState::Closed))).into();
    let mut totals = TableTotals::default();
    lines.iter().for_each(|line| totals.add(line));
    lines.sort_by_key(|line| line.rank(FlowOrder::Bytes, true));
    assert_eq!(lines[0].client.port(), 40_002);
    lines.truncate(1);
    assert_eq!(
        render("now", &lines, &totals),
        "\
now
CLIENT          SERVER        STATE   SECONDS  → PKTS  ← PKTS  → BYTES    ← BYTES  → B/s  ← B/s    RTT  RETR   STALL
10.0.0.1:40002  10.0.0.2:443  closed   88.000      12  12,000    3,000  3,000,000    200   200K  250us     4  45.0ms
TOTAL  2 connections  24,024 packets  4,504,500 bytes  4,204,200 payload  6 sent again
1 of them have no line here
"
    );
}

#[test]
fn what_only_the_kernel_counted_is_shown_and_the_rest_is_a_dash() {
    let mut view = TrackView::new(Look { counters_only: true, ..look() });
    let counted = |row: FlowRow| FlowRow {
        client: DirectionRow {
            retransmissions: 0,
            payload_bytes: 0,
            rtt: RoundTripNow::default(),
            ..row.client
        },
        server: DirectionRow {
            retransmissions: 0,
            payload_bytes: 0,
            rtt: RoundTripNow::default(),
            ..row.server
        },
        ..row
    };
    let query = view.query().unwrap();
    let rows: Vec<_> = (1..=2).map(|place| counted(row(40_000 + place, FlowState::Counted))).collect();
    view.on_listing(listing(rows, &query), None, None);
    let shown = screen(&mut view, 80, 7);
    assert_eq!(shown[0], "tcpkit track bond0  2 connections");
    assert!(shown[2].starts_with("10.0.0.1:40002    10.0.0.2:443      -    "), "{shown:#?}");
    assert!(shown[2].ends_with("      -     -"), "neither round trip nor retransmissions: {shown:#?}");
    assert!(shown[5].contains("payload -"), "{shown:#?}");
    assert!(shown[6].starts_with("1-2 of 2  the kernel's counters  by rate"), "{shown:#?}");
    press(&mut view, "c");
    assert_eq!(screen(&mut view, 80, 7)[0], shown[0], "tcptrack's screen needs what is not known");
    key(&mut view, Key::Enter);
    let details = screen(&mut view, 100, 30).join("\n");
    assert!(details.contains("counted by the kernel alone (client inferred)"), "{details}");
    for name in ["payload", "sent again"] {
        let line = details.lines().find(|line| line.contains(name)).unwrap();
        assert_eq!(line.matches(" -").count(), 2, "{line}");
    }
}
