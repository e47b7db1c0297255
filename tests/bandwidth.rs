//! Who sent how much in captures that others made, held against tshark's endpoints and capinfos' sums; one shard
//! against many.

use std::collections::BTreeMap;

use serde_json::Value;
use tcpkit_tests::run::tcpkit;

/// Packets and bytes sent, packets and bytes received.
type Said = [u64; 4];

/// What tshark says of a capture (`-z endpoints,ip`, `-z endpoints,ipv6`), and capinfos (packets, bytes).
struct Oracle {
    capture: &'static str,
    total: [u64; 2],
    endpoints: &'static [(&'static str, Said)],
}

const ORACLES: [Oracle; 7] = [
    // Neighbour discovery, multicast DNS, and one request.
    Oracle {
        capture: "arkime__v6-http.pcap",
        total: [55, 8_255],
        endpoints: &[
            ("fe80::211:25ff:fe82:95b5", [34, 2_948, 0, 0]),
            ("ff02::1:ff82:95b5", [0, 0, 33, 2_838]),
            ("2001:6f8:102d:0:2d0:9ff:fee3:e8de", [6, 704, 4, 2_563]),
            ("2001:6f8:900:7c0::2", [4, 2_563, 6, 704]),
            ("2001:6f8:102d:0:1033:c4c:7e57:b19e", [8, 1_782, 0, 0]),
            ("ff02::fb", [0, 0, 8, 1_782]),
            ("fe80::2d0:9ff:fee3:e8de", [2, 180, 0, 0]),
            ("ff02::16", [0, 0, 2, 180]),
            ("::", [1, 78, 0, 0]),
            ("ff02::1:ff98:6e1", [0, 0, 1, 78]),
            ("ff02::1", [0, 0, 1, 110]),
        ],
    },
    // Both IP versions, TCP, UDP and ICMP, and ARP, which has no address of either.
    Oracle {
        capture: "golden__mixed.pcap",
        total: [68, 26_100],
        endpoints: &[
            ("10.99.0.1", [19, 1_470, 17, 11_492]),
            ("10.99.0.2", [17, 11_492, 19, 1_470]),
            ("fd99::1", [16, 1_536, 14, 11_518]),
            ("fd99::2", [14, 11_518, 15, 1_450]),
            ("ff02::1:ff00:2", [0, 0, 1, 86]),
        ],
    },
    Oracle {
        capture: "packetbeat__http_over_vlan.pcap",
        total: [2, 1_890],
        endpoints: &[("10.0.0.9", [1, 541, 1, 1_349]), ("10.0.0.6", [1, 1_349, 1, 541])],
    },
    Oracle {
        capture: "packetbeat__memcache_text_udp_multi_store.pcap",
        total: [3, 356],
        endpoints: &[("192.168.188.37", [3, 356, 0, 0]), ("192.168.188.38", [0, 0, 3, 356])],
    },
    Oracle {
        capture: "deepflow__out-of-order.pcap",
        total: [7, 418],
        endpoints: &[("220.181.111.188", [2, 128, 5, 290]), ("10.30.0.223", [5, 290, 2, 128])],
    },
    Oracle {
        capture: "golden__redis.pcap",
        total: [231, 216_324],
        endpoints: &[
            ("10.99.0.1", [126, 109_161, 105, 107_163]),
            ("10.99.0.2", [105, 107_163, 126, 109_161]),
        ],
    },
    Oracle {
        capture: "made__linux-handshakes.pcap",
        total: [168, 11_683],
        endpoints: &[("10.77.0.1", [101, 7_060, 67, 4_623]), ("10.77.0.2", [67, 4_623, 101, 7_060])],
    },
];

fn report(capture: &str, words: &[&str]) -> Value {
    let path = format!("{}/captures/{capture}", env!("CARGO_MANIFEST_DIR"));
    tcpkit([&["-r", &path, "--json"], words].concat()).run().success().json()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn said(row: &Value) -> Said {
    let one_way = |way: &str| [number(&row[way]["frames"]), number(&row[way]["bytes"])];
    let ([sent, sent_bytes], [received, received_bytes]) = (one_way("sent"), one_way("received"));
    [sent, sent_bytes, received, received_bytes]
}

fn rows<'a>(report: &'a Value, list: &str, key: &str) -> BTreeMap<&'a str, Said> {
    let rows = report["bandwidth"]["talkers"][list].as_array().unwrap();
    rows.iter().map(|row| (row[key].as_str().unwrap(), said(row))).collect()
}

#[test]
fn every_address_sent_and_received_what_tshark_says() {
    for Oracle { capture, total, endpoints } in ORACLES {
        let report = report(capture, &[]);
        let theirs: BTreeMap<&str, Said> = endpoints.iter().copied().collect();
        assert_eq!(rows(&report, "addresses", "address"), theirs, "{capture}");
        let all = &report["bandwidth"]["total"];
        assert_eq!([number(&all["frames"]), number(&all["bytes"])], total, "{capture}");
        let talked = &report["bandwidth"]["talkers"]["total"];
        let sent: u64 = theirs.values().map(|[_, sent, ..]| sent).sum();
        assert_eq!(number(&talked["bytes"]), sent, "{capture}: each packet once");
    }
}

