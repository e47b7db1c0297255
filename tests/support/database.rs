//! Database servers inside a namespace, run by nobody, with all that they write in a folder that vanishes with them.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{
    netns::{Namespace, run},
    wait::{patience, until},
};

/// Who may log in over the network, with which password, to which database.
pub const USER: &str = "web";
/// Its password.
pub const PASSWORD: &str = "not a secret";
/// Its database.
pub const DATABASE: &str = "app";

/// A server at work; dropping it ends it.
#[derive(Debug)]
pub struct Database {
    child: Child,
    folder: TempDir,
}

impl Database {
    /// MariaDB on its usual port.
    ///
    /// # Errors
    /// When it cannot be set up or does not come up.
    pub fn mariadb(namespace: &Namespace) -> Result<Self> {
        let folder = folder_of_nobody()?;
        let path = folder.path().display();
        fs::write(
            folder.path().join("first.sql"),
            format!(
                "CREATE DATABASE {DATABASE};\nCREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
                 GRANT ALL ON *.* TO '{USER}'@'%';\n"
            ),
        )?;
        let data = format!("--datadir={path}/data");
        let normal = "--auth-root-authentication-method=normal";
        by_nobody("mariadb-install-db", &["--no-defaults", &data, normal, "--skip-test-db"])?;
        let socket = format!("--socket={path}/socket");
        let first = format!("--init-file={path}/first.sql");
        let words = ["--no-defaults", &data, &socket, &first, "--port=3306", "--bind-address=*"];
        let words = [&words[..], &["--skip-name-resolve", "--innodb-buffer-pool-size=32M"]].concat();
        let server = Self::start(namespace, folder, Path::new("mariadbd"), &words)?;
        server.when_up(|server| server.counters().is_ok())
    }

    /// PostgreSQL on its usual port, telling every statement in its log; its programs are in this folder.
    ///
    /// # Errors
    /// When it cannot be set up or does not come up.
    pub fn postgresql(namespace: &Namespace, programs: &Path) -> Result<Self> {
        let folder = folder_of_nobody()?;
        let path = folder.path().display();
        fs::write(folder.path().join("password"), PASSWORD)?;
        let (data, password) = (format!("{path}/data"), format!("--pwfile={path}/password"));
        let initdb = programs.join("initdb").display().to_string();
        by_nobody(&initdb, &["-D", &data, "-U", USER, "-A", "scram-sha-256", &password, "--no-sync"])?;
        let mut access = fs::read_to_string(format!("{data}/pg_hba.conf"))?;
        access.push_str("host all all all scram-sha-256\n");
        fs::write(format!("{data}/pg_hba.conf"), access)?;
        let words =
            ["-D", &data, "-p", "5432", "-h", "*", "-k", &path.to_string(), "-c", "log_statement=all"];
        let words = [&words[..], &["-c", "fsync=off", "-c", "shared_buffers=32MB"]].concat();
        let server = Self::start(namespace, folder, &programs.join("postgres"), &words)?;
        server.when_up(|server| run("pg_isready", &["-q", "-h", &server.path()]).is_ok())
    }

    /// Where it keeps its sockets.
    #[must_use]
    pub fn path(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// What it wrote to standard error.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn log(&self) -> Result<String> {
        fs::read_to_string(self.folder.path().join("log")).context("no log")
    }

    /// MariaDB's own counters, asked for past the network.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn counters(&self) -> Result<BTreeMap<String, u64>> {
        let socket = format!("--socket={}/socket", self.path());
        let ask = ["--no-defaults", &socket, "-u", "root", "-N", "-B", "-e", "SHOW GLOBAL STATUS"];
        let output = run("mariadb", &ask)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let number = |line: &str| {
            let (name, value) = line.split_once('\t')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(text.lines().filter_map(number).collect())
    }

    fn start(namespace: &Namespace, folder: TempDir, program: &Path, words: &[&str]) -> Result<Self> {
        let log = File::create(folder.path().join("log"))?;
        let mut command = namespace.command("setpriv");
        command.args(NOBODY).arg(program).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, folder })
    }

    fn when_up(self, is_up: impl Fn(&Self) -> bool) -> Result<Self> {
        let up = until(patience(60), || is_up(&self));
        ensure!(up, "the database does not come up: {}", self.log().unwrap_or_default());
        Ok(self)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It became ip-netns(8) and setpriv(1) by exec. Killed outright, PostgreSQL would leave shared memory behind.
        let process = i32::try_from(self.child.id()).unwrap_or_default();
        // SAFETY: no memory is touched; the child has not been waited for, so that the number is its own.
        unsafe { libc::kill(process, libc::SIGQUIT) };
        let ended = until(Duration::from_secs(20), || matches!(self.child.try_wait(), Ok(Some(_))));
        if !ended {
            let _ended_already = self.child.kill();
            let _ended_already = self.child.wait();
        }
    }
}

/// Where PostgreSQL's programs are: Debian keeps those of each version apart, and on no path.
#[must_use]
pub fn postgresql_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = folders.chain(env::split_paths(&path)).collect();
    all.retain(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file());
    all.into_iter().max()
}

/// Neither server will be run by root.
const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

fn folder_of_nobody() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    chown(folder.path(), Some(65_534), Some(65_534)).context("cannot give a folder to nobody")?;
    Ok(folder)
}

fn by_nobody(program: &str, words: &[&str]) -> Result<()> {
    let output = Command::new("setpriv").args(NOBODY).arg(program).args(words).current_dir("/").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {}", said.trim());
    Ok(())
}
