//! Our licence texts are there, each of our packages names them, and every dependency has a licence that we accept.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Finding;
use crate::shell::{cargo, read};

/// What tcpkit is licensed under.
const OURS: &str = "MIT OR Apache-2.0";

/// Licences that let us pass the work on under ours (the same list as `deny.toml`), and those of captures.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Looks at the licence files and at every package that the workspace is built from.
///
/// # Errors
/// If cargo cannot say what the workspace is built from.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        if !root.join(file).is_file() {
            findings.push(Finding::new(file, 0, "the licence text is missing"));
        }
    }
    let mut metadata = cargo();
    metadata.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform=x86_64-unknown-linux-gnu",
    ]);
    let text = read(&mut metadata).context("cannot list the dependencies")?;
    let metadata: Value = serde_json::from_str(&text).context("cargo's metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo's metadata has no packages")?;
    findings.extend(packages.iter().filter_map(package));
    Ok(findings)
}

fn package(package: &Value) -> Option<Finding> {
    let name = package["name"].as_str().unwrap_or("?");
    let license = package["license"].as_str().unwrap_or_default();
    let is_ours = package["source"].is_null();
    if is_ours && license != OURS {
        return Some(Finding::new(name, 0, format!("the package's licence is `{license}`, not `{OURS}`")));
    }
    (!is_allowed(license))
        .then(|| Finding::new("Cargo.lock", 0, format!("{name}: licence `{license}` is not on our list")))
}

/// Whether an SPDX expression can be met with licences of our list (`OR` wants one side, `AND` both).
pub(super) fn is_allowed(expression: &str) -> bool {
    // Old packages write `MIT/Apache-2.0` for `MIT OR Apache-2.0`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0 };
    let allowed = parser.any();
    allowed == Some(true) && parser.at == words.len()
}

/// SPDX expressions (SPDX 2.3, annex D), evaluated while they are read; `None` where they are malformed.
struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut allowed = self.all()?;
        while self.take("OR") {
            allowed |= self.all()?;
        }
        Some(allowed)
    }

    fn all(&mut self) -> Option<bool> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Some(allowed)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let allowed = self.any()?;
            return self.take(")").then_some(allowed);
        }
        let mut license = (*self.words.get(self.at)?).to_owned();
        self.at += 1;
        if self.take("WITH") {
            license = format!("{license} WITH {}", self.words.get(self.at)?);
            self.at += 1;
        }
        Some(ALLOWED.contains(&license.as_str()))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_allowed_side_of_or_is_enough_and_both_sides_of_and_are_needed() {
        for expression in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-2.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(is_allowed(expression), "{expression}");
        }
        for expression in ["", "GPL-2.0", "MIT AND GPL-2.0", "(MIT OR ISC", "MIT MIT", "OR MIT", "MIT OR"] {
            assert!(!is_allowed(expression), "{expression}");
        }
    }

    #[test]
    fn a_package_of_ours_names_our_licence() {
        let ours = serde_json::json!({ "name": "x", "source": null, "license": "MIT" });
        assert!(package(&ours).is_some());
        let ours = serde_json::json!({ "name": "x", "source": null, "license": OURS });
        assert_eq!(package(&ours), None);
        let foreign = serde_json::json!({ "name": "x", "source": "registry", "license": "GPL-3.0" });
        assert!(package(&foreign).is_some());
    }
}
