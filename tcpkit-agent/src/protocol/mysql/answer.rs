//! What a server answers: packets until the command has all that was asked for.
//!
//! MySQL, "Text Resultset", `COM_STMT_PREPARE` and `COM_STMT_EXECUTE` responses, `OK_Packet`, `ERR_Packet`, `EOF_Packet`.
//! Whether columns end with an EOF packet was settled at the login; where that was not captured, the packets show it.

use super::{
    body::{
        CURSOR_EXISTS, EOF, EOF_LEN, ERR, LOCAL_INFILE, MORE_RESULTS, MOST_COLUMNS, OK, PROGRESS, ends_rows,
        eof_flags, ok_flags, status_of_error,
    },
    command::Expect,
    packet::{Packet, variable},
};
use crate::protocol::{Extent, Text, sql::begin_or_grow};

/// What a connection's login settled of its answers; `None` where that is not known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settled {
    /// Columns end with an EOF packet, and so do rows (no `CLIENT_DEPRECATE_EOF`).
    pub(super) eofs: Option<bool>,
    /// Result sets begin with an octet that tells whether columns are described.
    pub(super) optional_metadata: bool,
}

/// What a packet is to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A part of it.
    GoesOn,
    /// Its end.
    Ends,
    /// None of it: the server waits for the client's file.
    Interim,
    /// None of it: progress.
    Push,
    /// It cannot be a part of it.
    Contradicts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The first packet of an answer, or of its next result.
    #[default]
    First,
    /// The client sends a file.
    Upload,
    /// Columns of a result set.
    Columns { left: u32 },
    /// The EOF behind the columns, where there is one, or the first row.
    Behind,
    /// Rows.
    Rows,
    /// Parameters of a prepared statement, then its columns.
    Parameters { left: u32, columns: u32 },
    /// The EOF behind the parameters, where there is one.
    BehindParameters { columns: u32 },
    /// The columns of a prepared statement.
    Described { left: u32 },
    /// The EOF behind them.
    BehindDescribed,
}

/// The answer that is being given.
#[derive(Debug, Default)]
pub(super) struct Answer {
    stage: Stage,
    /// As much of it as there is.
    pub(super) extent: Option<Extent>,
    /// Number of its last packet, where the next one must follow it.
    pub(super) sequence: Option<u8>,
    /// `OK`, or the error.
    pub(super) status: Text<24>,
    /// The command failed.
    pub(super) is_error: bool,
    /// A statement was prepared by this number.
    pub(super) prepared: Option<u32>,
}

impl Answer {
    /// One of which nothing was read.
    pub(super) fn unread(extent: Extent) -> Self {
        Self { extent: Some(extent), ..Self::default() }
    }

    /// Whether the client's packets are a file that it was asked for.
    pub(super) fn is_upload(&self) -> bool {
        self.stage == Stage::Upload
    }

    /// The client has sent the whole file.
    pub(super) fn on_uploaded(&mut self, last_sequence: u8) {
        self.stage = Stage::First;
        self.sequence = Some(last_sequence);
    }

    /// Hears the server's next packet.
    pub(super) fn on_packet(
        &mut self,
        expect: &Expect,
        packet: &Packet<'_>,
        settled: &mut Settled,
    ) -> Verdict {
        let follows = self.sequence.is_none_or(|last| packet.sequence == last.wrapping_add(1));
        if !follows && *expect != Expect::Login {
            return Verdict::Contradicts;
        }
        let verdict = self.judge(expect, packet, settled);
        if verdict == Verdict::Contradicts {
            return verdict;
        }
        self.sequence = Some(packet.last_sequence);
        match verdict {
            Verdict::Interim => self.extent = None,
            Verdict::Push if self.extent.is_none() => {}
            _ => begin_or_grow(&mut self.extent, &packet.extent),
        }
        if verdict == Verdict::Ends && self.status.is_empty() {
            self.status = Text::of(b"OK");
        }
        verdict
    }

    fn judge(&mut self, expect: &Expect, packet: &Packet<'_>, settled: &mut Settled) -> Verdict {
        if *expect == Expect::Text {
            return Verdict::Ends;
        }
        let Some(first) = packet.body.first() else { return self.unseen(expect, packet, settled) };
        if *first == ERR {
            return self.error(packet.body);
        }
        match (expect, self.stage) {
            (Expect::Login, _) if *first != OK => Verdict::GoesOn,
            (Expect::Fields, _) if !ends_rows(packet) => Verdict::GoesOn,
            (Expect::Rows, Stage::First) => {
                self.stage = Stage::Rows;
                self.row(packet)
            }
            (Expect::Prepared(_), Stage::First) => self.prepared(packet, settled),
            (Expect::Results, Stage::First) => self.result(packet, settled),
            (_, Stage::First) => Verdict::Ends,
            (_, Stage::Upload) => Verdict::Contradicts,
            (_, Stage::Rows) => self.row(packet),
            (_, stage) => self.definitions(stage, packet, settled),
        }
    }

    /// A packet of which nothing was captured but its header.
    fn unseen(&mut self, expect: &Expect, packet: &Packet<'_>, settled: &mut Settled) -> Verdict {
        match (expect, self.stage) {
            (_, Stage::Rows) => Verdict::GoesOn,
            (_, Stage::Columns { .. } | Stage::Parameters { .. } | Stage::Described { .. }) => {
                self.definitions(self.stage, packet, settled)
            }
            (Expect::One, _) if packet.len > 0 => Verdict::Ends,
            _ => Verdict::Contradicts,
        }
    }

