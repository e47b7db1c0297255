//! `--interval` of a live capture: a table of the connections each time so much time has passed.

use std::{
    io,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime,
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

use super::tables::table_of;
use crate::{
    agent::control::{Wake, Wakes},
    report::flows::FlowQuery,
    sink::{flows::FlowSource, write_stdout},
};

/// The thread that prints; dropping it ends it.
pub(super) struct Periodic {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Periodic {
    /// Starts it.
    ///
    /// # Errors
    /// No thread or no event loop can be had.
    pub(super) fn start(
        flows: FlowSource,
        query: FlowQuery,
        (every, rows): (Duration, usize),
        wakes: Wakes,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        let (stop, mut stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                let mut ticks = interval(every);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                // The first one comes at once; what it lists is what the rates of the next begin from.
                ticks.tick().await;
                let _begins = flows.list(query.clone()).await;
                loop {
                    tokio::select! {
                        _ = &mut stopped => return,
                        _ = ticks.tick() => {}
                    }
                    let Ok(listing) = flows.list(query.clone()).await else { continue };
                    if write_stdout(&table_of(&listing, rows)).is_err() {
                        return wakes.send(Wake::SinkFailed);
                    }
                }
            });
        };
        let thread = thread::Builder::new().name("tables".into()).spawn(work)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Periodic {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ended_already = stop.send(());
        }
        // A listing under way is not waited for: nobody makes it any more.
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
            drop(thread.join());
        }
    }
}
