//! Programs onto interfaces, and off again.

use std::{io, os::fd::AsFd as _};

use aya::{
    Ebpf,
    programs::{
        ProgramFd, TcAttachType,
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle},
    },
};
use tcpkit_common::record::Hook;

use super::{
    HookChoice, LiveError, LiveOptions, TcAttach,
    bpf_link::BpfLink,
    device::Device,
    netlink::{PARENT_EGRESS, PARENT_INGRESS, TcRequest},
    object,
    offload::{self, Offloads},
    watcher::Watcher,
};

/// A program on an interface; dropping it takes the program off.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) interface: usize,
    pub(super) hook: Hook,
    link: Option<Link>,
    before: Vec<Offloads>,
}

#[derive(Debug)]
enum Link {
    /// Native XDP, or TCX.
    Bpf(BpfLink),
    /// The classifier goes with its watcher.
    Clsact(Watcher, Classifier),
}

/// Where among the classifiers of an interface ours stands.
#[derive(Clone, Copy, Debug)]
struct Classifier {
    priority: u16,
    handle: TcHandle,
}

impl Attachment {
    /// Whether attaching changed the interface.
    pub(super) const fn has_to_restore(&self) -> bool {
        !self.before.is_empty()
    }

    /// Takes the program off and puts offloads back; gives what could not be put back.
    pub(super) fn detach(mut self) -> Vec<String> {
        match self.link.take() {
            // An interface that is gone has taken its programs along: there is nothing left to fail.
            Some(Link::Bpf(link)) => drop(link),
            Some(Link::Clsact(watcher, _)) => drop(watcher),
            None => {}
        }
        self.before.iter().flat_map(Offloads::restore).collect()
    }