#[test]
fn services_and_ports_are_those_of_the_conversations() {
    let report = report("golden__mixed.pcap", &[]);
    let talkers = &report["bandwidth"]["talkers"];
    let service = |ip: &str, port: u64| {
        let rows = talkers["services"].as_array().unwrap();
        let row = rows.iter().find(|row| row["server_ip"] == ip && row["server_port"] == port);
        row.unwrap_or_else(|| panic!("{ip}:{port} is not in {rows:?}"))
    };
    // tshark -z conv,tcp: 11 frames from the server and 13 to it; -z endpoints,udp: 6 frames of 74 bytes, half of each.
    assert_eq!(said(service("10.99.0.2", 8_080))[0], 11);
    assert_eq!(said(service("10.99.0.2", 8_080))[2..], [13, 954]);
    assert_eq!(said(service("fd99::2", 8_080))[2..], [13, 1_214]);
    assert_eq!(service("fd99::2", 8_080)["flows"], 1);
    assert_eq!(said(service("10.99.0.2", 5_353)), [3, 222, 3, 222]);
    assert_eq!(service("10.99.0.2", 5_353)["protocol"], "udp");
    let port = &talkers["ports"][0];
    assert_eq!((&port["server_port"], &port["flows"]), (&8_080.into(), &2.into()), "both IP versions");
    assert_eq!(said(port)[2], 26);
}

#[test]
fn prefixes_are_as_long_as_asked_and_bad_lengths_are_refused() {
    let capture = "golden__redis.pcap";
    let usual = report(capture, &[]);
    let network = rows(&usual, "prefixes", "prefix");
    assert_eq!(network, BTreeMap::from([("10.99.0.0/24", [231, 216_324, 231, 216_324])]));
    assert_eq!(usual["bandwidth"]["talkers"]["prefixes"][0]["flows"], 2, "a flow within is one flow");
    let halves = report(capture, &["--prefix", "31,64"]);
    let halves = rows(&halves, "prefixes", "prefix");
    let theirs =
        [("10.99.0.0/31", [126, 109_161, 105, 107_163]), ("10.99.0.2/31", [105, 107_163, 126, 109_161])];
    assert_eq!(halves, BTreeMap::from(theirs));
    for bad in ["33,48", "24,129", "24", "24,x", ""] {
        tcpkit(["-r", "x.pcap", "--prefix", bad]).run().failure(2, &["--prefix", "24,48"]);
    }
}

#[test]
fn top_bounds_the_rows_and_the_rest_is_summed_up() {
    let all = report("arkime__v6-http.pcap", &[]);
    let few = report("arkime__v6-http.pcap", &["--top", "2"]);
    let talkers = &few["bandwidth"]["talkers"];
    let rows = talkers["addresses"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[..],
        all["bandwidth"]["talkers"]["addresses"].as_array().unwrap()[..2],
        "the heaviest first"
    );
    let named: u64 = rows.iter().map(|row| number(&row["sent"]["bytes"])).sum();
    assert_eq!(named + number(&talkers["other_addresses"]["sent"]["bytes"]), 8_255);
    tcpkit(["-r", "x.pcap", "--top", "0"]).run().failure(2, &["--top"]);
}

#[test]
fn many_shards_are_as_good_as_one() {
    let captures = ORACLES.iter().map(|oracle| oracle.capture);
    for capture in
        captures.chain(["made__fragments.pcap", "made__encapsulations.pcap", "made__malformed-tcp.pcap"])
    {
        let one = report(capture, &["--shards", "1"]);
        for shards in ["2", "5"] {
            assert_eq!(
                report(capture, &["--shards", shards])["bandwidth"],
                one["bandwidth"],
                "{capture} by {shards}"
            );
        }
    }
}

#[test]
fn payload_goodput_and_flows_are_those_of_the_flow_log() {
    for capture in
        ["made__linux-handshakes.pcap", "golden__redis.pcap", "made__fragments.pcap", "arkime__v6-http.pcap"]
    {
        let report = report(capture, &[]);
        let tcp = &report["bandwidth"]["protocols"]["tcp"];
        assert_eq!(tcp["payload_bytes"], report["totals"]["payload_bytes"], "{capture}");
        assert_eq!(tcp["retransmitted_bytes"], report["retransmit"]["retransmitted_bytes"], "{capture}");
        assert_eq!(tcp["flows"], report["totals"]["flows"], "{capture}");
        let services = report["bandwidth"]["talkers"]["services"].as_array().unwrap();
        let services = services.iter().filter(|row| row["protocol"] == "tcp");
        let sums = services.fold([0; 3], |[flows, payload, again], row| {
            let both = |name: &str| number(&row["sent"][name]) + number(&row["received"][name]);
            [
                flows + number(&row["flows"]),
                payload + both("payload_bytes"),
                again + both("retransmitted_bytes"),
            ]
        });
        let totals = ["flows", "payload_bytes", "retransmitted_bytes"].map(|name| number(&tcp[name]));
        assert_eq!(sums, totals, "{capture}");
    }
}

#[test]
fn the_busiest_second_and_the_octets_of_the_link_are_exact() {
    // 231 packets within 0.37 s, none of them shorter than 60 octets.
    let report = report("golden__redis.pcap", &[]);
    let total = &report["bandwidth"]["total"];
    assert_eq!(number(&total["l1_bytes"]), 216_324 + 24 * 231);
    let peak = number(&total["peak"]["bytes_per_second"]);
    let mean = total["bytes_per_second"].as_f64().unwrap();
    assert!((mean - 216_324.0 / 0.365_842).abs() < 1_000.0, "{mean}");
    assert_eq!(peak, 216_324, "all within one second of the clock");
    assert_eq!(number(&total["peak"]["bits_per_second"]), peak * 8);
    assert_eq!(number(&total["peak"]["at_us"]), 1_795_239_602_000_000);
    // tshark -T fields -e frame.len: two of 74 octets and five of 54, which a card fills up to 60.
    let short = crate::bandwidth::report("deepflow__out-of-order.pcap", &[]);
    assert_eq!(number(&short["bandwidth"]["total"]["l1_bytes"]), 2 * 74 + 5 * 60 + 7 * 24);
}
