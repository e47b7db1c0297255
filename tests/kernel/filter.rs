//! The user's filter in its place: over single frames, and over what real sockets send.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use tcpkit_agent::{
    filter,
    source::live::{HookChoice, LiveCapture, LiveOptions, ObjectFilter, XdpKind},
    wire::LinkType,
};
use tcpkit_common::{counter::Counter, record::Hook};
use tcpkit_tests::{
    netns::{Pair, has_root},
    test_run::Context,
};

use super::{
    frames::{cases, ethernet},
    programs::Bench,
};

pub(crate) fn placed(expression: &str) -> Option<ObjectFilter> {
    placed_for(LinkType::ETHERNET, expression)
}

pub(super) fn placed_for(link_type: LinkType, expression: &str) -> Option<ObjectFilter> {
    let program = filter::compile(expression, link_type, 65_535).unwrap();
    let translation = filter::translate(&program).unwrap();
    let reach = translation.reach;
    let place = Box::new(move |object: &mut Vec<u8>| {
        *object = filter::place(object, &translation.direct, &translation.copy)
            .map_err(|error| error.to_string())?;
        Ok(())
    });
    Some(ObjectFilter { place, reach })
}

/// Names of the frames that match at a hook, in order.
fn matching(expression: &str, strict_filter: bool, hook: Hook) -> Vec<&'static str> {
    matching_by(XdpKind::Auto, expression, strict_filter, hook)
}

fn matching_by(xdp: XdpKind, expression: &str, strict_filter: bool, hook: Hook) -> Vec<&'static str> {
    let filter = placed(expression);
    let options = LiveOptions { xdp, filter, strict_filter, ring_bytes: 1 << 16, ..LiveOptions::default() };
    let mut bench = Bench::new(options);
    let mut names = Vec::new();
    let mut fed = 0;
    // Frames cut within their IP header make no skb.
    for case in cases().into_iter().filter(|case| !case.name.starts_with("cut")) {
        fed += 1;
        if bench.feed(hook, &case.frame, Context::default()).is_some() {
            names.push(case.name);
        }
    }
    let counters = bench.counters(hook);
    assert_eq!((counters.seen(), counters.matched()), (fed, names.len() as u64));
    names
}

const BY_PORTS: [&str; 8] = [
    "plain",
    "options",
    "first fragment",
    "do not fragment",
    "v6",
    "icmp unreachable",
    "later fragment",
    "icmp6 too big",
];

#[test]
pub(crate) fn a_port_filter_keeps_what_belongs_to_the_port() {
    if !has_root("a_port_filter_keeps_what_belongs_to_the_port") {
        return;
    }
    let hooks = Hook::ALL.map(|hook| (hook, XdpKind::Auto));
    for (hook, xdp) in hooks.into_iter().chain([(Hook::XdpIngress, XdpKind::Linear)]) {
        let strict = matching_by(xdp, "tcp port 443", true, hook);
        let all = matching_by(xdp, "tcp port 443", false, hook);
        let mut belonging: Vec<&str> = all.into_iter().filter(|name| !strict.contains(name)).collect();
        belonging.sort_unstable();
        assert_eq!(belonging, ["icmp unreachable", "icmp6 too big", "later fragment"], "{hook:?}");
        assert!(strict.iter().all(|name| BY_PORTS.contains(name)), "{strict:?}");
        assert!(strict.contains(&"plain") && strict.contains(&"first fragment"), "{strict:?}");
    }
}

#[test]
fn a_filter_that_nothing_matches_records_nothing() {
    if !has_root("a_filter_that_nothing_matches_records_nothing") {
        return;
    }
    assert_eq!(matching("tcp port 444", false, Hook::XdpIngress), Vec::<&str>::new());
}

#[test]
fn in_and_out_are_told_by_the_hook() {
    if !has_root("in_and_out_are_told_by_the_hook") {
        return;
    }
    let out = matching("outbound", true, Hook::TcEgress);
    assert_eq!(out.len(), cases().len() - 2);
    assert_eq!(matching("outbound", true, Hook::TcIngress), Vec::<&str>::new());
}

#[test]
fn a_fragment_matches_only_with_its_own_datagram() {
    if !has_root("a_fragment_matches_only_with_its_own_datagram") {
        return;
    }
    let filter = placed("tcp port 443");
    let mut bench = Bench::new(LiveOptions { filter, ring_bytes: 1 << 16, ..LiveOptions::default() });
    let find = |name| cases().into_iter().find(|case| case.name == name).unwrap().frame;
    let mut other = find("later fragment");
    other[18] ^= 1;
    assert!(bench.feed(Hook::TcIngress, &find("later fragment"), Context::default()).is_none());
    assert!(bench.feed(Hook::TcIngress, &find("first fragment"), Context::default()).is_some());
    assert!(bench.feed(Hook::TcIngress, &find("later fragment"), Context::default()).is_some());
    assert!(bench.feed(Hook::TcIngress, &other, Context::default()).is_none());
    // A new datagram of the same identification, of other ports: what the earlier one did is forgotten.
    let mut unwanted = find("first fragment");
    unwanted[34] ^= 0x10;
    unwanted[36] ^= 0x10;
    assert!(bench.feed(Hook::TcIngress, &unwanted, Context::default()).is_none());
    assert!(bench.feed(Hook::TcIngress, &find("later fragment"), Context::default()).is_none());
    assert!(bench.feed(Hook::TcIngress, &ethernet(0x0806, &[0; 28]), Context::default()).is_none());
}

#[test]
fn a_payload_filter_matches_what_real_sockets_send() {
    if !has_root("a_payload_filter_matches_what_real_sockets_send") {
        return;
    }
    let pair = Pair::new("payload").unwrap();
    let options = LiveOptions {
        interfaces: vec!["veth0".to_owned()],
        hook: HookChoice::Tc,
        // The four octets behind the TCP header are "GET ".
        filter: placed("tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420"),
        ..LiveOptions::default()
    };
    let mut capture = pair.client.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let mut readers = capture.take_readers();
    let listener = pair.server.enter(|| TcpListener::bind("10.77.0.2:0")).unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..3 {
        let mut client = pair.client.enter(|| TcpStream::connect(address)).unwrap().unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"GET /index.html HTTP/1.1\r\nHost: example.org\r\n\r\n").unwrap();
        assert!(server.read(&mut [0; 1024]).unwrap() > 0);
        server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        assert!(client.read(&mut [0; 1024]).unwrap() > 0);
    }
    capture.detach();
    let mut requests = 0;
    readers[0].poll(usize::MAX, |header, bytes| {
        assert_eq!(header.hook, Hook::TcEgress as u8);
        assert!(bytes.windows(15).any(|window| window == b"GET /index.html"));
        requests += 1;
    });
    assert_eq!(requests, 3);
    assert_eq!(capture.hook_counters(0, Hook::TcEgress).get(Counter::Recorded), 3);
    assert_eq!(capture.hook_counters(0, Hook::TcIngress).matched(), 0);
}

/// The verifier gives up after a million instructions; a filter of the longest kind must fit beside the rest.
#[test]
fn programs_leave_the_verifier_room_for_a_long_filter() {
    if !has_root("programs_leave_the_verifier_room_for_a_long_filter") {
        return;
    }
    for filter in [None, placed("tcp port 443")] {
        let mut bench = Bench::new(LiveOptions { filter, ring_bytes: 1 << 16, ..LiveOptions::default() });
        for hook in Hook::ALL {
            let verified = bench.verified_instructions(hook);
            assert!(verified < 200_000, "{hook:?}: {verified}");
        }
    }
}
