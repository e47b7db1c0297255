//! The endpoint's description of itself, held against its answers.

use std::{fmt::Write as _, io::Read as _};

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;
use prost::Message as _;
use serde_json::{Value, json};

use super::{paths::Content, *};
use crate::sink::metrics::Format;

fn description(bed: &Bed) -> Value {
    let (code, body) = bed.get("/openapi.json");
    assert_eq!(code, 200);
    serde_json::from_str(&body).unwrap()
}

/// What is wrong with an answer by a schema of the description.
fn mistakes(description: &Value, schema: &Value, answer: &Value) -> String {
    let mut whole = schema.clone();
    whole["components"] = description["components"].clone();
    let validator = jsonschema::validator_for(&whole).unwrap();
    let mut mistakes = String::new();
    for error in validator.iter_errors(answer) {
        writeln!(mistakes, "{}: {error}", error.instance_path()).unwrap();
    }
    mistakes
}

#[test]
fn every_answer_is_as_described() {
    let bed = bed();
    bed.health.set_capturing();
    let description = description(&bed);
    for path in paths::PATHS {
        if matches!(path.content, Content::Events(_)) {
            continue;
        }
        let (code, body) = bed.get(path.path);
        assert_eq!(code, 200, "{}: {body}", path.path);
        let content = &description["paths"][path.path]["get"]["responses"]["200"]["content"];
        if let Content::Json(_) | Content::AnyJson = path.content {
            let answer: Value = serde_json::from_str(&body).unwrap();
            let schema = &content["application/json"]["schema"];
            assert_eq!(mistakes(&description, schema, &answer), "", "{}", path.path);
        } else {
            let is_text = |kind: &str| content[kind].is_object();
            assert!(is_text("text/plain") || is_text("text/html"), "{}", path.path);
        }
    }
}

#[test]
fn a_description_that_is_wrong_would_be_noticed() {
    let bed = bed();
    let description = description(&bed);
    let schema = json!({ "$ref": "#/components/schemas/Report" });
    let (_, body) = bed.get("/api/v1/report");
    let mut report: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(mistakes(&description, &schema, &report), "");
    report["ledger"]["total"]["seen"] = json!("many");
    report["totals"].as_object_mut().unwrap().remove("flows");
    let mistakes = mistakes(&description, &schema, &report);
    assert!(mistakes.contains("/ledger/total/seen") && mistakes.contains("flows"), "{mistakes}");
}

