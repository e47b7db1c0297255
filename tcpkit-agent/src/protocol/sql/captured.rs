//! Captured conversations for tests: each TCP flow of a file, in the order of capture.

use std::{collections::BTreeMap, path::Path};

use crate::{
    protocol::{Carrier, Exchange, Party, Piece, Protocol, open},
    time::Timestamp,
};

/// Every exchange of every connection to this port, as told by dialogues, and what they counted: one line each. Of each
/// frame's payload at most `keep` octets are shown to them; the first `skip` pieces of a connection are not.
pub(in crate::protocol) fn lines(
    protocol: Protocol,
    port: u16,
    file: &str,
    keep: usize,
    skip: usize,
) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures").join(file);
    let octets = std::fs::read(&path).expect("a capture file");
    let mut flows: BTreeMap<u16, Vec<(Party, Timestamp, Vec<u8>)>> = BTreeMap::new();
    let mut rest = &octets[24..];
    while let Some((header, after)) = rest.split_first_chunk::<16>() {
        let word = |place: usize| u32::from_le_bytes(header[place..place + 4].try_into().unwrap());
        let at = i64::from(word(0)) * 1_000_000_000 + i64::from(word(4)) * 1_000;
        let (frame, after) = after.split_at(word(8) as usize);
        rest = after;
        let ip = &frame[14..];
        let tcp = &ip[usize::from(ip[0] & 15) * 4..usize::from(u16::from_be_bytes([ip[2], ip[3]]))];
        let (from, to) = (u16::from_be_bytes([tcp[0], tcp[1]]), u16::from_be_bytes([tcp[2], tcp[3]]));
        let payload = tcp[usize::from(tcp[12] >> 4) * 4..].to_vec();
        let (party, client) = if from == port { (Party::Server, to) } else { (Party::Client, from) };
        if !payload.is_empty() && (from == port || to == port) {
            flows.entry(client).or_default().push((party, Timestamp(at), payload));
        }
    }
    flows.values().flat_map(|flow| told(protocol, flow.get(skip..).unwrap_or_default(), keep)).collect()
}

/// Whether a capture tells what a file beside the sources says; `UPDATE_EXPECT=1` writes that anew.
pub(in crate::protocol) fn expect_lines(told: &[String], file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol").join(file);
    let actual = told.join("\n") + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{} differs; UPDATE_EXPECT=1 writes it anew:\n{actual}", path.display());
}

/// What each request was and how long it and its answer are, in any order and without what the answers said.
pub(in crate::protocol) fn requests(told: &[String]) -> Vec<&str> {
    let mut requests: Vec<_> = told.iter().filter_map(|line| Some(line.split_once(" | ")?.1)).collect();
    requests.sort_unstable();
    requests
}

fn told(protocol: Protocol, flow: &[(Party, Timestamp, Vec<u8>)], keep: usize) -> Vec<String> {
    let mut dialogue = open(protocol, Carrier::Stream).unwrap();
    let mut out = Vec::new();
    let mut offsets = [0_u64; 2];
    for (party, at, payload) in flow {
        let len = u32::try_from(payload.len()).unwrap();
        let piece = Piece {
            offset: offsets[*party as usize],
            at: *at,
            len,
            bytes: &payload[..keep.min(payload.len())],
        };
        dialogue.on_piece(*party, &piece, &mut out);
        offsets[*party as usize] += u64::from(len);
    }
    dialogue.on_over(false, &mut out);
    let counts = dialogue.counts();
    out.iter().map(line).chain([format!("{counts:?}").replace("DialogueCounts ", "")]).collect()
}

fn line(exchange: &Exchange) -> String {
    let Exchange { request, response, status, is_error, outcome } = exchange;
    format!(
        "{} [{}] {:?} {}{} | {} > {}",
        request.command.to_str(),
        String::from_utf8_lossy(request.key()),
        outcome,
        status.to_str(),
        if *is_error { " error" } else { "" },
        String::from_utf8_lossy(request.label()),
        response.map_or_else(String::new, |response| format!("{}+{}", request.extent.len, response.len)),
    )
}
