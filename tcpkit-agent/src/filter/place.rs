//! Writes a translated filter into the eBPF object, before the object is loaded.
//!
//! The object has two functions, [`DIRECT_SYMBOL`] and [`COPY_SYMBOL`], whose bodies are room to be overwritten.
//! What remains of a body is jumped over by a branch that the verifier decides, so that it never walks there and the
//! kernel cuts the rest out; walking a slide of 32,000 `goto +0` would take it seconds. Everything else in the object
//! stays as it is, but for the linkage of the two functions in `.BTF`: a global function may not take packet pointers.

use std::ops::Range;

use object::{File, Object, ObjectSection, ObjectSymbol};

use super::{
    ebpf::{EXIT, Instruction, JEQ, JMP},
    translate::TAIL_SLOTS,
};

/// Name of the stub that reads packet memory.
pub const DIRECT_SYMBOL: &str = "pcap_filter";

/// Name of the stub that reads a map value.
pub const COPY_SYMBOL: &str = "pcap_filter_copy";

/// Why a filter cannot be written into an object.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Not an ELF file of this machine's byte order.
    #[error("the eBPF object cannot be read ({0}); build it anew with `cargo xtask build`")]
    Object(String),
    /// A stub is missing.
    #[error(
        "the eBPF object has no function `{0}` to write a filter into; build it anew with `cargo xtask build`"
    )]
    Missing(&'static str),
    /// A stub is not what it should be.
    #[error("the eBPF object's `{0}` is not room for a filter: {1}; build it anew with `cargo xtask build`")]
    NotAStub(&'static str, &'static str),
    /// More instructions than the stub has slots.
    #[error(
        "the filter is too long: {instructions} eBPF instructions, and `{symbol}` has room for {limit}; shorten the \
         expression (networks instead of hosts), or filter by libpcap (--backend pcap)"
    )]
    TooLong {
        /// The stub.
        symbol: &'static str,
        /// Instructions of the translation.
        instructions: usize,
        /// Most that fit.
        limit: usize,
    },
    /// `.BTF` contradicts itself.
    #[error("the eBPF object's .BTF cannot be read: {0}; build it anew with `cargo xtask build`")]
    Btf(&'static str),
}

/// The object with the two filters in their places.
///
/// # Errors
/// The object is not ours, or a filter is longer than its stub.
pub fn place(object: &[u8], direct: &[Instruction], copy: &[Instruction]) -> Result<Vec<u8>, PlaceError> {
    let file = File::parse(object).map_err(|error| PlaceError::Object(error.to_string()))?;
    if !file.is_little_endian() {
        return Err(PlaceError::Object("it is big-endian".to_owned()));
    }
    let mut patched = object.to_vec();
    for (symbol, translation) in [(DIRECT_SYMBOL, direct), (COPY_SYMBOL, copy)] {
        let body = body_of(&file, object.len(), symbol)?;
        fill(&mut patched[body], symbol, translation)?;
    }
    if let Some(btf) = file.section_by_name(".BTF") {
        let (start, len) = btf.file_range().ok_or(PlaceError::Btf("it has no bytes"))?;
        let range = byte_range(start, len, object.len()).ok_or(PlaceError::Btf("it ends beyond the file"))?;
        make_static(&mut patched[range])?;
    }
    Ok(patched)
}

/// Where in the file a stub's instructions stand.
fn body_of(file: &File<'_>, file_len: usize, name: &'static str) -> Result<Range<usize>, PlaceError> {
    let symbol = file
        .symbols()
        .find(|symbol| symbol.is_definition() && symbol.name() == Ok(name))
        .ok_or(PlaceError::Missing(name))?;
    let not_a_stub = |reason| PlaceError::NotAStub(name, reason);
    let index = symbol.section_index().ok_or(not_a_stub("it is in no section"))?;
    let section = file.section_by_index(index).map_err(|_| not_a_stub("its section does not exist"))?;
    let body = symbol.address()..symbol.address().saturating_add(symbol.size());
    if section.relocations().any(|(offset, _)| body.contains(&offset)) {
        return Err(not_a_stub("it holds relocations"));
    }
    let (start, len) = section.file_range().ok_or(not_a_stub("its section has no bytes"))?;
    if body.end > len {
        return Err(not_a_stub("it ends beyond its section"));
    }
    byte_range(start.saturating_add(body.start), symbol.size(), file_len)
        .ok_or(not_a_stub("it ends beyond the file"))
}

