//! What a flow costs in memory, everything included: its record, handshake, streams, timers and place in the index.

use anyhow::{Context as _, Result};

use super::{Limit, Verdict, generator::Generator};
use crate::shell::answer;

/// Octets that each kind of flow may take.
const PROMISED: [(&str, &str, f64); 2] = [
    ("half_open", "memory: half-open flow, of 200 octets", 200.0),
    ("established", "memory: established flow, of 1,024 octets", 1024.0),
];

/// Measures both kinds.
///
/// # Errors
/// If the helper cannot be built, or fails.
pub(super) fn flows() -> Result<Vec<Verdict>> {
    let measured = Generator::build()?.memory()?;
    let verdicts = PROMISED.iter().map(|&(kind, name, promised)| {
        let octets = *measured.get(kind).with_context(|| format!("the helper says nothing of {kind}"))?;
        answer(format_args!("{kind:12} {octets:8.1} octets per flow"));
        Ok(Verdict { name, ratio: octets / promised, limit: Limit::AtMost(1.0) })
    });
    verdicts.collect()
}
