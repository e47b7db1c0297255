//! Files as real programs wrote them, damaged ones, and ones made for a single question.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use proptest::prelude::*;

use crate::{
    source::{
        Block, InterfaceTable, Reader, SourceErrorKind,
        testing::{Contents, OwnedFrame, capture, pcap, read, read_bytes},
    },
    time::Timestamp,
    wire::FrameDirection,
};

/// Frames, their bytes on the wire and in the file, first and last time: what tshark says of each capture, but for
/// the notes.
const CAPTURES: &[(&str, usize, u64, u64, i64, i64)] = &[
    ("arkime__bigendian.pcap", 2, 196, 196, 1_335_958_313_152_630_000, 1_335_958_317_529_201_000),
    ("tcpdump__tcp-handshake-nano.pcap", 3, 220, 220, 1_418_145_369_924_505_488, 1_418_145_370_052_115_157),
    (
        "pcapplusplus__nanosecs_big_endian.pcap",
        10,
        2198,
        2198,
        1_766_361_926_167_647_291,
        1_766_361_926_168_451_894,
    ),
    ("deepflow__nats-nrpc1.pcap", 22, 2382, 2382, 1_704_680_298_086_368_000, 1_704_680_302_813_520_000),
    ("pcapplusplus__solaris.snoop", 250, 23335, 23335, 911_274_719_885_516_000, 911_274_726_499_893_000),
    // The last frame's time lies beyond the year 2262 and stays there.
    ("pcapplusplus__pcapng-example.pcapng", 159, 57465, 18075, 1_422_527_998_578_402_281, i64::MAX),
    ("libpcap__http_PPI.pcap", 5, 633, 633, 1_178_922_637_041_165_000, 1_178_922_637_042_881_000),
    ("tcpdump__tests__beep-oobr.pcap", 2, 524_288, 128, 808_464_432_999_999_000, 808_464_432_999_999_000),
    ("zeek__nflog-http.pcap", 13, 3104, 3104, 1_470_574_779_148_133_000, 1_470_574_780_138_288_000),
    ("ptcpdump__curl-thread.pcapng", 10, 889, 889, 1_734_746_437_400_239_166, 1_734_746_438_973_317_706),
    // tshark also counts the blocks that hold no frame.
    (
        "pcapng-test-generator__output_be__test202.pcapng",
        8,
        2304,
        1040,
        1_340_954_905_298_858_000,
        1_340_954_905_301_858_000,
    ),
    (
        "pcapng-test-generator__output_le__test102.pcapng",
        5,
        1480,
        798,
        1_340_954_905_298_858_000,
        1_340_954_905_301_858_000,
    ),
];

#[test]
fn real_captures_hold_what_other_tools_say() {
    for &(name, frames, frame_bytes, captured_bytes, first, last) in CAPTURES {
        let contents = read(&[&capture(name)]);
        assert_eq!(contents.errors, [], "{name}");
        assert_eq!(contents.frames.len(), frames, "{name}");
        assert_eq!(contents.counts.frames, frames as u64, "{name}");
        assert_eq!(contents.counts.frame_bytes, frame_bytes, "{name}");
        assert_eq!(contents.counts.captured_bytes, captured_bytes, "{name}");
        assert_eq!(contents.frames.first().map(|frame| frame.timestamp), Some(first), "{name}");
        assert_eq!(contents.frames.last().map(|frame| frame.timestamp), Some(last), "{name}");
    }
}

#[test]
fn sections_of_both_byte_orders_share_their_interfaces() {
    let contents = read(&[&capture("pcapng-test-generator__output_be__test202.pcapng")]);
    let names: Vec<_> = contents.interfaces.iter().map(|interface| interface.name.as_deref()).collect();
    assert_eq!(names, [Some("eth0"), Some("null1"), Some("silly ethernet interface 2")]);
    let interfaces: Vec<_> = contents.frames.iter().map(|frame| (frame.interface, frame.link_type)).collect();
    assert_eq!(interfaces, [(0, 1), (0, 1), (1, 0), (2, 1), (2, 1), (2, 1), (2, 1), (1, 0)]);
    assert_eq!((contents.counts.file_dropped, contents.counts.without_timestamp), (53, 2));
    assert_eq!((contents.counts.skipped_blocks, contents.counts.unknown_blocks), (8, 0));
    // The statistics name an end before the last frame.
    assert_eq!(contents.end_of_capture, None);
}

