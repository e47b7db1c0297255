//! The life of the captured interfaces, as the kernel tells it.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use super::{
    device::{self, Device, is_up},
    link::{self, Departure, LinkMessage},
    netlink,
    standing::Master,
};

/// Something happened to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceChange {
    /// Index into the capture's interfaces.
    pub interface: usize,
    /// What happened.
    pub state: InterfaceState,
}

/// What an interface is up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceState {
    /// Up, with a carrier.
    Up,
    /// Down, or without a carrier; the programs stay and go on when it comes back.
    Down,
    /// It has another name now; its capture goes on.
    Renamed {
        /// What it was called before.
        from: String,
    },
    /// It was deleted; its capture has ended, unless it is waited for.
    Gone,
    /// It went to another network namespace; its capture has ended, unless it is waited for.
    Moved,
    /// It is there and captured: again, or for the first time.
    Attached {
        /// What was done differently from what was asked.
        notes: Vec<String>,
    },
    /// It is there and cannot be captured; the capture goes on waiting.
    Refused {
        /// Why not, in words.
        reason: String,
    },
    /// It became part of a bond, a bridge or the like.
    Enslaved {
        /// The name of that.
        master: String,
    },
    /// It is no part of anything any more.
    Released,
}

/// What a message means for one of the interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    Up,
    Down,
    Renamed(String),
    Departed(Departure),
    /// An interface of the name that is waited for is there.
    Appeared,
    /// It belongs to something else than before.
    Regrouped,
}

/// Follows the interfaces of a capture.
#[derive(Debug)]
pub(super) struct InterfaceWatch {
    socket: OwnedFd,
    watched: Vec<Watched>,
}

/// An interface, there or waited for.
#[derive(Debug)]
struct Watched {
    /// The name by which it was asked for, and is waited for.
    asked: String,
    name: String,
    /// The kernel's number; `None` while there is none.
    index: Option<u32>,
    is_up: bool,
    master: Option<Master>,
}

impl InterfaceWatch {
    /// Begins to listen; nothing is watched yet, and what happens from here on is not missed.
    pub(super) fn open() -> io::Result<Self> {
        let socket = netlink::open(libc::RTMGRP_LINK.cast_unsigned())?;
        Ok(Self { socket, watched: Vec::new() })
    }

    /// Watches one more, by the name that was asked for.
    pub(super) fn add(&mut self, asked: &str, device: Option<&Device>) {
        let position = self.watched.len();
        let (asked, name) = (asked.to_owned(), asked.to_owned());
        self.watched.push(Watched { asked, name, index: None, is_up: false, master: None });
        if let Some(device) = device {
            self.follow(position, device);
        }
    }

    /// Follows this device from now on.
    pub(super) fn follow(&mut self, position: usize, device: &Device) {
        let watched = &mut self.watched[position];
        watched.name.clone_from(&device.name);
        watched.index = Some(device.index);
        watched.is_up = device.is_up();
        watched.master = Master::of(device.index);
    }

    /// The messages that wait, or stand for those that were lost.
    pub(super) fn messages(&self) -> Vec<LinkMessage> {
        let mut messages = Vec::new();
        if link::receive(self.socket.as_raw_fd(), |message| messages.push(message)) {
            messages.extend(self.watched.iter().filter_map(Watched::look));
        }
        messages
    }

    /// What a message means: the interface's position, and what happened to it.
    pub(super) fn apply(&mut self, message: &LinkMessage) -> Vec<(usize, Sighting)> {
        let each = self.watched.iter_mut().enumerate();
        each.flat_map(|(position, watched)| {
            watched.apply(message).into_iter().map(move |sighting| (position, sighting))
        })
        .collect()
    }

    /// Whether the interface with this number is one of ours.
    pub(super) fn is_there(&self, index: u32) -> bool {
        self.watched.iter().any(|watched| watched.index == Some(index))
    }

    /// What an interface is called, or was when it was there.
    pub(super) fn name(&self, position: usize) -> &str {
        &self.watched[position].name
    }

    /// What an interface is part of.
    pub(super) fn master(&self, position: usize) -> Option<&Master> {
        self.watched[position].master.as_ref()
    }

    /// The name by which an interface was asked for.
    pub(super) fn asked(&self, position: usize) -> &str {
        &self.watched[position].asked
    }

    /// Whether no interface is there.
    pub(super) fn all_gone(&self) -> bool {
        self.watched.iter().all(|watched| watched.index.is_none())
    }
}

