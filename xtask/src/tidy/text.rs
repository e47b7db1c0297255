//! Every text file: no trailing white space, no leftovers, no path of one machine.

use super::Finding;

/// Words that mark unfinished work; put together here, so that this file does not contain them.
const LEFTOVERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("INTEGRATOR", ":")];

/// Paths that exist on one machine only.
const MACHINE_PATHS: [&str; 4] =
    [concat!("..", "/shared"), concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];

/// Tables of the captures hold other people's words, and patches of nobody here.
const TABLE: &str = "MANIFEST.tsv";

/// Looks at one text file.
pub(super) fn check(name: &str, text: &str) -> Vec<Finding> {
    if name.ends_with(TABLE) || name.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.ends_with([' ', '\t']) && !is_captured_output(name) {
            findings.push(Finding::new(name, number, "trailing white space"));
        }
        for word in LEFTOVERS.iter().filter(|word| line.contains(**word)) {
            findings.push(Finding::new(name, number, format!("`{word}`: finish it, or open an issue")));
        }
        for path in MACHINE_PATHS.iter().filter(|path| line.contains(**path)) {
            findings.push(Finding::new(name, number, format!("`{path}` exists on one machine only")));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') && !is_captured_output(name) {
        findings.push(Finding::new(name, 0, "the last line has no end"));
    }
    findings
}

/// Outputs of programs are kept to the byte.
fn is_captured_output(name: &str) -> bool {
    name.ends_with(".txt")
        || name.starts_with("tests/")
            && !name.ends_with(".rs")
            && !name.ends_with(".md")
            && !name.ends_with(".toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(name: &str, text: &str) -> Vec<usize> {
        check(name, text).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn trailing_white_space_is_found_except_in_recorded_output() {
        assert_eq!(lines("a.rs", "one\ntwo \nthree\t\n"), [2, 3]);
        assert_eq!(lines("tests/golden/stat.txt", "one \n"), [0; 0]);
    }

    #[test]
    fn leftovers_and_machine_paths_are_found() {
        assert_eq!(lines("a.md", &format!("fine\n// {} later\n", LEFTOVERS[0])), [2]);
        for path in MACHINE_PATHS {
            assert_eq!(lines("a.md", &format!("see {path}x\n")), [1], "{path}");
        }
    }

    #[test]
    fn a_file_ends_with_a_line_end() {
        assert_eq!(lines("a.rs", "one"), [0]);
        assert_eq!(lines("a.rs", ""), [0; 0]);
    }
}
