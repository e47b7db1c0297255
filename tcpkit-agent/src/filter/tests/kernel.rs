//! Runs translations in the kernel, by BPF_PROG_TEST_RUN of an XDP program that calls them as the object does.

use std::{
    fs,
    io::{Error, ErrorKind},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
};

use crate::filter::{
    Instruction, Verdict,
    ebpf::{EXIT, JEQ, JGT, JMP, LDX, MEM, REGISTER, ST, WORD},
    translate::FILTER_COPY,
};

/// Whether this process may load programs; without that the caller skips, loudly, and fails where `CI=true`.
pub(super) fn is_available() -> bool {
    let loaded = Loaded::load(&[Instruction::set(0, 2), Instruction::exit()]);
    let reason = match loaded {
        Ok(_) => return true,
        Err(error) => error.to_string(),
    };
    crate::leave_out::leave_out("filters in the kernel", &format!("{reason} (needs root)"));
    false
}

/// A loaded XDP program.
pub(super) struct Loaded(OwnedFd);

impl Loaded {
    pub(super) fn load(instructions: &[Instruction]) -> Result<Self, Error> {
        let code: Vec<u8> = instructions.iter().flat_map(|instruction| instruction.to_bytes()).collect();
        // EAGAIN: a signal waited, and the verifier stopped for it.
        let interrupted = |outcome: &Result<Self, Error>| {
            outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        let attempts = std::iter::repeat_with(|| Self::load_bytes(&code, false));
        let outcome = attempts.take(20).find(|outcome| !interrupted(outcome));
        outcome.unwrap_or_else(|| Self::load_bytes(&code, true)).or_else(|_| Self::load_bytes(&code, true))
    }

    fn load_bytes(code: &[u8], explain: bool) -> Result<Self, Error> {
        let mut log = vec![0_u8; 1 << 20];
        let mut attributes = [0_u32; 32];
        attributes[0] = PROG_TYPE_XDP;
        attributes[1] = (code.len() / 8) as u32;
        put(&mut attributes, 2, code.as_ptr() as u64);
        put(&mut attributes, 4, c"Dual MIT/GPL".as_ptr() as u64);
        if explain {
            attributes[6] = 1;
            attributes[7] = log.len() as u32;
            put(&mut attributes, 8, log.as_mut_ptr() as u64);
        }
        let fd = bpf(PROG_LOAD, &mut attributes);
        fd.map(Self).map_err(|error| {
            let end = log.iter().position(|byte| *byte == 0).unwrap_or(0);
            let text = String::from_utf8_lossy(&log[..end]);
            let tail: Vec<&str> = text.lines().rev().take(12).collect();
            Error::new(
                error.kind(),
                format!("{error}: {}", tail.into_iter().rev().collect::<Vec<_>>().join("\n")),
            )
        })
    }

    fn run(&self, data: &[u8]) -> u32 {
        let mut attributes = [0_u32; 32];
        attributes[0] = self.0.as_raw_fd() as u32;
        attributes[2] = data.len() as u32;
        put(&mut attributes, 4, data.as_ptr() as u64);
        attributes[8] = 1;
        bpf_call(PROG_TEST_RUN, &mut attributes).expect("BPF_PROG_TEST_RUN runs a loaded program");
        attributes[1]
    }
}

/// The direct target, called on packet memory.
pub(super) struct Direct(Loaded);

impl Direct {
    /// Bytes of arguments that stand before the frame.
    const ARGUMENTS: usize = 8;

    pub(super) fn load(translation: &[Instruction]) -> Result<Self, Error> {
        let mut code = vec![
            ldx(2, 1, 4),
            ldx(1, 1, 0),
            Instruction::copy64(5, 1),
            Instruction::advance(5, Self::ARGUMENTS as i32),
            Instruction::new(JMP | JGT | REGISTER, 5, 2, 5, 0),
            ldx(3, 1, 0),
            ldx(4, 1, 4),
            Instruction::advance(1, Self::ARGUMENTS as i32),
            Instruction::new(CALL, 0, 1, 0, 3),
            Instruction::new(EXIT, 0, 0, 0, 0),
            Instruction::set(0, FAILED),
            Instruction::exit(),
        ];
        code.extend_from_slice(translation);
        Loaded::load(&code).map(Self)
    }

