//! The demo's end, whoever brings it about: a signal, an error, or SIGKILL.
//!
//! SIGINT, SIGTERM and SIGHUP are noted, so that tcpkit can finish its report and everything is taken down in order. A
//! process of its own group waits at a pipe for the case that this one dies without a word.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

use crate::{bench::network::Network, privilege, shell};

/// Signals that ask for the end, from now on.
#[derive(Clone, Debug)]
pub(super) struct Signals(Arc<AtomicBool>);

impl Signals {
    /// Takes them over.
    ///
    /// # Errors
    /// The handlers cannot be set.
    pub(super) fn caught() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    /// Nothing, as long as nobody asked for the end.
    ///
    /// # Errors
    /// Somebody did.
    pub(super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Waits for a process in the foreground. Ctrl-C reaches it, too; a signal to this process alone is passed on, and
    /// what does not end within some seconds is killed.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub(super) fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        let mut passed = 0;
        loop {
            if let Some(status) = child.try_wait().context("cannot wait for tcpkit")? {
                return Ok(status);
            }
            if self.0.load(Ordering::Relaxed) {
                passed += 1;
                // A second one would end it without its report, so it has a moment to heed the first.
                match passed {
                    PASSED_ON => end(child.id(), "-TERM"),
                    GIVEN_UP => end(child.id(), "-KILL"),
                    _ => {}
                }
            }
            thread::sleep(STEP);
        }
    }
}

fn end(id: u32, signal: &str) {
    // What has ended meanwhile needs no signal.
    let _ = privilege::as_root("kill").and_then(|mut kill| shell::read(kill.arg(signal).arg(id.to_string())));
}

/// Between two looks at a process.
const STEP: Duration = Duration::from_millis(50);

/// Looks after a signal until it is passed on: a second.
const PASSED_ON: u32 = 20;

/// Looks after a signal until the process is killed: 15 seconds.
const GIVEN_UP: u32 = 300;

/// A process that takes everything down when this one is gone, however it went.
#[derive(Debug)]
pub(super) struct Heir(Child);

impl Heir {
    /// Of a network, and of a folder.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn of(network: &Network, folder: &Path) -> Result<Self> {
        let mut sh = privilege::as_root("sh")?;
        sh.args(["-c", INHERIT, "demo-heir"]).arg(folder).args(network.names());
        own_group(&mut sh).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(sh.spawn().context("cannot start sh")?))
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        // Its pipe ends, and it finds nothing left to do.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Ctrl-C at the terminal does not reach it.
pub(super) fn own_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Arguments: the folder, then the namespaces.
const INHERIT: &str = "
read -r _
folder=$1; shift
for name do
  [ -e \"/run/netns/$name\" ] || continue
  for id in $(ip netns pids \"$name\"); do kill -KILL \"$id\"; done
  ip netns delete \"$name\"
done
rm -rf \"$folder\"
";
