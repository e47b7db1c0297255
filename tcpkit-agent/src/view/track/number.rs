//! Numbers in few columns.

use super::digits::{put_fixed, put_grouped};

/// A quantity in at most five columns: `999`, `1.23K`, `45.6M`, `789G`.
pub(super) fn short(value: f64) -> String {
    text(|text| put_short(text, value))
}

/// The same of a count.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn short_count(value: u64) -> String {
    short(value as f64)
}

/// A time in at most six columns: `87us`, `1.23ms`, `45.6s`, `12m`, `3h`, `2d`.
pub(super) fn time(us: f64) -> String {
    text(|text| put_time(text, us))
}

/// Whole seconds, minutes, hours or days, as tcptrack has them: at most four columns up to 999 days.
pub(super) fn idle(us: f64) -> String {
    text(|text| put_idle(text, us))
}

/// A dash for what is not known.
pub(super) fn or_dash(known: Option<String>) -> String {
    known.unwrap_or_else(|| "-".to_owned())
}

/// A count with its digits in groups of three.
pub(super) fn grouped(value: u64) -> String {
    text(|text| put_grouped(text, value))
}

/// Writes what [`short`] gives.
pub(super) fn put_short(text: &mut Vec<u8>, value: f64) {
    const UNITS: [u8; 6] = *b"KMGTPE";
    if value < 999.5 {
        return put_fixed(text, value, 0);
    }
    let mut scaled = value;
    let mut unit = None;
    for next in UNITS {
        if scaled < 999.5 {
            break;
        }
        scaled /= 1_000.0;
        unit = Some(next);
    }
    let decimals = match scaled {
        scaled if scaled < 9.995 => 2,
        scaled if scaled < 99.95 => 1,
        _ => 0,
    };
    put_fixed(text, scaled, decimals);
    text.extend(unit);
}

/// Writes what [`time`] gives.
pub(super) fn put_time(text: &mut Vec<u8>, us: f64) {
    let (value, decimals, unit) = match us {
        us if us < 999.5 => (us, 0, "us"),
        us if us < 9_995.0 => (us / 1e3, 2, "ms"),
        us if us < 99_950.0 => (us / 1e3, 1, "ms"),
        us if us < 999_500.0 => (us / 1e3, 0, "ms"),
        us if us < 59_950_000.0 => (us / 1e6, 1, "s"),
        us => return put_idle(text, us),
    };
    put_fixed(text, value, decimals);
    text.extend_from_slice(unit.as_bytes());
}

fn put_idle(text: &mut Vec<u8>, us: f64) {
    let (value, unit) = match us / 1e6 {
        seconds if seconds < 60.0 => (seconds, b's'),
        seconds if seconds < 3_600.0 => (seconds / 60.0, b'm'),
        seconds if seconds < 86_400.0 => (seconds / 3_600.0, b'h'),
        seconds => (seconds / 86_400.0, b'd'),
    };
    put_fixed(text, value.floor(), 0);
    text.push(unit);
}

fn text(put: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut text = Vec::new();
    put(&mut text);
    String::from_utf8(text).expect("numbers are written in ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_wider_than_its_column() {
        for (value, expected) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.6, "1.00K"),
            (9_994.0, "9.99K"),
            (9_996.0, "10.0K"),
            (99_960.0, "100K"),
            (999_600.0, "1.00M"),
            (1.25e9, "1.25G"),
            (1.8e19, "18.0E"),
        ] {
            assert_eq!(short(value), expected);
        }
        let mut us = 0.1;
        while us < 1e15 {
            assert!(time(us).len() <= 6, "{us}: {}", time(us));
            us *= 1.01;
        }
    }

    #[test]
    fn idle_times_are_tcptrack_s() {
        for (seconds, expected) in
            [(0.9, "0s"), (59.9, "59s"), (60.0, "1m"), (3_599.0, "59m"), (3_600.0, "1h"), (86_400.0, "1d")]
        {
            assert_eq!(idle(seconds * 1e6), expected);
        }
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
