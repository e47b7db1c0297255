//! The filter that is in force: what the user wrote, and what the short options stand for.

use std::{fmt::Write as _, net::IpAddr};

use super::args::{FilterArgs, Mode};

/// ICMP errors (RFC 792: unreachable, source quench, redirect, time exceeded, parameter problem) and ICMPv6 errors
/// (RFC 4443 §2.1: the message types below 128).
const ICMP_ERRORS: &str = "(icmp[icmptype] = 3 or icmp[icmptype] = 4 or icmp[icmptype] = 5 or icmp[icmptype] = 11 \
                           or icmp[icmptype] = 12 or icmp6[0] < 128)";

/// The expression in force, and-ed from the user's words and what `-p -s -u --icmp` imply; `None` wants every frame.
/// Where the protocol of `mode` is spoken by UDP too, `-p` stands for both.
#[must_use]
pub fn effective_expression(filter: &FilterArgs, mode: Option<Mode>) -> Option<String> {
    let words = filter.expression.join(" ");
    let words = words.trim();
    let udp = filter.udp || mode.is_some_and(Mode::has_datagrams);
    match (words.is_empty(), implied(filter, udp)) {
        (true, implied) => implied,
        (false, None) => Some(words.to_owned()),
        (false, Some(implied)) => Some(format!("({words}) and {implied}")),
    }
}

/// What the short options stand for, in parentheses where it has more than one part.
fn implied(filter: &FilterArgs, udp: bool) -> Option<String> {
    let wanted = match (ports(filter, udp), servers(&filter.servers)) {
        (Some(ports), Some(servers)) => format!("({ports} and {servers})"),
        (ports, servers) => ports.or(servers)?,
    };
    Some(if filter.icmp { format!("({wanted} or {ICMP_ERRORS})") } else { wanted })
}

fn ports(filter: &FilterArgs, udp: bool) -> Option<String> {
    let protocols: &[&str] = if udp { &["tcp", "udp"] } else { &["tcp"] };
    any_of(
        filter
            .ports
            .iter()
            .flat_map(|port| protocols.iter().map(move |protocol| format!("{protocol} port {port}"))),
    )
}

fn servers(servers: &[IpAddr]) -> Option<String> {
    any_of(servers.iter().map(|server| format!("host {server}")))
}

fn any_of(terms: impl Iterator<Item = String>) -> Option<String> {
    let mut all = String::new();
    for term in terms {
        let joint = if all.is_empty() { "(" } else { " or " };
        write!(all, "{joint}{term}").expect("writing to a string cannot fail");
    }
    if all.is_empty() {
        return None;
    }
    all.push(')');
    Some(all)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{super::Args, *};

    fn expression(words: &str) -> Option<String> {
        let args = Args::try_parse_from(words.split(' ')).unwrap_or_else(|error| panic!("{words}: {error}"));
        effective_expression(&args.agent.filter, args.agent.requests.mode)
    }

    fn compiles(expression: &str) {
        let dead = pcap::Capture::dead(pcap::Linktype::ETHERNET).unwrap();
        dead.compile(expression, true).unwrap_or_else(|error| panic!("{expression}: {error}"));
    }

    #[test]
    fn nothing_said_wants_every_frame() {
        assert_eq!(expression("tcpkit -i lo"), None);
        assert_eq!(
            effective_expression(&FilterArgs { expression: vec![" ".into()], ..FilterArgs::default() }, None),
            None
        );
    }

    #[test]
    fn words_are_joined_and_may_stand_between_options() {
        assert_eq!(expression("tcpkit -i lo tcp port 80").as_deref(), Some("tcp port 80"));
        assert_eq!(expression("tcpkit tcp -i lo port --json 80").as_deref(), Some("tcp port 80"));
        assert_eq!(expression("tcpkit -i lo -- len - 4 > 5").as_deref(), Some("len - 4 > 5"));
    }

    #[test]
    fn short_options_become_an_expression_that_libpcap_takes() {
        for (words, expected) in [
            ("-p 80", "(tcp port 80)"),
            ("-p 80,443 -p 8080", "(tcp port 80 or tcp port 443 or tcp port 8080)"),
            ("-u -p 53", "(tcp port 53 or udp port 53)"),
            ("-m dns -p 53", "(tcp port 53 or udp port 53)"),
            ("-m redis -p 6379", "(tcp port 6379)"),
            ("-s 10.0.0.1,2001:db8::1", "(host 10.0.0.1 or host 2001:db8::1)"),
            ("-p 80 -s 10.0.0.1", "((tcp port 80) and (host 10.0.0.1))"),
        ] {
            let made = expression(&format!("tcpkit -i lo {words}")).unwrap();
            assert_eq!(made, expected);
            compiles(&made);
        }
        let with_errors = expression("tcpkit -i lo -p 80 --icmp").unwrap();
        assert!(with_errors.starts_with("((tcp port 80) or (icmp[icmptype] = 3"), "{with_errors}");
        compiles(&with_errors);
    }

    #[test]
    fn an_or_in_the_users_words_cannot_escape_the_options() {
        let made = expression("tcpkit -i lo -p 80 host 10.0.0.1 or host 10.0.0.2").unwrap();
        assert_eq!(made, "(host 10.0.0.1 or host 10.0.0.2) and (tcp port 80)");
        compiles(&made);
    }
}
