//! Live capture, opened and closed for real.

use super::*;

#[test]
fn an_unknown_interface_is_answered_with_the_known_ones() {
    let error = find(&["nosuch0".to_owned()], false).unwrap_err().to_string();
    assert!(error.starts_with("interface nosuch0 does not exist; there are "), "{error}");
    assert!(error.contains("lo"), "{error}");
}

#[test]
fn an_interface_named_twice_is_captured_once() {
    let asked = find(&["lo".to_owned(), "lo".to_owned()], false).unwrap();
    assert_eq!(asked.len(), 1);
    let device = asked[0].device.as_ref().unwrap();
    assert!(device.is_loopback() && !device.is_tap());
}

#[test]
fn what_may_be_waited_for_need_not_exist() {
    let names = ["nosuch0", "lo", "nosuch0"].map(str::to_owned);
    let asked = find(&names, true).unwrap();
    let there: Vec<_> = asked.iter().map(|one| (one.name.as_str(), one.device.is_some())).collect();
    assert_eq!(there, [("nosuch0", false), ("lo", true)]);
}

#[test]
fn no_interface_is_an_error() {
    assert!(matches!(find(&[], true), Err(LiveError::NoInterface)));
}

#[test]
fn rings_are_powers_of_two_of_whole_pages() {
    assert_eq!(options::ring_bytes(0), 4096);
    assert_eq!(options::ring_bytes(5_000_000), 8 << 20);
    assert_eq!(options::ring_bytes(u32::MAX), 1 << 30);
}

#[test]
fn a_capability_is_known_or_not() {
    assert!(sys::knows_capability(0));
    assert!(!sys::knows_capability(255));
}

/// The wall clock itself is not touched: what the capture knows of it is made wrong instead.
#[test]
fn a_running_capture_follows_the_wall_clock() {
    // SAFETY: no preconditions.
    if embedded().is_err() || unsafe { libc::geteuid() } != 0 {
        eprintln!("SKIPPED, no object or not root: a_running_capture_follows_the_wall_clock");
        return;
    }
    let options = LiveOptions {
        interfaces: vec!["lo".to_owned()],
        hook: HookChoice::Tc,
        ring_bytes: 1 << 16,
        ..LiveOptions::default()
    };
    let mut capture = LiveCapture::open(options).unwrap();
    let shared = capture.clock();
    let right = shared.timestamp(0);
    shared.disturb(3_000_000_000);
    assert!(shared.timestamp(0).0 - right.0 > 2_000_000_000);
    capture.changes();
    capture.changes();
    assert_eq!(shared.steps(), 1);
    assert!((shared.timestamp(0).0 - right.0).abs() < 10_000_000, "every shard follows at once");
}
