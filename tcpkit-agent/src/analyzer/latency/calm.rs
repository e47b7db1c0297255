//! The commonest segment of a conversation: the next octets, or none, while nothing waits for others.

use super::{
    conversation::{Conversation, Heard, Room, State},
    direction::Direction,
};
use crate::{time::Span, wire::TcpFlags};

/// What begins a connection or ends it.
const EVENTFUL: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0);

impl Conversation {
    /// Takes such a segment as [`on_any`](Self::on_any) does. False where it is not one: then that is to be asked, and
    /// nothing was done that it does not do again.
    #[inline]
    pub(super) fn on_calm(&mut self, heard: &Heard<'_, '_>, room: &mut Room<'_, '_>) -> bool {
        let segment = heard.segment;
        let has_payload = segment.payload_len > 0;
        let is_plain = segment.flags.contains(TcpFlags::ACK) && !segment.flags.intersects(EVENTFUL);
        let own = &self.directions[heard.sender as usize];
        if !is_plain
            || !heard.steps.is_empty()
            || !matches!(self.state, State::Talking(..))
            || !self.directions.iter().all(Direction::is_calm)
            || has_payload && !own.expects(segment.seq)
        {
            return false;
        }
        let peer = &mut self.directions[heard.sender.other() as usize];
        peer.on_acknowledgement(segment.ack, heard.at);
        if !peer.is_calm() {
            return false;
        }
        let settling = self.settling.len();
        if settling > 0 {
            self.settle(heard, room);
        }
        if has_payload {
            let piece = self.directions[heard.sender as usize].on_expected(heard.payload());
            self.hear(heard.sender, &piece, room);
        }
        if !self.settling.is_empty() && self.way == Span(0) {
            self.learn_way(heard);
        }
        if has_payload || self.settling.len() != settling {
            self.note_waiting(heard, room);
        }
        true
    }
}
