//! The user's script at work: packets on a thread of their own, what was analysed on the workers' threads.
//!
//! With `process(packet)` there is one state and one shard, so that packets come in capture order; without it each
//! worker has a state of its own.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::control::{Wake, Wakes};
use crate::{
    cli::{Config, Failure, Heard, ScriptPlan},
    pipeline::{Listener, Output, Panicked},
    script::{Handlers, OutputRefused, Script, ScriptError, ScriptOptions, ScriptTally, Servers},
    source::Block,
    wire::{self, ParseOptions},
};

/// The states of a run's script.
#[derive(Debug)]
pub(super) struct Scripting {
    /// One for each worker.
    states: Vec<Arc<Place>>,
    tally: Arc<ScriptTally>,
    has_process: bool,
    parse: ParseOptions,
    thread: Option<JoinHandle<()>>,
    recycled: Option<Receiver<Block>>,
}

/// The states that work, for whoever has others take their places.
#[derive(Debug)]
pub(super) struct States {
    places: Vec<Arc<Place>>,
    tally: Arc<ScriptTally>,
}

/// States of a script that are loaded and do not work yet.
#[derive(Debug)]
pub(super) struct Loaded {
    scripts: Vec<Script>,
}

/// What a script needs to be loaded again, on another thread than that on which it works.
#[derive(Clone, Debug)]
pub(super) struct Successor {
    tally: Arc<ScriptTally>,
    workers: u32,
    handlers: Handlers,
}

/// The state of one worker, and what became of what it printed. Another state takes its place between two deliveries.
#[derive(Debug)]
struct Place {
    script: Mutex<Script>,
    refused: Mutex<Option<OutputRefused>>,
    wakes: Mutex<Option<Wakes>>,
}

impl Scripting {
    /// Loads the script that the user gave, where one was given: its top level runs now.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) fn load(config: &Config) -> Result<Option<Self>, ScriptError> {
        let Some(plan) = &config.script else { return Ok(None) };
        let tally = Arc::new(ScriptTally::default());
        let load = |worker| load(plan, worker, &tally);
        let first = load(0)?;
        let has_process = first.handlers().process;
        let mut scripts = vec![first];
        let workers = if has_process { 1 } else { config.shards };
        for worker in 1..workers {
            scripts.push(load(worker)?);
        }
        let place = |script| {
            Arc::new(Place { script: Mutex::new(script), refused: Mutex::default(), wakes: Mutex::default() })
        };
        let parse = ParseOptions { decapsulate: config.decapsulate, ..ParseOptions::default() };
        let states = scripts.into_iter().map(place).collect();
        Ok(Some(Self { states, tally, has_process, parse, thread: None, recycled: None }))
    }

    /// The configuration as the script wants it.
    pub(super) fn adapt(&self, config: &Config) -> Config {
        let handlers = self.states.first().map(|place| place.script().handlers()).unwrap_or_default();
        Config {
            shards: if handlers.process { 1 } else { config.shards },
            heard: heard(handlers),
            ..config.clone()
        }
    }

    /// The states, for whoever has others take their places.
    pub(super) fn states(&self) -> States {
        States { places: self.states.clone(), tally: Arc::clone(&self.tally) }
    }

    /// Who hears what the shards finish.
    pub(super) fn listeners(&self) -> Vec<Arc<dyn Listener>> {
        self.states.iter().map(|state| Arc::clone(state) as Arc<dyn Listener>).collect()
    }

    /// Begins to process packets, where the script does; blocks go on to the writer, where there is one.
    ///
    /// # Errors
    /// A thread cannot be had.
    pub(super) fn start(
        &mut self,
        writer: Option<Sender<Block>>,
        wakes: &Wakes,
    ) -> io::Result<Option<Sender<Block>>> {
        for state in &self.states {
            *state.wakes.lock().unwrap_or_else(PoisonError::into_inner) = Some(wakes.clone());
        }
        let Some(state) = self.states.first().filter(|_| self.has_process) else { return Ok(writer) };
        let (sender, blocks) = bounded(BLOCKS);
        let (recycle, recycled) = bounded(BLOCKS);
        let work = Work { state: Arc::clone(state), parse: self.parse, blocks, recycle, writer };
        self.thread = Some(thread::Builder::new().name("script".into()).spawn(move || work.run())?);
        self.recycled = Some(recycled);
        Ok(Some(sender))
    }

    /// Blocks that were processed and that no writer takes.
    pub(super) fn recycled(&self) -> Option<Receiver<Block>> {
        self.recycled.clone()
    }

    /// Waits until every packet was processed; every sender of blocks must be gone.
    ///
    /// # Errors
    /// Standard output did not take what the script printed, or the thread panicked.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| Panicked("script"))?;
        }
        for state in &self.states {
            state.flush();
            let refused = state.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            match refused {
                None => {}
                Some(refused) if refused.is_closed => {
                    return Err(io::Error::new(io::ErrorKind::BrokenPipe, refused).into());
                }
                Some(refused) => return Err(refused.into()),
            }
        }
        Ok(())
    }

    /// What the calls came to, by name.
    pub(super) fn notes(&self) -> Vec<(&'static str, u64)> {
        self.tally.notes().into()
    }
}

