//! The events that a page of a recorded capture tells.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    report::Event,
    sink::text::{self, TextOptions},
};

/// The earliest events of a capture, in bounded number: the same ones, in whatever order they come.
#[derive(Clone, Debug, Default)]
pub struct EventList {
    /// Time in microseconds since the epoch, and the line.
    earliest: BTreeSet<(i64, String)>,
    /// Those that came later, or said what another one of the same time said.
    left_out: u64,
}

impl EventList {
    /// Takes an event.
    pub fn add(&mut self, event: &Event) {
        let time = event.time.as_micros();
        let is_late = self.earliest.last().is_some_and(|(last, _)| *last < time);
        if self.earliest.len() >= MOST && is_late {
            self.left_out += 1;
            return;
        }
        self.left_out += u64::from(!self.earliest.insert((time, told(event))));
        if self.earliest.len() > MOST {
            self.earliest.pop_last();
            self.left_out += 1;
        }
    }

    /// `{"events": [{"time_us", "text"}], "left_out"}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let event = |(time, text): &(i64, String)| json!({ "time_us": time, "text": text });
        json!({ "events": self.earliest.iter().map(event).collect::<Vec<_>>(), "left_out": self.left_out })
    }
}

/// The line for people without its time, which the page shows in the reader's time zone.
fn told(event: &Event) -> String {
    let line = text::event(event, TextOptions::default());
    line.split_once("  ").map_or(line.as_str(), |(_time, rest)| rest).to_owned()
}

/// Events that are kept.
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::EventKind, time::Timestamp};

    fn event(micros: i64) -> Event {
        let kind = EventKind::Interface { interface: "eth0".into(), change: "went down".into() };
        Event { time: Timestamp(micros * 1_000), kind }
    }

    fn list(times: impl Iterator<Item = i64>) -> Value {
        let mut list = EventList::default();
        times.for_each(|time| list.add(&event(time)));
        list.to_json()
    }

    #[test]
    fn the_earliest_are_kept_in_whatever_order_they_come() {
        let forth = list(0..500);
        assert_eq!(forth, list((0..500).rev()));
        assert_eq!(forth["left_out"], 300);
        assert_eq!(forth["events"][0], json!({ "time_us": 0, "text": "interface    eth0 went down" }));
        assert_eq!(forth["events"][199]["time_us"], 199);
    }
}
