//! Placing into an ELF object that the test writes by hand, byte by byte.

use std::ops::Range;

use super::kernel;
use crate::{
    filter::{
        Instruction, PlaceError, classic,
        place::{COPY_SYMBOL, DIRECT_SYMBOL, REST_SUFFIX, place},
        translate,
    },
    wire::LinkType,
};

const SLOTS: usize = 32_000;
const HEADER: usize = 64;
const SECTION: usize = 64;

/// An object with both stubs in `.text`, other code before, between and after them, and `.BTF`.
struct Fixture {
    object: Vec<u8>,
    direct: Range<usize>,
    copy: Range<usize>,
    /// Where the linkage of each function stands: the two stubs, then another function.
    linkages: [usize; 3],
    /// Address and size in the entries of symbols: of each stub, then of each rest.
    symbols: [Range<usize>; 4],
    /// Addresses of the stubs.
    addresses: [u64; 2],
}

fn fixture(slots: usize, direct_name: &str) -> Fixture {
    let (before, between, after) = (16, 24, 8);
    let body = slots * 8;
    let text = vec![0xaa; before + body + between + body + after];
    let rests = [direct_name, COPY_SYMBOL].map(|name| format!("{name}{REST_SUFFIX}"));
    let names = format!("\0{direct_name}\0{COPY_SYMBOL}\0elsewhere\0{}\0{}\0", rests[0], rests[1]);
    let name_of = |name: &str| names.find(&format!("\0{name}\0")).unwrap() as u32 + 1;
    let symbol = |name: &str, at: usize, len: usize| {
        let mut entry = name_of(name).to_le_bytes().to_vec();
        entry.extend([0x12, 0, 1, 0]);
        entry.extend((at as u64).to_le_bytes());
        entry.extend((len as u64).to_le_bytes());
        entry
    };
    let mut symbols = vec![0; 24];
    symbols.extend(symbol(direct_name, before, body));
    symbols.extend(symbol(COPY_SYMBOL, before + body + between, body));
    symbols.extend(symbol(&rests[0], before + 8, 0));
    symbols.extend(symbol(&rests[1], before + body + between + 8, 0));
    let (btf, linkages) = btf(&names, [direct_name, COPY_SYMBOL, "elsewhere"].map(name_of));
    let sections =
        [&text[..], &symbols, names.as_bytes(), &btf, b"\0.text\0.symtab\0.strtab\0.BTF\0.shstrtab\0"];
    let (object, starts) = elf(&sections);
    let start = starts[0] + before;
    Fixture {
        direct: start..start + body,
        copy: start + body + between..start + 2 * body + between,
        linkages: linkages.map(|at| starts[3] + at),
        symbols: [1, 2, 3, 4].map(|index| starts[1] + index * 24 + 8..starts[1] + index * 24 + 24),
        addresses: [before, before + body + between].map(|at| at as u64),
        object,
    }
}

/// `.BTF` with an integer, a function type, and three global functions of it.
fn btf(names: &str, functions: [u32; 3]) -> (Vec<u8>, [usize; 3]) {
    let mut types: Vec<u32> = vec![0, 1 << 24, 4, 32, 0, 13 << 24 | 1, 1, 0, 1];
    let mut linkages = [0; 3];
    for (linkage, name) in linkages.iter_mut().zip(functions) {
        *linkage = 24 + types.len() * 4 + 4;
        types.extend([name, 12 << 24 | 1, 2]);
    }
    let len = types.len() as u32 * 4;
    let header = [0x0001_eb9f, 24, 0, len, len, names.len() as u32];
    let words = header.iter().chain(&types).flat_map(|word| word.to_le_bytes());
    (words.chain(names.bytes()).collect(), linkages)
}

