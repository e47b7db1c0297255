//! Points in time as people of a time zone write them.

use jiff::{fmt::strtime, tz::TimeZone};

use crate::time::Timestamp;

/// The time by a format of strftime(3), of which only what a calendar knows may occur.
///
/// A time that no calendar holds (before the year -9999) is shown as the epoch.
pub(in crate::view) fn local(time: Timestamp, format: &str, zone: &TimeZone) -> String {
    let seconds = time.0.div_euclid(1_000_000_000);
    let point = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    strtime::format(format, &point.to_zoned(zone.clone())).unwrap_or_default()
}
