//! Databases driven by their own clients: every statement that a server counts or logs is in the request log.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Result, ensure};
use serde_json::Value;
use tcpkit_tests::{
    database::{DATABASE, Database, PASSWORD, USER, postgresql_programs},
    leave_out::leave_out,
    left_out::{Need, can_run},
    live::Live,
    netns::{Namespace, Pair},
};

const SERVER: &str = "10.77.0.2";

/// A client's run; whether it must succeed, for some are to fail.
fn client(namespace: &Namespace, program: &str, words: &[&str], succeeds: bool) -> Result<()> {
    let mut command = namespace.command(program);
    command.args(words).env("MYSQL_PWD", PASSWORD).env("PGPASSWORD", PASSWORD);
    command.env("PGUSER", USER).env("PGDATABASE", DATABASE).env("PGHOST", SERVER);
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() == succeeds, "{program} {}: {}", words.join(" "), said.trim());
    Ok(())
}

/// Captures whole frames at the server while clients talk to it: the request log and the report.
fn captured(
    pair: &Pair,
    mode: &str,
    port: &str,
    clients: impl FnOnce() -> Result<()>,
) -> (Vec<Value>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("requests").display().to_string();
    let words = ["-i", "veth0", "--json", "--snaplen", "0", "-m", mode, "-p", port, "--request-log", &log];
    let live = Live::start(&pair.server, &words);
    let told = clients();
    let report = live.end(libc::SIGINT).success().json();
    told.unwrap();
    assert_eq!(report["completeness"], 1.0, "{report}");
    (records(Path::new(&log)), report)
}

