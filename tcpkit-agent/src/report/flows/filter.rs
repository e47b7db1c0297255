//! Which flows somebody wants to see, as people type it.
//!
//! ```text
//! port 443 and host 10.0.0.1      all of it; "and" may be left out
//! server 10.0.0.0/8 or port 53    one of them
//! not state syn_sent              all others
//! ( client fd00::1 ) port 8000-8100
//! interface eth0, midstream, open
//! 10.0.0.1, 10.0.0.0/8, 443, established, eth      what a lone word is, it says itself
//! ```
//! `host`, `net` and `port` mean either end, and one end behind `client` or `server` (`src` and `dst` mean the same).
//! A lone word is an address, a network, a port or a state; any other is looked for in what the row shows, in upper
//! or lower case. `not` binds closest, then `and`, then `or`.

use std::{
    fmt::{self, Write as _},
    net::{IpAddr, SocketAddr},
};

use tcpkit_common::flow::{Address, FourTuple};

use super::FlowState;

/// Which flows somebody wants to see; the default is every flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFilter(Option<Term>);

/// What is wrong with a filter, in a few words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterMistake(String);

/// What a filter looks at.
#[derive(Clone, Copy, Debug)]
pub struct FlowFacts<'a> {
    /// From client to server.
    pub tuple: FourTuple,
    /// Where the flow stands.
    pub state: FlowState,
    /// Neither SYN nor SYN/ACK was seen.
    pub midstream: bool,
    /// Where it was seen first, where that has a name.
    pub interface: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// An address within these, of one of these ends.
    Net(Ends, Net),
    /// A port of one of these ends, from the first to the last.
    Port(Ends, u16, u16),
    State(FlowState),
    Interface(String),
    Midstream,
    Open,
    /// What the row shows has this in it, in lower case.
    Shows(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Client,
    Server,
    Either,
}

/// Addresses that are equal in their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Net {
    address: Address,
    bits: u32,
}

impl FlowFilter {
    /// Reads a filter; no words want every flow.
    ///
    /// # Errors
    /// What is wrong, and with which word.
    pub fn parse(text: &str) -> Result<Self, FilterMistake> {
        if text.len() > MOST_OCTETS {
            return Err(FilterMistake(format!("a filter has at most {MOST_OCTETS} characters")));
        }
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('!', " not ").replace(',', " ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        if words.is_empty() {
            return Ok(Self::default());
        }
        let mut words = Words { words: &words, place: 0, depth: 0 };
        let term = words.any()?;
        match words.peek() {
            None => Ok(Self(Some(term))),
            Some(word) => Err(FilterMistake(format!("'{word}' stands behind the end"))),
        }
    }

    /// Flows that both want.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(other)) => Self(Some(Term::All(vec![one, other]))),
            (one, other) => Self(one.or(other)),
        }
    }

    /// The one flow between these two ends.
    #[must_use]
    pub fn only(tuple: &FourTuple) -> Self {
        let host = |ends, address| Term::Net(ends, Net { address, bits: 128 });
        let port = |ends, port| Term::Port(ends, port, port);
        Self(Some(Term::All(vec![
            port(Ends::Client, tuple.source_port),
            port(Ends::Server, tuple.destination_port),
            host(Ends::Client, tuple.source),
            host(Ends::Server, tuple.destination),
        ])))
    }

    /// Whether every flow is wanted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether this flow is wanted.
    #[must_use]
    pub fn wants(&self, facts: &FlowFacts<'_>) -> bool {
        self.0.as_ref().is_none_or(|term| term.wants(facts))
    }
}

impl Term {
    fn wants(&self, facts: &FlowFacts<'_>) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.wants(facts)),
            Self::Any(terms) => terms.iter().any(|term| term.wants(facts)),
            Self::Not(term) => !term.wants(facts),
            Self::Net(ends, net) => {
                ends.any(|client| net.has(if client { facts.tuple.source } else { facts.tuple.destination }))
            }
            Self::Port(ends, first, last) => ends.any(|client| {
                let port = if client { facts.tuple.source_port } else { facts.tuple.destination_port };
                (*first..=*last).contains(&port)
            }),
            Self::State(state) => facts.state == *state,
            Self::Interface(name) => facts.interface == Some(name.as_str()),
            Self::Midstream => facts.midstream,
            Self::Open => facts.state.is_open(),
            Self::Shows(text) => Shown::of(facts).has(text),
        }
    }
}

impl Ends {
    /// Whether it holds for one of the ends; it is asked about the client with `true`.
    fn any(self, holds: impl Fn(bool) -> bool) -> bool {
        match self {
            Self::Client => holds(true),
            Self::Server => holds(false),
            Self::Either => holds(true) || holds(false),
        }
    }
}

