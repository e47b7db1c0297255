//! Tools of Python that tests call, in an environment of their own below `target`: nothing of the system changes.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::probe::{Finding, Part};
use crate::{
    build::target_folder,
    shell::{find_program, run, say},
};

/// The release that was tried; its folder has its number, so that another one is installed anew.
const SCHEMATHESIS: &str = "4.32.5";

/// Where programs of Python are for tests, behind everything else in `PATH`.
pub(crate) fn folder() -> PathBuf {
    environment().join("bin")
}

/// What has to be there to install it, and the thing itself.
pub(super) fn findings() -> [Finding; 2] {
    let own = folder().join("schemathesis");
    let found = find_program("schemathesis").or_else(|| works(&own).then_some(own));
    let modules = found.is_some() || has_modules();
    [
        Finding {
            name: "python3-venv".to_owned(),
            purpose: "schemathesis is installed with it (package python3-venv)".to_owned(),
            found: modules.then(|| "python3 can make environments".to_owned()),
            part: Part::Package("python3-venv"),
        },
        Finding {
            name: "schemathesis".to_owned(),
            purpose: format!("a test tries the endpoint with it (schemathesis {SCHEMATHESIS} of PyPI)"),
            found: found.map(|file| file.display().to_string()),
            part: Part::Schemathesis,
        },
    ]
}

/// Installs it, in a quarter of a minute.
///
/// # Errors
/// There is no Python that makes environments, or PyPI cannot be reached.
pub(super) fn install_schemathesis() -> Result<()> {
    let environment = environment();
    say(format_args!(
        "setup: installing schemathesis {SCHEMATHESIS} from PyPI into {}",
        environment.display()
    ));
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))
        .context("cannot make an environment of Python (package python3-venv)")?;
    let mut pip = Command::new("timeout");
    pip.arg("300").arg(environment.join("bin/pip"));
    pip.args(["--disable-pip-version-check", "install", "--quiet", "--retries", "2", "--timeout", "20"]);
    pip.args(["--only-binary", ":all:"]).arg(format!("schemathesis=={SCHEMATHESIS}"));
    run(&mut pip).context("cannot install schemathesis: PyPI cannot be reached, or has it no more")
}

fn environment() -> PathBuf {
    target_folder().join(format!("schemathesis-{SCHEMATHESIS}"))
}

fn has_modules() -> bool {
    succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
}

/// What an interrupted installation left does not count.
fn works(program: &PathBuf) -> bool {
    succeeds(Command::new(program).arg("--version"))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