fn records(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How many requests there are by command.
fn by_command(records: &[Value]) -> BTreeMap<String, u64> {
    let mut commands = BTreeMap::new();
    for record in records {
        *commands.entry(record["command"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    commands
}

/// Every request was answered, but for those that say good-bye.
fn all_are_answered(records: &[Value], farewell: &str) {
    for record in records {
        let expected = if record["command"] == farewell { "no_reply" } else { "answered" };
        assert_eq!(record["outcome"], expected, "{record}");
    }
}

/// Nothing was lost, malformed or left over on a connection whose every octet was captured.
fn nothing_is_amiss(report: &Value) {
    let text = report.to_string();
    for count in ["malformed", "desynchronised", "unmatched", "overrun"] {
        let name = format!("\"{count}\":");
        let found = text.match_indices(&name).map(|(place, name)| &text[place + name.len()..]);
        for value in found.filter(|value| value.starts_with(|first: char| first.is_ascii_digit())) {
            assert!(value.starts_with('0'), "{count}: {text}");
        }
    }
}

const MARIADB: [Need; 5] = [
    Need::Ebpf,
    Need::Program("mariadbd"),
    Need::Program("mariadb-install-db"),
    Need::Program("mariadb"),
    Need::Program("mariadb-slap"),
];

const STATEMENTS: &str = "CREATE TABLE t (a int); BEGIN; INSERT INTO t VALUES (1), (2); UPDATE t SET a = 3; COMMIT; \
     SELECT * FROM t; SELECT * FROM nowhere; DELETE FROM t; DROP TABLE t; \
     SELECT repeat('x', 1000) FROM information_schema.collations LIMIT 200";

#[test]
fn every_statement_that_mariadb_counts_is_a_request() {
    if !can_run("every_statement_that_mariadb_counts_is_a_request", &MARIADB) {
        return;
    }
    let pair = Pair::new("mariadb").unwrap();
    let server = Database::mariadb(&pair.server).unwrap();
    let login = ["--no-defaults", "-h", SERVER, "-u", USER];
    let before = server.counters().unwrap();
    let (records, report) = captured(&pair, "mysql", "3306", || {
        client(
            &pair.client,
            "mariadb",
            &[&login[..], &["--force", DATABASE, "-e", STATEMENTS]].concat(),
            false,
        )?;
        let load = ["--concurrency=4", "--number-of-queries=400", "--auto-generate-sql"];
        client(&pair.client, "mariadb-slap", &[&login[..], &load].concat(), true)
    });
    let after = server.counters().unwrap();
    let counted = |names: &[&str]| names.iter().map(|name| after[*name] - before[*name]).sum::<u64>();
    let commands = by_command(&records);
    for (command, names) in [
        ("SELECT", &["Com_select"][..]),
        ("INSERT", &["Com_insert"]),
        ("UPDATE", &["Com_update"]),
        ("DELETE", &["Com_delete"]),
        ("CREATE", &["Com_create_table", "Com_create_db"]),
        ("DROP", &["Com_drop_table", "Com_drop_db"]),
        ("BEGIN", &["Com_begin"]),
        ("COMMIT", &["Com_commit"]),
    ] {
        assert_eq!(
            commands.get(command).copied().unwrap_or_default(),
            counted(names),
            "{command}: {commands:?}"
        );
    }
    // The last look at the counters is a connection too.
    assert_eq!(commands["LOGIN"], counted(&["Connections"]) - 1, "{commands:?}");
    all_are_answered(&records, "QUIT");
    nothing_is_amiss(&report);
    let failed: Vec<_> = records.iter().filter(|record| record["is_error"] == true).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((&failed[0]["status"], &failed[0]["key"]), (&"1146 42S02".into(), &"nowhere".into()));
}

/// Statements in PostgreSQL's log, by their first word: simple ones, and executions of the extended protocol.
fn logged(log: &str) -> BTreeMap<String, u64> {
    let mut commands = BTreeMap::new();
    for line in log.lines() {
        let statement = match line.split_once(" LOG:  statement: ") {
            Some((_, statement)) => statement,
            None => match line.split_once(" LOG:  execute ").and_then(|(_, after)| after.split_once(": ")) {
                Some((_, statement)) => statement,
                None => continue,
            },
        };
        let verb: String = statement.chars().take_while(char::is_ascii_alphabetic).collect();
        *commands.entry(verb.to_ascii_uppercase()).or_default() += 1;
    }
    commands
}

/// What clients of PostgreSQL ask for besides statements.
const NO_STATEMENTS: [&str; 7] = ["LOGIN", "TERMINATE", "PREPARE", "DESCRIBE", "CLOSE", "SYNC", "BIND"];

const PIPELINE: &str =
    "\\startpipeline\nBEGIN;\nSELECT abalance FROM pgbench_accounts WHERE aid = 7;\nEND;\n\\endpipeline\n";

#[test]
fn every_statement_that_postgresql_logs_is_a_request() {
    let test = "every_statement_that_postgresql_logs_is_a_request";
    if !can_run(test, &[Need::Ebpf, Need::Program("psql"), Need::Program("pgbench")]) {
        return;
    }
    let Some(programs) = postgresql_programs() else {
        return leave_out(test, "postgres is not installed");
    };
    let pair = Pair::new("postgresql").unwrap();
    let server = Database::postgresql(&pair.server, &programs).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("pipeline.sql").display().to_string();
    fs::write(&pipeline, PIPELINE).unwrap();
    let (records, report) = captured(&pair, "postgresql", "5432", || {
        client(&pair.client, "psql", &["-d", "postgres", "-c", "CREATE DATABASE app"], true)?;
        client(&pair.client, "pgbench", &["-q", "-i"], true)?;
        for protocol in ["simple", "extended", "prepared"] {
            client(&pair.client, "pgbench", &["-n", "-M", protocol, "-c", "2", "-t", "20"], true)?;
        }
        client(&pair.client, "pgbench", &["-n", "-M", "prepared", "-t", "20", "-f", &pipeline], true)?;
        client(&pair.client, "psql", &["-c", "SELECT generate_series(1, 5000)"], true)?;
        client(&pair.client, "psql", &["-c", "SELECT * FROM nowhere"], false)
    });
    let mut commands = by_command(&records);
    commands.retain(|command, _| !NO_STATEMENTS.contains(&command.as_str()));
    assert_eq!(commands, logged(&server.log().unwrap()));
    all_are_answered(&records, "TERMINATE");
    nothing_is_amiss(&report);
    let failed: Vec<_> = records.iter().filter(|record| record["is_error"] == true).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((&failed[0]["status"], &failed[0]["key"]), (&"42P01".into(), &"nowhere".into()));
}
