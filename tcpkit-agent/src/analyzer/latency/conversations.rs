//! The conversations of one shard, by the slots of its flows: nobody looks anything up twice.

use super::{
    analyzer::RequestAnalyzer,
    conversation::{Conversation, Heard, Room},
    counts::RequestCounts,
    datagrams::Datagrams,
    direction::Budget,
    outlet::Outlet,
    settings::RequestSettings,
};
use crate::{
    flow::{FlowKey, FlowTable, Left, StreamStep},
    protocol::Exchange,
    time::Timestamp,
    wire::Segment,
};

/// Nobody has looked yet.
const UNDECIDED: u32 = 0;
/// Nobody listens, or not any more.
const DEAF: u32 = u32::MAX;

/// Conversations that go on, and pairs of ports, that a look at them all takes in.
const LOOKED_AT: usize = 1_024;

/// The conversations of one shard.
#[derive(Debug)]
pub struct Conversations {
    pub(super) settings: RequestSettings,
    /// By the slot of the flow: [`UNDECIDED`], [`DEAF`], or the place of its conversation, counted from 1.
    places: Vec<u32>,
    list: Vec<Option<Conversation>>,
    free: Vec<u32>,
    pub(super) datagrams: Datagrams,
    pub(super) budget: Budget,
    pub(super) scratch: Vec<Exchange>,
}

/// A segment that the flow table has taken.
#[derive(Clone, Copy, Debug)]
pub struct TakenSegment<'w, 'a> {
    /// The segment.
    pub segment: &'w Segment<'a>,
    /// Where its flow is kept.
    pub slot: u32,
    /// When it was captured.
    pub at: Timestamp,
    /// Octets of payload of each packet on the wire that it stands for, but the last.
    pub segment_size: u32,
    /// What happened to the streams meanwhile.
    pub steps: &'w [StreamStep],
}

impl Conversations {
    /// None yet; `settings` are this shard's.
    #[must_use]
    pub fn new(settings: RequestSettings) -> Self {
        let budget = Budget {
            max_held: settings.limits.held,
            max_waiting: settings.limits.waiting,
            ..Budget::default()
        };
        Self {
            datagrams: Datagrams::default(),
            settings,
            places: Vec::new(),
            list: Vec::new(),
            free: Vec::new(),
            budget,
            scratch: Vec::new(),
        }
    }

    /// Goes on with other settings: whoever was not listened to is looked at again, at its next octets; what is
    /// listened to goes on, whatever its ports.
    pub fn change(&mut self, settings: RequestSettings) {
        if self.settings != settings {
            self.settings = settings;
            self.places.iter_mut().filter(|place| **place == DEAF).for_each(|place| *place = UNDECIDED);
        }
    }

    /// Whether datagrams are listened to.
    #[must_use]
    pub const fn hears_datagrams(&self) -> bool {
        self.settings.udp
    }

    /// Takes a segment. Flows that have left must have been told before.
    #[inline]
    pub fn on_segment(&mut self, taken: &TakenSegment<'_, '_>, table: &FlowTable, out: &mut Outlet<'_>) {
        let place = self.places.get(taken.slot as usize).copied().unwrap_or(UNDECIDED);
        match place {
            DEAF => {}
            UNDECIDED if taken.segment.payload_len == 0 => {}
            UNDECIDED => self.on_first(taken, table, out),
            place => self.hear(place, taken, table, out),
        }
    }

    /// Flows have left their places.
    pub fn on_left(&mut self, left: &[Left], out: &mut Outlet<'_>) {
        for Left { slot, at } in left {
            let Some(place) = self.places.get_mut(*slot as usize) else { continue };
            let place = std::mem::replace(place, UNDECIDED);
            let Some(mut conversation) = self.take(place) else { continue };
            let Self { settings, budget, scratch, .. } = self;
            conversation.on_left(*at, &mut Room { settings, budget, scratch, out });
        }
    }

    /// Adds what is known of conversations that still go on to the sums, of the first `LOOKED_AT` of them: whoever
    /// asks keeps frames waiting. What the others could not read counts when they are over.
    pub fn add_to(&self, sums: &mut RequestAnalyzer) {
        sums.counts.merge(&self.budget.counts);
        let dialogues = self.list.iter().take(LOOKED_AT).flatten().filter_map(Conversation::dialogue);
        for (protocol, dialogue) in dialogues.chain(self.datagrams.dialogues().take(LOOKED_AT)) {
            sums.on_open_dialogue(protocol, dialogue.counts());
        }
    }

    /// Forgets the counts that [`add_to`](Self::add_to) has added: they were handed over.
    pub fn forget_counts(&mut self) {
        self.budget.counts = RequestCounts::default();
    }

    #[cold]
    fn on_first(&mut self, taken: &TakenSegment<'_, '_>, table: &FlowTable, out: &mut Outlet<'_>) {
        let Some(view) = table.view(taken.slot) else { return };
        let place = match Conversation::begin(&view, &self.settings) {
            Some(conversation) => self.put(conversation),
            None => DEAF,
        };
        let slot = taken.slot as usize;
        if slot >= self.places.len() {
            self.places.resize(slot + 1 + slot / 32, UNDECIDED);
        }
        self.places[slot] = place;
        if place != DEAF {
            self.hear(place, taken, table, out);
        }
    }

    fn hear(&mut self, place: u32, taken: &TakenSegment<'_, '_>, table: &FlowTable, out: &mut Outlet<'_>) {
        let Self { settings, list, budget, scratch, .. } = self;
        let Some(conversation) = list.get_mut(place as usize - 1).and_then(Option::as_mut) else { return };
        let TakenSegment { segment, slot, at, segment_size, steps } = *taken;
        let sender = conversation.sender(segment.tuple.source_port);
        let sender = sender.unwrap_or_else(|| FlowKey::of(&segment.tuple).1);
        let heard = Heard { segment, sender, at, segment_size, steps, table, slot };
        conversation.on_segment(&heard, &mut Room { settings, budget, scratch, out });
        if conversation.is_done() {
            self.take(place);
            self.places[taken.slot as usize] = DEAF;
        }
    }

    fn put(&mut self, conversation: Conversation) -> u32 {
        let limit = self.settings.limits.conversations as usize;
        if self.list.len() - self.free.len() >= limit {
            self.budget.counts.refused += 1;
            return DEAF;
        }
        self.budget.counts.conversations += 1;
        self.budget.counts.turned_round += u64::from(conversation.is_turned_round());
        if let Some(place) = self.free.pop() {
            self.list[place as usize - 1] = Some(conversation);
            return place;
        }
        self.list.push(Some(conversation));
        u32::try_from(self.list.len()).unwrap_or(DEAF)
    }

    /// Takes a conversation out.
    fn take(&mut self, place: u32) -> Option<Conversation> {
        let conversation = self.list.get_mut((place as usize).checked_sub(1)?)?.take()?;
        self.free.push(place);
        Some(conversation)
    }
}
