//! What the page is made of: its policy, its size, and that nothing breaks out of its data.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::*;

/// SHA-256 in the base64 of a Content-Security-Policy, by sha256sum(1).
fn hash(text: &str) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let octets: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&said[2 * at..2 * at + 2], 16).unwrap()).collect();
    base64(&octets)
}

/// RFC 4648 §4.
fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        let letter = |at: usize| match at <= chunk.len() {
            true => char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]),
            false => '=',
        };
        (0..4).map(letter).collect::<String>()
    };
    octets.chunks(3).map(group).collect()
}

#[test]
fn the_policy_names_the_script_and_the_style_as_they_are() {
    let (script, style) = (hash(SCRIPT), hash(STYLE));
    assert!(POLICY.contains(&format!("script-src 'sha256-{script}'")), "script-src 'sha256-{script}'");
    assert!(POLICY.contains(&format!("style-src 'sha256-{style}'")), "style-src 'sha256-{style}'");
}

#[test]
fn the_page_is_small_and_asks_nobody_else() {
    assert!(live().len() < 100_000, "{}", live().len());
    let strangers: Vec<_> =
        live().match_indices("//").filter(|(at, _)| live()[..*at].ends_with(':')).collect();
    let namespace = live().find("http://www.w3.org/2000/svg").unwrap();
    assert_eq!(strangers, [(namespace + 5, "//")], "the name of SVG, which nobody fetches");
    assert!(!live().contains("innerHTML") && !live().contains("document.write"));
}

#[test]
fn nothing_in_a_report_ends_its_block() {
    let evil = json!({ "label": "</script><script>alert(1)</script><!--script-->" });
    let page = recorded(evil.clone(), &json!(null));
    assert_eq!(page.matches("<script").count(), 3, "report, events, and the page's own");
    assert_eq!(page.matches("</script").count(), 3);
    let begin = page.find("id=\"report-data\">").unwrap() + "id=\"report-data\">".len();
    let text = page[begin..].split_once("</script>").unwrap().0;
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), evil);
}

/// Rows of its lists: many enough for each step, and few enough for tests beside this one that look at memory.
const ROWS: usize = 60;

/// A report in which everything without an end is long.
fn endless(bins: usize, text: &str) -> Value {
    let row = json!({
        "address": text, "prefix": text, "label": text, "command": text, "server_ip": text, "client_ip": text,
        "protocol": text, "interface": text, "hook": text, "bytes": u64::MAX, "total_us": { "p50": 1.5, "p99": 2.5 },
        "where": { "total_us": 0.123_456_789, "culprit": { "message": text } },
    });
    let list = Value::Array(vec![row; ROWS]);
    let texts = Value::Array(vec![json!(text); ROWS]);
    let latency = json!({ "samples": u64::MAX, "p50": 0.1, "p90": 1.0, "p99": 1e9, "first_row": 10,
        "rows": vec![1_000_000; 60] });
    let bin = |number: usize| {
        let kinds = json!({ "requests": latency, "towards_server": latency, "towards_client": latency });
        json!({ "time_us": number * 1_000, "frames": 123_456_789, "bytes": 123_456_789_000_u64, "latency": kinds })
    };
    json!({
        "capture": { "sources": texts, "interfaces": list, "notes": texts },
        "handshake": { "servers": list, "icmp": list },
        "retransmit": { "servers": list, "flows": list, "ports": list },
        "stalls": { "flows": list },
        "latency": { "distribution": list, "requests": { "servers": list, "commands": list, "slowest": list, "ports": list } },
        "bandwidth": {
            "interfaces": list, "bursts": list,
            "talkers": { "addresses": list, "prefixes": list, "ports": list, "services": list },
        },
        "ledger": { "entries": list, "total": { "matched": 7 } },
        "series": { "bin_us": 1_000, "bins": (0..bins).map(bin).collect::<Vec<_>>() },
    })
}

#[test]
fn a_recorded_page_has_its_size_by_rule() {
    for (bins, text) in [(1_000, "</script>".repeat(20)), (241, "ä\u{1}".repeat(80)), (241, "x".into())] {
        let row =
            json!({ "event": "slow_request", "time_us": 1, "label": text, "flow": { "server_ip": text } });
        let events = json!({ "events": vec![row; 200], "left_out": 3 });
        let page = recorded(endless(bins, &text), &events);
        assert!(page.len() <= LARGEST, "{}", page.len());
        let block = |id: &str| -> Value {
            let behind = page.split(&format!("id=\"{id}\">")).nth(1).unwrap();
            serde_json::from_str(behind.split("</script>").next().unwrap()).unwrap()
        };
        let (report, told) = (block("report-data"), block("events-data"));
        assert_eq!(report["ledger"]["total"]["matched"], 7);
        let frames = report["series"]["columns"]["frames"].as_array().unwrap();
        let sum: u64 = frames.iter().map(|frames| frames.as_u64().unwrap()).sum();
        assert_eq!(sum, 123_456_789 * u64::try_from(bins).unwrap(), "what is put together adds up");
        let shown = told["events"].as_array().unwrap().len();
        assert_eq!(told["left_out"], 203 - shown, "what is not told is counted");
        assert!(report["capture"]["notes"].to_string().contains(&format!("of {ROWS} ledger entries")));
    }
}

#[test]
fn a_recorded_page_carries_its_policy_itself() {
    assert!(recorded(json!({}), &json!(null)).contains("http-equiv=\"Content-Security-Policy\""));
    assert!(!live().contains("http-equiv"));
}
