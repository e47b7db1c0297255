//! What a person reads when libpcap refuses.

use crate::{
    filter::{FilterError, compile, explain},
    wire::LinkType,
};

fn refused(expression: &str) -> FilterError {
    compile(expression, LinkType::ETHERNET, 262_144).expect_err("libpcap refuses it")
}

/// The expressions hold a caret before the token where libpcap's parser gives up.
#[test]
fn the_caret_stands_under_the_offending_token() {
    for marked in [
        "host 1.2.3.4 and ^and port 80",
        "tcp ^blah",
        "port ^99999999",
        "tcp port 80 ^80",
        "(tcp or udp) ^) and port 80",
        "tcp[13 & 2 ^!= 0",
        "tcp[13 & 2^",
        "host^",
        "not^",
        "(tcp or udp^",
        "tcp and (port 80 or ^) or udp",
        "net 10.0.0.0/^99",
        "host 10.0.0.0^/8",
        "ip[0:^3] = 1",
        "ether host ^nosuch",
        "portrange ^xyz",
        "less ^foo",
        "vlan ^99999",
        "ip6 host ^1.2.3.4",
    ] {
        let offset = marked.find('^').expect("each example marks its place");
        let expression = marked.replace('^', "");
        let FilterError::Refused { message, place, offset: found } = refused(&expression) else {
            panic!("{expression}: another error")
        };
        assert_eq!(found, Some(offset), "{marked}: {message}{place}");
        let column = place.lines().last().map(str::len);
        assert_eq!(column, Some(2 + offset + 1), "{place}");
    }
}

#[test]
fn an_error_is_libpcaps_message_and_the_place() {
    let text = refused("tcp and and port 80").to_string();
    assert_eq!(text, "filter expression: syntax error\n  tcp and and port 80\n          ^");
}

#[test]
fn a_long_expression_is_shown_around_the_place() {
    let hosts: Vec<String> = (0..60).map(|index| format!("host 10.0.0.{index}")).collect();
    let expression = format!("{} or or tcp or {}", hosts.join(" or "), hosts.join(" or "));
    let text = refused(&expression).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].chars().count() < 110, "{text}");
    let column = lines[2].chars().count() - 1;
    assert!(lines[1].chars().skip(column).collect::<String>().starts_with("or tcp"), "{text}");
}

#[test]
fn a_contradiction_has_no_place() {
    let error = refused("tcp and not tcp");
    assert!(
        matches!(&error, FilterError::Refused { place, offset: None, .. } if place.is_empty()),
        "{error:?}"
    );
    assert!(error.to_string().contains("rejects all packets"), "{error}");
}

#[test]
fn a_nul_byte_is_an_error_and_not_the_end() {
    assert_eq!(refused("tcp\0 or udp"), FilterError::Nul(3));
}

#[test]
fn a_link_type_that_libpcap_cannot_filter_is_named() {
    let error = compile("tcp", LinkType(220), 262_144).expect_err("USB frames hold no IP");
    assert!(matches!(error, FilterError::LinkType { .. }), "{error:?}");
    assert!(error.to_string().contains("USB_LINUX_MMAPPED"), "{error}");
}

#[test]
fn the_explanation_prints_both_programs() {
    let text = explain("tcp port 80 and inbound", LinkType::ETHERNET).unwrap().to_string();
    for part in
        ["classic BPF for EN10MB", "(000) ldh", "ret      #262144", "eBPF, ", "w6 = w4", "exit", "goto "]
    {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}
