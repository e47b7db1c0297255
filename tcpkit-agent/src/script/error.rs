//! What a script does wrong, each in one line.

use std::{io, path::PathBuf};

/// A script that cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("cannot read the script {path}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Lua refuses it, or its top level failed: file, line and reason.
    #[error("the script cannot run: {0}")]
    Lua(String),
    /// It defines none of the functions that are called.
    #[error(
        "{path}: defines no function that tcpkit calls: define process(packet), on_request(request), on_flow(flow) or on_handshake(handshake)",
        path = path.display()
    )]
    NoFunction {
        /// Which.
        path: PathBuf,
    },
}

/// What Lua says, in one line: file, line and message, without the trace of calls.
pub(super) fn one_line(error: &mlua::Error) -> String {
    let innermost = match error {
        mlua::Error::CallbackError { cause, .. } => cause,
        other => other,
    };
    let text = innermost.to_string();
    let lines = text.lines().take_while(|line| !line.starts_with("stack traceback"));
    let line = lines.collect::<Vec<_>>().join(" ");
    for kind in ["runtime error: ", "syntax error: "] {
        if let Some(rest) = line.strip_prefix(kind) {
            return rest.to_owned();
        }
    }
    line
}