/// ELF64 for BPF: header, the contents of .text, .symtab, .strtab, .BTF, .shstrtab, and the table of sections.
fn elf(contents: &[&[u8]; 5]) -> (Vec<u8>, Vec<usize>) {
    let mut object = vec![0; HEADER];
    let mut starts = Vec::new();
    let mut table = vec![0; SECTION];
    // Name, type, link, info, entry size of each section.
    let kinds = [(1, 1, 0, 0, 0), (7, 2, 3, 1, 24), (15, 3, 0, 0, 0), (23, 1, 0, 0, 0), (28, 3, 0, 0, 0)];
    for (content, (name, kind, link, info, entry)) in contents.iter().zip(kinds) {
        object.resize(object.len().next_multiple_of(8), 0);
        starts.push(object.len());
        for word in [name, kind] {
            table.extend(u32::to_le_bytes(word));
        }
        for word in [0, 0, object.len() as u64, content.len() as u64] {
            table.extend(word.to_le_bytes());
        }
        for word in [link, info] {
            table.extend(u32::to_le_bytes(word));
        }
        for word in [8, entry] {
            table.extend(u64::to_le_bytes(word));
        }
        object.extend(*content);
    }
    object.resize(object.len().next_multiple_of(8), 0);
    let table_start = object.len() as u64;
    object.extend(table);
    object[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
    object[16..20].copy_from_slice(&[1, 0, 247, 0]);
    object[20] = 1;
    object[40..48].copy_from_slice(&table_start.to_le_bytes());
    object[52..54].copy_from_slice(&64_u16.to_le_bytes());
    object[58..64].copy_from_slice(&[64, 0, 6, 0, 5, 0]);
    (object, starts)
}

fn instructions(bytes: &[u8]) -> Vec<Instruction> {
    let decode = |slot: &[u8]| Instruction {
        opcode: slot[0],
        dst: slot[1] & 0xf,
        src: slot[1] >> 4,
        off: i16::from_le_bytes([slot[2], slot[3]]),
        imm: i32::from_le_bytes(slot[4..].try_into().unwrap()),
    };
    bytes.chunks_exact(8).map(decode).collect()
}

#[test]
fn both_bodies_are_overwritten_and_nothing_else() {
    let fixture = fixture(SLOTS, DIRECT_SYMBOL);
    let program = classic::compile("tcp port 80", LinkType::ETHERNET, 262_144).unwrap();
    let translation = translate(&program).unwrap();
    let placed = place(&fixture.object, &translation.direct, &translation.copy).unwrap();
    assert_eq!(placed.len(), fixture.object.len());
    let of_fixture = |at: &usize| {
        let is_symbol = fixture.symbols.iter().any(|symbol| symbol.contains(at));
        let is_body = fixture.direct.contains(at) || fixture.copy.contains(at);
        is_body || is_symbol || fixture.linkages[..2].contains(at)
    };
    for at in (0..placed.len()).filter(|at| !of_fixture(at)) {
        assert_eq!(placed[at], fixture.object[at], "byte {at} changed");
    }
    assert_eq!(fixture.linkages.map(|at| placed[at]), [0, 0, 1], "ours are static, the other stays global");
    let stubs = [(fixture.direct, &translation.direct), (fixture.copy, &translation.copy)];
    for (stub, (range, translation)) in stubs.into_iter().enumerate() {
        let used = translation.len() * 8;
        assert_eq!(instructions(&placed[range.clone()])[..translation.len()], translation[..]);
        assert!(placed[range.start + used..range.end].iter().all(|byte| *byte == 0xaa));
        let place = |symbol: usize| {
            let (address, len) = placed[fixture.symbols[symbol].clone()].split_at(8);
            [address, len].map(|field| u64::from_le_bytes(field.try_into().unwrap()))
        };
        let (start, used) = (fixture.addresses[stub], used as u64);
        assert_eq!(place(stub), [start, used]);
        assert_eq!(
            place(stub + 2),
            [start + used, SLOTS as u64 * 8 - used],
            "the rest is another function's"
        );
    }
}

#[test]
fn the_kernel_takes_a_placed_body() {
    if !kernel::is_available() {
        return;
    }
    let fixture = fixture(SLOTS, DIRECT_SYMBOL);
    let program = classic::compile("len > 20 and inbound", LinkType::ETHERNET, 262_144).unwrap();
    let translation = translate(&program).unwrap();
    let placed = place(&fixture.object, &translation.direct, &translation.copy).unwrap();
    let cut = |body: Range<usize>, len: usize| instructions(&placed[body][..len * 8]);
    let direct = kernel::Direct::load(&cut(fixture.direct, translation.direct.len())).unwrap();
    let mut copy = kernel::Copy::load(&cut(fixture.copy, translation.copy.len())).unwrap();
    for (len, egress, wanted) in [(60, false, 1), (60, true, 0), (20, false, 0)] {
        assert_eq!(direct.run(&[0; 20], len, egress).unwrap() as u8, wanted);
        assert_eq!(copy.run(&[0; 20], len, egress) as u8, wanted);
    }
}

#[test]
fn a_translation_may_fill_its_stub_and_no_more() {
    let fixture = fixture(6, DIRECT_SYMBOL);
    let long = |len: usize| {
        let mut code = vec![Instruction::set(0, 1); len - 1];
        code.push(Instruction::exit());
        code
    };
    let placed = place(&fixture.object, &long(4), &long(2)).unwrap();
    assert_eq!(instructions(&placed[fixture.direct])[..4], long(4)[..]);
    let error = place(&fixture.object, &long(5), &long(2)).unwrap_err();
    assert!(
        matches!(error, PlaceError::TooLong { symbol: DIRECT_SYMBOL, instructions: 5, limit: 4 }),
        "{error}"
    );
}

#[test]
fn an_object_without_stubs_is_refused() {
    let exit = [Instruction::set(0, 1), Instruction::exit()];
    let missing = place(&fixture(8, "another_name").object, &exit, &exit);
    assert!(matches!(missing, Err(PlaceError::Missing(DIRECT_SYMBOL))), "{missing:?}");
    assert!(matches!(place(b"not an object", &exit, &exit), Err(PlaceError::Object(_))));
    assert!(matches!(place(&fixture(8, DIRECT_SYMBOL).object, &[], &exit), Err(PlaceError::NotAStub(..))));
}

#[test]
fn damaged_objects_are_errors_and_no_panic() {
    let exit = [Instruction::set(0, 1), Instruction::exit()];
    let sound = fixture(8, DIRECT_SYMBOL).object;
    let mut refused = 0;
    for at in 0..sound.len() {
        for value in [0, 0x7f, 0xff] {
            let mut damaged = sound.clone();
            damaged[at] = value;
            refused += usize::from(place(&damaged, &exit, &exit).is_err());
        }
        refused += usize::from(place(&sound[..at], &exit, &exit).is_err());
    }
    assert!(refused > sound.len(), "{refused}");
}
