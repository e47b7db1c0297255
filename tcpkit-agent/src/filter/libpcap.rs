//! The few functions of libpcap that compile an expression and run it, made safe.
//!
//! Declared here rather than taken from the `pcap` crate because that one hides `bpf_filter` with separate captured
//! and frame lengths, the netmask, and the instructions' text. The `pcap` crate links the library.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_uint, c_void},
    ptr::NonNull,
    sync::Mutex,
};

use pcap as _;

use crate::wire::LinkType;

/// One classic BPF instruction (`struct bpf_insn`, pcap/bpf.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ClassicInstruction {
    /// Class, size, mode or operation.
    pub code: u16,
    /// Instructions to skip when the condition holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

/// Compiles `expression` with a dead handle; libpcap's own message when it will not.
///
/// The netmask is 0, as in `tcpdump -r`: `ip broadcast` then means the limited broadcast addresses.
pub(super) fn compile(
    expression: &CStr,
    link_type: LinkType,
    snaplen: u32,
    optimize: bool,
) -> Result<Vec<ClassicInstruction>, String> {
    let handle = Handle::dead(link_type, snaplen)?;
    // SAFETY: the handle is open until the end of this function.
    unsafe { compile_with(handle.0.as_ptr(), expression, optimize) }
}

/// Compiles `expression` for the kernel's filter of a live handle of libpcap's, a `pcap_t`: there a VLAN tag is not
/// among the bytes.
///
/// # Errors
/// libpcap's own message when it will not.
///
/// # Safety
/// The handle is open, and nobody else uses it meanwhile.
pub unsafe fn compile_for_handle(
    handle: *mut c_void,
    expression: &str,
) -> Result<Vec<ClassicInstruction>, String> {
    let expression = c_string(expression).ok_or("the expression holds a NUL")?;
    // SAFETY: as the caller promises.
    unsafe { compile_with(handle.cast(), &expression, true) }
}

/// # Safety
/// The handle is open.
unsafe fn compile_with(
    handle: *mut Pcap,
    expression: &CStr,
    optimize: bool,
) -> Result<Vec<ClassicInstruction>, String> {
    let mut program = RawProgram { len: 0, instructions: std::ptr::null_mut() };
    // SAFETY: the handle is open, the program is ours to fill, the expression ends with NUL.
    let status =
        unsafe { pcap_compile(handle, &raw mut program, expression.as_ptr(), c_int::from(optimize), 0) };
    if status != 0 {
        // SAFETY: the handle is open, and its error buffer ends with NUL.
        return Err(unsafe { CStr::from_ptr(pcap_geterr(handle)) }.to_string_lossy().trim().to_owned());
    }
    // SAFETY: on success libpcap filled `len` instructions, which live until `pcap_freecode`.
    let instructions =
        unsafe { std::slice::from_raw_parts(program.instructions, program.len as usize) }.to_vec();
    // SAFETY: the program came from `pcap_compile` and is freed once.
    unsafe { pcap_freecode(&raw mut program) };
    Ok(instructions)
}

/// A program that libpcap's interpreter may run: it passed `bpf_validate`.
#[derive(Clone, Debug)]
pub(super) struct Executable(Vec<ClassicInstruction>);

impl Executable {
    /// Takes the program if every jump, constant and memory word in it is sound.
    pub(super) fn new(instructions: Vec<ClassicInstruction>) -> Option<Self> {
        let len = c_int::try_from(instructions.len()).ok()?;
        // SAFETY: the pointer and the length are those of one vector.
        let sound = unsafe { bpf_validate(instructions.as_ptr(), len) } != 0;
        sound.then_some(Self(instructions))
    }

    /// Whether the program accepts these captured bytes of a frame of `frame_len`.
    #[inline]
    pub(super) fn accepts(&self, bytes: &[u8], frame_len: u32) -> bool {
        let captured_len = c_uint::try_from(bytes.len()).unwrap_or(c_uint::MAX);
        // SAFETY: `bpf_validate` passed at construction; the interpreter reads `captured_len` bytes at most.
        unsafe { bpf_filter(self.0.as_ptr(), bytes.as_ptr(), frame_len, captured_len) != 0 }
    }
}

