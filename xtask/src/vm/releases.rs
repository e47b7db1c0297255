//! The kernels that are tried: what Debian's suites hold, oldest first.

use anyhow::{Result, anyhow};

/// A kernel as people call it, and the suite of Debian that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    /// What `--kernel` takes.
    pub name: &'static str,
    /// The suite of Debian's archive.
    pub suite: &'static str,
    /// Whether every run of the gate boots it.
    pub in_gate: bool,
}

/// Oldest first. 5.10 is the oldest that tcpkit supports.
pub(crate) const RELEASES: [Release; 4] = [
    Release { name: "5.10", suite: "bullseye", in_gate: true },
    Release { name: "6.1", suite: "bookworm", in_gate: true },
    Release { name: "6.12", suite: "trixie", in_gate: false },
    Release { name: "newest", suite: "sid", in_gate: false },
];

/// Those that every run of the gate boots.
pub(crate) fn of_the_gate() -> Vec<Release> {
    RELEASES.into_iter().filter(|release| release.in_gate).collect()
}

/// The release of this name.
///
/// # Errors
/// If there is none; the error lists what there is.
pub(super) fn named(name: &str) -> Result<Release> {
    let found = RELEASES.into_iter().find(|release| release.name == name || release.suite == name);
    found.ok_or_else(|| {
        let names: Vec<String> =
            RELEASES.iter().map(|release| format!("{} (Debian {})", release.name, release.suite)).collect();
        anyhow!("there is no kernel {name:?} here: --kernel takes {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_known_by_its_number_and_by_its_suite() {
        assert_eq!(named("6.1").unwrap(), named("bookworm").unwrap());
    }

    #[test]
    fn an_unknown_kernel_is_answered_with_what_there_is() {
        let text = named("4.19").unwrap_err().to_string();
        assert!(
            text.contains("\"4.19\"") && RELEASES.iter().all(|release| text.contains(release.name)),
            "{text}"
        );
    }
}
