//! What may become of a handshake.

/// What became of a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// No SYN was seen.
    #[default]
    Midstream,
    /// Nothing is decided yet.
    Pending,
    /// The client's ACK covers the server's SYN.
    Success,
    /// The server answered with RST.
    Reject,
    /// Nothing completed it in time.
    Timeout,
    /// An ICMP error answered the SYN.
    Unreachable,
    /// The client gave up before its ACK.
    Aborted,
}

impl Outcome {
    /// How many there are: the length of an array that [`Outcome::index`] goes into.
    pub const COUNT: usize = 7;

    /// Every outcome, in order of [`Outcome::index`].
    pub const ALL: [Self; Self::COUNT] = [
        Self::Midstream,
        Self::Pending,
        Self::Success,
        Self::Reject,
        Self::Timeout,
        Self::Unreachable,
        Self::Aborted,
    ];

    /// Place in an array of counts.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it is one that an operator wants to be told of.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Reject | Self::Timeout | Self::Unreachable | Self::Aborted)
    }

    /// Whether something is known of how it ended.
    pub(in crate::flow) const fn is_decided(self) -> bool {
        !matches!(self, Self::Midstream | Self::Pending)
    }

    /// Whether a flow with this outcome is not, or no longer, half-open.
    pub(in crate::flow) const fn is_more_than_half_open(self) -> bool {
        matches!(self, Self::Midstream | Self::Success)
    }

    /// Whether the handshake may still be completed or refused.
    pub(in crate::flow) const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Timeout | Self::Unreachable)
    }
}
