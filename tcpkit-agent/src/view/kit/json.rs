//! The stats port's three shapes of JSON, with the spaces that their readers may count on.

use std::fmt::Write as _;

use super::{
    buckets::{NAMES, filled},
    line::append,
    tally::{by_port, by_server},
};
use crate::report::{Sent, ServiceCount, Services};

/// Whose JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// The document's (and 1.0.0's): an array of ports.
    #[default]
    Array,
    /// tcpkit 1.0.1's: an object, the array in it.
    V101,
    /// tcpkit 1.1.0's: an object of servers.
    V11,
}

impl Shape {
    /// The shape that a query asks for by `v=`; `None` where nobody has such a version.
    #[must_use]
    pub fn of_query(query: &str) -> Option<Self> {
        let asked = query.split('&').find_map(|word| word.strip_prefix("v="));
        match asked {
            None | Some("1.0" | "1.0.0") => Some(Self::Array),
            Some("1.0.1") => Some(Self::V101),
            Some("1.1" | "1.1.0") => Some(Self::V11),
            Some(_) => None,
        }
    }

    /// The text, without a line's end behind it. `mode` is what `-m` says, `asked` what `-p` says,
    /// `drops` the frames that were lost because a buffer was full.
    #[must_use]
    pub fn render(self, services: &Services, asked: &[u16], mode: &str, drops: u64) -> String {
        match self {
            Self::Array => array(services, asked),
            Self::V101 => {
                // In is towards the servers.
                let Sent { segments: in_packets, payload_bytes: in_bytes } = services.from_clients;
                let Sent { segments: out_packets, payload_bytes: out_bytes } = services.from_servers;
                format!(
                    "{{\"type\":\"{mode}\",\"drops\":{drops},\"in_packets\":{in_packets},\"out_packets\":{out_packets},\"in_bytes\":{in_bytes},\"out_bytes\":{out_bytes}, \"ports\":{}}}",
                    array(services, asked)
                )
            }
            Self::V11 => servers(services),
        }
    }
}

fn array(services: &Services, asked: &[u16]) -> String {
    let ports: Vec<String> =
        by_port(services, asked).iter().map(|(number, service)| port(*number, service)).collect();
    format!("[{}]", ports.join(","))
}

fn port(number: u16, service: &ServiceCount) -> String {
    let ServiceCount { answered, latency_us, slow, buckets, .. } = service;
    let latencies: Vec<String> = buckets.iter().map(u64::to_string).collect();
    format!(
        "{{\"{number}\":{{\"total_reqs\": {answered},\"total_costs\":{latency_us}, \"slow_reqs\":{slow},\"latencies\":[{}]}}}}",
        latencies.join(",")
    )
}

/// As cJSON prints: tabs, a key's tab behind its colon, objects of an array in one row of braces.
fn servers(services: &Services) -> String {
    let mut text = String::from("{");
    for (number, (server, service)) in by_server(services).iter().enumerate() {
        text.push_str(if number > 0 { ",\n" } else { "\n" });
        append(&mut text, format_args!("\t\"{server}\":\t{{\n"));
        let ServiceCount { requests, request_bytes, answered, response_bytes, .. } = service;
        for (name, value) in [
            ("requests", requests),
            ("request_bytes", request_bytes),
            ("responses", answered),
            ("response_bytes", response_bytes),
        ] {
            append(&mut text, format_args!("\t\t\"{name}\":\t{value},\n"));
        }
        text.push_str("\t\t\"latency\":\t[");
        for (number, (place, requests)) in filled(&service.buckets).enumerate() {
            let joint = if number > 0 { ", " } else { "" };
            append(&mut text, format_args!("{joint}{{\n\t\t\t\t\"{}\":\t{requests}\n\t\t\t}}", NAMES[place]));
        }
        text.push_str("]\n\t}");
    }
    // cJSON breaks the line of an empty object, too.
    writeln!(text).expect("writing to a string cannot fail");
    text.push('}');
    text
}