/// One instruction as `tcpdump -d` prints it.
pub(super) fn image(instruction: &ClassicInstruction, index: usize) -> String {
    /// libpcap formats into one static buffer.
    static BUFFER: Mutex<()> = Mutex::new(());
    let _guard = BUFFER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let index = c_int::try_from(index).unwrap_or(c_int::MAX);
    // SAFETY: the buffer that is returned ends with NUL and stays until the next call, which the lock keeps away.
    unsafe { CStr::from_ptr(bpf_image(instruction, index)) }.to_string_lossy().trim_end().to_owned()
}

/// What libpcap calls this link type; its number when it has no name.
pub fn link_type_name(link_type: LinkType) -> String {
    // SAFETY: the result is null or a constant string.
    let name = unsafe { pcap_datalink_val_to_name(dlt(link_type)) };
    if name.is_null() {
        return link_type.0.to_string();
    }
    // SAFETY: not null, so a constant string that ends with NUL.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// What libpcap says that this link type is (`Ethernet`), where it knows it.
#[must_use]
pub fn link_type_description(link_type: LinkType) -> Option<String> {
    pcap::Linktype(dlt(link_type)).get_description().ok()
}

/// What libpcap says of itself.
#[must_use]
pub fn libpcap_version() -> String {
    // SAFETY: a constant string that ends with NUL.
    unsafe { CStr::from_ptr(pcap_lib_version()) }.to_string_lossy().into_owned()
}

/// The link type of this name (`EN10MB`), as libpcap calls it.
#[must_use]
pub fn link_type_by_name(name: &str) -> Option<LinkType> {
    let own = pcap::Linktype::from_name(name).ok()?;
    // libpcap's number for raw IP differs among systems; in files it is one (pcap-linktype(7)).
    if own == pcap::Linktype::RAW { Some(LinkType::RAW) } else { u16::try_from(own.0).ok().map(LinkType) }
}

/// A dead handle: compiles, captures nothing.
struct Handle(NonNull<Pcap>);

impl Handle {
    fn dead(link_type: LinkType, snaplen: u32) -> Result<Self, String> {
        let snaplen = c_int::try_from(snaplen).unwrap_or(c_int::MAX);
        // SAFETY: no pointers go in; the result is null or an open handle.
        let handle = unsafe { pcap_open_dead(dlt(link_type), snaplen) };
        NonNull::new(handle).map(Self).ok_or_else(|| "out of memory".to_owned())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: opened by `pcap_open_dead` and closed once.
        unsafe { pcap_close(self.0.as_ptr()) }
    }
}

/// The expression as libpcap takes it; `None` when it holds a NUL.
pub(super) fn c_string(expression: &str) -> Option<CString> {
    CString::new(expression).ok()
}

/// The DLT_ value on Linux of a LINKTYPE_ value: equal but for the few of the old BSD days (pcap/dlt.h).
fn dlt(link_type: LinkType) -> c_int {
    match link_type.0 {
        100 => 11,
        101 => 12,
        102 => 15,
        103 => 16,
        106 => 19,
        other => c_int::from(other),
    }
}

enum Pcap {}

#[repr(C)]
struct RawProgram {
    len: c_uint,
    instructions: *mut ClassicInstruction,
}

unsafe extern "C" {
    fn pcap_open_dead(link_type: c_int, snaplen: c_int) -> *mut Pcap;
    fn pcap_close(handle: *mut Pcap);
    fn pcap_geterr(handle: *mut Pcap) -> *mut c_char;
    fn pcap_compile(
        handle: *mut Pcap,
        program: *mut RawProgram,
        expression: *const c_char,
        optimize: c_int,
        netmask: c_uint,
    ) -> c_int;
    fn pcap_freecode(program: *mut RawProgram);
    fn pcap_lib_version() -> *const c_char;
    fn pcap_datalink_val_to_name(link_type: c_int) -> *const c_char;
    fn bpf_filter(
        instructions: *const ClassicInstruction,
        bytes: *const u8,
        frame_len: c_uint,
        captured_len: c_uint,
    ) -> c_uint;
    fn bpf_validate(instructions: *const ClassicInstruction, len: c_int) -> c_int;
    fn bpf_image(instruction: *const ClassicInstruction, index: c_int) -> *const c_char;
}
