//! The events that a page of a recorded capture tells.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::report::Event;

/// The earliest events of a capture, in bounded number: the same ones, in whatever order they come.
#[derive(Clone, Debug, Default)]
pub struct EventList {
    /// Time in microseconds since the epoch, and the event as JSON.
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

    /// `{"events": […], "left_out"}`, the events as in the event log.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let event = |(_, told): &(i64, String)| serde_json::from_str(told).unwrap_or_default();
        json!({ "events": self.earliest.iter().map(event).collect::<Vec<Value>>(), "left_out": self.left_out })
    }
}

/// The event as the event log has it, but for what the page does not show of flows and requests.
fn told(event: &Event) -> String {
    let mut told = serde_json::to_value(event).unwrap_or_default();
    if let Some(Value::Object(flow)) = told.get_mut("flow") {
        flow.retain(|field, _| NAMING.contains(&field.as_str()));
    }
    told.to_string()
}

/// What names a flow.
const NAMING: [&str; 4] = ["client_ip", "client_port", "server_ip", "server_port"];

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
        assert_eq!(
            forth["events"][0],
            json!({ "time_us": 0, "event": "interface", "interface": "eth0", "change": "went down" })
        );
        assert_eq!(forth["events"][199]["time_us"], 199);
    }
}
