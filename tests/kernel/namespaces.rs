//! An agent in a network namespace other than that of the `/sys` it sees.

use tcpkit_agent::source::live::{HookChoice, LiveCapture, LiveOptions};
use tcpkit_common::record::Hook;
use tcpkit_tests::{
    netns::{Namespace, Pair, has_root},
    run::tcpkit,
};

/// The hooks that `auto` chooses on the server's interface, for this process, whose `/sys` shows another namespace.
fn chosen(server: &Namespace) -> (Vec<Hook>, String) {
    let options = LiveOptions {
        interfaces: vec!["veth0".to_owned()],
        hook: HookChoice::Auto,
        ring_bytes: 1 << 16,
        ..LiveOptions::default()
    };
    let capture = server.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let hooks = capture.interfaces()[0].hooks.clone();
    let notes = capture.notes().join("\n");
    server.enter(|| drop(capture)).unwrap();
    (hooks, notes)
}

const BY_XDP: [Hook; 2] = [Hook::XdpIngress, Hook::TcEgress];
const BY_TC: [Hook; 2] = [Hook::TcIngress, Hook::TcEgress];

#[test]
fn the_choice_of_the_hook_asks_the_right_namespace() {
    if !has_root("the_choice_of_the_hook_asks_the_right_namespace") {
        return;
    }
    let tap = Pair::without_addresses("tap").unwrap();
    let (hooks, notes) = chosen(&tap.server);
    assert_eq!(hooks, BY_XDP);
    assert!(notes.contains("driver veth") && !notes.contains("with it: "), "the peer is elsewhere: {notes}");
    tap.server.ip(&["link", "add", "br0", "type", "bridge"]).unwrap();
    tap.server.ip(&["link", "set", "veth0", "master", "br0"]).unwrap();
    assert_eq!(chosen(&tap.server).0, BY_TC, "a port of a bridge carries the host's traffic");
    tap.server.ip(&["link", "set", "veth0", "nomaster"]).unwrap();
    assert_eq!(chosen(&tap.server).0, BY_XDP);
    tap.server.ip(&["addr", "add", "10.79.0.1/24", "dev", "veth0"]).unwrap();
    assert_eq!(chosen(&tap.server).0, BY_TC);
}

#[test]
fn a_peer_in_the_same_namespace_is_named_and_restored() {
    if !has_root("a_peer_in_the_same_namespace_is_named_and_restored") {
        return;
    }
    let namespace = Namespace::new("peer").unwrap();
    namespace.ip(&["link", "add", "veth0", "type", "veth", "peer", "name", "other0"]).unwrap();
    for name in ["veth0", "other0"] {
        namespace.ip(&["link", "set", name, "addrgenmode", "none"]).unwrap();
        namespace.ip(&["link", "set", name, "up"]).unwrap();
    }
    let (hooks, notes) = chosen(&namespace);
    assert_eq!(hooks, BY_XDP);
    assert!(notes.contains("with it: ") && notes.contains("TSO of other0"), "{notes}");
}

/// `ip netns exec` mounts the namespace's own `/sys`, `nsenter --net` leaves the caller's.
#[test]
fn the_agent_works_with_either_sys() {
    if !has_root("the_agent_works_with_either_sys") {
        return;
    }
    let tap = Pair::without_addresses("sys").unwrap();
    let net = format!("--net=/run/netns/{}", tap.server.name());
    for inside in [vec!["ip", "netns", "exec", tap.server.name()], vec!["nsenter", &net]] {
        for backend in ["ebpf", "pcap"] {
            let words = ["-i", "veth0", "--backend", backend, "--duration", "0.3", "--stats-listen", "off"];
            let outcome = tcpkit([&words[..], &["--json"]].concat()).inside(&inside).run().success();
            let text = outcome.json()["capture"].to_string();
            assert!(text.contains("veth0"), "{inside:?}: {text}");
            if backend == "ebpf" {
                assert!(text.contains("ebpf/xdp+tc"), "{inside:?}: {text}");
            }
        }
    }
}
