//! Where the frames came from.

use schemars::JsonSchema;
use serde::Serialize;

/// The capture that a report is about.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct CaptureInfo {
    /// `live` or `file`.
    pub mode: &'static str,
    /// `ebpf`, `pcap` (libpcap) or `file`.
    pub backend: &'static str,
    /// Files or interfaces, as the user named them.
    pub sources: Vec<String>,
    /// Every interface that the sources turned out to have.
    pub interfaces: Vec<InterfaceInfo>,
    /// Earliest time of a frame; `null` without frames.
    pub first_us: Option<i64>,
    /// Latest time of any frame.
    pub last_us: Option<i64>,
    /// When the capture ended: for a file, what it says, or its last frame.
    pub end_us: Option<i64>,
    /// tcpdump expression in force; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Bytes kept of each frame, at most; `null` where the source does not say.
    pub snaplen: Option<u32>,
    /// Shards of the analysis.
    pub shards: u32,
    /// What the user should know before trusting the figures (fall-backs, damage, oddities), one sentence each.
    pub notes: Vec<String>,
}

/// One interface of the capture.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct InterfaceInfo {
    /// Name, where the source knows it.
    pub name: Option<String>,
    /// The file that it stands in, or `live`.
    pub source: String,
    /// Link type by name (`EN10MB`), else its number.
    pub link_type: String,
    /// `ebpf/xdp+tc`, `ebpf/tc`, `pcap`; absent for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
}
