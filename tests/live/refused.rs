//! Where eBPF cannot run: `auto` captures by libpcap and says why in one line, and `--backend ebpf` fails with that line.

use std::os::unix::fs::PermissionsExt as _;

use tcpkit_tests::{
    left_out::{Need, can_run},
    live::{ENDPOINT, Live, inside},
    netns::{Namespace, Pair},
    run::{Outcome, Run, binary},
    traffic::transfer,
};
use tempfile::TempDir;

/// What eBPF capture needs, and nothing beside it.
const EBPF: &str = "+bpf,+net_admin,+perfmon";

/// What libpcap needs.
const LIBPCAP: &str = "+net_raw,+net_admin";

/// The binary where everyone can reach it, and how `nobody` with some capabilities runs it.
struct Nobody {
    folder: TempDir,
}

impl Nobody {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::copy(binary(), folder.path().join("tcpkit")).unwrap();
        Self { folder }
    }

    /// The same run by `nobody` with these capabilities, in setpriv's words; `first` is what a shell does before.
    fn run(&self, run: Run, namespace: &Namespace, capabilities: &str, first: &str) -> Run {
        let copy = self.folder.path().join("tcpkit").display().to_string();
        // The binary that the run appends is the first word that sh gets; the copy stands in for it.
        let script = format!(
            "{first} shift; exec setpriv --reuid=65534 --regid=65534 --clear-groups \
             --inh-caps=-all,{capabilities} --ambient-caps=-all,{capabilities} {copy} \"$@\""
        );
        run.inside(["ip", "netns", "exec", namespace.name(), "sh", "-c", &script, "sh"])
    }
}

/// One capture in which a connection is made.
fn captured(pair: &Pair, backend: &str, change: impl FnOnce(Run) -> Run) -> Outcome {
    let words = ["-i", "veth0", "--json", "--ring-bytes", "1M", "--shards", "1", "--backend", backend];
    let live = Live::changed(&pair.server, ENDPOINT, &words, change);
    transfer(pair, 1_000).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    live.end(libc::SIGINT).success()
}

/// libpcap captured the connection, and one line of standard error and one note of the report have these words.
fn by_libpcap(outcome: &Outcome, words: &[&str]) {
    let report = outcome.json();
    assert_eq!(report["capture"]["backend"], "pcap", "{outcome:?}");
    assert_eq!(
        (&report["totals"]["flows"], &report["ledger"]["closes"]),
        (&1.into(), &true.into()),
        "{report}"
    );
    let lines: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("libpcap")).collect();
    assert_eq!(lines.len(), 1, "{outcome:?}");
    let notes = report["capture"]["notes"].to_string();
    for word in words {
        assert!(
            lines[0].contains(word) && notes.contains(word),
            "{word:?} is not in {} and {notes}",
            lines[0]
        );
    }
    assert!(!lines[0].contains("--backend pcap"), "{}: that is being done", lines[0]);
}

/// `auto` captures by libpcap, and `ebpf` ends with status 1, with the same words.
fn refused(pair: &Pair, words: &[&str], change: impl Fn(Run) -> Run) {
    by_libpcap(&captured(pair, "auto", &change), words);
    let run = inside(&pair.server, ["-i", "veth0", "--stats-listen", "off", "--backend", "ebpf"]);
    let outcome = change(run).run().failure(1, words);
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
}

#[test]
pub(crate) fn without_capabilities_libpcap_captures_and_says_why() {
    let needs = [Need::Ebpf, Need::Program("setpriv")];
    if !can_run("without_capabilities_libpcap_captures_and_says_why", &needs) {
        return;
    }
    let (pair, nobody) = (Pair::new("nocaps").unwrap(), Nobody::new());
    let words = ["not permitted", "CAP_BPF, CAP_PERFMON missing", "setcap"];
    refused(&pair, &words, |run| nobody.run(run, &pair.server, LIBPCAP, ""));
}

