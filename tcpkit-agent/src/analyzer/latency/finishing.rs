//! What becomes of the requests that a dialogue has told: they wait until their answers are delivered, and are measured.

use super::{
    conversation::{Conversation, Heard, Room},
    measured::Measurement,
    spent::{Circumstances, spent},
};
use crate::protocol::Exchange;

/// Answers of one conversation that may wait to be delivered.
const MAX_SETTLING: usize = 4_096;

impl Conversation {
    /// Looks over what the dialogue told last: what has no answer waits for nothing.
    #[inline]
    pub(super) fn look_over(&mut self, told: usize, room: &mut Room<'_, '_>) {
        let latest = self.settling.latest(told);
        if self.settling.len() > MAX_SETTLING || latest.iter().any(|exchange| exchange.response.is_none()) {
            self.settling.take_latest(told, room.scratch);
            self.take_exchanges(room);
        }
    }

    /// Takes what the dialogue told.
    pub(super) fn take_exchanges(&mut self, room: &mut Room<'_, '_>) {
        let mut exchanges = std::mem::take(room.scratch);
        for exchange in exchanges.drain(..) {
            if exchange.response.is_none() {
                self.finish(&exchange, room);
                continue;
            }
            if self.settling.len() >= MAX_SETTLING {
                room.budget.counts.not_awaited += 1;
                self.finish_oldest(room);
            }
            self.settling.end().push(exchange);
        }
        *room.scratch = exchanges;
    }

    /// Finishes the requests whose answers the client has acknowledged.
    #[inline]
    pub(super) fn settle(&mut self, heard: &Heard<'_, '_>, room: &mut Room<'_, '_>) {
        let Some(client) = self.client else { return };
        let acked = self.directions[client.other() as usize].acked();
        let is_delivered = |exchange: &Exchange| {
            exchange.response.is_none_or(|response| response.offset + response.len <= acked)
        };
        if self.settling.front().is_some_and(is_delivered) {
            self.learn_way(heard);
            self.finish_while(is_delivered, room);
        }
    }

    pub(super) fn settle_all(&mut self, room: &mut Room<'_, '_>) {
        self.finish_while(|_| true, room);
    }

    fn finish_oldest(&mut self, room: &mut Room<'_, '_>) {
        let mut settling = std::mem::take(&mut self.settling);
        if let Some(oldest) = settling.front() {
            self.finish(oldest, room);
            settling.step();
        }
        settling.tidy();
        self.settling = settling;
    }

    /// Finishes the oldest answered requests as long as they are such.
    fn finish_while(&mut self, is_such: impl Fn(&Exchange) -> bool, room: &mut Room<'_, '_>) {
        let mut settling = std::mem::take(&mut self.settling);
        while let Some(exchange) = settling.front().filter(|exchange| is_such(exchange)) {
            self.finish(exchange, room);
            settling.step();
        }
        settling.tidy();
        self.settling = settling;
    }

    /// The least round trip towards the server, where the handshake gave one that no thinking is in.
    pub(super) fn learn_way(&mut self, heard: &Heard<'_, '_>) {
        let Some(view) = heard.table.view(heard.slot) else { return };
        let client = self.client.filter(|_| view.handshake().server_rtt().is_some());
        if let Some(way) = client.and_then(|client| view.least_round_trip(client)) {
            self.way = way;
        }
    }

    fn finish(&mut self, exchange: &Exchange, room: &mut Room<'_, '_>) {
        let (Some(client), Some(protocol)) = (self.client, self.protocol()) else { return };
        let [low, high] = &self.directions;
        let around = Circumstances {
            client,
            way: self.way,
            handshake: self.handshake.take(),
            troubles: &self.troubles,
            sizes: [low.sizes(), high.sizes()],
        };
        let spent = spent(exchange, &around);
        if !self.troubles.is_empty() {
            self.troubles.forget_before(exchange.request.extent.start);
        }
        let tuple = self.key.tuple_from(client);
        let (at, interface) = (room.out.now, self.interface);
        let spent = spent.as_ref();
        let is_datagram = false;
        room.out.take(&Measurement { at, tuple, interface, protocol, is_datagram, exchange, spent });
    }
}
