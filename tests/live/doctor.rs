//! `tcpkit doctor` says of a host and of an interface what a capture then finds.

use tcpkit_tests::{
    left_out::{Need, can_run},
    netns::Pair,
    run::tcpkit,
};

#[test]
fn the_doctor_tries_an_interface_and_leaves_nothing_behind() {
    let name = "the_doctor_tries_an_interface_and_leaves_nothing_behind";
    if !can_run(name, &[Need::Ebpf, Need::Program("bpftool")]) {
        return;
    }
    let pair = Pair::new("doctor").unwrap();
    let inside = ["ip", "netns", "exec", pair.server.name()];
    let report = tcpkit(["doctor", "-i", "veth0", "--json"]).inside(inside).run().success().json();
    assert_eq!(report["can_capture"], true, "{report}");
    let examined = report["examined"].as_array().unwrap();
    let of = |index: usize, subject: &str| {
        let findings = examined[index]["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["subject"] == subject);
        found.unwrap_or_else(|| panic!("{subject} is missing in {report}")).clone()
    };
    assert_eq!((&examined[0]["name"], &examined[1]["name"]), (&"host".into(), &"veth0".into()));
    assert_eq!(of(0, "capabilities")["condition"], "ok");
    assert_eq!(of(1, "trial")["condition"], "ok", "{report}");
    assert!(of(1, "interface")["fact"].as_str().unwrap().contains("veth"), "{report}");
    let attached = std::process::Command::new("ip")
        .args(["netns", "exec", pair.server.name(), "bpftool", "net", "show", "dev", "veth0"])
        .output()
        .unwrap();
    let attached = String::from_utf8_lossy(&attached.stdout).into_owned();
    assert!(!attached.contains("tcpkit") && !attached.contains("tc_"), "{attached}");
}

#[test]
fn the_doctor_names_what_is_missing() {
    if !can_run("the_doctor_names_what_is_missing", &[Need::Ebpf, Need::Program("setpriv")]) {
        return;
    }
    let outcome = tcpkit(["doctor", "-i", "nosuch0"]).run().failure(1, &["doctor"]);
    assert!(outcome.stdout.contains("nosuch0") && outcome.stdout.contains("trouble"), "{outcome:?}");
    let bounded = ["setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin"];
    let outcome = tcpkit(["doctor", "-i", "lo"]).inside(bounded).run().failure(1, &["doctor"]);
    assert!(outcome.stdout.contains("CAP_BPF missing"), "{outcome:?}");
}
