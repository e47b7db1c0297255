//! tcpeek's answers on the endpoint's Unix socket, in a run that is no tcpeek: its counts without filters.

use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;

use super::{PeekLines, outlet::Shared};
use crate::{
    cli::{Config, Input, ListenAt, View},
    report::Report,
    sink::{http::LineAnswer, socket::Request, write_stderr},
    source::live::addresses,
    view::peek::{Options, Own, Peek, Received},
};

/// Who counts sessions, and who tells of them.
pub(in crate::agent) struct SocketLines {
    /// Takes the sessions.
    pub(in crate::agent) sessions: PeekLines,
    /// Answers lines.
    pub(in crate::agent) answer: LineAnswer,
}

/// Whether sessions are counted for a Unix socket.
pub(in crate::agent) fn is_wanted(config: &Config) -> bool {
    let is_unix = |at: &ListenAt| matches!(at, ListenAt::Unix(_));
    !matches!(config.view, View::Peek(_))
        && config.output.listen.as_ref().is_some_and(|listen| is_unix(&listen.address))
}

/// The counts of a run whose endpoint is a Unix socket.
///
/// # Errors
/// The view refuses to begin.
pub(in crate::agent) fn of(config: &Config) -> anyhow::Result<Option<SocketLines>> {
    if !is_wanted(config) {
        return Ok(None);
    }
    let watched = match &config.input {
        Input::Live(live) => Some(live.interfaces.clone()),
        Input::Files(_) => None,
    };
    let own = watched.as_deref().map_or(Own::All, own);
    let options = Options { own, lines: false, icmp: true, zone: TimeZone::UTC };
    let peek = Peek::new(&[], options).map_err(|error| anyhow::anyhow!("{error}"))?;
    let peek = Shared(Arc::new(Mutex::new(peek)));
    let is_live = watched.is_some();
    let sessions = PeekLines::new(peek.clone(), false, config.shards as usize, is_live, watched)?;
    let answer: LineAnswer = Arc::new(move |request, report: &Report| match request {
        Request::Get => peek.lock().totals_json(Received::of(report)),
        Request::Refresh => peek.lock().refresh_json(),
    });
    Ok(Some(SocketLines { sessions, answer }))
}

/// Whose sessions come in, and whose go out, where that is known.
fn own(interfaces: &[String]) -> Own {
    match addresses(interfaces) {
        Ok(own) => Own::only(own),
        Err(error) => {
            write_stderr(&format!(
                "tcpkit: warning: the interfaces' addresses are not known: {error}; the Unix socket counts every session as RX and TX"
            ));
            Own::All
        }
    }
}

/// No line comes by TCP.
pub(in crate::agent) fn nobody() -> LineAnswer {
    Arc::new(|_, _| String::new())
}
