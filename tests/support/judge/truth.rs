//! What the kernel did: each segment that it sent again and why, each round trip that it measured.
//!
//! A retransmission is taken at `tcp:tcp_retransmit_skb`, when the segment has just left. Why it left stands in the
//! socket: the timer has put congestion control into `TCP_CA_Loss` before it sends again (net/ipv4/tcp_timer.c), and
//! whatever follows in that state is sent again for the timer's sake; acknowledgements have put it into
//! `TCP_CA_Recovery`; and outside both, a loss probe is sent while the socket's timer is `ICSK_TIME_LOSS_PROBE`. Round
//! trips are those that move the socket's smoothed one: since the oldest segment that an acknowledgement is the first to
//! cover, by Karn's rule. They follow from the smoothed round trip before and behind each segment that comes
//! (`tcp:tcp_probe`), because `tcp_rtt_estimator` adds an eighth of the difference without rounding.

use std::{collections::HashMap, fs, os::unix::fs::MetadataExt as _};

use anyhow::{Context as _, Result};

use super::{
    btf::Btf,
    probe::{Probe, Value},
};
use crate::netns::Namespace;

/// Which way data went: from one port to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// The sender's.
    pub from: u16,
    /// The receiver's.
    pub to: u16,
}

impl Way {
    /// The way back.
    #[must_use]
    pub const fn back(self) -> Self {
        Self { from: self.to, to: self.from }
    }
}

/// Why the kernel sent a segment again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// The retransmission timer.
    Rto,
    /// Acknowledgements.
    Fast,
    /// A loss probe.
    Tlp,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rto, Self::Fast, Self::Tlp];

    /// As in the flow log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rto => "rto",
            Self::Fast => "fast",
            Self::Tlp => "tlp",
        }
    }
}

/// A segment, or super-segment, that was sent again.
#[derive(Clone, Copy, Debug)]
pub struct Retransmission {
    /// When, by `CLOCK_MONOTONIC`, in nanoseconds.
    pub at_ns: u64,
    /// Whose.
    pub way: Way,
    /// Its first sequence number.
    pub seq: u32,
    /// The sequence number behind it, SYN and FIN counted.
    pub end_seq: u32,
    /// Octets of payload.
    pub payload_len: u32,
    /// Segments on the wire.
    pub segments: u32,
    /// Why.
    pub trigger: Trigger,
    /// It carried a SYN.
    pub is_syn: bool,
    /// The network took it: a send that failed reaches no capture.
    pub was_sent: bool,
}

/// A round trip that the kernel measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// Whose data.
    pub way: Way,
    /// How long, in microseconds.
    pub span_us: u32,
}

/// What the kernel did in a run.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// In their order.
    pub retransmissions: Vec<Retransmission>,
    /// SYN/ACKs sent again.
    pub synacks: u64,
    /// Round trips, in their order.
    pub round_trips: Vec<RoundTrip>,
}

/// A record that has begun.
#[derive(Debug)]
pub struct Recorder {
    /// Twice the same: the kernel skips a probe that would interrupt itself, and then the other one is not at work.
    retransmissions: [Probe; 2],
    synacks: Probe,
    round_trips: Probe,
    /// Bits of `icsk_ca_state` in its byte begin here.
    state_shift: u8,
}

impl Recorder {
    /// Begins to record what the sockets of these namespaces do.
    ///
    /// # Errors
    /// When this kernel cannot be watched so, with the reason.
    pub fn start(namespaces: &[&Namespace]) -> Result<Self> {
        let btf = Btf::of_kernel()?;
        let inodes = namespaces.iter().map(|one| inode(one)).collect::<Result<Vec<_>>>()?;
        let attach = |name, values: &[Value]| Probe::attach(&btf, name, &inodes, values);
        let socket = Socket(&btf);
        let ports = socket.ports()?;
        let values = [&ports[..], &socket.state()?, &buffer(&btf)?, &[Value::Argument(2)]].concat();
        let sample = [&ports[..], &socket.round_trip()?].concat();
        Ok(Self {
            retransmissions: [attach("tcp_retransmit_skb", &values)?, attach("tcp_retransmit_skb", &values)?],
            synacks: attach("tcp_retransmit_synack", &ports)?,
            round_trips: attach("tcp_probe", &sample)?,
            state_shift: btf.field("tcp_sock", CA_STATE)?.shift,
        })
    }

    /// Ends the record.
    ///
    /// # Errors
    /// When some of it was lost.
    pub fn stop(self) -> Result<Truth> {
        let [first, second] = &self.retransmissions;
        let retransmissions = joined(first.rows()?, second.rows()?);
        let retransmissions = retransmissions.iter().map(|row| self.retransmission(row));
        let retransmissions: Vec<_> = retransmissions.collect();
        let round_trips = round_trips(&self.round_trips.rows()?, &retransmissions);
        Ok(Truth { retransmissions, synacks: self.synacks.rows()?.len() as u64, round_trips })
    }

    fn retransmission(&self, row: &[u64]) -> Retransmission {
        let word = |column: usize| u32::try_from(row[column] & 0xffff_ffff).unwrap_or_default();
        let state = word(3) >> self.state_shift & CA_STATE_MASK;
        let trigger = match (state, word(4)) {
            (CA_LOSS, _) => Trigger::Rto,
            (CA_RECOVERY, _) => Trigger::Fast,
            (_, TIME_LOSS_PROBE) => Trigger::Tlp,
            _ => Trigger::Fast,
        };
        Retransmission {
            at_ns: row[0],
            way: way(row),
            seq: word(5),
            end_seq: word(6),
            payload_len: word(9),
            segments: word(7),
            trigger,
            is_syn: word(8) & FLAG_SYN != 0,
            was_sent: word(10) == 0,
        }
    }
}