fn byte_range(start: u64, len: u64, file_len: usize) -> Option<Range<usize>> {
    let range = usize::try_from(start).ok()?..usize::try_from(start.checked_add(len)?).ok()?;
    (range.end <= file_len).then_some(range)
}

fn fill(body: &mut [u8], symbol: &'static str, translation: &[Instruction]) -> Result<(), PlaceError> {
    let slots = body.len() / SLOT;
    let limit = slots.saturating_sub(TAIL_SLOTS);
    let instructions = translation.len();
    if instructions > limit {
        return Err(PlaceError::TooLong { symbol, instructions, limit });
    }
    let Some((last, code)) = translation.split_last() else {
        return Err(PlaceError::NotAStub(symbol, "the translation is empty"));
    };
    if last.opcode != EXIT || !body.len().is_multiple_of(SLOT) {
        return Err(PlaceError::NotAStub(symbol, "it does not end with an exit"));
    }
    let rest = slots - code.len() - TAIL_SLOTS - 1;
    let over =
        i16::try_from(rest).map_err(|_| PlaceError::NotAStub(symbol, "it has more than 32,767 slots"))?;
    let tail = [Instruction::set(SCRATCH, 0), Instruction::new(JMP | JEQ, SCRATCH, 0, over, 0)];
    let unused = std::iter::repeat_n(Instruction::nop(), rest);
    let whole = code.iter().copied().chain(tail).chain(unused).chain([*last]);
    for (slot, instruction) in body.chunks_exact_mut(SLOT).zip(whole) {
        slot.copy_from_slice(&instruction.to_bytes());
    }
    Ok(())
}

/// Sets the linkage of both functions to static, wherever `.BTF` calls them global.
fn make_static(btf: &mut [u8]) -> Result<(), PlaceError> {
    let malformed = PlaceError::Btf("its header contradicts its length");
    if btf.get(..2) != Some(&BTF_MAGIC.to_le_bytes()) {
        return Err(PlaceError::Btf("its magic number is missing"));
    }
    let header: Option<Vec<usize>> = (4..24).step_by(4).map(|at| word(btf, at)).collect();
    let Some([header_len, type_offset, type_len, name_offset, name_len]) = header.as_deref() else {
        return Err(malformed);
    };
    let types = header_len + type_offset..header_len + type_offset + type_len;
    let names = header_len + name_offset..header_len + name_offset + name_len;
    let (Some(_), Some(names)) = (btf.get(types.clone()), btf.get(names)) else { return Err(malformed) };
    let stubs = static_functions(&btf[types.clone()], names)?;
    for at in stubs {
        btf[types.start + at..types.start + at + 2].copy_from_slice(&BTF_FUNC_STATIC.to_le_bytes());
    }
    Ok(())
}

/// Offsets of the linkage (`vlen`) of our two functions in the type section.
fn static_functions(types: &[u8], names: &[u8]) -> Result<Vec<usize>, PlaceError> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < types.len() {
        let (Some(name), Some(info)) = (word(types, at), word(types, at + 4)) else {
            return Err(PlaceError::Btf("a type ends beyond the section"));
        };
        let (kind, count) = ((info >> 24) & 0x1f, info & 0xffff);
        let name =
            names.get(name..).and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default();
        if kind == BTF_KIND_FUNC && [DIRECT_SYMBOL.as_bytes(), COPY_SYMBOL.as_bytes()].contains(&name) {
            found.push(at + 4);
        }
        at +=
            BTF_TYPE_LEN + extra_len(kind, count).ok_or(PlaceError::Btf("it has a type of unknown kind"))?;
    }
    Ok(found)
}

/// Bytes that follow `struct btf_type` for each kind (linux/btf.h).
const fn extra_len(kind: usize, count: usize) -> Option<usize> {
    match kind {
        2 | 7..=12 | 16 | 18 => Some(0),
        1 | 14 | 17 => Some(4),
        3 => Some(12),
        4 | 5 | 15 | 19 => Some(12 * count),
        6 | 13 => Some(8 * count),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

const SLOT: usize = 8;
const SCRATCH: u8 = 5;
const BTF_MAGIC: u16 = 0xeb9f;
const BTF_TYPE_LEN: usize = 12;
const BTF_KIND_FUNC: usize = 12;
const BTF_FUNC_STATIC: u16 = 0;
