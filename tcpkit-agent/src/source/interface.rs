//! The interfaces of a capture, numbered in the order in which the sources met them.

use crate::wire::{InterfaceId, LinkType};

/// One interface, live or in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name, where the source knows it.
    pub name: Option<String>,
    /// The file that it stands in, or `live`.
    pub source: String,
    /// How its frames begin.
    pub link_type: LinkType,
    /// Bytes kept of each frame, where the source says.
    pub snaplen: Option<u32>,
    /// Number in the kernel, for a live one.
    pub index: Option<u32>,
}

/// All interfaces of a capture.
#[derive(Clone, Debug, Default)]
pub struct InterfaceTable {
    interfaces: Vec<Interface>,
}

impl InterfaceTable {
    /// Adds one and numbers it; `None` when there are more than 65,536.
    pub fn add(&mut self, interface: Interface) -> Option<InterfaceId> {
        let id = InterfaceId(u16::try_from(self.interfaces.len()).ok()?);
        self.interfaces.push(interface);
        Some(id)
    }

    /// The interface with this number.
    #[must_use]
    pub fn get(&self, id: InterfaceId) -> Option<&Interface> {
        self.interfaces.get(usize::from(id.0))
    }

    /// All of them, in order of their number.
    #[must_use]
    pub fn all(&self) -> &[Interface] {
        &self.interfaces
    }
}
