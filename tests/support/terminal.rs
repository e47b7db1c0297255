//! `tcpkit` on a pseudo-terminal: keys go in, and what a person would see comes out.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    netns::Namespace,
    run::binary,
    wait::{patience, until},
};

/// A program and the terminal that it has; dropping it kills the program.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    master: Option<File>,
    seen: Arc<Mutex<Seen>>,
}

/// What the program wrote.
#[derive(Debug)]
struct Seen {
    octets: Vec<u8>,
    screen: Screen,
}

impl Terminal {
    /// Starts `tcpkit` with these words inside a namespace, on a terminal of so many columns and lines.
    ///
    /// # Errors
    /// When there is no terminal to be had, or the program cannot be started.
    pub fn start(namespace: &Namespace, words: &[&str], columns: u16, lines: u16) -> Result<Self> {
        let (master, slave) = pair(columns, lines)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace.name()]).arg(binary()).args(words);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let end = || slave.try_clone().map(Stdio::from);
        command.stdin(end()?).stdout(end()?).stderr(end()?);
        // SAFETY: what runs between fork and exec makes two system calls, allocates nothing and takes no lock.
        unsafe { command.pre_exec(own_terminal) };
        let child = command.spawn().context("cannot start tcpkit")?;
        drop(command);
        drop(slave);
        let seen = Arc::new(Mutex::new(Seen { octets: Vec::new(), screen: Screen::new(columns, lines) }));
        let mut reading = master.try_clone()?;
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            let mut chunk = [0; 1 << 14];
            // A terminal whose last program has ended gives an error.
            while let Ok(len @ 1..) = reading.read(&mut chunk) {
                all.lock().unwrap_or_else(PoisonError::into_inner).take(&chunk[..len]);
            }
        });
        Ok(Self { child, master: Some(master), seen })
    }

    /// Types.
    ///
    /// # Panics
    /// When the terminal does not take it.
    pub fn press(&mut self, keys: &str) {
        self.master.as_mut().expect("it has not hung up").write_all(keys.as_bytes()).unwrap();
    }

    /// Gives the terminal another size.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn resize(&mut self, columns: u16, lines: u16) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).screen = Screen::new(columns, lines);
        let size = size(columns, lines);
        let master = self.master.as_ref().expect("it has not hung up").as_raw_fd();
        // SAFETY: the terminal is open, and one valid `winsize` is handed in, which lives until the call returns.
        assert_eq!(unsafe { libc::ioctl(master, libc::TIOCSWINSZ, &raw const size) }, 0);
    }

    /// What stands there now, line by line, without the blanks at their ends.
    #[must_use]
    pub fn screen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).screen.lines()
    }

    /// Waits until the screen is as it should be.
    ///
    /// # Panics
    /// When it does not come to that, with what is there instead.
    #[track_caller]
    pub fn until(&self, what: &str, is_it: impl Fn(&[String]) -> bool) -> Vec<String> {
        let came = until(patience(20), || is_it(&self.screen()));
        let screen = self.screen();
        assert!(came, "{what}:\n{}", screen.join("\n"));
        screen
    }

    /// All that was written, with what moves the cursor.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).octets.clone()
    }

    /// Whether the terminal shows what is typed, and gives it line by line, as a shell wants it.
    ///
    /// # Panics
    /// When the system does not tell.
    #[must_use]
    pub fn is_as_a_shell_wants_it(&self) -> bool {
        let master = self.master.as_ref().expect("it has not hung up").as_raw_fd();
        // SAFETY: all zeroes are a valid `termios`, and it is only written there.
        let (asked, modes) = unsafe {
            let mut modes: libc::termios = std::mem::zeroed();
            (libc::tcgetattr(master, &raw mut modes), modes)
        };
        assert_eq!(asked, 0);
        modes.c_lflag & (libc::ECHO | libc::ICANON) == libc::ECHO | libc::ICANON
    }

    /// Sends the program a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&mut self, signal: i32) {
        let leader = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: kill takes two integers; the process is our child, not waited for yet.
        assert_eq!(unsafe { libc::kill(leader, signal) }, 0);
    }

    /// Takes the terminal away, as a connection that breaks does: the kernel tells the program.
    ///
    /// # Panics
    /// When the system refuses, as it does without root.
    pub fn hang_up(&mut self) {
        /// linux/asm-generic/ioctls.h; missing in libc.
        const TIOCVHANGUP: libc::c_ulong = 0x5437;
        let master = self.master.take().expect("it has not hung up");
        // SAFETY: the terminal is open; the descriptor of its other end is closed by `OwnedFd`.
        unsafe {
            let slave = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, libc::O_RDWR | libc::O_NOCTTY);
            assert!(slave >= 0, "{}", io::Error::last_os_error());
            let slave = OwnedFd::from_raw_fd(slave);
            let done = libc::ioctl(slave.as_raw_fd(), TIOCVHANGUP);
            assert_eq!(done, 0, "{}", io::Error::last_os_error());
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until(patience(20), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap_or_else(|| panic!("it does not end:\n{}", self.screen().join("\n")))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _waited_already = self.child.wait();
    }
}

