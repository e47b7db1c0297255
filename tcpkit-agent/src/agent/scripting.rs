//! The user's script at work: packets on a thread of their own, what was analysed on the workers' threads.
//!
//! With `process(packet)` there is one state and one shard, so that packets come in capture order; without it each
//! worker has a state of its own.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::control::{Wake, Wakes};
use crate::{
    cli::{Config, Heard},
    pipeline::{Listener, Output, Panicked},
    script::{OutputRefused, Script, ScriptError, ScriptOptions, ScriptTally, Servers},
    source::Block,
    wire::{self, ParseOptions},
};

/// The states of a run's script.
#[derive(Debug)]
pub(super) struct Scripting {
    /// One for each worker.
    states: Vec<Arc<State>>,
    tally: Arc<ScriptTally>,
    has_process: bool,
    parse: ParseOptions,
    thread: Option<JoinHandle<()>>,
    recycled: Option<Receiver<Block>>,
}

/// A state, and what became of what it printed.
#[derive(Debug)]
struct State {
    script: Script,
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
        let options = ScriptOptions { path: plan.path.clone(), budget: plan.budget };
        let servers = Servers { ports: plan.ports.clone(), addresses: plan.servers.clone() };
        let tally = Arc::new(ScriptTally::default());
        let load = |worker| Script::load(&options, worker, servers.clone(), Arc::clone(&tally));
        let first = load(0)?;
        let has_process = first.handlers().process;
        let mut scripts = vec![first];
        let workers = if has_process { 1 } else { config.shards };
        for worker in 1..workers {
            scripts.push(load(worker)?);
        }
        let state = |script| Arc::new(State { script, refused: Mutex::default(), wakes: Mutex::default() });
        let parse = ParseOptions { decapsulate: config.decapsulate, ..ParseOptions::default() };
        let states = scripts.into_iter().map(state).collect();
        Ok(Some(Self { states, tally, has_process, parse, thread: None, recycled: None }))
    }

    /// The configuration as the script wants it.
    pub(super) fn adapt(&self, config: &Config) -> Config {
        let handlers = self.states.first().map(|state| state.script.handlers()).unwrap_or_default();
        Config {
            shards: if handlers.process { 1 } else { config.shards },
            heard: Heard { flows: handlers.flow, handshakes: handlers.handshake, requests: handlers.request },
            ..config.clone()
        }
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

impl State {
    /// Hands on what was printed; the first refusal ends the run.
    fn flush(&self) {
        let Err(refusal) = self.script.flush() else { return };
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

impl Listener for State {
    fn hear(&self, output: &Output) {
        let handlers = self.script.handlers();
        if handlers.flow {
            output.finished.iter().for_each(|finished| self.script.on_flow(&finished.record));
        }
        if handlers.handshake {
            output.handshakes.iter().for_each(|decided| self.script.on_handshake(&decided.record));
        }
        if handlers.request {
            output.requests.iter().for_each(|finished| self.script.on_request(&finished.record));
        }
        if handlers.flow || handlers.handshake || handlers.request {
            self.flush();
        }
    }
}

/// The thread of `process(packet)`.
struct Work {
    state: Arc<State>,
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
        for descriptor in &block.frames {
            let frame = block.frame(descriptor);
            if let Ok(packet) = &wire::parse(&frame, self.parse).packet {
                self.state.script.process(&frame, packet);
            }
        }
    }
}

/// Blocks on their way to the script.
const BLOCKS: usize = 16;
