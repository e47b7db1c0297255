//! Bonds: in every mode that spreads or fails over, by its master, by its parts, and by both at once.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    kernel::is_at_least,
    live::{ENDPOINT, Live},
    netns::{Namespace, Pair},
    traffic::snmp,
    wait::until,
};

use super::tell::{feature, is_gate, judge, judge_at_length};
use crate::live::ledger::closes;

const PATIENCE: Duration = Duration::from_secs(20);

/// Modes and what else they are told.
const MODES: [(&str, &[&str]); 4] = [
    ("active-backup", &[]),
    ("balance-rr", &[]),
    ("balance-xor", &["xmit_hash_policy", "layer3+4"]),
    ("802.3ad", &["lacp_rate", "fast"]),
];

/// Two hosts with a bond of two cables each, `bond0` over `eth1` and `eth2`, addressed like every [`Pair`].
struct Bed(Pair);

impl Bed {
    fn new(mode: &str, parts: &[&str]) -> Self {
        let pair = Pair { client: Namespace::new("bond").unwrap(), server: Namespace::new("bond").unwrap() };
        let more = MODES.iter().find(|(name, _)| *name == mode).map_or(&[][..], |(_, more)| more);
        let bed = Self(pair);
        for (namespace, number) in bed.ends() {
            let bond = ["link", "add", "bond0", "type", "bond", "mode", mode, "miimon", "50"];
            namespace.ip(&[&bond, more].concat()).unwrap();
            let address = format!("10.77.0.{number}/24");
            namespace.ip(&["addr", "add", &address, "dev", "bond0"]).unwrap();
            namespace.ip(&["link", "set", "bond0", "addrgenmode", "none"]).unwrap();
        }
        for part in parts {
            bed.lay(part);
            bed.enslave(part);
        }
        bed.ends().iter().for_each(|(namespace, _)| drop(namespace.ip(&["link", "set", "bond0", "up"])));
        bed.is_reachable();
        bed
    }

    fn ends(&self) -> [(&Namespace, u8); 2] {
        [(&self.0.client, 1), (&self.0.server, 2)]
    }

    /// A cable between the two, up.
    fn lay(&self, name: &str) {
        let peer = ["peer", "name", name, "netns", self.0.server.name()];
        self.0.client.ip(&[&["link", "add", name, "type", "veth"], &peer[..]].concat()).unwrap();
        for (namespace, _) in self.ends() {
            namespace.ip(&["link", "set", name, "addrgenmode", "none"]).unwrap();
            namespace.ip(&["link", "set", name, "up"]).unwrap();
        }
    }

    /// Makes both ends of a cable parts of the bonds.
    fn enslave(&self, name: &str) {
        for (namespace, _) in self.ends() {
            namespace.ip(&["link", "set", name, "down"]).unwrap();
            namespace.ip(&["link", "set", name, "master", "bond0"]).unwrap();
            namespace.ip(&["link", "set", name, "up"]).unwrap();
        }
    }

    /// Waits until bonds that negotiate have done so.
    fn is_reachable(&self) {
        // Nobody listens: that is answered.
        let address = SocketAddr::from(([10, 77, 0, 2], 9));
        let refused = || {
            let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(500));
            let error = self.0.client.enter(connect).unwrap().unwrap_err();
            error.kind() == std::io::ErrorKind::ConnectionRefused
        };
        assert!(until(Duration::from_secs(40), refused), "the bonds do not carry anything");
    }

    /// Segments that the client has sent, and how many of them again.
    fn sent(&self) -> (u64, u64) {
        let count = |name| snmp(&self.0.client, "Tcp", name).unwrap();
        (count("OutSegs") + count("RetransSegs"), count("RetransSegs"))
    }

    /// A cable fails, comes back, is taken out altogether, and is laid and enslaved anew.
    fn trouble(&self, name: &str, before_enslaving: impl FnOnce()) {
        for state in ["down", "up"] {
            self.0.server.ip(&["link", "set", name, state]).unwrap();
            thread::sleep(Duration::from_millis(700));
        }
        self.0.server.ip(&["link", "del", name]).unwrap();
        thread::sleep(Duration::from_millis(700));
        self.lay(name);
        before_enslaving();
        self.enslave(name);
        thread::sleep(Duration::from_millis(1_500));
    }
}

