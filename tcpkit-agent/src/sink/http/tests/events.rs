//! Events: those who read, those who are slow, those who come again.

use std::io::{BufRead as _, BufReader};

use super::*;
use crate::{
    report::{Event, EventKind},
    time::Timestamp,
};

fn event(number: usize) -> Event {
    let kind = EventKind::Interface { interface: "eth0".into(), change: format!("change {number}") };
    Event { time: Timestamp(0), kind }
}

/// A reader that the endpoint counts.
fn reader(bed: &Bed, headers: &str) -> BufReader<TcpStream> {
    let before = bed.events.readers();
    let mut stream = bed.connect();
    stream.write_all(format!("GET /api/v1/events HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes()).unwrap();
    until(|| bed.events.readers() > before);
    BufReader::new(stream)
}

fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it never happened");
}

/// The next line that begins so.
fn line(reader: &mut impl io::BufRead, begin: &str) -> String {
    let lines = reader.lines().map(Result::unwrap);
    lines.map(|line| line.trim_end().to_owned()).find(|line| line.starts_with(begin)).unwrap()
}

#[test]
fn events_are_heard_as_they_happen_and_the_end_is_the_end() {
    let bed = bed();
    let mut one = reader(&bed, "");
    let mut other = reader(&bed, "");
    for number in 1..=3 {
        bed.events.publish(&event(number));
        for reader in [&mut one, &mut other] {
            assert_eq!(line(reader, "id:"), format!("id: {number}"));
            let data = line(reader, "data: {");
            let told: serde_json::Value = serde_json::from_str(&data["data: ".len()..]).unwrap();
            assert_eq!(told["change"], format!("change {number}"));
        }
    }
    drop(other);
    until(|| bed.events.readers() == 1);
    let Bed { serving, .. } = bed;
    drop(serving);
    let mut rest = String::new();
    let _reset_or_closed = one.read_to_string(&mut rest);
    assert!(!rest.contains("data:"), "{rest}");
}

#[test]
fn a_reader_that_comes_again_is_told_what_it_missed() {
    let bed = bed();
    (1..=7).for_each(|number| bed.events.publish(&event(number)));
    let mut reader = reader(&bed, "last-event-id: 4\r\n");
    bed.events.publish(&event(8));
    assert_eq!(line(&mut reader, "event:"), "event: lost");
    assert_eq!(line(&mut reader, "data:"), "data: {\"lost\":3}");
    assert_eq!(line(&mut reader, "id:"), "id: 8");
    assert_eq!(bed.events.lost(), 3);
}

#[test]
fn a_slow_reader_loses_events_by_count_and_keeps_nobody_waiting() {
    let bed = bed();
    let mut slow = reader(&bed, "");
    bed.events.publish(&event(0));
    assert_eq!(line(&mut slow, "id:"), "id: 1");
    // More than the sockets' buffers and ours hold: each is a kilobyte.
    let long = |number: usize| {
        let kind = EventKind::Interface { interface: "eth0".into(), change: format!("{number:0>1024}") };
        Event { time: Timestamp(0), kind }
    };
    let all = 40_000;
    (2..=all).for_each(|number| bed.events.publish(&long(number)));
    let (mut heard, mut lost) = (1, 0);
    loop {
        let line = line(&mut slow, "");
        if let Some(count) = line.strip_prefix("data: {\"lost\":") {
            lost += count.trim_end_matches('}').parse::<usize>().unwrap();
        } else if let Some(id) = line.strip_prefix("id: ") {
            heard += 1;
            if id.parse::<usize>().unwrap() == all {
                break;
            }
        }
    }
    assert!(lost > 0, "{heard} were heard, and none was lost");
    assert_eq!(heard + lost, all, "each was heard, or told to be lost");
    assert_eq!(bed.events.lost(), lost as u64);
}

#[test]
fn readers_are_bounded() {
    let bed = bed();
    let readers: Vec<_> = (0..limits::EVENT_READERS).map(|_| reader(&bed, "")).collect();
    let (code, body) = bed.get("/api/v1/events");
    assert!(code == 503 && body.contains("too many readers"), "{body}");
    assert_eq!(bed.get("/api/v1/ledger").0, 200, "others have places left");
    drop(readers);
    until(|| bed.events.readers() == 0);
}