impl Net {
    fn parse(word: &str) -> Option<Self> {
        let (ip, bits) = match word.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits.parse::<u32>().ok()?)),
            None => (word, None),
        };
        let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
        match bare.parse().ok()? {
            IpAddr::V4(ip) => {
                let bits = 96 + bits.filter(|bits| *bits <= 32).or(bits.is_none().then_some(32))?;
                Some(Self { address: Address::v4(ip.octets()), bits })
            }
            IpAddr::V6(ip) => {
                let bits = bits.filter(|bits| *bits <= 128).or(bits.is_none().then_some(128))?;
                Some(Self { address: Address(ip.octets()), bits })
            }
        }
    }

    fn has(self, address: Address) -> bool {
        let differing = u128::from_be_bytes(self.address.0) ^ u128::from_be_bytes(address.0);
        differing.leading_zeros() >= self.bits
    }
}

/// Words that are read one after the other.
struct Words<'a> {
    words: &'a [&'a str],
    place: usize,
    depth: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.place).copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.peek();
        self.place += 1;
        word
    }

    fn argument(&mut self, of: &str, kind: &str) -> Result<&'a str, FilterMistake> {
        self.next().ok_or_else(|| FilterMistake(format!("'{of}' needs {kind}")))
    }

    fn any(&mut self) -> Result<Term, FilterMistake> {
        let mut terms = vec![self.all()?];
        while self.peek().is_some_and(|word| matches!(word, "or" | "||")) {
            self.place += 1;
            terms.push(self.all()?);
        }
        Ok(one_or(terms, Term::Any))
    }

    fn all(&mut self) -> Result<Term, FilterMistake> {
        let mut terms = vec![self.not()?];
        loop {
            match self.peek() {
                Some("and" | "&&") => self.place += 1,
                None | Some("or" | "||" | ")") => return Ok(one_or(terms, Term::All)),
                Some(_) => {}
            }
            terms.push(self.not()?);
        }
    }

    fn not(&mut self) -> Result<Term, FilterMistake> {
        let mut is_wanted = true;
        while self.peek() == Some("not") {
            self.place += 1;
            is_wanted = !is_wanted;
        }
        let term = self.term()?;
        Ok(if is_wanted { term } else { Term::Not(Box::new(term)) })
    }

    fn term(&mut self) -> Result<Term, FilterMistake> {
        let Some(word) = self.next() else {
            return Err(FilterMistake("something is missing at the end".to_owned()));
        };
        match word.to_ascii_lowercase().as_str() {
            "(" => self.within(),
            ")" | "and" | "or" | "&&" | "||" => Err(FilterMistake(format!("nothing stands before '{word}'"))),
            "client" | "src" => self.end(word, Ends::Client),
            "server" | "dst" => self.end(word, Ends::Server),
            "host" | "net" | "port" | "portrange" => self.place_of(word, Ends::Either),
            "state" => {
                let name = self.argument(word, "a state")?;
                state(name).map(Term::State).ok_or_else(|| FilterMistake(unknown_state(name)))
            }
            "interface" | "iface" | "dev" => {
                self.argument(word, "a name").map(|name| Term::Interface(name.to_owned()))
            }
            "midstream" => Ok(Term::Midstream),
            "open" => Ok(Term::Open),
            _ => Ok(lone(word)),
        }
    }

    fn within(&mut self) -> Result<Term, FilterMistake> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(FilterMistake("parentheses are too deep".to_owned()));
        }
        let term = self.any()?;
        self.depth -= 1;
        match self.next() {
            Some(")") => Ok(term),
            _ => Err(FilterMistake("a parenthesis is not closed".to_owned())),
        }
    }

    /// What stands behind `client` or `server`: a place, or an address or a port by itself.
    fn end(&mut self, of: &str, ends: Ends) -> Result<Term, FilterMistake> {
        let word = self.argument(of, "an address or a port")?;
        if matches!(word, "host" | "net" | "port" | "portrange") {
            return self.place_of(word, ends);
        }
        address_or_port(word, ends)
            .ok_or_else(|| FilterMistake(format!("'{word}' behind '{of}' is neither address nor port")))
    }

    fn place_of(&mut self, kind: &str, ends: Ends) -> Result<Term, FilterMistake> {
        if matches!(kind, "port" | "portrange") {
            let word = self.argument(kind, "a number")?;
            let (first, last) = ports(word)
                .ok_or_else(|| FilterMistake(format!("'{word}' is no port and no range of them")))?;
            return Ok(Term::Port(ends, first, last));
        }
        let word = self.argument(kind, "an address")?;
        let net = Net::parse(word).ok_or_else(|| FilterMistake(format!("'{word}' is no numeric address")))?;
        Ok(Term::Net(ends, net))
    }
}

fn one_or(mut terms: Vec<Term>, many: impl FnOnce(Vec<Term>) -> Term) -> Term {
    match terms.pop() {
        Some(term) if terms.is_empty() => term,
        last => {
            terms.extend(last);
            many(terms)
        }
    }
}

/// What a word by itself means.
fn lone(word: &str) -> Term {
    address_or_port(word, Ends::Either)
        .or_else(|| state(word).map(Term::State))
        .unwrap_or_else(|| Term::Shows(word.to_lowercase()))
}

fn address_or_port(word: &str, ends: Ends) -> Option<Term> {
    let net = Net::parse(word).map(|net| Term::Net(ends, net));
    net.or_else(|| ports(word).map(|(first, last)| Term::Port(ends, first, last)))
}