    /// `None` where the kernel does not run so short or so long a frame.
    pub(super) fn run(&self, bytes: &[u8], frame_len: u32, egress: bool) -> Option<Verdict> {
        let mut data = Vec::with_capacity(bytes.len() + Self::ARGUMENTS);
        data.extend_from_slice(&frame_len.to_ne_bytes());
        data.extend_from_slice(&u32::from(egress).to_ne_bytes());
        data.extend_from_slice(bytes);
        let runs = (14..3_000).contains(&data.len());
        runs.then(|| verdict(self.0.run(&data)))
    }
}

/// The copy target, called on a map value.
pub(super) struct Copy {
    program: Loaded,
    _map: OwnedFd,
    value: *mut u8,
}

impl Copy {
    pub(super) fn load(translation: &[Instruction]) -> Result<Self, Error> {
        let mut attributes = [0_u32; 32];
        attributes[..5].copy_from_slice(&[MAP_TYPE_ARRAY, 4, FILTER_COPY, 1, F_MMAPABLE]);
        let map = bpf(MAP_CREATE, &mut attributes)?;
        let fd = map.as_raw_fd();
        let mut code = vec![
            ldx(2, 1, 4),
            ldx(1, 1, 0),
            Instruction::copy64(5, 1),
            Instruction::advance(5, 16),
            Instruction::new(JMP | JGT | REGISTER, 5, 2, 17, 0),
            ldx(7, 1, 0),
            ldx(8, 1, 4),
            ldx(9, 1, 8),
            Instruction::new(ST | WORD | MEM, 10, 0, -4, 0),
            Instruction::copy64(2, 10),
            Instruction::advance(2, -4),
            Instruction::new(LOAD_DOUBLE, 1, PSEUDO_MAP_FD, 0, fd),
            Instruction::new(0, 0, 0, 0, 0),
            Instruction::new(CALL, 0, 0, 0, MAP_LOOKUP_ELEM),
            Instruction::new(JMP | JEQ, 0, 0, 7, 0),
            Instruction::copy64(1, 0),
            Instruction::copy64(2, 7),
            Instruction::new(JMP | JGT, 2, 0, 4, FILTER_COPY as i32),
            Instruction::copy64(3, 8),
            Instruction::copy64(4, 9),
            Instruction::new(CALL, 0, 1, 0, 3),
            Instruction::exit(),
            Instruction::set(0, FAILED),
            Instruction::exit(),
        ];
        code.extend_from_slice(translation);
        let program = Loaded::load(&code)?;
        // SAFETY: a fresh mapping of an array map that was made for it.
        let value = unsafe {
            libc::mmap(ptr::null_mut(), FILTER_COPY as usize, libc::PROT_WRITE, libc::MAP_SHARED, fd, 0)
        };
        if value == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        Ok(Self { program, _map: map, value: value.cast() })
    }

    pub(super) fn run(&mut self, bytes: &[u8], frame_len: u32, egress: bool) -> Verdict {
        let held = bytes.len().min(FILTER_COPY as usize);
        // SAFETY: the mapping has FILTER_COPY bytes, `held` is no more, and nobody else writes there.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.value, held) };
        let mut data = [0; 16];
        for (slot, value) in data.chunks_exact_mut(4).zip([held as u32, frame_len, u32::from(egress)]) {
            slot.copy_from_slice(&value.to_ne_bytes());
        }
        verdict(self.program.run(&data))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // SAFETY: mapped by `load`, unmapped once.
        unsafe { libc::munmap(self.value.cast(), FILTER_COPY as usize) };
    }
}

fn verdict(returned: u32) -> Verdict {
    match returned {
        0 => Verdict::Reject,
        1 => Verdict::Accept,
        2 => Verdict::OutOfReach,
        other => panic!("the program returned {other}"),
    }
}

fn ldx(dst: u8, src: u8, off: i16) -> Instruction {
    Instruction::new(LDX | WORD | MEM, dst, src, off, 0)
}

fn put(attributes: &mut [u32], at: usize, value: u64) {
    attributes[at] = value as u32;
    attributes[at + 1] = (value >> 32) as u32;
}

fn bpf(command: i64, attributes: &mut [u32; 32]) -> Result<OwnedFd, Error> {
    let fd = bpf_call(command, attributes)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bpf_call(command: i64, attributes: &mut [u32; 32]) -> Result<i32, Error> {
    // SAFETY: the attributes are larger than any that these commands read, and zero where unused.
    let returned = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), 128_usize) };
    if returned < 0 { Err(Error::last_os_error()) } else { Ok(returned as i32) }
}

/// The kernel's release, for reports.
pub(super) fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

const MAP_CREATE: i64 = 0;
const PROG_LOAD: i64 = 5;
const PROG_TEST_RUN: i64 = 10;
const PROG_TYPE_XDP: u32 = 6;
const MAP_TYPE_ARRAY: u32 = 2;
const F_MMAPABLE: u32 = 1 << 10;
const MAP_LOOKUP_ELEM: i32 = 1;
const PSEUDO_MAP_FD: u8 = 1;
const CALL: u8 = JMP | 0x80;
const LOAD_DOUBLE: u8 = 0x18;
const FAILED: u32 = 99;