impl Watched {
    fn apply(&mut self, message: &LinkMessage) -> Vec<Sighting> {
        match (self.index, message.departure) {
            (None, None) if message.facts.name == self.asked => vec![Sighting::Appeared],
            (Some(index), Some(departure)) if index == message.index => {
                self.index = None;
                self.is_up = false;
                self.master = None;
                vec![Sighting::Departed(departure)]
            }
            (Some(index), None) if index == message.index => self.update(message),
            _ => Vec::new(),
        }
    }

    fn update(&mut self, message: &LinkMessage) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        let name = &message.facts.name;
        if *name != self.name && !name.is_empty() {
            sightings.push(Sighting::Renamed(std::mem::replace(&mut self.name, name.clone())));
        }
        if message.facts.master != self.master.as_ref().map(|master| master.index) {
            self.master = Master::from_facts(&message.facts);
            sightings.push(Sighting::Regrouped);
        }
        let is_up = is_up(message.flags);
        if is_up != self.is_up {
            self.is_up = is_up;
            sightings.push(if is_up { Sighting::Up } else { Sighting::Down });
        }
        sightings
    }

    /// What a message would say now; `None` while there is nothing to say.
    fn look(&self) -> Option<LinkMessage> {
        let Some(index) = self.index else {
            let (index, _) = device::names().into_iter().find(|(_, name)| *name == self.asked)?;
            return link::ask(index).ok();
        };
        let gone = LinkMessage { index, departure: Some(Departure::Deleted), ..LinkMessage::default() };
        Some(link::ask(index).unwrap_or(gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::live::link::LinkFacts;

    const UP: u32 = (libc::IFF_UP | libc::IFF_RUNNING).cast_unsigned();

    fn watch() -> InterfaceWatch {
        let socket = netlink::open(0).unwrap();
        let name = || "eth0".to_owned();
        let watched = Watched { asked: name(), name: name(), index: Some(4), is_up: true, master: None };
        InterfaceWatch { socket, watched: vec![watched] }
    }

    fn message(index: u32, flags: u32, name: &str, departure: Option<Departure>) -> LinkMessage {
        let facts = LinkFacts { name: name.to_owned(), ..LinkFacts::default() };
        LinkMessage { index, flags, departure, facts }
    }

    fn tell(watch: &mut InterfaceWatch, message: &LinkMessage) -> Vec<Sighting> {
        watch.apply(message).into_iter().map(|(_, sighting)| sighting).collect()
    }

    #[test]
    fn an_interface_goes_down_comes_back_and_is_gone() {
        let mut watch = watch();
        assert_eq!(tell(&mut watch, &message(4, UP, "eth0", None)), []);
        assert_eq!(tell(&mut watch, &message(5, 0, "eth1", Some(Departure::Deleted))), []);
        assert_eq!(tell(&mut watch, &message(4, 0, "eth0", None)), [Sighting::Down]);
        assert_eq!(tell(&mut watch, &message(4, UP, "eth0", None)), [Sighting::Up]);
        let gone = [Sighting::Departed(Departure::Deleted)];
        assert_eq!(tell(&mut watch, &message(4, UP, "eth0", Some(Departure::Deleted))), gone);
        assert_eq!(tell(&mut watch, &message(4, UP, "eth0", Some(Departure::Deleted))), []);
        assert!(watch.all_gone());
    }

    #[test]
    fn what_is_gone_is_waited_for_by_the_name_that_was_asked_for() {
        let mut watch = watch();
        assert_eq!(tell(&mut watch, &message(4, UP, "lan0", None)), [Sighting::Renamed("eth0".into())]);
        // Another one takes the name, while ours is still there.
        assert_eq!(tell(&mut watch, &message(9, UP, "eth0", None)), []);
        tell(&mut watch, &message(4, 0, "lan0", Some(Departure::Moved)));
        assert_eq!(tell(&mut watch, &message(5, 0, "lan0", None)), []);
        assert_eq!(tell(&mut watch, &message(9, 0, "eth0", None)), [Sighting::Appeared]);
    }

    #[test]
    fn a_new_master_is_noticed_once() {
        let mut watch = watch();
        let mut enslaved = message(4, UP, "eth0", None);
        enslaved.facts.master = Some(7);
        assert_eq!(tell(&mut watch, &enslaved), [Sighting::Regrouped]);
        assert_eq!(tell(&mut watch, &enslaved), []);
        assert_eq!(watch.master(0).map(|master| master.index), Some(7));
        assert_eq!(tell(&mut watch, &message(4, UP, "eth0", None)), [Sighting::Regrouped]);
    }
}
