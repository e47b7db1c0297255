//! What is written comes back the same, and other tools read it.

use std::{fs, path::Path, process::Command};

use proptest::prelude::*;

use super::{CaptureFormat, CaptureWriter, WriteErrorKind, WriteOptions};
use crate::{
    leave_out::leave_out,
    source::{
        Interface, InterfaceTable,
        testing::{OwnedFrame, read},
    },
    time::{Span, Timestamp},
    wire::{FrameDirection, InterfaceId, LinkType},
};

fn table() -> InterfaceTable {
    let mut table = InterfaceTable::default();
    for (name, link_type, snaplen) in
        [("eth0", 1, Some(256)), ("any", 276, None), ("tun0", 101, Some(65_535))]
    {
        let interface = Interface {
            name: Some(name.to_owned()),
            source: "live".to_owned(),
            link_type: LinkType(link_type),
            snaplen,
            index: None,
        };
        table.add(interface).unwrap();
    }
    table
}

fn frames() -> Vec<OwnedFrame> {
    let directions = [FrameDirection::Unknown, FrameDirection::Inbound, FrameDirection::Outbound];
    let frame = |n: u16| OwnedFrame {
        timestamp: 1_700_000_000_123_456_789 + i64::from(n) * 1_000_000_007,
        interface: n % 3,
        link_type: [1, 276, 101][usize::from(n % 3)],
        direction: directions[usize::from(n / 3 % 3)],
        frame_len: 300 + u32::from(n),
        gso_size: if n.is_multiple_of(2) { 0 } else { 1448 },
        bytes: vec![u8::try_from(n).unwrap(); usize::from(n % 7) + 40],
    };
    (0..40).map(frame).collect()
}

fn write(path: &Path, frames: &[OwnedFrame], options: &WriteOptions) {
    let mut writer = CaptureWriter::create(path, options).unwrap();
    writer.learn(&table()).unwrap();
    for frame in frames {
        writer.write(&frame.frame()).unwrap();
    }
    let counts = writer.finish(frames.last().map(|frame| Timestamp(frame.timestamp + 5))).unwrap();
    assert_eq!((counts.frames, counts.clipped), (frames.len() as u64, 0));
}

#[test]
fn pcapng_brings_back_all_that_a_frame_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcapng");
    let frames = frames();
    write(
        &path,
        &frames,
        &WriteOptions { filter: Some("tcp port 80".to_owned()), ..WriteOptions::default() },
    );
    let contents = read(&[&path]);
    assert_eq!(contents.errors, []);
    assert_eq!(contents.frames, frames);
    let described = |interface: &Interface| (interface.name.clone(), interface.link_type, interface.snaplen);
    let expected: Vec<_> = table().all().iter().map(described).collect();
    assert_eq!(contents.interfaces.iter().map(described).collect::<Vec<_>>(), expected);
    assert_eq!(contents.end_of_capture, Some(Timestamp(frames.last().unwrap().timestamp + 5)));
    assert_eq!((contents.counts.file_dropped, contents.counts.malformed_options), (0, 0));
}

#[test]
fn pcap_brings_back_bytes_lengths_and_nanoseconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcap");
    let frames: Vec<_> = frames().into_iter().filter(|frame| frame.interface == 0).collect();
    write(&path, &frames, &WriteOptions::default());
    let plain =
        |frame: &OwnedFrame| OwnedFrame { direction: FrameDirection::Unknown, gso_size: 0, ..frame.clone() };
    assert_eq!(read(&[&path]).frames, frames.iter().map(plain).collect::<Vec<_>>());
}

#[test]
fn a_second_link_type_is_refused_by_pcap_and_what_was_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcap");
    let frames = frames();
    let mut writer = CaptureWriter::create(&path, &WriteOptions::default()).unwrap();
    writer.write(&frames[0].frame()).unwrap();
    let error = writer.write(&frames[1].frame()).unwrap_err();
    assert_eq!(error.kind, WriteErrorKind::LinkTypes);
    assert!(
        error.to_string().ends_with("give it a name that ends in .pcapng, which can hold several"),
        "{error}"
    );
    assert_eq!(writer.write(&frames[0].frame()).unwrap_err(), error);
    assert_eq!(writer.finish(None).unwrap_err(), error);
    assert_eq!(read(&[&path]).frames.len(), 1);
}

