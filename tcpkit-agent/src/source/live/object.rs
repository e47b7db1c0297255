//! The eBPF object: embedded, given its settings and its filter, loaded into the kernel.

use std::os::fd::{AsFd as _, BorrowedFd};

use aya::{
    Ebpf, EbpfLoader,
    maps::Map,
    programs::{Program, ProgramError, SchedClassifier, Xdp},
};
use tcpkit_common::{
    record::Hook,
    settings::{ABI, SETTINGS_SYMBOL, Settings},
};

use super::{LiveError, XdpKind, counters::CounterArray, counting, flow_table::FlowTable, sys};

/// The object that `cargo xtask build` made, where it did.
///
/// # Errors
/// [`LiveError::NoObject`] in a build without it.
pub fn embedded() -> Result<&'static [u8], LiveError> {
    #[cfg(ebpf_object)]
    {
        Ok(aya::include_bytes_aligned!(env!("TCPKIT_EBPF_OBJECT")))
    }
    #[cfg(not(ebpf_object))]
    Err(LiveError::NoObject)
}

/// Settings as bytes, for the object's read-only data.
struct Frozen(Settings);

impl Frozen {
    const fn bytes(&self) -> &[u8] {
        // SAFETY: integers without padding, `repr(C)`, size asserted where the type stands.
        unsafe { std::slice::from_raw_parts((&raw const self.0).cast(), size_of::<Settings>()) }
    }
}

/// Makes the maps and prepares the programs; none is in the kernel yet.
pub(super) fn load(object: &[u8], settings: Settings, cpus: u32) -> Result<Ebpf, LiveError> {
    let sizes = [
        ("COUNTS", CounterArray::entries(cpus)),
        ("SCRATCH", cpus),
        ("FLOWS", FlowTable::entries(settings.flow_sets, cpus)),
        ("EVICTED", if settings.flow_sets == 0 { 1 } else { CounterArray::entries(cpus) }),
        ("BURSTS", counting::burst_entries(&settings, cpus)),
    ];
    load_with(object, settings, &sizes)
}

/// The same over the maps of an object that is loaded already: its programs count and record where the other's do.
///
/// aya always makes maps. Those that are made here have room for nothing, and before a program is handed to the
/// kernel, which looks at the descriptors then, each descriptor becomes one of the map that is there. The settings,
/// which are a map too, are its own.
pub(super) fn load_beside(object: &[u8], settings: Settings, other: &Ebpf) -> Result<Ebpf, LiveError> {
    let sizes = ["COUNTS", "SCRATCH", "FLOWS", "EVICTED", "BURSTS"].map(|name| (name, 1));
    let ebpf = load_with(object, settings, &sizes)?;
    for (name, map) in ebpf.maps().filter(|(name, _)| !name.starts_with(SETTINGS_SECTION)) {
        // The logger has taken its map out of the other one.
        let Some(shared) = other.map(name) else { continue };
        let failed = |source| LiveError::Map { what: "maps of the programs that run", source };
        sys::rename_descriptor(descriptor(shared, name)?, descriptor(map, name)?).map_err(failed)?;
    }
    Ok(ebpf)
}

/// What is read-only to the programs: the settings, and the level from which on they log.
const SETTINGS_SECTION: &str = ".rodata";

fn load_with(object: &[u8], settings: Settings, sizes: &[(&'static str, u32)]) -> Result<Ebpf, LiveError> {
    let frozen = Frozen(Settings { abi: ABI, ..settings });
    let log_level = u8::try_from(settings.log_level).unwrap_or(u8::MAX);
    let mut loader = EbpfLoader::new();
    loader.override_global(SETTINGS_SYMBOL, frozen.bytes(), true);
    loader.override_global("AYA_LOG_LEVEL", &log_level, false);
    for (name, entries) in sizes {
        loader.map_max_entries(name, *entries);
    }
    loader.load(object).map_err(|error| LiveError::Object(one_line(&error)))
}

/// Names of the programs of a hook, the better one first; a kernel gets the first that it knows how to run.
const fn program_names(hook: Hook, xdp: XdpKind) -> &'static [&'static str] {
    match (hook, xdp) {
        (Hook::XdpIngress, XdpKind::Auto) => &["xdp_ingress", XDP_LINEAR],
        (Hook::XdpIngress, XdpKind::Linear) => &[XDP_LINEAR],
        (Hook::TcIngress, _) => &["tc_ingress"],
        (Hook::TcEgress, _) => &["tc_egress"],
    }
}

/// XDP without multi-buffer frames and the helpers that came with them (Linux 5.18).
const XDP_LINEAR: &str = "xdp_linear";

/// The program of a hook that is in the kernel.
pub(super) fn loaded(ebpf: &Ebpf, hook: Hook) -> Option<&'static str> {
    let is_loaded = |name: &&&str| ebpf.program(name).is_some_and(|program| program.fd().is_ok());
    program_names(hook, XdpKind::Auto).iter().find(is_loaded).copied()
}

