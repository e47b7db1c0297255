//! Writes a translated filter into the eBPF object, before the object is loaded.
//!
//! The object has two functions, [`DIRECT_SYMBOL`] and [`COPY_SYMBOL`], whose bodies are room to be overwritten.
//! A translation takes only as many slots as it needs: a second symbol in each body, [`REST_SUFFIX`], is moved behind
//! the translation and takes over what is left. Nobody calls that function, so it never reaches the kernel; left in
//! place, the kernel would move its 32,000 instructions whenever it cuts out dead code, for seconds.
//! Everything else in the object stays as it is, but for the linkage of the two functions in `.BTF`: a global function
//! may not take packet pointers.

use std::ops::Range;

use object::{File, Object, ObjectSection, ObjectSymbol, SymbolIndex};

use super::{
    ebpf::{EXIT, Instruction},
    translate::{REST_SLOTS, Verdict},
};

/// Name of the stub that reads packet memory.
pub const DIRECT_SYMBOL: &str = "pcap_filter";

/// Name of the stub that reads a map value.
pub const COPY_SYMBOL: &str = "pcap_filter_copy";

/// What follows a stub's name in the name of its second symbol.
pub const REST_SUFFIX: &str = "_rest";

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

/// The object of a capture without a filter: its stubs, which nobody asks, shrink to almost nothing.
///
/// # Errors
/// The object is not ours.
pub fn place_nothing(object: &[u8]) -> Result<Vec<u8>, PlaceError> {
    let accept = [Instruction::set(0, Verdict::Accept as u32), Instruction::exit()];
    place(object, &accept, &accept)
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
        let stub = Stub::find(&file, object.len(), symbol)?;
        stub.fill(&mut patched, translation)?;
    }
    if let Some(btf) = file.section_by_name(".BTF") {
        let (start, len) = btf.file_range().ok_or(PlaceError::Btf("it has no bytes"))?;
        let range = byte_range(start, len, object.len()).ok_or(PlaceError::Btf("it ends beyond the file"))?;
        make_static(&mut patched[range])?;
    }
    Ok(patched)
}

/// Where in the file a stub stands.
struct Stub {
    name: &'static str,
    /// Its instructions.
    body: Range<usize>,
    /// Its address in its section.
    address: u64,
    /// The entries of its symbol and of the rest's.
    entries: [Range<usize>; 2],
}

impl Stub {
    fn find(file: &File<'_>, file_len: usize, name: &'static str) -> Result<Self, PlaceError> {
        let symbol = definition(file, name).ok_or(PlaceError::Missing(name))?;
        let rest = definition(file, &format!("{name}{REST_SUFFIX}")).ok_or(PlaceError::Missing(name))?;
        let not_a_stub = |reason| PlaceError::NotAStub(name, reason);
        let entry = |symbol: &ElfSymbol<'_, '_>| {
            symbol_entry(file, file_len, symbol.index()).ok_or(not_a_stub("its symbol has no entry"))
        };
        let entries = [entry(&symbol)?, entry(&rest)?];
        let body = body_of(file, file_len, &symbol).map_err(not_a_stub)?;
        Ok(Self { name, body, address: symbol.address(), entries })
    }

    /// Writes the translation to the body's beginning and leaves what is behind it to the rest.
    fn fill(&self, object: &mut [u8], translation: &[Instruction]) -> Result<(), PlaceError> {
        let (name, slots) = (self.name, self.body.len() / SLOT);
        let limit = slots.saturating_sub(REST_SLOTS);
        let instructions = translation.len();
        if instructions > limit {
            return Err(PlaceError::TooLong { symbol: name, instructions, limit });
        }
        if translation.last().is_none_or(|last| last.opcode != EXIT) {
            return Err(PlaceError::NotAStub(name, "the translation does not end with an exit"));
        }
        for (slot, instruction) in object[self.body.clone()].chunks_exact_mut(SLOT).zip(translation) {
            slot.copy_from_slice(&instruction.to_bytes());
        }
        let used = instructions * SLOT;
        let places = [(self.address, used), (self.address + used as u64, self.body.len() - used)];
        for (entry, (address, len)) in self.entries.iter().zip(places) {
            let entry = &mut object[entry.clone()];
            entry[SYMBOL_ADDRESS].copy_from_slice(&address.to_le_bytes());
            entry[SYMBOL_LEN].copy_from_slice(&(len as u64).to_le_bytes());
        }
        Ok(())
    }
}

type ElfSymbol<'data, 'file> = object::read::Symbol<'data, 'file>;

fn definition<'data, 'file>(file: &'file File<'data>, name: &str) -> Option<ElfSymbol<'data, 'file>> {
    file.symbols().find(|symbol| symbol.is_definition() && symbol.name() == Ok(name))
}

/// The entry of a symbol in the table of symbols.
fn symbol_entry(file: &File<'_>, file_len: usize, index: SymbolIndex) -> Option<Range<usize>> {
    let (start, len) = file.section_by_name(".symtab")?.file_range()?;
    let offset = (index.0 as u64).checked_mul(SYMBOL_ENTRY)?;
    let is_inside = offset.checked_add(SYMBOL_ENTRY)? <= len;
    byte_range(start.checked_add(offset)?, SYMBOL_ENTRY, file_len).filter(|_| is_inside)
}

/// Where in the file a symbol's instructions stand.
fn body_of(
    file: &File<'_>,
    file_len: usize,
    symbol: &ElfSymbol<'_, '_>,
) -> Result<Range<usize>, &'static str> {
    let index = symbol.section_index().ok_or("it is in no section")?;
    let section = file.section_by_index(index).map_err(|_| "its section does not exist")?;
    let body = symbol.address()..symbol.address().saturating_add(symbol.size());
    if section.relocations().any(|(offset, _)| body.contains(&offset)) {
        return Err("it holds relocations");
    }
    let (start, len) = section.file_range().ok_or("its section has no bytes")?;
    if body.end > len || !symbol.size().is_multiple_of(SLOT as u64) {
        return Err("it ends beyond its section, or within an instruction");
    }
    byte_range(start.saturating_add(body.start), symbol.size(), file_len).ok_or("it ends beyond the file")
}

fn byte_range(start: u64, len: u64, file_len: usize) -> Option<Range<usize>> {
    let range = usize::try_from(start).ok()?..usize::try_from(start.checked_add(len)?).ok()?;
    (range.end <= file_len).then_some(range)
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
/// Elf64_Sym (elf.h): its size, and where value and size stand.
const SYMBOL_ENTRY: u64 = 24;
const SYMBOL_ADDRESS: Range<usize> = 8..16;
const SYMBOL_LEN: Range<usize> = 16..24;
const BTF_MAGIC: u16 = 0xeb9f;
const BTF_TYPE_LEN: usize = 12;
const BTF_KIND_FUNC: usize = 12;
const BTF_FUNC_STATIC: u16 = 0;