#[test]
fn lost_frames_are_told_once_before_the_next_frame_and_in_the_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcapng");
    let frames = frames();
    let mut writer = CaptureWriter::create(&path, &WriteOptions::default()).unwrap();
    writer.learn(&table()).unwrap();
    writer.write(&frames[0].frame()).unwrap();
    writer.dropped(InterfaceId(0), 3);
    writer.write(&frames[3].frame()).unwrap();
    writer.dropped(InterfaceId(1), 4);
    writer.finish(None).unwrap();
    let contents = read(&[&path]);
    assert_eq!((contents.counts.file_dropped, contents.end_of_capture), (7, None));
    assert_eq!(contents.drops, [(1, 0, 3), (2, 1, 4)]);
    // Merged with frames of another file, they keep their place.
    let other = folder.path().join("y.pcap");
    let between = [1, 500_000_000, 2_000_000_000]
        .map(|later| OwnedFrame { timestamp: frames[0].timestamp + later, ..frames[0].clone() });
    write(&other, &between, &WriteOptions::default());
    // (The pcap file's interface stands in its header and so is met first.)
    assert_eq!(read(&[&path, &other]).drops, [(4, 1, 3), (5, 2, 4)]);
}

#[test]
fn a_capture_without_frames_is_a_capture_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["x.pcap", "x.pcapng"] {
        let path = folder.path().join(name);
        let mut writer = CaptureWriter::create(&path, &WriteOptions::default()).unwrap();
        writer.learn(&table()).unwrap();
        writer.finish(Some(Timestamp(77))).unwrap();
        let contents = read(&[&path]);
        assert_eq!((contents.errors.len(), contents.frames.len()), (0, 0), "{name}");
        assert_eq!(contents.end_of_capture, (name == "x.pcapng").then_some(Timestamp(77)));
    }
}

#[test]
fn times_outside_a_formats_range_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut frame = frames().remove(0);
    frame.timestamp = -1;
    for name in ["x.pcap", "x.pcapng"] {
        let path = folder.path().join(name);
        let mut writer = CaptureWriter::create(&path, &WriteOptions::default()).unwrap();
        writer.write(&frame.frame()).unwrap();
        assert_eq!(writer.counts().clamped_times, 1);
        writer.finish(None).unwrap();
        assert_eq!(read(&[&path]).frames[0].timestamp, 0);
    }
}

#[test]
fn more_bytes_than_other_tools_accept_are_cut_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let frame = OwnedFrame { bytes: vec![1; 300_000], frame_len: 400_000, ..frames().remove(0) };
    for name in ["x.pcap", "x.pcapng"] {
        let path = folder.path().join(name);
        let mut writer = CaptureWriter::create(&path, &WriteOptions::default()).unwrap();
        writer.write(&frame.frame()).unwrap();
        assert_eq!(writer.finish(None).unwrap().clipped, 1);
        let contents = read(&[&path]);
        assert_eq!((contents.frames[0].bytes.len(), contents.frames[0].frame_len), (262_144, 400_000));
    }
}

#[test]
fn files_by_size_are_numbered_as_tcpdump_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcapng");
    let frames = frames();
    write(&path, &frames, &WriteOptions { rotate_bytes: Some(1500), ..WriteOptions::default() });
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["x.pcapng", "x.pcapng1", "x.pcapng2"]);
    let mut together = Vec::new();
    for name in &names {
        let contents = read(&[&folder.path().join(name)]);
        assert_eq!(contents.errors, []);
        together.extend(contents.frames);
    }
    assert_eq!(together, frames);
    // Read as one capture, in any order, they are the capture that was not rotated, but for the numbers.
    let paths = [2, 0, 1].map(|index| folder.path().join(&names[index]));
    let contents = read(&[&paths[0], &paths[1], &paths[2]]);
    let first = contents.frames[0].interface;
    let renumbered: Vec<_> = contents
        .frames
        .into_iter()
        .map(|frame| OwnedFrame { interface: frame.interface - first, ..frame })
        .collect();
    assert_eq!(renumbered, frames);
}

#[test]
fn files_by_time_are_named_by_it_and_counted_within() {
    let folder = tempfile::tempdir().unwrap();
    let frames: Vec<_> = frames().into_iter().filter(|frame| frame.interface == 0).collect();
    let options = WriteOptions {
        rotate_bytes: Some(300),
        rotate_interval: Some(Span::from_secs(20)),
        ..WriteOptions::default()
    };
    write(&folder.path().join("%s.pcap"), &frames, &options);
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["1700000000.pcap", "1700000000.pcap1", "1700000021.pcap", "1700000021.pcap1",]);
    let again: Vec<_> = names.iter().flat_map(|name| read(&[&folder.path().join(name)]).frames).collect();
    assert_eq!(again.len(), frames.len());
}

#[test]
fn a_place_where_nothing_can_be_written_is_said_at_once() {
    let create =
        |path: &str, options: &WriteOptions| CaptureWriter::create(Path::new(path), options).err().unwrap();
    let error = create("/nowhere/x.pcap", &WriteOptions::default());
    assert!(error.to_string().starts_with("/nowhere/x.pcap: cannot be created ("), "{error}");
    assert_eq!(create("/", &WriteOptions::default()).kind, WriteErrorKind::Create);
    let by_time = WriteOptions { rotate_interval: Some(Span::from_secs(1)), ..WriteOptions::default() };
    assert_eq!(create("x%!.pcap", &by_time).kind, WriteErrorKind::Name);
}

