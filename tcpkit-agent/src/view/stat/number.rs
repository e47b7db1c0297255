//! Numbers as C's library reads and prints them.

/// `%.*f`: an infinity is `inf`, and what is no number is `-nan`, as x86 makes it.
#[must_use]
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if value.is_nan() { "-nan".to_owned() } else { format!("{value:.decimals$}") }
}

/// What `atof` makes of a word: the longest number at its beginning, else zero.
#[must_use]
pub fn double(word: &str) -> f64 {
    let word = word.trim_start();
    let is_number = |end: &usize| word.is_char_boundary(*end) && is_float(&word[..*end]);
    let longest = (1..=word.len()).rev().find(is_number);
    longest.and_then(|end| word[..end].parse().ok()).unwrap_or(0.0)
}

/// Whether Rust's reading of a word is C's as well: digits, or one of C's names for what is no number.
fn is_float(word: &str) -> bool {
    word.parse::<f64>().is_ok()
}

/// A double as a C compiler for x86 converts it to `int`: what does not fit is the lowest one.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "checked to fit")]
pub(super) fn int(value: f64) -> i32 {
    let fits = value > f64::from(i32::MIN) - 1.0 && value < f64::from(i32::MAX) + 1.0;
    if fits { value as i32 } else { i32::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_far_as_they_are_numbers() {
        for (word, value) in [
            ("5", 5.0),
            ("3x", 3.0),
            ("abc", 0.0),
            ("", 0.0),
            ("1e1", 10.0),
            (" .5s", 0.5),
            ("-2", -2.0),
            ("1e", 1.0),
        ] {
            assert!((double(word) - value).abs() < f64::EPSILON, "{word}");
        }
        assert!(double("inf").is_infinite());
        assert!(double("nan").is_nan());
    }

    #[test]
    fn what_is_no_number_is_printed_as_c_does() {
        assert_eq!(fixed(f64::NAN, 2), "-nan");
        assert_eq!(fixed(f64::INFINITY, 2), "inf");
        assert_eq!(fixed(-0.004, 2), "-0.00");
        assert_eq!((int(1e12), int(f64::NAN), int(-7.9)), (i32::MIN, i32::MIN, -7));
    }
}
