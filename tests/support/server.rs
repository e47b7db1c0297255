//! Real servers inside a namespace, with all that they write in a folder that vanishes with them.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{netns::Namespace, wait::until};

/// A server at work; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    folder: TempDir,
}

impl Server {
    /// nginx on port 80 of every address: `/small` has 100 octets, `/large` so many as are asked for.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn nginx(namespace: &Namespace, large: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display();
        fs::write(folder.path().join("small"), [b's'; 100])?;
        fs::write(folder.path().join("large"), vec![b'l'; large])?;
        fs::write(
            folder.path().join("nginx.conf"),
            format!(
                "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;\n\
                 events {{ worker_connections 256; }}\n\
                 http {{ access_log off; sendfile on; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
                 fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;\n\
                 server {{ listen 80; listen [::]:80; root {path}; }} }}\n"
            ),
        )?;
        let config = format!("{path}/nginx.conf");
        Self::start(namespace, folder, "nginx", &["-c", &config], 80)
    }

    /// redis-server on its usual port.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn redis(namespace: &Namespace) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display().to_string();
        let words = ["--port", "6379", "--bind", "*", "--protected-mode", "no", "--save", "", "--dir", &path];
        Self::start(namespace, folder, "redis-server", &words, 6379)
    }

    /// memcached on its usual port, by TCP and UDP.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn memcached(namespace: &Namespace) -> Result<Self> {
        Self::start(namespace, tempfile::tempdir()?, "memcached", &["-u", "root", "-U", "11211"], 11_211)
    }

    /// Where it writes.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Starts a program in the foreground and waits until this port answers on the loopback.
    pub(crate) fn start(
        namespace: &Namespace,
        folder: TempDir,
        name: &str,
        words: &[&str],
        port: u16,
    ) -> Result<Self> {
        let mut command = namespace.command(name);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let server = Self { child, folder };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let up = namespace.enter(|| {
            until(Duration::from_secs(10), || TcpStream::connect_timeout(&address, PATIENCE).is_ok())
        })?;
        let log = fs::read_to_string(server.folder.path().join("error.log")).unwrap_or_default();
        ensure!(up, "{name} does not come up: {log}");
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It runs in the foreground as one process, which ip-netns(8) became by exec.
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

const PATIENCE: Duration = Duration::from_millis(200);