#[test]
fn a_full_device_is_a_clear_error() {
    let mut writer = CaptureWriter::create(Path::new("/dev/full"), &WriteOptions::default()).unwrap();
    writer.write(&frames()[0].frame()).unwrap();
    let error = writer.finish(None).unwrap_err();
    assert_eq!(error.kind, WriteErrorKind::Full);
    assert!(
        error.to_string().starts_with("/dev/full: no space left after 0 bytes, which stay readable"),
        "{error}"
    );
}

/// A file system of 1 MiB, unmounted when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, as a failed test may still hold a file open.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.0.path().display());
    }
}

/// A small file system of its own fills up in the middle of a record; what is there must end with a whole one.
#[test]
fn a_full_disk_leaves_whole_records() {
    let Some(folder) = SmallDisk::mount() else {
        return leave_out("a_full_disk_leaves_whole_records", "a tmpfs cannot be mounted");
    };
    let path = folder.0.path().join("x.pcapng");
    let mut writer = CaptureWriter::create(&path, &WriteOptions::default()).unwrap();
    writer.learn(&table()).unwrap();
    let frame = OwnedFrame { bytes: vec![9; 211], ..frames().remove(0) };
    let error = (0..20_000).find_map(|_| writer.write(&frame.frame()).err());
    let contents = read(&[&path]);
    let len = fs::metadata(&path).unwrap().len();
    let error = error.expect("20,000 frames do not fit into 1 MiB");
    assert_eq!(error.kind, WriteErrorKind::Full, "{error}");
    assert!(error.to_string().contains(&format!("no space left after {len} bytes")), "{error}");
    assert_eq!(contents.errors, []);
    assert!(contents.frames.len() > 3000 && contents.frames.iter().all(|read| *read == frame));
}

#[test]
fn other_tools_read_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (ng, plain) = (folder.path().join("x.pcapng"), folder.path().join("x.pcap"));
    let options = WriteOptions { filter: Some("tcp".to_owned()), ..WriteOptions::default() };
    write(&ng, &frames(), &options);
    let ethernet: Vec<_> = frames().into_iter().filter(|frame| frame.interface == 0).collect();
    write(&plain, &ethernet, &WriteOptions::default());
    let fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len"];
    let line = |frame: &OwnedFrame| {
        let (seconds, nanoseconds) = (frame.timestamp / 1_000_000_000, frame.timestamp % 1_000_000_000);
        format!("{seconds}.{nanoseconds:09}\t{}\t{}", frame.frame_len, frame.bytes.len())
    };
    for (path, frames) in [(&ng, frames()), (&plain, ethernet)] {
        let Ok(output) = Command::new("tshark").arg("-r").arg(path).args(fields).output() else {
            return leave_out("other_tools_read_what_is_written", "tshark is not installed");
        };
        let lines: Vec<_> = frames.iter().map(line).collect();
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().collect::<Vec<_>>(), lines);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let Ok(output) = Command::new("capinfos").arg(&ng).output() else {
        return leave_out("other_tools_read_what_is_written", "capinfos is not installed");
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in ["tcpkit ", "Name = eth0", "nanoseconds", "Filter string = tcp", "Number of packets = 14"] {
        assert!(text.contains(words), "capinfos does not say '{words}': {text}");
    }
    let Ok(output) =
        Command::new("tcpdump").args(["-c", "100", "-w", "/dev/null", "-r"]).arg(&plain).output()
    else {
        return leave_out("other_tools_read_what_is_written", "tcpdump is not installed");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_frames_come_back_from_pcapng(
        specs in prop::collection::vec(
            (0..i64::MAX, 0..3_u16, 0..3_usize, any::<u32>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..200)),
            0..40,
        ),
    ) {
        let directions = [FrameDirection::Unknown, FrameDirection::Inbound, FrameDirection::Outbound];
        let frames: Vec<_> = specs
            .into_iter()
            .map(|(timestamp, interface, direction, extra, gso_size, bytes)| OwnedFrame {
                timestamp,
                interface,
                link_type: [1, 276, 101][usize::from(interface)],
                direction: directions[direction],
                frame_len: extra.max(200),
                gso_size,
                bytes,
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let format = Some(CaptureFormat::Pcapng);
        let mut writer = CaptureWriter::create(&path, &WriteOptions { format, ..WriteOptions::default() }).unwrap();
        writer.learn(&table()).unwrap();
        for frame in &frames {
            writer.write(&frame.frame()).unwrap();
        }
        writer.finish(None).unwrap();
        let contents = read(&[&path]);
        prop_assert_eq!(contents.errors, []);
        prop_assert_eq!(contents.frames, frames);
    }
}
