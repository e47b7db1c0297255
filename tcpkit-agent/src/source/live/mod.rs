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
mod bpf_link;
mod burst_rings;
mod clock;
mod counters;
mod counting;
mod device;
pub mod doctor;
mod error;
mod flow_table;
mod life;
mod link;
mod logger;
mod netlink;
mod object;
mod offload;
mod options;
pub mod privilege;
mod refilter;
mod ring;
mod standing;
mod sys;
mod watch;
mod watcher;

use std::{fs, os::fd::AsFd as _, sync::Arc};

use aya::Ebpf;
use tcpkit_common::{
    record::Hook,
    settings::{LINK_ETHERNET, MAX_INTERFACES, MAX_SHARDS, MAX_SNAPLEN, SLEEPER_WORDS, Settings},
};

use crate::{filter::place_nothing, wire::LinkType};
use attach::Attachment;
use counters::CounterArray;
use counting::Counting;
use device::{Device, Promiscuous};
use life::Life;
use logger::Logger;
use standing::Standings;
use sys::Mapping;
use watch::InterfaceWatch;

pub use addresses::addresses;
pub use burst_rings::{BurstReading, Millisecond};
pub use clock::Clock;
pub use counters::HookCounters;
pub use device::link_speed;
pub use error::LiveError;
pub use flow_table::{FlowOther, FlowReading, FlowRow, FlowSum};
pub use logger::TARGET as LOG_TARGET;
pub use object::embedded;
pub use options::{HookChoice, LiveOptions, ObjectFilter, Place, TcAttach, XdpKind};
pub use ring::{RingReader, RingWaker};
pub use standing::Standing;
pub use watch::{InterfaceChange, InterfaceState};

/// One captured interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveInterface {
    /// Its name now, or its last one; or that by which it is waited for.
    pub name: String,
    /// Its number in the kernel, as in [`RecordHeader::interface_index`](tcpkit_common::record::RecordHeader); `None`
    /// while it is not there.
    pub index: Option<u32>,
    /// How its frames begin.
    pub link_type: LinkType,
    /// The hooks that are or were attached.
    pub hooks: Vec<Hook>,
    /// Where it stands among the others.
    pub standing: Standing,
}

