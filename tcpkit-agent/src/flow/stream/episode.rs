//! A loss, from the first retransmission to the acknowledgement of everything sent before.

use super::{step::LossEpisode, trouble::Episode};
use crate::time::{Span, Timestamp};

impl Episode {
    /// What analyzers are told of it, once it has ended.
    pub(super) const fn ended(&self, end: Timestamp, delay: Span) -> LossEpisode {
        LossEpisode {
            start: self.start,
            end,
            retransmissions: self.retransmissions,
            bytes: self.bytes,
            delay,
        }
    }
}
