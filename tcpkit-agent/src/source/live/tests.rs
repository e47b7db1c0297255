//! Live capture, opened and closed for real.

use super::*;

#[test]
fn an_unknown_interface_is_answered_with_the_known_ones() {
    let error = find_devices(&["nosuch0".to_owned()]).unwrap_err().to_string();
    assert!(error.starts_with("interface nosuch0 does not exist; there are "), "{error}");
    assert!(error.contains("lo"), "{error}");
}

#[test]
fn an_interface_named_twice_is_captured_once() {
    let devices = find_devices(&["lo".to_owned(), "lo".to_owned()]).unwrap();
    assert_eq!(devices.len(), 1);
    assert!(devices[0].is_loopback() && !devices[0].is_tap());
}

#[test]
fn no_interface_is_an_error() {
    assert!(matches!(find_devices(&[]), Err(LiveError::NoInterface)));
}

#[test]
fn rings_are_powers_of_two_of_whole_pages() {
    assert_eq!(options::ring_bytes(0), 4096);
    assert_eq!(options::ring_bytes(5_000_000), 8 << 20);
    assert_eq!(options::ring_bytes(u32::MAX), 1 << 30);
}
