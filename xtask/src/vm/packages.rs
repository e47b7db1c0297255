//! Brings a kernel of Debian into the cache folder: fetched by apt from its suite, unpacked there, never installed.
//!
//! Apt works with a source list, states and caches of the project's own, so that the host's stay as they are; only its
//! configuration of proxies and its archive's address hold here, too. What stays in the cache is small: the kernel, its
//! configuration, and the modules that guests get, uncompressed.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use super::{
    cache,
    modules::{Dependencies, NEEDED},
    releases::Release,
};
use crate::shell::{find_program, foreign, now, read, read_text, run, say, seconds};

/// What signs Debian's archive (package debian-archive-keyring).
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where Debian is when the host does not say otherwise.
const ARCHIVE: &str = "http://deb.debian.org/debian";

/// The package that depends on the newest kernel of its suite.
const METAPACKAGE: &str = "linux-image-amd64";

/// A kernel in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// What it is.
    pub release: Release,
    /// Its own name: `6.1.0-50-amd64`.
    pub version: String,
    /// The version of its package: `6.1.176-1`.
    pub package_version: String,
    folder: PathBuf,
}

/// What became of fetching a kernel.
#[derive(Clone, Debug)]
pub(super) enum Fetched {
    /// It is in the cache.
    Here(Kernel),
    /// Its suite could not be reached, and why.
    Unreachable(String),
}

impl Kernel {
    /// One that only has a name.
    #[cfg(test)]
    pub(super) fn named(release: Release, version: &str) -> Self {
        let package_version = String::new();
        Self { release, version: version.to_owned(), package_version, folder: PathBuf::new() }
    }

    /// The kernel's image.
    pub(super) fn image(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// The folder whose contents belong into the guest's `/lib/modules/VERSION`.
    pub(super) fn modules(&self) -> PathBuf {
        self.folder.join("lib/modules").join(&self.version)
    }

    /// From the cache, if it is there and has all the modules that guests get now.
    fn cached(release: Release) -> Option<Self> {
        let folder = cache::folder().join(release.name);
        let about = fs::read_to_string(folder.join("about.txt")).ok()?;
        let mut lines = about.lines();
        let (version, package_version) = lines.next()?.split_once(' ')?;
        let kernel = Self {
            release,
            version: version.to_owned(),
            package_version: package_version.to_owned(),
            folder: folder.clone(),
        };
        (about == kernel.about() && kernel.image().is_file()).then_some(kernel)
    }

    /// What the cache says of it: its versions, then the modules that were asked for.
    fn about(&self) -> String {
        format!("{} {}\n{}\n", self.version, self.package_version, NEEDED.join("\n"))
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, Debian {})", self.release.name, self.version, self.release.suite)
    }
}

/// Brings a kernel into the cache; with `refresh` a newer one, if its suite has it by now.
///
/// # Errors
/// If it lacks a module that guests need (the error names it), or cannot be unpacked.
pub(super) fn fetch(release: Release, refresh: bool) -> Result<Fetched> {
    let cached = Kernel::cached(release);
    if let Some(kernel) = cached.clone().filter(|_| !refresh) {
        return Ok(Fetched::Here(kernel));
    }
    if find_program("apt-get").is_none() {
        return Ok(Fetched::Unreachable("kernels are fetched by apt-get, which is not here".to_owned()));
    }
    let begin = now();
    let apt = Apt::new(release)?;
    if let Err(error) = apt.update() {
        let why = format!("Debian's suite {} cannot be reached: {error:#}", release.suite);
        return Ok(match cached {
            Some(kernel) => {
                say(format_args!("vm: {why}; using the kernel that is in the cache"));
                Fetched::Here(kernel)
            }
            None => Fetched::Unreachable(why),
        });
    }
    let image = apt.image()?;
    if let Some(kernel) = cached.filter(|kernel| kernel.package_version == image.package_version) {
        return Ok(Fetched::Here(kernel));
    }
    say(format_args!("vm: fetching {} for kernel {}", image.packages.join(", "), release.name));
    let archives = match apt.download(&image) {
        Ok(archives) => archives,
        Err(error) => return Ok(Fetched::Unreachable(format!("{error:#}"))),
    };
    let kernel = unpack(release, &image, &archives, apt.folder.path())?;
    say(format_args!("vm: kernel {kernel} is in the cache ({})", seconds(begin.elapsed())));
    Ok(Fetched::Here(kernel))
}

/// Apt, working in a folder of its own.
struct Apt {
    folder: TempDir,
    settings: PathBuf,
}

/// The packages that make up a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Image {
    version: String,
    package_version: String,
    packages: Vec<String>,
}