    /// Puts the program of this object in the place of the one that runs on the interface of this name: each frame
    /// meets the one or the other.
    ///
    /// # Errors
    /// The kernel's refusal; the old program then stays.
    pub(super) fn replace(&self, ebpf: &mut Ebpf, name: &str) -> Result<(), LiveError> {
        let hook = self.hook;
        let failed = |error: &dyn std::error::Error| LiveError::Attach {
            name: name.to_owned(),
            hook,
            message: object::one_line(error),
        };
        match &self.link {
            Some(Link::Bpf(link)) => {
                link.replace(program_fd(ebpf, hook)?.as_fd()).map_err(|error| failed(&error))
            }
            Some(Link::Clsact(_, place)) => {
                let old =
                    SchedClassifierLink::attached(name, direction(hook), place.priority, place.handle, None);
                let program = object::classifier(ebpf, hook)?;
                let id = program
                    .attach_to_link(old.map_err(|error| failed(&error))?)
                    .map_err(|error| failed(&error))?;
                // The watcher takes it off.
                std::mem::forget(program.take_link(id).map_err(|error| failed(&error))?);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The program of a hook, which must be in the kernel.
fn program_fd(ebpf: &Ebpf, hook: Hook) -> Result<&ProgramFd, LiveError> {
    let failed = |message: String| LiveError::Load { hook, message };
    let program = object::program(ebpf, hook).ok_or_else(|| failed("it is not loaded".to_owned()))?;
    program.fd().map_err(|error| failed(error.to_string()))
}

/// Attaches what the options ask for; notes say where something else was done, and why.
pub(super) struct Attacher<'a> {
    pub(super) ebpf: &'a mut Ebpf,
    pub(super) options: &'a LiveOptions,
    pub(super) notes: &'a mut Vec<String>,
    /// Whether the XDP program is in the kernel; `Err` says why not.
    pub(super) xdp: Result<(), String>,
    /// Interfaces whose clsact is ours.
    pub(super) own_qdiscs: Vec<u32>,
    /// The kernel was found to have no TCX.
    pub(super) no_tcx: bool,
}

/// The programs that these interfaces ask for; more are loaded when the kernel refuses one of them.
pub(super) fn needed(options: &LiveOptions, devices: &[Device]) -> Vec<Hook> {
    let by_xdp = |device: &Device| wants_xdp(options.hook, device) && !device.is_loopback();
    let mut hooks = Vec::new();
    if devices.iter().any(by_xdp) {
        hooks.push(Hook::XdpIngress);
    }
    if !devices.iter().all(by_xdp) {
        hooks.push(Hook::TcIngress);
    }
    if !devices.iter().all(Device::is_loopback) {
        hooks.push(Hook::TcEgress);
    }
    hooks
}

const fn wants_xdp(choice: HookChoice, device: &Device) -> bool {
    match choice {
        HookChoice::Tc => false,
        HookChoice::Xdp => true,
        HookChoice::Auto => device.is_tap(),
    }
}

impl Attacher<'_> {
    /// Both directions of one interface; what was attached before a failure is among `attached`.
    pub(super) fn attach(
        &mut self,
        interface: usize,
        device: &Device,
        attached: &mut Vec<Attachment>,
    ) -> Result<(), LiveError> {
        // Egress first: a flow's first frame in is then never seen without its answer.
        if !device.is_loopback() {
            attached.push(self.classifier(interface, device, Hook::TcEgress)?);
        }
        let ingress = match self.try_xdp(interface, device)? {
            Some(attachment) => attachment,
            None => self.classifier(interface, device, Hook::TcIngress)?,
        };
        attached.push(ingress);
        Ok(())
    }

    /// Native XDP, where it is wanted and possible.
    fn try_xdp(&mut self, interface: usize, device: &Device) -> Result<Option<Attachment>, LiveError> {
        let name = &device.name;
        if !wants_xdp(self.options.hook, device) {
            return Ok(None);
        }
        if device.is_loopback() {
            self.note(format!("{name}: loopback has no native XDP; using TC"));
            return Ok(None);
        }
        if let Some(reason) = device.without_xdp {
            self.note(format!("{name}: {reason}; using TC"));
            return Ok(None);
        }
        if let Err(reason) = &self.xdp {
            self.note(format!("{name}: the kernel does not take the XDP program ({reason}); using TC"));
            return Ok(None);
        }
        let before = offload::affected(device);
        self.announce(device, &before);
        let program = program_fd(self.ebpf, Hook::XdpIngress)?;
        match BpfLink::attach(program.as_fd(), device.index, Hook::XdpIngress) {
            Ok(link) => {
                let changes = before.iter().flat_map(Offloads::changes);
                let changes: Vec<String> =
                    changes.map(|change| format!("{name}: with XDP, {change}")).collect();
                changes.into_iter().for_each(|change| self.note(change));
                Ok(Some(Attachment {
                    interface,
                    hook: Hook::XdpIngress,
                    link: Some(Link::Bpf(link)),
                    before,
                }))
            }
            Err(error) => {
                self.note(format!("{name}: no native XDP ({}); using TC", xdp_refusal(device, &error)));
                Ok(None)
            }
        }
    }

    /// Says before XDP is attached what that may change.
    fn announce(&mut self, device: &Device, before: &[Offloads]) {
        let driver = device.driver.as_deref().unwrap_or("unknown");
        let now: Vec<String> = before.iter().map(ToString::to_string).collect();
        let effect = match driver {
            "veth" => "its peer's TSO goes off and bulk traffic slows down",
            "bonding" => "each of its parts runs the program, and their drivers may reset queues",
            _ => "the driver may reset queues and links and switches LRO off",
        };
        self.note(format!(
            "{}: attaching native XDP (driver {driver}): {effect}; now: {}",
            device.name,
            now.join("; with it: ")
        ));
    }

    /// TC, by TCX where the kernel has it.
    fn classifier(&mut self, interface: usize, device: &Device, hook: Hook) -> Result<Attachment, LiveError> {
        let attachment = |link| Attachment { interface, hook, link: Some(link), before: Vec::new() };
        object::load_program(self.ebpf, hook, self.options.xdp)?;
        if self.options.tc_attach == TcAttach::Auto && !self.no_tcx {
            let program = program_fd(self.ebpf, hook)?;
            match BpfLink::attach(program.as_fd(), device.index, hook) {
                Ok(link) => return Ok(attachment(Link::Bpf(link))),
                // Before 6.6 the kernel knows no such attach type, which is nothing to tell anyone.
                Err(error) if is_unknown(&error) => self.no_tcx = true,
                Err(error) => self.note(format!(
                    "{}: TCX refused ({}); using a clsact filter",
                    device.name,
                    object::one_line(&error)
                )),
            }
        }
        self.clsact(device, hook).map(attachment)
    }

    fn clsact(&mut self, device: &Device, hook: Hook) -> Result<Link, LiveError> {
        match tc::qdisc_add_clsact(&device.name) {
            Ok(()) => self.own_qdiscs.push(device.index),
            // Another's, or ours from the other direction.
            Err(error) if already_exists(&error) => {}
            Err(error) => return Err(attach_error(device, hook, &error)),
        }
        let program = object::classifier(self.ebpf, hook)?;
        let failed = |error: &dyn std::error::Error| attach_error(device, hook, error);
        let options = TcAttachOptions::Netlink(NlOptions::default());
        let id = program
            .attach_with_options(&device.name, direction(hook), options)
            .map_err(|error| failed(&error))?;
        let link = program.take_link(id).map_err(|error| failed(&error))?;
        let priority = link.priority().map_err(|error| failed(&error))?;
        let handle = link.handle().map_err(|error| failed(&error))?;
        let parent = if hook == Hook::TcEgress { PARENT_EGRESS } else { PARENT_INGRESS };
        let filter = TcRequest::delete_filter(device.index, parent, priority, handle.into());
        let qdisc = self.own_qdiscs.contains(&device.index).then_some(device.index);
        let watcher = Watcher::start(filter, qdisc).map_err(|source| LiveError::Watcher { source })?;
        // From here on the watcher alone takes the classifier off, whether we end well or badly.
        std::mem::forget(link);
        Ok(Link::Clsact(watcher, Classifier { priority, handle }))
    }

    fn note(&mut self, note: String) {
        tracing::warn!("{note}");
        self.notes.push(note);
    }
}

const fn direction(hook: Hook) -> TcAttachType {
    match hook {
        Hook::TcEgress => TcAttachType::Egress,
        Hook::XdpIngress | Hook::TcIngress => TcAttachType::Ingress,
    }
}

fn attach_error(device: &Device, hook: Hook, error: &dyn std::error::Error) -> LiveError {
    LiveError::Attach { name: device.name.clone(), hook, message: object::one_line(error) }
}

fn already_exists(error: &TcError) -> bool {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        let exists = |error: &io::Error| error.raw_os_error() == Some(libc::EEXIST);
        if error.downcast_ref().is_some_and(exists) {
            return true;
        }
        next = error.source();
    }
    matches!(error, TcError::AlreadyAttached)
}

/// Whether the kernel does not know this way to attach (linux/kernel/bpf/syscall.c before 6.6, or one built without):
/// found out by trying, because distributions carry features to older versions.
fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::E2BIG | libc::EOPNOTSUPP))
}

/// Why the kernel refused XDP, for an operator.
fn xdp_refusal(device: &Device, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => "another XDP program is attached, which is left alone".to_owned(),
        Some(libc::EOPNOTSUPP) if device.spreads => {
            "this mode of the bond, or a part of it, has none".to_owned()
        }
        Some(libc::EOPNOTSUPP) => "the driver has none".to_owned(),
        _ => format!("the kernel says: {error}"),
    }
}
