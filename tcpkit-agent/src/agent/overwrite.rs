//! Outputs that would destroy an input, or each other, are refused before anything is created.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::cli::{CaptureOutput, Config, Failure, Input, Stream, View};

/// Creating an output empties it, so it must be neither a file that is to be read nor another output.
///
/// # Errors
/// A [`Failure`] that names the option and the file.
pub(super) fn refuse(config: &Config) -> Result<(), Failure> {
    let inputs: Vec<Place> = match &config.input {
        Input::Files(files) => files.iter().filter_map(Place::of_input).collect(),
        Input::Live(_) => Vec::new(),
    };
    let mut outputs: Vec<(&str, Place)> = Vec::new();
    for (option, path) in outputs_of(config) {
        let Some(place) = Place::of(path) else { continue };
        let refused = |reason: &str| {
            Failure::usage(format!("{option} {}", path.display())).because(reason).hint("give another name")
        };
        if inputs.contains(&place) {
            return Err(refused("is one of the files to be read"));
        }
        if let Some((other, _)) = outputs.iter().find(|(_, taken)| *taken == place) {
            return Err(refused(&format!("is written by {other}, too")));
        }
        outputs.push((option, place));
    }
    Ok(())
}

/// The options that create a file, and that file.
fn outputs_of(config: &Config) -> impl Iterator<Item = (&'static str, &Path)> {
    let output = &config.output;
    let capture = output.capture.as_ref().map(|CaptureOutput { target, .. }| target);
    let lines = match &config.view {
        View::Kit(kit) => kit.target.as_ref(),
        _ => None,
    };
    let page = match &config.view {
        View::Report(plan) => plan.html.as_ref(),
        _ => None,
    };
    [
        ("-o", lines),
        ("--html", page),
        ("-w", capture),
        ("--flow-log", output.flow_log.as_ref()),
        ("--request-log", output.request_log.as_ref()),
        ("--event-log", output.event_log.as_ref()),
    ]
    .into_iter()
    .filter_map(|(option, stream)| match stream {
        Some(Stream::File(path)) => Some((option, path.as_path())),
        Some(Stream::Standard) | None => None,
    })
}

/// What two names of one file have in common.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A file that is there: its device and inode.
    Inode(u64, u64),
    /// A file that is to be created.
    New(PathBuf),
}

impl Place {
    /// `None` for what nothing is lost by writing twice (a device, a pipe), or what cannot be created anyway.
    fn of(path: &Path) -> Option<Self> {
        if let Ok(file) = path.metadata() {
            return file.is_file().then(|| Self::Inode(file.dev(), file.ino()));
        }
        let name = path.file_name()?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Some(Self::New(parent.unwrap_or(Path::new(".")).canonicalize().ok()?.join(name)))
    }

    /// A file that is read may also come by `<` as standard input.
    fn of_input(stream: &Stream) -> Option<Self> {
        match stream {
            Stream::File(path) => Self::of(path),
            Stream::Standard => Self::of(Path::new("/dev/stdin")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file_are_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), "x").unwrap();
        std::fs::hard_link(path("a"), path("b")).unwrap();
        std::os::unix::fs::symlink(path("a"), path("c")).unwrap();
        let place = Place::of(&path("a")).unwrap();
        assert_eq!(Place::of(&path("b")).as_ref(), Some(&place));
        assert_eq!(Place::of(&path("c")).as_ref(), Some(&place));
        assert_eq!(Place::of(&path("new")), Place::of(&path("./new")));
        assert_ne!(Place::of(&path("new")), Place::of(&path("other")));
    }

    #[test]
    fn a_device_and_a_place_that_does_not_exist_are_nobodys() {
        assert_eq!(Place::of(Path::new("/dev/null")), None);
        assert_eq!(Place::of(Path::new("/no/such/folder/x")), None);
    }
}
