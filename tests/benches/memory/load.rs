//! Client loads that fill a server's memory. Each load closes its connections at the end.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use plaudit::auth::Role;
use serde_json::json;
use tests::{Client, Expensive, Process, School};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A way to fill memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    IdleConnections,
    ParkedBodies,
    UnreadAnswers,
    BadRequests,
}

impl Load {
    pub(crate) const ALL: [Self; 4] =
        [Self::IdleConnections, Self::ParkedBodies, Self::UnreadAnswers, Self::BadRequests];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::IdleConnections => "10,000 idle connections",
            Self::ParkedBodies => "300 parked bodies",
            Self::UnreadAnswers => "60 unread answers",
            Self::BadRequests => "50,000 bad requests",
        }
    }

    /// Runs the whole load; returns a summary of the clients' results. Answers to this document stay unread.
    pub(crate) async fn run(self, server: &Process, school: &School, document: &Expensive) -> String {
        match self {
            Self::IdleConnections => idle_connections(server).await,
            Self::ParkedBodies => parked_bodies(server).await,
            Self::UnreadAnswers => unread_answers(server, school, document).await,
            Self::BadRequests => bad_requests(server).await,
        }
    }
}

/// The duration for which bodies stay parked.
const PARKED: Duration = Duration::from_secs(5);
/// The maximum time until an answer begins.
const UNTIL_ANSWERED: Duration = Duration::from_secs(20);

/// Opens 10,000 connections from 100 addresses; every second one sends a request before it idles.
async fn idle_connections(server: &Process) -> String {
    let mut open = Vec::new();
    let mut refused = 0;
    for address in 2..102 {
        let connections = (0..100).map(|number| async move {
            let mut stream = connect(server, [127, 0, 1, address].into(), None).await?;
            if number % 2 == 0 {
                stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
                let mut answer = [0; 64];
                if stream.read(&mut answer).await? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            Ok::<_, std::io::Error>(stream)
        });
        for stream in join_all(connections).await {
            match stream {
                Ok(stream) => open.push(stream),
                Err(_) => refused += 1,
            }
        }
    }
    tokio::time::sleep(PARKED).await;
    format!("{} opened, {refused} refused", open.len())
}

/// Sends 300 bodies of two megabytes without their last part, half of them with a valid token.
async fn parked_bodies(server: &Process) -> String {
    let token = server.client(&Expensive::subject(Role::Student).to_string(), Role::Student);
    let token = token.token().unwrap_or_default();
    let bodies = (0..300_u16).map(|number| async move {
        let mut stream = connect(server, Ipv4Addr::LOCALHOST, None).await?;
        let caller =
            if number % 2 == 0 { format!("authorization: Bearer {token}\r\n") } else { String::new() };
        let head = head("POST", &format!("{caller}content-length: 2000000\r\n"));
        stream.write_all(head.as_bytes()).await?;
        // If the server stops reading, the client keeps the rest.
        let part = vec![b' '; 1_900_000];
        let is_taken = tokio::time::timeout(PARKED, stream.write_all(&part)).await;
        Ok::<_, std::io::Error>((stream, matches!(is_taken, Ok(Ok(())))))
    });
    let bodies: Vec<_> = join_all(bodies).await.into_iter().flatten().collect();
    tokio::time::sleep(PARKED).await;
    let taken = bodies.iter().filter(|(_, is_taken)| *is_taken).count();
    format!("{taken} of {} bodies taken", bodies.len())
}

/// Sends this document as 60 students, four students at a time, and reads none of the answers.
async fn unread_answers(server: &Process, school: &School, document: &Expensive) -> String {
    let body = json!({"query": document.text}).to_string();
    let mut streams = Vec::new();
    let mut answered = 0;
    for four in 0..15 {
        let requests = (four * 4..four * 4 + 4).map(|number| {
            let client = server.client(&school.student(number).to_string(), Role::Student);
            let body = &body;
            async move {
                let mut stream = connect(server, Ipv4Addr::LOCALHOST, Some(4_096)).await?;
                let token = client.token().unwrap_or_default();
                let fields = format!("authorization: Bearer {token}\r\ncontent-length: {}\r\n", body.len());
                stream.write_all((head("POST", &fields) + body).as_bytes()).await?;
                let is_answered = tokio::time::timeout(UNTIL_ANSWERED, is_answered(&stream)).await;
                Ok::<_, std::io::Error>((stream, is_answered.unwrap_or(false)))
            }
        });
        for (stream, is_answered) in join_all(requests).await.into_iter().flatten() {
            answered += usize::from(is_answered);
            streams.push(stream);
        }
    }
    tokio::time::sleep(PARKED).await;
    format!("{answered} of {} answers began with 200", streams.len())
}

/// Sends 50,000 requests that are invalid in different ways.
async fn bad_requests(server: &Process) -> String {
    let good = server.client(&Expensive::subject(Role::Student).to_string(), Role::Student);
    let forged = Client::new(server.url.clone(), Some("e30.e30.e30".to_owned()));
    let nobody = Client::new(server.url.clone(), None);
    let callers = (0..50).map(|caller| {
        let (good, forged, nobody) = (&good, &forged, &nobody);
        async move {
            let mut answers = 0;
            for number in 0..1_000 {
                let long = format!("{{ unknown{caller}x{number} {} }}", "padding ".repeat(200));
                let answer = match number % 5 {
                    0 => good.try_ask(&long, json!({})).await,
                    1 => good.try_ask("{ me {", json!({})).await,
                    2 => forged.try_ask("{ me { xp } }", json!({})).await,
                    3 => nobody.try_ask("{ me { xp } }", json!({"unused": number})).await,
                    _ => nobody.try_ask(&"[".repeat(2_000), json!({})).await,
                };
                answers += usize::from(answer.is_ok());
            }
            answers
        }
    });
    let answers: usize = join_all(callers).await.into_iter().sum();
    format!("{answers} answered")
}

async fn connect(server: &Process, from: Ipv4Addr, buffer: Option<u32>) -> std::io::Result<TcpStream> {
    let address: SocketAddr = server.url.trim_start_matches("http://").parse().expect("an address");
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.connect(address).await
}

fn head(method: &str, fields: &str) -> String {
    format!("{method} /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{fields}\r\n")
}

/// Whether the server's answer begins with a success status.
async fn is_answered(stream: &TcpStream) -> bool {
    let mut start = [0; 12];
    stream.peek(&mut start).await.is_ok_and(|read| start.get(..read) == Some(b"HTTP/1.1 200"))
}
