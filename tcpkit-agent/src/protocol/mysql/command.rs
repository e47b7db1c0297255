//! What a client asks for: one octet that names the command, and its arguments.
//!
//! MySQL, "Command Phase"; MariaDB's `COM_STMT_BULK_EXECUTE` beside it.

use super::{
    login,
    packet::{Packet, begins},
};
use crate::protocol::{
    Piece, Text,
    sql::{Dialect, MOST_PREPARED, Prepared, Statement, until_nul},
};

/// What the answer looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// OK or an error, perhaps after more of a login.
    Login,
    /// One packet: OK, an error, the end of something.
    One,
    /// One packet of text, whatever it begins with.
    Text,
    /// Result sets, or one packet.
    Results,
    /// The numbers of a prepared statement, and the columns; what was prepared.
    Prepared(Box<Statement>),
    /// Rows of a result set that is open.
    Rows,
    /// Columns.
    Fields,
    /// Events for ever.
    Events,
    /// None.
    Nothing,
}

/// A command as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its names.
    pub(super) statement: Statement,
    /// Its answer.
    pub(super) expect: Expect,
}

/// What a connection was told before, as far as commands rest on it.
#[derive(Debug, Default)]
pub(super) struct Memory {
    prepared: Prepared<u32, MOST_PREPARED>,
    /// The newest one, whose number may not be known yet.
    newest: Option<Statement>,
    /// Statements have attributes before their text.
    pub(super) has_attributes: bool,
}

impl Memory {
    /// The server gave a prepared statement its number.
    pub(super) fn learn(&mut self, number: u32, statement: Statement) {
        self.prepared.insert(number, statement);
    }

    fn known(&self, number: Option<u32>) -> Option<&Statement> {
        match number? {
            NEWEST => self.newest.as_ref(),
            number => self.prepared.get(&number),
        }
    }

    fn by(&self, command: &[u8], number: Option<u32>) -> Statement {
        self.known(number).map_or_else(|| unknown(command, number), |statement| statement.by(command))
    }
}

/// MariaDB: the statement that was prepared last.
const NEWEST: u32 = u32::MAX;

mod code {
    pub(super) const QUIT: u8 = 1;
    pub(super) const INIT_DB: u8 = 2;
    pub(super) const QUERY: u8 = 3;
    pub(super) const FIELD_LIST: u8 = 4;
    pub(super) const STATISTICS: u8 = 9;
    pub(super) const PROCESS_INFO: u8 = 10;
    pub(super) const CHANGE_USER: u8 = 17;
    pub(super) const BINLOG_DUMP: u8 = 18;
    pub(super) const PREPARE: u8 = 22;
    pub(super) const EXECUTE: u8 = 23;
    pub(super) const SEND_LONG_DATA: u8 = 24;
    pub(super) const CLOSE: u8 = 25;
    pub(super) const RESET: u8 = 26;
    pub(super) const FETCH: u8 = 28;
    pub(super) const BINLOG_DUMP_GTID: u8 = 30;
    pub(super) const RESET_CONNECTION: u8 = 31;
    pub(super) const BULK_EXECUTE: u8 = 250;
}

/// Reads a command; `None` where it is none.
pub(super) fn read(packet: &Packet<'_>, memory: &mut Memory) -> Option<Asked> {
    let (command, arguments) = packet.body.split_first()?;
    let name = name(*command)?;
    let number = arguments.first_chunk().map(|number| u32::from_le_bytes(*number));
    let (statement, expect) = match *command {
        code::QUERY => (text(memory.text_of(arguments), packet), Expect::Results),
        code::PREPARE => {
            let statement = text(arguments, packet);
            memory.newest = Some(statement);
            (statement.by(name), Expect::Prepared(Box::new(statement)))
        }
        code::EXECUTE | code::BULK_EXECUTE => {
            let known = memory.known(number).copied();
            (known.unwrap_or_else(|| unknown(name, number)), Expect::Results)
        }
        code::FETCH => (memory.by(name, number), Expect::Rows),
        code::RESET => (memory.by(name, number), Expect::One),
        code::SEND_LONG_DATA => (memory.by(name, number), Expect::Nothing),
        code::CLOSE => {
            let statement = memory.by(name, number);
            memory.prepared.remove(&number.unwrap_or(NEWEST));
            (statement, Expect::Nothing)
        }
        code::CHANGE_USER => {
            memory.forget();
            (login::change_user(arguments), Expect::Login)
        }
        code::RESET_CONNECTION => {
            memory.forget();
            (Statement::named(name, &[]), Expect::One)
        }
        code::INIT_DB..=6 => (Statement::named(name, until_nul(arguments).0), expect(*command)),
        _ => (Statement::named(name, &[]), expect(*command)),
    };
    Some(Asked { statement, expect })
}

