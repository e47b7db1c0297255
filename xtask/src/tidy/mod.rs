//! Checks what the compiler cannot: imports between modules, sizes, words, licences, captures, prose.
//!
//! Each check takes text and returns [`Finding`]s, so that each is tested with a small text that must fail.

mod captures;
mod imports;
mod licences;
mod prose;
mod source;
mod text;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::shell::{read, say, workspace};

/// Something that is not as agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File, from the workspace root.
    file: String,
    /// Line, counted from 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong and what to do.
    text: String,
}

impl Finding {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}

/// `cargo xtask tidy`.
///
/// # Errors
/// If a file cannot be read, or a command that it asks (git, cargo, sha256sum) fails.
pub(crate) fn command() -> Result<ExitCode> {
    let (files, findings) = check()?;
    for finding in &findings {
        say(finding);
    }
    if findings.is_empty() {
        say(format_args!("tidy: {files} files in order"));
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!("tidy: {} findings in {files} files", findings.len()));
    Ok(ExitCode::FAILURE)
}

/// Runs every check; returns how many files were looked at, and what is wrong.
fn check() -> Result<(usize, Vec<Finding>)> {
    let root = workspace();
    let files = project_files(&root)?;
    let mut findings = Vec::new();
    for name in &files {
        // A capture is no text; it has a check of its own.
        let Ok(text) = String::from_utf8(read_bytes(&root.join(name))?) else { continue };
        findings.extend(text::check(name, &text));
        if is_rust(name) {
            findings.extend(source::check(name, &text));
            findings.extend(imports::check(name, &text));
        }
    }
    findings.extend(captures::check(&root, &files)?);
    findings.extend(licences::check(&root)?);
    findings.extend(prose::check(&root));
    Ok((files.len(), findings))
}

/// Files of the project: what git tracks or would track.
fn project_files(root: &Path) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = read(&mut git).context("tidy asks git which files belong to the project")?;
    // A file that was deleted and not yet committed is still listed.
    Ok(list
        .split('\0')
        .filter(|name| !name.is_empty() && root.join(name).is_file())
        .map(str::to_owned)
        .collect())
}

fn read_bytes(path: &PathBuf) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn is_rust(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "rs")
}