fn ports(word: &str) -> Option<(u16, u16)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let port = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())?;
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

fn state(word: &str) -> Option<FlowState> {
    let word = word.to_ascii_lowercase();
    FlowState::ALL.into_iter().find(|state| state.name() == word)
}

fn unknown_state(word: &str) -> String {
    let names: Vec<_> = FlowState::ALL.iter().map(|state| state.name()).collect();
    format!("'{word}' is no state; there are {}", names.join(", "))
}

/// What a row shows, in lower case, without memory of its own: it is made for each flow that is looked at.
struct Shown {
    octets: [u8; SHOWN],
    len: usize,
}

impl Shown {
    fn of(facts: &FlowFacts<'_>) -> Self {
        let mut shown = Self { octets: [0; SHOWN], len: 0 };
        let FourTuple { source, source_port, destination, destination_port } = facts.tuple;
        let client = SocketAddr::new(source.to_ip(), source_port);
        let server = SocketAddr::new(destination.to_ip(), destination_port);
        let interface = facts.interface.unwrap_or_default();
        // What does not fit is the end of a very long interface's name.
        let _cut = write!(shown, "{client} {server} {} {interface}", facts.state.name());
        shown.octets[..shown.len].make_ascii_lowercase();
        shown
    }

    fn has(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.octets[..self.len].windows(text.len().max(1)).any(|window| window == text)
    }
}

impl fmt::Write for Shown {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.octets[self.len..];
        let fits = text.len().min(room.len());
        room[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Two IPv6 endpoints in full, a state, and a long interface's name.
const SHOWN: usize = 192;

/// Characters of a filter.
const MOST_OCTETS: usize = 512;

/// Parentheses within parentheses.
const MOST_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> FlowFacts<'static> {
        let tuple = FourTuple {
            source: Address::v4([10, 0, 0, 1]),
            destination: Address::v4([192, 0, 2, 7]),
            source_port: 40_000,
            destination_port: 443,
        };
        FlowFacts { tuple, state: FlowState::Established, midstream: false, interface: Some("bond0") }
    }

    #[test]
    fn a_flow_is_wanted_or_not() {
        for (text, wanted) in [
            ("", true),
            ("  ", true),
            ("port 443", true),
            ("port 44", false),
            ("443", true),
            ("port 440-450", true),
            ("portrange 444-450", false),
            ("host 10.0.0.1", true),
            ("10.0.0.2", false),
            ("10.0.0.0/8", true),
            ("net 11.0.0.0/8", false),
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("fd00::/8", false),
            ("client 10.0.0.1", true),
            ("server 10.0.0.1", false),
            ("dst port 443", true),
            ("src port 443", false),
            ("server net 192.0.2.0/24 and client port 40000", true),
            ("port 443 host 10.0.0.1", true),
            ("port 80 or port 443", true),
            ("port 80 or port 443 and host 10.0.0.9", false),
            ("(port 80 or port 443) and host 10.0.0.1", true),
            ("not port 443", false),
            ("!port 443", false),
            ("not not port 443", true),
            ("not (port 80 or state syn_sent)", true),
            ("established", true),
            ("state ESTABLISHED", true),
            ("state closed", false),
            ("interface bond0", true),
            ("dev bond", false),
            ("bond", true),
            ("0.1:400", true),
            ("Estab", true),
            ("nothing-like-it", false),
            ("midstream", false),
            ("open", true),
            ("open, port 443", true),
        ] {
            let filter = FlowFilter::parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake}"));
            assert_eq!(filter.wants(&facts()), wanted, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, mistake) in [
            ("port", "'port' needs a number"),
            ("port x", "'x' is no port and no range of them"),
            ("port 70000", "'70000' is no port and no range of them"),
            ("port 5-3", "'5-3' is no port and no range of them"),
            ("host example.com", "'example.com' is no numeric address"),
            ("net 10.0.0.0/33", "'10.0.0.0/33' is no numeric address"),
            ("server x", "'x' behind 'server' is neither address nor port"),
            ("and port 1", "nothing stands before 'and'"),
            ("port 1 and", "something is missing at the end"),
            ("(port 1", "a parenthesis is not closed"),
            ("port 1)", "')' stands behind the end"),
            (
                "state x",
                "'x' is no state; there are syn_sent, syn_received, established, closing, closed, reset, refused, unreachable, timeout, counted",
            ),
        ] {
            assert_eq!(FlowFilter::parse(text).unwrap_err().to_string(), mistake, "{text}");
        }
        assert!(FlowFilter::parse(&"(".repeat(400)).is_err());
        assert!(FlowFilter::parse(&"x".repeat(600)).is_err());
    }

    #[test]
    fn one_flow_alone_can_be_wanted() {
        let only = FlowFilter::only(&facts().tuple);
        assert!(only.wants(&facts()));
        let other = FlowFacts { tuple: facts().tuple.reversed(), ..facts() };
        assert!(!only.wants(&other));
        assert!(!only.and(FlowFilter::parse("midstream").unwrap()).wants(&facts()));
    }
}
