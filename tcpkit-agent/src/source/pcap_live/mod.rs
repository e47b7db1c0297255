//! Live capture through libpcap, where eBPF cannot run or was not asked for.
//!
//! libpcap's ring is read without blocking; between looks the thread sleeps in `poll`, so it can be told to stop and
//! its caller's timers run. Time stamps are the kernel's, in nanoseconds. libpcap tells a frame's direction only in
//! the cooked headers of the device `any`, where `wire` reads it.

mod refilter;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pcap::{Active, Capture, Device, Linktype, Precision};

use super::{
    Block, Interface, InterfaceTable,
    error::{SourceError, SourceErrorKind},
    libpcap::{append, link_type_of, message},
    poll::is_readable,
};
use crate::wire::{InterfaceId, LinkType};

/// How to capture.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Name of the interface, or `any`.
    pub interface: String,
    /// Bytes kept of each frame.
    pub snaplen: u32,
    /// Bytes of the kernel's ring; `None` for libpcap's default of 2 MiB.
    pub buffer_bytes: Option<u32>,
    /// tcpdump expression; `None` for every frame.
    pub filter: Option<String>,
    /// Also see frames for other hosts.
    pub promiscuous: bool,
    /// Deliver each frame at once instead of by the ring's block (at most 20 ms later, and much cheaper).
    pub immediate: bool,
}

/// What libpcap counted since the capture began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveStatistics {
    /// Frames that matched the filter, dropped ones included.
    pub received: u64,
    /// Frames dropped because the ring was full.
    pub dropped: u64,
    /// Frames dropped by the interface or its driver, as it says.
    pub interface_dropped: u64,
}

/// A live capture.
pub struct PcapLive {
    name: String,
    capture: Capture<Active>,
    interface: InterfaceId,
    link_type: LinkType,
    /// What the kernel filters by; `None` for nothing.
    filter: Option<String>,
    stop: Arc<AtomicBool>,
    statistics: Statistics,
}

/// Ends a [`PcapLive`] from another thread.
#[derive(Clone, Debug)]
pub struct PcapBreaker(Arc<AtomicBool>);

impl PcapBreaker {
    /// Makes `fill` say false, within its waiting time.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl PcapLive {
    /// Opens an interface and adds it to the table.
    ///
    /// # Errors
    /// When it does not exist (naming those that do), privileges are missing, or the expression does not compile.
    pub fn open(options: &LiveOptions, interfaces: &mut InterfaceTable) -> Result<Self, SourceError> {
        let name = options.interface.as_str();
        let mut capture = activate(options).map_err(|error| open_error(name, &message(&error)))?;
        if capture.get_datalink() == Linktype::LINUX_SLL {
            // The newer cooked header also names the interface; where libpcap is too old for it, the older one does.
            let _ = capture.set_datalink(Linktype(i32::from(LinkType::LINUX_SLL2.0)));
        }
        if let Some(filter) = &options.filter {
            capture.filter(filter, true).map_err(|error| {
                let what = format!("the expression '{filter}' does not compile ({})", message(&error));
                SourceError::new(name, SourceErrorKind::Filter, what)
            })?;
        }
        let link_type = link_type_of(capture.get_datalink(), name)?;
        let capture = capture.setnonblock().map_err(|error| read_error(name, &message(&error)))?;
        let interface = interfaces.add(Interface {
            name: Some(name.to_owned()),
            source: "live".to_owned(),
            link_type,
            snaplen: Some(options.snaplen),
            index: index_of(name),
        });
        let Some(interface) = interface else {
            let what = "the capture has more than 65536 interfaces";
            return Err(SourceError::new(name, SourceErrorKind::Unsupported, what));
        };
        let stop = Arc::new(AtomicBool::new(false));
        Ok(Self {
            name: name.to_owned(),
            capture,
            interface,
            link_type,
            filter: options.filter.clone(),
            stop,
            statistics: Statistics::default(),
        })
    }

    /// Fills the block with what arrived; waits up to `wait` for a first frame.
    ///
    /// True with an empty block when nothing came in that time; false after [`PcapBreaker::stop`], once the frames
    /// that the ring still held were delivered.
    ///
    /// # Errors
    /// When the interface disappeared or the kernel refused.
    pub fn fill(&mut self, block: &mut Block, wait: Duration) -> Result<bool, SourceError> {
        block.clear();
        let stopping = self.stop.load(Ordering::Relaxed);
        self.take(block)?;
        if block.frames.is_empty() && !stopping {
            is_readable(&self.capture, wait);
            self.take(block)?;
        }
        Ok(!(stopping && block.frames.is_empty()))
    }

    /// What the kernel filters by; `None` for nothing.
    #[must_use]
    pub fn filter(&self) -> Option<&str> {
        self.filter.as_deref()
    }

    /// Has the kernel filter by this from now on; frames that the ring holds stay, and none is lost.
    ///
    /// # Errors
    /// The expression does not compile, or the kernel or libpcap cannot change it while frames come; then the old one
    /// stays.
    pub fn replace_filter(&mut self, filter: Option<String>) -> Result<(), SourceError> {
        let refused = |what: String| SourceError::new(&self.name, SourceErrorKind::Filter, what);
        if self.filter.is_some() && !refilter::is_in_kernel(&self.capture) {
            let what = "the filter that runs is too long for the kernel, and libpcap cannot change it while frames come";
            return Err(SourceError::advised(
                &self.name,
                SourceErrorKind::Filter,
                what,
                "start tcpkit again",
            ));
        }
        refilter::replace(&self.capture, self.link_type, filter.as_deref())
            .map_err(|error| refused(format!("the filter cannot be changed ({error})")))?;
        self.filter = filter.filter(|_| refilter::is_in_kernel(&self.capture));
        Ok(())
    }

