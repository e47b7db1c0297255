//! What the Unix socket answers, in tcpeek's JSON, its blank before `"unreach"` included.
//!
//! Names are escaped as JSON wants it. `REFRESH` counts what ICMP answered as rejected, because whoever reads it knows
//! no other failure.

use std::fmt::Write as _;

use super::{summary::Received, tally::Tally};

/// All counts since the capture began.
pub(super) fn totals<'a>(tallies: impl Iterator<Item = (&'a str, &'a Tally)>, received: Received) -> String {
    let mut text = String::from("[");
    for (name, tally) in tallies {
        let failure = format!(
            "\"total\":{},\"timeout\":{},\"reject\":{}, \"unreach\":{}",
            tally.failure(),
            tally.timeout,
            tally.reject,
            tally.unreach
        );
        element(&mut text, name, tally, &failure);
        text.push(',');
    }
    let Received { recv, drop, ifdrop } = received;
    write!(text, "{{\"pcap\":{{\"stats\":{{\"recv\":{recv},\"drop\":{drop},\"ifdrop\":{ifdrop}}}}}}}]")
        .expect("writing to a string cannot fail");
    text
}

/// These counts, which are those since the last time.
pub(super) fn refresh<'a>(tallies: impl Iterator<Item = (&'a str, Tally)>) -> String {
    let mut text = String::from("[");
    for (place, (name, tally)) in tallies.enumerate() {
        if place > 0 {
            text.push(',');
        }
        let failure = format!(
            "\"total\":{},\"timeout\":{},\"reject\":{}",
            tally.failure(),
            tally.timeout,
            tally.reject + tally.unreach
        );
        element(&mut text, name, &tally, &failure);
    }
    text.push(']');
    text
}

fn element(text: &mut String, name: &str, tally: &Tally, failure: &str) {
    let name = serde_json::Value::from(name);
    let Tally { success, dupsyn, dupsynack, .. } = tally;
    write!(
        text,
        "{{{name}:{{\"success\":{{\"total\":{success},\"dupsyn\":{dupsyn},\"dupsynack\":{dupsynack}}},\"failure\":{{{failure}}}}}}}"
    )
    .expect("writing to a string cannot fail");
}
