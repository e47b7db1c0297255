//! What this host lets a live capture do, found by looking and by trying; nothing is changed that is not put back.

mod host;
mod interface;
mod trial;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// As it should be.
    Good,
    /// It costs something, or changes what numbers mean.
    Note,
    /// Frames are lost before anybody sees them, or will be under load.
    Loss,
    /// No capture by eBPF.
    Trouble,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub subject: &'static str,
    /// How it stands.
    pub condition: Condition,
    /// What there is, and what that means.
    pub fact: String,
    /// What to do about it, as a command where there is one.
    pub advice: Option<String>,
}

/// Everything about the host, or about one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// `host`, or the interface's name.
    pub name: String,
    /// In the order in which they matter.
    pub findings: Vec<Finding>,
}

impl Finding {
    fn good(subject: &'static str, fact: impl Into<String>) -> Self {
        Self { subject, condition: Condition::Good, fact: fact.into(), advice: None }
    }

    fn note(subject: &'static str, fact: impl Into<String>) -> Self {
        Self { condition: Condition::Note, ..Self::good(subject, fact) }
    }

    fn loss(subject: &'static str, fact: impl Into<String>) -> Self {
        Self { condition: Condition::Loss, ..Self::good(subject, fact) }
    }

    fn trouble(subject: &'static str, fact: impl Into<String>) -> Self {
        Self { condition: Condition::Trouble, ..Self::good(subject, fact) }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Looks at the host and at these interfaces; on each, programs are attached by TC for a second.
#[must_use]
pub fn examine(interfaces: &[String]) -> Vec<Examination> {
    let host = Examination { name: "host".to_owned(), findings: host::examine() };
    let can_capture = host.findings.iter().all(|finding| finding.condition != Condition::Trouble);
    let each = interfaces
        .iter()
        .map(|name| Examination { name: name.clone(), findings: interface::examine(name, can_capture) });
    std::iter::once(host).chain(each).collect()
}

/// Interfaces that are up, but for the loopback: what there is to watch where none is named.
#[must_use]
pub fn usual_interfaces() -> Vec<String> {
    let names = super::device::names().into_iter().map(|(_, name)| name);
    names
        .filter(|name| super::device::Device::find(name).is_ok_and(|one| one.is_up() && !one.is_loopback()))
        .collect()
}

/// The first line of a file of /proc or /sys.
fn line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}
