//! A headless Chromium, asked by its DevTools protocol over two pipes: messages of JSON, each with a NUL behind it.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _, pipe},
    os::{
        fd::{AsRawFd as _, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::wait::{patience, until};

/// A browser with one page; dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    commands: PipeWriter,
    heard: Receiver<Value>,
    session: Option<String>,
    number: u64,
    /// What it told unasked.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it with an empty page of this width in CSS pixels.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub fn start(width: u32) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let (theirs_in, commands) = pipe()?;
        let (ours_in, theirs_out) = pipe()?;
        let mut command = Command::new("chromium");
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--remote-debugging-pipe",
        ]);
        command.args(["--disable-dev-shm-usage", "--disable-background-networking", "about:blank"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(profile.path().join("log"))?);
        let (reads, writes) = (above(theirs_in.into())?, above(theirs_out.into())?);
        let (from, to) = (reads.as_raw_fd(), writes.as_raw_fd());
        // SAFETY: what runs between fork and exec allocates nothing and takes no lock.
        unsafe { command.pre_exec(move || place(from, 3).and_then(|()| place(to, 4))) };
        let child = command.spawn().context("cannot start chromium")?;
        let heard = listen(ours_in);
        let mut browser =
            Self { child, commands, heard, session: None, number: 0, events: Vec::new(), _profile: profile };
        browser.attach(width)?;
        Ok(browser)
    }

    fn attach(&mut self, width: u32) -> Result<()> {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", attach)?;
        self.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Runtime", "Log", "Page", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}))?;
        }
        let screen = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", screen)?;
        Ok(())
    }

    /// Goes to a page.
    ///
    /// # Errors
    /// There is none.
    pub fn open(&mut self, url: &str) -> Result<()> {
        let answer = self.call("Page.navigate", json!({ "url": url }))?;
        ensure!(answer.get("errorText").is_none(), "{url}: {answer}");
        Ok(())
    }

    /// What an expression comes to in the page.
    ///
    /// # Errors
    /// It throws.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", asked)?;
        ensure!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true; what it was last.
    ///
    /// # Errors
    /// It does not become so.
    pub fn wait_for(&mut self, expression: &str) -> Result<()> {
        let mut last = Ok(Value::Null);
        let is_true = until(patience(30), || {
            last = self.evaluate(expression);
            matches!(last, Ok(Value::Bool(true)))
        });
        ensure!(
            is_true,
            "{expression} is {last:?}; the page says {:?}",
            self.evaluate("document.body.innerText")
        );
        Ok(())
    }

    /// The text of the element with this id, each run of white space being one space.
    ///
    /// # Errors
    /// There is no such element.
    pub fn text(&mut self, id: &str) -> Result<String> {
        let text = self.evaluate(&format!("document.getElementById('{id}').innerText"))?;
        let text = text.as_str().with_context(|| format!("no element {id}"))?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Errors and warnings of the page's console, and exceptions that nobody caught.
    pub fn complaints(&self) -> Vec<String> {
        let kinds = ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"];
        let said = self.events.iter().filter(|event| kinds.iter().any(|kind| event["method"] == *kind));
        said.map(|event| event["params"].to_string()).collect()
    }

    /// Addresses that the page asked for.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        asked.filter_map(|event| event["params"]["request"]["url"].as_str()).map(str::to_owned).collect()
    }

    fn call(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{message}\0").as_bytes())?;
        loop {
            let heard =
                self.heard.recv_timeout(patience(30)).with_context(|| format!("{method}: no answer"))?;
            if heard["id"] == self.number {
                ensure!(heard.get("error").is_none(), "{method}: {heard}");
                return Ok(heard["result"].clone());
            }
            self.events.push(heard);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
        thread::sleep(Duration::from_millis(50));
    }
}

/// A thread that hears what it says, until it ends.
fn listen(pipe: PipeReader) -> Receiver<Value> {
    let (sender, heard) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut message = Vec::new();
        while matches!(reader.read_until(0, &mut message), Ok(1..)) {
            message.pop();
            let Ok(value) = serde_json::from_slice(&message) else { break };
            if sender.send(value).is_err() {
                break;
            }
            message.clear();
        }
    });
    heard
}

/// The same file under a number that is no standard one and neither 3 nor 4.
fn above(file: OwnedFd) -> Result<OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: the descriptor is open; the new one is ours alone.
    unsafe {
        let copy = libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 10);
        ensure!(copy >= 0, "no descriptor: {}", std::io::Error::last_os_error());
        Ok(OwnedFd::from_raw_fd(copy))
    }
}

/// Gives a file this number in the program to come.
fn place(file: RawFd, number: RawFd) -> std::io::Result<()> {
    // SAFETY: dup2 takes two integers and touches no memory.
    if unsafe { libc::dup2(file, number) } < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