#[test]
fn damaged_captures_give_their_whole_records_and_one_line() {
    let cases = [
        (
            "libpcap__pcap-invalid-version-1.pcap",
            0,
            SourceErrorKind::Unsupported,
            "pcap version 1.4 is unknown",
        ),
        (
            "libpcap__pcapng-invalid-vers-1.pcapng",
            0,
            SourceErrorKind::Unsupported,
            "pcapng version 0.1 is unknown",
        ),
        (
            "libpcap__shb-option-too-long.pcapng",
            0,
            SourceErrorKind::Corrupt,
            "808464432 by its trailer, at byte 0",
        ),
        (
            "pcapplusplus__crash-invalid-asn-record-len",
            1,
            SourceErrorKind::Truncated,
            "it ends at byte 299, in record 2, after 6 of its 16 bytes",
        ),
    ];
    for (name, frames, kind, words) in cases {
        let contents = read(&[&capture(name)]);
        assert_eq!(contents.frames.len(), frames, "{name}");
        check_error(&contents, kind, words);
    }
}

fn check_error(contents: &Contents, kind: SourceErrorKind, words: &str) {
    let [error] = &contents.errors[..] else { panic!("one error expected: {:?}", contents.errors) };
    let line = error.to_string();
    assert_eq!(error.kind, kind, "{line}");
    assert!(line.contains(words), "{line}");
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn what_is_no_capture_is_said_so() {
    check_error(
        &read(&[Path::new("/nowhere/x.pcap")]),
        SourceErrorKind::NotFound,
        "/nowhere/x.pcap: no such file",
    );
    check_error(&read(&[Path::new("/")]), SourceErrorKind::NotACapture, "this is a directory");
    check_error(&read_bytes(b""), SourceErrorKind::Empty, "the file is empty (0 bytes)");
    check_error(
        &read_bytes(b"GET / HTTP/1.1\r\n\r\n"),
        SourceErrorKind::NotACapture,
        "libpcap: unknown file format",
    );
    check_error(&read_bytes(&pcap(&[])[..23]), SourceErrorKind::Truncated, "after 23 of 24 bytes");
    check_error(
        &read_bytes(&gzip(b"hello, world")),
        SourceErrorKind::NotACapture,
        "first bytes are not those",
    );
    check_error(&read_bytes(&gzip(b"")), SourceErrorKind::Empty, "0 bytes");
}

#[test]
fn every_prefix_of_a_capture_gives_its_whole_records() {
    for name in ["arkime__bigendian.pcap", "pcapng-test-generator__output_le__test102.pcapng"] {
        let whole = std::fs::read(capture(name)).unwrap();
        let all = read_bytes(&whole).frames;
        for len in 1..whole.len() {
            let contents = read_bytes(&whole[..len]);
            assert_eq!(contents.frames, all[..contents.frames.len()], "{name} cut at {len}");
            for error in &contents.errors {
                let short = matches!(error.kind, SourceErrorKind::Truncated | SourceErrorKind::NotACapture);
                assert!(short, "{name} cut at {len}: {error}");
            }
        }
    }
}

#[test]
fn a_record_longer_than_a_block_is_read_and_one_beyond_reason_is_refused() {
    let long = vec![7; 262_144];
    let mut file = pcap(&[(1, 0, b"short"), (2, 0, &long), (3, 0, b"short")]);
    assert_eq!(read_bytes(&file).frames[1].bytes, long);
    let (at, len) = (file.len() - 5 - 8, 0x7fff_ffff_u32);
    file[at..at + 4].copy_from_slice(&len.to_le_bytes());
    let contents = read_bytes(&file);
    assert_eq!(contents.frames.len(), 2);
    check_error(&contents, SourceErrorKind::Corrupt, "claims 2147483647 captured bytes");
}

#[test]
fn bytes_over_the_snap_length_are_cut_and_counted() {
    let mut file = pcap(&[(1, 0, b"0123456789")]);
    file[16..20].copy_from_slice(&4_u32.to_le_bytes());
    let contents = read_bytes(&file);
    assert_eq!(contents.frames[0].bytes, b"0123");
    assert_eq!((contents.frames[0].frame_len, contents.counts.clipped), (10, 1));
}

#[test]
fn a_frame_is_never_shorter_than_what_was_captured_of_it() {
    let mut file = pcap(&[(1, 0, b"0123456789")]);
    file[36..40].copy_from_slice(&4_u32.to_le_bytes());
    let contents = read_bytes(&file);
    assert_eq!((contents.frames[0].frame_len, contents.counts.length_contradictions), (10, 1));
}

#[test]
fn old_versions_of_pcap_have_their_lengths_the_other_way_round() {
    for (minor, lengths) in [(2, [20_u32, 10]), (3, [20, 10]), (3, [10, 20]), (4, [10, 20])] {
        let mut file = pcap(&[(1, 0, b"0123456789")]);
        file[6] = minor;
        file[32..36].copy_from_slice(&lengths[0].to_le_bytes());
        file[36..40].copy_from_slice(&lengths[1].to_le_bytes());
        let contents = read_bytes(&file);
        assert_eq!(contents.errors, [], "version 2.{minor}");
        assert_eq!((contents.frames[0].frame_len, &contents.frames[0].bytes[..]), (20, &b"0123456789"[..]));
    }
}

#[test]
fn compressed_captures_of_several_members_are_read_whole() {
    let whole = std::fs::read(capture("deepflow__nats-nrpc1.pcap")).unwrap();
    let expected = read_bytes(&whole).frames;
    let (front, back) = whole.split_at(whole.len() / 3);
    let gzipped = [gzip(front), gzip(back)].concat();
    assert_eq!(read_bytes(&gzipped).frames, expected);
    let zstd = [zstd::encode_all(front, 3).unwrap(), zstd::encode_all(back, 3).unwrap()].concat();
    assert_eq!(read_bytes(&zstd).frames, expected);
    assert_eq!(
        read_bytes(&gzip(&std::fs::read(capture("pcapplusplus__solaris.snoop")).unwrap())).frames.len(),
        250
    );
}

#[test]
fn a_compressed_capture_that_breaks_off_gives_what_can_be_had() {
    // Stored blocks, so that all but the last bytes can be had.
    let whole = std::fs::read(capture("pcapplusplus__solaris.snoop")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(&whole).unwrap();
    let gzipped = encoder.finish().unwrap();
    let contents = read_bytes(&gzipped[..gzipped.len() / 2]);
    let expected = read_bytes(&whole).frames;
    assert_eq!(contents.frames, expected[..contents.frames.len()]);
    assert!(contents.frames.len() > 50, "{}", contents.frames.len());
    check_error(&contents, SourceErrorKind::Truncated, "the compressed file ends too early");
    let zstd = zstd::encode_all(&whole[..], 3).unwrap();
    let contents = read_bytes(&zstd[..zstd.len() / 2]);
    assert_eq!(contents.frames, expected[..contents.frames.len()]);
    assert_eq!(contents.errors.len(), 1);
    assert_eq!(contents.errors[0].kind, SourceErrorKind::Truncated, "{}", contents.errors[0]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn snoop_version_1_has_its_words_in_another_order() {
    let mut file = b"snoop\0\0\0\0\0\0\x01".to_vec();
    for word in [4_u32, 28, 9, 5, 3, 60] {
        file.extend_from_slice(&word.to_be_bytes());
    }
    file.extend_from_slice(b"abcd");
    let contents = read_bytes(&file);
    assert_eq!(contents.errors, []);
    assert_eq!((contents.frames[0].timestamp, contents.frames[0].frame_len), (9_000_005_000, 60));
    assert_eq!((&contents.frames[0].bytes[..], contents.counts.file_dropped), (&b"abcd"[..], 3));
    file[11] = 3;
    file.splice(12..12, [0, 0, 0, 4]);
    check_error(&read_bytes(&file), SourceErrorKind::Unsupported, "snoop version 3 is unknown");
}

#[test]
fn a_named_pipe_delivers_frames_before_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (sender, receiver) = std::sync::mpsc::channel::<Vec<u8>>();
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
            for bytes in receiver {
                pipe.write_all(&bytes).unwrap();
            }
        }
    });
    let file = pcap(&[(1, 0, b"first"), (2, 0, b"second")]);
    sender.send(file[..24 + 21 + 7].to_vec()).unwrap();
    let mut block = Block::default();
    let mut reader = Reader::open(&pipe, &mut InterfaceTable::default()).unwrap();
    assert!(reader.fill(&mut block).unwrap());
    assert_eq!(block.frame(&block.frames[0]).bytes, b"first");
    assert_eq!(reader.progress().size, None);
    sender.send(file[24 + 21 + 7..].to_vec()).unwrap();
    assert!(reader.fill(&mut block).unwrap());
    assert_eq!(block.frame(&block.frames[0]).bytes, b"second");
    drop(sender);
    writer.join().unwrap();
    assert!(!reader.fill(&mut block).unwrap());
}

