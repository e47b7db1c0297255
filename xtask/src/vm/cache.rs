//! The folder that keeps kernels between runs, and work folders in it that do not outlive their makers for long.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::build::target_folder;

/// Names the folder, for machines that keep it between runs.
const VARIABLE: &str = "TCPKIT_VM_CACHE";

/// Begins the name of a work folder: `work-PROCESS-…`.
const WORK: &str = "work-";

/// Where kernels are kept.
pub(super) fn folder() -> PathBuf {
    env::var_os(VARIABLE).map_or_else(|| target_folder().join("vm"), PathBuf::from)
}

/// A new work folder, removed with its guard; those of processes that were killed are removed now.
///
/// # Errors
/// If it cannot be made.
pub(super) fn work_folder() -> Result<TempDir> {
    let cache = folder();
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    sweep(&cache);
    let made = tempfile::Builder::new().prefix(&format!("{WORK}{}-", process::id())).tempdir_in(&cache);
    made.with_context(|| format!("cannot make a folder in {}", cache.display()))
}

fn sweep(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(maker);
        if maker.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another run may be doing the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The process that made a work folder of this name.
fn maker(name: &str) -> Option<&str> {
    let (process, _) = name.strip_prefix(WORK)?.split_once('-')?;
    process.bytes().all(|digit| digit.is_ascii_digit()).then_some(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_folders_of_dead_processes_are_swept() {
        let cache = tempfile::tempdir().unwrap();
        let own = format!("work-{}-x", process::id());
        // No process has this number: the kernel's limit is 2^22.
        let names = ["6.1", "work-9999999-x", own.as_str(), "work-mine"];
        for name in names {
            fs::create_dir(cache.path().join(name)).unwrap();
        }
        sweep(cache.path());
        let left: Vec<bool> = names.iter().map(|name| cache.path().join(name).exists()).collect();
        assert_eq!(left, [true, false, true, true]);
    }
}
