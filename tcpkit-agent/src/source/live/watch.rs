//! The life of the captured interfaces, as the kernel tells it.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use super::{
    device::{Control, Device, is_up},
    netlink::{self, LinkMessage},
    sys,
};

/// Something happened to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceChange {
    /// Index into the capture's interfaces.
    pub interface: usize,
    /// What happened.
    pub state: InterfaceState,
}

/// What an interface is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceState {
    /// Up, with a carrier.
    Up,
    /// Down, or without a carrier; the programs stay and go on when it comes back.
    Down,
    /// It was deleted or went to another network namespace; its capture has ended.
    Gone,
}

/// Follows the interfaces of a capture.
#[derive(Debug)]
pub(super) struct InterfaceWatch {
    socket: OwnedFd,
    interfaces: Vec<(u32, InterfaceState)>,
}

impl InterfaceWatch {
    pub(super) fn open(devices: &[Device]) -> io::Result<Self> {
        let socket = netlink::open(libc::RTMGRP_LINK.cast_unsigned())?;
        let interfaces = devices.iter().map(|device| (device.index, state(device.is_up()))).collect();
        Ok(Self { socket, interfaces })
    }

    /// What changed since the last call.
    pub(super) fn changes(&mut self) -> Vec<InterfaceChange> {
        let mut messages = Vec::new();
        if netlink::receive(self.socket.as_raw_fd(), |message| messages.push(message)) {
            // The kernel dropped messages: look for ourselves.
            messages.extend(self.interfaces.iter().map(|&(index, _)| look(index)));
        }
        messages.into_iter().filter_map(|message| self.apply(message)).collect()
    }

    /// Whether every interface is gone.
    pub(super) fn all_gone(&self) -> bool {
        self.interfaces.iter().all(|(_, state)| *state == InterfaceState::Gone)
    }

    fn apply(&mut self, message: LinkMessage) -> Option<InterfaceChange> {
        let interface = self.interfaces.iter().position(|(index, _)| *index == message.index)?;
        let known = &mut self.interfaces[interface].1;
        let now = if message.gone { InterfaceState::Gone } else { state(is_up(message.flags)) };
        if *known == now || *known == InterfaceState::Gone {
            return None;
        }
        *known = now;
        Some(InterfaceChange { interface, state: now })
    }
}

const fn state(up: bool) -> InterfaceState {
    if up { InterfaceState::Up } else { InterfaceState::Down }
}

fn look(index: u32) -> LinkMessage {
    let flags = sys::interface_name(index).and_then(|name| Control::open().ok()?.flags(&name).ok());
    LinkMessage { index, flags: flags.unwrap_or(0), gone: flags.is_none() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_goes_down_comes_back_and_is_gone_for_good() {
        let socket = netlink::open(0).unwrap();
        let mut watch = InterfaceWatch { socket, interfaces: vec![(4, InterfaceState::Up)] };
        let up = (libc::IFF_UP | libc::IFF_RUNNING).cast_unsigned();
        let mut tell =
            |index, flags, gone| watch.apply(LinkMessage { index, flags, gone }).map(|change| change.state);
        assert_eq!(tell(4, up, false), None);
        assert_eq!(tell(5, 0, true), None);
        assert_eq!(tell(4, 0, false), Some(InterfaceState::Down));
        assert_eq!(tell(4, up, false), Some(InterfaceState::Up));
        assert_eq!(tell(4, up, true), Some(InterfaceState::Gone));
        assert_eq!(tell(4, up, false), None);
        assert!(watch.all_gone());
    }
}
