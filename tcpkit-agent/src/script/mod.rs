//! The user's Lua script (`-S`): `process(packet)` for each packet, as git-hulk/tcpkit has it, and `on_request`,
//! `on_flow` and `on_handshake` for what was analysed.
//!
//! The language is Lua 5.2 with its own libraries but `debug`, and without modules written in C. A state is made by
//! [`Script::load`], which runs the script's top level; whoever wants a state for each worker loads one for each.
//! An error of the script is told once for each place, counted, and stops nothing; a call that takes more instructions
//! than it may is cut off, and that is counted as well.

mod budget;
mod error;
mod packet;
#[cfg(test)]
mod tests;

pub use error::ScriptError;
pub use packet::Servers;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use mlua::{Function, Lua, LuaSerdeExt as _, serde::SerializeOptions};
use serde::Serialize;

use crate::wire::{Frame, Packet};
use budget::Budget;

/// A call may take this many Lua instructions unless asked otherwise: some tens of milliseconds.
pub const BUDGET: u64 = 10_000_000;

/// What is run, and how far it may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptOptions {
    /// The script.
    pub path: PathBuf,
    /// Lua instructions that each call may take, and the top level a hundred times as many.
    pub budget: u64,
}

/// Which functions a script defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handlers {
    /// `process(packet)`.
    pub process: bool,
    /// `on_request(request)`.
    pub request: bool,
    /// `on_flow(flow)`.
    pub flow: bool,
    /// `on_handshake(handshake)`.
    pub handshake: bool,
}

/// What the calls of all states came to.
#[derive(Debug, Default)]
pub struct ScriptTally {
    packets: AtomicU64,
    calls: AtomicU64,
    errors: AtomicU64,
    cut_off: AtomicU64,
    /// Errors that were told: file, line and message.
    told: Mutex<BTreeSet<String>>,
}

/// One state of Lua with the script in it.
#[derive(Debug)]
pub struct Script {
    lua: Lua,
    process: Option<Function>,
    on_request: Option<Function>,
    on_flow: Option<Function>,
    on_handshake: Option<Function>,
    flush: Option<Function>,
    budget: Budget,
    servers: Servers,
    tally: Arc<ScriptTally>,
}

/// Standard output does not take what the script prints: its reader is gone, or its disk is full.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("standard output does not take what the script prints: {message}")]
pub struct OutputRefused {
    /// What the system says.
    pub message: String,
    /// The reader went away.
    pub is_closed: bool,
}

impl Script {
    /// Makes a state and runs the script's top level; `worker` is what `tcpkit.worker` will be.
    ///
    /// # Errors
    /// [`ScriptError`]: file not readable, wrong syntax, top level failed, nothing to call.
    pub fn load(
        options: &ScriptOptions,
        worker: u32,
        servers: Servers,
        tally: Arc<ScriptTally>,
    ) -> Result<Self, ScriptError> {
        let path = &options.path;
        let source = fs::read(path).map_err(|source| ScriptError::Read { path: path.clone(), source })?;
        let lua = Lua::new();
        prepare(&lua, options, worker, &source).map_err(|error| ScriptError::Lua(error::one_line(&error)))?;
        let function = |name: &str| lua.globals().raw_get::<Option<Function>>(name).ok().flatten();
        let budget = Budget::new(options.budget);
        budget.install(&lua).map_err(|error| ScriptError::Lua(error::one_line(&error)))?;
        let script = Self {
            process: function("process"),
            on_request: function("on_request"),
            on_flow: function("on_flow"),
            on_handshake: function("on_handshake"),
            flush: lua.load("return io.stdout:flush()").into_function().ok(),
            budget,
            servers,
            tally,
            lua,
        };
        if script.handlers() == Handlers::default() {
            return Err(ScriptError::NoFunction { path: path.clone() });
        }
        Ok(script)
    }

    /// Which functions there are.
    #[must_use]
    pub const fn handlers(&self) -> Handlers {
        Handlers {
            process: self.process.is_some(),
            request: self.on_request.is_some(),
            flow: self.on_flow.is_some(),
            handshake: self.on_handshake.is_some(),
        }
    }

    /// `process(packet)`, where the packet is TCP or UDP.
    pub fn process(&self, frame: &Frame<'_>, packet: &Packet<'_>) {
        let Some(process) = &self.process else { return };
        match packet::table(&self.lua, frame, packet, &self.servers) {
            Ok(None) => {}
            Ok(Some(table)) => {
                self.tally.packets.fetch_add(1, Relaxed);
                self.call(process, table);
            }
            Err(error) => self.tally.note_error(&error),
        }
    }

