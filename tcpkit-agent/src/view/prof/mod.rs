//! tcpprof's tables: who and what the packets of a capture were, and how much of it.
//!
//! Which packets count where is tcpprof's, places of fields and ties included; IPv6 beyond the link and protocol
//! tables, and what is right where tcpprof is wrong, are asked for.

mod key;
mod table;

use std::net::IpAddr;

use crate::view::stat::{Decoder, Link, Network, fixed, wide};

use key::{Key, Place};
use table::{Row, Table};

/// The tables that can be asked for beside the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `l`
    Link,
    /// `i`
    Protocol,
    /// `p`
    Port,
    /// `h`
    Host,
    /// `n`
    Network,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfOptions {
    /// Which tables, in any order.
    pub sections: Vec<Section>,
    /// Sources and destinations have rows of their own.
    pub splits: bool,
    /// Ports from here on are left out.
    pub ports_below: Option<u32>,
    /// Rows of a table, at most.
    pub rows: Option<usize>,
    /// Hosts, ports and networks of IPv6 too.
    pub ipv6: bool,
    /// Ports behind IP options, networks in their order.
    pub strict: bool,
}

/// Names of numbers.
pub trait Names {
    /// Of a host.
    fn host(&self, address: IpAddr) -> Option<String>;
    /// Of a port.
    fn service(&self, port: u16) -> Option<String>;
    /// Of a protocol inside IP.
    fn protocol(&self, number: u8) -> Option<String>;
}

/// The tables of a capture.
#[derive(Clone, Debug)]
pub struct Prof {
    options: ProfOptions,
    total: Row,
    tables: Vec<(Section, Table)>,
}

impl Section {
    /// All of them, in the order in which they are printed.
    pub const ALL: [Self; 5] = [Self::Link, Self::Protocol, Self::Port, Self::Host, Self::Network];

    /// The letter that asks for it.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Link => 'l',
            Self::Protocol => 'i',
            Self::Port => 'p',
            Self::Host => 'h',
            Self::Network => 'n',
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Link => "Link",
            Self::Protocol => "IP",
            Self::Port => "Port",
            Self::Host => "Host",
            Self::Network => "Network",
        }
    }
}

impl Prof {
    /// Nothing yet.
    #[must_use]
    pub fn new(options: ProfOptions) -> Self {
        let wanted = Section::ALL.into_iter().filter(|section| options.sections.contains(section));
        let tables = wanted.map(|section| (section, Table::default())).collect();
        Self { options, total: Row::default(), tables }
    }

    /// Takes the packet that the decoder has read, of so many bytes.
    pub fn on_packet(&mut self, decoder: &Decoder, bytes: u32) {
        self.total.add(bytes);
        let network = decoder.network();
        for (section, table) in &mut self.tables {
            let keys = match section {
                Section::Link => [Some(Key::number(link_key(decoder, network))), None],
                Section::Protocol => {
                    [decoder.protocol(network).map(|number| Key::number(number.into())), None]
                }
                Section::Port => key::ports(decoder, network, &self.options),
                Section::Host => key::hosts(decoder, network, &self.options),
                Section::Network => key::networks(decoder, network, &self.options),
            };
            match keys {
                // A packet between one port, or one host, and itself counts once.
                [Some(source), Some(destination)] if source == destination => table.add(source, bytes),
                keys => keys.into_iter().flatten().for_each(|key| table.add(key, bytes)),
            }
        }
    }

