//! Writes a guest's root file system: a cpio archive of the `newc` format (Linux's
//! `Documentation/driver-api/early-userspace/buffer-format.rst`), which the kernel unpacks before it starts `/init`.
//!
//! Folders above a path are made with it. Debian's merged layout holds: `/bin`, `/sbin`, `/lib` and `/lib64` are links
//! into `/usr`, and whatever is put there goes to `/usr`.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Component, Path},
};

use anyhow::{Context as _, Result, ensure};

/// Kinds of file: linux/include/uapi/linux/stat.h.
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// The folders that are links into `/usr`.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// An archive under way; a clone goes its own way.
#[derive(Clone, Debug)]
pub(super) struct Archive<W> {
    to: W,
    written: BTreeSet<String>,
    entries: u32,
}

/// One entry, as its header tells it.
struct Entry<'a> {
    name: &'a str,
    mode: u32,
    device: (u32, u32),
    data: &'a [u8],
}

impl<W: Write> Archive<W> {
    /// An archive with the merged layout and the console that the kernel gives to `/init`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn new(to: W) -> Result<Self> {
        let mut archive = Self { to, written: BTreeSet::new(), entries: 0 };
        for name in MERGED {
            archive.folder(&format!("/usr/{name}"))?;
            archive.link(&format!("/{name}"), &format!("usr/{name}"))?;
        }
        archive.folder("/dev")?;
        archive.entry(&Entry {
            name: "dev/console",
            mode: CHARACTER_DEVICE | 0o600,
            device: (5, 1),
            data: &[],
        })?;
        Ok(archive)
    }

    /// An empty folder, and those above it.
    ///
    /// # Errors
    /// If the path is not absolute or the archive cannot be written.
    pub(super) fn folder(&mut self, path: &str) -> Result<()> {
        let name = place(path)?;
        self.folders_of(&format!("{name}/"))
    }

    /// A file; one that is there already stays as it is.
    ///
    /// # Errors
    /// As [`folder`](Self::folder).
    pub(super) fn file(&mut self, path: &str, executable: bool, data: &[u8]) -> Result<()> {
        let mode = FILE | if executable { 0o755 } else { 0o644 };
        self.put(path, mode, data)
    }

    /// A symbolic link.
    fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.put(path, LINK | 0o777, target.as_bytes())
    }

    /// Writes the trailer and gives back what was written to.
    ///
    /// # Errors
    /// If the archive cannot be written.
    pub(super) fn finish(mut self) -> Result<W> {
        self.entry(&Entry { name: "TRAILER!!!", mode: 0, device: (0, 0), data: &[] })?;
        self.to.flush().context("cannot write an initramfs")?;
        Ok(self.to)
    }

    fn put(&mut self, path: &str, mode: u32, data: &[u8]) -> Result<()> {
        let name = place(path)?;
        if self.written.contains(&name) {
            return Ok(());
        }
        self.folders_of(&name)?;
        self.entry(&Entry { name: &name, mode, device: (0, 0), data })
    }

    /// Every folder that the name goes through.
    fn folders_of(&mut self, name: &str) -> Result<()> {
        for (end, _) in name.match_indices('/') {
            if !self.written.contains(&name[..end]) {
                self.entry(&Entry { name: &name[..end], mode: FOLDER | 0o755, device: (0, 0), data: &[] })?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.entries += 1;
        self.written.insert(entry.name.to_owned());
        write_entry(&mut self.to, self.entries, entry)
            .with_context(|| format!("cannot write {} into an initramfs", entry.name))
    }
}

/// Thirteen numbers of eight hexadecimal digits behind the magic, the name, the data; both padded to four bytes.
fn write_entry(to: &mut impl Write, inode: u32, entry: &Entry<'_>) -> io::Result<()> {
    let too_long = |_| io::Error::new(io::ErrorKind::FileTooLarge, "longer than 4 GiB");
    let size = u32::try_from(entry.data.len()).map_err(too_long)?;
    let name_size = u32::try_from(entry.name.len() + 1).map_err(too_long)?;
    let links = if entry.mode & 0o170_000 == FOLDER { 2 } else { 1 };
    let (major, minor) = entry.device;
    let numbers = [inode, entry.mode, 0, 0, links, 0, size, 0, 0, major, minor, name_size, 0];
    write!(to, "070701")?;
    for number in numbers {
        write!(to, "{number:08x}")?;
    }
    to.write_all(entry.name.as_bytes())?;
    // The header has 110 bytes.
    to.write_all(padding(110 + entry.name.len() + 1, 1))?;
    to.write_all(entry.data)?;
    to.write_all(padding(entry.data.len(), 0))
}

/// Zeros up to the next multiple of four, behind so many that end a name.
fn padding(length: usize, terminators: usize) -> &'static [u8] {
    const ZEROS: [u8; 4] = [0; 4];
    &ZEROS[..terminators + (4 - length % 4) % 4]
}

