//! Metrics: promtool finds nothing wrong with them, and a real Prometheus scrapes them.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::{ENDPOINT, Live, get},
    netns::{Pair, run},
    server::Server,
    traffic::transfer,
    wait::{patience, until},
};

/// Where our Prometheus listens, inside its namespace.
const PROMETHEUS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9_090);

fn rules() -> String {
    format!("{}/../dist/prometheus/tcpkit.rules.yml", env!("CARGO_MANIFEST_DIR"))
}

/// Runs promtool with this on standard input; what it says, and whether it is content.
fn promtool(words: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new("promtool")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_alert_rules_are_in_order() {
    if !can_run("the_alert_rules_are_in_order", &[Need::Program("promtool")]) {
        return;
    }
    let (is_content, said) = promtool(&["check", "rules", &rules()], "");
    assert!(is_content && said.contains("SUCCESS"), "{said}");
}

#[test]
fn a_real_prometheus_scrapes_what_promtool_finds_in_order() {
    let needs = [Need::Ebpf, Need::Program("promtool"), Need::Program("prometheus")];
    if !can_run("a_real_prometheus_scrapes_what_promtool_finds_in_order", &needs) {
        return;
    }
    let pair = Pair::new("scrape").unwrap();
    let live = Live::start(&pair.server, &["-i", "veth0", "--json", "--metrics-top", "3"]);
    transfer(&pair, 2_000_000).unwrap();
    let (status, text) = get(&pair.server, ENDPOINT, "/metrics").unwrap();
    assert_eq!(status, 200);
    let (is_content, said) = promtool(&["check", "metrics"], &text);
    assert!(is_content && said.is_empty(), "{said}");

    let prometheus = Prometheus::start(&pair, "exemplar-storage");
    let ask = |query: &str| prometheus.value(&pair, query);
    assert!(
        until(patience(60), || ask("tcpkit_handshakes_total{result=\"success\"}") == Some(1.0)),
        "it does not scrape: {:?}",
        get(&pair.server, PROMETHEUS, "/api/v1/targets")
    );
    assert_eq!(ask("up{job=\"tcpkit\"}"), Some(1.0));
    assert_eq!(ask("tcpkit_completeness_ratio"), Some(1.0));
    assert_eq!(ask("tcpkit_ledger_closes"), Some(1.0));
    assert!(ask("sum(tcpkit_traffic_bytes_total{interface=\"veth0\"})") > Some(2_000_000.0));
    assert_eq!(ask("tcpkit_handshake_duration_seconds_count"), Some(1.0));
    assert!(ask("process_cpu_seconds_total{job=\"tcpkit\"}") > Some(0.0));
    let rules: Value = serde_json::from_str(&in_one_piece(&pair, "/api/v1/rules")).unwrap();
    let rules = rules["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
    assert!(rules.len() >= 7, "{rules:?}");
    drop(prometheus);
    let report = live.end(libc::SIGINT).success().json();
    assert_eq!((&report["completeness"], &report["ledger"]["closes"]), (&1.0.into(), &true.into()));
}

/// Requests to nginx, and what a Prometheus with native histograms makes of how long they took: as many as the report
/// has, and its percentiles no further off than a bucket is wide.
#[test]
fn a_real_prometheus_takes_native_histograms() {
    let needs = [Need::Ebpf, Need::Program("prometheus"), Need::Program("nginx"), Need::Program("curl")];
    if !can_run("a_real_prometheus_takes_native_histograms", &needs) {
        return;
    }
    let pair = Pair::new("native").unwrap();
    let _nginx = Server::nginx(&pair.server, 200_000).unwrap();
    let live = Live::start(&pair.server, &["-i", "veth0", "--json", "-m", "http"]);
    // Curl asks for each of them on one connection.
    let url = "http://10.77.0.2/large?[1-50]";
    let words =
        ["netns", "exec", pair.client.name(), "curl", "-s", "--max-time", "40", "-o", "/dev/null", url];
    run("ip", &words).unwrap();

    let prometheus = Prometheus::start(&pair, "native-histograms,exemplar-storage");
    let ask = |query: &str| prometheus.value(&pair, query);
    const SERIES: &str = "tcpkit_request_duration_seconds{protocol=\"http\"}";
    assert!(
        until(patience(60), || ask(&format!("histogram_count({SERIES})")) == Some(50.0)),
        "{:?} of 50: {:?}",
        ask(&format!("histogram_count({SERIES})")),
        get(&pair.server, PROMETHEUS, "/api/v1/targets")
    );
    assert_eq!(ask("up{job=\"tcpkit\"}"), Some(1.0));
    assert_eq!(ask("histogram_count(tcpkit_handshake_duration_seconds)"), Some(1.0));
    // What is no duration is as it is in text.
    assert_eq!(ask("tcpkit_requests_total{protocol=\"http\",outcome=\"answered\"}"), Some(50.0));
    assert!(ask("sum(tcpkit_packet_size_bytes_count)") > Some(50.0));
    let told = ["0.5", "0.99"].map(|share| ask(&format!("histogram_quantile({share}, {SERIES})")).unwrap());
    let sum = ask(&format!("histogram_sum({SERIES})")).unwrap();
    let exemplars = format!("/api/v1/query_exemplars?query={}&start=0&end=9999999999", encoded(SERIES));
    let exemplars = in_one_piece(&pair, &exemplars);
    assert!(exemplars.contains("GET") && exemplars.contains("10.77.0.2:80"), "{exemplars}");
    drop(prometheus);

    let report = live.end(libc::SIGINT).success().json();
    let http = &report["latency"]["requests"]["protocols"]["http"];
    assert_eq!(http["answered"], 50);
    let duration = &http["total_us"];
    for (told, own) in told.into_iter().zip(["p50", "p99"]) {
        let own = duration[own].as_f64().unwrap() / 1e6;
        // A bucket is 9 % wide, and what stands for a duration in the report is up to 1 % off.
        assert!((own / 1.11..own * 1.11).contains(&told), "{told} s for {own} s: {duration}");
    }
    let mean = duration["avg"].as_f64().unwrap() / 1e6;
    assert!((sum / 50.0 - mean).abs() <= mean / 1e3, "{sum} s of 50: {duration}");
}

/// Every octet as a query of an address has it.
fn encoded(query: &str) -> String {
    query.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

/// What our Prometheus answers by HTTP/1.0, which has no chunks.
fn in_one_piece(pair: &Pair, path: &str) -> String {
    let mut stream = pair.server.enter(|| TcpStream::connect(PROMETHEUS)).unwrap().unwrap();
    stream.set_read_timeout(Some(patience(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned()
}

/// A Prometheus in the foreground; dropping it ends it.
struct Prometheus {
    child: Child,
    folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(pair: &Pair, features: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: ['{}']\n\
             scrape_configs:\n  - job_name: tcpkit\n    static_configs: [{{ targets: ['{ENDPOINT}'] }}]\n",
            rules()
        );
        fs::write(&config, text).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = pair.server.command("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={PROMETHEUS}"))
            .arg(format!("--enable-feature={features}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let prometheus = Self { child: command.spawn().unwrap(), folder };
        let ready = || get(&pair.server, PROMETHEUS, "/-/ready").is_ok_and(|(status, _)| status == 200);
        assert!(until(patience(60), ready), "it does not come up: {}", prometheus.log());
        prometheus
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What a query comes to now, where it is one number.
    fn value(&self, pair: &Pair, query: &str) -> Option<f64> {
        let path = format!("/api/v1/query?query={}", encoded(query));
        let (_, body) = get(&pair.server, PROMETHEUS, &path).ok()?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It runs in the foreground as one process, which ip-netns(8) became by exec.
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// The description is put to the test by others' requests, made up from it.
#[test]
fn schemathesis_finds_nothing_wrong() {
    let needs = [Need::Ebpf, Need::Program("schemathesis")];
    if !can_run("schemathesis_finds_nothing_wrong", &needs) {
        return;
    }
    // It keeps what it found where it runs.
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::new("schema").unwrap();
    let live = Live::start(&pair.server, &["-i", "veth0", "--json"]);
    transfer(&pair, 200_000).unwrap();
    let output = pair
        .server
        .command("schemathesis")
        .current_dir(folder.path())
        .args(["run", "--url", &format!("http://{ENDPOINT}"), "--exclude-path", "/api/v1/events"])
        .args(["--max-examples", "20", "--request-timeout", "20", "--generation-deterministic"])
        .arg(format!("http://{ENDPOINT}/openapi.json"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let report = live.end(libc::SIGINT).success().json();
    assert_eq!(report["ledger"]["closes"], true);
}

/// What workers note of requests themselves: the least of many, because a busy machine may interrupt any of them.
#[test]
fn a_scrape_keeps_workers_from_their_frames_for_less_than_a_millisecond() {
    if !can_run("a_scrape_keeps_workers_from_their_frames_for_less_than_a_millisecond", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("promptly").unwrap();
    let live = Live::start(&pair.server, &["-i", "veth0", "--json"]);
    transfer(&pair, 200_000).unwrap();
    for _ in 0..20 {
        get(&pair.server, ENDPOINT, "/metrics").unwrap();
        // The report before is used again within a tenth of a second.
        std::thread::sleep(Duration::from_millis(150));
    }
    let pause = &live.get("/api/v1/report")["agent"]["pause_us"];
    assert!(pause["samples"].as_u64() >= Some(20), "{pause}");
    assert!(pause["min"].as_f64() < Some(1_000.0) && pause["p50"].as_f64() < Some(1_000.0), "{pause}");
    live.end(libc::SIGINT).success();
}
