//! Connections: taken while there is room, ended when they cost too much.

use std::{pin::pin, sync::Arc};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use super::{
    bare::{self, Bare},
    first::{self, Begun, First, LineAnswer},
    life::Life,
    limits,
};

/// Where clients come from.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A client that has come.
enum Client {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What clients are answered by; clones share it.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) app: Router,
    pub(super) bare: Bare,
    pub(super) lines: LineAnswer,
    pub(super) stopped: watch::Receiver<bool>,
}

/// Serves until `stopped` changes, then gives answers under way [`limits::GRACE`].
pub(super) async fn run(listener: Listener, service: Service) {
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let mut stopped = service.stopped.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok(client) => admit(client, &room, &service),
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

impl Listener {
    async fn accept(&self) -> std::io::Result<Client> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Client::Tcp(stream)),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Client::Unix(stream)),
        }
    }
}

fn admit(client: Client, room: &Arc<Semaphore>, service: &Service) {
    match Arc::clone(room).try_acquire_owned() {
        Ok(place) => {
            tokio::spawn(answer(client, service.clone(), place));
        }
        Err(_) => client.refuse(),
    }
}

impl Client {
    /// What fits into the socket's empty buffer is sent; we wait for nobody who is not admitted.
    fn refuse(&self) {
        let _gone_already = match self {
            Self::Tcp(stream) => stream.try_write(FULL),
            Self::Unix(stream) => stream.try_write(FULL),
        };
    }
}

async fn answer(client: Client, service: Service, _place: OwnedSemaphorePermit) {
    let mut stopped = service.stopped.clone();
    match client {
        Client::Tcp(stream) => {
            let _slower_at_worst = stream.set_nodelay(true);
            tokio::select! {
                is_silent = bare::is_silent(&stream) => {
                    if is_silent {
                        return bare::answer(stream, service.bare).await;
                    }
                }
                _ = stopped.changed() => return,
            }
            connection(stream, service).await;
        }
        Client::Unix(mut stream) => {
            let begun = tokio::select! {
                first = first::first(&mut stream) => match first {
                    First::Http(read) => Begun::new(read, stream),
                    First::Line(request) => {
                        return first::answer(stream, request, &service.bare.reports, &service.lines).await;
                    }
                    First::Nothing => return,
                },
                _ = stopped.changed() => return,
            };
            connection(begun, service).await;
        }
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: Service) {
    let Service { app, mut stopped, .. } = service;
    let (life, app) = (Life::new(), TowerToHyperService::new(app));
    let told = life.clone();
    let app = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(told.clone());
        hyper::service::Service::call(&app, request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::READ_TIMEOUT)
        .max_header_size(limits::HEADER_BYTES)
        .max_buf_size(limits::HEADER_BYTES)
        .max_headers(limits::HEADERS)
        .serve_connection(TokioIo::new(stream), app);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return note(ended),
        () = life.end() => {}
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

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
content-length: 98\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"too many connections\"}\n";
