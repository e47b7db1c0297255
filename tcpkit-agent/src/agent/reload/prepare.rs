//! What a reload takes, made ready while the capture goes on.

use super::{
    super::{live::object_filter, scripting::Successor},
    Backend, NewFilter, Prepared,
};
use crate::{
    cli::{AgentArgs, Config, Difference, Failure, Input, Origin, Reach, System},
    filter::{self, Matcher},
    time::Timestamp,
    wire::{Frame, FrameDirection, InterfaceId, LinkType},
};

/// Everything that is looked at.
pub(super) struct Task {
    pub(super) origin: Origin,
    pub(super) running: Config,
    pub(super) backend: Backend,
    pub(super) script: Option<Successor>,
    pub(super) system: System,
}

impl Task {
    /// Reads, judges, compiles and loads.
    ///
    /// # Errors
    /// The first thing that is wrong, as `tcpkit config check` tells it.
    pub(super) fn prepare(&self) -> Result<Prepared, Failure> {
        let new = self.origin.read()?;
        // The whole of it must be usable, also what takes effect at the next start.
        self.compile(&self.judge(&new)?)?;
        let mut args = self.origin.running().clone();
        let mut differences = args.take_over(&new);
        self.keep_what_began(&mut args, &mut differences)?;
        let mut config = self.settled(self.judge(&args)?);
        let is_other = (&config.expression, config.strict_filter)
            != (&self.running.expression, self.running.strict_filter);
        let filter = if is_other { Some(self.compile(&config)?) } else { None };
        let loaded = self.script.as_ref().map(|successor| successor.load(&config)).transpose()?.flatten();
        let script = loaded.map(|(loaded, heard)| {
            config.heard = heard;
            loaded
        });
        let (changed, at_next_start) = listed(differences, script.is_some());
        Ok(Prepared { args, config, filter, script, changed, at_next_start })
    }

    fn judge(&self, args: &AgentArgs) -> Result<Config, Failure> {
        Config::new(args, &self.system).map_err(|failure| self.about_file(failure))
    }

    fn about_file(&self, failure: Failure) -> Failure {
        match self.origin.file() {
            Some(file) => Failure::usage(file.display().to_string()).because(failure),
            None => failure,
        }
    }

    /// A script that begins or ends, and requests that nobody measured, take a new start.
    fn keep_what_began(&self, args: &mut AgentArgs, differences: &mut [Difference]) -> Result<(), Failure> {
        let running = self.origin.running();
        let mut keep = |option: &str| {
            let found = differences.iter_mut().filter(|difference| difference.option == option);
            found.for_each(|difference| difference.reach = Reach::Start);
        };
        if args.script.script.is_some() != running.script.script.is_some() {
            args.script.clone_from(&running.script);
            keep("script");
            keep("script-budget");
        }
        if self.judge(args)?.requests.is_some() != self.running.requests.is_some() {
            args.requests.slower_than = running.requests.slower_than;
            keep("slower-than");
        }
        Ok(())
    }

    /// What the run has found out, or changed, since it began.
    fn settled(&self, config: Config) -> Config {
        let Config { input, shards, heard, origin, .. } = self.running.clone();
        Config { input, shards, heard, origin, ..config }
    }

    /// The filter for whoever filters, with the caret where libpcap shows the place.
    fn compile(&self, config: &Config) -> Result<NewFilter, Failure> {
        let expression = config.expression.as_deref();
        let failed = |error: &dyn std::fmt::Display| match self.origin.file() {
            Some(file) => Failure::filter(format!("{}: {error}", file.display())),
            None => Failure::filter(error),
        };
        match &self.backend {
            Backend::Ebpf { link_types } => {
                let snaplen = match &self.running.input {
                    Input::Live(live) => live.snaplen,
                    Input::Files(_) => WHOLE_FRAMES,
                };
                let object = expression.map(|expression| object_filter(expression, link_types, snaplen));
                Ok(NewFilter::Object(object.transpose().map_err(|error| failed(&error))?))
            }
            Backend::Pcap { link_types } => {
                let matcher = expression.map(|it| usable(it, config.strict_filter, link_types));
                Ok(NewFilter::Matcher(matcher.transpose().map_err(|error| failed(&error))?))
            }
        }
    }
}

/// A matcher that has a verdict on frames of each of these kinds: later it is too late to find out.
fn usable(expression: &str, strict: bool, link_types: &[LinkType]) -> Result<Matcher, filter::FilterError> {
    let mut matcher = Matcher::new(expression, strict)?;
    for link_type in link_types {
        matcher.matches(&Frame {
            timestamp: Timestamp(0),
            interface: InterfaceId(0),
            link_type: *link_type,
            direction: FrameDirection::Unknown,
            hook: None,
            frame_len: 0,
            gso_size: 0,
            bytes: &[],
        })?;
    }
    Ok(matcher)
}

/// Options whose new values are in force, and those that wait for the next start.
fn listed(differences: Vec<Difference>, has_script: bool) -> (Vec<String>, Vec<String>) {
    let (later, now): (Vec<_>, Vec<_>) =
        differences.into_iter().partition(|difference| difference.reach == Reach::Start);
    let names = |all: Vec<Difference>| all.into_iter().map(|difference| difference.option).collect();
    let mut changed: Vec<String> = names(now);
    if has_script && !changed.iter().any(|option| option == "script") {
        changed.push("script".to_owned());
    }
    (changed, names(later))
}

/// So that no part of an expression looks beyond what would be captured.
const WHOLE_FRAMES: u32 = 262_144;
