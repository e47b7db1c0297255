//! One line for each event.

use std::net::{IpAddr, SocketAddr};

use super::{
    TextOptions,
    number::{count, percent, span, time},
    request,
    style::{Tone, paint, safe},
};
use crate::report::{Event, EventKind, FlowName, FlowRecord, HandshakeResult};

/// The event in one line, without the line's end: time of day (UTC), what, where, and how much.
///
/// The day stands in the summary and in the event log; a line without it fits 80 columns.
#[must_use]
pub fn event(event: &Event, options: TextOptions) -> String {
    let (word, tone, story) = match &event.kind {
        EventKind::HandshakeFailed { result, flow } => {
            (result.name(), tone_of(*result), handshake(event.time.as_micros(), flow))
        }
        EventKind::LossEpisode { flow, sender, duration_us, delay_us, retransmissions, .. } => {
            let segments: u64 = retransmissions.values().map(|segments| u64::from(*segments)).sum();
            let causes: Vec<String> =
                retransmissions.iter().map(|(cause, segments)| format!("{segments} {cause}")).collect();
            let story = format!(
                "{} {sender} sent {} segments again in {} ({}), {} late",
                connection(flow),
                count(segments),
                span(*duration_us),
                causes.join(", "),
                span(*delay_us)
            );
            ("loss", Tone::Bad, story)
        }
        EventKind::Stall { flow, kind, sender, duration_us } => {
            let story = format!("{} {} for {}", connection(flow), waited(kind, sender), span(*duration_us));
            ("stall", Tone::Warning, story)
        }
        EventKind::SlowRequest { request } => ("request", Tone::Warning, request::line(request)),
        EventKind::CaptureLoss { interface, frames, completeness } => {
            ("lost", Tone::Bad, loss(interface, *frames, *completeness))
        }
        EventKind::Reload { changed, at_next_start, reason, .. } => {
            let tone = if reason.is_some() { Tone::Bad } else { Tone::Faint };
            ("reload", tone, reload(changed, at_next_start, reason.as_deref()))
        }
        EventKind::Interface { interface, change } => {
            ("interface", Tone::Warning, format!("{} {}", safe(interface), safe(change)))
        }
    };
    let moment = time(event.time.as_micros());
    let when = moment.split_once(' ').map_or(moment.as_str(), |(_day, time_of_day)| time_of_day);
    let padding = " ".repeat(WORD_COLUMNS.saturating_sub(word.len()));
    format!("{}  {}{padding}  {story}", paint(when, Tone::Faint, options), paint(word, tone, options))
}

fn reload(changed: &[String], at_next_start: &[String], reason: Option<&str>) -> String {
    if let Some(reason) = reason {
        return format!("refused, nothing changes: {}", safe(reason));
    }
    let listed = |names: &[String]| safe(&names.join(", ")).to_string();
    let mut story = match changed {
        [] => "nothing changes now".to_owned(),
        changed => format!("changed: {}", listed(changed)),
    };
    if !at_next_start.is_empty() {
        story.push_str(&format!("; at the next start: {}", listed(at_next_start)));
    }
    story
}

const fn tone_of(result: HandshakeResult) -> Tone {
    match result {
        HandshakeResult::Success | HandshakeResult::Pending | HandshakeResult::Midstream => Tone::Faint,
        HandshakeResult::Aborted => Tone::Warning,
        HandshakeResult::Reject | HandshakeResult::Timeout | HandshakeResult::Unreachable => Tone::Bad,
    }
}

fn handshake(now_us: i64, flow: &FlowRecord) -> String {
    let mut line = format!(
        "{} > {} after {}",
        endpoint(flow.client_ip, flow.client_port),
        endpoint(flow.server_ip, flow.server_port),
        span(micros(now_us.saturating_sub(flow.start_us).max(0)))
    );
    if let Some(interface) = &flow.interface {
        line.push_str(&format!(" on {}", safe(interface)));
    }
    if let Some(icmp) = &flow.icmp {
        line.push_str(&format!(", ICMP {}", safe(icmp)));
    }
    for (repeats, what) in [(flow.syn_retransmissions, "SYN"), (flow.synack_retransmissions, "SYN/ACK")] {
        if repeats > 0 {
            line.push_str(&format!(", {what} sent {} times", u64::from(repeats) + 1));
        }
    }
    line
}

fn connection(flow: &FlowName) -> String {
    format!("{} > {}", endpoint(flow.client_ip, flow.client_port), endpoint(flow.server_ip, flow.server_port))
}

/// What a stalled flow waited for, in words; `sender` is who had something to send.
fn waited(kind: &str, sender: &str) -> String {
    let receiver = if sender == "client" { "server" } else { "client" };
    match kind {
        "zero_window" => format!("{receiver} had no room to receive"),
        "rto" => format!("{sender} waited for its retransmission timer"),
        "server_thinking" => "server did not answer".to_owned(),
        "client_thinking" => "client asked nothing".to_owned(),
        _ => format!("{sender} did not go on sending"),
    }
}

fn loss(interface: &str, frames: u64, completeness: f64) -> String {
    format!(
        "{} lost {} frames between kernel and analysis ({} complete): raise --ring-bytes or narrow the filter",
        safe(interface),
        count(frames),
        percent(completeness, 2)
    )
}

fn endpoint(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

#[expect(clippy::cast_precision_loss, reason = "2^53 us are 285 years")]
fn micros(value: i64) -> f64 {
    value as f64
}

/// `unreachable` is the longest word.
const WORD_COLUMNS: usize = 11;
