//! Live capture by eBPF: programs on interfaces, one ring per shard, counters that say what became of each frame.
//!
//! The contract:
//! - [`LiveCapture::open`] attaches everything or nothing; what it did differently from what was asked is in
//!   [`LiveCapture::notes`].
//! - Each [`RingReader`] belongs to one worker and copies nothing.
//! - After [`LiveCapture::detach`], when every reader has drained its ring, the counters are final and `recorded`
//!   equals what the readers delivered.
//! - Whatever ends the process, nothing of it stays attached: bpf links end with their descriptors, and a clsact
//!   filter is removed by a small process that outlives the agent for that purpose.

mod addresses;
mod attach;
mod clock;
mod counters;
mod device;
mod error;
mod logger;
mod netlink;
mod object;
mod offload;
mod options;
pub mod privilege;
mod ring;
mod sys;
mod watch;
mod watcher;

use std::{fs, os::fd::AsFd as _, sync::Arc};

use aya::Ebpf;
use tcpkit_common::{
    record::Hook,
    settings::{
        InterfaceSlot, LINK_ETHERNET, MAX_INTERFACES, MAX_SHARDS, MAX_SNAPLEN, SLEEPER_WORDS, Settings,
    },
};

use crate::{filter::place_nothing, wire::LinkType};
use attach::{Attacher, Attachment};
use counters::CounterArray;
use device::{Device, Promiscuous};
use logger::Logger;
use sys::Mapping;
use watch::InterfaceWatch;

pub use addresses::addresses;
pub use clock::Clock;
pub use counters::HookCounters;
pub use error::LiveError;
pub use logger::TARGET as LOG_TARGET;
pub use object::embedded;
pub use options::{HookChoice, LiveOptions, ObjectFilter, Place, TcAttach, XdpKind};
pub use ring::RingReader;
pub use watch::{InterfaceChange, InterfaceState};

/// One captured interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveInterface {
    /// Its name when the capture began.
    pub name: String,
    /// Its number in the kernel, as in [`RecordHeader::interface_index`](tcpkit_common::record::RecordHeader).
    pub index: u32,
    /// How its frames begin.
    pub link_type: LinkType,
    /// The hooks that are attached.
    pub hooks: Vec<Hook>,
}

/// A running capture; dropping it detaches everything.
#[derive(Debug)]
pub struct LiveCapture {
    interfaces: Vec<LiveInterface>,
    notes: Vec<String>,
    attachments: Vec<Attachment>,
    readers: Vec<RingReader>,
    counters: CounterArray,
    clock: Arc<Clock>,
    watch: InterfaceWatch,
    logger: Option<Logger>,
    // Programs and maps live as long as this does.
    ebpf: Ebpf,
    xdp: XdpKind,
    promiscuous: Vec<Promiscuous>,
}

impl LiveCapture {
    /// Attaches to the interfaces and starts to record.
    ///
    /// # Errors
    /// See [`LiveError`]; then nothing stays attached.
    pub fn open(mut options: LiveOptions) -> Result<Self, LiveError> {
        let missing = privilege::missing();
        if !missing.is_empty() {
            return Err(LiveError::Privileges { missing });
        }
        let devices = find_devices(&options.interfaces)?;
        let memory_lock = sys::lift_memory_lock();
        privilege::try_bpf()?;
        let mut object = embedded()?.to_vec();
        let settings = settings(&options, &devices)?;
        match options.filter.take() {
            Some(filter) => (filter.place)(&mut object).map_err(LiveError::Filter)?,
            None => object = place_nothing(&object).map_err(|error| LiveError::Filter(error.to_string()))?,
        }
        let cpus = possible_cpus();
        let no_memory = |error: LiveError| error.about_locked_memory(memory_lock);
        let mut ebpf = object::load(&object, settings, cpus).map_err(no_memory)?;
        let (readers, counters) = share(&ebpf, &options, &devices, cpus).map_err(no_memory)?;
        let watch = InterfaceWatch::open(&devices).map_err(|source| LiveError::Netlink { source })?;
        let mut notes = Vec::new();
        let is_filtered = settings.filter != 0;
        let attachments = attach_all(&mut ebpf, &options, &devices, &mut notes)
            .map_err(|error| if is_filtered { error.about_filter() } else { error })?;
        let promiscuous = listen(&devices, options.promiscuous, &mut notes);
        let logger = if options.log_level > 0 { Logger::start(&mut ebpf, &mut notes) } else { None };
        let interfaces = describe(&devices, &attachments)?;
        let clock = Arc::default();
        Ok(Self {
            interfaces,
            notes,
            attachments,
            readers,
            counters,
            clock,
            watch,
            logger,
            ebpf,
            xdp: options.xdp,
            promiscuous,
        })
    }

    /// The interfaces, in the order asked for; their positions are the indices used elsewhere.
    #[must_use]
    pub fn interfaces(&self) -> &[LiveInterface] {
        &self.interfaces
    }

    /// Position of the interface with this number in the kernel.
    #[must_use]
    pub fn position(&self, index: u32) -> Option<usize> {
        self.interfaces.iter().position(|interface| interface.index == index)
    }

