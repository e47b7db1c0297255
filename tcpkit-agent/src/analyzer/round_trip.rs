//! Round-trip times over the whole life of flows, from the capture point towards either end.

use super::SpanHistogram;
use crate::flow::{Half, RoundTrip};

/// All round trips of a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundTripAnalyzer {
    towards_server: RoundTrips,
    towards_client: RoundTrips,
}

/// Round trips towards one end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundTrips {
    /// How long they took.
    pub spans: SpanHistogram,
    /// What of that exceeds the least of the same flow, where no receiver that waited can explain it: queues.
    pub above_min: SpanHistogram,
    /// Acknowledgements that the receiver is known to have delayed.
    pub delayed_acks: u64,
}

impl RoundTripAnalyzer {
    /// Takes round trips that were measured.
    #[inline]
    pub fn on_round_trips(&mut self, round_trips: &[RoundTrip]) {
        for trip in round_trips {
            let trips = match trip.half {
                Half::Server => &mut self.towards_server,
                Half::Client => &mut self.towards_client,
            };
            trips.spans.record(trip.span);
            if !trip.may_be_delayed {
                trips.above_min.record(trip.above_min);
            }
            trips.delayed_acks += u64::from(trip.is_delayed_ack);
        }
    }

    /// Adds another shard's round trips.
    pub fn merge(&mut self, other: &Self) {
        for (own, theirs) in [
            (&mut self.towards_server, &other.towards_server),
            (&mut self.towards_client, &other.towards_client),
        ] {
            own.spans.merge(&theirs.spans);
            own.above_min.merge(&theirs.above_min);
            own.delayed_acks += theirs.delayed_acks;
        }
    }

    /// From the capture point towards this end and back.
    #[must_use]
    pub const fn towards(&self, half: Half) -> &RoundTrips {
        match half {
            Half::Server => &self.towards_server,
            Half::Client => &self.towards_client,
        }
    }
}
