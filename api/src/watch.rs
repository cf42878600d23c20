//! `plaudit watch`: a subscriber in the terminal; prints one line per award. It uses graphql-transport-ws
//! like every other client, and resumes by its cursor when the connection is lost.

use std::io::{self, Write};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use url::Url;

/// The subscription sent to the server.
const SUBSCRIPTION: &str = "subscription Watch($userId: ID, $after: String) {
  achievementEarned(userId: $userId, after: $after) {
    cursor
    award { earnedAt xpBonus achievement { name } user { displayName } }
  }
}";

/// Sent first if there is no cursor yet: without one, awards during a lost connection would be missed.
const START: &str = "{ feedCursor }";

/// Maximum time without a message. The server pings more often.
const SILENCE: Duration = Duration::from_secs(60);
/// The message for a response that cannot be parsed.
const FOREIGN: &str = "the server's response is not as expected; check that its version matches";
/// Maximum wait before a reconnect, in seconds.
const LONGEST_WAIT: u64 = 30;

/// What to watch, and with which token.
pub struct Watch<T> {
    /// `ws://` or `wss://` address of the server's `/graphql`.
    pub url: String,
    /// Returns a new token for every connection.
    pub token: T,
    /// The id of a person; `None` for all people that the token may see.
    pub user: Option<String>,
    /// The last cursor seen. Missed awards are printed first.
    pub after: Option<String>,
}

/// Why a connection ended.
enum Ended {
    /// It was lost; the next one may succeed. `greeted`: the server had accepted it, so the wait time is reset.
    Lost { why: String, greeted: bool },
    /// A reconnect would end the same way.
    ForGood(String),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Prints awards to standard output until it is stopped, and connection messages to standard error.
///
/// # Errors
/// Why the server refuses the client, for a human reader.
pub async fn run<T: Fn() -> Result<String, String>>(mut watch: Watch<T>) -> Result<(), String> {
    check_url(&watch.url)?;
    let mut wait = 1;
    loop {
        match connect(&mut watch).await {
            Ended::ForGood(why) => return Err(why),
            Ended::Lost { why, greeted } => {
                if greeted {
                    wait = 1;
                }
                tell(&format!("{why}; trying again in {wait} s"));
                tokio::time::sleep(Duration::from_secs(wait)).await;
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            }
        }
    }
}

/// Checks the URL. Later messages repeat it, so it must not contain a password.
fn check_url(url: &str) -> Result<(), String> {
    let remedy = "set --url to the server's /graphql, such as wss://plaudit.school.example/graphql";
    match Url::parse(url) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(format!("the URL has a user name or password: the token is enough; {remedy}"))
        }
        Ok(url) if matches!(url.scheme(), "ws" | "wss") => Ok(()),
        _ => Err(format!("the URL is not a ws:// or wss:// address; {remedy}")),
    }
}

/// Runs one connection to its end.
async fn connect<T: Fn() -> Result<String, String>>(watch: &mut Watch<T>) -> Ended {
    let token = match (watch.token)() {
        Ok(token) => token,
        Err(why) => return Ended::ForGood(why),
    };
    let mut socket = match open(&watch.url).await {
        Ok(socket) => socket,
        Err(ended) => return ended,
    };
    let greeting =
        json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}});
    let mut greeted = false;
    let lost = |why: String, greeted| Ended::Lost { why, greeted };
    if let Err(error) = say(&mut socket, &greeting).await {
        return lost(format!("the connection broke ({error})"), greeted);
    }
    loop {
        let message = match timeout(SILENCE, socket.next()).await {
            Err(_) => return lost("the server sent nothing for 60 seconds".to_owned(), greeted),
            Ok(None) => return lost("the connection was closed".to_owned(), greeted),
            Ok(Some(Err(error))) => return lost(format!("the connection broke ({error})"), greeted),
            Ok(Some(Ok(message))) => message,
        };
        let text = match message {
            Message::Text(text) => text,
            Message::Close(frame) => {
                let (code, reason) = frame
                    .map_or((1005, String::new()), |frame| (frame.code.into(), printable(&frame.reason)));
                return closed(code, &reason, greeted);
            }
            // The library answers pings.
            _ => continue,
        };
        let Ok(message) = serde_json::from_str::<Value>(&text) else {
            return Ended::ForGood("the server does not speak graphql-transport-ws".to_owned());
        };
        let about = message.get("id").and_then(Value::as_str).unwrap_or_default();
        let answer = match (message.get("type").and_then(Value::as_str), about) {
            (Some("connection_ack"), _) => {
                greeted = true;
                tell(&format!("watching {}; Ctrl-C ends it", watch.url));
                match watch.after {
                    Some(_) => subscribe(watch),
                    None => json!({"id": "start", "type": "subscribe", "payload": {"query": START}}),
                }
            }
            (Some("ping"), _) => json!({"type": "pong"}),
            (Some("next"), "start") => match read_start(&message) {
                Ok(cursor) => {
                    watch.after = Some(cursor);
                    subscribe(watch)
                }
                Err(why) => return Ended::ForGood(why),
            },
            (Some("next"), _) => match read_award(&message) {
                Ok((line, cursor)) => {
                    // The reader of our output, such as `head`, may have exited.
                    if let Err(error) = writeln!(io::stdout(), "{line}") {
                        return Ended::ForGood(format!("cannot print ({error})"));
                    }
                    watch.after = Some(cursor);
                    continue;
                }
                Err(why) => return Ended::ForGood(why),
            },
            (Some("error"), _) => return Ended::ForGood(refusals(message.get("payload"))),
            (Some("complete"), "awards") => {
                return lost("the server ended the subscription".to_owned(), greeted);
            }
            _ => continue,
        };
        if let Err(error) = say(&mut socket, &answer).await {
            return lost(format!("the connection broke ({error})"), greeted);
        }
    }
}

