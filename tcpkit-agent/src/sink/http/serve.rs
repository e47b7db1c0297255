//! Connections: taken while there is room, ended when they cost too much.

use std::{pin::pin, sync::Arc};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use super::{
    bare::{self, Bare},
    limits,
};

/// Serves until `stopped` changes, then gives answers under way [`limits::GRACE`].
pub(super) async fn run(listener: TcpListener, app: Router, bare: Bare, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => admit(stream, &room, (&app, &bare), &stopped),
            // Out of file descriptors or memory, or a client that was gone before we looked: all pass.
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                sleep(limits::ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    let everyone = u32::try_from(limits::CONNECTIONS).unwrap_or(u32::MAX);
    let _rest_is_cut = timeout(limits::GRACE, room.acquire_many(everyone)).await;
}

fn admit(
    stream: TcpStream,
    room: &Arc<Semaphore>,
    (app, bare): (&Router, &Bare),
    stopped: &watch::Receiver<bool>,
) {
    match Arc::clone(room).try_acquire_owned() {
        Ok(place) => {
            tokio::spawn(connection(stream, app.clone(), bare.clone(), stopped.clone(), place));
        }
        Err(_) => refuse(&stream),
    }
}

/// What fits into the socket's empty buffer is sent; we wait for nobody who is not admitted.
fn refuse(stream: &TcpStream) {
    let _gone_already = stream.try_write(FULL);
}

async fn connection(
    stream: TcpStream,
    app: Router,
    bare: Bare,
    mut stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let _slower_at_worst = stream.set_nodelay(true);
    tokio::select! {
        is_silent = bare::is_silent(&stream) => if is_silent { return bare::answer(stream, bare).await },
        _ = stopped.changed() => return,
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::READ_TIMEOUT)
        .max_header_size(limits::HEADER_BYTES)
        .max_buf_size(limits::HEADER_BYTES)
        .max_headers(limits::HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return note(ended),
        () = sleep(limits::LIFETIME) => {}
        _ = stopped.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = timeout(limits::GRACE, connection).await {
        note(ended);
    }
}

/// What a client did wrong is its own business.
fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::trace!(%error, "connection ended early");
    }
}

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 33\r\n\
                      retry-after: 1\r\nconnection: close\r\n\r\n{\"error\":\"too many connections\"}\n";
