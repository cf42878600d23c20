//! Slow connections, connections over the maximum, and a stopping server.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, pause, timeout};

use super::{Connection, serve, serve_connection};
use crate::config::Config;
use crate::http::router;
use crate::http::tests::{bearer, site};

mod reading;

/// Longer than any step takes on a busy machine.
const GENEROUS: Duration = Duration::from_secs(60);

const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: server\r\n\r\n";

/// The client end of a connection that has five seconds for each head, and the switch that stops its server.
fn connect() -> (DuplexStream, tokio::sync::watch::Sender<bool>) {
    let (site, stop) = site(Config::demo());
    let stopping = site.stopping.clone();
    let (ours, theirs) = duplex(64 * 1024);
    tokio::spawn(serve_connection(
        theirs,
        Connection::alone(),
        router(site),
        Duration::from_secs(5),
        stopping,
    ));
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
async fn a_connection_without_a_request_is_closed() {
    pause();
    let (mut stream, _stop) = connect();
    assert_eq!(seconds_until_cut(&mut stream).await, 5);
}

#[tokio::test]
async fn a_connection_with_half_a_head_is_closed() {
    pause();
    let (mut stream, _stop) = connect();
    stream.write_all(&LIVE[..20]).await.unwrap();
    assert_eq!(seconds_until_cut(&mut stream).await, 5);
}

#[tokio::test]
async fn a_connection_idle_after_its_response_is_closed() {
    pause();
    let (mut stream, _stop) = connect();
    stream.write_all(LIVE).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(seconds_until_cut(&mut stream).await, 5);
}

#[tokio::test]
async fn a_missing_body_is_408() {
    pause();
    let (mut stream, _stop) = connect();
    let head = "POST /graphql HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
}

#[tokio::test]
async fn a_stopping_server_completes_running_requests_and_accepts_no_more() {
    let (site, _stop) = site(Config::demo());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shut, told) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(site.app, site.schema, None, listener, async {
        let _ = told.await;
    }));

    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(LIVE).await.unwrap();
    assert!(read_answer(&mut idle).await.starts_with("HTTP/1.1 200 OK\r\n"));

    let body = r#"{"query":"{ hello }"}"#;
    let mut busy = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: server\r\nauthorization: {}\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        bearer(),
        body.len()
    );
    busy.write_all(head.as_bytes()).await.unwrap();
    // The server requests the body, so it has started to work on this request.
    assert_eq!(read_answer(&mut busy).await, "HTTP/1.1 100 Continue\r\n\r\n");

    shut.send(()).unwrap();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
    busy.write_all(body.as_bytes()).await.unwrap();
    assert!(read_answer(&mut busy).await.contains(HELLO_WORLD));
    serving.await.unwrap().unwrap();
}

/// The address of a server with these settings.
async fn server(change: impl FnOnce(&mut Config)) -> SocketAddr {
    let mut config = Config::demo();
    change(&mut config);
    let (site, _stop) = site(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(site.app, site.schema, None, listener, std::future::pending()));
    address
}

/// The whole response to these bytes, up to the end of the connection.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A connection that has been served once and remains open.
async fn keep(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(LIVE).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    stream
}

/// A request for `__typename`, the only one of its connection.
const NAME: &[u8] =
    b"GET /graphql?query=%7B__typename%7D HTTP/1.1\r\nhost: server\r\nconnection: close\r\n\r\n";
const NAMED: &str = r#"{"data":{"__typename":"Query"},"#;
const HELLO_WORLD: &str = r#"{"data":{"hello":"world"},"#;

#[tokio::test]
async fn a_connection_over_the_maximum_gets_503_and_health_is_served() {
    let address = server(|config| config.limits.connections = 2).await;
    let (_first, second) = (keep(address).await, keep(address).await);
    let refused = exchange(address, NAME).await;
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    assert!(refused.contains("\r\nretry-after: 2\r\n") && refused.contains("\r\nconnection: close\r\n"));
    assert!(refused.contains("The server has 2 open connections (limits.connections)."), "{refused}");
    assert!(refused.contains(r#""code":"UNAVAILABLE""#), "{refused}");
    let live = exchange(address, LIVE).await;
    assert!(live.starts_with("HTTP/1.1 200 OK\r\n") && live.ends_with(r#"{"status":"live"}"#), "{live}");

    // The server notices the end of a connection when it reads from it. Until then it is full.
    drop(second);
    let served = async { while !exchange(address, NAME).await.contains(NAMED) {} };
    timeout(GENEROUS, served).await.unwrap();
}

#[tokio::test]
async fn an_address_over_its_limit_gets_503_and_health_is_served() {
    let change = |config: &mut Config| {
        config.limits.connections_per_address = 1;
        config.limits.trusted_proxies = Vec::new();
    };
    let address = server(change).await;
    let _kept = keep(address).await;
    let refused = exchange(address, NAME).await;
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    assert!(refused.contains("(limits.connections_per_address)"), "{refused}");
    assert!(exchange(address, LIVE).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_client_behind_a_proxy_over_its_limit_gets_503() {
    let address = server(|config| config.limits.connections_per_address = 1).await;
    let from = |query: &str, client: &str| {
        let bearer = bearer();
        let rest =
            format!("authorization: {bearer}\r\nx-forwarded-for: {client}\r\nconnection: close\r\n\r\n");
        format!("GET /graphql?query=%7B{query}%7D HTTP/1.1\r\nhost: server\r\n{rest}")
    };
    let mut parked = TcpStream::connect(address).await.unwrap();
    parked.write_all(from("never", "198.51.100.1").as_bytes()).await.unwrap();
    // The incomplete request is in progress once another request of its client is refused.
    let refused = timeout(GENEROUS, async {
        loop {
            let answer = exchange(address, from("hello", "198.51.100.1").as_bytes()).await;
            if answer.starts_with("HTTP/1.1 503") {
                return answer;
            }
        }
    });
    assert!(refused.await.unwrap().contains("(limits.connections_per_address)"));
    let other = exchange(address, from("hello", "198.51.100.2").as_bytes()).await;
    assert!(other.contains(HELLO_WORLD), "{other}");
    assert!(exchange(address, NAME).await.contains(NAMED));
}
