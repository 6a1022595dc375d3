//! Connections of browsers: how many there are, how long each may take to ask, and how long it may stay.
//!
//! Whoever sends one byte a second, or takes one of an answer, is let go after a time, and meanwhile keeps one of many places.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::guard;
use crate::limits;

/// Serves until `stop` turns true, then lets running requests finish. What a client does wrong ends its own connection alone.
pub async fn serve(listener: TcpListener, pages: Router, mut stop: watch::Receiver<bool>) {
    let pages = guard::guarded(pages);
    let room = Arc::new(Semaphore::new(limits::WEB_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            // An error means that the sender is gone, which is a stop too.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (pages, stop) = (pages.clone(), stop.clone());
                connections.spawn(async move {
                    talk(stream, peer, pages, stop).await;
                    drop(place);
                });
            }
            // A client that is gone already, or no file descriptors: another try a little later helps in both.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(limits::ACCEPT_PAUSE_MILLISECONDS)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Answers what comes over one connection, until it is over or its time is.
async fn talk(stream: TcpStream, peer: SocketAddr, pages: Router, mut stop: watch::Receiver<bool>) {
    let pages = TowerToHyperService::new(pages);
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        pages.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(limits::HEADER_SECONDS));
    http.max_buf_size(limits::HEADER_BLOCK_BYTES);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), answer));
    let longest = tokio::time::sleep(Duration::from_secs(limits::CONNECTION_SECONDS));
    tokio::select! {
        ended = connection.as_mut() => return tell(ended),
        () = longest => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    // What is being answered may take its time, and no more: a client that reads nothing would stay for ever.
    match tokio::time::timeout(Duration::from_secs(limits::PAGE_SECONDS), connection).await {
        Ok(ended) => tell(ended),
        Err(_) => tracing::debug!("a connection was cut: its client read nothing"),
    }
}

/// How a connection ended is its client's affair.
fn tell(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