#[test]
fn a_reader_that_waits_for_a_pipe_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Opened for both, so that opening does not wait for the other side.
    let mut writer = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let file = pcap(&[(1, 0, b"first"), (2, 0, b"second")]);
    writer.write_all(&file[..file.len() - 1]).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut reader = Reader::open(&pipe, &mut InterfaceTable::default()).unwrap();
    reader.stop_on(Arc::clone(&stop));
    stop.store(true, Ordering::Relaxed);
    let mut block = Block::default();
    assert!(reader.fill(&mut block).unwrap());
    assert_eq!(block.frames.len(), 1);
    assert!(!reader.fill(&mut block).unwrap());
}

#[test]
fn several_files_are_merged_by_time_and_none_is_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    std::fs::write(&a, pcap(&[(1, 0, b"a1"), (5, 0, b"a5"), (3, 0, b"a3"), (8, 0, b"a8")])).unwrap();
    std::fs::write(&b, pcap(&[(1, 0, b"b1"), (4, 0, b"b4"), (8, 0, b"b8"), (9, 0, b"b9")])).unwrap();
    let order = |paths: &[&Path]| {
        let text = |frame: OwnedFrame| String::from_utf8(frame.bytes).unwrap();
        read(paths).frames.into_iter().map(text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order(&[&a, &b]), "a1 b1 b4 a5 a3 a8 b8 b9");
    assert_eq!(order(&[&b, &a]), "b1 a1 b4 a5 a3 b8 a8 b9");
    let mut cut = std::fs::read(&a).unwrap();
    cut.truncate(cut.len() - 1);
    std::fs::write(&a, cut).unwrap();
    let contents = read(&[&a, &b]);
    assert_eq!(contents.frames.len(), 7);
    check_error(&contents, SourceErrorKind::Truncated, "in record 4");
}

