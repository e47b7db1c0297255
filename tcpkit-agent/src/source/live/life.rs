//! What becomes of a capture when its interfaces change: down and up, renamed, gone, back again.
//!
//! The contract:
//! - An interface keeps its position and its slot in the kernel's counters for the whole capture, whatever
//!   its number in the kernel becomes: what was counted before goes on to count.
//! - What is gone is detached. It is attached again only where [`LiveOptions::reattach`](super::LiveOptions) asks for
//!   that, when an interface of the name that was asked for is there.
//! - Attaching again needs CAP_BPF and CAP_NET_ADMIN, and loads nothing.

use tcpkit_common::{
    record::Hook,
    settings::{EVERY_OTHER_INTERFACE, InterfaceSlot, interface_key},
};

use super::{
    Asked, InterfaceChange, InterfaceState, LiveCapture, LiveError, Standing,
    attach::{Attacher, Attachment},
    device::{self, Device},
    link::{Departure, LinkMessage},
    object, sys,
    watch::Sighting,
};

/// What must be remembered of an interface while it is away.
#[derive(Debug)]
pub(super) struct Life {
    /// It was a tap when the capture began, which it stays when it comes back.
    was_tap: bool,
    /// Why it was not attached though it is there: told once.
    refusal: Option<String>,
    /// Its number in the map of interfaces.
    number: Option<u32>,
}

impl Life {
    /// One that begins with this device, or waits for it: what is not known to be a tap is taken for none.
    pub(super) fn new(device: Option<&Device>) -> Self {
        Self { was_tap: device.is_some_and(Device::is_tap), refusal: None, number: None }
    }
}

impl LiveCapture {
    /// What happened to the interfaces since the last call; to be called a few times per second.
    ///
    /// Also attaches to what came back, follows the wall clock and hands on what the programs log.
    pub fn changes(&mut self) -> Vec<InterfaceChange> {
        self.clock.refresh();
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        let messages = self.watch.messages();
        let changes: Vec<_> = messages.iter().flat_map(|message| self.follow(message)).collect();
        if !changes.is_empty() {
            self.assign_standings();
        }
        changes
    }