/// A connection that sends all the time, as iperf does.
struct Stream {
    is_over: Arc<AtomicBool>,
    client: JoinHandle<u64>,
    server: JoinHandle<u64>,
}

impl Stream {
    fn start(pair: &Pair, address: &str) -> Self {
        let listener = pair.server.enter(|| TcpListener::bind((address, 0))).unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut buffer = vec![0; 1 << 16];
            let mut total = 0;
            while let Ok(len @ 1..) = stream.read(&mut buffer) {
                total += len as u64;
            }
            total
        });
        let mut stream = pair.client.enter(|| TcpStream::connect(address)).unwrap().unwrap();
        let is_over = Arc::<AtomicBool>::default();
        let stop = Arc::clone(&is_over);
        let client = thread::spawn(move || {
            let mut total = 0;
            while !stop.load(Relaxed) {
                stream.write_all(&[0x5a; 8_192]).unwrap();
                total += 8_192;
                // A guest has little time for everything else.
                thread::sleep(Duration::from_millis(5));
            }
            total
        });
        Self { is_over, client, server }
    }

    /// Ends it; how many bytes it carried.
    fn finish(self) -> u64 {
        self.is_over.store(true, Relaxed);
        let sent = self.client.join().unwrap();
        assert_eq!(self.server.join().unwrap(), sent);
        sent
    }
}

/// What a run gave: its report, and its flows.
struct Result {
    report: Value,
    flows: Vec<Value>,
}

impl Result {
    /// The ledger closes, and nothing was lost between kernel and analysis.
    fn checked(self) -> Self {
        closes(&self.report);
        assert_eq!(self.report["completeness"], 1.0, "{}", self.report["ledger"]);
        self
    }

    /// Exactly one flow, whose client sent so many bytes, and some of them again in so many segments.
    fn is_one_whole_flow(&self, sent: u64, again: u64) {
        assert_eq!((self.flows.len(), &self.report["totals"]["flows"]), (1, &1.into()), "{:?}", self.flows);
        let payload = self.flows[0]["client"]["payload_bytes"].as_u64().unwrap();
        let most = sent + again * 1_460;
        assert!((sent..=most).contains(&payload), "{sent} {again} {payload}: {}", self.flows[0]);
    }

    /// Octets that the receiver had and XDP did not: a bond takes frames from a part that joins before the kernel has
    /// put the program on it (`bond_enslave`, drivers/net/bonding/bond_main.c). The flow's record tells of them.
    fn unseen(&self) -> u64 {
        let unseen = self.flows[0]["client"]["capture_gap_bytes"].as_u64().unwrap();
        assert!(unseen < 65_536, "{}", self.flows[0]);
        unseen
    }

    fn duplicates(&self) -> u64 {
        self.report["ledger"]["total"]["notes"]["duplicate"].as_u64().unwrap_or(0)
    }

    fn notes(&self) -> String {
        self.report["capture"]["notes"].to_string()
    }
}

