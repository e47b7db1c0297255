//! The page in a real browser: what it shows is what the report says, and nobody else is asked for anything.

use std::{
    fs::{self, OpenOptions},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
};

use serde_json::Value;
use tcpkit_tests::{
    browser::Browser,
    left_out::{Need, can_run},
    run::tcpkit,
    wait::{patience, until},
};

const NEEDS: [Need; 1] = [Need::Program("chromium")];

fn capture(name: &str) -> String {
    format!("{}/captures/golden__{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A number as the page writes it.
fn count(value: &Value) -> String {
    let digits = value.as_u64().unwrap().to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).collect();
    groups.iter().rev().map(|group| std::str::from_utf8(group).unwrap()).collect::<Vec<_>>().join(",")
}

/// Compares what the cards show with the report.
fn compare(browser: &mut Browser, report: &Value) {
    let handshakes = browser.text("handshakes").unwrap();
    for (result, flows) in report["handshake"]["results"].as_object().unwrap() {
        let row = handshakes.contains(&format!("{} ", count(flows))) && handshakes.contains(result.as_str());
        assert!(*flows == 0 || row, "{flows} {result}: {handshakes}");
    }
    let ledger = browser.text("ledger").unwrap();
    let total = &report["ledger"]["total"];
    let row =
        ["seen", "filtered", "matched", "ring_full", "helper_failed", "in_flight", "delivered", "analyzed"];
    let row: Vec<String> = row.iter().map(|field| count(&total[field])).collect();
    assert!(ledger.contains(&format!("{} 100 %", row.join(" "))), "{row:?}: {ledger}");
    assert_eq!(browser.text("completeness").unwrap().trim_start_matches("● "), "100 % complete");
    let tiles = browser.text("tiles").unwrap();
    assert!(tiles.contains(&format!("{} in all", count(&report["totals"]["flows"]))), "{tiles}");
    let requests = &report["latency"]["requests"];
    for command in requests["commands"].as_array().into_iter().flatten() {
        let row = format!(
            "{} {} {}",
            command["protocol"].as_str().unwrap(),
            command["command"].as_str().unwrap(),
            count(&command["requests"])
        );
        assert!(browser.text("requests").unwrap().contains(&row), "{row}");
    }
    assert_eq!(
        browser.evaluate("document.documentElement.scrollWidth <= innerWidth").unwrap(),
        true,
        "it is too wide"
    );
}

#[test]
fn a_recorded_page_shows_the_report_and_asks_nobody() {
    if !can_run("a_recorded_page_shows_the_report_and_asks_nobody", &NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (file, width) in [("redis.pcap", 1280), ("mixed.pcap", 360)] {
        let page = folder.path().join(file).with_extension("html").display().to_string();
        let file = capture(file);
        assert_eq!(tcpkit(["report", "-r", &file, "--html", &page]).run().success().stdout, "");
        let report = tcpkit(["report", "-r", &file, "--json"]).run().success();
        let mut browser = Browser::start(width).unwrap();
        browser.open(&format!("file://{page}")).unwrap();
        browser.wait_for("document.getElementById('state')?.textContent === 'recorded'").unwrap();
        compare(&mut browser, &report.json());
        let drawn = "document.querySelectorAll('#throughput polygon').length > 0";
        browser.wait_for(drawn).unwrap();
        assert_eq!(browser.complaints(), [""; 0]);
        assert_eq!(browser.asked(), [format!("file://{page}")]);
        a_saved_report_becomes_the_same_page(folder.path(), &report.stdout, &page);
    }
}

/// It knows no events, and has nothing else less.
fn a_saved_report_becomes_the_same_page(folder: &Path, report: &str, page: &str) {
    let saved = folder.join("saved.json").display().to_string();
    fs::write(&saved, report).unwrap();
    let html = tcpkit(["report", "--html", "-", &saved]).run().success().stdout;
    let data = |text: &str| -> Value {
        let behind = text.split("id=\"report-data\">").nth(1).unwrap();
        serde_json::from_str(behind.split("</script>").next().unwrap()).unwrap()
    };
    // Floats may lose their last digit on the way through a file.
    let (again, first) = (data(&html), data(&fs::read_to_string(page).unwrap()));
    for part in ["ledger", "series", "capture"] {
        assert_eq!(again[part], first[part], "{part}");
    }
}

/// Whatever is in a capture, its page stays small, and so does the memory that it takes.
#[test]
fn every_capture_becomes_a_page_of_bounded_size() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html").display().to_string();
    let captures = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/captures")).unwrap();
    let mut captures: Vec<_> = captures.map(|entry| entry.unwrap().path()).collect();
    captures.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    let is_capture = |path: &&PathBuf| {
        path.extension().is_some_and(|kind| kind == "pcap" || kind == "pcapng" || kind == "snoop")
    };
    // A time stamp of the year 586524 is in this one.
    let odd = capture("x").replace("golden__x", "pcapplusplus__pcapng-example.pcapng");
    let mut files: Vec<_> = captures.iter().filter(is_capture).take(12).collect();
    let odd = PathBuf::from(odd);
    files.push(&odd);
    for file in files {
        let words = ["report", "-m", "auto", "-r", file.to_str().unwrap(), "--html", &page];
        tcpkit(words).deadline(patience(60)).run();
        let size = fs::metadata(&page).unwrap().len();
        assert!((80_000..=200_000).contains(&size), "{}: {size}", file.display());
    }
}

#[test]
fn a_live_page_follows_the_report_and_says_when_it_is_left_alone() {
    if !can_run("a_live_page_follows_the_report_and_says_when_it_is_left_alone", &NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let path = std::ffi::CString::new(pipe.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the path is a string with its end.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let address = free_address();
    let words =
        ["-r", pipe.to_str().unwrap(), "-m", "redis", "--quiet", "--stats-listen", &address.to_string()];
    let mut running = tcpkit(words).deadline(patience(120)).start();
    // Open for both, the pipe waits for nobody, and has no end as long as we hold it.
    let mut writer = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    writer.write_all(&fs::read(capture("redis.pcap")).unwrap()).unwrap();
    assert!(until(patience(30), || report(address)
        .is_some_and(|report| report["totals"]["flows"].as_u64() > Some(0))));
    let mut browser = Browser::start(1280).unwrap();
    browser.open(&format!("http://{address}/")).unwrap();
    browser.wait_for("document.getElementById('state')?.textContent === 'live'").unwrap();
    browser.wait_for("document.querySelectorAll('#throughput polygon').length > 0").unwrap();
    compare(&mut browser, &report(address).unwrap());
    let host = format!("http://{address}/");
    assert!(
        browser.asked().iter().all(|url| url.starts_with(&host) || url.starts_with("data:")),
        "{:?}",
        browser.asked()
    );
    let refused =
        |text: &String| text.contains("Content Security Policy") || text.contains("exceptionDetails");
    assert!(!browser.complaints().iter().any(refused), "{:?}", browser.complaints());
    running.signal(libc::SIGINT);
    drop(writer);
    browser.wait_for("document.getElementById('alarm').innerText.includes('No answer from tcpkit')").unwrap();
    assert_eq!(browser.text("state").unwrap().trim_start_matches("▲ "), "no contact");
    running.wait().success();
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn report(address: SocketAddr) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET /api/v1/report HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).unwrap())
}

#[test]
fn what_is_no_report_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file").display().to_string();
    let page = folder.path().join("page").display().to_string();
    tcpkit(["report", "--html", &page, &file]).run().failure(1, &[&file, "cannot be read"]);
    fs::write(&file, "{\"schema\": \"other/7\"}").unwrap();
    tcpkit(["report", "--html", &page, &file]).run().failure(1, &[&file, "other/7"]);
    fs::write(&file, "no JSON").unwrap();
    tcpkit(["report", "--html", &page, &file]).run().failure(1, &[&file, "no report"]);
    assert!(!Path::new(&page).exists(), "nothing is left of a page that was not made");
    tcpkit(["report", &file]).run().failure(2, &["--html"]);
    tcpkit(["report"]).run().failure(2, &["nothing to capture from"]);
    let own = capture("redis.pcap");
    tcpkit(["report", "-r", &own, "--html", &own]).run().failure(2, &["--html", "files to be read"]);
    tcpkit(["report", "-r", &own, "--html", "-", "--json"]).run().failure(2, &["standard output"]);
}

#[test]
fn a_report_alone_is_text_and_the_same_for_any_number_of_shards() {
    let file = capture("mixed.pcap");
    let text = tcpkit(["report", "-r", &file]).run().success().stdout;
    assert!(text.contains("handshake") && !text.contains("series"), "{text}");
    let series =
        |shards: &str| tcpkit(["report", "-r", &file, "--json", "--shards", shards]).run().success().json();
    let (one, three) = (series("1"), series("3"));
    assert!(one["series"]["bins"].as_array().is_some_and(|bins| !bins.is_empty()));
    assert_eq!(one["series"], three["series"]);
}
