//! Small programs inside the kernel that note what a tracepoint or a function was given, and what its structures hold.
//!
//! A probe watches the sockets of a few network namespaces. Each time, it copies its values into one row and pushes
//! that into a queue, which is emptied at the end; a queue that is full is an error there, never a silent loss.

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use anyhow::{Context as _, Result, ensure};

use super::btf::Btf;

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

/// Where a probe sits.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// A tracepoint, whose first argument is the socket.
    Tracepoint(&'static str),
    /// The entry of a function, whose first argument is the socket.
    Function(&'static str),
}

/// A probe at work; dropping it detaches it.
#[derive(Debug)]
pub struct Probe {
    queue: OwnedFd,
    _link: OwnedFd,
    columns: usize,
}

impl Probe {
    /// Attaches a probe for the sockets of these namespaces, by their inode numbers.
    ///
    /// # Errors
    /// When the kernel refuses it, with the verifier's last words.
    pub fn attach(btf: &Btf, place: Place, namespaces: &[u32], values: &[Value]) -> Result<Self> {
        let columns = values.len() + 1;
        let queue = create_queue(u32::try_from(8 * columns)?)?;
        let code = program(btf, &queue, namespaces, values)?;
        let (kind, attach_type, function) = match place {
            Place::Tracepoint(_) => (BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0),
            Place::Function(name) => (BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, btf.function(name)?),
        };
        let program = load(&code, kind, attach_type, function).with_context(|| format!("{place:?}"))?;
        let link = open(place, &program).with_context(|| format!("cannot attach to {place:?}"))?;
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
        while unsafe { bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, &mut attributes) }.is_ok() {
            rows.push(row.clone());
        }
        ensure!(rows.len() < QUEUE_LEN as usize, "more than {QUEUE_LEN} rows: some were lost");
        Ok(rows)
    }
}

/// linux/bpf.h.
const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_MAP_LOOKUP_AND_DELETE_ELEM: libc::c_int = 21;
const BPF_MAP_TYPE_QUEUE: u32 = 22;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_FENTRY: u32 = 24;
const KTIME_GET_NS: i32 = 5;
const MAP_PUSH_ELEM: i32 = 87;
const PROBE_READ_KERNEL: i32 = 113;

/// Rows that a queue holds.
const QUEUE_LEN: u32 = 1 << 17;

/// The registers' numbers in an instruction: target in the low half, source in the high one.
const fn registers(target: u8, source: u8) -> u8 {
    source << 4 | target
}

const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> [u8; 8] {
    let [o0, o1] = offset.to_ne_bytes();
    let [i0, i1, i2, i3] = immediate.to_ne_bytes();
    [code, registers, o0, o1, i0, i1, i2, i3]
}

/// Instructions as they grow.
#[derive(Default)]
struct Assembly(Vec<[u8; 8]>);

impl Assembly {
    fn push(&mut self, code: u8, registers: u8, offset: i16, immediate: i32) {
        self.0.push(instruction(code, registers, offset, immediate));
    }

    /// `*(u64 *)(r10 + slot) = source`.
    fn store(&mut self, slot: i16, source: u8) {
        self.push(0x7b, registers(10, source), slot, 0);
    }

    /// `target = *(u64 *)(r6 + 8 * argument)`: r6 holds the context.
    fn argument(&mut self, target: u8, argument: u8) {
        self.push(0x79, registers(target, 6), i16::from(argument) * 8, 0);
    }

    fn call(&mut self, helper: i32) {
        self.push(0x85, 0, 0, helper);
    }

    /// Reads `len` bytes at r3 + `offset` into a slot; what cannot be read is zero.
    fn read(&mut self, slot: i16, offset: u32, len: u8) {
        self.push(0x07, 3, 0, offset.cast_signed());
        self.push(0xbf, registers(1, 10), 0, 0);
        self.push(0x07, 1, 0, slot.into());
        self.push(0xb7, 2, 0, len.into());
        self.call(PROBE_READ_KERNEL);
    }
}

