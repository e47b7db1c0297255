//! Scripts and what they are told.

use tcpkit_common::flow::{Address, FourTuple};

use super::*;
use crate::{
    time::Timestamp,
    wire::{Datagram, FrameDirection, InterfaceId, LinkType, Segment, SeqNumber, TcpFlags, TcpOptions},
};

fn load(text: &str, budget: u64) -> Result<(Script, Arc<ScriptTally>), ScriptError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.lua");
    fs::write(&path, text).unwrap();
    let tally = Arc::new(ScriptTally::default());
    let servers = Servers { ports: vec![6379], addresses: Vec::new() };
    let script = Script::load(&ScriptOptions { path, budget }, 3, servers, Arc::clone(&tally))?;
    Ok((script, tally))
}

fn count(tally: &ScriptTally, name: &str) -> u64 {
    tally.notes().iter().find(|(known, _)| *known == name).unwrap().1
}

/// What a global of the script holds.
fn global<T: mlua::FromLua>(script: &Script, name: &str) -> T {
    script.lua.globals().get(name).unwrap()
}

fn tuple() -> FourTuple {
    FourTuple {
        source: Address::v4([10, 0, 0, 1]),
        destination: Address::v4([10, 0, 0, 2]),
        source_port: 40_000,
        destination_port: 6379,
    }
}

fn frame() -> Frame<'static> {
    Frame {
        timestamp: Timestamp(1_700_000_000_000_012_345),
        interface: InterfaceId(0),
        hook: None,
        link_type: LinkType(1),
        direction: FrameDirection::Unknown,
        frame_len: 80,
        gso_size: 0,
        bytes: &[],
    }
}

fn segment() -> Segment<'static> {
    Segment {
        tuple: tuple(),
        seq: SeqNumber(4_294_967_295),
        ack: SeqNumber(7),
        flags: TcpFlags::SYN.with(TcpFlags::ECE).with(TcpFlags::CWR),
        is_ce: false,
        window: 512,
        payload_len: 9,
        header_len: 54,
        payload: b"a\0\xff",
        options: TcpOptions(&[]),
    }
}

#[test]
fn a_packet_has_the_fields_of_both_old_versions() {
    let (script, tally) =
        load("function process(packet) p = packet; b = bit32.band(packet.flags, 2) end", 1_000_000).unwrap();
    script.process(&frame(), &Packet::Tcp(segment()));
    let packet: mlua::Table = global(&script, "p");
    let number = |name: &str| packet.get::<f64>(name).unwrap();
    assert_eq!((number("tv_sec"), number("tv_usec")), (1_700_000_000.0, 12.0));
    assert_eq!((number("sport"), number("dport")), (40_000.0, 6379.0));
    assert_eq!((number("seq"), number("ack"), number("window")), (4_294_967_295.0, 7.0, 512.0));
    assert_eq!((number("flags"), number("all_flags"), number("size")), (2.0, 194.0, 9.0));
    assert_eq!(packet.get::<String>("sip").unwrap(), "10.0.0.1");
    assert_eq!(packet.get::<String>("dip").unwrap(), "10.0.0.2");
    assert_eq!(packet.get::<mlua::LuaString>("payload").unwrap().as_bytes(), &b"a\0\xff"[..]);
    assert!(packet.get::<bool>("request").unwrap());
    assert_eq!(global::<u32>(&script, "b"), 2);
    assert_eq!((count(&tally, "script_packets"), count(&tally, "script_errors")), (1, 0));
}

#[test]
fn a_datagram_has_no_fields_of_a_segment() {
    let (script, _) = load("function process(packet) p = packet end", 1_000_000).unwrap();
    let datagram = Datagram { tuple: tuple().reversed(), payload_len: 5, payload: b"hello" };
    script.process(&frame(), &Packet::Udp(datagram));
    let packet: mlua::Table = global(&script, "p");
    assert_eq!(packet.get::<u32>("size").unwrap(), 5);
    assert!(packet.get::<Option<f64>>("seq").unwrap().is_none());
    assert!(!packet.get::<bool>("request").unwrap());
}

#[test]
fn an_error_names_file_and_line_is_counted_and_stops_nothing() {
    let (script, tally) =
        load("n = 0\nfunction process(packet)\n  n = n + 1\n  return nothing.at.all\nend", 1_000_000)
            .unwrap();
    for _ in 0..3 {
        script.process(&frame(), &Packet::Tcp(segment()));
    }
    assert_eq!((global::<u32>(&script, "n"), count(&tally, "script_errors")), (3, 3));
    let told = tally.told.lock().unwrap();
    assert_eq!(told.len(), 1, "the same error is told once");
    let line = told.first().unwrap();
    assert!(line.contains("script.lua:4: attempt to index global 'nothing' (a nil value)"), "{line}");
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn who_takes_too_long_is_cut_off_also_where_he_catches_errors() {
    for text in [
        "function process() while true do end end",
        "function process() while true do pcall(function() while true do end end) end end",
        "function process() local c = coroutine.wrap(function() while true do end end) while true do pcall(c) end end",
    ] {
        let (script, tally) = load(text, 50_000).unwrap();
        script.process(&frame(), &Packet::Tcp(segment()));
        script.process(&frame(), &Packet::Tcp(segment()));
        assert_eq!((count(&tally, "script_cut_off"), count(&tally, "script_packets")), (2, 2), "{text}");
    }
    let (script, tally) =
        load("n = 0\nfunction process() for i = 1, 1000 do n = n + 1 end end", 50_000).unwrap();
    for _ in 0..100 {
        script.process(&frame(), &Packet::Tcp(segment()));
    }
    assert_eq!(global::<u32>(&script, "n"), 100_000, "each call has the whole budget");
    assert_eq!(count(&tally, "script_cut_off"), 0);
}

#[test]
fn what_was_analysed_comes_as_in_the_logs_and_what_was_not_seen_is_nil() {
    #[derive(Serialize)]
    struct Record {
        command: &'static str,
        latency_us: Option<f64>,
        inner: Vec<u8>,
        missing: Option<u32>,
    }
    let (script, _) = load("function on_request(r) got = r.command .. r.latency_us .. r.inner[2] .. type(r.missing) .. tcpkit.worker end", 1_000_000).unwrap();
    script.on_request(&Record { command: "GET", latency_us: Some(1.5), inner: vec![7, 8], missing: None });
    assert_eq!(global::<String>(&script, "got"), "GET1.58nil3");
    assert_eq!(script.handlers(), Handlers { request: true, ..Handlers::default() });
}

#[test]
fn a_script_that_cannot_be_used_is_refused_in_one_line() {
    let refused = |text: &str| load(text, 1_000).unwrap_err().to_string();
    assert!(refused("function process(").contains("script.lua:1:"), "{}", refused("function process("));
    assert!(
        refused("error('no table')").ends_with("script.lua:1: no table"),
        "{}",
        refused("error('no table')")
    );
    assert!(refused("x = 1").contains("defines no function that tcpkit calls"));
    assert!(refused("while true do end").contains("used up its 100000 Lua instructions"));
    let options = ScriptOptions { path: "/nonexistent.lua".into(), budget: 1 };
    let missing = Script::load(&options, 0, Servers::default(), Arc::default()).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read the script /nonexistent.lua");
    let reason = std::error::Error::source(&missing).unwrap().to_string();
    assert!(reason.starts_with("No such file"), "{reason}");
}