impl Apt {
    fn new(release: Release) -> Result<Self> {
        ensure!(
            Path::new(KEYRING).is_file(),
            "{KEYRING} is not there: install the package debian-archive-keyring"
        );
        let folder = cache::work_folder()?;
        let path = folder.path().canonicalize().context("a folder that was just made has a path")?;
        for name in ["state/lists/partial", "cache/archives/partial", "archives", "root"] {
            fs::create_dir_all(path.join(name))
                .with_context(|| format!("cannot make {name} in the cache"))?;
        }
        let source = format!("deb [signed-by={KEYRING}] {} {} main\n", mirror(), release.suite);
        write(&path.join("sources.list"), &source)?;
        write(&path.join("status"), "")?;
        let file = path.join("apt.conf");
        write(&file, &settings(&path))?;
        Ok(Self { folder, settings: file })
    }

    fn update(&self) -> Result<()> {
        read_apt(self.command("apt-get").args(["-q", "update"])).map(drop)
    }

    /// What the metapackage leads to.
    fn image(&self) -> Result<Image> {
        let meta = self.show(METAPACKAGE)?;
        let find = |names: &[String], begin: &str| names.iter().find(|name| name.starts_with(begin)).cloned();
        let name = find(&dependencies(&meta), "linux-image-")
            .with_context(|| format!("{METAPACKAGE} depends on no linux-image"))?;
        let image = self.show(&name)?;
        let mut packages = vec![name.clone()];
        // Newer packages are split.
        for part in ["linux-base-", "linux-binary-", "linux-modules-"] {
            packages.extend(find(&dependencies(&image), part));
        }
        let version = name.trim_start_matches("linux-image-").to_owned();
        let package_version = field(&image, "Version").context("a package has a version")?.to_owned();
        Ok(Image { version, package_version, packages })
    }

    fn show(&self, package: &str) -> Result<String> {
        read_apt(self.command("apt-cache").args(["show", "--no-all-versions", package]))
    }

    fn download(&self, image: &Image) -> Result<Vec<PathBuf>> {
        let folder = self.folder.path().join("archives");
        let mut download = self.command("apt-get");
        download.current_dir(&folder).args(["-q", "download"]).args(&image.packages);
        read_apt(&mut download).context("cannot fetch the kernel")?;
        let archives: Vec<PathBuf> = entries(&folder)?;
        ensure!(
            archives.len() == image.packages.len(),
            "apt-get did not bring {}",
            image.packages.join(", ")
        );
        Ok(archives)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = foreign(program);
        command.arg("-c").arg(&self.settings).env("LC_ALL", "C");
        command
    }
}

