//! Boots a kernel in qemu, runs one command in it, and brings back what it said and how it ended.
//!
//! Qemu emulates the processor (`tcg`), so that no machine's virtualisation is needed. It writes each of the guest's
//! outputs to a file, which is read while it grows. It is ended always: when the command is done, when the time is
//! over, and by the kernel (`setpriv --pdeathsig`) if xtask itself is.

use std::{
    fmt,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::{cache, initramfs::Archive, packages::Kernel};
use crate::shell::{find_program, now};

/// What `qemu-system-x86_64` comes with.
const QEMU: (&str, &str) = ("qemu-system-x86_64", "qemu-system-x86");

/// How often the outputs are looked at.
const PERIOD: Duration = Duration::from_millis(20);

/// How long qemu may take to end by itself, after the command has.
const GRACE: Duration = Duration::from_secs(5);

/// How many of the last lines are shown when something went wrong.
const LAST_LINES: usize = 60;

/// Begins the kernel's command line.
///
/// Whatever goes wrong in the kernel ends the guest. The emulated cycle counter is calibrated wrongly where the host is
/// busy, so that time would run too fast or too slowly; lockups and stalls are not the kernel's own fault there.
const KERNEL_WORDS: &str = "console=ttyS0 loglevel=5 panic=-1 oops=panic tsc=unstable clocksource=hpet nowatchdog \
                            rcupdate.rcu_cpu_stall_suppress=1";

/// All that qemu can emulate, but as a processor whose string instructions (`rep movs`) a kernel avoids.
///
/// The emulator runs them one repetition at a time, and a verifier copies and zeroes much: an agent started in 5.10 took
/// 12 s of a processor with them, and takes 7 s without. Kernels use them for the flag `erms`, and on AMD's processors
/// of the family that `max` says it is of (`init_amd_k8`, linux/arch/x86/kernel/cpu/amd.c).
const PROCESSOR: &str = "max,erms=off,fsrm=off,family=6,model=6,stepping=3";

/// What is to be run, and where.
#[derive(Debug)]
pub(super) struct Boot<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// What every guest gets.
    pub payload: &'a Archive<Vec<u8>>,
    /// The command, or none for a shell at our terminal.
    pub command: &'a [String],
    /// Variables of its environment.
    pub environment: &'a [(String, String)],
    /// More words for the kernel's command line.
    pub append: &'a str,
    /// How long boot and command may take together.
    pub timeout: Option<Duration>,
    /// Emulated processors.
    pub processors: u32,
    /// Memory, in MiB.
    pub memory: u32,
}

/// Which of the command's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The command ended with this status.
    Status(u8),
    /// The time was over.
    TimedOut(Duration),
    /// The kernel panicked, with what it said first.
    Panicked(String),
    /// Qemu or the guest ended before the command did.
    Died(String),
    /// Without a status, in an earlier run that is known from its record: what was said then.
    Earlier(String),
}

/// What came of a guest.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// How it ended.
    pub end: End,
    /// From qemu's start to the command's.
    pub boot: Option<Duration>,
    /// From qemu's start to its end.
    pub whole: Duration,
    /// The kernel's last messages.
    pub console: String,
    /// What the kernel itself complained of (`WARNING:`, `BUG:`).
    pub complaints: Vec<String>,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the command ended with status {status}"),
            Self::TimedOut(limit) => {
                write!(
                    f,
                    "the guest was ended: its {} s were over (--timeout gives it more)",
                    limit.as_secs()
                )
            }
            Self::Panicked(what) => write!(f, "the guest's kernel panicked: {what}"),
            Self::Died(why) => write!(f, "the guest ended before its command did: {why}"),
            Self::Earlier(what) => f.write_str(what),
        }
    }
}

/// Boots, runs, and ends a guest; `show` gets the command's output as it comes.
///
/// # Errors
/// If qemu is missing, or files for it cannot be written.
pub(super) fn run(boot: &Boot<'_>, mut show: impl FnMut(Stream, &[u8])) -> Result<Outcome> {
    let folder = cache::work_folder()?;
    let initramfs = folder.path().join("initramfs");
    fs::write(&initramfs, root(boot)?).with_context(|| format!("cannot write {}", initramfs.display()))?;
    let begin = now();
    let mut guest = Guest::start(boot, folder, begin)?;
    let end = guest.watch(boot.timeout, &mut show)?;
    guest.end();
    guest.pass(&mut show)?;
    Ok(guest.outcome(end))
}

