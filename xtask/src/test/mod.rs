//! The whole gate, in named and timed steps; the last lines sum up, and say loudly what was left out.
//!
//! A live test that cannot run prints a line that begins with `LEFT OUT:`, appends it to the file named in
//! `TCPKIT_LEFT_OUT`, and panics when `CI` is `true`: such a run must not leave anything out.
//! Every step runs even when an earlier one failed, so that one run shows all that is wrong.

mod again;
mod guests;
mod step;

use std::{
    env,
    ffi::OsString,
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile, Warnings},
    dist,
    privilege::{Escalation, escalation},
    setup::{self, Scope},
    shell::{answer, cargo, find_program, foreign, in_ci, now, run, say, seconds, workspace},
    tally::Tally,
    tidy,
};
use step::{Outcome, Step, cargo_test};

/// `cargo xtask test`.
///
/// # Errors
/// If root cannot be asked for, or the file of left-out tests cannot be made.
pub(crate) fn command() -> Result<ExitCode> {
    let begin = now();
    let left_out = left_out_file()?;
    let mut gate = Gate { steps: Vec::new(), tally: Tally::default(), left_out };
    gate.step("setup", || setup::ensure(Scope::Tests).map(|()| Outcome::Passed));
    gate.step("format", format);
    gate.step("tidy", || Ok(Outcome::from(tidy::command()? == ExitCode::SUCCESS)));
    gate.step("build", build_all);
    gate.step("clippy", clippy);
    gate.step("clippy (eBPF)", clippy_ebpf);
    gate.tests("tests", &["--lib", "--bins", "--tests"], runner()?);
    gate.tests("doc tests", &["--doc"], None);
    gate.package();
    gate.guests();
    gate.step("documentation", documentation);
    gate.step("cargo deny", deny);
    Ok(gate.sum_up(begin.elapsed()))
}

/// The steps so far.
struct Gate {
    steps: Vec<Step>,
    tally: Tally,
    left_out: PathBuf,
}

impl Gate {
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<Outcome>) {
        say(format_args!("\n== {name}"));
        let begin = now();
        let outcome = work().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        if let Outcome::Failed(why) = &outcome {
            say(format_args!("{name}: FAILED: {why}"));
        }
        self.steps.push(Step { name, outcome, time: begin.elapsed() });
    }

    /// Runs tests and takes their results into the tally.
    fn tests(&mut self, name: &'static str, targets: &[&str], runner: Option<String>) {
        let left_out = self.left_out.clone();
        let mut tally = Tally::default();
        self.step(name, || {
            let prepare = |test: &mut Command| {
                test.env("TCPKIT_LEFT_OUT", &left_out).env("TCPKIT_BIN", build::binary(Profile::Debug));
                test.env("PATH", path_with_python());
                // The demo's test runs this very program.
                test.envs(env::current_exe().map(|xtask| ("TCPKIT_XTASK", xtask)));
                if let Some(runner) = &runner {
                    test.args(["--config", runner]);
                }
            };
            let mut test = cargo();
            prepare(&mut test);
            test.args(["test", "--workspace", "--no-fail-fast"]).args(targets);
            let outcome = cargo_test(&mut test, &mut tally, |line| answer(line))?;
            again::run_again(outcome, &mut tally, prepare)
        });
        self.tally.add(&tally);
    }

    /// Runs the guests' tests and takes their results into the tally.
    fn guests(&mut self) {
        let mut tally = Tally::default();
        self.step("kernels", || guests::guests(&mut tally));
        self.tally.add(&tally);
    }

    /// The Debian package in a fresh Debian, which only root can enter.
    fn package(&mut self) {
        let mut left_out = None;
        self.step("package", || match escalation()? {
            Escalation::NotNeeded => dist::trial().map(|()| Outcome::Passed),
            Escalation::Sudo | Escalation::Impossible(_) => {
                let why = "a fresh Debian can be entered by root only: sudo cargo xtask dist --check";
                left_out = Some(format!("package: {why}"));
                Ok(Outcome::LeftOut(why.to_owned()))
            }
        });
        self.tally.left_out.extend(left_out);
    }

    /// The last lines; the very last one is for machines: `N passed, N failed`.
    fn sum_up(mut self, total: Duration) -> ExitCode {
        let noted = fs::read_to_string(&self.left_out).unwrap_or_default();
        self.tally.note_left_out(&noted);
        say("\n== summary");
        for step in &self.steps {
            say(step);
        }
        let steps_failed = self.steps.iter().filter(|step| step.failed_beside_tests(&self.tally)).count();
        say(self.tally.second_chances_text());
        say(self.tally.left_out_text(in_ci()));
        let left_out_fails = in_ci() && !self.tally.left_out.is_empty();
        let failed = self.tally.failed + steps_failed + usize::from(left_out_fails && self.tally.failed == 0);
        say(format_args!("gate: {} in {}", if failed == 0 { "passed" } else { "FAILED" }, seconds(total)));
        answer(format_args!("{} passed, {failed} failed", self.tally.passed));
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// `PATH`, and behind it the programs that setup installed below `target`.
fn path_with_python() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.push(setup::python_programs());
    env::join_paths(folders).unwrap_or(path)
}

