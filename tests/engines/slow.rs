//! Clients that take their time: each is let go after a limit that has a name.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use hagaki::{limits, web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::browser::Served;

/// Sends the head and then a byte a second until the server ends the connection; what it said, and how long that took.
async fn dribble(pages: &Served, head: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(pages.address()).await.unwrap();
    let begun = Instant::now();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = stream.split();
    let mut said = Vec::new();
    let sending = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if to.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let ended = async {
        // A reset is an end as well.
        let _ = from.read_to_end(&mut said).await;
    };
    tokio::select! {
        () = sending => {}
        () = ended => {}
        () = tokio::time::sleep(Duration::from_secs(3 * limits::PAGE_SECONDS)) => panic!("still open: {head}"),
    }
    (String::from_utf8_lossy(&said).into_owned(), begun.elapsed())
}

#[tokio::test]
async fn a_client_that_sends_a_byte_a_second_is_let_go() {
    let read = async |body: String| body;
    let pages = Served::start(Router::new().route("/take", post(read))).await;
    let (slow_head, slow_body) = tokio::join!(
        dribble(&pages, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
        dribble(&pages, "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n"),
    );
    let spare = Duration::from_secs(5);
    assert!(slow_head.1 < Duration::from_secs(limits::HEADER_SECONDS) + spare, "{slow_head:?}");
    assert!(slow_body.0.starts_with("HTTP/1.1 503"), "{slow_body:?}");
    assert!(slow_body.1 < Duration::from_secs(limits::PAGE_SECONDS) + spare, "{slow_body:?}");
    // Others were not kept waiting.
    let begun = Instant::now();
    assert_eq!(pages.get("/").await.status, 404);
    assert!(begun.elapsed() < spare);
}

#[tokio::test]
async fn a_client_that_reads_nothing_keeps_nobody_waiting() {
    const LARGE: usize = 64 * 1024 * 1024;
    let large = async || vec![b'x'; LARGE];
    let pages = Router::new().route("/large", get(large)).route("/small", get(async || "small"));
    let listener = web::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(web::serve(listener, pages, stopped));
    let ask = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let mut lazy = ask("/large").await;
    let mut first = [0; 12];
    lazy.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // Others are answered meanwhile.
    let mut said = String::new();
    ask("/small").await.read_to_string(&mut said).await.unwrap();
    assert!(said.ends_with("small"), "{said}");
    // Nor does it keep the daemon from stopping: it is cut, with most of the answer unsent.
    let begun = Instant::now();
    stop.send(true).unwrap();
    let most = Duration::from_secs(limits::PAGE_SECONDS + 5);
    tokio::time::timeout(most, serving).await.expect("it stops in time").unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(limits::PAGE_SECONDS), "{:?}", begun.elapsed());
    let mut rest = Vec::new();
    let _ = lazy.read_to_end(&mut rest).await;
    assert!(rest.len() < LARGE / 2, "{}", rest.len());
}