    /// A handle that ends this capture from another thread.
    #[must_use]
    pub fn breaker(&self) -> PcapBreaker {
        PcapBreaker(Arc::clone(&self.stop))
    }

    /// Number of the interface in the capture's table.
    #[must_use]
    pub const fn interface(&self) -> InterfaceId {
        self.interface
    }

    /// How its frames begin.
    #[must_use]
    pub const fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// What was received and dropped so far.
    ///
    /// libpcap's counters have 32 bits: call at least once in 4 billion frames, for a wrap to be seen.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn statistics(&mut self) -> Result<LiveStatistics, SourceError> {
        let now = self.capture.stats().map_err(|error| read_error(&self.name, &message(&error)))?;
        Ok(self.statistics.advance([now.received, now.dropped, now.if_dropped]))
    }

    /// Copies the frames that are ready.
    fn take(&mut self, block: &mut Block) -> Result<(), SourceError> {
        let (interface, link_type) = (self.interface, self.link_type);
        let Block { bytes, frames, .. } = block;
        let outcome = self
            .capture
            .dispatch(Some(BATCH), |packet| frames.push(append(bytes, &packet, interface, link_type)));
        match outcome {
            Ok(_) => Ok(()),
            Err(error) => Err(read_error(&self.name, &message(&error))),
        }
    }
}

/// libpcap's 32-bit counters, made 64 bits wide.
#[derive(Debug, Default)]
struct Statistics {
    latest: [u32; 3],
    total: [u64; 3],
}

impl Statistics {
    fn advance(&mut self, now: [u32; 3]) -> LiveStatistics {
        for ((total, latest), now) in self.total.iter_mut().zip(&mut self.latest).zip(now) {
            *total += u64::from(now.wrapping_sub(*latest));
            *latest = now;
        }
        let [received, dropped, interface_dropped] = self.total;
        LiveStatistics { received, dropped, interface_dropped }
    }
}

/// Starts the capture; where promiscuous mode is not to be had (the device `any`, some drivers), without it.
fn activate(options: &LiveOptions) -> Result<Capture<Active>, pcap::Error> {
    let promiscuous = options.promiscuous && options.interface != "any";
    match activate_as(options, promiscuous) {
        // libpcap's warning that promiscuous mode is not supported arrives here as an error.
        Err(_) if promiscuous => activate_as(options, false),
        outcome => outcome,
    }
}

fn activate_as(options: &LiveOptions, promiscuous: bool) -> Result<Capture<Active>, pcap::Error> {
    let mut inactive = Capture::from_device(options.interface.as_str())?
        .promisc(promiscuous)
        .snaplen(i32::try_from(options.snaplen).unwrap_or(i32::MAX))
        .timeout(BLOCK_TIMEOUT_MS)
        .immediate_mode(options.immediate)
        .precision(Precision::Nano);
    if let Some(bytes) = options.buffer_bytes {
        inactive = inactive.buffer_size(i32::try_from(bytes).unwrap_or(i32::MAX));
    }
    inactive.open()
}

/// Why an interface cannot be opened, and what would help.
fn open_error(name: &str, text: &str) -> SourceError {
    let there: Vec<String> = Device::list()
        .map(|devices| devices.into_iter().map(|device| device.name).collect())
        .unwrap_or_default();
    let exists = name == "any" || index_of(name).is_some() || there.iter().any(|a| a == name);
    if !exists {
        let advice = format!("those that can be captured on: {}", listed(&there));
        return SourceError::advised(name, SourceErrorKind::NotFound, "no such interface", advice);
    }
    let text = text.trim();
    if text.contains("ermission") || text.contains("not permitted") {
        let advice = "run as root, or with the capabilities CAP_NET_RAW and CAP_NET_ADMIN";
        let what = format!("capturing is not allowed ({text})");
        return SourceError::advised(name, SourceErrorKind::Permission, what, advice);
    }
    let what = format!("cannot capture (libpcap: {text})");
    SourceError::advised(name, SourceErrorKind::Io, what, "check that the interface is up")
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none that libpcap finds with these privileges".to_owned()
    } else {
        names.join(", ")
    }
}

fn read_error(name: &str, text: &str) -> SourceError {
    let what = format!("the capture broke off (libpcap: {text})");
    SourceError::advised(name, SourceErrorKind::Io, what, "check that the interface still exists and is up")
}

/// The interface's number in the kernel; the device `any` has none. Asked of the network namespace and not of `/sys`,
/// which may show another one's.
fn index_of(name: &str) -> Option<u32> {
    super::live::interface_index(name)
}

/// After this time the kernel hands over a block of its ring that is not full.
const BLOCK_TIMEOUT_MS: i32 = 20;

/// Frames taken from the ring at a time.
const BATCH: usize = 4096;

#[cfg(test)]
mod tests;
