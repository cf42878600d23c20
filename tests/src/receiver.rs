//! A receiver of webhooks that does what a test wants: it answers with a status, slowly, with a redirect or with very much, or
//! ends the connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::socket::PATIENCE;

/// What the receiver does with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It answers with this status and this text.
    Status(u16, &'static str),
    /// It answers with a redirect to this address.
    Redirect(String),
    /// It answers 200 with this number of bytes.
    Huge(usize),
    /// It never answers.
    Stall,
    /// It ends the connection without an answer.
    Cut,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Received {
    /// The first line.
    pub line: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    requests: Vec<Received>,
}

/// The receiver. Dropping it closes its connections.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _connections: JoinSet<()>,
}

impl Receiver {
    /// Starts the receiver.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(receive(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, _connections: connections }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The next replies, one for each request. Further requests get 200.
    pub fn plan(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().replies.extend(replies);
    }

    /// The requests, in order.
    pub fn requests(&self) -> Vec<Received> {
        self.state.lock().unwrap().requests.clone()
    }

    /// The requests, as soon as there are so many.
    pub async fn wait_for(&self, requests: usize) -> Vec<Received> {
        let there = async {
            while self.state.lock().unwrap().requests.len() < requests {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, there).await.expect("the requests arrive");
        self.requests()
    }
}

async fn receive(stream: TcpStream, state: Arc<Mutex<State>>) {
    // The other side may have gone; then it is over.
    let _ = answer(stream, &state).await;
}

async fn answer(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(());
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let request = Received { line: line.trim_end().to_owned(), headers, body };
    let reply = {
        let mut state = state.lock().unwrap();
        state.requests.push(request);
        state.replies.pop_front().unwrap_or(Reply::Status(200, "thanks"))
    };
    let (head, text) = match reply {
        Reply::Status(status, text) => (format!("HTTP/1.1 {status} Status\r\n"), text.to_owned()),
        Reply::Redirect(to) => (format!("HTTP/1.1 307 Status\r\nlocation: {to}\r\n"), String::new()),
        Reply::Huge(bytes) => ("HTTP/1.1 200 Status\r\n".to_owned(), "x".repeat(bytes)),
        Reply::Cut => return Ok(()),
        Reply::Stall => {
            // Until the client goes.
            stream.read_to_end(&mut Vec::new()).await?;
            return Ok(());
        }
    };
    let head = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n", text.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await
}