fn program(btf: &Btf, queue: &OwnedFd, namespaces: &[u32], values: &[Value]) -> Result<Vec<u8>> {
    let columns = i16::try_from(values.len() + 1)?;
    // The row ends at the stack's top; a slot for the namespace lies below it.
    let slot = |column: i16| 8 * (column - columns);
    let scratch = slot(-1);
    let mut code = Assembly::default();
    code.push(0xbf, registers(6, 1), 0, 0);
    code.push(0xb7, 0, 0, 0);
    (-1..columns).for_each(|column| code.store(slot(column), 0));
    code.argument(3, 0);
    code.read(scratch, btf.field("sock", "__sk_common.skc_net.net")?.offset, 8);
    code.push(0x79, registers(3, 10), scratch, 0);
    code.read(scratch, btf.field("net", "ns.inum")?.offset, 4);
    code.push(0x61, registers(1, 10), scratch, 0);
    for (number, inode) in namespaces.iter().enumerate() {
        // Past the other comparisons and the two instructions that end it here.
        let rest = i16::try_from(namespaces.len() - number - 1)?;
        code.push(0x16, 1, rest + 2, inode.cast_signed());
    }
    code.push(0xb7, 0, 0, 0);
    code.push(0x95, 0, 0, 0);
    code.call(KTIME_GET_NS);
    code.store(slot(0), 0);
    for (column, value) in (1..).zip(values) {
        match *value {
            Value::Argument(argument) => {
                code.argument(1, argument);
                code.store(slot(column), 1);
            }
            Value::Behind { argument, offset, len } => {
                code.argument(3, argument);
                code.read(slot(column), offset, len);
            }
        }
    }
    // A map's descriptor takes two instructions (BPF_PSEUDO_MAP_FD).
    code.push(0x18, registers(1, 1), 0, queue.as_raw_fd());
    code.push(0, 0, 0, 0);
    code.push(0xbf, registers(2, 10), 0, 0);
    code.push(0x07, 2, 0, slot(0).into());
    code.push(0xb7, 3, 0, 0);
    code.call(MAP_PUSH_ELEM);
    code.push(0xb7, 0, 0, 0);
    code.push(0x95, 0, 0, 0);
    Ok(code.0.concat())
}

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
    let fd = unsafe { bpf(BPF_MAP_CREATE, &mut map) }.context("cannot make a queue")?;
    owned(fd)
}

fn load(code: &[u8], kind: u32, attach_type: u32, function: u32) -> Result<OwnedFd> {
    let mut log = vec![0u8; 1 << 16];
    let mut program = Program {
        kind,
        instruction_count: u32::try_from(code.len() / 8)?,
        instructions: code.as_ptr().addr() as u64,
        license: c"GPL".as_ptr().addr() as u64,
        log_level: 1,
        log_size: u32::try_from(log.len())?,
        log: log.as_mut_ptr().addr() as u64,
        attach_type,
        function,
        ..Program::default()
    };
    // SAFETY: every pointer among the attributes points to memory that outlives the call.
    let loaded = unsafe { bpf(BPF_PROG_LOAD, &mut program) };
    let said = String::from_utf8_lossy(&log);
    let last = said.trim_end_matches('\0').lines().rev().take(4).collect::<Vec<_>>().join(" | ");
    owned(loaded.with_context(|| format!("the verifier refuses the probe: {last}"))?)
}

fn open(place: Place, program: &OwnedFd) -> Result<OwnedFd> {
    /// The fields of `union bpf_attr` for `BPF_RAW_TRACEPOINT_OPEN`.
    #[repr(C)]
    struct Open {
        name: u64,
        program: u32,
        padding: u32,
    }
    let name = match place {
        Place::Tracepoint(name) => Some(CString::new(name)?),
        Place::Function(_) => None,
    };
    let pointer = name.as_ref().map_or(0, |name| name.as_ptr().addr() as u64);
    let mut attributes = Open { name: pointer, program: raw(program), padding: 0 };
    // SAFETY: the name outlives the call.
    owned(unsafe { bpf(BPF_RAW_TRACEPOINT_OPEN, &mut attributes) }?)
}

/// The fields of `union bpf_attr` for `BPF_PROG_LOAD` up to the function to attach to.
#[derive(Default)]
#[repr(C)]
struct Program {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
    btf: u32,
    function_record_size: u32,
    function_records: u64,
    function_record_count: u32,
    line_record_size: u32,
    line_records: u64,
    line_record_count: u32,
    function: u32,
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

/// # Safety
/// The attributes are those of the command, and what they point to lives through the call.
unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: as promised by the caller.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { i32::try_from(result).map_err(io::Error::other) }
}

fn owned(fd: i32) -> Result<OwnedFd> {
    ensure!(fd >= 0, "no descriptor");
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn raw(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}
