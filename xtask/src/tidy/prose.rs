//! The prose names commands that exist, and the README names the two that everybody needs.

use std::{collections::BTreeSet, path::Path};

use clap::CommandFactory as _;

use super::Finding;
use crate::shell::read_text;

/// Documents that every project file may count on.
const DOCUMENTS: [&str; 4] = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"];

/// What a newcomer types first.
const FIRST_COMMANDS: [&str; 2] = ["cargo xtask run -- -i ", "cargo xtask test"];

/// Most lines of ARCHITECTURE.md: longer, and nobody reads it.
const ARCHITECTURE_LIMIT: usize = 250;

/// Looks at the documents.
pub(super) fn check(root: &Path) -> Vec<Finding> {
    let tasks = tasks();
    let mut findings = Vec::new();
    for name in DOCUMENTS {
        match read_text(&root.join(name)) {
            Ok(text) => findings.extend(document(name, &text, &tasks)),
            Err(error) => findings.push(Finding::new(name, 0, format!("{error:#}"))),
        }
    }
    findings
}

/// The commands of xtask, as they are.
fn tasks() -> BTreeSet<String> {
    crate::Arguments::command().get_subcommands().map(|task| task.get_name().to_owned()).collect()
}

fn document(name: &str, text: &str, tasks: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = unknown_tasks(name, text, tasks);
    if name == "README.md" {
        let missing = FIRST_COMMANDS.iter().filter(|command| !text.contains(**command));
        findings.extend(missing.map(|command| Finding::new(name, 0, format!("does not show `{command}`"))));
    }
    let lines = text.lines().count();
    if name == "ARCHITECTURE.md" && lines > ARCHITECTURE_LIMIT {
        findings.push(Finding::new(name, 0, format!("{lines} lines; {ARCHITECTURE_LIMIT} is the limit")));
    }
    findings
}

fn unknown_tasks(name: &str, text: &str, tasks: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for after in line.split("cargo xtask ").skip(1) {
            let end = after.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(after.len());
            let task = after[..end].trim_start_matches('-');
            if !task.is_empty() && !tasks.contains(task) {
                findings.push(Finding::new(name, index + 1, format!("there is no `cargo xtask {task}`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, text: &str) -> Vec<String> {
        document(name, text, &tasks()).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn a_command_that_does_not_exist_is_found() {
        assert_eq!(texts("CONTRIBUTING.md", "`cargo xtask polish`\n"), ["there is no `cargo xtask polish`"]);
        assert_eq!(texts("CONTRIBUTING.md", "`cargo xtask tidy`, `cargo xtask setup --check`\n"), [""; 0]);
    }

    #[test]
    fn the_readme_shows_the_two_commands() {
        assert_eq!(texts("README.md", "cargo xtask test\n"), ["does not show `cargo xtask run -- -i `"]);
        assert_eq!(texts("README.md", "cargo xtask run -- -i eth0\ncargo xtask test\n"), [""; 0]);
    }

    #[test]
    fn architecture_is_short_enough_to_be_read() {
        assert_eq!(texts("ARCHITECTURE.md", &"line\n".repeat(251)).len(), 1);
    }
}
