//! The system calls that the live source makes itself, each wrapped once.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr::{self, NonNull},
};

/// Memory that the kernel shares with us.
#[derive(Debug)]
pub(super) struct Mapping {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is shared with the kernel anyway; everyone reads and writes it by atomic or volatile access.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `fd`, from `offset` on.
    pub(super) fn new(fd: BorrowedFd<'_>, len: usize, offset: usize, writable: bool) -> io::Result<Self> {
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let address =
            unsafe { libc::mmap(ptr::null_mut(), len, protection, libc::MAP_SHARED, fd.as_raw_fd(), offset) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Self { address, len })
    }

    /// First byte.
    pub(super) const fn start(&self) -> *mut u8 {
        self.address.as_ptr()
    }

    /// How many bytes.
    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody keeps a pointer into it beyond its owner.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.len) };
    }
}

/// Bytes of a page.
pub(super) fn page_size() -> usize {
    // SAFETY: no preconditions.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Makes a descriptor that wakes whoever polls it (eventfd(2)).
pub(super) fn event_fd() -> io::Result<OwnedFd> {
    // SAFETY: no memory is handed over.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel gave us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a BPF ring buffer of `bytes`, a power of two of whole pages.
pub(super) fn create_ring(bytes: u32) -> io::Result<OwnedFd> {
    /// The fields of `union bpf_attr` for `BPF_MAP_CREATE` (linux/bpf.h) that a ring needs.
    #[repr(C)]
    struct MapCreate {
        map_type: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
        map_flags: u32,
        inner_map_fd: u32,
        numa_node: u32,
        map_name: [u8; 16],
    }
    let attributes = MapCreate {
        map_type: aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32,
        key_size: 0,
        value_size: 0,
        max_entries: bytes,
        map_flags: 0,
        inner_map_fd: 0,
        numa_node: 0,
        map_name: *b"tcpkit_ring\0\0\0\0\0",
    };
    let fd = bpf(aya_obj::generated::bpf_cmd::BPF_MAP_CREATE as u32, &attributes)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts a value into a map.
pub(super) fn update_map<K, V>(map: BorrowedFd<'_>, key: &K, value: &V) -> io::Result<()> {
    /// The fields of `union bpf_attr` for `BPF_MAP_UPDATE_ELEM` (linux/bpf.h).
    #[repr(C)]
    struct MapUpdate {
        map_fd: u32,
        padding: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    let attributes = MapUpdate {
        map_fd: map.as_raw_fd().cast_unsigned(),
        padding: 0,
        key: ptr::from_ref(key).addr() as u64,
        value: ptr::from_ref(value).addr() as u64,
        flags: 0,
    };
    bpf(aya_obj::generated::bpf_cmd::BPF_MAP_UPDATE_ELEM as u32, &attributes).map(drop)
}

/// Takes an entry out of a map.
pub(super) fn delete_from_map<K>(map: BorrowedFd<'_>, key: &K) -> io::Result<()> {
    /// The fields of `union bpf_attr` for `BPF_MAP_DELETE_ELEM` (linux/bpf.h).
    #[repr(C)]
    struct MapDelete {
        map_fd: u32,
        padding: u32,
        key: u64,
    }
    let attributes = MapDelete {
        map_fd: map.as_raw_fd().cast_unsigned(),
        padding: 0,
        key: ptr::from_ref(key).addr() as u64,
    };
    bpf(aya_obj::generated::bpf_cmd::BPF_MAP_DELETE_ELEM as u32, &attributes).map(drop)
}

/// Calls bpf(2); what it answers, which is a descriptor where the command makes one.
pub(super) fn bpf<A>(command: u32, attributes: &A) -> io::Result<RawFd> {
    // SAFETY: `attributes` lives through the call and begins with the fields of this command.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_ref(attributes), size_of::<A>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(result).map_err(io::Error::other)
}

/// Makes `fd` another name for what `other` is (dup3(2)); what it was before is closed.
pub(super) fn rename_descriptor(other: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes two open descriptors; whoever owns `fd` goes on to own it.
    if unsafe { libc::dup3(other.as_raw_fd(), fd.as_raw_fd(), libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Waits until every program that was running when this was called has ended.
pub(super) fn grace_period() {
    /// `MEMBARRIER_CMD_GLOBAL` (linux/membarrier.h) is `synchronize_rcu`, and programs run inside RCU.
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: no memory is touched.
    if unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) } != 0 {
        // A kernel without it: hooks take microseconds.
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// A clock, in nanoseconds.
pub(super) fn clock_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Lets maps be as large as asked for on kernels before 5.11, where they count as locked memory; gives the limit in
/// bytes where it could not be lifted.
pub(super) fn lift_memory_lock() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` lives through all calls. A limit that stays shows when a map is made.
    unsafe {
        if libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) == 0 {
            return None;
        }
        libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit);
    }
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// Name and release of the kernel, as in `Linux 5.10.0-32-amd64`.
pub(super) fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim())
}

/// A socket that closes on exec.
pub(super) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is touched.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Name of the interface with this index.
pub(super) fn interface_name(index: u32) -> Option<String> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: `name` is as long as the call demands.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(&name).ok().map(|name| name.to_string_lossy().into_owned())
}

/// Whether the kernel knows this capability at all: it divides CAP_SYS_ADMIN further since 5.8.
pub(super) fn knows_capability(number: u8) -> bool {
    // SAFETY: no memory is touched; an unknown number is refused.
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(number), 0, 0, 0) >= 0 }
}
