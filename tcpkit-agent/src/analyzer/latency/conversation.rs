//! One connection that is listened to: from its segments to its requests.
//!
//! An answered request is kept until the client has acknowledged its answer, because delivery ends a request for its
//! client, not the first copy of its last octet: a copy that is lost behind the capture point costs the client time.

use super::{
    counts::RequestCounts,
    direction::{Budget, Direction, Late, Payload},
    outlet::Outlet,
    recognition::{Recognition, Scene, Verdict},
    settings::{Interest, RequestSettings},
    settling::Settling,
    trouble::Troubles,
};
use crate::{
    flow::{FlowKey, FlowTable, FlowView, Side, StreamStep, StreamStepKind},
    protocol::{Carrier, Dialogue, Exchange, Party, Piece, Protocol, open},
    time::{Span, Timestamp},
    wire::{InterfaceId, Segment, TcpFlags},
};

/// A segment of a conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard<'w, 'a> {
    pub(super) segment: &'w Segment<'a>,
    pub(super) sender: Side,
    /// When it was captured.
    pub(super) at: Timestamp,
    /// Octets of each packet on the wire that it stands for.
    pub(super) segment_size: u32,
    /// What it did to the streams of its flow, among others.
    pub(super) steps: &'w [StreamStep],
    pub(super) table: &'w FlowTable,
    /// Where the flow is in it.
    pub(super) slot: u32,
}

impl<'a> Heard<'_, 'a> {
    #[inline]
    pub(super) const fn payload(&self) -> Payload<'a> {
        let Self { segment, at, segment_size, .. } = *self;
        Payload { at, len: segment.payload_len, segment_size, bytes: segment.payload }
    }
}

/// What a shard lends to a conversation while it hears something.
#[derive(Debug)]
pub(super) struct Room<'w, 'o> {
    pub(super) settings: &'w RequestSettings,
    pub(super) budget: &'w mut Budget,
    /// Empty between uses.
    pub(super) scratch: &'w mut Vec<Exchange>,
    pub(super) out: &'w mut Outlet<'o>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) key: FlowKey,
    pub(super) interface: InterfaceId,
    /// Who asks, where that is known.
    pub(super) client: Option<Side>,
    /// Whom the flow infers to be the client.
    inferred: Side,
    /// The flow's handshake, until the first request is over.
    pub(super) handshake: Option<Span>,
    /// Least round trip between capture point and server; zero where it is not known.
    pub(super) way: Span,
    pub(super) state: State,
    pub(super) directions: [Direction; 2],
    /// Answered requests whose answers are not delivered.
    pub(super) settling: Settling,
    pub(super) troubles: Troubles,
    /// Requests that wait, as far as the budget knows.
    waiting: usize,
}

#[derive(Debug)]
pub(super) enum State {
    /// Nobody knows yet what is spoken.
    Recognising(Recognition),
    Talking(Protocol, Box<dyn Dialogue + Send>),
    /// Nothing more is said, or nobody listens.
    Over(Option<Protocol>),
}

impl Conversation {
    /// A conversation that is listened to, if anybody wants to.
    pub(super) fn begin(view: &FlowView<'_>, settings: &RequestSettings) -> Option<Self> {
        let (flow, handshake) = (view.flow(), view.handshake());
        let opener = handshake.is_seen().then(|| flow.client());
        let client = match settings.interest(flow.key(), opener) {
            Interest::None => return None,
            Interest::Client(client) => Some(client),
            Interest::Unknown => None,
        };
        let mut conversation = Self {
            key: *flow.key(),
            interface: flow.interface,
            client,
            inferred: flow.client(),
            handshake: handshake.duration(),
            way: Span(0),
            state: State::Recognising(Recognition::default()),
            directions: Default::default(),
            settling: Settling::default(),
            troubles: Troubles::default(),
            waiting: 0,
        };
        for side in [Side::Low, Side::High] {
            if let Some(first) = view.first_octet(side) {
                conversation.directions[side as usize].begin(first);
            }
        }
        let at_port = client.and_then(|client| settings.protocol_at(flow.key(), client.other()));
        if let Some(protocol) = at_port {
            conversation.state = talking(protocol)?;
        }
        Some(conversation)
    }

    /// Who sends a segment with this source port, where its ends have different ones.
    #[inline]
    pub(super) const fn sender(&self, source_port: u16) -> Option<Side> {
        let (low, high) = (self.key.port(Side::Low), self.key.port(Side::High));
        if low == high {
            return None;
        }
        Some(if source_port == low { Side::Low } else { Side::High })
    }

