//! Listings for the screen, asked for on a thread of their own: keys are answered meanwhile.

use std::{
    io,
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::runtime::{self, Runtime};

use crate::{
    report::{
        Report,
        flows::{FlowListing, FlowQuery, FlowRow},
    },
    sink::{
        flows::FlowSource,
        http::{ReportSource, Unavailable},
    },
};

/// What the screen asks for.
pub(super) struct Ask {
    /// The table.
    pub(super) query: FlowQuery,
    /// The one connection that is looked at.
    pub(super) chosen: Option<FlowQuery>,
}

/// What it gets.
pub(super) struct Answer {
    /// The table.
    pub(super) listing: FlowListing,
    /// The one connection.
    pub(super) chosen: Option<FlowRow>,
    /// The share of the wanted frames that were not lost before the analysis.
    pub(super) completeness: Option<f64>,
}

/// The thread; dropping it ends it.
pub(super) struct Fetcher {
    asks: Option<Sender<Ask>>,
    answers: Receiver<Result<Answer, Unavailable>>,
    thread: Option<JoinHandle<()>>,
}

impl Fetcher {
    /// Starts it; without reports where the kernel's counters are all there is: nothing can be added to those, nor be
    /// lost on the way to them.
    ///
    /// # Errors
    /// No thread or no event loop can be had.
    pub(super) fn start(flows: FlowSource, reports: Option<ReportSource>) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        let (asks, asked) = bounded::<Ask>(1);
        let (reply, answers) = bounded(1);
        let work = move || {
            for ask in asked {
                if reply.send(answer(&runtime, &flows, reports.as_ref(), ask)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("listings".into()).spawn(work)?;
        Ok(Self { asks: Some(asks), answers, thread: Some(thread) })
    }

    /// Asks; there must not be a question open.
    pub(super) fn ask(&self, ask: Ask) {
        if let Some(asks) = &self.asks {
            // A thread that has ended answers nothing any more, and the capture ends too.
            drop(asks.try_send(ask));
        }
    }

    /// The answer, when it is there.
    pub(super) fn answer(&self) -> Option<Result<Answer, Unavailable>> {
        self.answers.try_recv().ok()
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.asks = None;
        // The capture may not answer any more; the thread then ends with the process.
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
            drop(thread.join());
        }
    }
}

fn answer(
    runtime: &Runtime,
    flows: &FlowSource,
    reports: Option<&ReportSource>,
    ask: Ask,
) -> Result<Answer, Unavailable> {
    runtime.block_on(async {
        let mut listing = flows.list(ask.query.clone()).await?;
        let mut chosen = match ask.chosen {
            Some(query) => flows.list(query).await?.flows.pop(),
            None => None,
        };
        let Some(reports) = reports else { return Ok(Answer { listing, chosen, completeness: None }) };
        let report = reports.report().await?;
        // Where frames were lost on the way, the kernel has counted them all the same.
        if let Some(exact) = &report.exact_flows {
            listing.overlay(exact, &ask.query);
            chosen.iter_mut().for_each(|row| row.overlay(exact));
        }
        Ok(Answer { listing, chosen, completeness: completeness(&report) })
    })
}

/// What is on its way through a ring while somebody looks is not lost.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than the 53 digits of a float")]
fn completeness(report: &Report) -> Option<f64> {
    let total = &report.ledger.total;
    let lost = total.ring_full + total.helper_failed;
    (total.matched > 0).then(|| 1.0 - lost as f64 / total.matched as f64)
}