async fn open(url: &str) -> Result<Socket, Ended> {
    let refuses = |error: Error| {
        Ended::ForGood(format!("{url} refuses the socket ({error}); set --url to the server's /graphql"))
    };
    let mut request = url.into_client_request().map_err(refuses)?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("graphql-transport-ws"));
    match timeout(SILENCE, connect_async(request)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(answer)))
            if answer.status().is_server_error() || answer.status().as_u16() == 429 =>
        {
            Err(Ended::Lost { why: format!("the server returned {}", answer.status()), greeted: false })
        }
        Ok(Err(Error::Http(answer))) => Err(Ended::ForGood(format!(
            "{url} returned {}; set --url to the server's /graphql",
            answer.status()
        ))),
        Ok(Err(Error::Io(error))) => {
            Err(Ended::Lost { why: format!("no server answers at {url} ({error})"), greeted: false })
        }
        Ok(Err(error)) => Err(refuses(error)),
        Err(_) => Err(Ended::Lost { why: format!("no server answers at {url}"), greeted: false }),
    }
}

fn subscribe<T>(watch: &Watch<T>) -> Value {
    let variables = json!({"userId": watch.user, "after": watch.after});
    json!({"id": "awards", "type": "subscribe", "payload": {"query": SUBSCRIPTION, "variables": variables}})
}

async fn say(socket: &mut Socket, message: &Value) -> Result<(), Error> {
    socket.send(Message::text(message.to_string())).await
}

/// Interprets a close code: after a temporary one the client reconnects.
fn closed(code: u16, reason: &str, greeted: bool) -> Ended {
    let why = match reason {
        "" => format!("the server closed the connection ({code})"),
        reason => format!("the server closed the connection ({code}: {reason})"),
    };
    match code {
        1000 | 1001 | 1005 | 1006 | 1012..=1014 | 4403 | 4408 => Ended::Lost { why, greeted },
        4401 => Ended::ForGood(format!(
            "{why}; set --token to a token that the server accepts (`plaudit token` creates one)"
        )),
        _ => Ended::ForGood(why),
    }
}

/// Parses the current cursor of the feed.
fn read_start(message: &Value) -> Result<String, String> {
    check_errors(message)?;
    let cursor = message.pointer("/payload/data/feedCursor").and_then(Value::as_str);
    cursor.map(str::to_owned).ok_or_else(|| FOREIGN.to_owned())
}

/// The printed line of an award, and its cursor.
fn read_award(message: &Value) -> Result<(String, String), String> {
    check_errors(message)?;
    let earned = message.pointer("/payload/data/achievementEarned");
    let text =
        |path: &str| earned.and_then(|earned| earned.pointer(path)).and_then(Value::as_str).map(printable);
    let bonus = earned.and_then(|earned| earned.pointer("/award/xpBonus")).and_then(Value::as_i64);
    let line = || {
        let (name, achievement) = (text("/award/user/displayName")?, text("/award/achievement/name")?);
        Some(format!("{}  {name}  {achievement}  +{} XP", text("/award/earnedAt")?, bonus?))
    };
    line().zip(text("/cursor")).ok_or_else(|| FOREIGN.to_owned())
}

fn check_errors(message: &Value) -> Result<(), String> {
    message.pointer("/payload/errors").map_or(Ok(()), |errors| Err(refusals(Some(errors))))
}

/// The messages of a list of GraphQL errors.
fn refusals(errors: Option<&Value>) -> String {
    let errors = errors.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let messages: Vec<_> =
        errors.iter().filter_map(|error| error.get("message")?.as_str()).map(printable).collect();
    format!("the server refused: {}", messages.join("; "))
}

/// Foreign text without terminal control characters.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn tell(news: &str) {
    // If standard error is closed, the message cannot be reported.
    let _ = writeln!(io::stderr(), "{news}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_say_not_now_are_tried_again_and_the_others_end_it() {
        for code in [1000, 1001, 1005, 1006, 1012, 1013, 4403, 4408] {
            assert!(matches!(closed(code, "", true), Ended::Lost { greeted: true, .. }), "{code}");
        }
        for code in [1002, 1009, 1011, 4400, 4401, 4406, 4409, 4429] {
            assert!(matches!(closed(code, "", true), Ended::ForGood(_)), "{code}");
        }
    }

    #[test]
    fn an_award_is_one_line_and_an_error_states_its_reason() {
        let award = json!({
            "earnedAt": "2026-01-05T10:00:00.000Z", "xpBonus": 50,
            "achievement": {"name": "First Steps"}, "user": {"displayName": "Ada"},
        });
        let earned = json!({"achievementEarned": {"cursor": "c7", "award": award}});
        assert_eq!(
            read_award(&json!({"payload": {"data": earned}})).unwrap(),
            ("2026-01-05T10:00:00.000Z  Ada  First Steps  +50 XP".to_owned(), "c7".to_owned())
        );
        assert_eq!(
            read_award(&json!({"payload": {"data": null, "errors": [{"message": "not\u{1b}[2J you"}]}}))
                .unwrap_err(),
            "the server refused: not\u{fffd}[2J you"
        );
        assert_eq!(read_award(&json!({"payload": {"data": {}}})).unwrap_err(), FOREIGN);
    }
}
