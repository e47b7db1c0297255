//! A user who may not capture gets one line that names what is missing.

use std::os::unix::fs::PermissionsExt as _;

use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::{Namespace, Pair},
    run::{Outcome, binary, tcpkit},
    traffic::transfer,
};

/// Runs it as `nobody`, without any capability, from a copy that `nobody` can reach.
fn as_nobody(namespace: &Namespace, words: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("tcpkit");
    std::fs::copy(binary(), &copy).unwrap();
    let copy = copy.display().to_string();
    let become_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    // The binary that the run appends is the last word that sh gets, and is not used: the copy stands in for it.
    let script = format!("shift; exec {copy} \"$@\"");
    let prefix =
        [&["ip", "netns", "exec", namespace.name()], &become_nobody[..], &["sh", "-c", &script, "sh"]];
    tcpkit(words).inside(prefix.concat()).run()
}

#[test]
fn without_privileges_one_line_names_the_capabilities() {
    let needs = [Need::Ebpf, Need::Program("setpriv")];
    if !can_run("without_privileges_one_line_names_the_capabilities", &needs) {
        return;
    }
    let pair = Pair::new("nobody").unwrap();
    for (backend, names) in [
        ("ebpf", ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]),
        ("pcap", ["CAP_NET_RAW", "CAP_NET_ADMIN", "root"]),
        ("auto", ["CAP_BPF", "CAP_NET_RAW", "CAP_NET_ADMIN"]),
    ] {
        let words = ["-i", "veth0", "--backend", backend, "--stats-listen", "off"];
        let outcome = as_nobody(&pair.server, &words).failure(1, &names);
        assert_eq!(outcome.stderr.lines().count(), 1, "{backend}: {outcome:?}");
        assert!(outcome.stdout.is_empty(), "{backend}: {outcome:?}");
    }
}

#[test]
fn a_file_is_read_without_any_privilege() {
    if !can_run("a_file_is_read_without_any_privilege", &[Need::Ebpf, Need::Program("setpriv")]) {
        return;
    }
    let pair = Pair::new("reader").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("x.pcapng").display().to_string();
    let live = Live::start(&pair.server, &["-i", "veth0", "--json", "-w", &file]);
    transfer(&pair, 1_000).unwrap();
    assert_eq!(live.end(libc::SIGINT).success().json()["totals"]["flows"], 1);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = as_nobody(&pair.server, &["-r", &file, "--json"]).success();
    assert_eq!(outcome.json()["totals"]["flows"], 1);
}
