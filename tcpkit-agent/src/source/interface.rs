//! The interfaces of a capture, numbered in the order in which the sources met them.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

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
///
/// A pcapng file may describe an interface at any place, so a reader numbers interfaces while it runs on its own
/// thread; the new ones travel in the block in which their first frame stands, and [`learn`](Self::learn) takes them.
/// A clone shares the numbering with the table that it was made of.
#[derive(Clone, Debug, Default)]
pub struct InterfaceTable {
    interfaces: Vec<Interface>,
    numbers: InterfaceNumbers,
}

impl InterfaceTable {
    /// Adds one and numbers it; `None` when there are more than 65,536.
    pub fn add(&mut self, interface: Interface) -> Option<InterfaceId> {
        let id = self.numbers.next()?;
        self.insert(id, interface);
        Some(id)
    }

    /// Takes the interfaces that a reader met since the block before ([`Block::interfaces`](super::Block)).
    pub fn learn(&mut self, new: &[(InterfaceId, Interface)]) {
        for (id, interface) in new {
            self.insert(*id, interface.clone());
        }
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

    /// All of them with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (InterfaceId, Interface)> + '_ {
        (0_u16..).map(InterfaceId).zip(self.interfaces.iter().cloned())
    }

    /// Hands out further numbers of this table.
    pub(crate) fn numbers(&self) -> InterfaceNumbers {
        self.numbers.clone()
    }

    /// Puts an interface in its place; a number still missing before it stands for an interface to be learnt yet.
    fn insert(&mut self, id: InterfaceId, interface: Interface) {
        let place = usize::from(id.0);
        while self.interfaces.len() < place {
            self.interfaces.push(Interface { name: None, source: String::new(), ..interface.clone() });
        }
        if place < self.interfaces.len() {
            self.interfaces[place] = interface;
        } else {
            self.interfaces.push(interface);
        }
    }
}

/// Numbers for interfaces, unique among all who share this.
#[derive(Clone, Debug, Default)]
pub(crate) struct InterfaceNumbers(Arc<AtomicU32>);

impl InterfaceNumbers {
    /// The next number; `None` when all 65,536 are taken.
    pub(crate) fn next(&self) -> Option<InterfaceId> {
        let update = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next <= u32::from(u16::MAX)).then_some(next + 1)
        });
        update.ok().and_then(|number| u16::try_from(number).ok()).map(InterfaceId)
    }
}
