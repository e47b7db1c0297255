//! Copies a capture file into another one, whose name says the format: for measuring the writer and for looking at
//! what other tools make of its files.

#![expect(clippy::print_stdout, reason = "printing is all that an example does")]

use std::path::Path;

use tcpkit_agent::{
    sink::capture::{CaptureWriter, WriteOptions},
    source::{Block, InterfaceTable, Reader},
};

fn main() -> anyhow::Result<()> {
    let names: Vec<_> = std::env::args().skip(1).collect();
    let [from, to] = &names[..] else { anyhow::bail!("usage: copy FROM TO") };
    let mut interfaces = InterfaceTable::default();
    let mut reader = Reader::open(Path::new(from), &mut interfaces)?;
    let mut writer = CaptureWriter::create(Path::new(to), &WriteOptions::default())?;
    writer.learn(&interfaces)?;
    let mut block = Block::default();
    while reader.fill(&mut block)? {
        if !block.interfaces.is_empty() {
            interfaces.learn(&block.interfaces);
            writer.learn(&interfaces)?;
        }
        let mut drops = block.drops.iter().peekable();
        for (index, frame) in block.frames.iter().enumerate() {
            while let Some(dropped) = drops.next_if(|dropped| dropped.before <= index) {
                writer.dropped(dropped.interface, dropped.frames);
            }
            writer.write(&block.frame(frame))?;
        }
        drops.for_each(|dropped| writer.dropped(dropped.interface, dropped.frames));
    }
    block.drops.iter().for_each(|dropped| writer.dropped(dropped.interface, dropped.frames));
    println!("{:?}", writer.finish(reader.end_of_capture())?);
    Ok(())
}
