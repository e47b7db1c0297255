//! Real TCP between namespaces, and what the kernel itself counted of it.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use anyhow::{Context, Result, ensure};

use crate::netns::{Namespace, Pair};

/// Sends `bytes` from the client to the server over one connection, and waits until both ends have closed it.
///
/// # Errors
/// When the connection fails or bytes are missing.
pub fn transfer(pair: &Pair, bytes: usize) -> Result<()> {
    let listener = pair.server.enter(|| TcpListener::bind("10.77.0.2:0"))??;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || -> Result<usize> {
        let (mut stream, _) = listener.accept()?;
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0;
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(total),
                len => total += len,
            }
        }
    });
    let mut stream = pair.client.enter(|| TcpStream::connect(address))??;
    let chunk = vec![0x5a; 1 << 16];
    let mut left = bytes;
    while left > 0 {
        let len = left.min(chunk.len());
        stream.write_all(&chunk[..len])?;
        left -= len;
    }
    drop(stream);
    let received = server.join().map_err(|_| anyhow::anyhow!("the server panicked"))??;
    ensure!(received == bytes, "{received} of {bytes} bytes arrived");
    Ok(())
}

/// One number of `/proc/net/snmp` in a namespace, as `("Tcp", "OutSegs")`.
///
/// # Errors
/// When there is no such number.
pub fn snmp(namespace: &Namespace, protocol: &str, name: &str) -> Result<u64> {
    let text = namespace.enter(|| fs::read_to_string("/proc/thread-self/net/snmp"))??;
    let mut lines = text.lines().filter(|line| line.starts_with(&format!("{protocol}:")));
    let (names, values) = (lines.next().context("no names")?, lines.next().context("no values")?);
    let position = names.split_whitespace().position(|known| known == name).context("no such name")?;
    Ok(values.split_whitespace().nth(position).context("no such value")?.parse()?)
}

/// Packets received and sent by an interface, as the interface counts them: a super-segment is one.
///
/// # Errors
/// When there is no such interface.
pub fn interface_packets(namespace: &Namespace, interface: &str) -> Result<(u64, u64)> {
    let text = namespace.enter(|| fs::read_to_string("/proc/thread-self/net/dev"))??;
    let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{interface}:")));
    let values: Vec<u64> = line
        .context("no such interface")?
        .split_whitespace()
        .filter_map(|value| value.parse().ok())
        .collect();
    ensure!(values.len() >= 16, "/proc/net/dev has changed");
    Ok((values[1], values[9]))
}
