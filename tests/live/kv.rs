//! Redis and memcached, driven by their own clients and by pipelines: our counts are those that the servers keep.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::{Pair, run},
    server::Server,
    wait::patience,
};

/// Numbers by name.
type Counts = BTreeMap<String, u64>;

/// Captures at the server while `drive` asks it; what the request log has.
fn measured(pair: &Pair, words: &[&str], drive: impl FnOnce() -> Result<()>) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("requests").display().to_string();
    // Whole frames: what is beyond the captured length of a long pipeline cannot be counted.
    let always = ["-i", "veth0", "-t", "0", "--quiet", "--snaplen", "0", "--request-log", &log];
    let live = Live::start(&pair.server, &[&always[..], words].concat());
    drive().unwrap();
    live.end(libc::SIGINT).success();
    let text = fs::read_to_string(&log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(request: &'a Value, field: &str) -> &'a str {
    request[field].as_str().unwrap_or_else(|| panic!("no {field}: {request}"))
}

/// How many requests there are of each sort that `name` tells; those without a name are not counted.
fn count(requests: &[Value], name: impl Fn(&Value) -> Option<String>) -> Counts {
    let mut counts = Counts::new();
    for name in requests.iter().filter_map(name) {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

fn connect(pair: &Pair, port: u16) -> Result<TcpStream> {
    let stream = pair.client.enter(|| TcpStream::connect(SocketAddr::from(([10, 77, 0, 2], port))))??;
    stream.set_read_timeout(Some(patience(20)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Says something and reads the answer, which must be this.
fn ask(stream: &mut TcpStream, request: impl AsRef<[u8]>, expected: impl AsRef<[u8]>) -> Result<()> {
    stream.write_all(request.as_ref())?;
    let mut answer = vec![0; expected.as_ref().len()];
    stream.read_exact(&mut answer)?;
    ensure!(answer == expected.as_ref(), "{:?}", answer.escape_ascii().to_string());
    Ok(())
}

/// What the server answers to a command on its loopback, which nobody captures, until it ends with this.
fn ask_locally(pair: &Pair, port: u16, command: &str, end: &str) -> Result<String> {
    let mut stream = pair.server.enter(|| TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))))??;
    stream.set_read_timeout(Some(patience(20)))?;
    stream.write_all(command.as_bytes())?;
    let (mut answer, mut part) = (String::new(), [0; 4_096]);
    while !answer.ends_with(end) {
        let len = stream.read(&mut part)?;
        ensure!(len > 0, "the server closed after {answer:?}");
        answer += std::str::from_utf8(&part[..len])?;
    }
    Ok(answer)
}

/// redis-benchmark with pipelines, redis-cli, and what neither of them does.
fn drive_redis(pair: &Pair) -> Result<()> {
    let host = ["netns", "exec", pair.client.name()];
    let many = ["redis-benchmark", "-h", "10.77.0.2", "-q", "-n", "4000", "-c", "10", "-d", "40"];
    for depth in ["1", "16"] {
        run("ip", &[&host[..], &many, &["-P", depth, "-t", "set,get,incr,lpush,lpop,mset"]].concat())?;
    }
    let script = "SET k v\nOBJECT ENCODING k\nCONFIG GET save\nLPUSH k x\nEVAL 'return 1' 0\nMULTI\nINCR n\nGET k\nEXEC\n";
    for protocol in ["-2", "-3"] {
        let mut client = pair.client.command("redis-cli");
        client.args(["-h", "10.77.0.2", protocol]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut client = client.spawn().context("cannot start redis-cli")?;
        client.stdin.take().expect("it was piped").write_all(script.as_bytes())?;
        ensure!(client.wait()?.success(), "redis-cli failed");
    }
    drive_redis_by_hand(pair)
}

fn drive_redis_by_hand(pair: &Pair) -> Result<()> {
    let mut one = connect(pair, 6_379)?;
    ask(&mut one, "*2\r\n$4\r\nECHO\r\n$5\r\nhe", "")?;
    ask(&mut one, "llo\r\n*1\r\n$4\r\nPI", "$5\r\nhello\r\n")?;
    ask(&mut one, "NG\r\nset inline 1\r\nget inline\r\n", "+PONG\r\n+OK\r\n$1\r\n1\r\n")?;
    // 20 requests of which every second one wants no answer.
    let silent = "CLIENT REPLY SKIP\r\nINCR skipped\r\nINCR skipped\r\n".repeat(10);
    let answers: String = (1..=10).map(|number| format!(":{}\r\n", number * 2)).collect();
    ask(&mut one, silent, answers)?;
    ask(&mut one, "BLPOP nothing 0.05\r\nXREAD BLOCK 50 STREAMS nothing $\r\n", "*-1\r\n*-1\r\n")?;
    let mut listener = connect(pair, 6_379)?;
    let subscribed = "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n";
    ask(&mut listener, "SUBSCRIBE a b\r\n", subscribed)?;
    ask(&mut one, "PUBLISH a hi\r\nPUBLISH b hi\r\n", ":1\r\n:1\r\n")?;
    let messages =
        "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$2\r\nhi\r\n";
    ask(&mut listener, "", messages)?;
    let large = vec![b'x'; 300_000];
    let request = [&b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$300000\r\n"[..], &large, b"\r\n"].concat();
    ask(&mut one, request, "+OK\r\n")?;
    ask(&mut one, "GET large\r\n", [&b"$300000\r\n"[..], &large, b"\r\n"].concat())
}

/// Calls of each command, refused ones too, as `INFO` tells them: `cmdstat_config|get:calls=2,...,rejected_calls=0`.
fn redis_calls(info: &str) -> Counts {
    let mut calls = Counts::new();
    for line in info.lines().filter_map(|line| line.strip_prefix("cmdstat_")) {
        let (name, numbers) = line.split_once(':').unwrap();
        let name = name.split('|').next().unwrap_or_default().to_uppercase();
        let number = |field: &str| -> u64 {
            let value = numbers.split(',').find_map(|part| part.strip_prefix(field));
            value.map_or(0, |value| value.parse().unwrap())
        };
        *calls.entry(name).or_default() += number("calls=") + number("rejected_calls=");
    }
    // Asked on the loopback.
    calls.remove("INFO");
    calls
}

#[test]
fn redis_counts_the_same_requests() {
    let name = "redis_counts_the_same_requests";
    let programs = ["redis-server", "redis-cli", "redis-benchmark"].map(Need::Program);
    if !can_run(name, &[&[Need::Ebpf][..], &programs].concat()) {
        return;
    }
    let pair = Pair::new("kv").unwrap();
    let _server = Server::redis(&pair.server).unwrap();
    let requests = measured(&pair, &["-m", "redis", "-p", "6379"], || drive_redis(&pair));
    let info = ask_locally(&pair, 6_379, "INFO commandstats\r\nPING\r\n", "+PONG\r\n").unwrap();
    let ours = count(&requests, |request| Some(text(request, "command").to_owned()));
    assert_eq!(ours, redis_calls(&info));
    let outcomes = count(&requests, |request| Some(text(request, "outcome").to_owned()));
    let silent = outcomes.get("no_reply").copied();
    assert_eq!((silent, outcomes.get("unanswered"), outcomes.get("aborted")), (Some(20), None, None));
    let errors =
        count(&requests, |request| (request["is_error"] == true).then(|| text(request, "status").to_owned()));
    assert_eq!(errors, Counts::from([("WRONGTYPE".to_owned(), 2)]), "LPUSH on a string, twice");
    let blocking = count(&requests, |request| {
        (request["is_blocking"] == true).then(|| text(request, "command").to_owned())
    });
    assert_eq!(blocking.into_keys().collect::<Vec<_>>(), ["BLPOP", "XREAD"]);
}

/// A binary request of memcached.
fn binary(opcode: u8, extras: &[u8], key: &str, value: &str) -> Vec<u8> {
    let body = u8::try_from(extras.len() + key.len() + value.len()).unwrap();
    let (key_len, extras_len) = (u8::try_from(key.len()).unwrap(), u8::try_from(extras.len()).unwrap());
    let mut octets = vec![0x80, opcode, 0, key_len, extras_len, 0, 0, 0, 0, 0, 0, body];
    // Opaque value and CAS.
    octets.extend([0; 12]);
    [&octets, extras, key.as_bytes(), value.as_bytes()].concat()
}

fn drive_memcached(pair: &Pair) -> Result<()> {
    let mut text = connect(pair, 11_211)?;
    for number in 0..200 {
        let request = format!("set k{number} 0 0 3\r\nabc\r\nget k{number}\r\nget no{number}\r\n");
        ask(&mut text, request, format!("STORED\r\nVALUE k{number} 0 3\r\nabc\r\nEND\r\nEND\r\n"))?;
    }
    ask(
        &mut text,
        "set n 0 0 1 noreply\r\n5\r\nincr n 1\r\ndecr n 2\r\nincr no 1\r\n",
        "6\r\n4\r\nNOT_FOUND\r\n",
    )?;
    ask(
        &mut text,
        "delete n noreply\r\ndelete n\r\ndelete k1\r\ntouch k2 50\r\n",
        "NOT_FOUND\r\nDELETED\r\nTOUCHED\r\n",
    )?;
    ask(
        &mut text,
        "mg k2 v q\r\nmg no1 v q\r\nmg no2 q\r\nms m 2 q\r\nhi\r\nmn\r\n",
        "VA 3\r\nabc\r\nMN\r\n",
    )?;
    ask(&mut text, "mg no3\r\nbogus\r\n", "EN\r\nERROR\r\n")?;
    let large = "x".repeat(200_000);
    ask(&mut text, format!("set large 0 0 200000\r\n{large}\r\n"), "STORED\r\n")?;
    ask(&mut text, "get large\r\n", format!("VALUE large 0 200000\r\n{large}\r\nEND\r\n"))?;
    let mut other = connect(pair, 11_211)?;
    let quiet =
        [binary(0x11, &[0; 8], "b", "xyz"), binary(0x09, &[], "no", ""), binary(0x09, &[], "b", "")].concat();
    other.write_all(&[&quiet[..], &binary(0x0a, &[], "", "")].concat())?;
    // The value of GETQ b with its flags, and NOOP.
    let mut answer = [0; 24 + 4 + 3 + 24];
    other.read_exact(&mut answer)?;
    ensure!(answer[24 + 4..24 + 7] == *b"xyz" && answer[32] == 0x0a, "{answer:?}");
    drive_memcached_by_udp(pair)
}

fn drive_memcached_by_udp(pair: &Pair) -> Result<()> {
    let socket = pair.client.enter(|| UdpSocket::bind("10.77.0.1:0"))??;
    socket.connect("10.77.0.2:11211")?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    for (id, key) in [(1, "k3"), (2, "nothing")] {
        let request = [&[0, id, 0, 0, 0, 1, 0, 0][..], format!("get {key}\r\n").as_bytes()].concat();
        socket.send(&request)?;
        let mut answer = [0; 100];
        let len = socket.recv(&mut answer)?;
        ensure!(len > 8 && answer[..2] == [0, id], "{:?}", &answer[..len]);
    }
    Ok(())
}

/// `STAT get_hits 12`.
fn memcached_stats(pair: &Pair) -> Counts {
    let stats = ask_locally(pair, 11_211, "stats\r\n", "END\r\n").unwrap();
    let line = |line: &str| {
        let mut words = line.strip_prefix("STAT ")?.split(' ');
        Some((words.next()?.to_owned(), words.next()?.trim().parse().ok()?))
    };
    stats.lines().filter_map(line).collect()
}

/// What memcached counts, from what we say of each request.
fn memcached_name(request: &Value) -> Option<String> {
    let (command, status) = (text(request, "command"), text(request, "status"));
    let is_missing = matches!(status, "MISS" | "EN" | "NOT_FOUND") || text(request, "outcome") == "no_reply";
    let kind = match command {
        "GET" | "GETQ" | "MG" => "get",
        "SET" | "SETQ" | "MS" => return Some("cmd_set".to_owned()),
        "INCR" => "incr",
        "DECR" => "decr",
        // That nothing is answered says nothing of whether it was there.
        "DELETE" if text(request, "outcome") == "answered" => "delete",
        "TOUCH" => "touch",
        _ => return None,
    };
    Some(format!("{kind}_{}", if is_missing { "misses" } else { "hits" }))
}

#[test]
fn memcached_counts_the_same_requests() {
    let name = "memcached_counts_the_same_requests";
    if !can_run(name, &[Need::Ebpf, Need::Program("memcached")]) {
        return;
    }
    let pair = Pair::new("kv").unwrap();
    let _server = Server::memcached(&pair.server).unwrap();
    let requests = measured(&pair, &["-m", "memcached", "-p", "11211", "-u"], || drive_memcached(&pair));
    let ours = count(&requests, memcached_name);
    let mut theirs = memcached_stats(&pair);
    // The one that was deleted without a reply.
    *theirs.get_mut("delete_hits").unwrap() -= 1;
    theirs.retain(|name, number| *number > 0 && (ours.contains_key(name) || name.ends_with("_misses")));
    assert_eq!(ours, theirs);
    assert_eq!(ours.get("get_misses"), Some(&(200 + 3 + 1 + 1)));
    let answered = |request: &&Value| text(request, "outcome") == "answered";
    assert!(requests.iter().filter(answered).all(|request| request["response_end_us"].is_i64()));
    let outcomes = count(&requests, |request| Some(text(request, "outcome").to_owned()));
    assert_eq!(outcomes.keys().collect::<Vec<_>>(), ["answered", "no_reply"]);
    assert_eq!(outcomes["no_reply"], 2 + 3 + 2, "noreply, quiet meta commands, quiet binary ones");
}
