//! `tcpkit filter`: what an expression compiles to, and whether the translation says what libpcap says.

use std::path::Path;

use crate::{
    cli::{Failure, FilterCommandArgs},
    filter::{self, Comparison, compare::Programs},
    sink::write_stdout,
    source::{Block, InterfaceTable, Reader},
    wire::LinkType,
};

/// Shows an expression's program and its translation; with a file, counts what both match in it.
///
/// # Errors
/// The expression does not compile, the file cannot be read, or the two do not agree.
pub fn filter(args: &FilterCommandArgs) -> anyhow::Result<()> {
    let expression = args.expression.join(" ");
    match &args.read {
        Some(file) => on_file(&expression, file),
        None => print(&expression, link_type(&args.link_type)?),
    }
}

fn print(expression: &str, link_type: LinkType) -> anyhow::Result<()> {
    let explanation = filter::explain(expression, link_type).map_err(Failure::filter)?;
    Ok(write_stdout(&explanation.to_string())?)
}

fn on_file(expression: &str, file: &Path) -> anyhow::Result<()> {
    let mut interfaces = InterfaceTable::default();
    let mut reader = Reader::open(file, &mut interfaces)?;
    let mut block = Block::default();
    let mut damage = None;
    let mut more = fill(&mut reader, &mut block, &mut damage);
    let first = block.frames.first().map(|frame| frame.link_type);
    let known = interfaces.all().first().map(|interface| interface.link_type);
    let link_type = first.or(known).unwrap_or(LinkType::ETHERNET);
    print(expression, link_type)?;
    let programs = Programs::default();
    let mut comparison = Comparison::new(expression, &programs);
    while more {
        for descriptor in &block.frames {
            comparison.on_frame(&block.frame(descriptor))?;
        }
        more = fill(&mut reader, &mut block, &mut damage);
    }
    verdict(&comparison)?;
    damage.map_or(Ok(()), |damage: crate::source::SourceError| Err(damage.into()))
}

/// The next frames; damage ends the file, and is told after what stood before it.
fn fill(reader: &mut Reader, block: &mut Block, damage: &mut Option<crate::source::SourceError>) -> bool {
    reader.fill(block).unwrap_or_else(|error| {
        *damage = Some(error);
        false
    })
}

fn verdict(comparison: &Comparison<'_>) -> anyhow::Result<()> {
    let Comparison { libpcap_matched, translated_matched, frames, disagreements, .. } = comparison;
    write_stdout(&format!(
        "\nlibpcap {libpcap_matched} of {frames}\ntranslated {translated_matched} of {frames}\n"
    ))?;
    if *disagreements == 0 {
        return Ok(());
    }
    Err(Failure::run("filter")
        .because(format!("libpcap and the translation differ on {disagreements} frames"))
        .hint("please report this with the expression and the file")
        .into())
}

/// A link type by libpcap's name for it (`EN10MB`) or by its number.
fn link_type(text: &str) -> Result<LinkType, Failure> {
    if let Ok(number) = text.parse() {
        return Ok(LinkType(number));
    }
    filter::link_type_by_name(text).ok_or_else(|| {
        Failure::usage(format!("--link-type {text}")).because("no such link type").hint(
            "give a name of pcap-linktype(7) without DLT_, such as EN10MB, LINUX_SLL or RAW, or a number",
        )
    })
}