    /// Whether no packet came.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.total.packets == 0
    }

    /// Packets that are in no row, because a table had too many.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.tables.iter().map(|(_, table)| table.left_out()).sum()
    }

    /// The tables as text.
    #[must_use]
    pub fn render(&self, names: &impl Names) -> String {
        let mut text = format!("Total Statistics:\n{}", self.row("Total ", &self.total));
        for (section, table) in &self.tables {
            text.push_str(section.title());
            text.push_str(" Statistics:\n");
            let rows = table.sorted();
            for (key, row) in rows.iter().take(self.options.rows.unwrap_or(usize::MAX)) {
                text.push_str(&self.row(&self.label(*section, key, names), row));
            }
        }
        text
    }

    fn row(&self, label: &str, row: &Row) -> String {
        let share = fixed(100.0 * wide(row.bytes) / wide(self.total.bytes), 4);
        format!("\t{label:<25}{:<10}{:<10}{share:<5} %\n", row.packets, row.bytes)
    }

    /// The first column, with the blank that tcpprof leaves behind every name.
    fn label(&self, section: Section, key: &Key, names: &impl Names) -> String {
        let way = match key.way {
            _ if !self.options.splits => "",
            Some(key::Way::Source) => "> ",
            Some(key::Way::Destination) => "< ",
            None => "",
        };
        let name = match (section, key.place) {
            (Section::Link, Place::Number(number)) => link_name(number).to_owned(),
            (Section::Protocol, Place::Number(number)) => u8::try_from(number)
                .ok()
                .and_then(|number| names.protocol(number))
                .unwrap_or(number.to_string()),
            (Section::Port, Place::Number(number)) => {
                let service = u16::try_from(number).ok().and_then(|port| names.service(port));
                service.map_or(number.to_string(), |service| format!("{service} ({number})"))
            }
            (Section::Host, place) => {
                let room = HOST_WIDTH - if self.options.splits { 2 } else { 0 };
                let address = place.address();
                names.host(address).map_or(address.to_string(), |name| cut(&name, room))
            }
            (_, Place::V6(_)) => format!("{}/64", key.place.address()),
            (_, place) => place.address().to_string(),
        };
        format!("{name} {way}")
    }
}

fn cut(name: &str, room: usize) -> String {
    name.chars().take(room).collect()
}

/// The link layer and what it announces, in one number that sorts as tcpprof's.
fn link_key(decoder: &Decoder, network: Network) -> u32 {
    let announced = decoder.announced();
    let (link, other) = match decoder.link() {
        Link::Null => (1, 0),
        Link::Ethernet => (2, position(&ETHERNET_TYPES, announced).unwrap_or(0)),
        Link::Ppp => (4, position(&PPP_PROTOCOLS, announced).unwrap_or(0xff)),
        Link::Other => (0, 0),
    };
    let kind = match (decoder.link(), network) {
        (Link::Null, Network::V4) => 1,
        (Link::Null, Network::V6) => 2,
        _ => other,
    };
    link | kind << 8
}

fn position(known: &[(u32, u32, &str)], announced: u32) -> Option<u32> {
    known.iter().find(|(number, ..)| *number == announced).map(|(_, kind, _)| *kind)
}

fn link_name(key: u32) -> &'static str {
    let kind = key >> 8;
    let named = |known: &[(u32, u32, &'static str)]| {
        known.iter().find(|(_, number, _)| *number == kind).map(|(.., name)| *name)
    };
    match key & 0xff {
        2 => named(&ETHERNET_TYPES).unwrap_or("Ethernet (other):"),
        4 => named(&PPP_PROTOCOLS).unwrap_or("PPP (other):"),
        1 if kind == 1 => "No Link (IP):",
        1 if kind == 2 => "No Link (IPv6):",
        1 => "No Link (non-IP):",
        // As tcpprof spells it.
        _ => "UNKNWON (non-IP):",
    }
}

/// EtherTypes, tcpprof's order of them, and its names.
const ETHERNET_TYPES: [(u32, u32, &str); 7] = [
    (0x0800, 1, "Ethernet (IP):"),
    (0x86dd, 2, "Ethernet (IPv6):"),
    (0x0806, 3, "Ethernet (arp):"),
    (0x8035, 4, "Ethernet (revarp):"),
    (0x8137, 5, "Ethernet (IPX):"),
    (0x809b, 6, "Ethernet (AppleTalk):"),
    (0x80f3, 7, "Ethernet (AppleTalk ARP):"),
];

/// The same of PPP.
const PPP_PROTOCOLS: [(u32, u32, &str); 8] = [
    (0x0021, 1, "PPP (IP):"),
    (0x0057, 2, "PPP (IPv6):"),
    (0x8021, 3, "PPP (IPCP):"),
    (0x8057, 4, "PPP (IPCP6):"),
    (0x80fd, 5, "PPP (CCP):"),
    (0xc021, 6, "PPP (LCP):"),
    (0xc023, 7, "PPP (PAP):"),
    (0xc223, 8, "PPP (CHAP):"),
];

/// Octets of a host's name that are shown.
const HOST_WIDTH: usize = 24;

#[cfg(test)]
mod tests;
