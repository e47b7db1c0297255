//! One client after the other: its line, our answer.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    super::http::{ReportSource, limits},
    Answer, LINE_BYTES, PATIENCE, Request,
};

/// Serves until `stopped` changes.
pub(super) async fn run(
    listener: UnixListener,
    reports: ReportSource,
    answer: Answer,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        match accepted {
            Ok((stream, _)) => tokio::select! {
                () = client(stream, &reports, &answer) => {}
                _ = stopped.changed() => return,
            },
            // Out of file descriptors, or a client that was gone before we looked: both pass.
            Err(error) => {
                tracing::debug!(%error, "cannot accept a client");
                sleep(limits::ACCEPT_RETRY).await;
            }
        }
    }
}

/// What a client did wrong is its own business: it gets no answer.
async fn client(mut stream: UnixStream, reports: &ReportSource, answer: &Answer) {
    let Ok(Some(request)) = timeout(PATIENCE, read(&mut stream)).await else { return };
    match reports.report().await {
        Ok(report) => {
            let text = answer(request, &report);
            let _gone_already = timeout(PATIENCE, stream.write_all(text.as_bytes())).await;
        }
        Err(error) => tracing::debug!(%error, "a client goes without an answer"),
    }
}

/// The client's line; `None` for one that is too long, or from a client that is gone.
async fn read(stream: &mut UnixStream) -> Option<Request> {
    let mut line = Vec::new();
    let mut chunk = [0; 256];
    loop {
        let len = stream.read(&mut chunk).await.ok()?;
        line.extend_from_slice(chunk.get(..len)?);
        if len == 0 || line.contains(&b'\n') {
            return Some(Request::of_line(&line));
        }
        if line.len() > LINE_BYTES {
            return None;
        }
    }
}
