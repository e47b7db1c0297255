//! Numbers as people read them: grouped digits, shares, durations, rates, points in time.

/// A count with its digits in groups of three: `1,234,567`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count in at most `width` columns (6 or more): beyond that, thousands, millions and so on, with three digits.
pub(super) fn fit(value: u64, width: usize) -> String {
    let full = count(value);
    if full.len() <= width { full } else { scaled(value) }
}

/// A share of a whole: `12.3 %`; nothing where there is no whole. Never `100.0 %` of less than all, nor `0.0 %` of
/// something.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    percent(ratio(part, whole), 1)
}

/// A ratio as a percentage with this many decimals: what is not all is `>99.9 %` at most, what is not nothing `<0.1 %`
/// at least.
pub(super) fn percent(ratio: f64, decimals: usize) -> String {
    let step = 10_f64.powi(-i32::try_from(decimals).unwrap_or(0));
    let value = ratio * 100.0;
    match value {
        value if value > 0.0 && value < step => format!("<{step:.decimals$} %"),
        value if value < 100.0 && value > 100.0 - step => format!(">{:.decimals$} %", 100.0 - step),
        value => format!("{value:.decimals$} %"),
    }
}

/// `part / whole`; 0 for no whole.
#[expect(clippy::cast_precision_loss, reason = "2^53 frames or bytes are more than a share needs digits for")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A duration given in microseconds, in the unit that suits it: `0.123 ms`, `1.5 s`, `2 h 03 min`.
pub(super) fn span(micros: f64) -> String {
    let seconds = micros / 1e6;
    match seconds {
        s if s < 0.001 => format!("{micros:.1} us"),
        s if s < 1.0 => format!("{:.3} ms", micros / 1e3),
        s if s < 600.0 => format!("{s:.3} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

/// A rate with three digits and a unit: `1.23 Gbit/s`.
pub(super) fn rate(value: f64, unit: &str) -> String {
    let (mantissa, prefix) = scale(value);
    format!("{mantissa:.2} {prefix}{unit}")
}

/// The nearest whole number; 0 for what is negative or no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and NaN becomes 0"
)]
pub(super) fn whole_number(value: f64) -> u64 {
    value.round() as u64
}

/// A point in time as UTC: `2026-11-21 07:45:33.123456`.
pub(super) fn time(micros: i64) -> String {
    let seconds = micros.div_euclid(1_000_000);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:06}",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        micros.rem_euclid(1_000_000)
    )
}

/// The proleptic Gregorian date of a day counted from 1970-01-01.
///
/// Years are counted from March, so that the leap day is a year's last day and month lengths follow one line; four
/// centuries are 146,097 days.
fn civil(day: i64) -> (i64, i64, i64) {
    let since_march_0000 = day + 719_468;
    let era = since_march_0000.div_euclid(146_097);
    let day_of_era = since_march_0000.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_month)
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn scaled(value: u64) -> String {
    let (mantissa, prefix) = scale(value as f64);
    format!("{mantissa:.2}{}", prefix.to_uppercase())
}

fn scale(value: f64) -> (f64, &'static str) {
    let mut mantissa = value;
    for prefix in ["", "k", "M", "G", "T", "P"] {
        if mantissa < 999.995 {
            return (mantissa, prefix);
        }
        mantissa /= 1_000.0;
    }
    (mantissa, "E")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_and_fit_their_column() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(fit(123_456_789, 11), "123,456,789");
        assert_eq!(fit(1_234_567_890, 11), "1.23G");
        assert_eq!(fit(999_999_999_999, 11), "1.00T");
        assert_eq!(fit(u64::MAX, 7), "18.45E");
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(3, 3), "100.0 %");
        assert_eq!(share(999_999, 1_000_000), ">99.9 %");
        assert_eq!(share(1, 1_000_000), "<0.1 %");
        assert_eq!(share(0, 5), "0.0 %");
        assert_eq!(share(0, 0), "");
        assert_eq!(percent(0.999_999_9, 3), ">99.999 %");
    }

    #[test]
    fn durations_choose_their_unit() {
        assert_eq!(span(0.25), "0.2 us");
        assert_eq!(span(1_234.5), "1.234 ms");
        assert_eq!(span(1_500_000.0), "1.500 s");
        assert_eq!(span(3e9), "50.0 min");
        assert_eq!(span(7.2e9), "2.0 h");
    }

    #[test]
    fn rates_choose_their_prefix() {
        assert_eq!(rate(999.0, "bit/s"), "999.00 bit/s");
        assert_eq!(rate(9_870_000_000.0, "bit/s"), "9.87 Gbit/s");
    }

    #[test]
    fn dates_agree_with_the_calendar() {
        assert_eq!(time(0), "1970-01-01 00:00:00.000000");
        assert_eq!(time(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(time(951_782_400_000_000), "2000-02-29 00:00:00.000000");
        assert_eq!(time(1_795_247_133_123_456), "2026-11-21 07:45:33.123456");
        assert_eq!(time(4_107_542_400_000_000), "2100-03-01 00:00:00.000000");
        time(i64::MIN);
        time(i64::MAX);
    }
}