    /// What was done differently from what was asked, and what attaching changed; each a sentence.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The readers, one per shard in order; empty when they were taken before.
    pub fn take_readers(&mut self) -> Vec<RingReader> {
        std::mem::take(&mut self.readers)
    }

    /// The clock by which every shard makes timestamps.
    #[must_use]
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.clock)
    }

    /// What became of the frames so far, by interface and hook; also of hooks that are detached by now.
    #[must_use]
    pub fn counters(&self) -> Vec<HookCounters> {
        let each = self.interfaces.iter().enumerate();
        each.flat_map(|(position, interface)| interface.hooks.iter().map(move |hook| (position, *hook)))
            .map(|(position, hook)| self.counters.sum(position, hook))
            .collect()
    }

    /// What became of the frames at one hook, attached or not; all zeros for an interface that there is not.
    #[must_use]
    pub fn hook_counters(&self, interface: usize, hook: Hook) -> HookCounters {
        self.counters.sum(interface, hook)
    }

    /// What happened to the interfaces since the last call; to be called a few times per second.
    ///
    /// Also follows the wall clock and hands on what the programs log.
    pub fn changes(&mut self) -> Vec<InterfaceChange> {
        self.clock.refresh();
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        self.watch.changes()
    }

    /// Whether every interface has disappeared, so that no frame can come any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.watch.all_gone()
    }

    /// Whether detaching has something to put back as it was, which takes CAP_NET_ADMIN.
    #[must_use]
    pub fn has_to_restore(&self) -> bool {
        self.attachments.iter().any(Attachment::has_to_restore)
    }

    /// Detaches everything and waits until no program runs any more: what the rings hold then is all there will be.
    ///
    /// Gives what could not be put back as it was.
    pub fn detach(&mut self) -> Vec<String> {
        let problems = self.attachments.drain(..).flat_map(Attachment::detach).collect();
        self.promiscuous.clear();
        sys::grace_period();
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        problems
    }

    /// Descriptor of the loaded program of a hook, for measuring it by `BPF_PROG_TEST_RUN`.
    ///
    /// # Errors
    /// [`LiveError::Load`] when the verifier refuses it.
    pub fn program_fd(&mut self, hook: Hook) -> Result<std::os::fd::OwnedFd, LiveError> {
        let failed = |message: String| LiveError::Load { hook, message };
        object::load_program(&mut self.ebpf, hook, self.xdp)?;
        let program =
            object::program(&self.ebpf, hook).ok_or_else(|| failed("it is not loaded".to_owned()))?;
        let fd = program.fd().map_err(|error| failed(error.to_string()))?;
        fd.as_fd().try_clone_to_owned().map_err(|error| failed(error.to_string()))
    }
}

impl LiveCapture {
    /// What the kernel says of the loaded program of a hook.
    ///
    /// # Errors
    /// [`LiveError::Load`] when it is not in the kernel.
    pub fn program_info(&self, hook: Hook) -> Result<aya::programs::ProgramInfo, LiveError> {
        let failed = |message: String| LiveError::Load { hook, message };
        let program =
            object::program(&self.ebpf, hook).ok_or_else(|| failed("it is not loaded".to_owned()))?;
        program.info().map_err(|error| failed(object::one_line(&error)))
    }
}

impl Drop for LiveCapture {
    fn drop(&mut self) {
        self.detach();
    }
}

/// Number of the interface of this name in the network namespace of the calling thread.
#[must_use]
pub fn interface_index(name: &str) -> Option<u32> {
    device::names().into_iter().find(|(_, known)| known == name).map(|(index, _)| index)
}

/// How frames of these interfaces begin, in the order asked for: what a filter must be compiled for.
///
/// # Errors
/// An interface does not exist, or eBPF capture cannot read its frames.
pub fn link_types(names: &[String]) -> Result<Vec<LinkType>, LiveError> {
    find_devices(names)?.iter().map(|device| Ok(device.link()?.1)).collect()
}

/// Each interface once, in the order asked for.
fn find_devices(names: &[String]) -> Result<Vec<Device>, LiveError> {
    let mut devices: Vec<Device> = Vec::new();
    for name in names {
        let device = Device::find(name)?;
        if devices.iter().all(|known| known.index != device.index) {
            device.link()?;
            devices.push(device);
        }
    }
    match devices.len() {
        0 => Err(LiveError::NoInterface),
        len if len > MAX_INTERFACES as usize => Err(LiveError::TooManyInterfaces { len }),
        _ => Ok(devices),
    }
}

fn settings(options: &LiveOptions, devices: &[Device]) -> Result<Settings, LiveError> {
    let link = match devices {
        [only] => only.link()?.0,
        _ => LINK_ETHERNET,
    };
    Ok(Settings {
        abi: tcpkit_common::settings::ABI,
        snaplen: options.snaplen.clamp(1, MAX_SNAPLEN),
        shards: options.shards.clamp(1, MAX_SHARDS),
        filter: u32::from(options.filter.is_some()),
        filter_reach: options.filter.as_ref().map_or(0, |filter| filter.reach.max(LINK_HEADER_LEN)),
        strict_filter: u32::from(options.strict_filter),
        no_decap: u32::from(options.no_decap),
        log_level: options.log_level,
        single_interface: u32::from(devices.len() == 1),
        link,
    })
}