#[test]
fn files_that_do_not_overlap_pass_in_whole_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["second", "first"].map(|name| folder.path().join(name));
    let body = [7; 1000];
    let frames = |from: u32| (from..from + 3000).map(|seconds| (seconds, 0, &body[..])).collect::<Vec<_>>();
    std::fs::write(&paths[0], pcap(&frames(3000))).unwrap();
    std::fs::write(&paths[1], pcap(&frames(0))).unwrap();
    let contents = read(&[&paths[0], &paths[1]]);
    assert_eq!((contents.errors.len(), contents.frames.len(), contents.interfaces.len()), (0, 6000, 2));
    assert!(contents.frames.is_sorted_by_key(|frame| frame.timestamp));
    // The later file continues the earlier one, whose interface is number 1.
    assert!(contents.frames.iter().all(|frame| frame.interface == 1));
}

#[test]
fn pieces_of_a_capture_share_their_interfaces_and_other_files_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    // One capture in three pieces, and another one beside it.
    for (name, seconds) in [("a", [0, 1]), ("b", [2, 3]), ("c", [4, 5]), ("beside", [0, 6])] {
        let path = folder.path().join(name);
        std::fs::write(&path, pcap(&seconds.map(|second| (second, 7, name.as_bytes())))).unwrap();
        paths.push(path);
    }
    let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();
    let contents = read(&paths);
    assert_eq!((contents.errors.len(), contents.frames.len()), (0, 8));
    for frame in &contents.frames {
        assert_eq!(frame.interface, if frame.bytes == b"beside" { 3 } else { 0 });
    }
}

#[test]
fn directions_drops_and_unknown_blocks_of_pcapng_are_kept() {
    let mut file = section();
    // Nanoseconds, and an offset of ten seconds.
    file.extend(block(
        1,
        &[&[1, 0, 0, 0, 0, 0, 0, 0], &option(9, &[9])[..], &option(14, &10_i64.to_le_bytes())].concat(),
    ));
    file.extend(block(0x1234, b"what?!.."));
    let fixed: Vec<u8> = [0_u32, 0, 5, 3, 3].iter().flat_map(|word| word.to_le_bytes()).collect();
    let options = [option(2, &2_u32.to_le_bytes()), option(4, &7_u64.to_le_bytes())].concat();
    file.extend(block(6, &[&fixed[..], b"abc\0", &options].concat()));
    let overlong = [2, 0, 99, 0];
    file.extend(block(6, &[&fixed[..], b"abc\0", &overlong].concat()));
    let contents = read_bytes(&file);
    assert_eq!(contents.errors, []);
    let frame = &contents.frames[0];
    assert_eq!((frame.timestamp, frame.direction), (10_000_000_005, FrameDirection::Outbound));
    assert_eq!((frame.bytes.as_slice(), frame.frame_len), (&b"abc"[..], 3));
    let counts = contents.counts;
    assert_eq!((counts.file_dropped, counts.unknown_blocks, counts.malformed_options), (7, 1, 1));
}