/// Runs apt and returns what it printed; its first complaint says more than its last.
fn read_apt(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context("cannot run apt")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let complaint = said.lines().find(|line| line.starts_with("E: ") || line.starts_with("W: "));
        bail!("{}", complaint.map_or("apt failed and said nothing", |line| &line[3..]));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What keeps apt inside this folder; read behind the host's own settings, so that these hold.
fn settings(folder: &Path) -> String {
    let path = folder.display();
    format!(
        r#"Dir::Etc::sourcelist "{path}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State "{path}/state";
Dir::State::status "{path}/status";
Dir::Cache "{path}/cache";
APT::Architecture "amd64";
APT::Architectures "amd64";
// The folder may be one that only its owner can enter.
APT::Sandbox::User "";
// What the host does after an update is about its own lists.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
// Without this, a suite that was not reached is only a warning.
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
"#
    )
}

/// The archive that the host itself uses, if it is Debian's.
fn mirror() -> String {
    let mut targets = foreign("apt-get");
    targets.args(["indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]);
    mirror_in(&read(&mut targets).unwrap_or_default())
}

fn mirror_in(targets: &str) -> String {
    let of_debian = targets.lines().filter_map(|line| line.strip_prefix("Debian "));
    let archive = of_debian.map(|uri| uri.trim_end_matches('/')).find(|uri| uri.ends_with("/debian"));
    archive.unwrap_or(ARCHIVE).to_owned()
}

/// Names of the packages that a stanza depends on; of alternatives the first.
fn dependencies(stanza: &str) -> Vec<String> {
    let list = field(stanza, "Depends").unwrap_or_default();
    let names = list.split(',').filter_map(|one| one.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// A field of a package's stanza.
fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Unpacks the packages, keeps what guests need, and puts it into its place at once.
fn unpack(release: Release, image: &Image, archives: &[PathBuf], work: &Path) -> Result<Kernel> {
    let root = work.join("root");
    for archive in archives {
        run(foreign("dpkg-deb").arg("-x").arg(archive).arg(&root))?;
    }
    let version = image.version.as_str();
    let tree = module_tree(&root, version)?;
    let kept = work.join("kept");
    let kernel = Kernel {
        release,
        version: version.to_owned(),
        package_version: image.package_version.clone(),
        folder: kept.clone(),
    };
    keep_modules(&kernel, &root, &tree)?;
    copy_first(&kernel.image(), &[root.join(format!("boot/vmlinuz-{version}")), tree.join("vmlinuz")])?;
    copy_first(&kept.join("config"), &[root.join(format!("boot/config-{version}")), tree.join("config")])?;
    write(&kept.join("about.txt"), &kernel.about())?;
    let place = cache::folder().join(release.name);
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::rename(&kept, &place).with_context(|| format!("cannot move a kernel to {}", place.display()))?;
    Ok(Kernel { folder: place, ..kernel })
}

/// `/lib/modules/VERSION`, which newer packages have below `/usr`; depmod looks for it in `/lib`.
fn module_tree(root: &Path, version: &str) -> Result<PathBuf> {
    let tree = root.join("lib/modules").join(version);
    let newer = root.join("usr/lib/modules").join(version);
    if newer.is_dir() && !tree.exists() {
        fs::create_dir_all(root.join("lib/modules")).context("cannot make lib/modules")?;
        fs::rename(&newer, &tree).context("cannot move the modules to lib/modules")?;
    }
    ensure!(tree.is_dir(), "the kernel's package has no modules for {version}");
    Ok(tree)
}

/// Copies the modules that guests get, uncompressed, and writes the index for them.
fn keep_modules(kernel: &Kernel, root: &Path, tree: &Path) -> Result<()> {
    depmod(root, &kernel.version)?;
    let dep = read_text(&tree.join("modules.dep"))?;
    let builtin = read_text(&tree.join("modules.builtin"))?;
    let files = Dependencies::parse(&dep, &builtin).files(NEEDED).map_err(|missing| {
        anyhow::anyhow!("Debian's kernel {} has no module {}", kernel.version, missing.join(", "))
    })?;
    for file in &files {
        keep_module(&tree.join(file), &kernel.modules().join(file))?;
    }
    for index in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        copy_first(&kernel.modules().join(index), &[tree.join(index)])?;
    }
    depmod(&kernel.folder, &kernel.version)
}

fn depmod(root: &Path, version: &str) -> Result<()> {
    read(foreign("depmod").arg("-b").arg(root).arg(version)).context("depmod (package kmod) failed").map(drop)
}

/// One module, without its compression.
fn keep_module(from: &Path, to: &Path) -> Result<()> {
    let (program, plain) = match from.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => ("xz", to.with_extension("")),
        Some("zst") => ("zstd", to.with_extension("")),
        Some("gz") => ("gzip", to.with_extension("")),
        _ => return copy_first(to, &[from.to_owned()]),
    };
    make_parent(&plain)?;
    let file = fs::File::create(&plain).with_context(|| format!("cannot make {}", plain.display()))?;
    run(foreign(program).arg("-dc").arg(from).stdout(file))
}

/// Copies the first of these that is there.
fn copy_first(to: &Path, from: &[PathBuf]) -> Result<()> {
    let Some(found) = from.iter().find(|path| path.is_file()) else {
        bail!("the kernel's package has no {}", from.first().unwrap_or(&to.to_owned()).display());
    };
    make_parent(to)?;
    fs::copy(found, to).with_context(|| format!("cannot copy {} to {}", found.display(), to.display()))?;
    Ok(())
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().context("a file has a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    list.map(|entry| Ok(entry?.path())).collect()
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_archive_is_used_where_it_is_debians() {
        let targets = "Google https://packages.example/apt/\nDebian http://mirror.example/debian-security/\n\
                       Debian http://mirror.example/debian/\n";
        assert_eq!(mirror_in(targets), "http://mirror.example/debian");
        assert_eq!(mirror_in("Ubuntu http://archive.example/ubuntu/\n"), ARCHIVE);
        assert_eq!(mirror_in(""), ARCHIVE);
    }

    #[test]
    fn a_stanza_tells_what_it_depends_on() {
        let stanza = "Package: linux-image-7\nVersion: 7.2-1\nDepends: dracut | initramfs-tools (>= 0.1), \
                      linux-binary-7 (= 7.2-1), linux-modules-7 (= 7.2-1)\n";
        assert_eq!(dependencies(stanza), ["dracut", "linux-binary-7", "linux-modules-7"]);
        assert_eq!(field(stanza, "Version"), Some("7.2-1"));
        assert_eq!(dependencies("Package: x\n"), [""; 0]);
    }

    #[test]
    fn apt_touches_nothing_outside_its_folder() {
        let settings = settings(Path::new("/somewhere/new"));
        for own in ["Dir::State ", "Dir::State::status ", "Dir::Cache ", "Dir::Etc::sourcelist "] {
            let found = settings.lines().find_map(|line| line.strip_prefix(own));
            assert!(found.is_some_and(|path| path.starts_with("\"/somewhere/new/")), "{own}");
        }
    }

    #[test]
    fn apts_first_complaint_is_the_one_that_is_told() {
        let script = "echo Hit; echo 'E: no route' >&2; echo 'E: Some index files failed' >&2; exit 100";
        let error = read_apt(Command::new("sh").args(["-c", script])).unwrap_err();
        assert_eq!(error.to_string(), "no route");
    }
}
