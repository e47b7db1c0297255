//! How complete the figures are, and how the agent fares.

use super::{
    super::sample::number,
    Kind::{Counter, Gauge, Histogram, Info},
    Metric,
    Unit::{Bytes, None, Ratio, Seconds},
};

pub(super) const METRICS: &[Metric] = &[
    Metric::new("tcpkit_build", None, Info, &["version"], "The agent's version.", |_, out| {
        out.info(&[env!("CARGO_PKG_VERSION")]);
    }),
    Metric::new(
        "tcpkit_capture",
        None,
        Info,
        &["mode", "backend"],
        "How frames are captured: mode is live or file, backend is ebpf, pcap or file.",
        |context, out| out.info(&[context.report.capture.mode, context.report.capture.backend]),
    ),
    Metric::new(
        "tcpkit_completeness",
        Ratio,
        Gauge,
        &[],
        "Frames delivered to the analysis as a share of those that were wanted, since the capture began.",
        |context, out| {
            if let Some(completeness) = context.report.completeness {
                out.number(&[], completeness);
            }
        },
    ),
    Metric::new(
        "tcpkit_ledger_frames",
        None,
        Counter,
        &["interface", "hook", "leaf", "cause"],
        "Frames by what became of them; the leaves of an interface and hook add up to all frames that it saw. Lost are \
         ring_full and helper_failed.",
        |context, out| {
            for row in &context.named.ledger {
                let key: Vec<&str> = row.key.iter().map(String::as_str).collect();
                out.count(&key, row.counts[0]);
            }
        },
    ),
    Metric::new(
        "tcpkit_ledger_in_flight_frames",
        None,
        Gauge,
        &[],
        "Frames on their way from the kernel to the analysis.",
        |context, out| out.count(&[], context.report.ledger.total.in_flight),
    ),
    Metric::new(
        "tcpkit_ledger_notes",
        None,
        Counter,
        &["note"],
        "Named counts of the ledger that are no frame's fate.",
        |context, out| {
            for (note, count) in &context.report.ledger.total.notes {
                out.count(&[note], *count);
            }
        },
    ),
    Metric::new(
        "tcpkit_ledger_closes",
        None,
        Gauge,
        &[],
        "1 where every equation of the ledger holds; 0 is a defect.",
        |context, out| out.count(&[], u64::from(context.report.ledger.closes)),
    ),
    Metric::new(
        "tcpkit_ring_fill",
        Ratio,
        Gauge,
        &["worker"],
        "How full the ring between the kernel and a worker was when the worker was asked.",
        |context, out| {
            for (worker, fill) in context.report.figures.rings.iter().enumerate() {
                out.number(&[&worker.to_string()], *fill);
            }
        },
    ),
    Metric::new(
        "tcpkit_worker_pause",
        Seconds,
        Histogram,
        &[],
        "For how long each request for a report or a list of flows kept a worker from its frames.",
        |context, out| out.durations(&[], &context.report.figures.pauses),
    ),
    Metric::new(
        "tcpkit_reloads",
        None,
        Counter,
        &["outcome"],
        "How often the configuration was read again (SIGHUP); outcome is done, or refused where something was wrong and \
         everything stayed as it was.",
        |context, out| {
            let reloads = context.report.agent.as_ref().map(|agent| agent.reloads).unwrap_or_default();
            out.count(&["done"], reloads.done);
            out.count(&["refused"], reloads.refused);
        },
    ),
    Metric::new("tcpkit_flows", None, Counter, &[], "Flows that were seen.", |context, out| {
        out.count(&[], context.report.totals.flows);
    }),
    Metric::new("tcpkit_open_flows", None, Gauge, &[], "Flows that are open now.", |context, out| {
        out.count(&[], context.report.totals.open_flows);
    }),
    Metric::new(
        "tcpkit_evicted_flows",
        None,
        Counter,
        &["stage"],
        "Flows that gave way to --max-half-open (stage is half_open) or --max-flows (established).",
        |context, out| {
            let totals = &context.report.totals;
            out.count(&["half_open"], totals.evicted_half_open);
            out.count(&["established"], totals.evicted_flows.saturating_sub(totals.evicted_half_open));
        },
    ),
    Metric::new(
        "tcpkit_coarsened_rtts",
        None,
        Counter,
        &[],
        "Times that round trips of a flow were kept coarser than usual, because memory for them had run out.",
        |context, out| out.count(&[], context.report.totals.coarsened_rtts),
    ),
    Metric::new(
        "tcpkit_joined_ranges",
        None,
        Counter,
        &[],
        "Times that segments under way were kept together, because memory for each had run out.",
        |context, out| out.count(&[], context.report.totals.joined_ranges),
    ),
    Metric::new(
        "tcpkit_event_readers",
        None,
        Gauge,
        &[],
        "Clients that read events from the endpoint.",
        |context, out| out.count(&[], context.own.event_readers as u64),
    ),
    Metric::new(
        "tcpkit_events_lost",
        None,
        Counter,
        &[],
        "Events that clients of the endpoint have not seen, because they were too slow or away.",
        |context, out| out.count(&[], context.own.events_lost),
    ),
    Metric::new(
        "process_cpu",
        Seconds,
        Counter,
        &[],
        "Processor time that the agent has used, in user space and in the kernel; not that of the eBPF programs.",
        |context, out| {
            if let Some(seconds) = context.process.cpu_seconds {
                out.number(&[], seconds);
            }
        },
    ),
    Metric::new(
        "process_resident_memory",
        Bytes,
        Gauge,
        &[],
        "Memory of the agent that is there.",
        |context, out| {
            if let Some(bytes) = context.process.resident_bytes {
                out.count(&[], bytes);
            }
        },
    ),
    Metric::new("process_open_fds", None, Gauge, &[], "Descriptors that are open.", |context, out| {
        if let Some(fds) = context.process.open_fds {
            out.number(&[], number(fds));
        }
    }),
    Metric::new(
        "process_start_time",
        Seconds,
        Gauge,
        &[],
        "When the agent began, in seconds since the epoch.",
        |context, out| {
            if let Some(seconds) = context.process.start_seconds {
                out.number(&[], seconds);
            }
        },
    ),
];
