//! Clients that ask by connecting alone, as git-hulk/tcpkit's stats port was asked: `nc 127.0.0.1 33333`.
//!
//! Whoever sends an octet within [`limits::SILENCE`] speaks HTTP; whoever sends nothing, or closes its side at once, gets
//! the statistics and the end of the connection.

use std::sync::Arc;

use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{limits, source::ReportSource};
use crate::report::Report;

/// Makes the statistics from the report as things stand, by what stands behind the `?` of `/stats`; `None` where that
/// names a version that there is not.
pub type StatsAnswer = Arc<dyn Fn(&str, &Report) -> Option<String> + Send + Sync>;

/// What a client without a word is answered from.
#[derive(Clone)]
pub(super) struct Bare {
    pub(super) reports: ReportSource,
    pub(super) statistics: StatsAnswer,
}

/// Waits for the client's first octet; true when none comes.
pub(super) async fn is_silent(stream: &TcpStream) -> bool {
    let heard = timeout(limits::SILENCE, stream.peek(&mut [0])).await;
    !matches!(heard, Ok(Ok(1..)))
}

/// Answers and closes; without a report there is nothing to say.
pub(super) async fn answer(mut stream: TcpStream, bare: Bare) {
    let Ok(report) = bare.reports.report().await else { return };
    let Some(text) = (bare.statistics)("", &report) else { return };
    drop(report);
    let write = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    };
    tokio::select! {
        _gone_already = write => {}
        () = sleep(limits::READ_TIMEOUT) => {}
    }
}