/// An empty file to which tests append what they left out; writable for root, too.
fn left_out_file() -> Result<PathBuf> {
    let folder = workspace().join("target/xtask");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = folder.join("left-out.txt");
    fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn format() -> Result<Outcome> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["fmt", "--check", "--manifest-path", "tcpkit-ebpf/Cargo.toml"]))?;
    Ok(Outcome::Passed)
}

fn build_all() -> Result<Outcome> {
    build::object(Warnings::Denied)?;
    build::agent(Profile::Debug)?;
    Ok(Outcome::Passed)
}

fn clippy() -> Result<Outcome> {
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    Ok(Outcome::Passed)
}

/// Clippy for the kernel side: of the compiler that builds it where it has one, else (Debian's has none) the
/// contributor's own, which lints what also compiles on the host.
fn clippy_ebpf() -> Result<Outcome> {
    let package = workspace().join("tcpkit-ebpf");
    let own = setup::toolchain()?.map(|toolchain| toolchain.compiler.cargo);
    let own = own.filter(|cargo| cargo.with_file_name("cargo-clippy").is_file());
    let mut clippy = own.as_ref().map_or_else(cargo, foreign);
    clippy.current_dir(package).args(["clippy", "--target-dir"]).arg(workspace().join("target/ebpf-clippy"));
    if own.is_some() {
        clippy.env("RUSTC_BOOTSTRAP", "1");
        clippy.args(["--release", "--target", "bpfel-unknown-none", "-Z", "build-std=core"]);
    } else {
        say("clippy (eBPF): for the host, because the eBPF compiler has no clippy");
    }
    clippy.args(["--", "-D", "warnings"]);
    if own.is_none() {
        // What only the programs call has no caller on the host.
        clippy.args(["-A", "dead_code"]);
    }
    run(&mut clippy)?;
    Ok(Outcome::Passed)
}

fn documentation() -> Result<Outcome> {
    run(cargo().env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps", "--quiet"]))?;
    Ok(Outcome::Passed)
}

/// Takes minutes to build, so it is used where it is, and not installed; tidy checks the licences in any case.
fn deny() -> Result<Outcome> {
    if find_program("cargo-deny").is_none() {
        return Ok(Outcome::LeftOut("cargo-deny is not installed (`cargo install cargo-deny`)".to_owned()));
    }
    run(cargo().args(["deny", "--workspace", "check"]))?;
    Ok(Outcome::Passed)
}

/// How test binaries become root: as the runner that cargo starts them with. None where we are root, or cannot be.
fn runner() -> Result<Option<String>> {
    match escalation()? {
        Escalation::NotNeeded => Ok(None),
        Escalation::Impossible(why) => {
            say(format_args!("test: live tests will be left out: {why}"));
            Ok(None)
        }
        Escalation::Sudo => {
            say("test: live tests need root: asking sudo");
            run(Command::new("sudo").arg("-v")).context("sudo refuses")?;
            let xtask = env::current_exe().context("cannot find xtask itself")?;
            let quoted = xtask.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
            Ok(Some(format!("target.'cfg(all())'.runner = [\"{quoted}\", \"as-root\"]")))
        }
    }
}
