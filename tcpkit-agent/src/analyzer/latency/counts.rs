//! What listening to conversations came to, beside the requests: each by name, so that nothing is left out in silence.

/// Counts of one shard; sums over shards are sums over captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Connections that were listened to.
    pub conversations: u64,
    /// Pairs of UDP ports that were.
    pub datagram_conversations: u64,
    /// Connections whose protocol was not recognised by what was said.
    pub unrecognised: u64,
    /// Connections that were not listened to, because as many were as may be.
    pub refused: u64,
    /// Pairs of UDP ports that gave way to others.
    pub evicted: u64,
    /// Conversations that were given up, because more requests waited than may be remembered.
    pub given_up: u64,
    /// Conversations whose client is not the flow's inferred one.
    pub turned_round: u64,
    /// Segments that came before others of a smaller number.
    pub out_of_order_segments: u64,
    /// Stretches that were never captured.
    pub capture_gaps: u64,
    /// Octets in them.
    pub capture_gap_bytes: u64,
    /// Those of them that nobody has acknowledged: more was kept behind them than may be.
    pub holes_given_up: u64,
    /// Segments too far from what was expected to be of their stream.
    pub strange_segments: u64,
    /// Answers whose delivery was not awaited, because too many waited.
    pub not_awaited: u64,
}

impl RequestCounts {
    /// Adds another shard's.
    pub const fn merge(&mut self, other: &Self) {
        self.conversations += other.conversations;
        self.datagram_conversations += other.datagram_conversations;
        self.unrecognised += other.unrecognised;
        self.refused += other.refused;
        self.evicted += other.evicted;
        self.given_up += other.given_up;
        self.turned_round += other.turned_round;
        self.out_of_order_segments += other.out_of_order_segments;
        self.capture_gaps += other.capture_gaps;
        self.capture_gap_bytes += other.capture_gap_bytes;
        self.holes_given_up += other.holes_given_up;
        self.strange_segments += other.strange_segments;
        self.not_awaited += other.not_awaited;
    }

    /// Each with its name.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 13] {
        [
            ("conversations", self.conversations),
            ("datagram_conversations", self.datagram_conversations),
            ("unrecognised", self.unrecognised),
            ("refused", self.refused),
            ("evicted", self.evicted),
            ("given_up", self.given_up),
            ("turned_round", self.turned_round),
            ("out_of_order_segments", self.out_of_order_segments),
            ("capture_gaps", self.capture_gaps),
            ("capture_gap_bytes", self.capture_gap_bytes),
            ("holes_given_up", self.holes_given_up),
            ("strange_segments", self.strange_segments),
            ("not_awaited", self.not_awaited),
        ]
    }
}
