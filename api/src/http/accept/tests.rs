//! Connections that dawdle, and a server that is told to stop.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, pause};

use super::{Connection, converse, serve};
use crate::config::Config;
use crate::http::router;
use crate::http::tests::site;

const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: server\r\n\r\n";

/// The other end of a connection that has five seconds for each head, and what stops its server.
fn connect() -> (DuplexStream, tokio::sync::watch::Sender<bool>) {
    let (site, stop) = site(Config::demo());
    let stopping = site.stopping.clone();
    let (ours, theirs) = duplex(64 * 1024);
    tokio::spawn(converse(theirs, Connection::alone(), router(site), Duration::from_secs(5), stopping));
    (ours, stop)
}

async fn read_answer(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = vec![0; 4_096];
    let length = stream.read(&mut bytes).await.unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

async fn seconds_until_cut(stream: &mut DuplexStream) -> u64 {
    let start = Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    (Instant::now() - start).as_secs()
}

#[tokio::test]
async fn a_connection_without_a_request_is_cut() {
    pause();
    let (mut stream, _stop) = connect();
    assert_eq!(seconds_until_cut(&mut stream).await, 5);
}

#[tokio::test]
async fn half_a_head_is_cut() {
    pause();
    let (mut stream, _stop) = connect();
    stream.write_all(&LIVE[..20]).await.unwrap();
    assert_eq!(seconds_until_cut(&mut stream).await, 5);
}

#[tokio::test]
async fn a_connection_idle_after_its_answer_is_cut() {
    pause();
    let (mut stream, _stop) = connect();
    stream.write_all(LIVE).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(seconds_until_cut(&mut stream).await, 5);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    pause();
    let (mut stream, _stop) = connect();
    let head = "POST /graphql HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
}

#[tokio::test]
async fn a_server_that_stops_answers_what_is_under_way_and_takes_no_more() {
    let (site, _stop) = site(Config::demo());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shut, told) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(site.app, site.schema, listener, async {
        let _ = told.await;
    }));

    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(LIVE).await.unwrap();
    assert!(read_answer(&mut idle).await.starts_with("HTTP/1.1 200 OK\r\n"));

    let body = r#"{"query":"{ hello }"}"#;
    let mut busy = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: server\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    busy.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body: it has begun to work on this request.
    assert_eq!(read_answer(&mut busy).await, "HTTP/1.1 100 Continue\r\n\r\n");

    shut.send(()).unwrap();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
    busy.write_all(body.as_bytes()).await.unwrap();
    assert!(read_answer(&mut busy).await.ends_with(r#"{"data":{"hello":"world"}}"#));
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_free_place() {
    let mut config = Config::demo();
    config.limits.connections = 1;
    let (site, _stop) = site(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(site.app, site.schema, listener, std::future::pending()));

    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(LIVE).await.unwrap();
    read_answer(&mut first).await;
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(LIVE).await.unwrap();
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(50), second.read(&mut byte)).await;
    assert!(early.is_err());
    drop(first);
    assert!(read_answer(&mut second).await.starts_with("HTTP/1.1 200 OK\r\n"));
}
