//! The page of a capture that is over: a report within a bound, whatever was captured.
//!
//! A page is at most [`LARGEST`] octets. Each list has what the page shows of it, the course is packed in columns; what is
//! then still too large gets wider bins, shorter lists and shorter texts, step by step. Sums stay as they are, and what
//! was left out of a list that the page shows whole is said in its notes.

use serde_json::{Value, json};

use super::{POLICY, course, page};

/// No page of a recorded capture has more octets.
pub const LARGEST: usize = 200_000;

/// The page of this report, in need of nothing and nobody; `events` are those of an [`EventList`](super::EventList), or
/// `null`.
#[must_use]
pub fn recorded(mut report: Value, events: &Value) -> String {
    UNSEEN.iter().for_each(|place| forget(&mut report, place));
    let bins = report.pointer_mut("/series").map(Value::take).unwrap_or_default();
    let mut course = course::Course::of(&bins);
    let mut text = String::new();
    for step in &STEPS {
        course.widen(step.bins);
        let mut report = report.clone();
        let mut events = events.clone();
        step.shorten(&mut report, &mut events);
        if !bins.is_null() {
            report["series"] = course.pack();
        }
        text = written(&report, &events);
        if text.len() <= LARGEST {
            break;
        }
    }
    text
}

fn written(report: &Value, events: &Value) -> String {
    let policy = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n");
    page(&policy, &format!("{}{}", data("report-data", report), data("events-data", events)))
}

/// A block of data that the browser does not run. Without `<` there is no end tag in it, and no comment.
fn data(id: &str, value: &Value) -> String {
    let text = value.to_string().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"{id}\">{text}</script>\n")
}

/// How much a page tells of what has no end.
struct Step {
    /// Bins of the course.
    bins: usize,
    /// Rows of a list, at most; some have fewer.
    rows: usize,
    /// Events.
    events: usize,
    /// Characters of a text.
    characters: usize,
}

impl Step {
    fn shorten(&self, report: &mut Value, events: &mut Value) {
        for (list, shown) in LISTS {
            cut(report, list, shown.min(self.rows));
        }
        let mut notes = Vec::new();
        for (list, name) in WHOLE {
            let all = cut(report, list, self.rows);
            if all > self.rows {
                notes.push(json!(format!("of {all} {name} this page shows {}", self.rows)));
            }
        }
        let told = cut(events, "/events", self.events);
        if let Some(left_out) = events.get_mut("left_out") {
            *left_out = json!(left_out.as_u64().unwrap_or(0) + told.saturating_sub(self.events) as u64);
        }
        abridge(report, self.characters);
        abridge(events, self.characters);
        if let Some(Value::Array(said)) = report.pointer_mut("/capture/notes") {
            said.extend(notes);
        }
    }
}

/// Cuts a list, and says how long it was.
fn cut(report: &mut Value, list: &str, most: usize) -> usize {
    let Some(Value::Array(rows)) = report.pointer_mut(list) else { return 0 };
    let all = rows.len();
    rows.truncate(most);
    all
}

/// Cuts every text.
fn abridge(value: &mut Value, characters: usize) {
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(characters) {
                text.truncate(end);
                text.push('…');
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(|part| abridge(part, characters)),
        Value::Object(fields) => fields.values_mut().for_each(|part| abridge(part, characters)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn forget(report: &mut Value, place: &str) {
    let (parent, field) = place.rsplit_once('/').unwrap_or(("", place));
    if let Some(Value::Object(fields)) = report.pointer_mut(parent) {
        fields.remove(field);
    }
}

/// The first that makes the page small enough is taken. Nearly every capture gets the first one; the last one cannot fail,
/// because the number of lists and of other texts is the schema's.
const STEPS: [Step; 6] = [
    Step { bins: 241, rows: 20, events: 200, characters: 160 },
    Step { bins: 241, rows: 20, events: 100, characters: 160 },
    Step { bins: 121, rows: 20, events: 60, characters: 160 },
    Step { bins: 121, rows: 12, events: 40, characters: 100 },
    Step { bins: 61, rows: 8, events: 20, characters: 60 },
    Step { bins: 31, rows: 2, events: 5, characters: 20 },
];

/// What the page does not show. Distributions are those of the course, by bin.
const UNSEEN: [&str; 6] = [
    "/latency/distribution",
    "/latency/requests/ports",
    "/retransmit/ports",
    "/retransmit/flows",
    "/handshake/icmp",
    "/bandwidth/exact_flows",
];

/// Lists that begin with the worst or the largest, and what the page shows of each.
const LISTS: [(&str, usize); 10] = [
    ("/handshake/servers", 8),
    ("/retransmit/servers", 8),
    ("/stalls/flows", 6),
    ("/latency/requests/servers", 8),
    ("/latency/requests/commands", 12),
    ("/latency/requests/slowest", 20),
    ("/bandwidth/talkers/addresses", 12),
    ("/bandwidth/talkers/prefixes", 12),
    ("/bandwidth/talkers/ports", 12),
    ("/bandwidth/talkers/services", 12),
];

/// Lists of which the page shows everything that it has, and what they are lists of.
const WHOLE: [(&str, &str); 6] = [
    ("/capture/sources", "sources"),
    ("/capture/interfaces", "interfaces"),
    ("/bandwidth/interfaces", "interfaces with traffic"),
    ("/bandwidth/bursts", "rows about bursts"),
    ("/ledger/entries", "ledger entries"),
    ("/capture/notes", "notes"),
];
