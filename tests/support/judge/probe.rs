//! Small programs inside the kernel that note what a tracepoint was given, and what its structures hold.
//!
//! A probe watches the sockets of a few network namespaces. Each time, it copies its values into one row and pushes
//! that into a queue, which is emptied at the end; a queue that is full is an error there, never a silent loss.

use std::{
    ffi::CString,
    os::fd::{AsRawFd, OwnedFd},
};

use anyhow::{Context as _, Result, ensure};

use super::{assembly::program, btf::Btf};
use crate::bpf::{self, ProgramKind};

/// What a probe notes at one column of its row; the first column is `CLOCK_MONOTONIC`, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// An argument as it is.
    Argument(u8),
    /// So many bytes at an offset behind the pointer that an argument is.
    Behind {
        /// Which argument.
        argument: u8,
        /// Offset, in bytes.
        offset: u32,
        /// 1, 2, 4 or 8.
        len: u8,
    },
}

/// A probe at work; dropping it detaches it.
#[derive(Debug)]
pub struct Probe {
    queue: OwnedFd,
    _link: OwnedFd,
    columns: usize,
}

impl Probe {
    /// Attaches a probe to a tracepoint whose first argument is a socket, for the sockets of these namespaces, by their
    /// inode numbers.
    ///
    /// # Errors
    /// When the kernel refuses it, with the verifier's last words.
    pub fn attach(btf: &Btf, tracepoint: &str, namespaces: &[u32], values: &[Value]) -> Result<Self> {
        let columns = values.len() + 1;
        let queue = create_queue(u32::try_from(8 * columns)?)?;
        let code = program(btf, queue.as_raw_fd(), namespaces, values)?;
        let program = bpf::load(ProgramKind::RawTracepoint, &code)
            .with_context(|| format!("a probe for {tracepoint}"))?;
        let link = open_tracepoint(tracepoint, &program);
        let link = link.with_context(|| format!("cannot attach to {tracepoint}"))?;
        Ok(Self { queue, _link: link, columns })
    }

    /// Takes out the rows noted so far, in their order.
    ///
    /// # Errors
    /// When some found no room.
    pub fn rows(&self) -> Result<Vec<Vec<u64>>> {
        let mut rows = Vec::new();
        let mut row = vec![0u64; self.columns];
        let mut attributes =
            Element { map: raw(&self.queue), value: row.as_mut_ptr().addr() as u64, ..Element::default() };
        // SAFETY: the value has room for one element of this map.
        while unsafe { bpf::call(BPF_MAP_LOOKUP_AND_DELETE_ELEM, &mut attributes) }.is_ok() {
            rows.push(row.clone());
        }
        ensure!(rows.len() < QUEUE_LEN as usize, "more than {QUEUE_LEN} rows: some were lost");
        Ok(rows)
    }
}

/// linux/bpf.h.
const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_MAP_LOOKUP_AND_DELETE_ELEM: libc::c_int = 21;
const BPF_MAP_TYPE_QUEUE: u32 = 22;

/// Rows that a queue holds.
const QUEUE_LEN: u32 = 1 << 17;

fn create_queue(value_size: u32) -> Result<OwnedFd> {
    /// The fields of `union bpf_attr` for `BPF_MAP_CREATE`.
    #[repr(C)]
    struct Map {
        kind: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    }
    let mut map = Map { kind: BPF_MAP_TYPE_QUEUE, key_size: 0, value_size, max_entries: QUEUE_LEN };
    // SAFETY: integers only.
    let fd = unsafe { bpf::call(BPF_MAP_CREATE, &mut map) }.context("cannot make a queue")?;
    Ok(bpf::owned(fd)?)
}

fn open_tracepoint(name: &str, program: &OwnedFd) -> Result<OwnedFd> {
    /// The fields of `union bpf_attr` for `BPF_RAW_TRACEPOINT_OPEN`.
    #[repr(C)]
    struct Open {
        name: u64,
        program: u32,
        padding: u32,
    }
    let name = CString::new(name)?;
    let mut attributes = Open { name: name.as_ptr().addr() as u64, program: raw(program), padding: 0 };
    // SAFETY: the name outlives the call.
    Ok(bpf::owned(unsafe { bpf::call(BPF_RAW_TRACEPOINT_OPEN, &mut attributes) }?)?)
}

/// The fields of `union bpf_attr` for an element of a map.
#[derive(Default)]
#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

fn raw(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}