    /// Whether every interface has disappeared for good, so that no frame can come any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.options.reattach && self.watch.all_gone()
    }

    /// Attaches what is there, all or nothing.
    pub(super) fn begin(&mut self, asked: Vec<Asked>) -> Result<(), LiveError> {
        let mut notes = Vec::new();
        asked.iter().for_each(|one| self.watch.add(&one.name, one.device.as_ref()));
        for (position, Asked { name, device }) in asked.into_iter().enumerate() {
            match device {
                Some(device) => self.attach(position, device, &mut notes)?,
                None => notes.push(format!("{name}: not there yet; waiting for it")),
            }
        }
        self.notes.extend(notes);
        self.assign_standings();
        self.warn_of_missing_parts();
        Ok(())
    }

    fn follow(&mut self, message: &LinkMessage) -> Vec<InterfaceChange> {
        let sightings = self.watch.apply(message);
        let change = |(interface, sighting)| {
            self.on_sighting(interface, sighting).map(|state| InterfaceChange { interface, state })
        };
        sightings.into_iter().filter_map(change).collect()
    }

    fn on_sighting(&mut self, position: usize, sighting: Sighting) -> Option<InterfaceState> {
        match sighting {
            Sighting::Up => Some(InterfaceState::Up),
            Sighting::Down => Some(InterfaceState::Down),
            Sighting::Renamed(from) => self.on_renamed(position, from),
            Sighting::Departed(departure) => Some(self.on_departed(position, departure)),
            Sighting::Appeared => self.on_appeared(position),
            Sighting::Regrouped => Some(match self.watch.master(position) {
                Some(master) => InterfaceState::Enslaved { master: master.name.clone() },
                None => InterfaceState::Released,
            }),
        }
    }

    fn on_renamed(&mut self, position: usize, from: String) -> Option<InterfaceState> {
        let name = self.watch.name(position).to_owned();
        self.interfaces[position].name = name;
        Some(InterfaceState::Renamed { from })
    }

    /// A deleted interface has taken its programs along; on one that went elsewhere they would run on.
    fn on_departed(&mut self, position: usize, departure: Departure) -> InterfaceState {
        let (gone, stay): (Vec<_>, Vec<_>) =
            self.attachments.drain(..).partition(|attachment| attachment.interface == position);
        self.attachments = stay;
        // What cannot be put back is no longer here.
        gone.into_iter().for_each(|attachment| drop(attachment.detach()));
        self.interfaces[position].index = None;
        self.lives[position].refusal = None;
        match departure {
            Departure::Deleted => InterfaceState::Gone,
            Departure::Moved => InterfaceState::Moved,
        }
    }

    fn on_appeared(&mut self, position: usize) -> Option<InterfaceState> {
        if !self.options.reattach {
            return None;
        }
        // It may be gone again, and then another message says so.
        let device = Device::find(self.watch.asked(position)).ok()?;
        let mut notes = Vec::new();
        match self.attach_again(position, device, &mut notes) {
            Ok(()) => {
                self.lives[position].refusal = None;
                Some(InterfaceState::Attached { notes })
            }
            Err(error) => {
                let reason = error.to_string();
                let known = self.lives[position].refusal.replace(reason.clone());
                (known.as_ref() != Some(&reason)).then_some(InterfaceState::Refused { reason })
            }
        }
    }

    fn attach_again(
        &mut self,
        position: usize,
        mut device: Device,
        notes: &mut Vec<String>,
    ) -> Result<(), LiveError> {
        let expected = self.interfaces[position].link_type;
        if device.link()?.1 != expected {
            return Err(LiveError::OtherLinkLayer { name: device.name });
        }
        // A new interface has no addresses yet: what it is for is known by what its predecessor was for.
        device.is_used = !self.lives[position].was_tap;
        self.attach(position, device, notes)
    }

    /// Attaches both directions of one interface, or nothing.
    fn attach(
        &mut self,
        position: usize,
        mut device: Device,
        notes: &mut Vec<String>,
    ) -> Result<(), LiveError> {
        self.give_slot(position, &mut device)?;
        let Self { ebpf, options, xdp, .. } = self;
        let xdp = xdp.clone();
        let mut attacher = Attacher { ebpf, options, notes, xdp, own_qdiscs: Vec::new(), no_tcx: false };
        let mut attached = Vec::new();
        if let Err(error) = attacher.attach(position, &device, &mut attached) {
            // Offloads go back to what they were, too.
            let problems = attached.drain(..).flat_map(Attachment::detach);
            problems.for_each(|problem| tracing::warn!("{problem}"));
            return Err(error);
        }
        self.give_up_xdp_key(&device, &attached)?;
        self.listen(&device, notes);
        let interface = &mut self.interfaces[position];
        interface.hooks.extend(attached.iter().map(|attachment| attachment.hook));
        interface.hooks.sort_unstable();
        interface.hooks.dedup();
        interface.name.clone_from(&device.name);
        interface.index = Some(device.index);
        self.attachments.extend(attached);
        self.watch.follow(position, &device);
        Ok(())
    }

    /// Tells the programs where they count this interface; a single one needs no telling.
    fn give_slot(&mut self, position: usize, device: &mut Device) -> Result<(), LiveError> {
        if self.interfaces.len() == 1 {
            return Ok(());
        }
        let failed = |source| LiveError::Map { what: "map of interfaces", source };
        let slot = u32::try_from(position).unwrap_or(u32::MAX);
        let entry = InterfaceSlot { slot, link: device.link()?.0 };
        let map = object::map_fd(&self.ebpf, "INTERFACES")?;
        if let Some(old) = self.lives[position].number.take() {
            for key in keys(old) {
                // No program has run there since it was detached; that it is not there is nothing to tell.
                drop(sys::delete_from_map(map, &key));
            }
        }
        for key in keys(device.index) {
            sys::update_map(map, &key, &entry).map_err(failed)?;
        }
        if self.watch.master(position).is_some_and(|it| it.spreads && self.watch.is_there(it.index)) {
            device.without_xdp = Some("no XDP on a part of a bond that is captured too");
        }
        if device.spreads {
            if self.spreader.is_none_or(|spreader| spreader == position) {
                self.spreader = Some(position);
                sys::update_map(map, &EVERY_OTHER_INTERFACE, &entry).map_err(failed)?;
            } else {
                device.without_xdp =
                    Some("no XDP on a second bond, whose frames would pass for the first one's");
            }
        }
        self.lives[position].number = Some(device.index);
        Ok(())
    }

    /// Without XDP of its own, what XDP shows under its number is its bond's, now or when it joins one.
    fn give_up_xdp_key(&self, device: &Device, attached: &[Attachment]) -> Result<(), LiveError> {
        let is_by_xdp = attached.iter().any(|attachment| attachment.hook == Hook::XdpIngress);
        if self.interfaces.len() > 1 && !is_by_xdp {
            let map = object::map_fd(&self.ebpf, "INTERFACES")?;
            // That it is not there is nothing to tell.
            drop(sys::delete_from_map(map, &interface_key(device.index, Hook::XdpIngress)));
        }
        Ok(())
    }

    /// A tap must take frames that are not addressed to it.
    fn listen(&self, device: &Device, notes: &mut Vec<String>) {
        let asked = self.options.promiscuous;
        let Some(promiscuous) = self.promiscuous.as_ref().filter(|_| asked || device.is_tap()) else {
            return;
        };
        let name = &device.name;
        match promiscuous.add(device.index) {
            // What was asked for is no news.
            Ok(()) if asked => {}
            Ok(()) => notes.push(format!("{name}: no addresses, so it is a tap: promiscuous while captured")),
            Err(error) => notes.push(format!("{name}: not promiscuous: {error}")),
        }
    }

    /// Of a bond that is captured by some of its parts only, flows are seen in part.
    fn warn_of_missing_parts(&mut self) {
        let is_captured = |index: u32| self.interfaces.iter().any(|one| one.index == Some(index));
        let mut notes = Vec::new();
        for (position, interface) in self.interfaces.iter().enumerate() {
            let Some(master) = self.watch.master(position).filter(|master| master.spreads) else { continue };
            if is_captured(master.index) || device::parts(master.index).into_iter().all(is_captured) {
                continue;
            }
            let (name, bond) = (&interface.name, &master.name);
            notes.push(format!(
                "{name}: other parts of {bond} are not captured, so flows are seen in part; capture {bond} itself"
            ));
        }
        self.notes.extend(notes);
    }

    fn assign_standings(&mut self) {
        let each = self.interfaces.iter().enumerate();
        let known: Vec<_> = each.map(|(position, one)| (one.index, self.watch.master(position))).collect();
        let standings: Vec<Standing> = self.standings.assign(&known);
        for (interface, standing) in self.interfaces.iter_mut().zip(standings) {
            interface.standing = standing;
        }
    }
}

/// Both keys of an interface in the map of interfaces.
fn keys(index: u32) -> [u32; 2] {
    [Hook::TcIngress, Hook::XdpIngress].map(|hook| interface_key(index, hook))
}
