//! Where the running kernel keeps the fields of its structures: as much of `/sys/kernel/btf/vmlinux` as that takes.
//!
//! The format is that of Documentation/bpf/btf.rst.

use std::{collections::HashMap, fs};

use anyhow::{Context as _, Result, bail, ensure};

/// The kernel's types.
#[derive(Debug)]
pub struct Btf {
    types: Vec<Type>,
    strings: Vec<u8>,
    structs: HashMap<String, u32>,
}

/// Where a field lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// From the start of the structure, in bytes.
    pub offset: u32,
    /// The first of its bits in that byte; bit fields only.
    pub shift: u8,
}

#[derive(Debug)]
struct Type {
    name: u32,
    kind: u32,
    /// The type that a modifier or a typedef stands for.
    target: u32,
    members: Vec<Member>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    name: u32,
    kind: u32,
    bits: u32,
}

const STRUCT: u32 = 4;
const UNION: u32 = 5;
/// typedef, volatile, const, restrict, type tag: names and modifiers of another type.
const TRANSPARENT: [u32; 5] = [8, 9, 10, 11, 18];

impl Btf {
    /// Of the running kernel.
    ///
    /// # Errors
    /// When it has none, or in a format that is not known here.
    pub fn of_kernel() -> Result<Self> {
        let path = "/sys/kernel/btf/vmlinux";
        Self::parse(&fs::read(path).with_context(|| format!("no {path}"))?)
    }

    /// Where a field lies: its path in a structure, members of members behind dots.
    ///
    /// # Errors
    /// When there is no such structure or field.
    pub fn field(&self, structure: &str, path: &str) -> Result<Field> {
        let mut id = *self.structs.get(structure).with_context(|| format!("no struct {structure}"))?;
        let mut bits = 0;
        for word in path.split('.') {
            let member = self.member(id, word).with_context(|| format!("no {path} in struct {structure}"))?;
            (bits, id) = (bits + member.bits, self.resolved(member.kind));
        }
        Ok(Field { offset: bits / 8, shift: u8::try_from(bits % 8)? })
    }

    /// A member by name, through those without one.
    fn member(&self, id: u32, wanted: &str) -> Option<Member> {
        self.types.get(id as usize)?.members.iter().find_map(|member| match self.name(member.name) {
            "" => {
                let inner = self.member(self.resolved(member.kind), wanted)?;
                Some(Member { bits: member.bits + inner.bits, ..inner })
            }
            name => (name == wanted).then_some(*member),
        })
    }

    fn resolved(&self, mut id: u32) -> u32 {
        while let Some(one) = self.types.get(id as usize).filter(|one| TRANSPARENT.contains(&one.kind)) {
            id = one.target;
        }
        id
    }

    fn name(&self, offset: u32) -> &str {
        let rest = self.strings.get(offset as usize..).unwrap_or_default();
        let len = rest.iter().position(|byte| *byte == 0).unwrap_or(0);
        std::str::from_utf8(&rest[..len]).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut words = Words(bytes);
        let magic = words.next()?;
        ensure!(magic & 0xffff == 0xeb9f, "BTF of another byte order, or none");
        let header_len = words.next()? as usize;
        let [types_at, types_len, strings_at, strings_len] =
            [words.next()?, words.next()?, words.next()?, words.next()?].map(|word| word as usize);
        let part = |at: usize, len: usize| bytes.get(header_len + at..header_len + at + len);
        let strings = part(strings_at, strings_len).context("BTF is cut")?.to_vec();
        let mut words = Words(part(types_at, types_len).context("BTF is cut")?);
        let mut types = vec![Type { name: 0, kind: 0, target: 0, members: Vec::new() }];
        while !words.0.is_empty() {
            types.push(Type::parse(&mut words)?);
        }
        let mut btf = Self { types, strings, structs: HashMap::new() };
        for (id, one) in (0..).zip(&btf.types) {
            if one.kind == STRUCT {
                btf.structs.entry(btf.name(one.name).to_owned()).or_insert(id);
            }
        }
        Ok(btf)
    }
}

impl Type {
    fn parse(words: &mut Words<'_>) -> Result<Self> {
        let (name, info, target) = (words.next()?, words.next()?, words.next()?);
        let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
        let mut one = Self { name, kind, target, members: Vec::new() };
        let words_behind = match kind {
            STRUCT | UNION => {
                // With the flag, the offset's high octet is the width of a bit field.
                let mask = if info >> 31 == 1 { 0x00ff_ffff } else { u32::MAX };
                for _ in 0..count {
                    let (name, kind, bits) = (words.next()?, words.next()?, words.next()? & mask);
                    one.members.push(Member { name, kind, bits });
                }
                0
            }
            // Pointer, forward, typedef, modifiers, function, float, type tag.
            2 | 7..=12 | 16 | 18 => 0,
            // Integer, variable, declaration tag.
            1 | 14 | 17 => 1,
            // Array.
            3 => 3,
            // Enumeration, function prototype.
            6 | 13 => 2 * count,
            // Data section, enumeration of 64 bits.
            15 | 19 => 3 * count,
            other => bail!("BTF kind {other} is not known here"),
        };
        for _ in 0..words_behind {
            words.next()?;
        }
        Ok(one)
    }
}

struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn next(&mut self) -> Result<u32> {
        let (word, rest) = self.0.split_first_chunk().context("BTF is cut")?;
        self.0 = rest;
        Ok(u32::from_ne_bytes(*word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_own_types_are_read() {
        let Ok(btf) = Btf::of_kernel() else {
            // A kernel without BTF has nothing to read; the live test says so loudly.
            return;
        };
        assert_eq!(btf.field("sk_buff", "next").unwrap(), Field { offset: 0, shift: 0 });
        assert_eq!(btf.field("sock", "__sk_common.skc_daddr").unwrap().offset, 0);
        assert!(btf.field("sock", "no_such_field").is_err() && btf.field("no_such_struct", "next").is_err());
    }

    #[test]
    fn cut_types_are_an_error() {
        assert!(Btf::parse(&[0x9f, 0xeb, 1, 0, 24, 0]).is_err());
        assert!(Btf::parse(&[]).is_err());
    }
}
