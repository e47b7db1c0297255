//! What was said last, by pair of addresses: what goes on is summed up here first, without a look into any table.

use tcpkit_common::flow::{Address, FourTuple};

use super::Service;
use crate::flow::SideTraffic;

/// What one address sent to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Sender and receiver.
    pub(super) pair: (Address, Address),
    /// The service that it belongs to, and whether that sent it.
    pub(super) service: Option<(Service, bool)>,
    /// How much.
    pub(super) sent: SideTraffic,
}

/// One place for each value of a small hash; who comes to a place that is taken takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recent {
    places: Box<[Option<Told>; PLACES]>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { places: Box::new([None; PLACES]) }
    }
}

impl Told {
    #[inline]
    pub(super) fn datagram(tuple: &FourTuple, sent: SideTraffic) -> Self {
        let service = Some(Service::of_datagram(tuple));
        Self { pair: (tuple.source, tuple.destination), service, sent }
    }

    #[inline]
    pub(super) const fn packet(source: Address, destination: Address, sent: SideTraffic) -> Self {
        Self { pair: (source, destination), service: None, sent }
    }

    #[inline]
    fn place(&self) -> usize {
        let (source, destination) = (self.pair.0.halves(), self.pair.1.halves());
        let port = self.service.map_or(0, |(service, _)| u64::from(service.server.port) + 1);
        let mixed = [source.0, source.1, destination.0, destination.1, port]
            .into_iter()
            .fold(0u64, |sum, part| (sum.rotate_left(23) ^ part).wrapping_mul(GOLDEN));
        usize::try_from(mixed >> (u64::BITS - PLACES.ilog2())).expect("a place is a small number")
    }
}

impl Recent {
    /// Adds; gives what had to make room.
    #[inline]
    pub(super) fn add(&mut self, told: &Told) -> Option<Told> {
        let place = &mut self.places[told.place()];
        match place {
            Some(known) if known.pair == told.pair && known.service == told.service => {
                known.sent.add(&told.sent);
                None
            }
            _ => place.replace(*told),
        }
    }

    /// Everything; nothing is left.
    pub(super) fn take(&mut self) -> Vec<Told> {
        self.places.iter_mut().filter_map(Option::take).collect()
    }
}

/// Places, a power of two: 32 KiB.
const PLACES: usize = 256;
/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
