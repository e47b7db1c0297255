//! What the kernel counted of TCP in a namespace, which the truth must come to.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};

use crate::netns::Namespace;

/// Counters of `/proc/net/snmp` and `/proc/net/netstat`, as `Tcp.RetransSegs` or `TcpExt.TCPLossProbes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// As they stand now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of(namespace: &Namespace) -> Result<Self> {
        let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
        let (snmp, netstat) = namespace.enter(|| (read("snmp"), read("netstat")))?;
        let mut counters = Self::default();
        counters.take(&snmp.context("no /proc/net/snmp")?);
        counters.take(&netstat.context("no /proc/net/netstat")?);
        Ok(counters)
    }

    /// By how much they grew since; those that did not are left out.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let grown = self.0.iter().map(|(name, value)| (name.clone(), value.wrapping_sub(before.get(name))));
        Self(grown.filter(|(_, value)| *value != 0).collect())
    }

    /// Both namespaces' together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (name, value) in &other.0 {
            *self.0.entry(name.clone()).or_default() += value;
        }
        self
    }

    /// One of them; zero where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// A line of names and values follows one of names.
    fn take(&mut self, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.chunks_exact(2) {
            let mut names = pair[0].split_whitespace();
            let group = names.next().unwrap_or_default().trim_end_matches(':');
            for (name, value) in names.zip(pair[1].split_whitespace().skip(1)) {
                // `Tcp.MaxConn` may be -1, which is no count.
                if let Ok(value) = value.parse() {
                    self.0.insert(format!("{group}.{name}"), value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_stand_on_two_lines() {
        let mut before = Counters::default();
        before.take("Tcp: MaxConn RetransSegs\nTcp: -1 3\nTcpExt: TCPTimeouts\nTcpExt: 0\n");
        let mut after = Counters::default();
        after.take("Tcp: MaxConn RetransSegs\nTcp: -1 10\nTcpExt: TCPTimeouts\nTcpExt: 0\n");
        let grown = after.since(&before);
        assert_eq!((grown.get("Tcp.RetransSegs"), grown.get("TcpExt.TCPTimeouts")), (7, 0));
        assert_eq!(grown.clone().plus(&grown).get("Tcp.RetransSegs"), 14);
    }
}
