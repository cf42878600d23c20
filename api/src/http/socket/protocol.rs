//! The messages of `graphql-transport-ws` from clients and from the server, and the close codes.

use async_graphql::{Response, ServerError};
use axum::extract::ws::{CloseFrame, Message};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::answer::Outcome;
use crate::http::bounded;
use crate::http::params::Params;

/// The supported subprotocol. The older `graphql-ws` is a different protocol.
pub(super) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// A message from a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    /// Identifies the client. The first message, sent once.
    ConnectionInit {
        /// `{"authorization": "Bearer …"}`.
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    /// Checks the connection.
    Ping {
        /// Returned in the pong.
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    /// The reply to a ping.
    Pong {
        /// Ignored.
        #[serde(default)]
        #[expect(dead_code, reason = "parsed only to refuse other types than objects")]
        payload: Option<Map<String, Value>>,
    },
    /// Starts an operation.
    Subscribe {
        /// The client's id for it.
        id: String,
        /// The operation.
        payload: Params,
    },
    /// Stops an operation.
    Complete {
        /// The client's id for it.
        id: String,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
    },
    Next {
        id: &'a str,
        payload: Outcome<'a>,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

/// Accepts the client.
pub(super) fn acknowledge() -> Message {
    encode(&ServerMessage::ConnectionAck)
}

/// The reply to a ping, with its payload.
pub(super) fn pong(payload: Option<Map<String, Value>>) -> Message {
    encode(&ServerMessage::Pong { payload })
}

/// One response of an operation; `None` if it has more than `most` bytes.
pub(super) fn next(id: &str, response: &Response, most: usize) -> Option<Message> {
    let message = ServerMessage::Next { id, payload: Outcome::of(response) };
    let text = String::from_utf8(bounded::to_json(&message, most)?).ok()?;
    Some(Message::Text(text.into()))
}

/// The operation failed and has ended.
pub(super) fn error(id: &str, errors: &[ServerError]) -> Message {
    encode(&ServerMessage::Error { id, payload: errors })
}

/// The operation has ended.
pub(super) fn complete(id: &str) -> Message {
    encode(&ServerMessage::Complete { id })
}

fn encode(message: &ServerMessage<'_>) -> Message {
    // Serialisation of our own values cannot fail. A client would report an empty text as an error.
    Message::Text(serde_json::to_string(message).unwrap_or_default().into())
}

/// Why a socket is closed. Clients reconnect after 1012, 1013, 4403 and 4408; the other codes are final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    /// The code of the close frame.
    pub(super) code: u16,
    /// The reason, for a human reader.
    pub(super) reason: String,
}

impl Close {
    /// The bytes are not a valid frame.
    pub(super) const BAD_FRAME: u16 = 1002;
    /// The text is not UTF-8.
    pub(super) const BAD_TEXT: u16 = 1007;
    /// The message is too long.
    pub(super) const TOO_BIG: u16 = 1009;
    /// The server stops; a client should reconnect.
    pub(super) const RESTART: u16 = 1012;
    /// The client is too slow or sends too much: try again later.
    pub(super) const LATER: u16 = 1013;
    /// The message is not part of the protocol.
    pub(super) const BAD_MESSAGE: u16 = 4400;
    /// The token is invalid, or the client has not yet sent `connection_init`.
    pub(super) const UNAUTHORIZED: u16 = 4401;
    /// The token has expired, or its role is no longer the person's role; reconnect with a new token.
    pub(super) const EXPIRED: u16 = 4403;
    /// The client uses another subprotocol.
    pub(super) const WRONG_PROTOCOL: u16 = 4406;
    /// No `connection_init` arrived in time.
    pub(super) const INIT_TIMEOUT: u16 = 4408;
    /// The id is in use.
    pub(super) const DUPLICATE_ID: u16 = 4409;
    /// The client sent a second `connection_init`.
    pub(super) const SECOND_INIT: u16 = 4429;

    /// Creates a close; the reason is cut to the 123 bytes that a close frame has room for.
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason: String = reason.into();
        while reason.len() > 123 {
            reason.pop();
        }
        Self { code, reason }
    }

    /// The close frame.
    pub(super) fn frame(self) -> Message {
        Message::Close(Some(CloseFrame { code: self.code, reason: self.reason.into() }))
    }
}

/// Parses the text of one message.
///
/// # Errors
/// 4400 with the reason.
pub(super) fn parse(text: &str) -> Result<ClientMessage, Close> {
    let heard: ClientMessage = serde_json::from_str(text)
        .map_err(|error| Close::new(Close::BAD_MESSAGE, format!("Invalid message: {error}")))?;
    match &heard {
        ClientMessage::Subscribe { id, .. } if id.is_empty() => {
            Err(Close::new(Close::BAD_MESSAGE, "Invalid message: `id` is empty"))
        }
        _ => Ok(heard),
    }
}

#[cfg(test)]
mod tests {
    use super::{Close, parse};

    #[test]
    fn a_message_is_an_object_of_a_known_type() {
        for fine in [
            r#"{"type":"connection_init"}"#,
            r#"{"type":"connection_init","payload":null}"#,
            r#"{"payload":{"authorization":"Bearer x"},"type":"connection_init"}"#,
            r#"{"type":"ping","payload":{}}"#,
            r#"{"type":"pong"}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":{"x":1.5}}}"#,
            r#"{"type":"complete","id":"1"}"#,
        ] {
            assert!(parse(fine).is_ok(), "{fine}");
        }
        for bad in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
            r#"{"type":"next","id":"1","payload":{}}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"ping","payload":[]}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":1,"payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"complete"}"#,
        ] {
            let close = parse(bad).unwrap_err();
            assert_eq!(close.code, 4400, "{bad}");
            assert!(close.reason.starts_with("Invalid message: "), "{bad}: {}", close.reason);
        }
    }

    #[test]
    fn a_reason_fits_its_frame() {
        let close = Close::new(Close::BAD_MESSAGE, "é".repeat(100));
        assert_eq!(close.reason, "é".repeat(61));
    }
}
