//! `cargo xtask demo`: real servers, real faults, and tcpkit beside them.
//!
//! Two namespaces and a cable; nginx and Redis at one end, their clients at the other. Between capture and client one
//! segment in sixty is lost, a reader is slow, a query is slow, one port is closed and another one silent: in a minute
//! tcpkit tells of each of them.

use std::{fs, path::Path, process::ExitCode, thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    bench::network::{Background, Network},
    build::{self, Profile, Warnings},
    setup::{self, Scope},
    shell::{answer, find_program, read, say},
};

/// What `demo` was asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// How long it takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    seconds: u32,
    /// Other words for tcpkit, after `--`; then it runs until it is interrupted.
    #[arg(last = true, value_name = "TCPKIT ARGUMENTS")]
    words: Vec<String>,
}

/// `cargo xtask demo`.
///
/// # Errors
/// A server is not installed, a build fails, or root is out of reach.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    for (program, package) in NEEDED {
        if find_program(program).is_none() {
            bail!("{program} is not installed: apt-get install {package}");
        }
    }
    setup::ensure(Scope::Ebpf)?;
    build::object(Warnings::Shown)?;
    let binary = build::agent(Profile::Release)?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let network = Network::between("demo0", "demo1")?;
    let _servers = servers(&network, folder.path())?;
    faults(&network, folder.path())?;
    say(SCENE);
    let _clients = start(network.far(&program("sh")?)?.args(["-c", CLIENTS, "clients", SERVER]))?;
    let mut tcpkit = network.near(&binary)?;
    tcpkit.args(["-i", "demo0"]);
    if options.words.is_empty() {
        tcpkit.args(["--slower-than", "100", "--event-after", "0.15", "--duration"]);
        tcpkit.arg(options.seconds.to_string());
    } else {
        tcpkit.args(&options.words);
    }
    let status = tcpkit.status().context("cannot start tcpkit")?;
    answer(WHAT_TO_LOOK_FOR);
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn program(name: &str) -> Result<std::path::PathBuf> {
    find_program(name).with_context(|| format!("{name} is not installed"))
}

fn start(command: &mut std::process::Command) -> Result<Background> {
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    Background::start(command)
}

fn servers(network: &Network, folder: &Path) -> Result<[Background; 2]> {
    fs::write(folder.join("small"), vec![b's'; 10_000])?;
    fs::write(folder.join("big"), vec![b'b'; 5_000_000])?;
    let configuration = folder.join("nginx.conf");
    let root = folder.display();
    fs::write(
        &configuration,
        format!(
            "daemon off; user root; pid {root}/nginx.pid; error_log {root}/error.log; worker_processes 1;\n\
             events {{}}\n\
             http {{ access_log off; server {{ listen 80; root {root}; }} }}\n"
        ),
    )?;
    let nginx = start(network.near(&program("nginx")?)?.arg("-c").arg(&configuration))?;
    let redis = start(network.near(&program("redis-server")?)?.args([
        "--bind",
        SERVER,
        "--protected-mode",
        "no",
        "--save",
        "",
    ]))?;
    await_server(network)?;
    Ok([nginx, redis])
}

/// Both answer within some seconds, or something is wrong with them.
fn await_server(network: &Network) -> Result<()> {
    for _ in 0..100 {
        let web = network
            .far(&program("curl")?)?
            .args(["-sf", "-o", "/dev/null", &format!("http://{SERVER}/small")])
            .status();
        let ping = read(network.far(&program("redis-cli")?)?.args(["-h", SERVER, "PING"]));
        if web.is_ok_and(|status| status.success()) && ping.is_ok_and(|answer| answer.trim() == "PONG") {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    bail!("nginx or redis-server does not answer")
}

fn faults(network: &Network, folder: &Path) -> Result<()> {
    for (place, rules) in [("near", AT_THE_SERVER), ("far", AT_THE_CLIENT)] {
        let file = folder.join(format!("{place}.nft"));
        fs::write(&file, rules)?;
        let nft = program("nft")?;
        let mut command = if place == "near" { network.near(&nft)? } else { network.far(&nft)? };
        read(command.arg("-f").arg(&file))?;
    }
    Ok(())
}

/// Programs and the Debian packages that have them.
const NEEDED: [(&str, &str); 6] = [
    ("nginx", "nginx-light"),
    ("redis-server", "redis-server"),
    ("redis-cli", "redis-tools"),
    ("redis-benchmark", "redis-tools"),
    ("curl", "curl"),
    ("nft", "nftables"),
];

const SERVER: &str = "10.199.0.1";

/// What the server's end takes in silence.
const AT_THE_SERVER: &str = "table inet demo {
  chain in { type filter hook input priority 0; tcp dport 9999 drop; }
}
";

/// What is lost behind the capture, as a bad cable would.
const AT_THE_CLIENT: &str = "table inet demo {
  chain in { type filter hook input priority 0; tcp sport 80 meta length > 500 numgen random mod 60 == 0 drop; }
}
";

const CLIENTS: &str = include_str!("clients.sh");

const SCENE: &str = "\
demo: at 10.199.0.1 nginx (80) and Redis (6379); at 10.199.0.2 their clients; tcpkit watches demo0, the server's end
demo: on the way to the clients one segment in 60 of nginx is lost; one client reads slowly; every few seconds a
demo: Redis script takes 300 ms, somebody tries a closed port (9998) and a silent one (9999)";

const WHAT_TO_LOOK_FOR: &str = "
What was to be found:
  loss          segments sent again, most of them fast, some after a time-out (rto): retransmissions by cause
  slow network  requests of nginx whose time is network, with the segment to blame
  slow reader   stalls with a zero window, towards the client that reads 300 kB/s
  slow query    EVAL, 300 ms, all of it server
  closed port   handshakes that were rejected, port 9998
  silent port   handshakes that timed out or wait, port 9999, with their SYNs sent again
Try also: cargo xtask demo -- -m auto -t 100     and: cargo xtask demo -- --stats-listen 10.199.0.1:33333";
