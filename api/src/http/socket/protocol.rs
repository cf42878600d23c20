//! The words of `graphql-transport-ws`: what clients say, what we say, and the codes a socket closes with.

use async_graphql::{Response, ServerError};
use axum::extract::ws::{CloseFrame, Message};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::answer::Outcome;
use crate::http::bounded;
use crate::http::params::Params;

/// The subprotocol we speak; the older `graphql-ws` is another.
pub(super) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    /// Who it is; once, and first.
    ConnectionInit {
        /// `{"authorization": "Bearer …"}`.
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    /// Is anybody there?
    Ping {
        /// Comes back with the pong.
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    /// The answer to a ping.
    Pong {
        /// Of no use to us.
        #[serde(default)]
        #[expect(dead_code, reason = "read only to refuse what is not an object")]
        payload: Option<Map<String, Value>>,
    },
    /// Run this operation.
    Subscribe {
        /// The client's name for it.
        id: String,
        /// The operation.
        payload: Params,
    },
    /// Stop that operation.
    Complete {
        /// The client's name for it.
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

/// Welcome.
pub(super) fn acknowledge() -> Message {
    say(&ServerMessage::ConnectionAck)
}

/// Yes, with what the ping carried.
pub(super) fn pong(payload: Option<Map<String, Value>>) -> Message {
    say(&ServerMessage::Pong { payload })
}

/// One answer of an operation; none if it has more than `most` bytes.
pub(super) fn next(id: &str, response: &Response, most: usize) -> Option<Message> {
    let said = ServerMessage::Next { id, payload: Outcome::of(response) };
    let text = String::from_utf8(bounded::to_json(&said, most)?).ok()?;
    Some(Message::Text(text.into()))
}

/// The operation failed and is over.
pub(super) fn error(id: &str, errors: &[ServerError]) -> Message {
    say(&ServerMessage::Error { id, payload: errors })
}

/// The operation is over.
pub(super) fn complete(id: &str) -> Message {
    say(&ServerMessage::Complete { id })
}

fn say(said: &ServerMessage<'_>) -> Message {
    // Values of ours always serialise; a client could not read the empty text and would say so.
    Message::Text(serde_json::to_string(said).unwrap_or_default().into())
}

/// Why a socket is closed. Clients come back after 1012, 1013, 4403 and 4408; the rest is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    /// The code of the close frame.
    pub(super) code: u16,
    /// The reason beside it, for a person.
    pub(super) reason: String,
}

impl Close {
    /// Bytes that are no frame.
    pub(super) const BAD_FRAME: u16 = 1002;
    /// A text that is not UTF-8.
    pub(super) const BAD_TEXT: u16 = 1007;
    /// A message is too long, or no message at all.
    pub(super) const TOO_BIG: u16 = 1009;
    /// The server stops; another one, or the next start, takes over.
    pub(super) const RESTART: u16 = 1012;
    /// Too slow, or too much: try again later.
    pub(super) const LATER: u16 = 1013;
    /// Not a message of the protocol.
    pub(super) const BAD_MESSAGE: u16 = 4400;
    /// Not believed, or not yet introduced.
    pub(super) const UNAUTHORIZED: u16 = 4401;
    /// The token has ended, or names a role its bearer has no longer; come back with a fresh one.
    pub(super) const EXPIRED: u16 = 4403;
    /// Another protocol.
    pub(super) const WRONG_PROTOCOL: u16 = 4406;
    /// No `connection_init` in time.
    pub(super) const INIT_TIMEOUT: u16 = 4408;
    /// An id that is in use.
    pub(super) const DUPLICATE_ID: u16 = 4409;
    /// A second `connection_init`.
    pub(super) const SECOND_INIT: u16 = 4429;

    /// With a reason, cut to the 123 bytes a close frame has room for.
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason: String = reason.into();
        while reason.len() > 123 {
            reason.pop();
        }
        Self { code, reason }
    }

    /// The frame that says so.
    pub(super) fn frame(self) -> Message {
        Message::Close(Some(CloseFrame { code: self.code, reason: self.reason.into() }))
    }
}

/// What the text of one message says.
///
/// # Errors
/// 4400 with what is wrong with it.
pub(super) fn hear(text: &str) -> Result<ClientMessage, Close> {
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
    use super::{Close, hear};

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
            assert!(hear(fine).is_ok(), "{fine}");
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
            let close = hear(bad).unwrap_err();
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
