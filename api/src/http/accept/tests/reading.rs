//! Clients that send more than the server reads, and clients that do not read their responses.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, pause, timeout};

use super::super::{Connection, SendDeadline, serve_connection};
use super::{GENEROUS, server};
use crate::config::{Config, Limits};
use crate::http::router;
use crate::http::tests::{bearer, site};

/// A request for an answer of a million bytes.
fn long() -> Vec<u8> {
    let head = "GET /graphql?query=%7Btext(bytes:1000000)%7D HTTP/1.1\r\nhost: server";
    format!("{head}\r\nauthorization: {}\r\n\r\n", bearer()).into_bytes()
}

/// Connections whose clients have requested the long answer over a pipe of 1,000 bytes, and the tasks that
/// serve them.
async fn ask(clients: usize) -> (Vec<(DuplexStream, JoinHandle<()>)>, watch::Sender<bool>) {
    let mut config = Config::demo();
    // One caller may not hold so many unread answers. Here only the time limit must apply.
    config.limits.answer_bytes_in_flight = usize::MAX;
    let (site, stop) = site(config);
    let (stopping, router) = (site.stopping.clone(), router(site));
    let mut asked = Vec::new();
    for _ in 0..clients {
        let (mut ours, theirs) = duplex(1_000);
        let theirs = SendDeadline::new(theirs, &Limits::default());
        let header = Duration::from_secs(10);
        let serving = serve_connection(theirs, Connection::alone(), router.clone(), header, stopping.clone());
        let serving = tokio::spawn(serving);
        ours.write_all(&long()).await.unwrap();
        asked.push((ours, serving));
    }
    (asked, stop)
}

#[tokio::test]
async fn sixty_clients_that_do_not_read_are_closed_after_ten_seconds() {
    pause();
    let start = Instant::now();
    let mut kept = Vec::new();
    let (asked, _stop) = ask(60).await;
    for (client, serving) in asked {
        serving.await.unwrap();
        kept.push(client);
    }
    assert_eq!((Instant::now() - start).as_secs(), 10);
    for mut client in kept {
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.len(), 1_000, "what the pipe held");
    }
}

/// The bytes that a client receives if it reads at this rate, and the seconds until its connection ends.
async fn read_at(bytes_per_second: usize) -> (usize, u64) {
    pause();
    let (mut asked, _stop) = ask(1).await;
    let (mut client, _serving) = asked.pop().unwrap();
    let start = Instant::now();
    let mut tick = interval(Duration::from_millis(10));
    let mut space = vec![0; bytes_per_second / 100];
    let mut total = 0;
    loop {
        tick.tick().await;
        let length = client.read(&mut space).await.unwrap();
        total += length;
        if length == 0 || total > 1_000_000 {
            return (total, (Instant::now() - start).as_secs());
        }
    }
}

#[tokio::test]
async fn a_client_that_reads_a_hundred_bytes_a_second_is_closed() {
    let (total, seconds) = read_at(100).await;
    assert!((1_000..3_000).contains(&total), "{total}");
    assert!((10..25).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_client_that_reads_steadily_gets_the_whole_answer() {
    let (total, seconds) = read_at(40_000).await;
    assert!(total > 1_000_000, "{total}");
    assert_eq!(seconds, 25);
}

#[tokio::test]
async fn a_refused_body_is_answered_before_its_end_and_the_answer_arrives() {
    let address = server(|_| {}).await;
    let head = "POST /graphql HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    for body in [vec![], vec![b' '; 1_000_000]] {
        // Without the body, the response does not wait for it. With the body, a client that sends everything before it
        // reads still gets the response.
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = String::new();
        timeout(GENEROUS, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
        assert!(answer.contains("limits.anonymous_body_bytes"), "{answer}");
    }
}