impl Memory {
    fn forget(&mut self) {
        self.prepared.clear();
        self.newest = None;
    }

    /// The text of a query behind its attributes: number of them, number of sets, and where there are any, more that
    /// is not read. Where the login was not captured, no text begins with a NUL.
    fn text_of<'a>(&self, arguments: &'a [u8]) -> &'a [u8] {
        match arguments {
            [0, 1, text @ ..] => text,
            _ if !self.has_attributes => arguments,
            _ => &[],
        }
    }
}

/// Whether a command may begin with this piece, for one who knows nothing of what came before.
pub(super) fn may_begin(piece: &Piece<'_>) -> bool {
    let Some(packet) = begins(piece, 0, &[0]) else { return false };
    let Some((command, arguments)) = packet.body.split_first() else { return false };
    let len = packet.len - 1;
    let is_text = || match arguments {
        [0, 1, first, ..] => is_text(*first),
        [first, ..] => is_text(*first),
        [] => !packet.is_whole(),
    };
    name(*command).is_some()
        && match *command {
            code::QUERY | code::PREPARE | code::INIT_DB => len > 0 && is_text(),
            code::EXECUTE => len >= 9,
            code::SEND_LONG_DATA | code::BULK_EXECUTE => len >= 6,
            code::CLOSE | code::RESET => len == 4,
            code::FETCH => len == 8,
            code::FIELD_LIST | code::CHANGE_USER | code::BINLOG_DUMP | code::BINLOG_DUMP_GTID => len > 0,
            5..=8 | 12 | 21 | 27 => len <= 256,
            _ => len == 0,
        }
}

/// Whether a piece begins with a statement, as hardly anything else does.
pub(super) fn begins_with_statement(piece: &Piece<'_>) -> bool {
    begins(piece, 0, &[0]).is_some_and(|packet| {
        if !matches!(packet.body.first(), Some(&(code::QUERY | code::PREPARE))) {
            return false;
        }
        let statement = text(Memory::default().text_of(&packet.body[1..]), &packet);
        !matches!(statement.command.octets(), b"" | b"QUERY" | b"OTHER")
    })
}

const fn is_text(octet: u8) -> bool {
    octet >= b' ' && octet != 0x7f || octet.is_ascii_whitespace()
}

fn expect(command: u8) -> Expect {
    match command {
        code::QUIT => Expect::Nothing,
        code::FIELD_LIST => Expect::Fields,
        code::STATISTICS => Expect::Text,
        code::PROCESS_INFO => Expect::Results,
        code::BINLOG_DUMP | code::BINLOG_DUMP_GTID => Expect::Events,
        _ => Expect::One,
    }
}

fn text(text: &[u8], packet: &Packet<'_>) -> Statement {
    let statement = Statement::read(text, packet.is_whole(), Dialect::MySql);
    if statement.command.is_empty() {
        Statement { command: Text::of(b"QUERY"), ..statement }
    } else {
        statement
    }
}

/// A statement whose preparation was not captured: `EXECUTE #3`.
fn unknown(command: &[u8], number: Option<u32>) -> Statement {
    let mut statement = Statement::named(command, &[]);
    if let Some(number) = number {
        statement.label.push(format!(" #{number}").as_bytes());
    }
    statement
}

/// Whether clients send this.
pub(super) const fn is_command(command: u8) -> bool {
    name(command).is_some()
}

/// `COM_…` without its prefix; `None` for what clients do not send.
const fn name(command: u8) -> Option<&'static [u8]> {
    Some(match command {
        code::QUIT => b"QUIT",
        code::INIT_DB => b"INIT_DB",
        code::QUERY => b"QUERY",
        code::FIELD_LIST => b"FIELD_LIST",
        5 => b"CREATE_DB",
        6 => b"DROP_DB",
        7 => b"REFRESH",
        8 => b"SHUTDOWN",
        code::STATISTICS => b"STATISTICS",
        code::PROCESS_INFO => b"PROCESS_INFO",
        12 => b"PROCESS_KILL",
        13 => b"DEBUG",
        14 => b"PING",
        code::CHANGE_USER => b"CHANGE_USER",
        code::BINLOG_DUMP => b"BINLOG_DUMP",
        21 => b"REGISTER_SLAVE",
        code::PREPARE => b"PREPARE",
        code::EXECUTE => b"EXECUTE",
        code::SEND_LONG_DATA => b"SEND_LONG_DATA",
        code::CLOSE => b"CLOSE",
        code::RESET => b"RESET",
        27 => b"SET_OPTION",
        code::FETCH => b"FETCH",
        code::BINLOG_DUMP_GTID => b"BINLOG_DUMP_GTID",
        code::RESET_CONNECTION => b"RESET_CONNECTION",
        code::BULK_EXECUTE => b"BULK_EXECUTE",
        _ => return None,
    })
}
