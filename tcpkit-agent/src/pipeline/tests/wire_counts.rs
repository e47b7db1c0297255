//! What a captured frame stood for on the wire.

use super::{observe, scenario::*};
use crate::{
    pipeline::EngineSettings,
    report::{DirectionRecord, Report},
};

fn server_of(story: Scenario) -> (DirectionRecord, Report) {
    let observed = observe(&story.frames(), &EngineSettings::replay(1));
    (observed.records[0].server.clone(), observed.report)
}

#[test]
fn a_super_segment_counts_as_many_segments_as_went_over_the_wire() {
    let (server, report) = server_of(scenario().handshake().bulk(14_500, 1448));
    assert_eq!((server.frames, server.segments, server.payload_bytes), (2, 12, 14_500));
    let bytes = u64::from(HEADERS) + 12 + 14_500 + 11 * u64::from(HEADERS);
    assert_eq!(server.bytes, bytes);
    let sizes: Vec<u64> = report.bandwidth.packet_sizes.iter().map(|bucket| bucket.packets).collect();
    assert_eq!(sizes, [4, 0, 0, 0, 0, 10, 0][..], "three of the handshake, ten full ones and a rest of 20");
}

#[test]
fn where_the_size_of_segments_is_lost_the_effective_mss_stands_for_it() {
    let (server, _) = server_of(scenario().handshake().bulk(14_601, 0));
    assert_eq!((server.frames, server.segments), (2, 12));
    let (unknown, _) = server_of(scenario().client(ACK, 1, 1, 0).bulk(14_601, 0));
    assert_eq!((unknown.frames, unknown.segments), (1, 1), "nothing was announced");
}

#[test]
fn a_full_segment_is_one() {
    let (server, _) = server_of(scenario().handshake().bulk(1460, 0));
    assert_eq!((server.frames, server.segments), (2, 2));
    let (marked, _) = server_of(scenario().handshake().bulk(1448, 1448));
    assert_eq!((marked.frames, marked.segments), (2, 2));
}

#[test]
fn a_cut_frame_counts_by_its_headers() {
    let (server, report) = server_of(scenario().handshake().server(ACK, 1, 1, 1000).cut(64));
    assert_eq!(server.payload_bytes, 1000);
    assert_eq!(report.ledger.total.notes["truncated"], 1);
    assert_eq!(report.ledger.total.analyzed, 4);
}
