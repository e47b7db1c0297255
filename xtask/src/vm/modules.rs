//! Which modules a guest gets: those that tests and tcpkit need, and what these depend on, dependencies first.

use std::collections::{BTreeMap, BTreeSet};

/// What the guest cannot do without.
///
/// The kernel loads most of them by itself when they are asked for (`ip link add type bond`), if they are there.
pub(super) const NEEDED: &[&str] = &[
    // How the guest speaks to us.
    "virtio_pci",
    "virtio_console",
    // Links.
    "bonding",
    "veth",
    "8021q",
    "dummy",
    "tun",
    "macvlan",
    "bridge",
    "vxlan",
    "ifb",
    // Hooks and queueing.
    "sch_ingress",
    "cls_bpf",
    "cls_matchall",
    "act_bpf",
    "act_mirred",
    "act_gact",
    "sch_netem",
    "sch_tbf",
    "sch_prio",
    "sch_fq_codel",
    "sch_fq",
    // Loss, rejection, counting.
    "nf_tables",
    "nft_numgen",
    "nft_limit",
    "nft_ct",
    "nft_reject",
    "nft_reject_inet",
    "nft_log",
    // What `ss` and tcptrack's peers ask.
    "inet_diag",
    "tcp_diag",
    "af_packet_diag",
    "overlay",
];

/// `modules.dep`, as depmod writes it: each module's file, and the files of all that it needs.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    /// By the module's name: its file and its direct and indirect dependencies, as names.
    modules: BTreeMap<String, (String, Vec<String>)>,
    /// What is part of the kernel's own image.
    builtin: BTreeSet<String>,
}

impl Dependencies {
    /// From the texts of `modules.dep` and `modules.builtin`.
    pub(super) fn parse(dep: &str, builtin: &str) -> Self {
        let mut modules = BTreeMap::new();
        for line in dep.lines() {
            let Some((file, needs)) = line.split_once(':') else { continue };
            let needs = needs.split_whitespace().map(name_of).collect();
            modules.insert(name_of(file), (file.to_owned(), needs));
        }
        Self { modules, builtin: builtin.lines().map(name_of).collect() }
    }

    /// Files of these modules and of what they need, each once, each after what it needs.
    ///
    /// # Errors
    /// The names that neither a module nor the kernel itself has.
    pub(super) fn files(&self, wanted: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let mut order =
            Order { dependencies: self, files: Vec::new(), seen: BTreeSet::new(), missing: Vec::new() };
        for name in wanted {
            order.add(&normal(name));
        }
        if order.missing.is_empty() { Ok(order.files) } else { Err(order.missing) }
    }
}

/// A walk over the dependencies, under way.
struct Order<'a> {
    dependencies: &'a Dependencies,
    files: Vec<String>,
    seen: BTreeSet<String>,
    missing: Vec<String>,
}

impl Order<'_> {
    fn add(&mut self, name: &str) {
        // Marked before its dependencies are: a cycle ends here.
        if !self.seen.insert(name.to_owned()) {
            return;
        }
        let Some((file, needs)) = self.dependencies.modules.get(name) else {
            if !self.dependencies.builtin.contains(name) {
                self.missing.push(name.to_owned());
            }
            return;
        };
        for need in needs {
            self.add(need);
        }
        self.files.push(file.clone());
    }
}

/// `kernel/drivers/net/bonding/bonding.ko.xz` is `bonding`.
fn name_of(file: &str) -> String {
    let last = file.rsplit('/').next().unwrap_or(file).trim();
    normal(last.split_once(".ko").map_or(last, |(name, _)| name))
}

/// The kernel takes `-` and `_` in a module's name for one.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/net/tls/tls.ko:
kernel/drivers/net/bonding/bonding.ko.xz: kernel/net/tls/tls.ko
kernel/net/8021q/8021q.ko: kernel/net/802/garp.ko kernel/net/802/stp.ko kernel/net/llc/llc.ko
kernel/net/802/garp.ko: kernel/net/802/stp.ko kernel/net/llc/llc.ko
kernel/net/802/stp.ko: kernel/net/llc/llc.ko
kernel/net/llc/llc.ko:
kernel/net/sched/sch-odd.ko:
";

    fn dependencies() -> Dependencies {
        Dependencies::parse(DEP, "kernel/drivers/char/virtio_console.ko\n")
    }

    #[test]
    fn what_a_module_needs_stands_before_it_and_once() {
        let files = dependencies().files(&["8021q", "bonding"]).unwrap();
        let names: Vec<String> = files.iter().map(|file| name_of(file)).collect();
        assert_eq!(names, ["llc", "stp", "garp", "8021q", "tls", "bonding"]);
    }

    #[test]
    fn what_is_built_in_needs_no_file() {
        assert_eq!(dependencies().files(&["virtio_console"]), Ok(Vec::new()));
    }

    #[test]
    fn all_missing_modules_are_named() {
        let missing = dependencies().files(&["bonding", "veth", "dummy"]).unwrap_err();
        assert_eq!(missing, ["veth", "dummy"]);
    }

    #[test]
    fn dashes_and_underscores_are_one() {
        assert_eq!(dependencies().files(&["sch_odd"]).unwrap(), ["kernel/net/sched/sch-odd.ko"]);
    }

    #[test]
    fn modules_that_need_each_other_do_not_hang_the_walk() {
        let cycle = Dependencies::parse("a.ko: b.ko\nb.ko: a.ko\n", "");
        assert_eq!(cycle.files(&["a"]).unwrap(), ["b.ko", "a.ko"]);
    }
}
