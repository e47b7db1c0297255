//! A request that is over, with all that is known of it.

use tcpkit_common::flow::{Address, FourTuple};

use super::spent::Spent;
use crate::{
    flow::Endpoint,
    protocol::{Exchange, Outcome, Protocol},
    time::{Span, Timestamp},
    wire::InterfaceId,
};

/// A request that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredRequest {
    /// Capture time at which it was final; never steps back within a shard.
    pub at: Timestamp,
    /// The client's address and port, and the server's.
    pub tuple: FourTuple,
    /// Interface that the conversation belongs to.
    pub interface: InterfaceId,
    /// What was spoken.
    pub protocol: Protocol,
    /// Whether it came by UDP.
    pub is_datagram: bool,
    /// What was asked and answered.
    pub exchange: Exchange,
    /// Where the time went; `None` without a response.
    pub spent: Option<Spent>,
}

/// The same as long as nobody keeps it: most requests are added to the sums and forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measurement<'a> {
    pub(super) at: Timestamp,
    pub(super) tuple: FourTuple,
    pub(super) interface: InterfaceId,
    pub(super) protocol: Protocol,
    pub(super) is_datagram: bool,
    pub(super) exchange: &'a Exchange,
    pub(super) spent: Option<&'a Spent>,
}

impl MeasuredRequest {
    /// First octet of the request to first octet of the response, as git-hulk/tcpkit measures it.
    #[must_use]
    pub fn latency(&self) -> Option<Span> {
        let response = self.exchange.response.as_ref()?;
        Some(response.start.since(self.exchange.request.extent.start))
    }

    /// The same in whole microseconds, of times in whole microseconds.
    #[must_use]
    pub fn latency_us(&self) -> Option<u64> {
        self.measurement().latency_us()
    }

    /// The server's end.
    #[must_use]
    pub const fn server(&self) -> Endpoint {
        self.measurement().server()
    }

    /// Whether it is worth a line where requests are that took at least this long.
    #[must_use]
    pub fn is_slow(&self, limit: Span) -> bool {
        self.measurement().is_slow(limit)
    }

    /// Whether it was answered after at least so many microseconds.
    #[must_use]
    pub fn is_shown(&self, least_us: u64) -> bool {
        self.measurement().is_shown(least_us)
    }

    /// By what requests are ordered that are alike otherwise.
    #[must_use]
    pub const fn order(&self) -> (Timestamp, Address, u16) {
        self.measurement().order()
    }

    pub(super) const fn measurement(&self) -> Measurement<'_> {
        let Self { at, tuple, interface, protocol, is_datagram, exchange, spent } = self;
        Measurement {
            at: *at,
            tuple: *tuple,
            interface: *interface,
            protocol: *protocol,
            is_datagram: *is_datagram,
            exchange,
            spent: spent.as_ref(),
        }
    }
}

impl Measurement<'_> {
    /// To be kept.
    pub(super) fn kept(&self) -> MeasuredRequest {
        let Self { at, tuple, interface, protocol, is_datagram, exchange, spent } = *self;
        let (exchange, spent) = (exchange.clone(), spent.copied());
        MeasuredRequest { at, tuple, interface, protocol, is_datagram, exchange, spent }
    }

    #[inline]
    pub(super) fn latency_us(&self) -> Option<u64> {
        let response = self.exchange.response.as_ref()?;
        let latency =
            response.start.as_micros().saturating_sub(self.exchange.request.extent.start.as_micros());
        Some(u64::try_from(latency).unwrap_or(0))
    }

    #[inline]
    pub(super) const fn server(&self) -> Endpoint {
        Endpoint { address: self.tuple.destination, port: self.tuple.destination_port }
    }

    pub(super) fn is_slow(&self, limit: Span) -> bool {
        match (self.exchange.outcome, self.spent) {
            (Outcome::Answered, Some(spent)) => spent.total >= limit && !self.exchange.request.is_blocking,
            (Outcome::Aborted, _) => true,
            (Outcome::Unanswered, _) => self.is_datagram,
            _ => false,
        }
    }

    pub(super) fn is_shown(&self, least_us: u64) -> bool {
        self.latency_us().is_some_and(|latency| latency >= least_us)
    }

    pub(super) const fn order(&self) -> (Timestamp, Address, u16) {
        (self.exchange.request.extent.start, self.tuple.source, self.tuple.source_port)
    }

    /// How long an answered request took that did not ask the server to wait.
    #[inline]
    pub(super) fn total(&self) -> Option<Span> {
        self.spent.filter(|_| !self.exchange.request.is_blocking).map(|spent| spent.total)
    }
}
