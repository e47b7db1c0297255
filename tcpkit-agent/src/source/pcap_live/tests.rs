//! Errors without privileges, counters, and a real capture where the machine allows it.

use std::{net::UdpSocket, time::Duration};

use super::{LiveOptions, PcapLive, Statistics};
use crate::{
    leave_out::leave_out,
    source::{Block, InterfaceTable, SourceErrorKind},
    wire::LinkType,
};

fn options(interface: &str) -> LiveOptions {
    LiveOptions {
        interface: interface.to_owned(),
        snaplen: 256,
        buffer_bytes: None,
        filter: None,
        promiscuous: true,
        immediate: false,
    }
}

#[test]
fn an_unknown_interface_names_those_that_exist() {
    let Err(error) = PcapLive::open(&options("eth77x"), &mut InterfaceTable::default()) else {
        panic!("there is no such interface");
    };
    assert_eq!(error.kind, SourceErrorKind::NotFound);
    let line = error.to_string();
    assert!(line.starts_with("eth77x: no such interface; those that can be captured on: "), "{line}");
}

#[test]
fn counters_of_32_bits_wrap_without_loss() {
    let mut statistics = Statistics::default();
    statistics.advance([u32::MAX, 1, 0]);
    let sum = statistics.advance([4, 1, 0]);
    assert_eq!((sum.received, sum.dropped), (u64::from(u32::MAX) + 5, 1));
}

#[test]
fn frames_of_loopback_are_captured_and_the_capture_can_be_stopped() {
    let mut interfaces = InterfaceTable::default();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let options = LiveOptions { filter: Some(format!("udp port {port}")), ..options("lo") };
    let mut live = match PcapLive::open(&options, &mut interfaces) {
        Ok(live) => live,
        Err(error) if error.kind == SourceErrorKind::Permission => {
            return leave_out("frames_of_loopback_are_captured", &error.to_string());
        }
        Err(error) => panic!("{error}"),
    };
    for _ in 0..10 {
        socket.send_to(b"tcpkit", ("127.0.0.1", port)).unwrap();
    }
    let (mut block, mut seen) = (Block::default(), 0);
    for _ in 0..50 {
        assert!(live.fill(&mut block, Duration::from_millis(100)).unwrap());
        for frame in &block.frames {
            assert!(block.frame(frame).bytes.ends_with(b"tcpkit"));
            assert_eq!(frame.frame_len, 14 + 20 + 8 + 6);
        }
        seen += block.frames.len();
        if seen == 10 {
            break;
        }
    }
    assert_eq!(seen, 10);
    let statistics = live.statistics().unwrap();
    assert!(statistics.received >= 10 && statistics.dropped == 0, "{statistics:?}");
    assert_eq!(interfaces.get(live.interface()).unwrap().index, Some(1));
    live.breaker().stop();
    assert!(!live.fill(&mut block, Duration::from_secs(60)).unwrap());
}

#[test]
fn the_device_any_gives_cooked_frames_of_version_2() {
    match PcapLive::open(&options("any"), &mut InterfaceTable::default()) {
        Ok(live) => assert_eq!(live.link_type(), LinkType::LINUX_SLL2),
        Err(error) => {
            assert_eq!(error.kind, SourceErrorKind::Permission, "{error}");
            leave_out("the_device_any_gives_cooked_frames_of_version_2", &error.to_string());
        }
    }
}

#[test]
fn a_bad_expression_is_libpcaps_own_message() {
    let options = LiveOptions { filter: Some("port banana".to_owned()), ..options("lo") };
    let Err(error) = PcapLive::open(&options, &mut InterfaceTable::default()) else {
        panic!("there is no such port");
    };
    assert!(matches!(error.kind, SourceErrorKind::Filter | SourceErrorKind::Permission), "{error}");
}