/// A running capture; dropping it detaches everything.
#[derive(Debug)]
pub struct LiveCapture {
    interfaces: Vec<LiveInterface>,
    notes: Vec<String>,
    attachments: Vec<Attachment>,
    readers: Vec<RingReader>,
    counters: CounterArray,
    /// What is counted by flow and by millisecond, where that was asked for.
    counting: Counting,
    clock: Arc<Clock>,
    watch: InterfaceWatch,
    standings: Standings,
    logger: Option<Logger>,
    // Programs and maps live as long as this does.
    ebpf: Ebpf,
    promiscuous: Option<Promiscuous>,
    /// What an interface that comes back is attached by.
    options: LiveOptions,
    /// What the programs were told.
    settings: Settings,
    /// Whether the XDP program is in the kernel; `Err` says why not.
    xdp: Result<(), String>,
    /// What must be remembered of each interface while it is away.
    lives: Vec<Life>,
    /// The bond that has XDP, where there are several interfaces.
    spreader: Option<usize>,
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
        // Before anything is looked at, so that nothing that happens in between is missed.
        let watch = InterfaceWatch::open().map_err(|source| LiveError::Netlink { source })?;
        let asked = find(&options.interfaces, options.reattach)?;
        let memory_lock = sys::lift_memory_lock();
        privilege::try_bpf()?;
        let mut object = embedded()?.to_vec();
        let cpus = possible_cpus();
        let settings = settings(&options, &asked, cpus)?;
        match options.filter.take() {
            Some(filter) => (filter.place)(&mut object).map_err(LiveError::Filter)?,
            None => object = place_nothing(&object).map_err(|error| LiveError::Filter(error.to_string()))?,
        }
        let no_memory = |error: LiveError| error.about_locked_memory(memory_lock);
        let mut ebpf = object::load(&object, settings, cpus).map_err(no_memory)?;
        let (readers, counters) = share(&ebpf, &options, cpus).map_err(no_memory)?;
        let counting = Counting::share(&ebpf, &settings, cpus).map_err(no_memory)?;
        let xdp = load_programs(&mut ebpf, &options, &asked)
            .map_err(|error| if settings.filter != 0 { error.about_filter() } else { error })?;
        let mut notes = Vec::new();
        let promiscuous = open_promiscuous(&options, &asked, &mut notes);
        let logger = if options.log_level > 0 { Logger::start(&mut ebpf, &mut notes) } else { None };
        let mut capture = Self {
            interfaces: asked.iter().map(Asked::describe).collect::<Result<_, _>>()?,
            notes,
            attachments: Vec::new(),
            readers,
            counters,
            counting,
            clock: Arc::default(),
            watch,
            standings: Standings::default(),
            logger,
            ebpf,
            promiscuous,
            lives: asked.iter().map(|one| Life::new(one.device.as_ref())).collect(),
            spreader: None,
            options,
            settings,
            xdp,
        };
        // Before the first program is attached, whose first frame counts already.
        capture.counting.begin();
        capture.begin(asked)?;
        Ok(capture)
    }

    /// The interfaces, in the order asked for; their positions are the indices used elsewhere.
    #[must_use]
    pub fn interfaces(&self) -> &[LiveInterface] {
        &self.interfaces
    }

    /// Position of the interface with this number in the kernel.
    #[must_use]
    pub fn position(&self, index: u32) -> Option<usize> {
        self.interfaces.iter().position(|interface| interface.index == Some(index))
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
        self.promiscuous = None;
        sys::grace_period();
        self.counting.end();
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
        object::load_program(&mut self.ebpf, hook, self.options.xdp)?;
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
/// An interface does not exist and is not to be waited for, or eBPF capture cannot read its frames.
pub fn link_types(names: &[String], reattach: bool) -> Result<Vec<LinkType>, LiveError> {
    find(names, reattach)?.iter().map(|asked| Ok(asked.link()?.1)).collect()
}

/// An interface that was asked for.
#[derive(Debug)]
struct Asked {
    name: String,
    /// `None` when it does not exist yet, and may be waited for.
    device: Option<Device>,
}

impl Asked {
    /// How its frames begin; one that does not exist yet is expected to have Ethernet frames.
    fn link(&self) -> Result<(u32, LinkType), LiveError> {
        self.device.as_ref().map_or(Ok((LINK_ETHERNET, LinkType::ETHERNET)), Device::link)
    }

    fn describe(&self) -> Result<LiveInterface, LiveError> {
        let link_type = self.link()?.1;
        let standing = Standing::default();
        Ok(LiveInterface { name: self.name.clone(), index: None, link_type, hooks: Vec::new(), standing })
    }
}

/// Each interface once, in the order asked for.
fn find(names: &[String], may_wait: bool) -> Result<Vec<Asked>, LiveError> {
    let mut asked: Vec<Asked> = Vec::new();
    for name in names {
        let device = match Device::find(name) {
            Ok(device) => Some(device),
            Err(LiveError::UnknownInterface { .. }) if may_wait => None,
            Err(error) => return Err(error),
        };
        let index = device.as_ref().map(|device| device.index);
        let is_known = |known: &Asked| match &known.device {
            Some(known) => Some(known.index) == index,
            None => known.name == *name,
        };
        if !asked.iter().any(is_known) {
            let one = Asked { name: name.clone(), device };
            one.link()?;
            asked.push(one);
        }
    }
    match asked.len() {
        0 => Err(LiveError::NoInterface),
        len if len > MAX_INTERFACES as usize => Err(LiveError::TooManyInterfaces { len }),
        _ => Ok(asked),
    }
}

fn settings(options: &LiveOptions, asked: &[Asked], cpus: u32) -> Result<Settings, LiveError> {
    let link = match asked {
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
        single_interface: u32::from(asked.len() == 1),
        link,
        ..counting::settings(options, u32::try_from(asked.len()).unwrap_or(MAX_INTERFACES), cpus)
    })
}

