//! Numbers into text without a detour: a table of a large file has millions of them.
//!
//! What stands there in the end is what `format!` would write; a test holds both against each other.

use std::io::Write as _;

/// Writes an integer.
pub(super) fn put_integer(text: &mut Vec<u8>, value: u64) {
    let mut digits = [0; MOST_DIGITS];
    let from = digits_of(&mut digits, value);
    text.extend_from_slice(&digits[from..]);
}

/// Writes a count with its digits in groups of three.
pub(super) fn put_grouped(text: &mut Vec<u8>, value: u64) {
    let mut digits = [0; MOST_DIGITS];
    let from = digits_of(&mut digits, value);
    for (place, digit) in digits.iter().enumerate().skip(from) {
        text.push(*digit);
        let behind = MOST_DIGITS - 1 - place;
        if behind > 0 && behind.is_multiple_of(3) {
            text.push(b',');
        }
    }
}

/// Writes a number with so many decimals, at most three.
#[expect(clippy::cast_possible_truncation, reason = "the range was looked at")]
#[expect(clippy::cast_sign_loss, reason = "the range was looked at")]
#[expect(clippy::cast_precision_loss, reason = "it is below 2^53")]
pub(super) fn put_fixed(text: &mut Vec<u8>, value: f64, decimals: usize) {
    const POWERS: [u64; 4] = [1, 10, 100, 1_000];
    let power = POWERS[decimals];
    let scaled = value * power as f64;
    let whole = scaled as u64;
    let rest = scaled - whole as f64;
    // The product may be off by a millionth; what is as near to the middle between two is left to the careful way.
    let is_clear = value.is_sign_positive() && scaled < 1e9 && (rest - 0.5).abs() > 1e-6;
    if !is_clear {
        return put_display(text, format_args!("{value:.decimals$}"));
    }
    let rounded = whole + u64::from(rest > 0.5);
    put_integer(text, rounded / power);
    if decimals > 0 {
        text.push(b'.');
        let mut decimal = rounded % power;
        for power in POWERS[..decimals].iter().rev() {
            text.push(digit(decimal / power));
            decimal %= power;
        }
    }
}

/// Writes whatever has a text of its own.
pub(super) fn put_display(text: &mut Vec<u8>, value: impl std::fmt::Display) {
    write!(text, "{value}").expect("memory takes every text");
}

/// Writes digits to the end, and tells where they begin.
fn digits_of(digits: &mut [u8; MOST_DIGITS], mut value: u64) -> usize {
    let mut from = MOST_DIGITS;
    loop {
        from -= 1;
        digits[from] = digit(value % 10);
        value /= 10;
        if value == 0 {
            return from;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is below ten")]
const fn digit(value: u64) -> u8 {
    b'0' + value as u8
}

/// Digits of the greatest integer.
const MOST_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        put(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_lies_in_the_middle_goes_where_format_has_it() {
        for value in
            [0.0, -0.0, 0.5, 1.5, 2.5, 0.125, 0.375, 0.0005, 1.0005, 2.675, 1e9, 1e300, f64::NAN, -1.5]
        {
            for decimals in 0..=3 {
                assert_eq!(text(|text| put_fixed(text, value, decimals)), format!("{value:.decimals$}"));
            }
        }
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_format_writes_them(value in any::<u64>(), shift in 0_u32..64) {
            let value = value >> shift;
            prop_assert_eq!(text(|text| put_integer(text, value)), value.to_string());
            let plain = text(|text| put_grouped(text, value));
            prop_assert_eq!(plain.replace(',', ""), value.to_string());
            prop_assert!(plain.split(',').skip(1).all(|group| group.len() == 3));
        }

        #[test]
        fn decimals_are_written_as_format_writes_them(
            value in prop_oneof![0.0..2_000.0, any::<f64>(), (0_u32..100_000_000).prop_map(|value| f64::from(value) / 1e6), (0_u32..1_000_000).prop_map(|value| f64::from(value) / 8.0)],
            decimals in 0_usize..=3,
        ) {
            prop_assert_eq!(text(|text| put_fixed(text, value, decimals)), format!("{value:.decimals$}"));
        }
    }
}
