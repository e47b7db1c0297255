//! The files of the package, where they will be.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result};

use super::text;
use crate::shell::{read, run, workspace};

/// The names under which the binary is one of the older tools.
pub(super) const OLDER_TOOLS: &[&str] = &["tcpeek", "tcpeekstat", "tcptrack", "tcpstat", "tcpprof"];

/// Puts everything but the control files into the tree.
pub(super) fn stage(binary: &Path, tree: &Path) -> Result<()> {
    let bin = tree.join("usr/bin");
    fs::create_dir_all(&bin)?;
    let installed = bin.join("tcpkit");
    run(Command::new("install").arg("-m755").arg("-s").arg(binary).arg(&installed))?;
    for name in OLDER_TOOLS {
        symlink("tcpkit", bin.join(name)).with_context(|| format!("cannot link {name}"))?;
    }
    put(tree, "usr/lib/systemd/system/tcpkit@.service", &text("dist/debian/tcpkit@.service")?)?;
    put(tree, "etc/tcpkit/tcpkit.toml", &read(Command::new(&installed).args(["config", "default"]))?)?;
    documents(&installed, tree)?;
    completions(&installed, tree)?;
    for folder in ["scripts", "grafana", "prometheus"] {
        copy(&workspace().join("dist").join(folder), &tree.join("usr/share/tcpkit").join(folder))?;
    }
    Ok(())
}

/// Writes the control file, the list of configuration files, and the scripts of the package.
pub(super) fn control(tree: &Path, control: &str) -> Result<()> {
    put(tree, "DEBIAN/control", control)?;
    put(tree, "DEBIAN/conffiles", "/etc/tcpkit/tcpkit.toml\n")?;
    for script in ["postinst", "prerm", "postrm"] {
        put(tree, &format!("DEBIAN/{script}"), &text(&format!("dist/debian/{script}"))?)?;
        let path = tree.join("DEBIAN").join(script);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Size of all files, in kibibytes, each file rounded up.
pub(super) fn kibibytes(tree: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        sum += if kind.is_dir() { kibibytes(&entry.path())? } else { entry.metadata()?.len().div_ceil(1024) };
    }
    Ok(sum)
}

fn documents(program: &Path, tree: &Path) -> Result<()> {
    for (from, to) in [
        ("dist/debian/copyright", "copyright"),
        ("LICENSE-MIT", "LICENSE-MIT"),
        ("LICENSE-APACHE", "LICENSE-APACHE"),
        ("README.md", "README.md"),
    ] {
        put(tree, &format!("usr/share/doc/tcpkit/{to}"), &text(from)?)?;
    }
    put_compressed(tree, "usr/share/doc/tcpkit/changelog", &text("CHANGELOG.md")?)?;
    copy(&workspace().join("docs"), &tree.join("usr/share/doc/tcpkit/docs"))?;
    let pages = read(Command::new(program).args(["generate", "pages"]))?;
    for page in pages.lines() {
        let text = read(Command::new(program).args(["generate", "man", page]))?;
        put_compressed(tree, &format!("usr/share/man/man1/{page}.1"), &text)?;
    }
    Ok(())
}

fn completions(program: &Path, tree: &Path) -> Result<()> {
    for (shell, path) in [
        ("bash", "usr/share/bash-completion/completions/tcpkit"),
        ("zsh", "usr/share/zsh/vendor-completions/_tcpkit"),
        ("fish", "usr/share/fish/vendor_completions.d/tcpkit.fish"),
    ] {
        put(tree, path, &read(Command::new(program).args(["generate", shell]))?)?;
    }
    Ok(())
}

fn put(tree: &Path, path: &str, text: &str) -> Result<()> {
    let path = tree.join(path);
    let folder = path.parent().context("a file of the package has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// As Debian has man pages and changelogs; `-n` leaves the time out, so that the same build gives the same package.
fn put_compressed(tree: &Path, path: &str, text: &str) -> Result<()> {
    put(tree, path, text)?;
    run(Command::new("gzip").arg("-9nf").arg(tree.join(path)))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to).with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}