#[test]
fn every_event_is_as_described() {
    let description = description(&bed());
    let schema = &description["paths"]["/api/v1/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
        ["x-event-data"];
    for event in sample::events() {
        let told = serde_json::to_value(&event).unwrap();
        assert_eq!(mistakes(&description, schema, &told), "", "{told}");
    }
}

#[test]
fn every_problem_is_as_described_and_says_what_is_allowed() {
    let bed = bed();
    let description = description(&bed);
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    for (path, parameter, allowed) in [
        ("/api/v1/flows?sort=size", Some("sort"), "rate"),
        ("/api/v1/flows?limit=0", Some("limit"), "1..10000"),
        ("/api/v1/flows?filter=port+x", Some("filter"), "midstream"),
        ("/api/v1/flows?nonsense", Some("nonsense"), "sort"),
        ("/api/v1/report?pretty=perhaps", Some("pretty"), "true"),
        ("/metrics?x", Some("x"), ""),
        ("/api/v2/report", None, "/api/v1/report"),
    ] {
        let (code, body) = bed.get(path);
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(mistakes(&description, &schema, &problem), "", "{path}");
        assert_eq!(problem["status"], code, "{path}");
        assert_eq!(problem["parameter"].as_str(), parameter, "{path}");
        let words = problem["allowed"].as_array().cloned().unwrap_or_default();
        assert!(allowed.is_empty() || words.contains(&json!(allowed)), "{path}: {problem}");
    }
    let (code, body) = bed.get("/api/v1/flows?cursor=nonsense");
    assert!(code == 400 && body.contains("not a cursor"), "{body}");
}

#[test]
fn flows_are_asked_for_as_the_query_says() {
    let bed = bed();
    let flows = |query: &str| {
        let (code, body) = bed.get(&format!("/api/v1/flows{query}"));
        assert_eq!(code, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let all = flows("");
    assert_eq!((&all["considered"], &all["matched"]), (&json!(100), &json!(1)));
    assert_eq!(all["flows"][0]["state"], "established");
    let some = flows("?limit=7&filter=port%20443&order=asc&sort=bytes");
    assert_eq!((&some["considered"], &some["matched"]), (&json!(7), &json!(0)));
}

#[test]
fn gzip_is_for_those_who_take_it_and_holds_the_same() {
    let bed = bed();
    let plain = bed.get("/api/v1/report").1;
    let mut stream = bed.connect();
    stream
        .write_all(b"GET /api/v1/report HTTP/1.1\r\nhost: x\r\naccept-encoding: br, gzip\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    assert!(
        head.contains("content-encoding: gzip") && head.contains("vary: accept, accept-encoding"),
        "{head}"
    );
    let packed = &answer[end + 4..];
    assert!(packed.len() * 3 < plain.len(), "{} of {}", packed.len(), plain.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain);
}

#[test]
fn who_has_it_already_is_told_so() {
    let bed = bed();
    let ask = |path: &str, tag: &str| {
        bed.send(
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nif-none-match: {tag}\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
    };
    for path in ["/openapi.json", "/api/v1/ledger"] {
        let first = ask(path, "\"other\"");
        assert_eq!(status(&first), 200);
        let tag = first.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
        let second = ask(path, &tag);
        assert_eq!(status(&second), 304, "{second}");
        assert!(second.ends_with("\r\n\r\n") && second.contains(&tag), "{second}");
    }
}

#[test]
fn metrics_come_in_the_format_that_is_asked_for() {
    let bed = bed();
    let ask = |accept: &str| {
        bed.send(
            format!("GET /metrics HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
    };
    let is_of = |answer: &str, format: Format| {
        answer.contains(&format!("\r\ncontent-type: {}\r\n", format.media_type()))
    };
    let new = ask("application/openmetrics-text; version=1.0.0");
    assert!(is_of(&new, Format::OpenMetrics) && new.ends_with("# EOF\n"), "{new}");
    let old = ask("*/*");
    assert!(is_of(&old, Format::Plain) && !old.contains("# UNIT") && !old.contains("# EOF"), "{old}");
    assert!(old.contains("\ntcpkit_completeness_ratio 0.9925\n"), "{old}");
}

#[test]
fn metrics_in_protobuf_are_the_same_octets_compressed_or_not() {
    let bed = bed();
    let ask = |more: &str| {
        let mut stream = bed.connect();
        let accept = Format::Protobuf.media_type();
        let head = format!(
            "GET /metrics HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n{more}connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        assert!(
            head.starts_with("HTTP/1.1 200") && head.contains(&format!("content-type: {accept}")),
            "{head}"
        );
        (head, answer.split_off(end + 4))
    };
    let (_, octets) = ask("");
    let (head, packed) = ask("accept-encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    for octets in [octets, unpacked] {
        let (mut rest, mut names) = (&octets[..], Vec::new());
        while !rest.is_empty() {
            names.push(MetricFamily::decode_length_delimited(&mut rest).unwrap().name);
        }
        let has = |name: &str| names.iter().any(|other| other == name);
        assert!(has("tcpkit_build_info") && has("tcpkit_handshakes_total"), "{names:?}");
        assert!(has("tcpkit_handshake_duration_seconds"), "{names:?}");
    }
    let described = &description(&bed)["paths"]["/metrics"]["get"]["responses"]["200"]["content"];
    for format in Format::ALL {
        let kind = format.media_type().split(';').next().unwrap();
        assert!(described[kind].is_object(), "{kind}: {described}");
    }
}