/// What two equal probes noted, in order of time; they note one event within microseconds.
fn joined(mut first: Vec<Vec<u64>>, mut second: Vec<Vec<u64>>) -> Vec<Vec<u64>> {
    first.sort();
    second.sort();
    let are_same = first.iter().map(|row| &row[1..]).eq(second.iter().map(|row| &row[1..]));
    if are_same {
        // Neither missed anything; how far apart they noted it, a busy machine decides.
        return first;
    }
    let is_known = |row: &Vec<u64>| {
        let begin = first.partition_point(|one| one[0] + ONE_EVENT_NS < row[0]);
        let near = first[begin..].iter().take_while(|one| one[0] <= row[0] + ONE_EVENT_NS);
        near.into_iter().any(|one| one[1..] == row[1..])
    };
    let missing: Vec<_> = second.into_iter().filter(|row| !is_known(row)).collect();
    first.extend(missing);
    first.sort();
    first
}

/// Nothing sends the same segment again within this.
const ONE_EVENT_NS: u64 = 200_000;

/// linux/tcp.h: `enum tcp_ca_state`.
const CA_RECOVERY: u32 = 3;
const CA_LOSS: u32 = 4;
const CA_STATE: &str = "inet_conn.icsk_ca_state";
/// It is a bit field of five.
const CA_STATE_MASK: u32 = 0x1f;
/// net/inet_connection_sock.h.
const TIME_LOSS_PROBE: u32 = 5;
/// net/tcp.h: `TCPHDR_SYN`.
const FLAG_SYN: u32 = 2;

/// Columns 1 and 2 of every row.
fn way(row: &[u64]) -> Way {
    let port = |value: u64| u16::try_from(value & 0xffff).unwrap_or_default();
    Way { from: port(row[1]), to: port(row[2]).swap_bytes() }
}

/// Each round trip that moved the smoothed one; what stands in a row came with the segment before.
fn round_trips(rows: &[Vec<u64>], retransmissions: &[Retransmission]) -> Vec<RoundTrip> {
    let mut resent: HashMap<Way, Vec<u64>> = HashMap::new();
    for one in retransmissions {
        resent.entry(one.way).or_default().push(one.at_ns / 1_000);
    }
    let mut before: HashMap<Way, &Vec<u64>> = HashMap::new();
    let mut all = Vec::new();
    for row in rows {
        let way = way(row);
        let span_us = match before.insert(way, row) {
            None => row[3] / 8,
            Some(last) if last[3..] == row[3..] => continue,
            Some(last) if last[3] == row[3] => {
                // It did not move: the round trip was as long, or it was of something sent again.
                let sent_us = (last[0] / 1_000).saturating_sub(row[5]);
                let times = resent.get(&way).map(Vec::as_slice).unwrap_or_default();
                let near = times.partition_point(|time| time + RESENT_US < sent_us);
                if times.get(near).is_some_and(|time| *time <= sent_us + RESENT_US) {
                    continue;
                }
                row[3] / 8
            }
            Some(last) => (row[3] + last[3] / 8).saturating_sub(last[3]),
        };
        // Where only timestamps tell, the kernel knows whole milliseconds: no round trip to be held to.
        if span_us > 0
            && !span_us.is_multiple_of(1_000)
            && let Ok(span_us) = u32::try_from(span_us)
        {
            all.push(RoundTrip { way, span_us });
        }
    }
    all
}

/// Between the stamp of a segment and the record that it was sent again, at most, in microseconds.
const RESENT_US: u64 = 500;

struct Socket<'a>(&'a Btf);

impl Socket<'_> {
    fn at(&self, path: &str, len: u8) -> Result<Value> {
        Ok(Value::Behind { argument: 0, offset: self.0.field("tcp_sock", path)?.offset, len })
    }

    /// The socket's own port in host order, and the other side's in network order.
    fn ports(&self) -> Result<[Value; 2]> {
        let common = "inet_conn.icsk_inet.sk.__sk_common";
        Ok([self.at(&format!("{common}.skc_num"), 2)?, self.at(&format!("{common}.skc_dport"), 2)?])
    }

    /// The smoothed round trip, in eighths of a microsecond; of what was delivered last, when it was sent and how long
    /// it took (RACK).
    fn round_trip(&self) -> Result<[Value; 3]> {
        Ok([self.at("srtt_us", 4)?, self.at("rack.mstamp", 8)?, self.at("rack.rtt_us", 4)?])
    }

    /// Its state of congestion control and its timer.
    fn state(&self) -> Result<[Value; 2]> {
        Ok([self.at(CA_STATE, 1)?, self.at("inet_conn.icsk_pending", 1)?])
    }
}

/// The segment's `tcp_skb_cb`, which lies in the buffer's `cb`, and its length without headers.
fn buffer(btf: &Btf) -> Result<[Value; 5]> {
    let cb = btf.field("sk_buff", "cb")?.offset;
    let at = |field: &str, len| -> Result<Value> {
        Ok(Value::Behind { argument: 1, offset: cb + btf.field("tcp_skb_cb", field)?.offset, len })
    };
    let len = Value::Behind { argument: 1, offset: btf.field("sk_buff", "len")?.offset, len: 4 };
    Ok([at("seq", 4)?, at("end_seq", 4)?, at("tcp_gso_segs", 2)?, at("tcp_flags", 1)?, len])
}

fn inode(namespace: &Namespace) -> Result<u32> {
    let path = format!("/run/netns/{}", namespace.name());
    let inode = fs::metadata(&path).with_context(|| format!("no {path}"))?.ino();
    Ok(u32::try_from(inode)?)
}
