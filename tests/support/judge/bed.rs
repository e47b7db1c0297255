//! Two namespaces and what lies between them: a router that drops, or a relay that does everything else.

use anyhow::{Context as _, Result, ensure};

use super::{
    relay::{Line, Relay},
    tap::Tap,
};
use crate::netns::{Namespace, run};

/// What lies between.
#[derive(Clone, Debug)]
pub enum Between {
    /// Virtual cables to a router: super-segments stay whole, and are lost whole.
    Router {
        /// Of a thousand packets to the server and to the client, so many are dropped.
        dropped: [u32; 2],
        /// Of a thousand packets to the server that allow it, so many are marked as having met congestion (RFC 3168).
        marked: u32,
        /// `tc` words of a queueing discipline towards the server, if any.
        queue: Option<&'static [&'static str]>,
    },
    /// Taps and a relay: each frame is one segment.
    Relay {
        /// Towards the server, and back.
        lines: Box<[Line; 2]>,
        /// Of its chances.
        seed: u64,
    },
}

/// A client's and a server's namespace that reach each other by `eth0`.
#[derive(Debug)]
pub struct Bed {
    // The relay ends before the namespaces of its taps do.
    relay: Option<Relay>,
    /// The client's.
    pub client: Namespace,
    /// The server's.
    pub server: Namespace,
    /// Where packets are dropped, if it is a router.
    pub router: Option<Namespace>,
}

/// The client's address.
pub const CLIENT: &str = "10.78.1.1";
/// The server's address.
pub const SERVER: &str = "10.78.2.1";

impl Bed {
    /// Makes it, with these settings of `net.ipv4` in both namespaces, as `tcp_sack=0`.
    ///
    /// # Errors
    /// When a part of it cannot be made.
    pub fn new(label: &str, between: &Between, settings: &[&str]) -> Result<Self> {
        let [client, server] = [Namespace::new(label)?, Namespace::new(label)?];
        for namespace in [&client, &server] {
            // Nothing learnt from one connection changes the next one.
            for setting in settings.iter().chain(&["tcp_no_metrics_save=1"]) {
                set(namespace, setting)?;
            }
        }
        let mut bed = Self { relay: None, client, server, router: None };
        match between {
            Between::Router { dropped, marked, queue } => {
                bed.join_by_router(label, *dropped, *queue)?;
                bed.mark(*marked)?;
            }
            Between::Relay { lines, seed } => bed.join_by_relay(lines, *seed)?,
        }
        Ok(bed)
    }

    fn join_by_relay(&mut self, lines: &[Line; 2], seed: u64) -> Result<()> {
        let taps = [Tap::new(&self.client, "eth0")?, Tap::new(&self.server, "eth0")?];
        self.relay = Some(Relay::start(taps, lines.clone(), seed));
        for (namespace, own, other) in [(&self.client, CLIENT, SERVER), (&self.server, SERVER, CLIENT)] {
            namespace.ip(&["addr", "add", own, "peer", other, "dev", "eth0"])?;
        }
        Ok(())
    }

    fn join_by_router(&mut self, label: &str, dropped: [u32; 2], queue: Option<&[&str]>) -> Result<()> {
        let router = Namespace::new(label)?;
        set(&router, "ip_forward=1")?;
        for (namespace, port, own, gateway) in
            [(&self.client, "client", CLIENT, "10.78.1.2"), (&self.server, "server", SERVER, "10.78.2.2")]
        {
            let link = ["link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", router.name()];
            namespace.ip(&link)?;
            for (one, name, address) in [(namespace, "eth0", own), (&router, port, gateway)] {
                one.ip(&["link", "set", name, "addrgenmode", "none"])?;
                one.ip(&["addr", "add", &format!("{address}/24"), "dev", name])?;
                one.ip(&["link", "set", name, "up"])?;
            }
            namespace.ip(&["route", "add", "default", "via", gateway])?;
        }
        let rule = |port: &str, share: u32| {
            format!("add rule inet judge forward oifname {port} numgen random mod 1000 < {share} drop; ")
        };
        let script = format!(
            "add table inet judge; add chain inet judge forward {{ type filter hook forward priority 0; }}; {}{}",
            rule("server", dropped[0]),
            rule("client", dropped[1])
        );
        run("ip", &["netns", "exec", router.name(), "nft", &script])?;
        if let Some(words) = queue {
            let tc = ["netns", "exec", router.name(), "tc", "qdisc", "add", "dev", "server", "root"];
            run("ip", &[&tc[..], words].concat())?;
        }
        self.router = Some(router);
        Ok(())
    }

    fn mark(&self, share: u32) -> Result<()> {
        let Some(router) = self.router.as_ref().filter(|_| share > 0) else { return Ok(()) };
        let rule = format!(
            "add rule inet judge forward oifname server ip ecn != not-ect numgen random mod 1000 < {share} ip ecn set ce"
        );
        run("ip", &["netns", "exec", router.name(), "nft", &rule]).map(drop)
    }
}

fn set(namespace: &Namespace, setting: &str) -> Result<()> {
    let (name, value) = setting.split_once('=').context("a setting is NAME=VALUE")?;
    let path = format!("/proc/sys/net/ipv4/{name}");
    let written = namespace.enter(|| std::fs::write(&path, value))?;
    ensure!(written.is_ok(), "cannot set {setting}: {written:?}");
    Ok(())
}
