//! The kernel's own counts in the place of those of the frames that reached the analysis.
//!
//! They are the same as long as nothing is lost on the way. Where frames are lost, what a connection carried is still
//! right; what only the frames tell (payload, round trips, what was sent again) rests on those that came.

use std::net::SocketAddr;

use super::{DirectionRow, FlowListing, FlowQuery, FlowRow, Rank};
use crate::{
    report::{ExactFlow, ExactFlowCounts},
    time::{Span, Timestamp},
};

impl FlowListing {
    /// Takes the kernel's counts for the rows and their sums, and puts the rows in order again.
    pub fn overlay(&mut self, exact: &ExactFlowCounts, query: &FlowQuery) {
        for row in &mut self.flows {
            let rates =
                |row: &FlowRow| [&row.client, &row.server].map(|one| one.bytes_per_second.unwrap_or(0.0));
            let before = rates(row);
            row.overlay(exact);
            for ((sum, now), before) in self.bytes_per_second.iter_mut().zip(rates(row)).zip(before) {
                *sum = (*sum + now - before).max(0.0);
            }
        }
        self.flows.sort_by_cached_key(|row| Rank::new(row.value(query.order), row.tuple(), query.descending));
    }
}

impl FlowRow {
    /// Takes the kernel's counts, where it has some.
    pub fn overlay(&mut self, exact: &ExactFlowCounts) {
        let client = SocketAddr::new(self.client_ip, self.client_port);
        let server = SocketAddr::new(self.server_ip, self.server_port);
        let Some(traffic) = exact.get(client, server) else { return };
        let start = Timestamp(self.start_us.saturating_mul(1_000));
        self.client.overlay(traffic.client, start);
        self.server.overlay(traffic.server, start);
    }
}

impl DirectionRow {
    /// The kernel knows a flow by its ends alone: what it counted before this connection began is not this one's. What
    /// gave way in its table is less than what was analysed.
    fn overlay(&mut self, exact: Option<ExactFlow>, start: Timestamp) {
        let Some(exact) = exact else { return };
        self.bytes_per_second = Some(exact.rate.bytes);
        if exact.count.bytes >= self.bytes && start.since(exact.first) < SAME {
            self.frames = exact.count.frames;
            self.segments = exact.count.packets;
            self.bytes = exact.count.bytes;
        }
    }
}

/// Times of the kernel and of the frames are the same but for what they are rounded to.
const SAME: Span = Span::from_millis(1);

#[cfg(test)]
mod tests {
    use tcpkit_common::{flow::FourTuple, record::Hook};

    use super::*;
    use crate::{
        report::{Count, ExactOther, ExactRate, StallRecord, flows::FlowState},
        wire::InterfaceId,
    };

    fn row(port: u16) -> FlowRow {
        FlowRow {
            client_ip: "10.0.0.1".parse().unwrap(),
            client_port: port,
            server_ip: "10.0.0.2".parse().unwrap(),
            server_port: 443,
            interface: None,
            state: FlowState::Established,
            midstream: false,
            start_us: 5_000_000,
            end_us: 6_000_000,
            idle_us: 0.0,
            handshake_us: None,
            client: DirectionRow { bytes: 1_000, bytes_per_second: Some(10.0), ..DirectionRow::default() },
            server: DirectionRow { bytes: 2_000, bytes_per_second: Some(20.0), ..DirectionRow::default() },
            stalls: StallRecord::default(),
        }
    }

    fn exact(tuple: FourTuple, bytes: u64, rate: f64, first_us: i64) -> ExactFlow {
        ExactFlow {
            protocol: 6,
            tuple,
            interface: InterfaceId(0),
            hook: Hook::TcIngress,
            count: Count { frames: 7, packets: 9, bytes },
            rate: ExactRate { frames: 1.0, packets: 1.0, bytes: rate },
            first: Timestamp(first_us * 1_000),
            last: Timestamp(6_000_000_000),
        }
    }

    #[test]
    fn the_kernel_s_counts_stand_where_frames_were_lost() {
        let (lossy, reused, evicted) = (row(1), row(2), row(3));
        let counts = ExactFlowCounts::new(
            vec![
                exact(lossy.tuple(), 50_000, 500.0, 5_000_000),
                exact(reused.tuple(), 70_000, 700.0, 1_000_000),
                exact(evicted.tuple(), 10, 1.0, 5_000_000),
            ],
            Timestamp(6_000_000_000),
            ExactOther::default(),
        );
        let mut listing = FlowListing {
            flows: vec![lossy, reused, evicted, row(4)],
            bytes_per_second: [40.0, 80.0],
            ..FlowListing::default()
        };
        listing.overlay(&counts, &FlowQuery::default());
        let figures = |row: &FlowRow| {
            (
                row.client_port,
                row.client.bytes,
                row.client.segments,
                row.client.bytes_per_second,
                row.server.bytes,
            )
        };
        let figures: Vec<_> = listing.flows.iter().map(figures).collect();
        assert_eq!(
            figures,
            [
                (2, 1_000, 0, Some(700.0), 2_000),
                (1, 50_000, 9, Some(500.0), 2_000),
                (4, 1_000, 0, Some(10.0), 2_000),
                (3, 1_000, 0, Some(1.0), 2_000),
            ],
            "an older connection's bytes are not this one's, and order follows the rates"
        );
        assert_eq!(listing.bytes_per_second, [1_211.0, 80.0]);
    }
}
