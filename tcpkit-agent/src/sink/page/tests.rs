//! What the page is made of: its policy, its size, and that nothing breaks out of its data.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::json;

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

#[test]
fn a_recorded_page_carries_its_policy_itself() {
    assert!(recorded(json!({}), &json!(null)).contains("http-equiv=\"Content-Security-Policy\""));
    assert!(!live().contains("http-equiv"));
}