    fn error(&mut self, body: &[u8]) -> Verdict {
        let code = body.get(1..3).map(|code| u16::from(code[0]) | u16::from(code[1]) << 8);
        if code == Some(PROGRESS) {
            return Verdict::Push;
        }
        self.status = status_of_error(body);
        self.is_error = true;
        Verdict::Ends
    }

    /// The first packet of what a query gives.
    fn result(&mut self, packet: &Packet<'_>, settled: &Settled) -> Verdict {
        match packet.body[0] {
            OK => self.end_of_result(ok_flags(packet.body)),
            EOF if packet.len < 9 => Verdict::Ends,
            LOCAL_INFILE => {
                self.stage = Stage::Upload;
                Verdict::Interim
            }
            _ => self.columns(packet, settled),
        }
    }

    /// How many columns there are, and whether they are described.
    fn columns(&mut self, packet: &Packet<'_>, settled: &Settled) -> Verdict {
        let (flag, count) = match packet.body.split_first() {
            Some((flag, count)) if settled.optional_metadata && *flag < 2 => (Some(*flag), count),
            _ => (None, packet.body),
        };
        let Some((columns, rest)) = variable(count) else { return Verdict::Contradicts };
        // MariaDB puts the flag behind the number.
        let flag = flag.or(rest.first().copied());
        let Ok(columns) = u32::try_from(columns) else { return Verdict::Contradicts };
        if columns == 0 || columns > MOST_COLUMNS || packet.len > 5 {
            return Verdict::Contradicts;
        }
        let are_described = flag != Some(0);
        self.stage = if are_described { Stage::Columns { left: columns } } else { Stage::Behind };
        Verdict::GoesOn
    }

    fn row(&mut self, packet: &Packet<'_>) -> Verdict {
        if !ends_rows(packet) {
            return Verdict::GoesOn;
        }
        let flags = if packet.len == EOF_LEN { eof_flags(packet.body) } else { ok_flags(packet.body) };
        self.end_of_result(flags)
    }

    /// A result is complete: the last one, unless the server says that there are more.
    fn end_of_result(&mut self, flags: Option<u16>) -> Verdict {
        self.stage = Stage::First;
        if flags.unwrap_or_default() & MORE_RESULTS == 0 { Verdict::Ends } else { Verdict::GoesOn }
    }

    fn prepared(&mut self, packet: &Packet<'_>, settled: &Settled) -> Verdict {
        let Some(&[OK, n0, n1, n2, n3, c0, c1, p0, p1]) = packet.body.first_chunk() else {
            return Verdict::Contradicts;
        };
        self.prepared = Some(u32::from_le_bytes([n0, n1, n2, n3]));
        let columns = u32::from(u16::from_le_bytes([c0, c1]));
        let left = u32::from(u16::from_le_bytes([p0, p1]));
        let are_described = !settled.optional_metadata || packet.body.get(12) != Some(&0);
        if !are_described {
            return Verdict::Ends;
        }
        if left > 0 {
            self.stage = Stage::Parameters { left, columns };
            return Verdict::GoesOn;
        }
        self.described(columns)
    }

    fn described(&mut self, columns: u32) -> Verdict {
        self.stage = Stage::Described { left: columns };
        if columns == 0 { Verdict::Ends } else { Verdict::GoesOn }
    }

    /// Definitions of columns and parameters, and what stands behind them.
    fn definitions(&mut self, stage: Stage, packet: &Packet<'_>, settled: &mut Settled) -> Verdict {
        let is_eof = packet.len == EOF_LEN && packet.body.first() == Some(&EOF);
        match stage {
            Stage::Columns { left } => {
                self.stage = if left > 1 { Stage::Columns { left: left - 1 } } else { Stage::Behind };
                Verdict::GoesOn
            }
            Stage::Behind if is_eof => {
                settled.eofs.get_or_insert(true);
                let flags = eof_flags(packet.body);
                if flags.unwrap_or_default() & CURSOR_EXISTS != 0 {
                    return self.end_of_result(flags);
                }
                self.stage = Stage::Rows;
                Verdict::GoesOn
            }
            Stage::Behind => {
                settled.eofs.get_or_insert(false);
                self.stage = Stage::Rows;
                self.row(packet)
            }
            Stage::Parameters { left, columns } if left > 1 => {
                self.stage = Stage::Parameters { left: left - 1, columns };
                Verdict::GoesOn
            }
            Stage::Parameters { columns, .. } => match settled.eofs {
                Some(false) => self.described(columns),
                None if columns == 0 => Verdict::Ends,
                _ => {
                    self.stage = Stage::BehindParameters { columns };
                    Verdict::GoesOn
                }
            },
            Stage::BehindParameters { columns } if is_eof => {
                settled.eofs.get_or_insert(true);
                self.described(columns)
            }
            Stage::BehindParameters { columns } => {
                settled.eofs.get_or_insert(false);
                self.definitions(Stage::Described { left: columns }, packet, settled)
            }
            Stage::Described { left } if left > 1 => self.described(left - 1),
            Stage::Described { .. } if settled.eofs == Some(true) => {
                self.stage = Stage::BehindDescribed;
                Verdict::GoesOn
            }
            _ => Verdict::Ends,
        }
    }
}
