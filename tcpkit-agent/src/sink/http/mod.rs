//! The endpoint: reports, flows, events and metrics by HTTP.
//!
//! `paths` has every path and `/openapi.json` tells of them; `/` is the page. What there is not, or is asked wrongly, is
//! a problem of RFC 9457. A connection on which nothing is asked gets what `/stats` answers; on a Unix socket, tcpeek's
//! lines are answered too.
//! A client cannot slow the capture: reports are asked for at most ten times a second, listings one at a time, readers
//! of events lose what they are too slow for, and connections are bounded in number, header size and time (see
//! [`limits`]).

mod answer;
mod bare;
mod events;
mod first;
mod life;
pub mod limits;
mod openapi;
mod page;
mod paths;
mod problem;
mod query;
mod routes;
mod serve;
mod source;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use tokio::{runtime, sync::watch};

use super::{flows::FlowSource, socket};
pub use bare::StatsAnswer;
pub use events::EventHub;
pub use first::LineAnswer;
pub use source::{Health, ReportRequest, ReportRequests, ReportSource, Unavailable, report_channel};

/// An address that the endpoint has, but does not serve yet.
#[derive(Debug)]
pub struct Endpoint {
    listener: Bound,
    place: Place,
}

/// Where an endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What an endpoint serves.
#[derive(Clone)]
pub struct Served {
    /// Reports.
    pub reports: ReportSource,
    /// Listings of flows.
    pub flows: FlowSource,
    /// How the capture is.
    pub health: Health,
    /// The statistics of git-hulk/tcpkit.
    pub statistics: StatsAnswer,
    /// Answers to tcpeek's lines, on a Unix socket.
    pub lines: LineAnswer,
    /// Events, as they happen.
    pub events: EventHub,
    /// Servers and commands that metrics tell apart (`--metrics-top`).
    pub top: usize,
}

/// The endpoint cannot have its address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place}")]
pub struct BindError {
    /// Where.
    pub place: Place,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

impl BindError {
    /// Whether someone else has the address: of no consequence where it was only the default.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

impl Endpoint {
    /// Takes the place; port 0 takes any free one, and a socket file that nobody listens to any more is replaced.
    ///
    /// # Errors
    /// [`BindError`]: busy, not ours, or not permitted.
    pub fn bind(place: &Place) -> Result<Self, BindError> {
        Self::take(place).map_err(|source| BindError { place: place.clone(), source })
    }

    fn take(place: &Place) -> io::Result<Self> {
        match place {
            Place::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let place = Place::Tcp(listener.local_addr()?);
                Ok(Self { listener: Bound::Tcp(listener), place })
            }
            Place::Unix(path) => {
                Ok(Self { listener: Bound::Unix(socket::listen(path)?), place: place.clone() })
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Serves on a thread of its own until the [`Serving`] is dropped.
    ///
    /// # Errors
    /// No thread or no event loop can be had.
    pub fn spawn(self, served: Served) -> io::Result<Serving> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (stop, stopped) = watch::channel(false);
        let listener = {
            let _inside = runtime.enter();
            match self.listener {
                Bound::Tcp(listener) => serve::Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
                Bound::Unix(listener) => serve::Listener::Unix(tokio::net::UnixListener::from_std(listener)?),
            }
        };
        let bare = bare::Bare { reports: served.reports.clone(), statistics: Arc::clone(&served.statistics) };
        let lines = Arc::clone(&served.lines);
        let app = routes::router(Arc::new(served), stopped.clone());
        let service = serve::Service { app, bare, lines, stopped };
        let thread = thread::Builder::new()
            .name("endpoint".into())
            .spawn(move || runtime.block_on(serve::run(listener, service)))?;
        Ok(Serving { place: self.place, stop, thread: Some(thread) })
    }
}

/// An endpoint that serves; dropping it finishes what is being answered, and stops.
#[derive(Debug)]
pub struct Serving {
    place: Place,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _already_reported_by_the_panic_hook = thread.join();
        }
        if let Place::Unix(path) = &self.place {
            remove(path);
        }
    }
}

/// Where that is not permitted, the next start replaces the file.
fn remove(path: &Path) {
    let _stays = std::fs::remove_file(path);
}
