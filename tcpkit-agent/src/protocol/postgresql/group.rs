//! The extended protocol: messages that make one request, and what they are about.

use super::{PostgreSql, Turn, Waiting};
use crate::protocol::{
    Exchange, Extent, Piece, Text,
    sql::{Dialect, Statement, grow, until_nul},
};

/// Messages of the extended protocol up to an `Execute`, a `Sync` or a `Flush`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    statement: Statement,
    /// What would be executed.
    about: Option<Statement>,
    extent: Extent,
    due: u32,
    executes: bool,
}

/// Octets of the shortest `Bind`, `Execute` and `Sync`.
const SHORTEST_EXECUTION: u64 = 13 + 10 + 5;

impl PostgreSql {
    /// A message of the extended protocol that has an answer of its own.
    pub(super) fn on_message(&mut self, kind: u8, extent: Extent, out: &mut Vec<Exchange>) {
        let about = self.statement_of(kind);
        let statement = match kind {
            b'P' => about.by(b"PREPARE"),
            b'B' => about.by(b"BIND"),
            _ => about,
        };
        let group =
            self.group.get_or_insert(Group { statement, about: None, extent, due: 0, executes: false });
        if let b'P' | b'B' = kind {
            group.about = Some(about);
        }
        grow(&mut group.extent, &extent);
        group.due += 1;
        if kind == b'E' {
            (group.statement, group.executes) = (statement, true);
            self.end_group(out);
        }
    }

    /// What a message is about, remembered for those that refer to it.
    fn statement_of(&mut self, kind: u8) -> Statement {
        let body = self.client.reader.body();
        let (first, rest) = until_nul(body);
        match kind {
            b'P' => {
                let statement = statement(rest);
                self.prepared.insert(Text::of(first), statement);
                statement
            }
            b'B' => {
                let name = Text::of(until_nul(rest).0);
                let statement =
                    self.prepared.get(&name).copied().unwrap_or_else(|| unknown(b"EXECUTE", &name));
                self.portals.insert(Text::of(first), statement);
                statement
            }
            b'E' => {
                let portal = Text::of(first);
                self.portals.get(&portal).copied().unwrap_or_else(|| unknown(b"EXECUTE", &portal))
            }
            _ => self.named_by_kind(kind),
        }
    }

    /// `Describe` and `Close` tell whether they are about a statement or a portal.
    fn named_by_kind(&mut self, kind: u8) -> Statement {
        let (which, name) = self.client.reader.body().split_first().unwrap_or((&b'S', &[]));
        let name = Text::of(until_nul(name).0);
        let is_portal = *which == b'P';
        let known = if is_portal { self.portals.get(&name) } else { self.prepared.get(&name) };
        let command: &[u8] = if kind == b'D' { b"DESCRIBE" } else { b"CLOSE" };
        let statement = known.map_or_else(|| unknown(command, &name), |known| known.by(command));
        match (kind, is_portal) {
            (b'C', true) => self.portals.remove(&name),
            (b'C', false) => self.prepared.remove(&name),
            _ => {}
        }
        statement
    }

    pub(super) fn on_sync(&mut self, extent: Extent, out: &mut Vec<Exchange>) {
        let sync = Statement::named(b"SYNC", &[]);
        if let Some(mut group) = self.group.take() {
            grow(&mut group.extent, &extent);
            group.due += 1;
            return self.close_with(&group, Turn::Batch { syncs: true }, out);
        }
        let swallowed = std::mem::take(&mut self.swallows_sync);
        match self.waiting.back_mut() {
            Some((request, Waiting { turn: Turn::Batch { .. }, .. })) if swallowed => {
                grow(&mut request.extent, &extent);
            }
            Some((request, waiting)) if waiting.turn == (Turn::Batch { syncs: false }) => {
                grow(&mut request.extent, &extent);
                waiting.turn = Turn::Batch { syncs: true };
                waiting.due += 1;
            }
            _ => {
                let waiting = Waiting { turn: Turn::Batch { syncs: true }, due: 1, executes: false };
                self.ask(&sync, extent, waiting, out);
            }
        }
    }

    pub(super) fn end_group(&mut self, out: &mut Vec<Exchange>) {
        if let Some(group) = self.group.take() {
            self.close(&group, out);
        }
    }

    pub(super) fn close(&mut self, group: &Group, out: &mut Vec<Exchange>) {
        self.close_with(group, Turn::Batch { syncs: false }, out);
    }

    fn close_with(&mut self, group: &Group, turn: Turn, out: &mut Vec<Exchange>) {
        let waiting = Waiting { turn, due: group.due, executes: group.executes };
        self.ask(&group.statement, group.extent, waiting, out);
    }
}

/// What becomes of requests whose thread was lost.
impl PostgreSql {
    /// The rest of the piece belongs to the batch in it, which a `Sync` ends, as every batch does.
    pub(super) fn lose_client(&mut self, piece: &Piece<'_>, out: &mut Vec<Exchange>) {
        self.client.is_lost = true;
        if let Some(mut group) = self.group.take() {
            let rest = piece.offset + u64::from(piece.len) - (group.extent.offset + group.extent.len);
            if let Some(about) = group.about
                && rest >= SHORTEST_EXECUTION
            {
                group.statement = about;
            }
            self.close_with(&group, Turn::UntilReady, out);
        } else if let Some((_, waiting)) = self.waiting.back_mut()
            && waiting.turn == (Turn::Batch { syncs: false })
        {
            waiting.turn = Turn::UntilReady;
        }
        self.on_unread_request(piece);
    }

    /// A piece that nobody can read belongs to the request before it, unless that is being answered.
    pub(super) fn on_unread_request(&mut self, piece: &Piece<'_>) {
        let extent =
            Extent { start: piece.at, end: piece.at, offset: piece.offset, len: u64::from(piece.len) };
        if self.answer.extent.is_none()
            && let Some((request, _)) = self.waiting.back_mut()
        {
            grow(&mut request.extent, &extent);
        }
    }
}

pub(super) fn statement(text: &[u8]) -> Statement {
    let end = memchr::memchr(0, text);
    Statement::read(&text[..end.unwrap_or(text.len())], end.is_some(), Dialect::PostgreSql)
}

/// What was prepared before the capture began: `EXECUTE name`.
fn unknown(command: &[u8], name: &Text<64>) -> Statement {
    let mut statement = Statement::named(command, name.octets());
    statement.key = Text::new();
    statement
}
