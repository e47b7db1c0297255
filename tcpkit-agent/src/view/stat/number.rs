//! Numbers as C's library prints them on x86-64.

/// `%.*f`: an infinity is `inf`; what is no number has the sign that its arithmetic gave it.
#[must_use]
pub(in crate::view) fn fixed(value: f64, decimals: usize) -> String {
    match value {
        value if !value.is_nan() => format!("{value:.decimals$}"),
        value if value.is_sign_negative() => "-nan".to_owned(),
        _ => "nan".to_owned(),
    }
}

/// A count as a double: tcpstat calculates in doubles.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "tcpstat's quantities are doubles")]
pub(in crate::view) const fn wide(count: u64) -> f64 {
    count as f64
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
    fn what_is_no_number_is_printed_as_c_does() {
        assert_eq!(fixed(-f64::NAN, 2), "-nan");
        assert_eq!(fixed(f64::NAN, 2), "nan");
        assert_eq!(fixed(f64::INFINITY, 2), "inf");
        assert_eq!(fixed(-0.004, 2), "-0.00");
        assert_eq!((int(1e12), int(f64::NAN), int(-7.9)), (i32::MIN, i32::MIN, -7));
    }
}
