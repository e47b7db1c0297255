//! Bursts of every kind, and captures that are not in order.

use super::*;
use crate::{
    flow::WireCount,
    time::Timestamp,
    wire::{FrameDirection, InterfaceId},
};

const HERE: BurstKey = (InterfaceId(0), FrameDirection::Inbound);

fn bin(bytes: u64, flow: u8) -> Bin<u8> {
    Bin { bytes, packets: bytes / 100, candidate: Some(flow), weight: bytes }
}

fn wire(bytes: u64) -> WireCount {
    WireCount { packets: 1, bytes, full_len: 0 }
}

fn peak(windows: &Windows<u8>) -> (i64, u64, Option<u8>, u64) {
    let peak = windows.peak().unwrap();
    (peak.begin, peak.bin.bytes, peak.bin.candidate, peak.bin.weight)
}

#[test]
fn a_burst_of_five_milliseconds_stands_out_of_an_idle_second() {
    let mut series = BurstSeries::default();
    assert!(series.on_millisecond(0, bin(100, 1)));
    for number in 500..505 {
        assert!(series.on_millisecond(number, bin(1_000 + u64::from(number == 502), 7)));
    }
    series.on_idle(1_000);
    assert_eq!(series.extent(), (1_000, 0));
    assert_eq!(peak(series.one()), (502, 1_001, Some(7), 1_001));
    assert_eq!(peak(series.ten()), (495, 5_001, Some(7), 5_001));
    // Six of 1,000 windows of 1 ms were busy, and fifteen of 991 longer ones.
    assert_eq!(series.one().p99_bytes(), Some(0));
    let p99 = series.ten().p99_bytes().unwrap();
    assert!((1_000..=5_001).contains(&p99), "{p99}");
}

#[test]
fn every_window_counts_once() {
    let mut series = BurstSeries::default();
    for number in 0..25 {
        series.on_millisecond(number, bin(10, 1));
    }
    assert_eq!(series.one().bytes.samples(), 25);
    assert_eq!(series.ten().bytes.samples(), 16);
    series.on_idle(1_025);
    assert_eq!(series.one().bytes.samples(), 1_025);
    assert_eq!(series.ten().bytes.samples(), 1_016);
    assert_eq!(series.ten().bytes.total().0, 25 * 10 * 10 - 450);
}

#[test]
fn no_window_reaches_over_what_was_missed() {
    let mut series = BurstSeries::default();
    for number in (0..9).chain(20..29) {
        if number == 20 {
            series.on_missed(20);
        }
        series.on_millisecond(number, bin(10, 1));
    }
    assert_eq!(series.extent(), (18, 11));
    assert_eq!(series.ten().peak(), None);
    assert!(!series.on_millisecond(5, bin(10, 1)), "that was long ago");
}

#[test]
fn the_flow_of_ten_milliseconds_is_the_one_with_the_most_certain_bytes() {
    let bins = [bin(100, 1), bin(90, 2), bin(80, 2), Bin::EMPTY];
    let sum = sum(&bins);
    assert_eq!((sum.bytes, sum.candidate, sum.weight), (270, Some(2), 170));
}

#[test]
fn frames_out_of_order_count_for_their_millisecond() {
    let mut ordered = BurstAnalyzer::default();
    let mut shuffled = BurstAnalyzer::default();
    let frames: Vec<(i64, u64)> = (0..300i64).map(|at| (at * 400_000, 100 + at.unsigned_abs() % 7)).collect();
    for (time, bytes) in &frames {
        ordered.on_frame(HERE, Timestamp(*time), wire(*bytes), Some(1u8));
    }
    for pair in frames.chunks(60) {
        for (time, bytes) in pair.iter().rev() {
            shuffled.on_frame(HERE, Timestamp(*time), wire(*bytes), Some(1u8));
        }
    }
    let series = |analyzer: &BurstAnalyzer<u8>| analyzer.finished().collect::<Vec<_>>();
    assert_eq!(series(&ordered), series(&shuffled));
    assert_eq!(shuffled.late(), Late::default());
    assert_eq!(series(&ordered)[0].1.extent(), (120, 0));
}

#[test]
fn what_comes_much_too_late_is_counted_as_late() {
    let mut analyzer = BurstAnalyzer::default();
    for (time, bytes) in [(0, 10), (1_000_000_000, 20), (900_000_000, 30), (950_000_000, 40)] {
        analyzer.on_frame(HERE, Timestamp(time), wire(bytes), Some(1u8));
    }
    assert_eq!(analyzer.late(), Late { frames: 1, bytes: 30 });
    let [(key, series)] = &analyzer.finished().collect::<Vec<_>>()[..] else { panic!("one place") };
    assert_eq!((*key, series.extent()), (HERE, (1_001, 0)));
    assert_eq!(peak(series.one()), (950, 40, Some(1), 40));
}

#[test]
fn a_flow_with_more_than_half_of_a_millisecond_is_its_candidate() {
    let mut analyzer = BurstAnalyzer::default();
    // 60 of 100 frames are of flow 9, wherever they stand.
    for at in 0..100u64 {
        let flow = if at % 5 < 3 { 9 } else { u8::try_from(at % 4).unwrap() };
        analyzer.on_frame(HERE, Timestamp(5), wire(10), Some(flow));
    }
    let (_, series) = analyzer.finished().next().unwrap();
    let peak = series.one().peak().unwrap();
    assert_eq!((peak.bin.bytes, peak.bin.candidate), (1_000, Some(9)));
    assert!(peak.bin.weight > 0 && peak.bin.weight <= 600, "{}", peak.bin.weight);
}

#[test]
fn a_millisecond_has_its_frames_and_no_others() {
    // To the nanosecond, before the epoch too, and at both ends of time.
    let times = [i64::MIN, i64::MIN + 775_807, i64::MIN + 775_808, -1, 0, 999_999, 1_000_000, i64::MAX];
    for first in times {
        for second in times {
            let mut analyzer = BurstAnalyzer::default();
            for time in [first, first, second, second] {
                analyzer.on_frame(HERE, Timestamp(time), wire(10), Some(1u8));
            }
            let (a, b) = (first.div_euclid(1_000_000), second.div_euclid(1_000_000));
            let is_late = b < a - 63;
            let (_, series) = analyzer.finished().next().unwrap();
            let most = if a == b { 40 } else { 20 };
            assert_eq!(series.one().peak().unwrap().bin.bytes, most, "{first} {second}");
            assert_eq!(analyzer.late().frames, u64::from(is_late) * 2, "{first} {second}");
        }
    }
}