/// The programs put a tag back into a copy of the frame, which must reach beyond the place of the tag even for a filter
/// that reads nothing but the length or the direction.
const LINK_HEADER_LEN: u32 = 14;

/// Rings, flags and counters: what both sides share.
fn share(
    ebpf: &Ebpf,
    options: &LiveOptions,
    cpus: u32,
) -> Result<(Vec<RingReader>, CounterArray), LiveError> {
    let failed = |what: &'static str| move |source| LiveError::Map { what, source };
    let len = MAX_SHARDS as usize * SLEEPER_WORDS * size_of::<u64>();
    let sleepers = Mapping::new(object::map_fd(ebpf, "SLEEPERS")?, len, 0, true);
    let sleepers = Arc::new(sleepers.map_err(failed("flags of the readers"))?);
    let rings = object::map_fd(ebpf, "RINGS")?;
    let bytes = options::ring_bytes(options.ring_bytes);
    let mut readers = Vec::new();
    let rings_wanted = if options.counts_only { 0 } else { options.shards.clamp(1, MAX_SHARDS) };
    for shard in 0..rings_wanted {
        let reader = RingReader::create(shard, bytes, Arc::clone(&sleepers))
            .map_err(|source| LiveError::Ring { bytes, source })?;
        sys::update_map(rings, &shard, &std::os::fd::AsRawFd::as_raw_fd(&reader.fd()))
            .map_err(failed("array of rings"))?;
        readers.push(reader);
    }
    let counters = CounterArray::map(object::map_fd(ebpf, "COUNTS")?, cpus).map_err(failed("counters"))?;
    Ok((readers, counters))
}

/// Hands the programs that may be needed to the verifier, so that what the kernel refuses is refused before anything
/// is attached; `Ok(Err)` says why there is no XDP.
fn load_programs(
    ebpf: &mut Ebpf,
    options: &LiveOptions,
    asked: &[Asked],
) -> Result<Result<(), String>, LiveError> {
    let devices: Vec<Device> = asked.iter().filter_map(|one| one.device.clone()).collect();
    let mut needed = attach::needed(options, &devices);
    if options.reattach {
        // Who comes later finds the agent without the right to load.
        needed.extend([Hook::TcEgress, Hook::TcIngress]);
        needed.extend((options.hook == HookChoice::Xdp).then_some(Hook::XdpIngress));
    }
    // Ingress by TC may be needed later all the same.
    for hook in [Hook::TcEgress, Hook::TcIngress].into_iter().filter(|hook| needed.contains(hook)) {
        object::load_program(ebpf, hook, options.xdp)?;
    }
    if needed.contains(&Hook::XdpIngress) {
        let loaded = object::load_program(ebpf, Hook::XdpIngress, options.xdp);
        return Ok(loaded.map_err(|error| error.to_string()));
    }
    Ok(Ok(()))
}

/// The socket that makes interfaces promiscuous: taps always, others where that is asked for.
fn open_promiscuous(options: &LiveOptions, asked: &[Asked], notes: &mut Vec<String>) -> Option<Promiscuous> {
    let has_tap = asked.iter().filter_map(|one| one.device.as_ref()).any(Device::is_tap);
    if !has_tap && !options.reattach && !options.promiscuous {
        return None;
    }
    let note = |error| {
        format!(
            "no interface is promiscuous: {error}; a packet socket takes CAP_NET_RAW (in a service also AF_PACKET), \
             without it a tap shows only what is for this host"
        )
    };
    Promiscuous::open().map_err(|error| notes.push(note(error))).ok()
}

/// One more than the highest number that a CPU may have.
fn possible_cpus() -> u32 {
    let list = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = list.trim().rsplit([',', '-']).next().and_then(|last| last.parse::<u32>().ok());
    last.map_or(1024, |last| last + 1)
}

#[cfg(test)]
mod tests;
