//! What the kernel says of its sockets at their end (`TCP_INFO`) beside the flow log that tcpkit wrote at the same end.

use std::{collections::HashMap, fmt, ops::Range};

use serde_json::Value;

use super::{score::is_mostly_right, workload::Socket};

/// One end of a connection: the kernel's word and the flow log's.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The kernel's, before and behind the end of the connection.
    pub kernel: Socket,
    /// The flow log's; `None` where it has no such flow.
    pub ours: Option<Recorded>,
}

/// What the flow log has of a direction; durations in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Segments sent again, with SYN or SYN/ACK and FIN.
    pub segments: u64,
    /// Those of data for which there had been no need.
    pub spurious: u64,
    /// Octets of payload sent again.
    pub bytes: u64,
    /// Segments with ECE that came back.
    pub echoes: u64,
    /// `rtt.smoothed`, `rtt.min`; infinite where there is none.
    pub rtt: [f64; 2],
    /// `rtt.variation`.
    pub rtt_variation: Option<f64>,
}

impl Recorded {
    /// What the side that sends this way did, by a record of the flow log.
    fn of(flow: &Value, is_client: bool) -> Self {
        let (own, peer, synonym) =
            if is_client { ("client", "server", "syn") } else { ("server", "client", "synack") };
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let side = &flow[own];
        let causes = side["retransmissions"].as_object().into_iter().flatten();
        let data: u64 = causes.map(|(_, segments)| number(segments)).sum();
        let opening = number(&flow[format!("{synonym}_retransmissions")]);
        Self {
            segments: data + opening + number(&side["fin_retransmissions"]),
            spurious: number(&side["retransmissions"]["spurious"]),
            bytes: number(&side["retransmitted_bytes"]),
            echoes: number(&flow[peer]["ece"]),
            rtt: ["smoothed", "min"].map(|name| side["rtt"][name].as_f64().unwrap_or(f64::INFINITY)),
            rtt_variation: side["rtt"]["variation"].as_f64(),
        }
    }
}

/// Holds sockets of both ends against the flow logs of the client's and of the server's end.
#[must_use]
pub fn compare(sockets: &[Socket], server_port: u16, logs: [&[Value]; 2]) -> Vec<Compared> {
    let by_client = logs.map(|log| {
        let port = |flow: &Value| u16::try_from(flow["client_port"].as_u64()?).ok();
        log.iter().filter_map(|flow| Some((port(flow)?, flow))).collect::<HashMap<_, _>>()
    });
    let one = |socket: &Socket| {
        let way = socket.way;
        let is_client = way.to == server_port;
        let flows = &by_client[usize::from(!is_client)];
        let flow = flows.get(if is_client { &way.from } else { &way.to });
        Compared { kernel: *socket, ours: flow.map(|flow| Recorded::of(flow, is_client)) }
    };
    sockets.iter().map(one).collect()
}

/// What is compared of each socket.
///
/// Of what was sent again Linux takes a time stamp's word where it has no other (RFC 7323 §4.1): whole milliseconds, and
/// the time since the first copy where the receiver's answer to that was lost. A smoothed round trip that such a sample
/// has moved is no measure, so those sockets stand apart.
const QUESTIONS: [&str; 5] = [
    "segments sent again",
    "octets sent again",
    "smoothed round trip",
    "smoothed where something was sent again",
    "least round trip",
];

/// Sums over sockets.
#[derive(Clone, Debug, Default)]
pub struct SocketScore {
    sockets: u64,
    /// Sockets in no flow log.
    missing: u64,
    /// By question: sockets that can be asked, and those of which the log is right.
    right: [[u64; 2]; QUESTIONS.len()],
    /// What has no like in the flow log, beside the nearest that has.
    dsacked: [u64; 2],
    reordered: u64,
    echoed: [u64; 2],
    /// The log's variation of round trips, in parts of the kernel's.
    variations: Vec<f64>,
}

impl SocketScore {
    /// Of one run.
    #[must_use]
    pub fn of(all: &[Compared]) -> Self {
        let mut score = Self { sockets: all.len() as u64, ..Self::default() };
        for one in all {
            match &one.ours {
                Some(ours) => score.take(&one.kernel, ours),
                None => score.missing += 1,
            }
        }
        score
    }

    fn take(&mut self, Socket { open, closed, .. }: &Socket, ours: &Recorded) {
        let [segments, octets, smoothed, doubtful, least] = &mut self.right;
        add(segments, &[1, u64::from(u64::from(closed.total_retrans) == ours.segments)]);
        add(octets, &[1, u64::from(closed.bytes_retrans == ours.bytes)]);
        let smoothed = if open.total_retrans == 0 { smoothed } else { doubtful };
        for (sum, theirs, ours) in [(smoothed, open.rtt, ours.rtt[0]), (least, open.min_rtt, ours.rtt[1])] {
            // A side that sent nothing has no round trip; `tcpi_min_rtt` says so by its highest number.
            if theirs > 0 && theirs < u32::MAX {
                add(sum, &[1, u64::from(is_close(f64::from(theirs), ours))]);
            }
        }
        let variation = f64::from(open.rtt_variation);
        self.variations.extend(ours.rtt_variation.filter(|_| variation > 0.0).map(|ours| ours / variation));
        add(&mut self.dsacked, &[closed.dsack_dups.into(), ours.spurious]);
        self.reordered += u64::from(closed.reord_seen);
        add(&mut self.echoed, &[closed.delivered_ce.into(), ours.echoes]);
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.sockets += other.sockets;
        self.missing += other.missing;
        self.right.iter_mut().zip(&other.right).for_each(|(mine, theirs)| add(mine, theirs));
        add(&mut self.dsacked, &other.dsacked);
        self.reordered += other.reordered;
        add(&mut self.echoed, &other.echoed);
        self.variations.extend_from_slice(&other.variations);
    }