/// The whole root file system: what all guests get, this kernel's modules, the command.
fn root(boot: &Boot<'_>) -> Result<Vec<u8>> {
    let mut archive = boot.payload.clone();
    let version = &boot.kernel.version;
    let modules = boot.kernel.modules();
    add_tree(&mut archive, &modules, &format!("/lib/modules/{version}"))?;
    let line = boot.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    archive.file("/etc/tcpkit/command", false, format!("exec {line}\n").as_bytes())?;
    let environment: String =
        boot.environment.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    archive.file("/etc/tcpkit/environment", false, environment.as_bytes())?;
    if boot.command.is_empty() {
        archive.file("/etc/tcpkit/interactive", false, b"")?;
    }
    archive.finish()
}

fn add_tree(archive: &mut Archive<Vec<u8>>, folder: &Path, place: &str) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry.context("cannot list a folder")?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("a module's name is text")?;
        let place = format!("{place}/{name}");
        if path.is_dir() {
            add_tree(archive, &path, &place)?;
        } else {
            let data = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            archive.file(&place, false, &data)?;
        }
    }
    Ok(())
}

/// A word that the shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A running qemu, and the files that it writes.
struct Guest {
    folder: TempDir,
    qemu: Child,
    begin: Instant,
    boot: Option<Duration>,
    outputs: [(Stream, Tail); 2],
    control: Tail,
    /// Lines of `control` so far.
    told: String,
}

impl Guest {
    fn start(boot: &Boot<'_>, folder: TempDir, begin: Instant) -> Result<Self> {
        let file = |name: &str| -> Result<Tail> { Tail::new(folder.path().join(name)) };
        let outputs = [(Stream::Out, file("out")?), (Stream::Err, file("err")?)];
        let control = file("control")?;
        file("console")?;
        let errors =
            File::create(folder.path().join("qemu")).context("cannot make a file for qemu's messages")?;
        let mut command = qemu(boot, folder.path())?;
        if !boot.command.is_empty() {
            command.stdin(Stdio::null()).stdout(Stdio::null());
        }
        let qemu = command.stderr(errors).spawn().context("cannot run qemu")?;
        Ok(Self { folder, qemu, begin, boot: None, outputs, control, told: String::new() })
    }

    /// Until the command has ended, the time is over, or qemu is gone.
    fn watch(&mut self, timeout: Option<Duration>, show: &mut impl FnMut(Stream, &[u8])) -> Result<End> {
        loop {
            // Asked before the outputs are read, so that what it wrote last is not lost.
            let ended = self.qemu.try_wait().context("cannot wait for qemu")?;
            self.pass(show)?;
            if let Some(status) = self.status() {
                return Ok(End::Status(status));
            }
            if let Some(status) = ended {
                return Ok(self.early_end(&status.to_string()));
            }
            if let Some(limit) = timeout.filter(|limit| self.begin.elapsed() > *limit) {
                return Ok(End::TimedOut(limit));
            }
            thread::sleep(PERIOD);
        }
    }

    /// Hands on what has been written since the last time.
    fn pass(&mut self, show: &mut impl FnMut(Stream, &[u8])) -> Result<()> {
        // Before the outputs: they are complete when the status is there.
        let told = self.control.read()?;
        self.told.push_str(&String::from_utf8_lossy(&told));
        for (stream, tail) in &mut self.outputs {
            let bytes = tail.read()?;
            if !bytes.is_empty() {
                show(*stream, &bytes);
            }
        }
        if self.boot.is_none() && self.told.lines().any(|line| line == "started") {
            self.boot = Some(self.begin.elapsed());
        }
        Ok(())
    }

    /// The command's status, once its whole line is there.
    fn status(&self) -> Option<u8> {
        let whole = self.told.rsplit_once('\n')?.0;
        whole.lines().find_map(|line| line.strip_prefix("status ")?.parse().ok())
    }

