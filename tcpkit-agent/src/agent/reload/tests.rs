//! What a reload makes of a file: whole or not at all.

use std::{ffi::OsString, fs};

use super::{Backend, NewFilter, Prepared, prepare::Task};
use crate::{
    cli::{Config, Failure, Origin, Parsed, System, parse},
    time::Span,
    wire::LinkType,
};

fn system() -> System {
    System { interfaces: vec!["eth0".into()], cores: 4, stderr_is_terminal: false }
}

/// What becomes of a run with the first file when it is the second.
fn prepared(before: &str, after: &str, typed: &str) -> (Config, Result<Prepared, Failure>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), before).unwrap();
    let mut words: Vec<OsString> = vec!["tcpkit".into(), "--config".into(), file.path().into()];
    words.extend(typed.split_whitespace().map(OsString::from));
    let Ok(Parsed::Run(args)) = parse(words.clone()) else { panic!("{before}") };
    let running = Config::new(&args.agent, &system()).unwrap();
    let origin = Origin::new(words, args.agent);
    fs::write(file.path(), after).unwrap();
    let backend = Backend::Pcap { link_types: vec![LinkType::ETHERNET] };
    let task = Task { origin, running: running.clone(), backend, script: None, system: system() };
    (running, task.prepare())
}

fn refused(after: &str) -> String {
    let (_, outcome) = prepared("interface = \"eth0\"\n", after, "");
    let Err(failure) = outcome else { panic!("{after}") };
    failure.to_string()
}

#[test]
fn what_changed_is_made_ready_and_the_rest_stays() {
    let before = "interface = \"eth0\"\nexpression = \"port 80\"\nevent-after = 1\nshards = 2\n";
    let after =
        "interface = \"eth0\"\nexpression = \"port 81\"\nevent-after = 3\nshards = 3\nmax-flows = 100\n";
    let (running, outcome) = prepared(before, after, "");
    let prepared = outcome.unwrap();
    assert_eq!(prepared.changed, ["expression", "event-after"]);
    assert_eq!(prepared.at_next_start, ["shards", "max-flows"]);
    assert_eq!(prepared.config.expression.as_deref(), Some("port 81"));
    assert_eq!(prepared.config.output.event_after, Span::from_secs(3));
    assert_eq!((prepared.config.shards, prepared.config.limits), (2, running.limits));
    assert!(matches!(prepared.filter, Some(NewFilter::Matcher(Some(_)))));
}

#[test]
fn a_file_that_says_the_same_changes_nothing() {
    let text = "interface = \"eth0\"\nexpression = \"port 80\"\n";
    let prepared = prepared(text, &format!("# a comment\n{text}"), "-p 80").1.unwrap();
    assert!(prepared.changed.is_empty() && prepared.at_next_start.is_empty() && prepared.filter.is_none());
}

#[test]
fn a_filter_that_goes_away_wants_every_frame() {
    let prepared = prepared("interface = \"eth0\"\nport = 80\n", "interface = \"eth0\"\n", "").1.unwrap();
    assert_eq!((prepared.changed, prepared.config.expression), (vec!["port".to_owned()], None));
    assert!(matches!(prepared.filter, Some(NewFilter::Matcher(None))));
}

#[test]
fn what_would_begin_something_waits_for_the_next_start() {
    let before = "interface = \"eth0\"\n";
    let prepared = prepared(before, &format!("{before}slower-than = 5\nscript = \"x.lua\"\n"), "").1.unwrap();
    assert!(prepared.changed.is_empty(), "{:?}", prepared.changed);
    assert_eq!(prepared.at_next_start, ["slower-than", "script"]);
    assert!(prepared.config.requests.is_none() && prepared.config.script.is_none());
}

#[test]
fn a_threshold_of_requests_that_are_measured_changes() {
    let before = "interface = \"eth0\"\nmode = \"redis\"\nslower-than = 5\n";
    let prepared = prepared(before, &before.replace('5', "7"), "").1.unwrap();
    assert_eq!(prepared.changed, ["slower-than"]);
    assert_eq!(prepared.config.requests.unwrap().slower_than, Span::from_millis(7));
}

#[test]
fn one_mistake_refuses_the_whole_with_its_place() {
    let told = refused("interface = \"eth0\"\nevent-after = 2\nshards = 99\n");
    assert!(told.contains(":3: shards: invalid value '99'"), "{told}");
    let told = refused("interface = \"eth0\"\nexpression = \"port\"\n");
    assert!(told.contains("filter expression") && told.contains("syntax error"), "{told}");
    // libpcap tells no direction of frames on Ethernet.
    assert!(refused("interface = \"eth0\"\nexpression = \"inbound and port 80\"\n").contains("inbound"));
    // Also what would take effect at the next start only.
    let told = refused("interface = \"eth9\"\n");
    assert!(told.contains("eth9") && told.contains("does not exist"), "{told}");
    assert!(refused("interface = \"eth0\"\nflow-log = \"-\"\njson = true\n").contains("--json"));
}
