//! Filter expressions in the kernel, over real sockets: the counts are those of a tcpdump beside it.

use std::{
    net::SocketAddr,
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::Namespace,
    wait::until,
};

use super::mix::{Bed, V4, V6};

const NEEDS: [Need; 7] = [
    Need::Ebpf,
    Need::Program("tcpdump"),
    Need::Program("nginx"),
    Need::Program("redis-server"),
    Need::Program("memcached"),
    Need::Program("curl"),
    Need::Program("nft"),
];

/// Each with the least number of frames that it must match, for a filter that matches nothing agrees with everything.
const EXPRESSIONS: [(&str, u64); 9] = [
    ("tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420", 3),
    ("tcp[((tcp[12] & 0xf0) >> 2):4] = 0x48545450", 3),
    ("inbound and port 80", 10),
    ("outbound and tcp[13] & 2 != 0", 3),
    ("net fd77::/64 and tcp", 10),
    ("src net 10.77.0.0/24 and not port 80 and len > 60", 3),
    ("vlan 7 and tcp port 443", 5),
    ("udp port 9", 1),
    ("icmp or arp", 2),
];

#[test]
fn expressions_match_what_tcpdump_matches_beside_it() {
    if !can_run("expressions_match_what_tcpdump_matches_beside_it", &NEEDS) {
        return;
    }
    let bed = Bed::new("filter", 2_000_000).unwrap();
    let both: Vec<_> = (0u16..)
        .zip(EXPRESSIONS)
        .map(|(number, (expression, least))| {
            let words = ["-i", "veth0", "--json", "--strict-filter", "--shards", "1", expression];
            let live = Live::at(&bed.pair.server, endpoint(number), &words);
            (expression, least, live, Tcpdump::start(&bed.pair.server, expression))
        })
        .collect();
    traffic(&bed);
    for (expression, least, live, tcpdump) in both {
        let report = live.end(libc::SIGTERM).success().json();
        let theirs = tcpdump.finish();
        let matched = report["ledger"]["total"]["matched"].as_u64().unwrap();
        assert_eq!(matched, theirs, "{expression}: {}", report["ledger"]);
        assert!(matched >= least, "{expression}: only {matched}: {}", report["ledger"]);
        assert_eq!(report["ledger"]["closes"], true, "{expression}");
        assert_eq!(report["capture"]["filter"], expression);
    }
}

#[test]
fn a_port_filter_keeps_the_icmp_errors_and_fragments_that_belong_to_it() {
    if !can_run("a_port_filter_keeps_the_icmp_errors_and_fragments_that_belong_to_it", &NEEDS) {
        return;
    }
    let bed = Bed::new("belong", 10).unwrap();
    let start = |number, words: &[&str]| {
        let words = [&["-i", "veth0", "--json", "--shards", "1"], words].concat();
        Live::at(&bed.pair.server, endpoint(number), &words)
    };
    let loose = start(0, &["tcp port 83 or udp port 9"]);
    let strict = start(1, &["--strict-filter", "tcp port 83 or udp port 9"]);
    assert!(bed.connect(V4, super::mix::REJECTED).is_err());
    bed.datagram(9, 4_000).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let loose = loose.end(libc::SIGINT).success().json();
    let strict = strict.end(libc::SIGINT).success().json();
    let matched = |report: &Value| report["ledger"]["total"]["matched"].as_u64().unwrap();
    let result = |report: &Value, result: &str| report["handshake"]["results"][result].as_u64().unwrap();
    // The letter of the expression: the SYN, and the first fragment, which has the ports.
    assert_eq!(matched(&strict), 2, "{}", strict["ledger"]);
    assert_eq!(
        (result(&strict, "pending"), result(&strict, "unreachable")),
        (1, 0),
        "{}",
        strict["handshake"]
    );
    // And the two fragments that follow it, the error about the SYN, and the one about the datagram.
    assert_eq!(matched(&loose), 6, "{}", loose["ledger"]);
    assert_eq!((result(&loose, "pending"), result(&loose, "unreachable")), (0, 1), "{}", loose["handshake"]);
}

/// Everything that the expressions ask for, both ways; nothing of it is sent again later.
fn traffic(bed: &Bed) {
    for (address, path) in [(V4, "/large"), (V6, "/large"), (V4, "/small"), (V4, "/small")] {
        bed.fetch(address, path).unwrap();
    }
    bed.ask(6379, b"PING\r\n", b"+PONG\r\n").unwrap();
    bed.ask(11_211, b"get nothing\r\n", b"END\r\n").unwrap();
    assert!(bed.connect(V4, 9).is_err());
    bed.datagram(9, 4_000).unwrap();
    bed.pair.client.enter(|| tagged_frames(5)).unwrap();
    // What is still on its way; and what tcpdump's ring hands over in time.
    std::thread::sleep(Duration::from_millis(300));
}

/// Sends so many TCP frames to port 443 with the tag of VLAN 7, which the receiving kernel takes out of the bytes.
///
/// No other expression asks for that port: to libpcap, live, such a frame has no tag where an expression does not name
/// one, while to us it has, as it has in a file.
fn tagged_frames(count: usize) {
    let mut frame: Vec<u8> = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 7, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2]);
    frame.extend([0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    // SAFETY: the socket is ours; name and length, buffer and length belong together.
    unsafe {
        let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
        assert!(socket >= 0, "{}", std::io::Error::last_os_error());
        let mut to: libc::sockaddr_ll = std::mem::zeroed();
        to.sll_family = libc::AF_PACKET.cast_unsigned() as u16;
        to.sll_ifindex = libc::if_nametoindex(c"veth0".as_ptr()).cast_signed();
        let len = size_of_val(&to) as libc::socklen_t;
        for _ in 0..count {
            let sent =
                libc::sendto(socket, frame.as_ptr().cast(), frame.len(), 0, (&raw const to).cast(), len);
            assert_eq!(usize::try_from(sent), Ok(frame.len()), "{}", std::io::Error::last_os_error());
        }
        libc::close(socket);
    }
}

fn endpoint(number: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 34_100 + number))
}

/// A tcpdump that counts; dropping it ends it.
struct Tcpdump {
    child: Child,
    errors: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Tcpdump {
    fn start(namespace: &Namespace, expression: &str) -> Self {
        // By its option, for libpcap filters the first frame outside the kernel and knows no direction there.
        let (direction, theirs) = match expression.split_once(" and ") {
            Some(("inbound", rest)) => ("in", rest),
            Some(("outbound", rest)) => ("out", rest),
            _ => ("inout", expression),
        };
        let folder = tempfile::tempdir().unwrap();
        let errors = folder.path().join("errors");
        let child = namespace
            .command("tcpdump")
            .args([
                "-i",
                "veth0",
                "-n",
                "--immediate-mode",
                "-B",
                "32768",
                "-s",
                "128",
                "-w",
                "/dev/null",
                "-Q",
                direction,
            ])
            .arg(theirs)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let tcpdump = Self { child, errors, _folder: folder };
        assert!(
            until(Duration::from_secs(10), || tcpdump.said().contains("listening on")),
            "{}",
            tcpdump.said()
        );
        tcpdump
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }

    /// The frames that it captured.
    fn finish(mut self) -> u64 {
        // SAFETY: two integers; the process is our child and not waited for.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGINT) };
        self.child.wait().unwrap();
        let said = self.said();
        assert!(said.contains("\n0 packets dropped by kernel"), "{said}");
        let line =
            said.lines().find(|line| line.contains("packets captured") || line.contains("packet captured"));
        line.and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{said}"))
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}