/// Captures on the server's side with these words while `act` goes on.
fn captured<T>(bed: &Bed, words: &[&str], act: impl FnOnce(&Live<'_>) -> T) -> (Result, T) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("flows").display().to_string();
    let words = [words, &["--json", "--flow-log", &log]].concat();
    let patient = |run: tcpkit_tests::run::Run| run.deadline(Duration::from_secs(240));
    let live = Live::changed(&bed.0.server, ENDPOINT, &words, patient);
    let done = act(&live);
    thread::sleep(Duration::from_millis(500));
    let report = live.end(libc::SIGINT).success().json();
    let log = fs::read_to_string(&log).unwrap();
    let flows = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (Result { report, flows }.checked(), done)
}

/// One stream while a cable of the bond fails and comes back; its bytes, and the segments that were sent again.
fn stream_through_trouble(bed: &Bed, before_enslaving: impl FnOnce()) -> (u64, u64) {
    let before = bed.sent().1;
    let stream = Stream::start(&bed.0, "10.77.0.2");
    thread::sleep(Duration::from_millis(700));
    bed.trouble("eth1", before_enslaving);
    let sent = stream.finish();
    (sent, bed.sent().1 - before)
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn a_bond_is_captured_whole_while_its_parts_fail() {
    for (number, (mode, _)) in MODES.iter().enumerate() {
        for hook in ["tc", "xdp"] {
            let is_short = knows_xdp() && (hook == "tc") == (number % 2 == 0);
            let judge = if is_short { judge } else { judge_at_length };
            judge(&format!("bond0, {mode}, --hook {hook}: a part fails, no flow is lost"), || {
                let bed = Bed::new(mode, &["eth1", "eth2"]);
                let words = ["-i", "bond0", "--hook", hook];
                let (result, (sent, again)) = captured(&bed, &words, |_| stream_through_trouble(&bed, || ()));
                assert_eq!(result.duplicates(), 0, "{}", result.report["ledger"]);
                let by_xdp = result.report["capture"]["interfaces"][0]["hook"] == "ebpf/xdp+tc";
                let unseen = if by_xdp { result.unseen() } else { 0 };
                result.is_one_whole_flow(sent - unseen, again);
                if hook == "xdp" {
                    xdp_is_told(mode, by_xdp, &result.notes());
                }
                match unseen {
                    0 => String::new(),
                    unseen => format!(
                        "told as a capture gap: {unseen} octets, while the kernel put XDP on the part"
                    ),
                }
            });
        }
    }
}

/// Whether this kernel's bonds pass XDP on to their parts (5.15): the gate tries bonds there, in each mode by one hook.
fn knows_xdp() -> bool {
    is_at_least(5, 15)
}

/// Where XDP on a bond is refused, the notes say why.
fn xdp_is_told(mode: &str, by_xdp: bool, notes: &str) {
    let reason = notes.split("\"bond0: ").find(|note| note.contains("using TC")).unwrap_or_default();
    assert!(by_xdp || !reason.is_empty(), "{notes}");
    let reason = reason.trim_end_matches(['"', ',', ']']);
    let cost = "frames come as GRO merged them, and count as what they were on the wire";
    let remark = if by_xdp { String::new() } else { format!("{reason}: {cost}") };
    feature(&format!("XDP on a bond, {mode}"), if by_xdp { "yes" } else { "no" }, &remark);
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn where_a_mode_has_no_xdp_tc_stands_in_and_says_why() {
    judge_at_length("bond0, balance-tlb, --hook xdp: TC, and the reason", || {
        let bed = Bed::new("balance-tlb", &["eth1", "eth2"]);
        let before = bed.sent().1;
        let (result, sent) = captured(&bed, &["-i", "bond0", "--hook", "xdp"], |_| {
            let stream = Stream::start(&bed.0, "10.77.0.2");
            thread::sleep(Duration::from_millis(700));
            stream.finish()
        });
        result.is_one_whole_flow(sent, bed.sent().1 - before);
        assert_eq!(result.report["capture"]["interfaces"][0]["hook"], "ebpf/tc");
        xdp_is_told("balance-tlb", false, &result.notes());
        ""
    });
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn all_parts_of_a_bond_are_one_place() {
    for mode in ["active-backup", "balance-rr"] {
        let judge = if mode == "balance-rr" && knows_xdp() { judge } else { judge_at_length };
        judge(&format!("parts of a bond captured, {mode}: a flow that moves counts once, whole"), || {
            let bed = Bed::new(mode, &["eth1", "eth2"]);
            let words = ["-i", "eth1", "-i", "eth2", "--reattach"];
            let (result, (sent, again)) = captured(&bed, &words, |live| {
                // What passes a part that nobody has attached to yet, nobody sees.
                let notes = || live.get("/api/v1/report")["capture"]["notes"].to_string();
                let attached = || until(PATIENCE, || notes().contains("eth1 is there and captured"));
                stream_through_trouble(&bed, || assert!(attached(), "{}", notes()))
            });
            result.is_one_whole_flow(sent, again);
            assert_eq!(result.duplicates(), 0, "{}", result.report["ledger"]);
            assert!(result.notes().contains("eth1 became part of bond0"), "{}", result.notes());
            String::new()
        });
    }
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn a_bond_and_its_parts_count_a_flow_once() {
    let judge = if knows_xdp() { judge } else { judge_at_length };
    judge("bond and parts captured together: a flow counts once", || {
        let bed = Bed::new("balance-rr", &["eth1", "eth2"]);
        let all = [
            &["-i", "eth1", "-i", "bond0", "-i", "eth2", "--hook", "tc"][..],
            &["-i", "bond0", "-i", "eth2", "--hook", "xdp"],
            &["-i", "eth2", "-i", "bond0", "--hook", "xdp"],
        ];
        for words in &all[..if is_gate() { 1 } else { all.len() }] {
            let before = bed.sent();
            let (result, sent) = captured(&bed, words, |_| {
                let stream = Stream::start(&bed.0, "10.77.0.2");
                thread::sleep(Duration::from_millis(1_500));
                stream.finish()
            });
            let after = bed.sent();
            result.is_one_whole_flow(sent, after.1 - before.1);
            assert_eq!(result.flows[0]["client"]["segments"], after.0 - before.0, "{}", result.flows[0]);
            assert_eq!(result.flows[0]["interface"], "bond0", "{}", result.flows[0]);
            assert!(result.duplicates() > 0, "{}", result.report["ledger"]);
        }
        ""
    });
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn a_part_may_join_while_a_bond_is_captured() {
    judge_at_length("a part joins while bond and part are captured", || {
        let bed = Bed::new("balance-rr", &["eth1"]);
        bed.lay("eth2");
        // With XDP of its own the kernel would keep it out of the bond.
        let words = ["-i", "bond0", "-i", "eth2", "--hook", "tc"];
        let before = bed.sent().1;
        let (result, sent) = captured(&bed, &words, |_| {
            let stream = Stream::start(&bed.0, "10.77.0.2");
            thread::sleep(Duration::from_millis(700));
            bed.enslave("eth2");
            thread::sleep(Duration::from_millis(1_500));
            stream.finish()
        });
        result.is_one_whole_flow(sent, bed.sent().1 - before);
        assert!(result.notes().contains("eth2 became part of bond0"), "{}", result.notes());
        assert!(result.duplicates() > 0, "{}", result.report["ledger"]);
        ""
    });
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn a_vlan_on_a_bond_is_the_bonds_traffic_and_counts_once() {
    judge_at_length("a VLAN on a bond, alone and together with it", || {
        let bed = Bed::new("active-backup", &["eth1", "eth2"]);
        for (namespace, number) in bed.ends() {
            let vlan = ["link", "add", "link", "bond0", "name", "bond0.100", "type", "vlan", "id", "100"];
            namespace.ip(&vlan).unwrap();
            let address = format!("10.78.0.{number}/24");
            namespace.ip(&["addr", "add", &address, "dev", "bond0.100"]).unwrap();
            namespace.ip(&["link", "set", "bond0.100", "up"]).unwrap();
        }
        for (words, is_twice) in [
            (&["-i", "bond0"][..], false),
            (&["-i", "bond0.100"], false),
            (&["-i", "bond0", "-i", "bond0.100"], true),
            (&["-i", "bond0", "-i", "bond0.100", "-i", "eth1", "-i", "eth2"], true),
        ] {
            let before = bed.sent();
            let (result, sent) = captured(&bed, words, |_| {
                let stream = Stream::start(&bed.0, "10.78.0.2");
                thread::sleep(Duration::from_millis(700));
                stream.finish()
            });
            let after = bed.sent();
            result.is_one_whole_flow(sent, after.1 - before.1);
            assert_eq!(result.flows[0]["client"]["segments"], after.0 - before.0, "{}", result.flows[0]);
            assert_eq!(result.duplicates() > 0, is_twice, "{words:?}: {}", result.report["ledger"]);
        }
        ""
    });
}