/// Both ends of a new terminal.
fn pair(columns: u16, lines: u16) -> Result<(File, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let size = size(columns, lines);
    let (name, modes) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: two integers are written to, and one valid `winsize` is read.
    let opened =
        unsafe { libc::openpty(&raw mut master, &raw mut slave, name, modes, (&raw const size).cast_mut()) };
    ensure!(opened == 0, "no terminal: {}", io::Error::last_os_error());
    // SAFETY: both were opened just now, and belong to nobody else.
    Ok(unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) })
}

const fn size(columns: u16, lines: u16) -> libc::winsize {
    libc::winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Makes standard input the terminal of a session of the process's own.
fn own_terminal() -> io::Result<()> {
    // SAFETY: neither call touches memory of ours.
    let failed = unsafe { libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Seen {
    fn take(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
        octets.iter().for_each(|octet| self.screen.take(*octet));
    }
}

/// As much of a terminal as ratatui makes use of (ECMA-48): text, places, and erasing.
#[derive(Debug)]
struct Screen {
    columns: usize,
    cells: Vec<Vec<char>>,
    /// Line and column.
    cursor: (usize, usize),
    /// Of a sequence, or of a character of several octets.
    begun: Vec<u8>,
}

impl Screen {
    fn new(columns: u16, lines: u16) -> Self {
        let columns = usize::from(columns);
        Self {
            columns,
            cells: vec![vec![' '; columns]; usize::from(lines)],
            cursor: (0, 0),
            begun: Vec::new(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let line = |cells: &Vec<char>| cells.iter().collect::<String>().trim_end().to_owned();
        self.cells.iter().map(line).collect()
    }

    fn take(&mut self, octet: u8) {
        match (self.begun.first(), octet) {
            (None, b'\r') => self.cursor.1 = 0,
            (None, b'\n') => self.cursor.0 += 1,
            (None, 0x1b | 0xc0..) => self.begun.push(octet),
            (None, ..0x20 | 0x80..) => {}
            (None, _) => self.put(char::from(octet)),
            (Some(0x1b), _) => self.sequence(octet),
            (Some(_), _) => {
                self.begun.push(octet);
                if let Ok(text) = std::str::from_utf8(&self.begun) {
                    let character = text.chars().next();
                    self.begun.clear();
                    character.into_iter().for_each(|character| self.put(character));
                }
            }
        }
    }

    fn sequence(&mut self, octet: u8) {
        self.begun.push(octet);
        let is_control = self.begun.get(1) == Some(&b'[');
        match self.begun.len() {
            2 if is_control => {}
            2 => self.begun.clear(),
            _ if (0x40..=0x7e).contains(&octet) => {
                let text = String::from_utf8_lossy(&self.begun[2..self.begun.len() - 1]).into_owned();
                self.begun.clear();
                self.control(octet, &text);
            }
            _ => {}
        }
    }

    fn control(&mut self, last: u8, arguments: &str) {
        let number = |place: usize, usual: usize| {
            arguments.split(';').nth(place).and_then(|word| word.parse().ok()).unwrap_or(usual)
        };
        match last {
            b'H' | b'f' => self.cursor = (number(0, 1).max(1) - 1, number(1, 1).max(1) - 1),
            b'J' if number(0, 0) == 2 => self.cells.iter_mut().for_each(|line| line.fill(' ')),
            b'K' => {
                let (line, column) = self.cursor;
                if let Some(rest) = self.cells.get_mut(line).and_then(|cells| cells.get_mut(column..)) {
                    rest.fill(' ');
                }
            }
            b'C' => self.cursor.1 += number(0, 1),
            b'B' => self.cursor.0 += number(0, 1),
            _ => {}
        }
    }

    fn put(&mut self, character: char) {
        let (line, column) = self.cursor;
        if let Some(cell) = self.cells.get_mut(line).and_then(|cells| cells.get_mut(column)) {
            *cell = character;
        }
        self.cursor.1 = (column + 1).min(self.columns);
    }
}