    /// `on_request(request)`, with the fields of the request log.
    pub fn on_request(&self, record: &impl Serialize) {
        self.tell(self.on_request.as_ref(), record);
    }

    /// `on_flow(flow)`, with the fields of the flow log.
    pub fn on_flow(&self, record: &impl Serialize) {
        self.tell(self.on_flow.as_ref(), record);
    }

    /// `on_handshake(handshake)`, with the fields of a handshake's record.
    pub fn on_handshake(&self, record: &impl Serialize) {
        self.tell(self.on_handshake.as_ref(), record);
    }

    /// Hands what the script printed to the system.
    ///
    /// # Errors
    /// [`OutputRefused`].
    pub fn flush(&self) -> Result<(), OutputRefused> {
        let Some(flush) = &self.flush else { return Ok(()) };
        // A script may have closed its standard output; that is its own affair.
        let Ok((well, message, number)) = flush.call::<(Option<bool>, Option<String>, Option<i32>)>(())
        else {
            return Ok(());
        };
        if well == Some(true) {
            return Ok(());
        }
        let is_closed = number == Some(libc::EPIPE);
        Err(OutputRefused { message: message.unwrap_or_default(), is_closed })
    }

    fn tell(&self, handler: Option<&Function>, record: &impl Serialize) {
        let Some(handler) = handler else { return };
        // What was not seen is nil, and the field is absent, as Lua has it.
        let options = SerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false);
        match self.lua.to_value_with(record, options) {
            Ok(value) => self.call(handler, value),
            Err(error) => self.tally.note_error(&error),
        }
    }

    fn call(&self, function: &Function, argument: impl mlua::IntoLuaMulti) {
        self.tally.calls.fetch_add(1, Relaxed);
        let outcome = self.budget.begin(&self.lua).and_then(|()| function.call::<()>(argument));
        if self.budget.is_used_up() {
            self.tally.cut_off.fetch_add(1, Relaxed);
            if let Err(error) = outcome {
                self.tally.tell(&error);
            }
        } else if let Err(error) = outcome {
            self.tally.note_error(&error);
        }
    }
}

impl ScriptTally {
    /// Counts for the report, by name.
    #[must_use]
    pub fn notes(&self) -> [(&'static str, u64); 4] {
        [
            ("script_packets", self.packets.load(Relaxed)),
            ("script_calls", self.calls.load(Relaxed)),
            ("script_errors", self.errors.load(Relaxed)),
            ("script_cut_off", self.cut_off.load(Relaxed)),
        ]
    }

    fn note_error(&self, error: &mlua::Error) {
        self.errors.fetch_add(1, Relaxed);
        self.tell(error);
    }

    /// Tells of an error, each once, and no more than a screen of them.
    fn tell(&self, error: &mlua::Error) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD {
            return;
        }
        let line = error::one_line(error);
        if told.insert(line.clone()) {
            tracing::warn!("script: {line}");
        }
    }
}

/// Errors that are told; all are counted.
const TOLD: usize = 20;

/// The top level may take this many times the budget of a call: it builds tables.
const TOP_LEVEL: u64 = 100;

/// Lua's own `print` hands each line to the system and does not look whether it was taken. This one leaves that to
/// [`Script::flush`], which does. A line is written at once, so that those of several workers do not mix.
const PRINT: &str = "
local out, concat, select, tostring = io.stdout, table.concat, select, tostring
out:setvbuf('full', 1048576)
function print(...)
  local words = {...}
  local count = select('#', ...)
  for i = 1, count do words[i] = tostring(words[i]) end
  out:write(concat(words, '\\t', 1, count) .. '\\n')
end
";

fn prepare(lua: &Lua, options: &ScriptOptions, worker: u32, source: &[u8]) -> mlua::Result<()> {
    let own = lua.create_table()?;
    own.raw_set("worker", worker)?;
    own.raw_set("version", env!("CARGO_PKG_VERSION"))?;
    lua.globals().raw_set("tcpkit", own)?;
    search_beside(lua, &options.path)?;
    lua.load(PRINT).set_name("=tcpkit").exec()?;
    Budget::new(options.budget.saturating_mul(TOP_LEVEL)).install(lua)?;
    lua.load(source).set_name(format!("@{}", options.path.display())).exec()
}

/// Modules are looked for beside the script, too.
fn search_beside(lua: &Lua, script: &Path) -> mlua::Result<()> {
    let Some(folder) = script.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let package: mlua::Table = lua.globals().get("package")?;
    let path: String = package.get("path")?;
    package.set("path", format!("{}/?.lua;{path}", folder.display()))
}
