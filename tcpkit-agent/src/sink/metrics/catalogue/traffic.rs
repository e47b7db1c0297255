//! Who used how much.

use super::{
    super::{sample::number, top::Row},
    Context,
    Kind::{Counter, Histogram},
    Metric, Samples,
    Unit::{Bytes, None},
};

pub(super) const METRICS: &[Metric] = &[
    Metric::new(
        "tcpkit_interface_frames",
        None,
        Counter,
        &["interface"],
        "Frames that were wanted, as captured; exact where the kernel counts, also when frames were lost.",
        |context, out| of_interfaces(context, out, FRAMES),
    ),
    Metric::new(
        "tcpkit_interface_packets",
        None,
        Counter,
        &["interface"],
        "Packets on the wire that they stood for.",
        |context, out| of_interfaces(context, out, PACKETS),
    ),
    Metric::new(
        "tcpkit_interface",
        Bytes,
        Counter,
        &["interface"],
        "Bytes on the wire, link header included.",
        |context, out| of_interfaces(context, out, BYTES),
    ),
    Metric::new(
        "tcpkit_traffic_packets",
        None,
        Counter,
        &["interface", "direction", "protocol"],
        "Packets on the wire by way past the capture point and by protocol, of the frames that were delivered.",
        |context, out| of_traffic(context, out, PACKETS),
    ),
    Metric::new(
        "tcpkit_traffic",
        Bytes,
        Counter,
        &["interface", "direction", "protocol"],
        "Bytes on the wire by way past the capture point and by protocol, of the frames that were delivered.",
        |context, out| of_traffic(context, out, BYTES),
    ),
    Metric::new(
        "tcpkit_packet_size",
        Bytes,
        Histogram,
        &[],
        "Packets on the wire by size; bounds as in RMON (RFC 2819).",
        |context, out| {
            let bandwidth = &context.report.bandwidth;
            let bound = |up_to: Option<u32>| up_to.map_or(f64::INFINITY, f64::from);
            let buckets = bandwidth.packet_sizes.iter().map(|one| (bound(one.up_to), one.packets));
            let bytes: u64 = bandwidth.protocols.values().map(|traffic| traffic.count.bytes).sum();
            let buckets: Vec<_> = buckets.collect();
            if !buckets.is_empty() {
                out.sizes(buckets, number(bytes));
            }
        },
    ),
    Metric::new("tcpkit_segments", None, Counter, &[], "TCP segments on the wire.", |context, out| {
        out.count(&[], context.report.totals.segments);
    }),
    Metric::new(
        "tcpkit_payload",
        Bytes,
        Counter,
        &[],
        "TCP payload on the wire, what was sent again included.",
        |context, out| out.count(&[], context.report.totals.payload_bytes),
    ),
];

fn of_interfaces(context: &Context<'_>, out: &mut Samples, what: usize) {
    rows(&context.named.interfaces, out, what);
}

fn of_traffic(context: &Context<'_>, out: &mut Samples, what: usize) {
    rows(&context.named.traffic, out, what);
}

fn rows(rows: &[Row], out: &mut Samples, what: usize) {
    for row in rows {
        let key: Vec<&str> = row.key.iter().map(String::as_str).collect();
        out.count(&key, row.counts[what]);
    }
}

/// Places in the counts of a row.
const FRAMES: usize = 0;
const PACKETS: usize = 1;
const BYTES: usize = 2;
