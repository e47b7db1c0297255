//! Reading the options again while a capture runs, and what each of them that changed asks for.
//!
//! Every option is classified in one list, which takes the structures of the command line apart without leaving
//! anything out: an option that is missing there does not compile.

use std::{ffi::OsString, path::PathBuf};

use clap::CommandFactory as _;

use super::{ConfigFileArgs, key, path};
use crate::cli::{
    args::{
        AgentArgs, AnalysisArgs, Args, CaptureArgs, FilterArgs, InputArgs, OutputArgs, RequestArgs,
        ScriptArgs,
    },
    failure::Failure,
    kit::KitArgs,
    usage::{Parsed, parse},
};

/// When a change of an option takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At once: which frames are wanted.
    Filter,
    /// At once: what is told, and from which size on.
    Told,
    /// At once: the script that runs.
    Script,
    /// When tcpkit is started again.
    Start,
}

/// An option that has another value than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name in the configuration file.
    pub option: String,
    /// When that takes effect.
    pub reach: Reach,
}

/// Where the options of a run come from, to be read again.
#[derive(Clone, Debug)]
pub struct Origin {
    words: Vec<OsString>,
    file: Option<PathBuf>,
    running: AgentArgs,
}

impl Origin {
    /// Of a run that these words began, and whose options were these.
    #[must_use]
    pub fn new(words: Vec<OsString>, running: AgentArgs) -> Self {
        let typed = running.config_file.config.clone();
        let file = path(typed, &|name| std::env::var_os(name));
        Self { words, file, running }
    }

    /// The configuration file, where there is one.
    #[must_use]
    pub const fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// The options that are in force.
    #[must_use]
    pub const fn running(&self) -> &AgentArgs {
        &self.running
    }

    /// What the words, the environment and the file say now.
    ///
    /// # Errors
    /// As at the start: the file cannot be read or understood, with the number of the line.
    pub fn read(&self) -> Result<AgentArgs, Failure> {
        match parse(self.words.iter().cloned())? {
            Parsed::Run(args) => Ok(args.agent),
            _ => Err(Failure::usage("the command line").because("is no capture")),
        }
    }

    /// From now on these are in force.
    pub fn set_running(&mut self, running: AgentArgs) {
        self.running = running;
    }
}

/// Gives `running` the values of `new` as far as they take effect at once; tells everything that differs.
macro_rules! classify {
    ($($group:ident: $kind:ident { $($option:ident $reach:ident),+ $(,)? })+) => {
        impl AgentArgs {
            /// Takes from `new` what takes effect at once, and tells all that differs.
            #[must_use]
            pub fn take_over(&mut self, new: &Self) -> Vec<Difference> {
                let Self { $($group),+ } = new;
                let mut found = Vec::new();
                $(
                    let $kind { $($option),+ } = $group;
                    $(
                        if self.$group.$option != *$option {
                            found.push((stringify!($option), Reach::$reach));
                            if Reach::$reach != Reach::Start {
                                self.$group.$option.clone_from($option);
                            }
                        }
                    )+
                )+
                named(&found)
            }
        }

        /// Every option by its name among the fields, and when its change takes effect.
        pub(super) const CLASSIFIED: &[(&str, Reach)] = &[$($((stringify!($option), Reach::$reach)),+),+];
    };
}

classify! {
    input: InputArgs { interface Start, read Start }
    filter: FilterArgs {
        expression Filter, ports Filter, servers Filter, udp Filter, icmp Filter, strict_filter Filter,
    }
    requests: RequestArgs { mode Start, slower_than Told }
    capture: CaptureArgs {
        snaplen Start, hook Start, reattach Start, backend Start, ring_bytes Start, flow_counters Start,
        kernel_log Start, duration Start,
    }
    analysis: AnalysisArgs {
        count Start, shards Start, max_flows Start, max_half_open Start, idle_timeout Start,
        handshake_timeout Start, prefix Start, no_decap Start,
    }
    script: ScriptArgs { script Script, script_budget Script }
    output: OutputArgs {
        write Start, rotate_size Start, rotate_seconds Start, flow_log Start, request_log Start, event_log Start,
        event_after Told, json Start, top Told, stats_listen Start, metrics_top Start, quiet Start, log Told,
    }
    kit: KitArgs {
        lines Start, daemon Start, pid_file Start, stats_port Start, buffer_kib Start, ascii Start, raw Start,
        dialect Start, snarf Start,
    }
    config_file: ConfigFileArgs { config Start }
}

/// The same by the names that a configuration file has for them.
fn named(found: &[(&'static str, Reach)]) -> Vec<Difference> {
    if found.is_empty() {
        return Vec::new();
    }
    let mut command = Args::command();
    command.build();
    let name = |id: &str| {
        let option = command.get_arguments().find(|option| option.get_id() == id);
        option.map_or(id, key).to_owned()
    };
    found.iter().map(|(id, reach)| Difference { option: name(id), reach: *reach }).collect()
}