#[test]
fn impossible_pcapng_blocks_are_refused_in_one_line() {
    let packet =
        |words: [u32; 5]| block(6, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>());
    let described = [section(), block(1, &[1, 0, 0, 0, 0, 0, 0, 0])].concat();
    let cases = [
        ([described.clone(), packet([3, 0, 0, 0, 0])].concat(), "names interface 3"),
        ([described.clone(), packet([0, 0, 0, 9, 9])].concat(), "claims 9 captured bytes"),
        ([described.clone(), block(6, b"abcd")].concat(), "too short"),
        ([described.clone(), vec![6, 0, 0, 0, 13, 0, 0, 0]].concat(), "impossible length of 13"),
        ([described.clone(), vec![6, 0, 0, 0, 0, 0, 0, 0x70]].concat(), "more than the 16777216"),
        (
            [section(), block(1, &[&[1, 0, 0, 0, 0, 0, 0, 0], &option(9, &[99])[..]].concat())].concat(),
            "10^-99 s",
        ),
    ];
    for (file, words) in cases {
        let contents = read_bytes(&file);
        assert_eq!(contents.errors.len(), 1, "{words}");
        assert!(contents.errors[0].to_string().contains(words), "{}", contents.errors[0]);
    }
}

fn section() -> Vec<u8> {
    let body = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    block(0x0a0d_0d0a, &body)
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &len, body, &len].concat()
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap();
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&code.to_le_bytes()[..], &len.to_le_bytes(), value, &padding].concat()
}

#[test]
fn standard_input_is_read_like_a_file() {
    // The test binary reads its own standard input in a child of its own.
    let test = std::thread::current().name().unwrap().to_owned();
    if std::env::var_os("TCPKIT_TEST_STANDARD_INPUT").is_some() {
        let contents = read(&[Path::new("-")]);
        assert_eq!((contents.frames.len(), contents.errors.len()), (250, 0));
        assert_eq!(contents.interfaces[0].source, "standard input");
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([&test, "--exact", "--quiet"])
        .env("TCPKIT_TEST_STANDARD_INPUT", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let bytes = std::fs::read(capture("pcapplusplus__solaris.snoop")).unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(child.wait().unwrap().success());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens to a file, nothing panics, and what stands before the change is read as before.
    #[test]
    fn records_before_a_change_are_not_touched_by_it(
        which in 0..CAPTURES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let original = std::fs::read(capture(CAPTURES[which].0)).unwrap();
        let mut changed = original.clone();
        for (place, value) in &changes {
            let place = place.index(changed.len());
            changed[place] = *value;
        }
        let first_change = original.iter().zip(&changed).position(|(a, b)| a != b).unwrap_or(original.len());
        let before = read_bytes(&original[..first_change]);
        let after = read_bytes(&changed);
        prop_assert!(after.frames.len() >= before.frames.len() || first_change < 64);
        let shared = before.frames.len().min(after.frames.len());
        if first_change >= 64 {
            prop_assert_eq!(&after.frames[..shared], &before.frames[..shared]);
        }
        prop_assert!(after.errors.len() <= 1);
    }

    /// Bytes that nobody wrote as a capture, behind each magic.
    #[test]
    fn arbitrary_bytes_never_panic(magic in 0..8_usize, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let magics: [&[u8]; 8] = [
            b"", b"\xd4\xc3\xb2\xa1\x02\0\x04\0", b"\xa1\xb2\xcd\x34\0\x02\0\x04", b"\x1c\0\x01\xac\0\x02\0\x04",
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0", b"snoop\0\0\0\0\0\0\x02\0\0\0\x04",
            b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd",
        ];
        let contents = read_bytes(&[magics[magic], &bytes].concat());
        prop_assert!(contents.errors.len() <= 1);
    }
}

#[test]
fn the_end_of_a_capture_is_that_of_its_statistics() {
    let mut file = section();
    file.extend(block(1, &[1, 0, 0, 0, 0, 0, 0, 0]));
    let statistics = [&[0; 12][..], &option(3, &[0, 0, 0, 0, 5, 0, 0, 0])].concat();
    file.extend(block(5, &statistics));
    assert_eq!(read_bytes(&file).end_of_capture, Some(Timestamp(5_000)));
}
