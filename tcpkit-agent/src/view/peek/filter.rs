//! tcpeek's filter expressions: `name:DIR@addr[/len]:port[:port...][,addr:port...]`.
//!
//! - A direction is seen from the host's own addresses: `RX` is a connection that comes in, `TX` one that goes out.
//! - A rule's address is that of the other end; its ports are those of the server.
//! - `%` and `*` stand for any address, or any port. A network's host bits do not matter: `192.168.0.5/24` is
//!   `192.168.0.0/24`.
//! - An IPv6 address stands in brackets, because colons divide the rule: `[2001:db8::1]:80`, `[2001:db8::/32]:80`.
//! - An expression without name excludes what it matches.

use std::net::IpAddr;

use super::network::Network;

/// Which way a connection goes, as the host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The SYN came to one of the host's own addresses.
    Rx,
    /// The SYN came from one of them.
    Tx,
}

/// One expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What it is called; empty for one that excludes.
    pub name: String,
    way: Way,
    rules: Vec<Rule>,
}

/// Addresses of the other end, and ports of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// `None` is any.
    network: Option<Network>,
    ports: Vec<Port>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Any,
    Only(u16),
}

/// An expression that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tcpeek_init_filter_and_stat: [error] filter '{expression}' parse error.")]
pub struct BadExpression {
    /// As typed.
    pub expression: String,
}

impl Filter {
    /// Everything that goes this way.
    #[must_use]
    pub fn everything(name: &str, way: Way) -> Self {
        let rule = Rule { network: None, ports: vec![Port::Any] };
        Self { name: name.to_owned(), way, rules: vec![rule] }
    }

    /// Reads an expression.
    ///
    /// # Errors
    /// It is not of the form that the module's head shows.
    pub fn parse(expression: &str) -> Result<Self, BadExpression> {
        read(expression).ok_or_else(|| BadExpression { expression: expression.to_owned() })
    }

    /// Whether it excludes what it matches.
    #[must_use]
    pub const fn excludes(&self) -> bool {
        self.name.is_empty()
    }

    /// Whether it matches a connection of this way, with this other end, to this port.
    #[must_use]
    pub fn matches(&self, way: Way, other: IpAddr, port: u16) -> bool {
        self.way == way && self.rules.iter().any(|rule| rule.matches(other, port))
    }
}

impl Rule {
    fn matches(&self, other: IpAddr, port: u16) -> bool {
        self.network.is_none_or(|network| network.contains(other))
            && self.ports.iter().any(|own| matches!(own, Port::Any) || *own == Port::Only(port))
    }
}

fn read(expression: &str) -> Option<Filter> {
    let (name, rest) = expression.split_once(':')?;
    let (way, rules) = rest.split_once('@')?;
    let way = match way {
        "RX" => Way::Rx,
        "TX" => Way::Tx,
        _ => return None,
    };
    let rules = rules.split(',').map(read_rule).collect::<Option<Vec<_>>>()?;
    Some(Filter { name: name.to_owned(), way, rules })
}

fn read_rule(rule: &str) -> Option<Rule> {
    let (network, ports) = match rule.strip_prefix('[') {
        Some(rest) => {
            let (inside, rest) = rest.split_once(']')?;
            let (outside, ports) = rest.split_once(':')?;
            (Some(Network::parse(&format!("{inside}{outside}")).filter(Network::is_v6)?), ports)
        }
        None => {
            let (address, ports) = rule.split_once(':')?;
            let network = if is_any(address) { None } else { Some(Network::parse(address)?) };
            (network, ports)
        }
    };
    let ports = ports.split(':').map(read_port).collect::<Option<Vec<_>>>()?;
    Some(Rule { network, ports })
}

/// Digits only: `u16` by itself would also take a sign.
fn read_port(port: &str) -> Option<Port> {
    if is_any(port) {
        return Some(Port::Any);
    }
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|_| is_number).map(Port::Only)
}

fn is_any(word: &str) -> bool {
    matches!(word, "%" | "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expression: &str, way: Way, other: &str, port: u16) -> bool {
        Filter::parse(expression).unwrap().matches(way, other.parse().unwrap(), port)
    }

    #[test]
    fn a_filter_is_direction_other_end_and_server_port() {
        for (expression, expected) in [
            ("a:RX@%:80:443", true),
            ("a:RX@*:*", true),
            ("a:RX@10.1.2.3:443", true),
            ("a:RX@10.1.2.3/32:443", true),
            ("a:RX@10.0.0.0/8:443", true),
            ("a:RX@10.1.2.9/24:443", true),
            ("a:RX@0.0.0.0/0:443", true),
            ("a:RX@192.168.0.1:%,10.1.2.3:1:443", true),
            ("a:TX@%:80:443", false),
            ("a:RX@%:80", false),
            ("a:RX@10.1.2.4:443", false),
            ("a:RX@10.1.3.0/24:443", false),
            ("a:RX@192.168.0.1:%,10.1.2.3:1:44", false),
            ("a:RX@[::/0]:443", false),
        ] {
            assert_eq!(matches(expression, Way::Rx, "10.1.2.3", 443), expected, "{expression}");
        }
    }

    #[test]
    fn ipv6_stands_in_brackets_with_the_length_on_either_side() {
        for expression in ["a:TX@[fd77::2]:80", "a:TX@[fd77::/16]:80", "a:TX@[fd77:1::]/16:80", "a:TX@%:80"] {
            assert!(matches(expression, Way::Tx, "fd77::2", 80), "{expression}");
        }
        assert!(!matches("a:TX@[fd77::1]:80", Way::Tx, "fd77::2", 80));
        assert!(!matches("a:TX@0.0.0.0/0:80", Way::Tx, "fd77::2", 80));
    }

    #[test]
    fn without_a_name_it_excludes() {
        assert!(Filter::parse(":RX@*:22").unwrap().excludes());
        assert!(!Filter::parse("ssh:RX@*:22").unwrap().excludes());
    }

    #[test]
    fn what_tcpeek_refuses_and_what_it_should_have_refused() {
        for expression in [
            "foo",
            "x:RX@%",
            "x:XX@%:80",
            "x:rx@%:80",
            "x:RX@1.2.3.4/33:80",
            "x:RX@%:http",
            "",
            ":",
            "x:RX@",
            "x:RX@:80",
            "x:RX@%:",
            "x:RX@%:80:",
            "x:RX@%:80,",
            "x:RX@%:+80",
            "x:RX@%:65536",
            "x:RX@1.2.3.4/:80",
            "x:RX@1.2.3.4/+8:80",
            "x:RX@1.2.3:80",
            "x:RX@[1.2.3.4]:80",
            "x:RX@[fd77::1:80",
            "x:RX@[fd77::1]80",
            "x:RX@[fd77::/64]/64:80",
            "x:RX@[fd77::/129]:80",
            "x:RX@fd77::1:80",
        ] {
            let error = Filter::parse(expression).unwrap_err();
            let line = format!("tcpeek_init_filter_and_stat: [error] filter '{expression}' parse error.");
            assert_eq!(error.to_string(), line);
        }
    }
}
