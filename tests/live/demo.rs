//! `cargo xtask demo` finds what it promises, and leaves nothing behind.

use std::{
    env,
    io::{Read as _, Write as _},
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    run::binary,
    wait::{patience, until},
};

const NEEDS: [Need; 5] = [
    Need::Ebpf,
    Need::Program("nginx"),
    Need::Program("redis-server"),
    Need::Program("curl"),
    Need::Program("nft"),
];

/// The task itself, not cargo: what is signalled must be what cleans up. `TCPKIT_XTASK`, or that of this build.
fn xtask() -> &'static Path {
    static XTASK: OnceLock<PathBuf> = OnceLock::new();
    XTASK.get_or_init(|| {
        if let Some(xtask) = env::var_os("TCPKIT_XTASK") {
            return PathBuf::from(xtask);
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--package", "xtask"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.is_ok_and(|status| status.success()), "cannot build xtask");
        let test = env::current_exe().unwrap();
        test.ancestors().nth(3).unwrap().join("debug/xtask")
    })
}

/// A demo that serves its reports on a socket in this folder; dropped, it is killed, and its heir takes the rest down.
struct Demo {
    child: Child,
    socket: PathBuf,
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let socket = folder.join("demo.sock");
        let mut command = Command::new(xtask());
        command.arg("demo").arg("--tcpkit").arg(binary());
        command.args(["--", "--quiet", "--slower-than=250", "--handshake-timeout=2", "--stats-listen"]);
        command.arg(format!("unix:{}", socket.display()));
        // A group of its own, as a shell gives it, so that Ctrl-C reaches tcpkit too.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), socket }
    }

    fn report(&self) -> Option<Value> {
        let mut stream = UnixStream::connect(&self.socket).ok()?;
        stream.write_all(b"GET /api/v1/report HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    fn signal(&self, signal: i32, group: bool) {
        let id = i32::try_from(self.child.id()).unwrap();
        // SAFETY: kill takes two integers; the process is our child, not waited for yet, and leads its group.
        assert_eq!(unsafe { libc::kill(if group { -id } else { id }, signal) }, 0);
    }

    /// Whether namespaces of it are there.
    fn is_left(&self) -> bool {
        let id = self.child.id();
        ["near", "far"].iter().any(|end| Path::new(&format!("/run/netns/xtask-{end}-{id}")).exists())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// Every kind of finding, by its name in the demo's last words.
fn found(report: &Value) -> Vec<&'static str> {
    let some = |place: &str| report.pointer(place).and_then(Value::as_u64) > Some(0);
    let slowest = report["latency"]["requests"]["slowest"].as_array().into_iter().flatten();
    let slow_function = |request: &Value| {
        request["command"] == "FCALL" && request["where"]["server_us"].as_f64() >= Some(290_000.0)
    };
    let findings = [
        ("nothing lost", report["ledger"]["closes"] == true && some("/ledger/total/delivered")),
        ("closed port", some("/handshake/results/reject")),
        ("firewall", some("/handshake/results/unreachable")),
        ("silent port", some("/handshake/results/timeout")),
        ("rude client", some("/handshake/results/aborted")),
        ("lossy network", some("/retransmit/retransmissions/fast")),
        ("slow query", slowest.into_iter().any(slow_function)),
        ("slow reader", some("/retransmit/zero_window_episodes")),
        (
            "who uses what",
            some("/bandwidth/bursts/0/one_ms/peak_bits_per_second") || some("/bandwidth/total/bytes"),
        ),
    ];
    findings.iter().filter(|(_, is_found)| *is_found).map(|(name, _)| *name).collect()
}

#[test]
fn the_demo_shows_every_kind_of_finding_and_leaves_nothing_after_ctrl_c() {
    if !can_run("the_demo_shows_every_kind_of_finding_and_leaves_nothing_after_ctrl_c", &NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(folder.path());
    let mut seen = Vec::new();
    let all = until(patience(90), || {
        seen = demo.report().as_ref().map(found).unwrap_or_default();
        seen.len() == 9
    });
    assert!(all, "found only {seen:?}: {:?}", demo.child.try_wait());
    assert!(demo.is_left());
    demo.signal(libc::SIGINT, true);
    assert!(until(patience(60), || demo.child.try_wait().unwrap().is_some()), "it does not end");
    assert!(demo.child.wait().unwrap().success());
    assert!(!demo.is_left());
}

#[test]
fn a_demo_that_is_killed_leaves_nothing_either() {
    if !can_run("a_demo_that_is_killed_leaves_nothing_either", &NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    assert!(until(patience(60), || demo.report().is_some()), "it does not come up");
    demo.signal(libc::SIGKILL, false);
    assert!(until(patience(60), || !demo.is_left()), "its namespaces are left");
}
