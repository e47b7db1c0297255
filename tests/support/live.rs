//! `tcpkit` capturing live inside a namespace, asked and told through what users have: its endpoint and signals.

use std::{
    ffi::OsStr,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{
    netns::Namespace,
    run::{Outcome, Run, Running, tcpkit},
    wait::{patience, until},
};

/// Where the endpoint is unless told otherwise.
pub const ENDPOINT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 33_333);

/// A capture that has begun.
#[derive(Debug)]
pub struct Live<'a> {
    namespace: &'a Namespace,
    endpoint: SocketAddr,
    running: Running,
}

/// A run of `tcpkit` inside a namespace, not begun.
pub fn inside<I: IntoIterator<Item: AsRef<OsStr>>>(namespace: &Namespace, words: I) -> Run {
    tcpkit(words).inside(["ip", "netns", "exec", namespace.name()]).deadline(patience(60))
}

impl<'a> Live<'a> {
    /// Starts it with these words and waits until it captures, which its endpoint tells.
    ///
    /// # Panics
    /// If it ends before that, with what it said.
    pub fn start(namespace: &'a Namespace, words: &[&str]) -> Self {
        Self::at(namespace, ENDPOINT, words)
    }

    /// As [`start`](Self::start), with its endpoint elsewhere.
    ///
    /// # Panics
    /// If it ends before it captures, with what it said.
    pub fn at(namespace: &'a Namespace, endpoint: SocketAddr, words: &[&str]) -> Self {
        Self::changed(namespace, endpoint, words, |run| run)
    }

    /// As [`at`](Self::at), run as `change` will have it, which knows the run inside the namespace.
    ///
    /// # Panics
    /// If it ends before it captures, with what it said.
    pub fn changed(
        namespace: &'a Namespace,
        endpoint: SocketAddr,
        words: &[&str],
        change: impl FnOnce(Run) -> Run,
    ) -> Self {
        let mut run = words.to_vec();
        let listen = format!("--stats-listen={endpoint}");
        if endpoint != ENDPOINT {
            run.push(&listen);
        }
        let mut running = change(inside(namespace, run)).start();
        let mut ended = false;
        let ready = until(patience(30), || {
            ended = running.has_ended();
            ended || get(namespace, endpoint, "/healthz").is_ok_and(|(status, _)| status == 200)
        });
        if ended || !ready {
            running.signal(libc::SIGTERM);
            panic!("no capture: {:?}", running.wait());
        }
        Self { namespace, endpoint, running }
    }

    /// What the endpoint answers.
    ///
    /// # Panics
    /// If it does not answer with 200 and JSON.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = get(self.namespace, self.endpoint, path).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// Its process.
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Ends it with this signal.
    #[must_use]
    pub fn end(mut self, signal: i32) -> Outcome {
        self.running.signal(signal);
        self.running.wait()
    }

    /// Waits for its own end.
    #[must_use]
    pub fn wait(self) -> Outcome {
        self.running.wait()
    }
}

/// One HTTP request inside a namespace: the status and the body.
///
/// # Errors
/// When nobody answers, or not with HTTP.
pub fn get(namespace: &Namespace, address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = namespace.enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)))??;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    ensure!(status.is_some() && body.is_some(), "no HTTP: {answer:?}");
    Ok((status.unwrap_or_default(), body.unwrap_or_default()))
}