#[test]
pub(crate) fn three_capabilities_are_enough() {
    let needs = [Need::Ebpf, Need::Program("setpriv")];
    if !can_run("three_capabilities_are_enough", &needs) {
        return;
    }
    let (pair, nobody) = (Pair::new("caps").unwrap(), Nobody::new());
    for hook in ["tc", "xdp"] {
        // Kernels before 5.11 count maps as locked memory.
        let unlimited = |run| nobody.run(run, &pair.server, EBPF, "ulimit -l unlimited;");
        let words = ["-i", "veth0", "--json", "--backend", "ebpf", "--hook", hook];
        let live = Live::changed(&pair.server, ENDPOINT, &words, unlimited);
        transfer(&pair, 1_000).unwrap();
        let report = live.end(libc::SIGINT).success().json();
        assert_eq!((&report["capture"]["backend"], &report["totals"]["flows"]), (&"ebpf".into(), &1.into()));
    }
}

/// On kernels before 5.11, which count maps as locked memory; later ones capture.
#[test]
pub(crate) fn too_little_locked_memory_is_told() {
    let needs = [Need::Ebpf, Need::Program("setpriv")];
    if !can_run("too_little_locked_memory_is_told", &needs) {
        return;
    }
    let (pair, nobody) = (Pair::new("memlock").unwrap(), Nobody::new());
    let few = |run| nobody.run(run, &pair.server, &format!("{EBPF},+net_raw"), "ulimit -l 64;");
    if kernel() >= (5, 11) {
        assert_eq!(captured(&pair, "ebpf", few).json()["capture"]["backend"], "ebpf");
    } else {
        refused(&pair, &["locked memory", "65536 bytes", "ulimit -l"], few);
    }
}

/// Version of the kernel.
fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers =
        release.split(|other: char| !other.is_ascii_digit()).map_while(|number| number.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
pub(crate) fn a_seccomp_profile_that_refuses_bpf_is_told() {
    if !can_run("a_seccomp_profile_that_refuses_bpf_is_told", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("seccomp").unwrap();
    for (errno, words) in [
        (libc::EPERM, ["bpf(2) is refused", "Operation not permitted", "seccomp"]),
        (libc::ENOSYS, ["bpf(2) is refused", "Function not implemented", "seccomp"]),
        // As kernels before 5.8 answer a map of a type that they do not know.
        (libc::EINVAL, ["has no BPF ring buffer", "Linux 5.10 or later", "Linux "]),
    ] {
        refused(&pair, &words, |run| run.refusing_bpf(errno));
    }
}

#[test]
fn root_of_a_user_namespace_is_told_that_it_is_none() {
    let needs = [Need::Ebpf, Need::Program("unshare")];
    if !can_run("root_of_a_user_namespace_is_told_that_it_is_none", &needs) {
        return;
    }
    let namespace = Namespace::new("userns").unwrap();
    let words = ["-i", "lo", "--stats-listen", "off", "--backend", "ebpf"];
    let run = inside(&namespace, words);
    let run = run.inside(["ip", "netns", "exec", namespace.name(), "unshare", "-Ur", "-n"]);
    let outcome = run.run().failure(1, &["bpf(2) is refused", "user namespace"]);
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
}

/// Nothing is pinned, and of `/sys` nothing is needed.
#[test]
pub(crate) fn a_container_without_bpffs_and_sysfs_captures_by_ebpf() {
    let needs = [Need::Ebpf, Need::Program("unshare")];
    if !can_run("a_container_without_bpffs_and_sysfs_captures_by_ebpf", &needs) {
        return;
    }
    let pair = Pair::new("nosys").unwrap();
    let script = "mount -t tmpfs none /sys && exec \"$0\" \"$@\"";
    let name = pair.server.name();
    let hidden = |run: Run| run.inside(["ip", "netns", "exec", name, "unshare", "-m", "sh", "-c", script]);
    let report = captured(&pair, "ebpf", hidden).json();
    assert_eq!((&report["capture"]["backend"], &report["totals"]["flows"]), (&"ebpf".into(), &1.into()));
    assert_eq!(report["ledger"]["closes"], true, "{report}");
}
