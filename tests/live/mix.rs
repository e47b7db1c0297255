//! One traffic for several tests: every way in which a TCP connection can go, against real servers.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use tcpkit_tests::{
    netns::{Namespace, Pair, run},
    server::Server,
};

/// The server's addresses.
pub(super) const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 2));
pub(super) const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2));

/// Ports whose packets a firewall takes.
pub(super) const DROPPED: u16 = 81;
pub(super) const HALF_OPEN: u16 = 82;
pub(super) const REJECTED: u16 = 83;

/// A pair with servers on one side.
pub(super) struct Bed {
    // Servers end before their namespaces do.
    _servers: Vec<Server>,
    listener: TcpListener,
    pub(super) pair: Pair,
}

impl Bed {
    /// Servers that are up, and a firewall that makes some ports fail; `large` octets are what `/large` has.
    pub(super) fn new(label: &str, large: usize) -> Result<Self> {
        let pair = Pair::new(label)?;
        nft(&pair.server, "input", &format!("tcp dport {DROPPED} drop"))?;
        nft(&pair.server, "input", &format!("tcp dport {REJECTED} reject with icmp type port-unreachable"))?;
        let only_syn = format!("tcp dport {HALF_OPEN} tcp flags & (syn | ack) == ack drop");
        nft(&pair.client, "output", &only_syn)?;
        let servers = vec![
            Server::nginx(&pair.server, large)?,
            Server::redis(&pair.server)?,
            Server::memcached(&pair.server)?,
        ];
        let listener = pair.server.enter(|| TcpListener::bind((V4, HALF_OPEN)))??;
        Ok(Self { _servers: servers, listener, pair })
    }

    /// All kinds of connections, several at a time; gives one that is still open, and one that is half open.
    pub(super) fn mix(&self) -> Result<[TcpStream; 2]> {
        thread::scope(|scope| {
            let bulk = scope.spawn(|| self.fetch(V4, "/large"));
            let other = scope.spawn(|| self.fetch(V6, "/large"));
            let failing = scope.spawn(|| -> Result<TcpStream> {
                ensure!(self.connect(V4, 9).is_err() && self.connect(V6, 9).is_err(), "port 9 is open");
                ensure!(self.connect(V4, REJECTED).is_err(), "the firewall lets everything in");
                ensure!(self.connect(V4, DROPPED).is_err(), "the firewall lets everything in");
                self.connect(V4, HALF_OPEN)
            });
            for _ in 0..5 {
                self.fetch(V4, "/small")?;
                self.ask(6379, b"PING\r\n", b"+PONG\r\n")?;
                self.ask(11_211, b"get nothing\r\n", b"END\r\n")?;
            }
            self.reset(6379)?;
            let open = self.connect(V4, 6379)?;
            for worker in [bulk, other] {
                worker.join().expect("no panic")?;
            }
            Ok([open, failing.join().expect("no panic")?])
        })
    }

    pub(super) fn connect(&self, address: IpAddr, port: u16) -> Result<TcpStream> {
        let address = SocketAddr::from((address, port));
        // Longer than the kernel's first time-out, so that a SYN without answer is sent again.
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(1_300));
        Ok(self.pair.client.enter(connect)??)
    }

    /// Fetches a file by HTTP with curl.
    pub(super) fn fetch(&self, address: IpAddr, path: &str) -> Result<()> {
        let url = format!("http://{}{path}", SocketAddr::from((address, 80)));
        let name = self.pair.client.name();
        run("ip", &["netns", "exec", name, "curl", "-sfg", "--max-time", "20", "-o", "/dev/null", &url])?;
        Ok(())
    }

    /// One request on a connection of its own.
    pub(super) fn ask(&self, port: u16, request: &[u8], expected: &[u8]) -> Result<()> {
        let mut stream = self.connect(V4, port)?;
        stream.write_all(request)?;
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer)?;
        ensure!(answer == expected, "{answer:?}");
        stream.shutdown(Shutdown::Write)?;
        let _rest = stream.read(&mut answer)?;
        Ok(())
    }

    /// A connection that its client resets.
    fn reset(&self, port: u16) -> Result<()> {
        let stream = self.connect(V4, port)?;
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let len = libc::socklen_t::try_from(size_of_val(&linger))?;
        // SAFETY: value and length belong together, and the descriptor is open.
        let result = unsafe {
            let value = (&raw const linger).cast();
            libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, len)
        };
        ensure!(result == 0, "SO_LINGER: {}", std::io::Error::last_os_error());
        Ok(())
    }

    /// A datagram from the client to a port of the server; large ones go in fragments.
    pub(super) fn datagram(&self, port: u16, len: usize) -> Result<()> {
        let socket = self.pair.client.enter(|| UdpSocket::bind("10.77.0.1:0"))??;
        socket.send_to(&vec![b'd'; len], (V4, port))?;
        Ok(())
    }

    /// Addresses of the listener of half-open connections, which keeps it alive.
    pub(super) fn half_open(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }
}

/// One rule of a firewall of this namespace.
pub(super) fn nft(namespace: &Namespace, hook: &str, rule: &str) -> Result<()> {
    let script = format!(
        "add table inet scenario; \
         add chain inet scenario {hook} {{ type filter hook {hook} priority 0; }}; \
         add rule inet scenario {hook} {rule}"
    );
    run("ip", &["netns", "exec", namespace.name(), "nft", &script])?;
    Ok(())
}
