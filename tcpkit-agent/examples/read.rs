//! Reads capture files, merged by time, and prints one line for each call: what was found, and the error if there
//! was one. Meant for measuring the readers alone and for comparing them with other tools.

#![expect(clippy::print_stdout, reason = "printing is all that an example does")]

use std::path::Path;

use tcpkit_agent::source::{Block, InterfaceTable, Merge, Reader};

fn main() {
    let mut interfaces = InterfaceTable::default();
    let mut readers = Vec::new();
    for path in std::env::args().skip(1) {
        match Reader::open(Path::new(&path), &mut interfaces) {
            Ok(reader) => readers.push(reader),
            Err(error) => return println!("frames=0 error={error}"),
        }
    }
    let mut source = Merge::new(readers);
    let mut block = Block::default();
    let (mut first, mut last, mut frames, mut error) = (None, None, 0, None);
    loop {
        match source.fill(&mut block) {
            Ok(true) => {}
            Ok(false) => break,
            Err(trouble) => error = Some(trouble),
        }
        interfaces.learn(&block.interfaces);
        frames += block.frames.len();
        first = first.or(block.frames.first().map(|frame| frame.timestamp.0));
        last = block.frames.last().map(|frame| frame.timestamp.0).or(last);
    }
    let counts = source.counts();
    println!(
        "frames={frames} bytes={} captured={} first={} last={} end={:?} interfaces={:?} {counts:?} error={}",
        counts.frame_bytes,
        counts.captured_bytes,
        first.unwrap_or(0),
        last.unwrap_or(0),
        source.end_of_capture(),
        interfaces.all().iter().map(|interface| (&interface.name, interface.link_type.0)).collect::<Vec<_>>(),
        error.map_or_else(String::new, |error| error.to_string()),
    );
}
