//! Writes tcpdump expressions by the grammar of pcap-filter(7), with values that stand in the frames.

use super::capture::{Random, Sample};

/// Addresses and ports that expressions may ask for.
pub(super) struct Vocabulary {
    hosts: Vec<String>,
    hosts_6: Vec<String>,
    ports: Vec<u16>,
    ethernet: Vec<String>,
}

impl Vocabulary {
    /// What stands in these Ethernet frames, and a few values that do not.
    pub(super) fn new(samples: &[Sample]) -> Self {
        let mut words = Self {
            hosts: vec!["192.0.2.1".to_owned(), "255.255.255.255".to_owned()],
            hosts_6: vec!["2001:db8::1".to_owned()],
            ports: vec![80, 443, 53, 0, 65_535],
            ethernet: vec!["ff:ff:ff:ff:ff:ff".to_owned()],
        };
        for sample in samples.iter().filter(|sample| sample.bytes.len() >= 60) {
            words.take(&sample.bytes);
        }
        words
    }

    fn take(&mut self, frame: &[u8]) {
        let half = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let mac: Vec<String> = frame[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        self.ethernet.push(mac.join(":"));
        match half(12) {
            0x0800 => {
                self.hosts.push(dotted(&frame[26..30]));
                self.hosts.push(dotted(&frame[30..34]));
                self.ports.extend([half(34), half(36)]);
            }
            0x86dd => {
                for at in [22, 38] {
                    let octets: [u8; 16] = frame[at..at + 16].try_into().unwrap();
                    self.hosts_6.push(std::net::Ipv6Addr::from(octets).to_string());
                }
                self.ports.extend([half(54), half(56)]);
            }
            0x8100 => self.hosts.push(dotted(&frame[30..34])),
            _ => {}
        }
    }
}

fn dotted(octets: &[u8]) -> String {
    octets.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
}

/// An expression with at most `depth` levels of nesting.
pub(super) fn expression(words: &Vocabulary, random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.chance(25) {
        return primitive(words, random);
    }
    let left = expression(words, random, depth - 1);
    let right = expression(words, random, depth - 1);
    match random.below(6) {
        0 | 1 => format!("{left} and {right}"),
        2 | 3 => format!("{left} or {right}"),
        4 => format!("not ({left}) or ({right} && not {})", primitive(words, random)),
        _ => format!("!({left}) and ({right})"),
    }
}

fn primitive(words: &Vocabulary, random: &mut Random) -> String {
    let direction = *random.of(&["", "src ", "dst ", "src or dst ", "src and dst "]);
    match random.below(16) {
        0 => format!("{direction}host {}", random.of(&words.hosts)),
        1 => format!("ip6 {direction}host {}", random.of(&words.hosts_6)),
        2 => network(words, random, direction),
        3 | 4 => port(words, random, direction),
        5 => (*random.of(PROTOCOLS)).to_owned(),
        6 => format!("ether {direction}host {}", random.of(&words.ethernet)).replace("src or dst ", ""),
        7 => encapsulation(random),
        8 => format!("{} {}", random.of(&["less", "greater"]), random.below(200)),
        9 => (*random.of(FLAGS)).to_owned(),
        10 => (*random.of(PAYLOADS)).to_owned(),
        11 => (*random.of(&["inbound", "outbound", "not inbound"])).to_owned(),
        12 => format!("ip proto {}", random.of(&[1, 2, 6, 17, 47, 58])),
        13 => format!("ip6 proto {}", random.of(&[6, 17, 44, 58])),
        _ => comparison(random),
    }
}

fn network(words: &Vocabulary, random: &mut Random, direction: &str) -> String {
    if random.chance(30) {
        let bits = *random.of(&[32_u32, 48, 64, 96]);
        let address: std::net::Ipv6Addr = random.of(&words.hosts_6).parse().unwrap();
        let masked = std::net::Ipv6Addr::from(u128::from(address) & !0 << (128 - bits));
        return format!("{direction}net {masked}/{bits}");
    }
    let bits = *random.of(&[4_u32, 8, 12, 16, 24, 31]);
    let address: std::net::Ipv4Addr = random.of(&words.hosts).parse().unwrap();
    let masked = std::net::Ipv4Addr::from(u32::from(address) & !0 << (32 - bits));
    format!("{direction}net {masked}/{bits}")
}

fn port(words: &Vocabulary, random: &mut Random, direction: &str) -> String {
    let protocol = *random.of(&["", "tcp ", "udp ", "sctp "]);
    let port = *random.of(&words.ports);
    if random.chance(40) {
        let last = port.saturating_add(random.below(5_000) as u16);
        return format!("{protocol}{direction}portrange {port}-{last}");
    }
    format!("{protocol}{direction}port {port}")
}

fn encapsulation(random: &mut Random) -> String {
    match random.below(6) {
        0 => "vlan".to_owned(),
        1 => format!("vlan {}", random.below(120)),
        2 => "mpls".to_owned(),
        3 => format!("(vlan and {})", random.of(&["ip", "tcp port 80", "vlan", "host 10.0.0.1"])),
        4 => format!("({} and tcp)", random.of(&["mpls", "pppoes", "vlan and vlan", "mpls and mpls"])),
        _ => (*random.of(&["pppoed", "pppoes", "geneve", "(geneve and ip)", "(geneve and tcp port 80)"]))
            .to_owned(),
    }
}

fn comparison(random: &mut Random) -> String {
    let left = arithmetic(random, 2);
    let relation = random.of(&["=", "!=", "<", "<=", ">", ">="]);
    format!("{left} {relation} {}", arithmetic(random, 1))
}

/// An arithmetic expression over bytes of the frame.
fn arithmetic(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.chance(30) {
        return match random.below(4) {
            0 => "len".to_owned(),
            1 => random.below(70_000).to_string(),
            _ => {
                let offset = random.below(60).to_string();
                bytes(random, offset)
            }
        };
    }
    match random.below(8) {
        0 => {
            let inner = arithmetic(random, depth - 1);
            let mask = random.of(&["0x0f", "0x3f", "0xff", "0xffff"]);
            bytes(random, format!("({inner}) & {mask}"))
        }
        1 => {
            let inner = arithmetic(random, depth - 1);
            bytes(random, inner)
        }
        2 => format!("-({})", arithmetic(random, depth - 1)),
        _ => {
            let operation = random.of(&["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]);
            let (left, right) = (arithmetic(random, depth - 1), arithmetic(random, depth - 1));
            format!("({left} {operation} {right})")
        }
    }
}

fn bytes(random: &mut Random, offset: String) -> String {
    let header = random.of(&["ether", "ip", "ip6", "tcp", "udp", "icmp", "link"]);
    match random.below(4) {
        0 => format!("{header}[{offset}]"),
        size => format!("{header}[{offset}:{}]", [1, 2, 4][size - 1]),
    }
}

const PROTOCOLS: &[&str] = &[
    "ip",
    "ip6",
    "arp",
    "rarp",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "igmp",
    "sctp",
    "ah",
    "esp",
    "pim",
    "vrrp",
    "stp",
    "ipx",
    "ip multicast",
    "ip6 multicast",
    "ether multicast",
    "ether broadcast",
    "ip broadcast",
    "ether proto 0x0800",
    "ether proto \\ip6",
    "llc",
    "iso",
    "atalk",
    "ether[0] & 1 = 0",
];

const FLAGS: &[&str] = &[
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[tcpflags] = tcp-syn",
    "tcp[13] & 2 != 0",
    "tcp[tcpflags] & tcp-push != 0",
    "icmp[icmptype] = icmp-unreach",
    "icmp[icmpcode] != 1",
    "icmp6[icmp6type] = 3",
    "ip[6:2] & 0x1fff != 0",
    "ip[0] & 0xf != 5",
];

const PAYLOADS: &[&str] = &[
    "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
    "tcp[((tcp[12] & 0xf0) >> 2):2] = 0x4854",
    "ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0",
    "len - 14 - ip[2:2] > 0",
    "ip[ip[2:2]] = 0",
    "tcp[20 + tcp[12] / 4:4] != 1",
    "len / ip[8] > 3",
    "len % tcp[0] = 2",
    "(1 << ip[8]) > 5",
    "(tcp[4:4] >> ip[8]) & 1 = 1",
    "udp[8 + udp[4:2] - 8 - 1] = 0",
    "ether[70000] = 1",
    "ether[40000:2] = 1",
    "ether[ether[0] + 65530] = 1",
    "tcp[tcp[4:4]] = 1",
];