/// A path as the archive names it: without the leading `/`, and behind the links of the merged layout.
fn place(path: &str) -> Result<String> {
    let inside = path.strip_prefix('/').with_context(|| format!("{path} is not absolute"))?;
    let plain = Path::new(inside).components().all(|part| matches!(part, Component::Normal(_)));
    ensure!(plain && !inside.is_empty(), "{path} cannot be put into an initramfs");
    let top = inside.split('/').next().unwrap_or_default();
    let merged = MERGED.contains(&top) && top != inside;
    Ok(if merged { format!("usr/{inside}") } else { inside.trim_end_matches('/').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, modes and data, read back by the letter of the format.
    fn entries(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        loop {
            let number = |at: usize| {
                let digits = std::str::from_utf8(&bytes[6 + 8 * at..14 + 8 * at]).unwrap();
                u32::from_str_radix(digits, 16).unwrap()
            };
            assert_eq!(&bytes[..6], b"070701");
            let (mode, size, name_size) = (number(1), number(6) as usize, number(11) as usize);
            let name = String::from_utf8(bytes[110..110 + name_size - 1].to_vec()).unwrap();
            assert_eq!(bytes[110 + name_size - 1], 0);
            let data = (110 + name_size).next_multiple_of(4);
            if name == "TRAILER!!!" {
                return entries;
            }
            entries.push((name, mode, bytes[data..data + size].to_vec()));
            bytes = &bytes[(data + size).next_multiple_of(4)..];
        }
    }

    fn written(fill: impl FnOnce(&mut Archive<Vec<u8>>)) -> Vec<(String, u32, Vec<u8>)> {
        let mut archive = Archive::new(Vec::new()).unwrap();
        fill(&mut archive);
        entries(&archive.finish().unwrap())
    }

    fn names(entries: &[(String, u32, Vec<u8>)]) -> Vec<&str> {
        entries.iter().map(|(name, ..)| name.as_str()).collect()
    }

    #[test]
    fn what_was_put_in_is_read_back_whatever_its_length() {
        for length in 0..9 {
            let data = vec![7; length];
            let entries = written(|archive| archive.file("/etc/x", false, &data).unwrap());
            assert_eq!(entries.last().unwrap(), &("etc/x".to_owned(), 0o100_644, data));
        }
    }

    #[test]
    fn folders_come_before_what_is_in_them_and_once() {
        let entries = written(|archive| {
            archive.file("/var/lib/a/one", true, b"1").unwrap();
            archive.file("/var/lib/a/two", true, b"2").unwrap();
        });
        let of_var: Vec<&str> = names(&entries).into_iter().filter(|name| name.starts_with("var")).collect();
        assert_eq!(of_var, ["var", "var/lib", "var/lib/a", "var/lib/a/one", "var/lib/a/two"]);
    }

    #[test]
    fn the_merged_layout_has_one_place_for_each_file() {
        let entries = written(|archive| {
            archive.file("/lib64/ld.so", true, b"1").unwrap();
            archive.file("/usr/lib64/ld.so", true, b"2").unwrap();
        });
        let loaders: Vec<_> = entries.iter().filter(|(name, ..)| name.ends_with("ld.so")).collect();
        assert_eq!(loaders.len(), 1);
        assert_eq!((loaders[0].0.as_str(), loaders[0].2.as_slice()), ("usr/lib64/ld.so", b"1".as_slice()));
        assert!(entries.contains(&("lib64".to_owned(), 0o120_777, b"usr/lib64".to_vec())));
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let mut archive = Archive::new(Vec::new()).unwrap();
        for path in ["relative", "/", "/a/../b"] {
            assert!(archive.file(path, false, b"").is_err(), "{path}");
        }
    }
}
