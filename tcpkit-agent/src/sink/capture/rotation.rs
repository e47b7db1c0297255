//! When a new file begins and how it is called, as tcpdump does it (tcpdump(1), -C, -G and -w).
//!
//! By size, files are `name`, `name1`, `name2`, …; by time, `name` is a format for strftime(3). With both, a new
//! interval begins a new name, and the files within it are counted. Time is capture time, so that a replay writes the
//! same files. A name without a `%` is counted also by time, where tcpdump overwrites the file; a name with one that
//! comes again overwrites the file.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use jiff::{fmt::strtime, tz::TimeZone};

use super::error::{WriteError, WriteErrorKind};
use crate::time::{Span, Timestamp};

/// Decides on rotation and names the files.
pub(super) struct Rotation {
    template: PathBuf,
    bytes: Option<u64>,
    interval: Option<Span>,
    /// When the interval began: with the first frame in it.
    began: Option<Timestamp>,
    /// Files of the interval before this one.
    count: u32,
}

impl Rotation {
    /// Rotates when a file has more than `bytes` bytes, and after `interval`.
    pub(super) fn new(template: &Path, bytes: Option<u64>, interval: Option<Span>) -> Self {
        Self { template: template.to_owned(), bytes, interval, began: None, count: 0 }
    }

    /// Whether the frame of this time begins a new file, the present one having `len` bytes.
    pub(super) fn is_due(&mut self, time: Timestamp, len: u64) -> bool {
        let began = *self.began.get_or_insert(time);
        if self.interval.is_some_and(|interval| time.since(began) >= interval) {
            self.began = Some(time);
            // Without a time in it, the same name would come again and overwrite the file.
            self.count = if self.tells_time() { 0 } else { self.count.saturating_add(1) };
            return true;
        }
        if self.bytes.is_some_and(|bytes| len > bytes) {
            self.count = self.count.saturating_add(1);
            return true;
        }
        false
    }

    fn tells_time(&self) -> bool {
        self.template.as_os_str().as_encoded_bytes().contains(&b'%')
    }

    /// Whether the first file's name depends on the first frame's time.
    pub(super) const fn names_by_time(&self) -> bool {
        self.interval.is_some()
    }

    /// The name of the file that begins with a frame of this time.
    pub(super) fn name(&self, time: Timestamp) -> Result<PathBuf, WriteError> {
        let mut name = match self.interval {
            Some(_) => self.formatted(self.began.unwrap_or(time))?,
            None => self.template.clone().into_os_string(),
        };
        if self.count > 0 {
            name.push(self.count.to_string());
        }
        Ok(name.into())
    }

    /// The template with the local time filled in.
    fn formatted(&self, time: Timestamp) -> Result<OsString, WriteError> {
        let wrong = |reason: String| {
            WriteError::new(
                &self.template.display().to_string(),
                WriteErrorKind::Name,
                format!("this is no name with a time format ({reason})"),
                "see strftime(3); write % as %%",
            )
        };
        let Some(template) = self.template.to_str() else {
            return Err(wrong("it is not UTF-8".to_owned()));
        };
        let seconds = time.0.div_euclid(1_000_000_000);
        let time = jiff::Timestamp::from_second(seconds).map_err(|error| wrong(error.to_string()))?;
        let text = strtime::format(template, &time.to_zoned(TimeZone::system()));
        text.map(OsString::from).map_err(|error| wrong(error.to_string()))
    }
}
