//! `-S` on an interface: a script is called for every request of a server at full speed, on every worker.

use std::fs;

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::{Pair, run},
    server::Server,
    wait::{patience, until},
};

/// A line for each request; one of them is an error of the script.
const SCRIPT: &str = "\
io.write('worker ', tcpkit.worker, '\\n')
function on_request(request)
  if request.key == 'boom' then error('as it should') end
  print(request.command .. ' ' .. request.outcome .. ' ' .. request.server_port)
end
";

#[test]
fn a_script_hears_every_request_under_load() {
    let name = "a_script_hears_every_request_under_load";
    let programs = ["redis-server", "redis-cli", "redis-benchmark"].map(Need::Program);
    if !can_run(name, &[&[Need::Ebpf][..], &programs].concat()) {
        return;
    }
    let pair = Pair::new("script").unwrap();
    let _server = Server::redis(&pair.server).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("own.lua");
    fs::write(&script, SCRIPT).unwrap();
    // The rings hold all of it, however busy the machine is.
    let words = ["-i", "veth0", "-m", "redis", "-p", "6379", "--snaplen", "0", "-B", "65536"];
    let own = ["--shards", "2", "--json", "-S", script.to_str().unwrap()];
    let mut live = Live::start(&pair.server, &[&words[..], &own].concat());
    let host = ["netns", "exec", pair.client.name()];
    let many = ["redis-benchmark", "-h", "10.77.0.2", "-q", "-n", "4000", "-c", "20", "-t", "set,get"];
    for depth in ["1", "16"] {
        run("ip", &[&host[..], &many, &["-P", depth]].concat()).unwrap();
    }
    run("ip", &[&host[..], &["redis-cli", "-h", "10.77.0.2", "SET", "boom", "1"]].concat()).unwrap();
    run("ip", &[&host[..], &["redis-cli", "-h", "10.77.0.2", "PING"]].concat()).unwrap();

    let said = |text: &str, line: &str| text.lines().filter(|other| *other == line).count();
    let of_each =
        |text: &str| ["SET", "GET", "PING"].map(|command| said(text, &format!("{command} answered 6379")));
    let expected = [8_000, 8_000, 1];
    let is_all = || of_each(&live.running().stdout_so_far()) == expected;
    assert!(until(patience(20), is_all), "{:?}", of_each(&live.running().stdout_so_far()));
    let outcome = live.end(libc::SIGINT).success();
    assert_eq!(of_each(&outcome.stdout), expected);
    let workers = ["worker 0", "worker 1"].map(|worker| said(&outcome.stdout, worker));
    assert_eq!(workers, [1, 1], "every worker has a state of its own");
    // The report stands behind what the script printed.
    let report = &outcome.stdout[outcome.stdout.find("\n{\n").unwrap()..];
    let report: Value = serde_json::from_str(report).unwrap_or_else(|error| panic!("{error}: {report}"));
    let ledger = report["ledger"].to_string();
    assert!(ledger.contains("\"script_errors\":1"), "{ledger}");
    assert!(outcome.stderr.contains("own.lua:3: as it should"), "{}", outcome.stderr);
}
