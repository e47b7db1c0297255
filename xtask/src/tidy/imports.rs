//! Imports follow the data: which module of the agent may name which, and who may name tokio.

use super::{Finding, source};

/// Where the agent's modules are.
const AGENT: &str = "tcpkit-agent/src/";

/// For each module, the modules that it may name (ARCHITECTURE, "Who may import whom").
const MATRIX: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("wire", &["time"]),
    ("filter", &["time", "wire"]),
    ("flow", &["time", "wire"]),
    ("protocol", &["time"]),
    ("analyzer", &["flow", "protocol", "time", "wire"]),
    ("report", &["analyzer", "flow", "time", "wire"]),
    ("source", &["filter", "time", "wire"]),
    ("pipeline", &["analyzer", "filter", "flow", "protocol", "report", "source", "time", "wire"]),
    ("sink", &["report", "time"]),
    // It writes frames, where its siblings write reports.
    ("sink/capture", &["report", "source", "time", "wire"]),
    ("view", &["report", "time"]),
    ("script", &["time", "wire"]),
    ("cli", &["time"]),
];

/// Modules where everything comes together.
const UNRESTRICTED: [&str; 3] = ["main", "lib", "agent"];

/// Modules that may name tokio: those that do I/O.
const TOKIO: [&str; 5] = ["source", "pipeline", "sink", "agent", "main"];

/// Looks at one Rust file; those outside the agent import what they like.
pub(super) fn check(name: &str, text: &str) -> Vec<Finding> {
    let Some(module) = module(name) else { return Vec::new() };
    if source::is_test(name) {
        return Vec::new();
    }
    let code = source::blank(text);
    let code = source::production(&code);
    let mut findings = foreign_tokio(name, module, code);
    if UNRESTRICTED.contains(&module) {
        return findings;
    }
    let Some(allowed) = allowed(name) else {
        let text = format!(
            "module `{module}` is not in the import matrix (xtask/src/tidy/imports.rs, ARCHITECTURE.md)"
        );
        findings.push(Finding::new(name, 0, text));
        return findings;
    };
    for (line, target) in named_modules(name, code) {
        if target != module && MATRIX.iter().any(|(known, _)| *known == target) && !allowed.contains(&target)
        {
            findings.push(Finding::new(name, line, format!("`{module}` must not import `{target}`")));
        }
    }
    findings
}

/// The agent's top-level module that a file belongs to.
fn module(name: &str) -> Option<&str> {
    let inside = name.strip_prefix(AGENT)?;
    inside.split(['/', '.']).next()
}

/// What the row of this file's folder allows, else the row of its module.
fn allowed(name: &str) -> Option<&'static [&'static str]> {
    let inside = name.strip_prefix(AGENT)?.strip_suffix(".rs")?;
    let is_within =
        |row: &str| inside.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let rows = MATRIX.iter().filter(|(row, _)| is_within(row));
    rows.max_by_key(|(row, _)| row.len()).map(|(_, allowed)| *allowed)
}

fn foreign_tokio(name: &str, module: &str, code: &str) -> Vec<Finding> {
    if TOKIO.contains(&module) {
        return Vec::new();
    }
    let uses = code.match_indices("tokio::");
    uses.map(|(at, _)| {
        Finding::new(name, source::line_of(code, at), format!("`{module}` must not name tokio"))
    })
    .collect()
}

/// Every module of the crate that the code names: `crate::a::…`, `crate::{a, b::…}`, and `super::` up to the crate.
fn named_modules<'a>(name: &str, code: &'a str) -> Vec<(usize, &'a str)> {
    let mut roots = vec!["crate::".to_owned()];
    roots.extend(depth(name).map(|depth| "super::".repeat(depth)));
    let mut named = Vec::new();
    for root in roots {
        for (at, _) in code.match_indices(&root) {
            let preceded =
                code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$');
            if !preceded {
                let line = source::line_of(code, at);
                named.extend(
                    first_segments(&code[at + root.len()..]).into_iter().map(|segment| (line, segment)),
                );
            }
        }
    }
    named
}

/// How many `super::` lead from the file's module to the crate; none for the crate itself.
fn depth(name: &str) -> Option<usize> {
    let inside = name.strip_prefix(AGENT)?.strip_suffix(".rs")?;
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    (!UNRESTRICTED.contains(&inside)).then(|| inside.split('/').count())
}

/// The first path segment, or each one of a group.
fn first_segments(path: &str) -> Vec<&str> {
    let Some(group) = path.trim_start().strip_prefix('{') else { return word(path).into_iter().collect() };
    let mut nesting = 0_usize;
    let mut start = 0;
    let mut segments = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '{' => nesting += 1,
            '}' | ',' if nesting == 0 => {
                segments.extend(word(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => nesting -= 1,
            _ => {}
        }
    }
    segments
}

fn word(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(file: &str, code: &str) -> Vec<String> {
        check(&format!("{AGENT}{file}"), code).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn an_import_against_the_data_is_found_in_every_spelling() {
        for code in [
            "use crate::report::Report;",
            "use crate::{time::Timestamp, report::{Report, Event}};",
            "fn f() -> crate::report::Report {}",
            "use crate::{\n    flow::table::{A, B},\n    report,\n};",
            "use super::super::report::Report;",
        ] {
            assert_eq!(findings("flow/table.rs", code), ["`flow` must not import `report`"], "{code}");
        }
    }

    #[test]
    fn a_folder_may_have_a_row_of_its_own() {
        assert_eq!(findings("sink/capture/pcap.rs", "use crate::wire::Frame;"), [""; 0]);
        assert_eq!(findings("sink/text.rs", "use crate::wire::Frame;"), ["`sink` must not import `wire`"]);
        assert_eq!(
            findings("sink/captured.rs", "use crate::wire::Frame;"),
            ["`sink` must not import `wire`"]
        );
    }

    #[test]
    fn an_import_along_the_data_is_fine() {
        let code = "use crate::{time::Timestamp, wire::{Segment, report}};\nuse super::state::State;\n// crate::report\n";
        assert_eq!(findings("flow/table.rs", code), [""; 0]);
        assert_eq!(findings("main.rs", "use crate::report::Report; use tokio::net;"), [""; 0]);
    }

    #[test]
    fn tests_of_a_module_import_what_they_like() {
        let code = "fn f() {}\n#[cfg(test)]\nmod tests { use crate::report::Report; }\n";
        assert_eq!(findings("flow/table.rs", code), [""; 0]);
        assert_eq!(findings("flow/tests.rs", "use crate::report::Report;"), [""; 0]);
    }

    #[test]
    fn analyzers_never_name_tokio() {
        assert_eq!(findings("analyzer/mod.rs", "use tokio::time;"), ["`analyzer` must not name tokio"]);
        assert_eq!(findings("sink/http.rs", "use tokio::time;"), [""; 0]);
    }

    #[test]
    fn a_module_outside_the_matrix_is_named() {
        assert_eq!(findings("utility.rs", "").len(), 1);
    }
}
