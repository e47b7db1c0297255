//! The interfaces of a live capture as reports and shards know them, and the story of their life in words.

use std::sync::Arc;

use tcpkit_common::record::Hook;

use crate::{
    pipeline::InterfaceFacts,
    source::{
        Interface,
        live::{InterfaceChange, InterfaceState, LiveCapture, LiveInterface},
    },
    wire::{InterfaceId, LinkType},
};

/// Each interface by its number, which it keeps for the whole capture.
#[derive(Debug)]
pub(super) struct Interfaces {
    all: Vec<Interface>,
    /// What the shards were told last.
    facts: Vec<InterfaceFacts>,
}

impl Interfaces {
    /// The interfaces of this capture, described by `all`.
    pub(super) fn new(all: Vec<Interface>, capture: &LiveCapture) -> Self {
        Self { all, facts: capture.interfaces().iter().map(facts).collect() }
    }

    /// All of them, in order of their number.
    pub(super) fn all(&self) -> &[Interface] {
        &self.all
    }

    /// What one is called now.
    pub(super) fn name(&self, number: usize) -> Option<String> {
        self.all.get(number)?.name.clone()
    }

    /// How the frames of each begin.
    pub(super) fn link_types(&self) -> Vec<LinkType> {
        self.all.iter().map(|one| one.link_type).collect()
    }

    /// What shards must know of each.
    pub(super) fn facts(&self) -> Vec<(InterfaceId, InterfaceFacts)> {
        (0u16..).map(InterfaceId).zip(self.facts.iter().cloned()).collect()
    }

    /// How each is captured.
    pub(super) fn hooks(&self, capture: &LiveCapture) -> Vec<String> {
        capture.interfaces().iter().map(hooks).collect()
    }

    /// Takes names, numbers and places as they are now; gives what the shards do not know yet.
    pub(super) fn update(&mut self, capture: &LiveCapture) -> Vec<(InterfaceId, InterfaceFacts)> {
        let mut news = Vec::new();
        let each = (0u16..).map(InterfaceId).zip(capture.interfaces());
        for ((number, live), (known, told)) in each.zip(self.all.iter_mut().zip(&mut self.facts)) {
            known.name = Some(live.name.clone());
            known.index = live.index;
            let facts = facts(live);
            if *told != facts {
                told.clone_from(&facts);
                news.push((number, facts));
            }
        }
        news
    }

    /// A change in words: the interface that it is told of, and what happened.
    pub(super) fn tell(&self, change: &InterfaceChange, is_waited_for: bool) -> Vec<(String, String)> {
        let name = self.name(change.interface).unwrap_or_default();
        let ending = if is_waited_for { "waiting for it" } else { "its capture has ended" };
        let what = match &change.state {
            InterfaceState::Up => "is up again".to_owned(),
            InterfaceState::Down => "went down; its capture goes on when it comes back".to_owned(),
            InterfaceState::Renamed { from } => format!("is the new name of {from}; its capture goes on"),
            InterfaceState::Gone => format!("disappeared; {ending}"),
            InterfaceState::Moved => format!("disappeared into another network namespace; {ending}"),
            InterfaceState::Attached { notes } => {
                let told = notes.iter().map(|note| (name.clone(), without_name(&name, note)));
                let there = (name.clone(), "is there and captured".to_owned());
                return std::iter::once(there).chain(told).collect();
            }
            InterfaceState::Refused { reason } => format!("is there and cannot be captured: {reason}"),
            InterfaceState::Enslaved { master } => format!("became part of {master}"),
            InterfaceState::Released => "is no longer part of another interface".to_owned(),
        };
        vec![(name, what)]
    }
}

/// A note begins with the name, which the event says anyway.
fn without_name(name: &str, note: &str) -> String {
    let rest = note.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(note).to_owned()
}

fn facts(live: &LiveInterface) -> InterfaceFacts {
    let LiveInterface { name, standing, .. } = live;
    InterfaceFacts {
        name: Some(Arc::from(name.as_str())),
        identity: standing.identity,
        is_copy: standing.is_copy,
    }
}

fn hooks(interface: &LiveInterface) -> String {
    let names: Vec<&str> = match interface.hooks.contains(&Hook::XdpIngress) {
        true if interface.hooks.contains(&Hook::TcIngress) => vec!["ebpf/xdp", "tc", "then ebpf/tc"],
        true => vec!["ebpf/xdp", "tc"],
        false => vec!["ebpf/tc"],
    };
    names.join("+")
}
