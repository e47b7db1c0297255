//! Running the built `tcpkit`: words in, standard streams and exit status out, never longer than a deadline.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{Read, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{seccomp, wait::patience};

/// A run of `tcpkit` with these words, not begun.
pub fn tcpkit<I: IntoIterator<Item: AsRef<OsStr>>>(words: I) -> Run {
    Run {
        prefix: Vec::new(),
        words: words.into_iter().map(|word| word.as_ref().to_owned()).collect(),
        stdin: Vec::new(),
        environment: Vec::new(),
        directory: None,
        refused: None,
        deadline: patience(30),
    }
}

/// A run that is not begun.
#[derive(Debug)]
#[must_use = "nothing happens before run or start"]
pub struct Run {
    prefix: Vec<OsString>,
    words: Vec<OsString>,
    stdin: Vec<u8>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    refused: Option<i32>,
    deadline: Duration,
}

impl Run {
    /// Runs it by way of this command, such as `ip netns exec NAME`.
    pub fn inside<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, command: I) -> Self {
        self.prefix = command.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Gives it these bytes on standard input, then the end.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in this directory.
    pub fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.directory = Some(path.as_ref().to_owned());
        self
    }

    /// Has the kernel refuse bpf(2) to it with this error number, as containers' seccomp profiles do.
    pub fn refusing_bpf(mut self, errno: i32) -> Self {
        self.refused = Some(errno);
        self
    }

    /// Kills it after this time; 30 s unless told otherwise.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(self) -> Outcome {
        self.start().wait()
    }

    /// Starts it and returns at once.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(self) -> Running {
        let mut words = self.prefix.into_iter().chain([binary().into()]).chain(self.words);
        let program = words.next().expect("the binary at least");
        let mut command = Command::new(program);
        command.args(words).envs(self.environment).env_remove("NO_COLOR").env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = self.directory {
            command.current_dir(directory);
        }
        if let Some(errno) = self.refused {
            // SAFETY: what runs between fork and exec allocates nothing and takes no lock.
            unsafe { command.pre_exec(move || seccomp::refuse(libc::SYS_bpf, errno)) };
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut stdin = child.stdin.take().expect("standard input is piped");
        let bytes = self.stdin;
        // It may end without reading everything, which is its right.
        thread::spawn(move || drop(stdin.write_all(&bytes)));
        let stdout = collect(child.stdout.take().expect("standard output is piped"));
        let stderr = collect(child.stderr.take().expect("standard error is piped"));
        Running { child, stdout: Some(stdout), stderr: Some(stderr), deadline: now() + self.deadline }
    }
}

/// A run under way; dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    deadline: Instant,
}

impl Running {
    /// Number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote to standard output so far.
    #[must_use]
    pub fn stdout_so_far(&self) -> String {
        self.stdout.as_ref().map(Stream::so_far).unwrap_or_default()
    }

    /// Sends it a signal (`libc::SIGINT`, …), unless it has ended.
    pub fn signal(&mut self, signal: i32) {
        if let (Ok(None), Ok(id)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            // SAFETY: kill takes two integers and touches no memory of ours; the process is our child and, not being
            // waited for yet, its number belongs to no one else.
            unsafe { libc::kill(id, signal) };
        }
    }

    /// Waits for its end, up to the deadline.
    ///
    /// # Panics
    /// If the deadline passes, with what it said so far.
    pub fn wait(mut self) -> Outcome {
        let status = self.wait_until_deadline();
        let outcome = Outcome {
            status: status.unwrap_or_default(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        };
        assert!(status.is_some(), "tcpkit did not end in time: {outcome:?}");
        outcome
    }

    fn wait_until_deadline(&mut self) -> Option<ExitStatus> {
        while now() < self.deadline {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.end();
        None
    }

    fn end(&mut self) {
        let _ended_already = self.child.kill();
        let _waited_already = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// How a run ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// As the system has it.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// The exit status, or -1 when a signal ended it.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// The same outcome, if all went well.
    ///
    /// # Panics
    /// If the exit status is not 0.
    pub fn success(self) -> Self {
        assert_eq!(self.code(), 0, "{self:?}");
        self
    }

    /// The same outcome, if it ended with this status and one error line that has all these words, in whatever case.
    ///
    /// # Panics
    /// If anything of that is otherwise, or it panicked.
    pub fn failure(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code(), code, "{self:?}");
        let mut lines = self.stderr.lines().filter(|line| line.starts_with("tcpkit: "));
        let line = lines.next().unwrap_or_else(|| panic!("no error line: {self:?}"));
        assert!(lines.next().is_none(), "more than one error line: {self:?}");
        for word in words {
            assert!(line.to_lowercase().contains(&word.to_lowercase()), "{word:?} is not in {line:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self
    }

    /// Standard output as one JSON value.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The binary under test: `TCPKIT_BIN`, or the one of this build, brought up to date once.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| env::var_os("TCPKIT_BIN").map_or_else(build, PathBuf::from))
}

/// `cargo test` builds no binary of another package, and one that an earlier build left behind would test old code.
fn build() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let directory = test.ancestors().nth(2).expect("tests are in target/PROFILE/deps");
    let profile = match directory.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "tcpkit-agent", "--bin", "tcpkit", "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.as_ref().is_ok_and(ExitStatus::success), "cannot build tcpkit: {built:?}");
    directory.join("tcpkit")
}

/// A stream that a thread reads as it comes.
#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Stream {
    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> Stream {
    let bytes = Arc::<Mutex<Vec<u8>>>::default();
    let all = Arc::clone(&bytes);
    let thread = thread::spawn(move || {
        let mut chunk = [0; 1 << 16];
        // An error is the end as well: the process was killed.
        while let Ok(len @ 1..) = stream.read(&mut chunk) {
            all.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..len]);
        }
    });
    Stream { bytes, thread }
}

fn text(stream: Option<Stream>) -> String {
    let Some(Stream { bytes, thread }) = stream else { return String::new() };
    let _panicked = thread.join();
    let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[expect(clippy::disallowed_methods, reason = "a deadline is about wall time")]
fn now() -> Instant {
    Instant::now()
}