/// The same, as the kernel has it.
pub(super) fn program(ebpf: &Ebpf, hook: Hook) -> Option<&Program> {
    ebpf.program(loaded(ebpf, hook)?)
}

/// Hands the program of a hook to the verifier, unless it is in the kernel already.
pub(super) fn load_program(ebpf: &mut Ebpf, hook: Hook, xdp: XdpKind) -> Result<(), LiveError> {
    if loaded(ebpf, hook).is_some() {
        return Ok(());
    }
    let names = program_names(hook, xdp);
    for (position, name) in names.iter().enumerate() {
        match offered(ebpf, hook, name)? {
            Ok(()) => break,
            Err(error) if position + 1 < names.len() && is_unknown_kind(&error) => {}
            Err(error) => return Err(LiveError::load(hook, &said(&error), one_line(&error))),
        }
    }
    Ok(())
}

fn offered(ebpf: &mut Ebpf, hook: Hook, name: &'static str) -> Result<Result<(), ProgramError>, LiveError> {
    let program = ebpf.program_mut(name).ok_or_else(|| missing(name))?;
    let mut attempt = || match hook {
        Hook::XdpIngress => <&mut Xdp>::try_from(&mut *program).and_then(Xdp::load),
        Hook::TcIngress | Hook::TcEgress => {
            <&mut SchedClassifier>::try_from(&mut *program).and_then(SchedClassifier::load)
        }
    };
    let mut outcome = attempt();
    for _ in 0..INTERRUPTIONS {
        if !outcome.as_ref().is_err_and(was_interrupted) {
            break;
        }
        outcome = attempt();
    }
    Ok(outcome)
}

/// Whether the kernel does not know the flags of this program: it says so before the verifier says a word
/// (`bpf_prog_load`, linux/kernel/bpf/syscall.c).
fn is_unknown_kind(error: &ProgramError) -> bool {
    matches!(error, ProgramError::LoadError { io_error, verifier_log }
        if io_error.raw_os_error() == Some(libc::EINVAL) && verifier_log.to_string().trim().is_empty())
}

/// All that the verifier said.
fn said(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError { verifier_log, .. } => verifier_log.to_string(),
        other => other.to_string(),
    }
}

/// The verifier gives up with EAGAIN when a signal is waiting (`bpf_check` and `do_check`, linux/kernel/bpf/verifier.c);
/// the same program may be offered again.
fn was_interrupted(error: &ProgramError) -> bool {
    matches!(error, ProgramError::LoadError { io_error, .. } if io_error.raw_os_error() == Some(libc::EAGAIN))
}

/// Most times that a program is offered again.
const INTERRUPTIONS: u32 = 20;

/// Which XDP program an object has in the kernel; the better one where it has none yet.
pub(super) fn xdp_kind(ebpf: &Ebpf) -> XdpKind {
    if loaded(ebpf, Hook::XdpIngress) == Some(XDP_LINEAR) { XdpKind::Linear } else { XdpKind::Auto }
}

/// The classifier of a hook.
pub(super) fn classifier(ebpf: &mut Ebpf, hook: Hook) -> Result<&mut SchedClassifier, LiveError> {
    let [name, ..] = program_names(hook, XdpKind::Auto) else { return Err(missing("classifier")) };
    let program = ebpf.program_mut(name).ok_or_else(|| missing(name))?;
    program.try_into().map_err(|_| missing(name))
}

/// A map of the object, which must be there.
pub(super) fn map_fd<'a>(ebpf: &'a Ebpf, name: &'static str) -> Result<BorrowedFd<'a>, LiveError> {
    descriptor(ebpf.map(name).ok_or_else(|| missing(name))?, name)
}

/// The descriptor of a map of a kind that the object has.
fn descriptor<'a>(map: &'a Map, name: &str) -> Result<BorrowedFd<'a>, LiveError> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::ArrayOfMaps(data)
        | Map::PerCpuArray(data)
        | Map::LruHashMap(data)
        | Map::RingBuf(data) => Ok(data.fd().as_fd()),
        _ => Err(missing(name)),
    }
}

fn missing(name: &str) -> LiveError {
    LiveError::Object(format!("it has no {name}; build it again with `cargo xtask build`"))
}

/// An error and its causes in one line; of a verifier log, the part that says what is wrong.
pub(super) fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        if !text.contains(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        next = error.source();
    }
    // The verifier ends with statistics; the sentence before them is the reason.
    let is_statistic = |line: &&str| {
        ["processed ", "stack depth ", "verification time ", "peak_states "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_statistic(line));
    let first = lines.next().unwrap_or_default();
    match lines.next_back() {
        Some(last) => format!("{first} … {last}"),
        None => first.to_owned(),
    }
}