    fn early_end(&self, status: &str) -> End {
        let console = self.text("console");
        if let Some(line) = console.lines().find(|line| is_fatal(line)) {
            return End::Panicked(line.trim().to_owned());
        }
        let said = self.text("qemu");
        let of_guest = console.lines().rev().find(|line| line.starts_with("guest: "));
        let why = said.lines().next_back().or(of_guest).unwrap_or("it said nothing");
        End::Died(format!("{why} (qemu: {status})"))
    }

    /// Waits a little for qemu's own end, then ends it.
    fn end(&mut self) {
        let begin = now();
        while self.told.contains("status ") && begin.elapsed() < GRACE {
            if !matches!(self.qemu.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(PERIOD);
        }
        // It may have ended in this moment.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }

    fn outcome(&self, end: End) -> Outcome {
        let console = self.text("console");
        let lines: Vec<&str> = console.lines().collect();
        Outcome {
            end,
            boot: self.boot,
            whole: self.begin.elapsed(),
            console: lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"),
            complaints: lines
                .iter()
                .filter(|line| is_complaint(line))
                .map(|line| line.trim().to_owned())
                .collect(),
        }
    }

    fn text(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A file that another process appends to.
struct Tail {
    file: File,
}

impl Tail {
    fn new(path: PathBuf) -> Result<Self> {
        File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { file })
    }

    /// What has been appended since the last time.
    fn read(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes).context("cannot read what the guest wrote")?;
        Ok(bytes)
    }
}

/// Messages after which nothing of the kernel can be trusted.
fn is_fatal(line: &str) -> bool {
    line.contains("Kernel panic - not syncing") || line.contains("Oops:")
}

/// Messages by which the kernel says that something is wrong with it.
fn is_complaint(line: &str) -> bool {
    line.contains("WARNING: ") || line.contains("BUG: ")
}

/// Where qemu is; asked before anything is built for a guest.
///
/// # Errors
/// If it is nowhere; the error names its package.
pub(super) fn emulator() -> Result<PathBuf> {
    let (program, package) = QEMU;
    let Some(qemu) = find_program(program) else {
        bail!("guests run in {program}: install the package {package} (`cargo xtask setup --tests` does)");
    };
    Ok(qemu)
}

/// The command line of qemu.
fn qemu(boot: &Boot<'_>, folder: &Path) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(emulator()?);
    command.args([
        "-accel",
        "tcg,thread=multi,tb-size=256",
        "-cpu",
        PROCESSOR,
        "-nodefaults",
        "-no-reboot",
        "-display",
        "none",
    ]);
    command.args(["-smp", &boot.processors.to_string(), "-m", &boot.memory.to_string()]);
    command.arg("-kernel").arg(boot.kernel.image()).arg("-initrd").arg(folder.join("initramfs"));
    let line = format!("{KERNEL_WORDS} {}", boot.append);
    command.args(["-append", line.trim_end()]);
    command.args(["-serial", &format!("file:{}", folder.join("console").display())]);
    if boot.command.is_empty() {
        command.args(["-chardev", "stdio,id=terminal,mux=on,signal=off", "-serial", "chardev:terminal"]);
        command.args(["-mon", "chardev=terminal"]);
    }
    command.args(["-device", "virtio-serial-pci"]);
    for name in ["out", "err", "control"] {
        command.args(["-chardev", &format!("file,id={name},path={}", folder.join(name).display())]);
        command.args(["-device", &format!("virtserialport,chardev={name},name={name}")]);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_shell_takes_a_quoted_word_as_it_is() {
        for word in ["plain", "two words", "it's", "$(reboot) `x` \"y\" \\", ""] {
            let output =
                Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }

    #[test]
    fn a_tail_reads_each_byte_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut tail = Tail::new(path.clone()).unwrap();
        let mut writer = fs::OpenOptions::new().append(true).open(path).unwrap();
        assert_eq!(tail.read().unwrap(), b"");
        writer.write_all(b"one").unwrap();
        assert_eq!(tail.read().unwrap(), b"one");
        writer.write_all(b"two").unwrap();
        assert_eq!(tail.read().unwrap(), b"two");
    }
}
