//! The scene of the demo: servers, clients, and what goes wrong between them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::guard::{Signals, own_group};
use crate::{
    bench::network::{Background, Network},
    shell::{find_program, read},
};

/// What is installed by `apt-get install`: programs and the Debian packages that have them.
const NEEDED: [(&str, &str); 6] = [
    ("nginx", "nginx-light"),
    ("redis-server", "redis-server"),
    ("redis-cli", "redis-tools"),
    ("redis-benchmark", "redis-tools"),
    ("curl", "curl"),
    ("nft", "nftables"),
];

/// The server's end of the cable.
pub(super) const INTERFACE: &str = "demo0";

/// The server's address.
const SERVER: &str = "10.199.0.1";

/// Whether everything is installed that the scene needs.
///
/// # Errors
/// Something is not; the error says how to get it.
pub(super) fn check() -> Result<()> {
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(name, _)| find_program(name).is_none()).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        bail!("some programs of the demo are not installed: apt-get install {}", missing.join(" "));
    }
    Ok(())
}

/// Both servers, and they answer. Dropped, they end.
///
/// # Errors
/// They cannot be started, or do not answer.
pub(super) fn servers(network: &Network, folder: &Path, signals: &Signals) -> Result<[Background; 2]> {
    fs::write(folder.join("small"), vec![b's'; 10_000])?;
    fs::write(folder.join("big"), vec![b'b'; 5_000_000])?;
    let configuration = folder.join("nginx.conf");
    fs::write(&configuration, nginx_conf(folder))?;
    let nginx = start(network.near(&program("nginx")?)?.arg("-c").arg(&configuration))?;
    let mut redis = network.near(&program("redis-server")?)?;
    redis.args(["--bind", SERVER, "--protected-mode", "no", "--save", "", "--dir"]).arg(folder);
    let redis = start(&mut redis)?;
    for _ in 0..ATTEMPTS {
        signals.check()?;
        if answers(network)? {
            read(network.far(&program("redis-cli")?)?.args(["-h", SERVER, "FUNCTION", "LOAD", FUNCTION]))?;
            return Ok([nginx, redis]);
        }
        thread::sleep(Duration::from_millis(100));
    }
    bail!("nginx or redis-server does not answer")
}

fn nginx_conf(folder: &Path) -> String {
    let root = folder.display();
    format!(
        "daemon off; user root; pid {root}/nginx.pid; error_log {root}/error.log; worker_processes 1;\n\
         events {{}}\n\
         http {{ access_log off; server {{ listen 80; listen 9996; root {root}; }} }}\n"
    )
}

fn answers(network: &Network) -> Result<bool> {
    let page = format!("http://{SERVER}/small");
    let web = read(network.far(&program("curl")?)?.args(["-sf", "-m", "2", "-o", "/dev/null", &page]));
    let ping = read(network.far(&program("redis-cli")?)?.args(["-h", SERVER, "PING"]));
    Ok(web.is_ok() && ping.is_ok_and(|answer| answer.trim() == "PONG"))
}

/// The clients; dropped, they end with their namespace.
///
/// # Errors
/// They cannot be started.
pub(super) fn clients(network: &Network) -> Result<Background> {
    start(network.far(&program("sh")?)?.args(["-c", CLIENTS, "clients", SERVER]))
}

/// From now on things go wrong.
///
/// # Errors
/// The rules are refused.
pub(super) fn faults(network: &Network, folder: &Path) -> Result<()> {
    let nft = program("nft")?;
    for (mut command, rules) in [(network.near(&nft)?, AT_THE_SERVER), (network.far(&nft)?, AT_THE_CLIENT)] {
        let file = folder.join("rules.nft");
        fs::write(&file, rules)?;
        read(command.arg("-f").arg(&file))?;
    }
    Ok(())
}

fn program(name: &str) -> Result<PathBuf> {
    find_program(name).with_context(|| format!("{name} is not installed"))
}

fn start(command: &mut Command) -> Result<Background> {
    Background::start(own_group(command).stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Looks at the servers, a tenth of a second apart, until they are said to be broken.
const ATTEMPTS: u32 = 100;

/// A query that keeps Redis busy for 300 ms.
const FUNCTION: &str = "#!lua name=demo
local function now() local time = redis.call('TIME'); return time[1] * 1000 + time[2] / 1000 end
redis.register_function('monthly_report', function() local till = now() + 300; while now() < till do end; return 1 end)
";

const CLIENTS: &str = include_str!("clients.sh");

/// Behind the capture: one port is silent and one is forbidden; some acknowledgements are lost, so that the server sends
/// again what had arrived.
const AT_THE_SERVER: &str = "table inet demo {
  chain in {
    type filter hook input priority 0;
    tcp dport 9999 drop
    tcp dport 9997 reject with icmpx type admin-prohibited
    tcp dport 80 meta length < 100 tcp flags & (syn | fin | rst) == 0 numgen random mod 25 == 0 drop
  }
}
";

/// What a bad cable would lose, and a client that refuses what it asked for.
const AT_THE_CLIENT: &str = "table inet demo {
  chain in {
    type filter hook input priority 0;
    tcp sport 9996 reject with tcp reset
    tcp sport 80 meta length > 500 numgen random mod 60 == 0 drop
  }
}
";
