//! The endpoint: reports by HTTP for scrapers.
//!
//! `GET /` (the page), `GET /api/v1/report`, `GET /api/v1/ledger` (JSON, `?pretty` for people), `GET /healthz`, and `GET /stats` in the
//! shapes of git-hulk/tcpkit; anything else is a 404 or 405 as JSON. A connection on which nothing is asked gets what
//! `/stats` answers.
//! A client cannot slow the capture: reports are asked for at most ten times a second, and connections are bounded in
//! number, header size and time (see [`limits`]).

mod bare;
pub mod limits;
mod page;
mod routes;
mod serve;
mod source;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    thread,
};

use tokio::{runtime, sync::watch};

pub use bare::StatsAnswer;
pub use source::{Health, ReportRequest, ReportRequests, ReportSource, Unavailable, report_channel};

/// An address that the endpoint has, but does not serve yet.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
}

/// The endpoint cannot have its address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// Which address.
    pub address: SocketAddr,
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
    /// Takes the address; port 0 takes any free one.
    ///
    /// # Errors
    /// [`BindError`]: busy, not ours, or not permitted.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let error = |source| BindError { address, source };
        let listener = TcpListener::bind(address).map_err(error)?;
        listener.set_nonblocking(true).map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on a thread of its own until the [`Serving`] is dropped.
    ///
    /// # Errors
    /// No thread or no event loop can be had.
    pub fn spawn(
        self,
        reports: ReportSource,
        health: Health,
        statistics: StatsAnswer,
    ) -> io::Result<Serving> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (stop, stopped) = watch::channel(false);
        let address = self.address;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener)?
        };
        let bare = bare::Bare { reports: reports.clone(), statistics: statistics.clone() };
        let app = routes::router(reports, health, statistics);
        let thread = thread::Builder::new()
            .name("endpoint".into())
            .spawn(move || runtime.block_on(serve::run(listener, app, bare, stopped)))?;
        Ok(Serving { address, stop, thread: Some(thread) })
    }
}

/// An endpoint that serves; dropping it finishes what is being answered, and stops.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _already_reported_by_the_panic_hook = thread.join();
        }
    }
}
