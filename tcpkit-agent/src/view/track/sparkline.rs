//! A minute as a row of small bars.

/// Draws the latest `seconds` values into so many columns, the latest at the right: each column has the highest of its
/// seconds, as a part of the highest of all. What is not nothing shows at least a little.
#[expect(clippy::cast_possible_truncation, reason = "a part of eight fits")]
#[expect(clippy::cast_sign_loss, reason = "no rate is negative")]
pub(super) fn bars(values: &[f32], seconds: usize, columns: usize) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if columns == 0 {
        return String::new();
    }
    let highest = values.iter().copied().fold(0.0, f32::max);
    // Seconds before the first value are empty.
    let before = seconds.saturating_sub(values.len());
    let at = |second: usize| second.checked_sub(before).and_then(|place| values.get(place)).copied();
    let bar = |column: usize| {
        let first = column * seconds / columns;
        let last = ((column + 1) * seconds / columns).max(first + 1);
        let value = (first..last).filter_map(at).fold(0.0, f32::max);
        let height = if highest > 0.0 { (value / highest * 8.0).ceil() as usize } else { 0 };
        BARS[height.min(8)]
    };
    (0..columns).map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_to_the_right_and_show_the_highest() {
        assert_eq!(bars(&[], 4, 4), "    ");
        assert_eq!(bars(&[8.0], 4, 4), "   █");
        assert_eq!(bars(&[1.0, 2.0, 4.0, 8.0], 4, 4), "▁▂▄█");
        assert_eq!(bars(&[0.0, 8.0, 0.001, 0.0], 4, 2), "█▁");
        assert_eq!(bars(&[1.0, 2.0], 2, 4), "▄▄██", "a second may be several columns wide");
        assert_eq!(bars(&[1.0], 60, 0), "");
    }
}
