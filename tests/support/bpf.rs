//! bpf(2): the call itself, and loading of a program that was written instruction by instruction.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

/// What a program is (linux/bpf.h: `enum bpf_prog_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ProgramKind {
    /// `BPF_PROG_TYPE_XDP`.
    Xdp = 6,
    /// `BPF_PROG_TYPE_RAW_TRACEPOINT`.
    RawTracepoint = 17,
}

/// Loads a program of whole instructions (`struct bpf_insn`, 8 bytes each).
///
/// # Errors
/// The kernel's refusal, with the verifier's last words where it had any.
pub fn load(kind: ProgramKind, instructions: &[u8]) -> io::Result<OwnedFd> {
    /// The fields of `union bpf_attr` for `BPF_PROG_LOAD`, as far as they are needed.
    #[repr(C)]
    struct Attributes {
        kind: u32,
        instruction_count: u32,
        instructions: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
    }
    let mut log = vec![0u8; 1 << 16];
    let mut attributes = Attributes {
        kind: kind as u32,
        instruction_count: u32::try_from(instructions.len() / 8).map_err(io::Error::other)?,
        instructions: instructions.as_ptr().addr() as u64,
        license: c"GPL".as_ptr().addr() as u64,
        log_level: 1,
        log_size: u32::try_from(log.len()).map_err(io::Error::other)?,
        log: log.as_mut_ptr().addr() as u64,
    };
    // SAFETY: every pointer among the attributes points to memory that outlives the call.
    let loaded = unsafe { call(BPF_PROG_LOAD, &mut attributes) }.and_then(owned);
    loaded.map_err(|error| with_last_words(error, &log))
}

/// Calls bpf(2).
///
/// # Errors
/// The kernel's refusal.
///
/// # Safety
/// The attributes are those of the command, and what they point to lives through the call.
pub unsafe fn call<T>(command: libc::c_int, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: as promised by the caller.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { i32::try_from(result).map_err(io::Error::other) }
}

/// A descriptor that a call has just given.
///
/// # Errors
/// When it is none.
pub fn owned(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::other("no descriptor"));
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn with_last_words(error: io::Error, log: &[u8]) -> io::Error {
    let said = String::from_utf8_lossy(log);
    let lines: Vec<_> = said.trim_end_matches('\0').lines().collect();
    if lines.is_empty() {
        return error;
    }
    let last = &lines[lines.len().saturating_sub(4)..];
    io::Error::new(error.kind(), format!("{error}; the verifier: {}", last.join(" | ")))
}

const BPF_PROG_LOAD: libc::c_int = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_with_what_the_verifier_said() {
        let refusal = || io::Error::from_raw_os_error(libc::EACCES);
        let mut log = b"1\n2\n3\n4\nR0 !read_ok\n".to_vec();
        log.resize(99, 0);
        let error = with_last_words(refusal(), &log);
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().ends_with("the verifier: 2 | 3 | 4 | R0 !read_ok"), "{error}");
        assert_eq!(with_last_words(refusal(), &[0; 9]).to_string(), refusal().to_string());
    }
}
