//! A client of the graphql-transport-ws protocol, frame by frame.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The timeout for expected messages.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// A frame from the server.
#[derive(Debug, PartialEq)]
pub enum Frame {
    /// A message of the protocol.
    Message(Value),
    /// The close.
    Closed(Closed),
}

/// How a socket ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 0 without one.
    pub code: u16,
    /// The reason.
    pub reason: String,
}

impl Socket {
    /// Opens a socket without initialising it.
    pub async fn open(url: &str) -> Self {
        let mut request = format!("{}/graphql", url.replacen("http", "ws", 1)).into_client_request().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        let (stream, _) = connect_async(request).await.expect("the socket opens");
        Self { stream }
    }

    /// Opens and initialises a socket.
    pub async fn connect(url: &str, token: Option<&str>) -> Self {
        let mut socket = Self::open(url).await;
        let payload = token.map_or(json!({}), |token| json!({"authorization": format!("Bearer {token}")}));
        socket.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.frame().await, Frame::Message(json!({"type": "connection_ack"})));
        socket
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("the message is sent");
    }

    /// Starts an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(json!({"id": id, "type": "subscribe", "payload": payload})).await;
    }

    /// The next message or the close; pings are answered and skipped.
    pub async fn frame(&mut self) -> Frame {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the server sends something in time")
    }

    /// The payload of the next message, which must be a `next` of this operation.
    pub async fn next(&mut self, id: &str) -> Value {
        match self.frame().await {
            Frame::Message(message) if message["type"] == "next" && message["id"] == id => {
                message["payload"].clone()
            }
            other => panic!("expected the next answer of {id}, got {other:?}"),
        }
    }

    /// Drops the connection without closing it.
    pub fn cut(self) {
        drop(self);
    }

    async fn read(&mut self) -> Frame {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Frame::Message(serde_json::from_str(&text).expect("a message is JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) =
                        frame.map_or((0, String::new()), |f| (f.code.into(), f.reason.to_string()));
                    return Frame::Closed(Closed { code, reason });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Frame::Closed(Closed { code: 0, reason: String::new() }),
            }
        }
    }
}
