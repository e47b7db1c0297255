//! Traffic as applications make it: bulk, request and response, a little now and then, many short flows.

use std::{
    io::{Error, ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    bed::{Bed, SERVER},
    truth::Way,
};
use crate::{tcp_info::TcpInfo, wait::until};

/// A congestion control that every kernel has, or most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 9438.
    Cubic,
    /// RFC 5681.
    Reno,
    /// Paces what it sends.
    Bbr,
}

/// What clients do; each exchange is a request of so many octets, which a response of so many answers.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Connections at a time.
    pub parallel: u32,
    /// Connections one after the other, in each of them.
    pub connections: u32,
    /// Exchanges of each connection.
    pub exchanges: u32,
    /// Octets of a request, at least 8.
    pub request: u32,
    /// Octets of a response.
    pub response: u32,
    /// Pause between exchanges.
    pub pause: Duration,
    /// Congestion control of both ends.
    pub congestion: Congestion,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Where the server listened.
    pub server_port: u16,
    /// Both ends of every connection, when both directions were closed.
    pub sockets: Vec<Socket>,
}

/// One end of a connection at its end.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    /// From its port to the other one.
    pub way: Way,
    /// What its kernel says when all data is acknowledged and no FIN is sent: the FIN's own round trip, which the flow
    /// log does not have, is not in it.
    pub open: TcpInfo,
    /// What its kernel says when both directions are closed: nothing is sent again behind that.
    pub closed: TcpInfo,
}

impl Socket {
    /// Closes the stream's own direction, when everything is acknowledged, and calls `wait` for the other one.
    fn close(stream: &mut TcpStream, wait: impl FnOnce(&mut TcpStream) -> Result<()>) -> Result<Self> {
        // A closed socket does not tell its addresses any more.
        let way = Way { from: stream.local_addr()?.port(), to: stream.peer_addr()?.port() };
        let open = reached(stream, |info| info.unacked == 0)?;
        stream.shutdown(Shutdown::Write)?;
        wait(stream)?;
        let closed = reached(stream, |info| info.state == TcpInfo::CLOSED)?;
        Ok(Self { way, open, closed })
    }
}

/// What the kernel says of a socket as soon as this holds.
fn reached(stream: &TcpStream, is_there: impl Fn(&TcpInfo) -> bool) -> Result<TcpInfo> {
    let mut info = TcpInfo::of(stream)?;
    let holds = until(PATIENCE, || {
        info = TcpInfo::of(stream).unwrap_or(info);
        is_there(&info)
    });
    ensure!(holds, "a connection does not close: {info:?}");
    Ok(info)
}

impl Workload {
    /// Connections altogether.
    #[must_use]
    pub const fn flows(&self) -> u32 {
        self.parallel * self.connections
    }

    /// Runs it, from the bed's client to its server, to its end or to the time limit of its sockets.
    ///
    /// # Errors
    /// When a connection fails, or is not served within 20 s.
    pub fn run(&self, bed: &Bed) -> Result<Ran> {
        let listener = bed.server.enter(|| TcpListener::bind((SERVER, 0)))??;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let is_over = AtomicBool::new(false);
        let sockets = thread::scope(|scope| {
            let server = scope.spawn(|| self.serve(&listener, &is_over));
            let clients: Vec<_> = (0..self.parallel)
                .map(|number| {
                    scope.spawn(move || -> Result<Vec<Socket>> {
                        // They begin one after the other, so that not all of them are cut at once.
                        thread::sleep(Duration::from_millis(7 * u64::from(number)));
                        (0..self.connections).map(|_| self.call(bed, address)).collect()
                    })
                })
                .collect();
            let called: Vec<_> = clients.into_iter().map(|client| client.join().expect("no panic")).collect();
            is_over.store(true, Relaxed);
            let served = server.join().expect("no panic");
            let called = called.into_iter().collect::<Result<Vec<_>>>()?;
            Ok::<_, anyhow::Error>(called.into_iter().flatten().chain(served?).collect())
        })?;
        Ok(Ran { server_port: address.port(), sockets })
    }

    fn call(&self, bed: &Bed, address: SocketAddr) -> Result<Socket> {
        let mut stream = bed.client.enter(|| TcpStream::connect_timeout(&address, PATIENCE))??;
        prepare(&stream, self.congestion)?;
        let mut request = vec![0x5a; self.request as usize];
        request[..4].copy_from_slice(&self.request.to_be_bytes());
        request[4..8].copy_from_slice(&self.response.to_be_bytes());
        for exchange in 0..self.exchanges {
            if exchange > 0 {
                thread::sleep(self.pause);
            }
            stream.write_all(&request).context("a request is not taken")?;
            read_exactly(&mut stream, self.response as usize).context("a response does not come")?;
        }
        Socket::close(&mut stream, |stream| {
            ensure!(
                stream.read(&mut [0; 1]).context("the server does not close")? == 0,
                "an answer too much"
            );
            Ok(())
        })
    }

    /// Serves every connection, or those that came before the clients gave up.
    fn serve(&self, listener: &TcpListener, is_over: &AtomicBool) -> Result<Vec<Socket>> {
        thread::scope(|scope| {
            let mut workers = Vec::new();
            while workers.len() < self.flows() as usize && !is_over.load(Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => workers.push(scope.spawn(move || answer(stream, self.congestion))),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(NAP),
                    Err(error) => return Err(error.into()),
                }
            }
            workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
        })
    }
}

/// Answers requests until the client closes.
fn answer(mut stream: TcpStream, congestion: Congestion) -> Result<Socket> {
    prepare(&stream, congestion)?;
    let mut head = [0; 8];
    loop {
        if stream.read(&mut head[..1])? == 0 {
            return Socket::close(&mut stream, |_| Ok(()));
        }
        stream.read_exact(&mut head[1..])?;
        let [a, b, c, d, e, f, g, h] = head;
        read_exactly(&mut stream, u32::from_be_bytes([a, b, c, d]) as usize - head.len())?;
        stream.write_all(&vec![0xa5; u32::from_be_bytes([e, f, g, h]) as usize])?;
    }
}

fn read_exactly(stream: &mut TcpStream, mut len: usize) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    while len > 0 {
        let room = len.min(buffer.len());
        let read = stream.read(&mut buffer[..room])?;
        ensure!(read > 0, "{len} octets are missing");
        len -= read;
    }
    Ok(())
}

/// Nobody waits for ever; small writes leave at once.
fn prepare(stream: &TcpStream, congestion: Congestion) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    // All that is written fits: while a writer holds the socket, the kernel merges acknowledgements before it measures.
    set(stream, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &ROOM.to_ne_bytes()).context("no send buffer")?;
    let name = match congestion {
        Congestion::Cubic => "cubic",
        Congestion::Reno => "reno",
        Congestion::Bbr => "bbr",
    };
    set(stream, libc::IPPROTO_TCP, libc::TCP_CONGESTION, name.as_bytes())
        .with_context(|| format!("no congestion control {name}"))
}

fn set(stream: &TcpStream, level: i32, option: i32, value: &[u8]) -> Result<()> {
    let len = libc::socklen_t::try_from(value.len())?;
    // SAFETY: the value lives through the call and is as long as said.
    let result = unsafe { libc::setsockopt(stream.as_raw_fd(), level, option, value.as_ptr().cast(), len) };
    ensure!(result == 0, "{}", Error::last_os_error());
    Ok(())
}

/// Octets of a send buffer; the kernel doubles it.
const ROOM: i32 = 6_000_000;

/// How long a connection may do nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks for a connection.
const NAP: Duration = Duration::from_millis(1);
