//! Events for readers of the endpoint: each reads at its own pace, and nobody waits for one.
//!
//! All readers share one bounded buffer. Who falls behind its beginning has lost events, and is told how many; events
//! are numbered, so that one who comes again can be told what it missed meanwhile.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::http::HeaderMap;
use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        mpsc, watch,
    },
    time::{MissedTickBehavior, interval, timeout},
};

use crate::report::{Event, EventsLost};

/// Where events are told, and heard; clones share it.
#[derive(Clone, Debug)]
pub struct EventHub {
    sender: broadcast::Sender<Told>,
    told: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

/// An event in JSON, and which one it is.
#[derive(Clone, Debug)]
struct Told {
    number: u64,
    line: Arc<str>,
}

impl Default for EventHub {
    fn default() -> Self {
        let (sender, _) = broadcast::channel(BUFFERED);
        Self { sender, told: Arc::default(), lost: Arc::default() }
    }
}

impl EventHub {
    /// Tells an event to whoever reads; returns at once, whoever does.
    pub fn publish(&self, event: &Event) {
        let number = self.told.fetch_add(1, Relaxed) + 1;
        if self.sender.receiver_count() == 0 {
            return;
        }
        let Ok(line) = serde_json::to_string(event) else { return };
        let _nobody_reads_any_more = self.sender.send(Told { number, line: line.into() });
    }

    /// Who reads now.
    pub(super) fn readers(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Events that readers have lost because they were too slow, of all of them together.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Events from now on, as a body; it ends when `stopped` changes, or when its reader takes nothing for too long.
    pub(super) fn body(
        &self,
        asked: &HeaderMap,
        stopped: watch::Receiver<bool>,
        over: impl FnOnce() + Send + 'static,
    ) -> EventBody {
        let (out, body) = mpsc::channel(1);
        let last = asked.get("last-event-id").and_then(|id| id.to_str().ok()?.trim().parse::<u64>().ok());
        let reading = Reading {
            heard: self.sender.subscribe(),
            // One that a newer agent gave out would make us count what never was.
            next: last.map(|last| last.saturating_add(1)).filter(|next| *next <= self.told.load(Relaxed) + 1),
            lost: Arc::clone(&self.lost),
            out,
        };
        tokio::spawn(async move {
            reading.run(stopped).await;
            over();
        });
        EventBody(body)
    }
}

/// One reader.
struct Reading {
    heard: broadcast::Receiver<Told>,
    /// The event that comes next, where that is known.
    next: Option<u64>,
    lost: Arc<AtomicU64>,
    out: mpsc::Sender<Bytes>,
}

impl Reading {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.tick().await;
        let mut text = format!("retry: {RETRY_MS}\n\n");
        loop {
            if !matches!(timeout(PATIENCE, self.out.send(text.into())).await, Ok(Ok(()))) {
                return;
            }
            text = tokio::select! {
                told = self.heard.recv() => match told {
                    Ok(told) => self.message(&told),
                    // The next event's number tells how many were lost.
                    Err(RecvError::Lagged(_)) => String::new(),
                    Err(RecvError::Closed) => return,
                },
                _ = beats.tick() => ":\n\n".to_owned(),
                _ = stopped.changed() => return,
                () = self.out.closed() => return,
            };
        }
    }

    fn message(&mut self, told: &Told) -> String {
        let lost = self.next.map_or(0, |next| told.number.saturating_sub(next));
        self.next = Some(told.number + 1);
        let event = format!("id: {}\ndata: {}\n\n", told.number, told.line);
        if lost == 0 {
            return event;
        }
        self.lost.fetch_add(lost, Relaxed);
        let lost = serde_json::to_string(&EventsLost { lost }).unwrap_or_default();
        format!("event: lost\ndata: {lost}\n\n{event}")
    }
}

/// Events as the body of a response.
pub(super) struct EventBody(mpsc::Receiver<Bytes>);

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Events that are kept for slow readers: some megabytes, for all of them together.
pub(super) const BUFFERED: usize = 1_024;

/// Time after which a reader hears that there is nothing to hear, and a connection that is gone is noticed.
const BEAT: Duration = Duration::from_secs(15);

/// Time for a reader to take something; who takes nothing for longer is left.
const PATIENCE: Duration = Duration::from_secs(30);

/// Milliseconds after which a browser comes again.
const RETRY_MS: u32 = 1_000;
