//! tcpkit at work on both ends of a bed while a workload runs.

use std::{fs, path::PathBuf};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::bed::Bed;
use crate::live::Live;

/// Captures that have begun.
#[derive(Debug)]
pub struct Capturing<'a> {
    live: Vec<(Live<'a>, Captured)>,
}

/// What one of them left.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The capture file, with `gso_size` in it.
    pub file: PathBuf,
    log: PathBuf,
}

impl<'a> Capturing<'a> {
    /// Begins at the client's and at the server's `eth0`; the files come into this folder.
    ///
    /// # Panics
    /// If tcpkit does not start.
    #[must_use]
    pub fn start(bed: &'a Bed, folder: &std::path::Path) -> Self {
        let live = [("client", &bed.client), ("server", &bed.server)].map(|(name, namespace)| {
            let captured = Captured {
                file: folder.join(format!("{name}.pcapng")),
                log: folder.join(format!("{name}.flows")),
            };
            let [file, log] = [&captured.file, &captured.log].map(|path| path.display().to_string());
            let words = ["-i", "eth0", "--hook", "tc", "--json", "-w", &file, "--flow-log", &log];
            (Live::start(namespace, &words), captured)
        });
        Self { live: live.into() }
    }

    /// Ends them; the client's first.
    ///
    /// # Errors
    /// When one of them lost a frame: what it says then is no verdict on the engine.
    ///
    /// # Panics
    /// If tcpkit fails.
    pub fn stop(self) -> Result<[Captured; 2]> {
        let [client, server] =
            <[_; 2]>::try_from(self.live).expect("there are two").map(|(live, captured)| {
                let report = live.end(libc::SIGINT).success().json();
                (report["completeness"].clone(), captured)
            });
        for (completeness, captured) in [&client, &server] {
            ensure!(*completeness == 1.0, "{}: completeness {completeness}", captured.file.display());
        }
        Ok([client.1, server.1])
    }
}

impl Captured {
    /// The records that tcpkit wrote live.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn flow_log(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.log)?;
        Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }
}
