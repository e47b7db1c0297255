//! What one filter has counted.

use crate::report::{HandshakeRecord, HandshakeResult};

/// Sessions of one filter; sums never shrink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Handshakes that succeeded.
    pub success: u64,
    /// Of these, how many had a SYN sent again.
    pub dupsyn: u64,
    /// Of these, how many had a SYN/ACK sent again.
    pub dupsynack: u64,
    /// Handshakes without an answer in time.
    pub timeout: u64,
    /// Handshakes that a RST ended, or that the client gave up.
    pub reject: u64,
    /// Handshakes that an ICMP error answered.
    pub unreach: u64,
    /// Handshakes that were undecided when the capture ended.
    pub pending: u64,
}

impl Tally {
    /// Counts a session.
    pub fn on_handshake(&mut self, record: &HandshakeRecord) {
        match record.result {
            HandshakeResult::Success => {
                self.success += 1;
                self.dupsyn += u64::from(record.syn_repeats > 0);
                self.dupsynack += u64::from(record.synack_repeats > 0);
            }
            HandshakeResult::Timeout => self.timeout += 1,
            HandshakeResult::Reject | HandshakeResult::Aborted => self.reject += 1,
            HandshakeResult::Unreachable => self.unreach += 1,
            HandshakeResult::Pending => self.pending += 1,
            // It began before the capture: nobody saw its handshake.
            HandshakeResult::Midstream => {}
        }
    }

    /// Handshakes that failed.
    #[must_use]
    pub const fn failure(&self) -> u64 {
        self.timeout + self.reject + self.unreach
    }

    /// What was counted since `earlier`, which is an older state of this.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            success: self.success - earlier.success,
            dupsyn: self.dupsyn - earlier.dupsyn,
            dupsynack: self.dupsynack - earlier.dupsynack,
            timeout: self.timeout - earlier.timeout,
            reject: self.reject - earlier.reject,
            unreach: self.unreach - earlier.unreach,
            pending: self.pending - earlier.pending,
        }
    }
}
