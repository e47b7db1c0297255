//! What is attached to an interface, asked from the kernel and not from tcpkit.

use std::{process::Command, sync::OnceLock};

use aya::programs::{SchedClassifier, TcAttachType};

use crate::netns::{Namespace, run};

/// Programs on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// By TCX, in both directions.
    pub tcx: usize,
    /// XDP, in whatever mode.
    pub xdp: bool,
    /// Whether there is a clsact, which is where filters sit.
    pub clsact: bool,
}

impl Attached {
    /// Nothing at all.
    pub const NONE: Self = Self { tcx: 0, xdp: false, clsact: false };

    /// What a capture by TC attaches here: two programs by TCX, or by a clsact on kernels without.
    #[must_use]
    pub fn by_tc() -> Self {
        if has_tcx() { Self { tcx: 2, ..Self::NONE } } else { Self { clsact: true, ..Self::NONE } }
    }

    /// What a capture by native XDP attaches here: egress stays with TC.
    #[must_use]
    pub fn by_xdp() -> Self {
        Self { tcx: usize::from(has_tcx()), xdp: true, clsact: !has_tcx() }
    }

    /// What is on an interface of this namespace now.
    ///
    /// # Panics
    /// If `ip` or `tc` fail.
    #[must_use]
    pub fn now(namespace: &Namespace, interface: &str) -> Self {
        let tcx = namespace.enter(|| {
            [TcAttachType::Ingress, TcAttachType::Egress].map(|direction| {
                SchedClassifier::query_tcx(interface, direction).map_or(0, |found| found.1.len())
            })
        });
        let link = namespace.ip(&["link", "show", "dev", interface]).unwrap();
        let tc = run("tc", &["-n", namespace.name(), "qdisc", "show", "dev", interface]).unwrap();
        Self {
            tcx: tcx.unwrap().iter().sum(),
            xdp: String::from_utf8_lossy(&link.stdout).contains("prog/xdp"),
            clsact: String::from_utf8_lossy(&tc.stdout).contains("clsact"),
        }
    }
}

/// Whether this kernel has TCX (since 6.6), found by asking for what is attached to loopback.
#[must_use]
pub fn has_tcx() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| SchedClassifier::query_tcx("lo", TcAttachType::Ingress).is_ok())
}

/// Classifiers of one direction on an interface of the namespace that the thread is in, by TCX or by clsact.
///
/// # Panics
/// If `tc` cannot be run.
#[must_use]
pub fn classifiers(interface: &str, direction: TcAttachType) -> usize {
    if has_tcx() {
        return SchedClassifier::query_tcx(interface, direction).unwrap().1.len();
    }
    let side = if matches!(direction, TcAttachType::Egress) { "egress" } else { "ingress" };
    // Without a clsact it fails, and there are none.
    let filters = Command::new("tc").args(["filter", "show", "dev", interface, side]).output().unwrap();
    String::from_utf8_lossy(&filters.stdout).matches(" handle ").count()
}
