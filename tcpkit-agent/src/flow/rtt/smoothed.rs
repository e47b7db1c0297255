//! The smoothed round-trip time and its variation (RFC 6298 §2), as a sender would have them.

use std::num::NonZeroU64;

use crate::time::Span;

/// RFC 6298 §2.1: the time-out before any round trip was measured.
pub(in crate::flow) const INITIAL_RTO: Span = Span::from_secs(1);
/// The least that Linux adds to the smoothed round-trip time (`TCP_RTO_MIN`, include/net/tcp.h); RFC 6298 §2.4 has a
/// whole second for the sum, which no system in use keeps to.
const LEAST_VARIANCE: u64 = 200_000_000;

/// SRTT and RTTVAR, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) struct Smoothed {
    /// Not zero, so that an unknown one takes no memory of its own.
    srtt: NonZeroU64,
    rttvar: u64,
}

impl Smoothed {
    /// RFC 6298 §2.2: the first sample.
    #[inline(always)]
    pub(in crate::flow) fn new(rtt: Span) -> Self {
        Self { srtt: non_zero(rtt.0), rttvar: rtt.0 / 2 }
    }

    /// RFC 6298 §2.3: another sample, with alpha 1/8 and beta 1/4.
    #[must_use]
    #[inline(always)]
    pub(in crate::flow) fn with(self, rtt: Span) -> Self {
        let srtt = self.srtt.get();
        let deviation = srtt.abs_diff(rtt.0);
        Self {
            rttvar: self.rttvar - self.rttvar / 4 + deviation / 4,
            srtt: non_zero(srtt - srtt / 8 + rtt.0 / 8),
        }
    }

    /// SRTT.
    pub(in crate::flow) const fn srtt(self) -> Span {
        Span(self.srtt.get())
    }

    /// RTTVAR.
    pub(in crate::flow) const fn rttvar(self) -> Span {
        Span(self.rttvar)
    }

    /// The retransmission time-out that follows (RFC 6298 §2.3), with Linux's least.
    pub(in crate::flow) fn rto(self) -> Span {
        let variance = self.rttvar.saturating_mul(4).max(LEAST_VARIANCE);
        Span(self.srtt.get().saturating_add(variance))
    }
}

/// A round trip of no time at all is one of a nanosecond.
#[inline(always)]
fn non_zero(nanoseconds: u64) -> NonZeroU64 {
    NonZeroU64::new(nanoseconds).unwrap_or(NonZeroU64::MIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn smoothed(milliseconds: &[u64]) -> Smoothed {
        let spans = milliseconds.iter().map(|value| Span::from_millis(*value));
        let mut spans = spans.into_iter();
        let first = Smoothed::new(spans.next().unwrap());
        spans.fold(first, Smoothed::with)
    }

    #[test]
    fn samples_are_smoothed_as_rfc_6298_says() {
        let one = smoothed(&[100]);
        assert_eq!((one.srtt(), one.rttvar()), (Span::from_millis(100), Span::from_millis(50)));
        assert_eq!(one.rto(), Span::from_millis(300));
        // 7/8 of 100 and 1/8 of 180; 3/4 of 50 and 1/4 of 80.
        let two = smoothed(&[100, 180]);
        assert_eq!((two.srtt(), two.rttvar()), (Span::from_millis(110), Span(57_500_000)));
    }

    #[test]
    fn a_steady_round_trip_leaves_linux_s_least_above_it() {
        let steady = smoothed(&[10; 100]);
        assert!(steady.rttvar() < Span(100_000), "{steady:?}");
        assert_eq!(steady.rto().0 - steady.srtt().0, LEAST_VARIANCE);
    }

    proptest! {
        #[test]
        fn any_samples_are_smoothed_within_their_range(samples in prop::collection::vec(any::<u64>(), 1..100)) {
            let first = Smoothed::new(Span(samples[0]));
            let end = samples[1..].iter().fold(first, |state, sample| state.with(Span(*sample)));
            let most = samples.iter().max().unwrap();
            prop_assert!(end.srtt().0 <= (*most).max(1) && end.rttvar().0 <= *most);
            prop_assert!(end.rto() >= end.srtt());
        }
    }
}