    /// Whether nothing more can come of it.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Over(_)) && self.settling.is_empty()
    }

    /// Whether its client is not the one that its flow infers.
    pub(super) fn is_turned_round(&self) -> bool {
        self.client.is_some_and(|client| client != self.inferred)
    }

    /// What could not be read so far, and in which protocol, while it goes on.
    pub(super) fn dialogue(&self) -> Option<(Protocol, &dyn Dialogue)> {
        match &self.state {
            State::Talking(protocol, dialogue) => Some((*protocol, &**dialogue)),
            State::Recognising(_) | State::Over(_) => None,
        }
    }

    /// Takes a segment.
    #[inline]
    pub(super) fn on_segment(&mut self, heard: &Heard<'_, '_>, room: &mut Room<'_, '_>) {
        if !self.on_calm(heard, room) {
            self.on_any(heard, room);
        }
    }

    /// Takes any segment.
    fn on_any(&mut self, heard: &Heard<'_, '_>, room: &mut Room<'_, '_>) {
        let Heard { segment, sender, at, .. } = *heard;
        let settling = self.settling.len();
        if !heard.steps.is_empty() {
            self.note_troubles(heard);
        }
        if segment.flags.contains(TcpFlags::ACK) {
            self.directions[sender.other() as usize].on_acknowledgement(segment.ack, at);
            if !self.settling.is_empty() {
                self.settle(heard, room);
            }
        }
        if segment.flags.contains(TcpFlags::RST) {
            return self.on_reset(heard, room);
        }
        if segment.payload_len > 0 && !matches!(self.state, State::Over(_)) {
            self.on_payload(heard, room);
        }
        if segment.flags.contains(TcpFlags::FIN) {
            let start = segment.seq.advanced(u32::from(segment.flags.contains(TcpFlags::SYN)));
            self.directions[sender as usize].on_fin(start.advanced(segment.payload_len));
        }
        let is_calm = self.directions.iter().all(Direction::is_calm);
        if !is_calm {
            self.on_disorder(at, room);
        }
        if !self.settling.is_empty() && self.way == Span(0) {
            self.learn_way(heard);
        }
        if !is_calm || segment.payload_len > 0 || self.settling.len() != settling {
            self.note_waiting(heard, room);
        }
    }

    /// Something waits for octets before it, or a direction comes to its end.
    #[cold]
    fn on_disorder(&mut self, at: Timestamp, room: &mut Room<'_, '_>) {
        if self.directions.iter().any(Direction::is_waiting) {
            self.release(at, false, room);
        }
        self.end_directions(at, room);
    }

    /// The flow has left its place: nothing comes any more.
    pub(super) fn on_left(&mut self, at: Timestamp, room: &mut Room<'_, '_>) {
        self.release(at, true, room);
        self.hear_on_hint(room);
        for party in [Party::Client, Party::Server] {
            self.end(party, at, room);
        }
        self.over(false, room);
        self.settle_all(room);
        self.forget(room);
    }

    fn on_payload(&mut self, heard: &Heard<'_, '_>, room: &mut Room<'_, '_>) {
        let segment = heard.segment;
        let start = segment.seq.advanced(u32::from(segment.flags.contains(TcpFlags::SYN)));
        let payload = heard.payload();
        let waits = self.directions[heard.sender.other() as usize].gap_since().is_some();
        let direction = &mut self.directions[heard.sender as usize];
        if let Some(piece) = direction.on_payload(start, payload, waits, room.budget) {
            self.hear(heard.sender, &piece, room);
        }
    }

    /// The connection was torn down.
    fn on_reset(&mut self, heard: &Heard<'_, '_>, room: &mut Room<'_, '_>) {
        self.learn_way(heard);
        self.hear_on_hint(room);
        self.over(true, room);
        self.settle_all(room);
        self.forget(room);
    }

    /// Hears what was kept and may be heard now, in the order in which it was captured.
    fn release(&mut self, at: Timestamp, is_over: bool, room: &mut Room<'_, '_>) {
        loop {
            let [low, high] = &self.directions;
            let (low_gap, high_gap) = (low.gap_since(), high.gap_since());
            let side = match (low.ready(at, high_gap, is_over), high.ready(at, low_gap, is_over)) {
                (None, None) => return,
                (Some(low), Some(high)) if high < low => Side::High,
                (None, Some(_)) => Side::High,
                (Some(_), _) => Side::Low,
            };
            let Some(late) = self.directions[side as usize].release(at, is_over, room.budget) else { return };
            self.hear(side, &Late::piece(&late), room);
        }
    }

    pub(super) fn hear(&mut self, sender: Side, piece: &Piece<'_>, room: &mut Room<'_, '_>) {
        match &mut self.state {
            State::Talking(_, dialogue) => {
                let is_client = self.client == Some(sender);
                let from = if is_client { Party::Client } else { Party::Server };
                let waiting = self.settling.len();
                dialogue.on_piece(from, piece, self.settling.end());
                let told = self.settling.len() - waiting;
                if told > 0 {
                    self.look_over(told, room);
                }
            }
            State::Recognising(_) => self.recognise(sender, piece, room),
            State::Over(_) => {}
        }
    }

    #[cold]
    fn recognise(&mut self, sender: Side, piece: &Piece<'_>, room: &mut Room<'_, '_>) {
        let State::Recognising(recognition) = &mut self.state else { return };
        let Self { key, client, .. } = self;
        let scene = Scene { settings: room.settings, key, client: *client, carrier: Carrier::Stream };
        match recognition.on_piece(sender, piece, &scene) {
            Verdict::Known(protocol, client) => {
                let said = std::mem::take(recognition);
                self.talk(protocol, client, &mut room.budget.counts);
                self.hear_again(said, room);
                self.hear(sender, piece, room);
            }
            Verdict::Begins(protocol, client) => {
                self.talk(protocol, client, &mut room.budget.counts);
                self.hear(sender, piece, room);
            }
            Verdict::Listen => recognition.keep(sender, piece),
            Verdict::Unknown => {
                room.budget.counts.unrecognised += 1;
                self.state = State::Over(None);
                self.forget(room);
            }
        }
    }

    /// Nothing more comes that could tell what is spoken: the port decides.
    fn hear_on_hint(&mut self, room: &mut Room<'_, '_>) {
        let State::Recognising(recognition) = &mut self.state else { return };
        let said = std::mem::take(recognition);
        if said.is_empty() {
            return;
        }
        match room.settings.suggestion(&self.key, self.client) {
            Some((protocol, client)) => {
                self.talk(protocol, client, &mut room.budget.counts);
                self.hear_again(said, room);
            }
            None => room.budget.counts.unrecognised += 1,
        }
    }

    fn hear_again(&mut self, recognition: Recognition, room: &mut Room<'_, '_>) {
        for said in recognition.into_said() {
            self.hear(said.sender, &said.piece(), room);
        }
    }

    fn talk(&mut self, protocol: Protocol, client: Side, counts: &mut RequestCounts) {
        if self.client.replace(client).is_none() {
            counts.turned_round += u64::from(self.is_turned_round());
        }
        self.state = talking(protocol).unwrap_or(State::Over(None));
    }

    /// Ends the directions whose last octet was heard, and the conversation with both.
    fn end_directions(&mut self, at: Timestamp, room: &mut Room<'_, '_>) {
        for side in [Side::Low, Side::High] {
            if self.directions[side as usize].ends() {
                let is_client = self.client == Some(side);
                self.end(if is_client { Party::Client } else { Party::Server }, at, room);
            }
        }
        if self.directions.iter().all(Direction::is_ended) {
            self.hear_on_hint(room);
            self.over(false, room);
        }
    }

    fn end(&mut self, from: Party, at: Timestamp, room: &mut Room<'_, '_>) {
        if let State::Talking(_, dialogue) = &mut self.state {
            dialogue.on_end(from, at, room.scratch);
            self.take_exchanges(room);
        }
    }

    fn over(&mut self, is_lost: bool, room: &mut Room<'_, '_>) {
        let State::Talking(protocol, dialogue) = &mut self.state else { return };
        let protocol = *protocol;
        dialogue.on_over(is_lost, room.scratch);
        room.out.sums.on_dialogue(protocol, dialogue.counts());
        self.take_exchanges(room);
        self.state = State::Over(Some(protocol));
    }

    pub(super) const fn protocol(&self) -> Option<Protocol> {
        match &self.state {
            State::Talking(protocol, _) => Some(*protocol),
            State::Over(protocol) => *protocol,
            State::Recognising(_) => None,
        }
    }

    /// What the segment did to the streams, as far as it delays requests.
    #[cold]
    fn note_troubles(&mut self, heard: &Heard<'_, '_>) {
        let segment = heard.segment;
        for step in heard.steps.iter().filter(|step| step.flow == self.key) {
            let direction = &self.directions[step.sender as usize];
            match step.kind {
                StreamStepKind::Retransmitted { cause, segments, since, .. } => {
                    let from = direction.offset_of(segment.seq);
                    self.troubles.on_retransmission(step.sender, from, (cause, segments), since, heard.at);
                }
                StreamStepKind::Revised { from, to, segments } => {
                    self.troubles.on_revision(step.sender, from, to, segments);
                }
                StreamStepKind::Stalled(stall) => {
                    self.troubles.on_stall(step.sender, direction.edge(), stall);
                }
                _ => {}
            }
        }
    }

    /// Tells the budget how much waits here; where it is too much, nobody listens any more.
    pub(super) fn note_waiting(&mut self, heard: &Heard<'_, '_>, room: &mut Room<'_, '_>) {
        let pending = self.dialogue().map_or(0, |(_, dialogue)| dialogue.pending());
        let waiting = pending + self.settling.len();
        room.budget.waiting = room.budget.waiting + waiting - self.waiting;
        self.waiting = waiting;
        if room.budget.waiting > room.budget.max_waiting && waiting > 0 {
            room.budget.counts.given_up += 1;
            self.learn_way(heard);
            self.over(false, room);
            self.settle_all(room);
            self.forget(room);
        }
    }

    /// Gives memory back.
    fn forget(&mut self, room: &mut Room<'_, '_>) {
        room.budget.waiting -= self.waiting;
        self.waiting = 0;
        self.directions.iter_mut().for_each(|direction| direction.clear(room.budget));
    }
}

/// `None` where the protocol is not spoken over streams.
fn talking(protocol: Protocol) -> Option<State> {
    open(protocol, Carrier::Stream).map(|dialogue| State::Talking(protocol, dialogue))
}