impl States {
    /// What it takes to load the script again.
    pub(super) fn successor(&self) -> Successor {
        let workers = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let handlers = self.places.first().map(|place| place.script().handlers()).unwrap_or_default();
        Successor { tally: Arc::clone(&self.tally), workers, handlers }
    }

    /// Each worker goes on with its new state at its next delivery; the counts go on.
    pub(super) fn replace(&self, loaded: Loaded) {
        for (place, script) in self.places.iter().zip(loaded.scripts) {
            // What the old one printed belongs before what the new one prints.
            place.flush();
            // The worker does not wait for the old state's end.
            let old = std::mem::replace(&mut *place.script(), script);
            drop(old);
        }
    }
}

impl Successor {
    /// Loads the script as it is now, a state for each worker: its top level runs.
    ///
    /// # Errors
    /// It cannot be used, or wants of the run what it cannot begin in its midst.
    pub(super) fn load(&self, config: &Config) -> Result<Option<(Loaded, Heard)>, Failure> {
        let Some(plan) = &config.script else { return Ok(None) };
        let load = |worker| load(plan, worker, &self.tally);
        let scripts: Result<Vec<_>, _> = (0..self.workers).map(load).collect();
        let scripts = scripts.map_err(|error| Failure::run(told(&error)))?;
        let handlers = scripts.first().map(Script::handlers).unwrap_or_default();
        let late = |function: &str, why: &str| {
            Failure::run(plan.path.display().to_string())
                .because(format!("defines {function} now, {why}"))
                .hint("start tcpkit again")
        };
        if handlers.process && !self.handlers.process {
            return Err(late("process(packet)", "which needs all packets on one thread"));
        }
        if handlers.request && !self.handlers.request && config.requests.is_none() {
            return Err(late("on_request(request)", "and requests are not measured"));
        }
        Ok(Some((Loaded { scripts }, heard(handlers))))
    }
}

/// An error and its causes in one line.
fn told(error: &ScriptError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

fn load(plan: &ScriptPlan, worker: u32, tally: &Arc<ScriptTally>) -> Result<Script, ScriptError> {
    let options = ScriptOptions { path: plan.path.clone(), budget: plan.budget };
    let servers = Servers { ports: plan.ports.clone(), addresses: plan.servers.clone() };
    Script::load(&options, worker, servers, Arc::clone(tally))
}

const fn heard(handlers: Handlers) -> Heard {
    Heard { flows: handlers.flow, handshakes: handlers.handshake, requests: handlers.request }
}

impl Place {
    /// The state that works; whoever has it, has it for one delivery or one block.
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands on what was printed; the first refusal ends the run.
    fn flush(&self) {
        let Err(refusal) = self.script().flush() else { return };
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.is_none() {
            *refused = Some(refusal);
            if let Some(wakes) = &*self.wakes.lock().unwrap_or_else(PoisonError::into_inner) {
                wakes.send(Wake::SinkFailed);
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Listener for Place {
    fn hear(&self, output: &Output) {
        let script = self.script();
        let handlers = script.handlers();
        if handlers.flow {
            output.finished.iter().for_each(|finished| script.on_flow(&finished.record));
        }
        if handlers.handshake {
            output.handshakes.iter().for_each(|decided| script.on_handshake(&decided.record));
        }
        if handlers.request {
            output.requests.iter().for_each(|finished| script.on_request(&finished.record));
        }
        drop(script);
        if handlers.flow || handlers.handshake || handlers.request {
            self.flush();
        }
    }
}

/// The thread of `process(packet)`.
struct Work {
    state: Arc<Place>,
    parse: ParseOptions,
    blocks: Receiver<Block>,
    recycle: Sender<Block>,
    writer: Option<Sender<Block>>,
}

impl Work {
    fn run(self) {
        while let Ok(block) = self.blocks.recv() {
            // When nobody reads what it prints, the control plane ends the capture; until then blocks go on.
            if !self.state.has_failed() {
                self.process(&block);
                self.state.flush();
            }
            match &self.writer {
                Some(writer) => drop(writer.send(block)),
                None => drop(self.recycle.try_send(block)),
            }
        }
    }

    fn process(&self, block: &Block) {
        let script = self.state.script();
        for descriptor in &block.frames {
            let frame = block.frame(descriptor);
            if let Ok(packet) = &wire::parse(&frame, self.parse).packet {
                script.process(&frame, packet);
            }
        }
    }
}

/// Blocks on their way to the script.
const BLOCKS: usize = 16;
