//! Servers of web and names that write down what they were asked.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    netns::{Namespace, run},
    server::Server,
    wait::{patience, until},
};

impl Server {
    /// nginx on ports 80 and 443 of every IPv4 address, with a log of what it was asked; see [`Server::asked`].
    ///
    /// `/small` has 100 octets, `/page.html` 30,000 that compress (which makes them chunks), `/large` as many as asked
    /// for; `/made` takes any content and answers 201.
    ///
    /// # Errors
    /// When it does not come up, or openssl makes no certificate.
    pub fn web(namespace: &Namespace, large: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display().to_string();
        fs::write(folder.path().join("small"), [b's'; 100])?;
        fs::write(folder.path().join("page.html"), "All work and no play. ".repeat(1_364))?;
        fs::write(folder.path().join("large"), vec![b'l'; large])?;
        certificate(folder.path())?;
        fs::write(
            folder.path().join("nginx.conf"),
            format!(
                "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;\n\
                 events {{ worker_connections 256; }}\n\
                 http {{ sendfile on; gzip on; keepalive_requests 10000;\n\
                 log_format plain '$request_method $uri $status $bytes_sent $request_length';\n\
                 log_format secret '$ssl_protocol $ssl_server_name $ssl_alpn_protocol';\n\
                 client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
                 fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;\n\
                 server {{ listen 80; root {path}; access_log {path}/asked.log plain;\n\
                 location /made {{ return 201 \"made\\n\"; }} }}\n\
                 server {{ listen 443 ssl; root {path}; access_log {path}/secret.log secret;\n\
                 ssl_protocols TLSv1.2 TLSv1.3;\n\
                 ssl_certificate {path}/certificate; ssl_certificate_key {path}/key; }} }}\n"
            ),
        )?;
        let config = format!("{path}/nginx.conf");
        Self::start(namespace, folder, "nginx", &["-c", &config], 80)
    }

    /// dnsmasq on port 53 of every IPv4 address, which asks nobody else: `small.test` has an address, `big.test` texts
    /// that no datagram of 512 octets holds, other names below `test` do not exist, all others are refused.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn names(namespace: &Namespace) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = format!("--log-facility={}", folder.path().join("asked.log").display());
        let pid = format!("--pid-file={}", folder.path().join("pid").display());
        let texts: Vec<String> =
            (0..8).map(|number| format!("--txt-record=big.test,{number}{}", "t".repeat(100))).collect();
        let mut words = vec!["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"];
        words.extend(["--user=root", "--group=root", "--log-queries", "--local=/test/", &log, &pid]);
        words.push("--host-record=small.test,10.77.0.9");
        words.extend(texts.iter().map(String::as_str));
        Self::start(namespace, folder, "dnsmasq", &words, 53)
    }

    /// The lines of a log of its own (`asked.log`, `secret.log`), once there are so many of which `is_one` is true.
    ///
    /// # Errors
    /// When so many do not come.
    pub fn asked(&self, log: &str, count: usize, is_one: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let path = self.folder().join(log);
        let mut lines = Vec::new();
        until(patience(20), || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            lines = text.lines().filter(|line| is_one(line)).map(str::to_owned).collect();
            lines.len() >= count
        });
        // One line more than were asked for would come soon.
        std::thread::sleep(Duration::from_millis(50));
        ensure!(lines.len() == count, "{count} lines were expected in {log}: {lines:#?}");
        Ok(lines)
    }
}

/// A certificate that signs itself.
fn certificate(folder: &Path) -> Result<()> {
    let (key, certificate) = (folder.join("key"), folder.join("certificate"));
    let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
    let what = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let names = ["-subj", "/CN=web.test", "-days", "2", "-keyout", &key, "-out", &certificate];
    run("openssl", &[&what[..], &names[..]].concat())?;
    Ok(())
}
