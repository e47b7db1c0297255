//! What bounds on memory took from the figures: a line for each bound that bit, by its name in the JSON report.

use super::{number::count, summary::Screen};
use crate::report::Report;

impl Screen {
    pub(super) fn bounds(&mut self, report: &Report) {
        let bitten = BOUNDS.iter().map(|bound| (bound, (bound.of)(report))).filter(|(_, times)| *times > 0);
        for (number, (bound, times)) in bitten.enumerate() {
            let label = if number == 0 { "bounds" } else { "" };
            self.field(label, &format!("{} {}: {}", bound.name, count(times), bound.effect));
        }
    }
}

/// A bound on memory that shows in figures.
struct Bound {
    name: &'static str,
    of: fn(&Report) -> u64,
    effect: &'static str,
}

/// All of them but `evicted_flows`, which stands with the flows.
const BOUNDS: [Bound; 9] = [
    Bound {
        name: "coarsened_rtts",
        of: |report| report.totals.coarsened_rtts,
        effect: "percentiles of some flows are less exact",
    },
    Bound {
        name: "bandwidth.exact_flows.evictions",
        of: |report| report.bandwidth.exact_flows.as_ref().map_or(0, |flows| flows.evictions),
        effect: "some rows of exact_flows have less than passed, evicted has the rest",
    },
    Bound {
        name: "joined_ranges",
        of: |report| report.totals.joined_ranges,
        effect: "causes of some retransmissions may be wrong",
    },
    Bound {
        name: "handshake.servers_folded",
        of: |report| report.handshake.servers_folded,
        effect: "too many servers, each has at least what is said",
    },
    Bound {
        name: "retransmit.servers_folded",
        of: |report| report.retransmit.servers_folded,
        effect: "too many servers, each has at least what is said",
    },
    Bound {
        name: "retransmit.flows_folded",
        of: |report| report.retransmit.flows_folded,
        effect: "too many flows, one may be missing below",
    },
    Bound {
        name: "bandwidth.talkers.addresses_folded",
        of: |report| report.bandwidth.talkers.addresses_folded,
        effect: "too many addresses, each has at least what is said",
    },
    Bound {
        name: "bandwidth.talkers.services_folded",
        of: |report| report.bandwidth.talkers.services_folded,
        effect: "too many services, each has at least what is said",
    },
    Bound {
        name: "stalls.flows_folded",
        of: |report| report.stalls.flows_folded,
        effect: "too many flows, one may be missing below",
    },
];