    /// What does not hold, in words; empty when all does.
    #[must_use]
    pub fn misses(&self) -> Vec<String> {
        [self.count_misses(), self.time_misses()].concat()
    }

    /// What of the counts does not hold: the kernel's and ours are of the same segments, so 99 of 100 must be equal.
    #[must_use]
    pub fn count_misses(&self) -> Vec<String> {
        let missing = (self.missing > 0).then(|| format!("{} sockets in no flow log", self.missing));
        missing.into_iter().chain(self.missed(0..2, |all, right| right * 100 >= all * 99)).collect()
    }

    /// What of the round trips does not hold. Nothing is asked of the variation, which Linux weighs otherwise than
    /// RFC 6298 does.
    #[must_use]
    pub fn time_misses(&self) -> Vec<String> {
        self.missed(2..3, is_mostly_right).chain(self.missed(4..5, is_mostly_right)).collect()
    }

    fn missed(&self, questions: Range<usize>, holds: fn(u64, u64) -> bool) -> impl Iterator<Item = String> {
        let asked = questions.map(|number| (QUESTIONS[number], self.right[number]));
        asked
            .filter(move |(_, [all, right])| !holds(*all, *right))
            .map(|(name, [all, right])| format!("{name} right in {right} of {all} sockets"))
    }
}

/// Off by no more than 5 % or 50 µs.
fn is_close(theirs: f64, ours: f64) -> bool {
    (ours - theirs).abs() <= (0.05 * theirs).max(50.0)
}

fn add(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}

impl fmt::Display for SocketScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  TCP_INFO of {} sockets, the flow log right in:", self.sockets)?;
        for (number, (name, [all, right])) in QUESTIONS.into_iter().zip(self.right).enumerate() {
            let before = if number % 2 == 0 { "\n    " } else { ", " };
            write!(f, "{before}{name} {right} of {all}")?;
        }
        let mut variations = self.variations.clone();
        variations.sort_by(f64::total_cmp);
        let middle = variations.get(variations.len() / 2).copied().unwrap_or_default();
        write!(f, "; variation {middle:.2} times the kernel's in the middle\n    ")?;
        write!(
            f,
            "kernel: dsack_dups {} (tcpkit: spurious {}), reord_seen {}, delivered_ce {} (tcpkit: ece {})",
            self.dsacked[0], self.dsacked[1], self.reordered, self.echoed[0], self.echoed[1]
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{judge::truth::Way, tcp_info::TcpInfo};

    #[test]
    fn a_socket_is_held_against_its_own_side_of_its_own_flow() {
        let flow = json!({
            "client_port": 40_000, "syn_retransmissions": 1, "synack_retransmissions": 2,
            "client": { "retransmissions": { "fast": 3, "spurious": 1 }, "fin_retransmissions": 1,
                        "retransmitted_bytes": 4_000, "rtt": { "smoothed": 100.0, "min": 90.0 }, "ece": 5 },
            "server": { "retransmissions": { "rto": 7 }, "ece": 6 },
        });
        let closed = TcpInfo { total_retrans: 6, bytes_retrans: 4_000, rtt: 999, ..TcpInfo::default() };
        let open = TcpInfo { rtt: 120, min_rtt: 200, ..TcpInfo::default() };
        let socket = |from, to| Socket { way: Way { from, to }, open, closed };
        let [client, server, stranger] = [socket(40_000, 80), socket(80, 40_000), socket(40_001, 80)];
        let all = compare(&[client, server, stranger], 80, [std::slice::from_ref(&flow), &[]]);
        let ours = all[0].ours.unwrap();
        assert_eq!((ours.segments, ours.bytes, ours.spurious, ours.echoes), (6, 4_000, 1, 6));
        assert!(
            all[1].ours.is_none() && all[2].ours.is_none(),
            "that end's log is empty, or has no such flow"
        );
        let score = SocketScore::of(&all[..1]);
        assert_eq!(score.right, [[1, 1], [1, 1], [1, 1], [0, 0], [1, 0]]);
        assert!(score.misses().is_empty(), "one may be wrong");
        let mut twice = score.clone();
        twice.add(&score);
        assert_eq!(twice.misses(), ["least round trip right in 0 of 2 sockets"]);
        assert_eq!(SocketScore::of(&all).misses(), ["2 sockets in no flow log"]);
    }
}
