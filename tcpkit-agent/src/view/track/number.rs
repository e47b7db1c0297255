//! Numbers in few columns.

/// A quantity in at most five columns: `999`, `1.23K`, `45.6M`, `789G`.
pub(super) fn short(value: f64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if value < 999.5 {
        return format!("{value:.0}");
    }
    let mut scaled = value;
    let mut unit = "";
    for next in UNITS {
        if scaled < 999.5 {
            break;
        }
        scaled /= 1_000.0;
        unit = next;
    }
    match scaled {
        scaled if scaled < 9.995 => format!("{scaled:.2}{unit}"),
        scaled if scaled < 99.95 => format!("{scaled:.1}{unit}"),
        scaled => format!("{scaled:.0}{unit}"),
    }
}

/// The same of a count.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn short_count(value: u64) -> String {
    short(value as f64)
}

/// A time in at most six columns: `87us`, `1.23ms`, `45.6s`, `12m`, `3h`, `2d`.
pub(super) fn time(us: f64) -> String {
    match us {
        us if us < 999.5 => format!("{us:.0}us"),
        us if us < 9_995.0 => format!("{:.2}ms", us / 1e3),
        us if us < 99_950.0 => format!("{:.1}ms", us / 1e3),
        us if us < 999_500.0 => format!("{:.0}ms", us / 1e3),
        us if us < 59_950_000.0 => format!("{:.1}s", us / 1e6),
        us => idle(us),
    }
}

/// Whole seconds, minutes, hours or days, as tcptrack has them: at most four columns up to 999 days.
pub(super) fn idle(us: f64) -> String {
    match us / 1e6 {
        seconds if seconds < 60.0 => format!("{:.0}s", seconds.floor()),
        seconds if seconds < 3_600.0 => format!("{:.0}m", (seconds / 60.0).floor()),
        seconds if seconds < 86_400.0 => format!("{:.0}h", (seconds / 3_600.0).floor()),
        seconds => format!("{:.0}d", (seconds / 86_400.0).floor()),
    }
}

/// A dash for what is not known.
pub(super) fn or_dash(known: Option<String>) -> String {
    known.unwrap_or_else(|| "-".to_owned())
}

/// A count with its digits in groups of three.
pub(super) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().collect();
    let groups: Vec<_> = groups.into_iter().map(String::from_utf8_lossy).collect();
    groups.join(",")
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
