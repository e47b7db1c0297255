//! How long a connection may live: a minute, or as long as its reader of events goes on reading.

use std::sync::Arc;

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::limits;

/// Tells a connection what becomes of its answers; clones tell the same one.
#[derive(Clone, Debug)]
pub(super) struct Life(Arc<watch::Sender<Stage>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Questions and answers.
    Asking,
    /// Events, as they happen.
    Streaming,
    /// There are no more events for this reader.
    Over,
}

impl Life {
    /// A connection that begins.
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::channel(Stage::Asking).0))
    }

    /// The answer is a stream of events.
    pub(super) fn begin_stream(&self) {
        self.0.send_replace(Stage::Streaming);
    }

    /// It is over.
    pub(super) fn end_stream(&self) {
        self.0.send_replace(Stage::Over);
    }

    /// Waits until the connection has lived for long enough.
    pub(super) async fn end(&self) {
        sleep(limits::LIFETIME).await;
        let mut stage = self.0.subscribe();
        if *stage.borrow() == Stage::Streaming {
            let _at_the_latest =
                timeout(limits::STREAM_LIFETIME, stage.wait_for(|stage| *stage == Stage::Over)).await;
        }
    }
}
