//! Capture by libpcap beside capture by eBPF; and an agent that has nothing to do.

use std::{collections::BTreeMap, fs, net::SocketAddr, time::Duration};

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::Pair,
};

use super::mix::Bed;

#[test]
fn libpcap_sees_the_flows_that_ebpf_sees() {
    let needs = [Need::Ebpf, Need::Program("nginx"), Need::Program("redis-server"), Need::Program("curl")];
    if !can_run("libpcap_sees_the_flows_that_ebpf_sees", &needs) {
        return;
    }
    let bed = Bed::new("backend", 3_000_000).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let logs = ["ebpf", "pcap"].map(|backend| (backend, folder.path().join(backend).display().to_string()));
    let live: Vec<_> = (0u16..)
        .zip(&logs)
        .map(|(number, (backend, log))| {
            let endpoint = SocketAddr::from(([127, 0, 0, 1], 34_400 + number));
            let words = ["-i", "veth0", "--json", "--backend", backend, "--flow-log", log];
            Live::at(&bed.pair.server, endpoint, &words)
        })
        .collect();
    let open = bed.mix().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let reports: Vec<_> = live.into_iter().map(|live| live.end(libc::SIGINT).success().json()).collect();
    drop(open);
    assert_eq!(
        (&reports[0]["capture"]["backend"], &reports[1]["capture"]["backend"]),
        (&"ebpf".into(), &"pcap".into())
    );
    let [ebpf, pcap] = logs.map(|(_, log)| flows(&fs::read_to_string(log).unwrap()));
    assert_eq!(ebpf.keys().collect::<Vec<_>>(), pcap.keys().collect::<Vec<_>>());
    for (tuple, flow) in &ebpf {
        assert_eq!(without_capture_point(flow), without_capture_point(&pcap[tuple]), "{tuple}");
        // Each looks at its own place in the stack and has its own time stamps, microseconds apart.
        let apart = flow["start_us"].as_i64().unwrap() - pcap[tuple]["start_us"].as_i64().unwrap();
        assert!(apart.abs() < 100_000, "{tuple}: {apart} us");
    }
    assert_eq!(reports[0]["handshake"]["results"], reports[1]["handshake"]["results"]);
}

fn flows(log: &str) -> BTreeMap<String, Value> {
    log.lines()
        .map(|line| {
            let flow: Value = serde_json::from_str(line).unwrap();
            let part = |key: &str| flow[key].to_string();
            let tuple = ["client_ip", "client_port", "server_ip", "server_port"].map(part).join(" ");
            (tuple, flow)
        })
        .collect()
}

/// libpcap knows no `gso_size`, so segments are counted by the MSS, and bytes on the wire with them; and each place has
/// its own times.
fn without_capture_point(flow: &Value) -> Value {
    let mut flow = flow.clone();
    let object = flow.as_object_mut().unwrap();
    for key in ["start_us", "end_us", "handshake_us", "server_rtt_us", "client_rtt_us", "stalls"] {
        object.remove(key);
    }
    for side in ["client", "server"] {
        let side = object[side].as_object_mut().unwrap();
        for key in ["segments", "bytes", "rtt", "loss_episode_us", "zero_window_us"] {
            side.remove(key);
        }
    }
    flow
}

#[test]
fn an_idle_agent_uses_no_cpu() {
    if !can_run("an_idle_agent_uses_no_cpu", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::without_addresses("idle").unwrap();
    for backend in ["ebpf", "pcap"] {
        let mut live = Live::start(&pair.server, &["-i", "veth0", "--backend", backend, "--shards", "4"]);
        let id = live.running().id();
        let before = cpu_ticks(id);
        std::thread::sleep(Duration::from_secs(3));
        let used = cpu_ticks(id) - before;
        // SAFETY: no preconditions.
        let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap();
        // Four per cent of an unoptimized build, beside other tests; two were measured.
        assert!(used * 100 < per_second * 3 * 4, "{backend}: {used} ticks of {per_second} a second in 3 s");
        let _stopped = live.end(libc::SIGINT).success();
    }
}

/// proc(5): utime and stime are the 14th and the 15th field.
pub(crate) fn cpu_ticks(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = text.rsplit(')').next().unwrap().split_whitespace();
    fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}
