//! Listings of flows for whoever asks while a capture runs: through a channel, as reports are.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use tokio::{
    sync::{Mutex, Notify, mpsc},
    time::{Instant, timeout_at},
};

use super::http::Unavailable;
use crate::report::flows::{FlowListing, FlowQuery, ShardListing};

/// A channel from those who want listings to the one who has them made.
#[must_use]
pub fn flow_channel() -> (FlowSource, FlowRequests) {
    let (sender, receiver) = crossbeam_channel::bounded(REQUESTS);
    (FlowSource { requests: sender, turn: Arc::default(), bell: None }, receiver)
}

/// What the pipeline receives.
pub type FlowRequests = Receiver<FlowRequest>;

/// Someone wants a listing: each worker answers into `reply`, and it closes behind the last one.
#[derive(Debug)]
pub struct FlowRequest {
    /// What is asked.
    pub query: Arc<FlowQuery>,
    /// Where the answers go.
    pub reply: mpsc::UnboundedSender<ShardListing>,
}

/// Gets listings from the pipeline; clones take turns, so that there is no more than one at a time.
#[derive(Clone, Debug)]
pub struct FlowSource {
    requests: Sender<FlowRequest>,
    turn: Arc<Mutex<()>>,
    bell: Option<Arc<Notify>>,
}

impl FlowSource {
    /// Has this bell rung whenever somebody asks, for whoever does not wait for the channel itself.
    #[must_use]
    pub fn with_bell(self, bell: Arc<Notify>) -> Self {
        Self { bell: Some(bell), ..self }
    }

    /// Flows as they stand, within a second or so.
    ///
    /// A worker that has not answered within [`PATIENCE`] is left out, and [`FlowListing::workers`] shows it.
    ///
    /// # Errors
    /// [`Unavailable`]: the capture has ended, or nobody answered.
    pub async fn list(&self, query: FlowQuery) -> Result<FlowListing, Unavailable> {
        let _turn = self.turn.lock().await;
        let query = Arc::new(query);
        let (reply, mut answers) = mpsc::unbounded_channel();
        let request = FlowRequest { query: Arc::clone(&query), reply };
        self.requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => Unavailable::Busy,
            TrySendError::Disconnected(_) => Unavailable::Ended,
        })?;
        self.bell.iter().for_each(|bell| bell.notify_one());
        let deadline = Instant::now() + PATIENCE;
        let mut parts = Vec::new();
        loop {
            match timeout_at(deadline, answers.recv()).await {
                Ok(Some(part)) => parts.push(part),
                Ok(None) if parts.is_empty() => return Err(Unavailable::Ended),
                Err(_) if parts.is_empty() => return Err(Unavailable::Busy),
                Ok(None) | Err(_) => return Ok(FlowListing::merge(&query, parts)),
            }
        }
    }
}

/// How long a listing may take.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Askers that may come at the same time, though they take turns.
const REQUESTS: usize = 8;
