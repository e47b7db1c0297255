//! What a client of the Unix socket begins with: a request of HTTP, or a line of tcpeek's.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::UnixStream,
    time::{Instant, timeout, timeout_at},
};

use super::{
    super::socket::{LINE_BYTES, PATIENCE, Request},
    limits,
    source::ReportSource,
};
use crate::report::Report;

/// Makes the answer to a line of tcpeek's.
pub type LineAnswer = Arc<dyn Fn(Request, &Report) -> String + Send + Sync>;

/// What a client begins with.
pub(super) enum First {
    /// A request of HTTP, of which these octets were read.
    Http(Vec<u8>),
    /// A line of tcpeek's; nothing at all counts as one.
    Line(Request),
    /// A line without an end, or one that is too long.
    Nothing,
}

/// Reads as much as tells.
pub(super) async fn first(stream: &mut UnixStream) -> First {
    let deadline = Instant::now() + PATIENCE.max(limits::SILENCE);
    let mut read = Vec::new();
    let mut chunk = [0; 256];
    loop {
        let len = match timeout_at(deadline, stream.read(&mut chunk)).await {
            Ok(Ok(len)) => len,
            Ok(Err(_)) => return First::Nothing,
            Err(_) if read.is_empty() => return First::Line(Request::Get),
            Err(_) => return First::Nothing,
        };
        read.extend_from_slice(&chunk[..len]);
        if let Some(end) = read.iter().position(|octet| *octet == b'\n') {
            let is_http = read[..end].trim_ascii_end().windows(7).any(|word| word == b" HTTP/1");
            return if is_http { First::Http(read) } else { First::Line(Request::of_line(&read)) };
        }
        if len == 0 {
            return First::Line(Request::of_line(&read));
        }
        if read.len() > LINE_BYTES {
            return if looks_like_http(&read) { First::Http(read) } else { First::Nothing };
        }
    }
}

/// A request whose path is long: HTTP has a limit of its own for that.
fn looks_like_http(read: &[u8]) -> bool {
    [&b"GET /"[..], b"HEAD /", b"POST /", b"PUT /", b"DELETE /", b"OPTIONS /"]
        .iter()
        .any(|begin| read.starts_with(begin))
}

/// Answers a line of tcpeek's and closes.
pub(super) async fn answer(
    mut stream: UnixStream,
    request: Request,
    reports: &ReportSource,
    answer: &LineAnswer,
) {
    match reports.report().await {
        Ok(report) => {
            let text = answer(request, &report);
            let _gone_already = timeout(PATIENCE, stream.write_all(text.as_bytes())).await;
        }
        Err(error) => tracing::debug!(%error, "a client goes without an answer"),
    }
}

/// A stream whose first octets were read already.
pub(super) struct Begun<S> {
    read: Vec<u8>,
    given: usize,
    stream: S,
}

impl<S> Begun<S> {
    /// These octets, and then the stream's.
    pub(super) const fn new(read: Vec<u8>, stream: S) -> Self {
        Self { read, given: 0, stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { read, given, stream } = &mut *self;
        let rest = &read[*given..];
        if rest.is_empty() {
            return Pin::new(stream).poll_read(context, into);
        }
        let len = rest.len().min(into.remaining());
        into.put_slice(&rest[..len]);
        *given += len;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
