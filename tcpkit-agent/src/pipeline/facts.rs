//! Which interfaces count as one.

use std::{collections::HashMap, sync::Arc};

use super::settings::InterfaceFacts;
use crate::source::Interface;

/// Gives each name an identity of its own, and all nameless interfaces a common one.
///
/// Plain pcap files have no names: several of them are most often one capture in pieces, so a flow goes on from one
/// to the next. The same name in two files is the same interface.
#[derive(Debug, Default)]
pub struct Facts {
    identities: HashMap<String, u16>,
}

impl Facts {
    /// The facts of an interface.
    pub fn of(&mut self, interface: &Interface) -> InterfaceFacts {
        let Some(name) = &interface.name else { return InterfaceFacts::default() };
        let next = u16::try_from(self.identities.len() + 1).unwrap_or(u16::MAX);
        let identity = *self.identities.entry(name.clone()).or_insert(next);
        InterfaceFacts { name: Some(Arc::from(name.as_str())), identity, is_copy: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::LinkType;

    fn interface(name: Option<&str>, source: &str) -> Interface {
        Interface {
            name: name.map(str::to_owned),
            source: source.to_owned(),
            link_type: LinkType::ETHERNET,
            snaplen: None,
            index: None,
        }
    }

    #[test]
    fn names_tell_interfaces_apart_and_nameless_ones_are_one() {
        let mut facts = Facts::default();
        let a = facts.of(&interface(None, "a.pcap"));
        assert_eq!(a, facts.of(&interface(None, "b.pcap")));
        let eth0 = facts.of(&interface(Some("eth0"), "a.pcapng"));
        assert_eq!(eth0, facts.of(&interface(Some("eth0"), "b.pcapng")));
        assert_ne!(eth0.identity, a.identity);
        assert_ne!(eth0.identity, facts.of(&interface(Some("eth1"), "a.pcapng")).identity);
    }
}
