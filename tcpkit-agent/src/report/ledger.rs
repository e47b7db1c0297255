//! What became of each frame; it closes under any load.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// Every frame's fate, by interface and hook, and in sum.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Ledger {
    /// Whether every equation of [`LedgerEntry`] holds in every entry.
    pub closes: bool,
    /// Sum of `entries`; its `interface` and `hook` are `*`.
    pub total: LedgerEntry,
    /// One per interface and hook.
    pub entries: Vec<LedgerEntry>,
}

/// `seen = filtered + matched`, `matched = recorded + ring_full + helper_failed`,
/// `recorded = delivered + in_flight`, `delivered = analyzed + Σ malformed + Σ not_analyzed`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct LedgerEntry {
    /// Interface, or the file for a nameless one.
    pub interface: String,
    /// `xdp_ingress`, `tc_ingress`, `tc_egress`, `pcap` or `file`.
    pub hook: String,
    /// Frames that passed the hook, or stood in the file.
    pub seen: u64,
    /// Frames that the filter did not want.
    pub filtered: u64,
    /// Frames that were wanted.
    pub matched: u64,
    /// Frames that reached the ring, or were read from the file.
    pub recorded: u64,
    /// Frames lost because the ring (for libpcap: its buffer) was full.
    pub ring_full: u64,
    /// Frames lost because a kernel helper refused.
    pub helper_failed: u64,
    /// Frames on their way to a worker; 0 in a final report.
    pub in_flight: u64,
    /// Frames that reached a worker.
    pub delivered: u64,
    /// Frames whose content the analyzers took.
    pub analyzed: u64,
    /// Frames that contradict themselves, by `layer.cause`; only those that occurred.
    pub malformed: BTreeMap<String, u64>,
    /// Sound frames that no analyzer takes, by cause; only those that occurred.
    pub not_analyzed: BTreeMap<String, u64>,
    /// Further named counts that are no fates: `truncated`, `time_step_back`, `handed_over`, `filter_out_of_reach`,
    /// `interface_dropped`, `file_dropped` (what the file's own statistics admit), …; only those that occurred.
    pub notes: BTreeMap<String, u64>,
}
