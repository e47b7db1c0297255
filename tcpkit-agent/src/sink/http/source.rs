//! Where the endpoint's answers come from: the pipeline, through a channel, and a note of its health.

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, oneshot},
    time::{Instant, timeout},
};

use super::limits;
use crate::report::Report;

/// A channel from those who want reports to the one who makes them.
#[must_use]
pub fn report_channel() -> (ReportSource, ReportRequests) {
    let (sender, receiver) = crossbeam_channel::bounded(REQUESTS);
    (ReportSource { requests: sender, last: Arc::default(), bell: None }, receiver)
}

/// What the pipeline receives; it may wait for it together with its other channels.
pub type ReportRequests = Receiver<ReportRequest>;

/// Someone wants a report, as things stand now.
#[derive(Debug)]
pub struct ReportRequest {
    reply: oneshot::Sender<Report>,
}

impl ReportRequest {
    /// Hands the report over; that the asker went away meanwhile is of no consequence.
    pub fn answer(self, report: Report) {
        let _asker_went_away = self.reply.send(report);
    }
}

/// Gets reports from the pipeline; clones share one that is at most [`limits::REPORT_AGE`] old.
#[derive(Clone, Debug)]
pub struct ReportSource {
    requests: Sender<ReportRequest>,
    bell: Option<Arc<Notify>>,
    last: Arc<AsyncMutex<Option<Made>>>,
}

/// A report and when it was made.
#[derive(Debug)]
struct Made {
    at: Instant,
    report: Arc<Report>,
}

/// Why there is no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The pipeline ended.
    #[error("the capture has ended")]
    Ended,
    /// The pipeline did not answer in time.
    #[error("the capture is too busy for a report")]
    Busy,
}

impl ReportSource {
    /// Has this bell rung whenever somebody asks, for whoever does not wait for the channel itself.
    #[must_use]
    pub fn with_bell(self, bell: Arc<Notify>) -> Self {
        Self { bell: Some(bell), ..self }
    }

    /// The report as things stand, or as they stood [`limits::REPORT_AGE`] ago.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn report(&self) -> Result<Arc<Report>, Unavailable> {
        // Whoever waits for the lock gets the report that its holder asked for: a thousand clients cost one report.
        let mut last = self.last.lock().await;
        if let Some(made) = last.as_ref().filter(|made| made.at.elapsed() < limits::REPORT_AGE) {
            return Ok(Arc::clone(&made.report));
        }
        let report = Arc::new(self.ask().await?);
        *last = Some(Made { at: Instant::now(), report: Arc::clone(&report) });
        Ok(report)
    }

    async fn ask(&self) -> Result<Report, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(ReportRequest { reply }).map_err(|error| match error {
            TrySendError::Full(_) => Unavailable::Busy,
            TrySendError::Disconnected(_) => Unavailable::Ended,
        })?;
        self.bell.iter().for_each(|bell| bell.notify_one());
        match timeout(limits::REPORT_TIMEOUT, answer).await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(_)) => Err(Unavailable::Ended),
            Err(_) => Err(Unavailable::Busy),
        }
    }
}

/// How the capture is; clones share one note.
#[derive(Clone, Debug)]
pub struct Health {
    trouble: Arc<Mutex<Option<String>>>,
}

impl Health {
    /// A capture that has not begun.
    #[must_use]
    pub fn starting() -> Self {
        Self { trouble: Arc::new(Mutex::new(Some("starting".to_owned()))) }
    }

    /// The capture runs.
    pub fn set_capturing(&self) {
        *self.note() = None;
    }

    /// The capture does not run, for this reason.
    pub fn set_trouble(&self, reason: impl Into<String>) {
        *self.note() = Some(reason.into());
    }

    /// Why the capture does not run; `None` while it does.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.note().clone()
    }

    /// A thread that panicked while it held the note left a whole note behind.
    fn note(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Askers other than the endpoint (a signal) may come at the same time.
const REQUESTS: usize = 8;