/// The programs put a tag back into a copy of the frame, which must reach beyond the place of the tag even for a filter
/// that reads nothing but the length or the direction.
const LINK_HEADER_LEN: u32 = 14;

/// Rings, flags, counters and the map of interfaces: what both sides share.
fn share(
    ebpf: &Ebpf,
    options: &LiveOptions,
    devices: &[Device],
    cpus: u32,
) -> Result<(Vec<RingReader>, CounterArray), LiveError> {
    let failed = |what: &'static str| move |source| LiveError::Map { what, source };
    let len = MAX_SHARDS as usize * SLEEPER_WORDS * size_of::<u64>();
    let sleepers = Mapping::new(object::map_fd(ebpf, "SLEEPERS")?, len, 0, true);
    let sleepers = Arc::new(sleepers.map_err(failed("flags of the readers"))?);
    let rings = object::map_fd(ebpf, "RINGS")?;
    let bytes = options::ring_bytes(options.ring_bytes);
    let mut readers = Vec::new();
    for shard in 0..options.shards.clamp(1, MAX_SHARDS) {
        let reader = RingReader::create(shard, bytes, Arc::clone(&sleepers))
            .map_err(|source| LiveError::Ring { bytes, source })?;
        sys::update_map(rings, &shard, &std::os::fd::AsRawFd::as_raw_fd(&reader.fd()))
            .map_err(failed("array of rings"))?;
        readers.push(reader);
    }
    let interfaces = object::map_fd(ebpf, "INTERFACES")?;
    for (slot, device) in (0u32..).zip(devices) {
        let entry = InterfaceSlot { slot, link: device.link()?.0 };
        sys::update_map(interfaces, &device.index, &entry).map_err(failed("map of interfaces"))?;
    }
    let counters = CounterArray::map(object::map_fd(ebpf, "COUNTS")?, cpus).map_err(failed("counters"))?;
    Ok((readers, counters))
}

fn attach_all(
    ebpf: &mut Ebpf,
    options: &LiveOptions,
    devices: &[Device],
    notes: &mut Vec<String>,
) -> Result<Vec<Attachment>, LiveError> {
    let needed = attach::needed(options, devices);
    // What the kernel refuses is refused before anything is attached; ingress by TC may be needed later all the same.
    for hook in [Hook::TcEgress, Hook::TcIngress].into_iter().filter(|hook| needed.contains(hook)) {
        object::load_program(ebpf, hook, options.xdp)?;
    }
    let xdp = if needed.contains(&Hook::XdpIngress) {
        object::load_program(ebpf, Hook::XdpIngress, options.xdp).map_err(|error| error.to_string())
    } else {
        Ok(())
    };
    let mut attacher = Attacher { ebpf, options, notes, xdp, own_qdiscs: Vec::new(), no_tcx: false };
    let mut attachments = Vec::new();
    for (interface, device) in devices.iter().enumerate() {
        if let Err(error) = attacher.attach(interface, device, &mut attachments) {
            // Offloads of those before go back to what they were, too.
            attachments
                .drain(..)
                .flat_map(Attachment::detach)
                .for_each(|problem| tracing::warn!("{problem}"));
            return Err(error);
        }
    }
    Ok(attachments)
}

/// A tap must take frames that are not addressed to it; others do where that is asked for.
fn listen(devices: &[Device], asked: bool, notes: &mut Vec<String>) -> Vec<Promiscuous> {
    let mut memberships = Vec::new();
    for device in devices.iter().filter(|device| asked || device.is_tap()) {
        match Promiscuous::new(device.index) {
            Ok(membership) => {
                let reason = if asked { "asked for" } else { "no addresses, so it is a tap" };
                notes.push(format!("{}: {reason}: promiscuous while captured", device.name));
                memberships.push(membership);
            }
            Err(error) => notes.push(format!("{}: not promiscuous: {error}", device.name)),
        }
    }
    memberships
}

fn describe(devices: &[Device], attachments: &[Attachment]) -> Result<Vec<LiveInterface>, LiveError> {
    let each = devices.iter().enumerate().map(|(position, device)| {
        let mut hooks: Vec<Hook> =
            attachments.iter().filter(|one| one.interface == position).map(|one| one.hook).collect();
        hooks.sort_unstable();
        let link_type = device.link()?.1;
        Ok(LiveInterface { name: device.name.clone(), index: device.index, link_type, hooks })
    });
    each.collect()
}

/// One more than the highest number that a CPU may have.
fn possible_cpus() -> u32 {
    let list = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = list.trim().rsplit([',', '-']).next().and_then(|last| last.parse::<u32>().ok());
    last.map_or(1024, |last| last + 1)
}

#[cfg(test)]
mod tests;
