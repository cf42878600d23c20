//! Mails: what happened reaches the inbox of the person and of the guardian, once, whatever the mail server does.

mod by_calendar;
mod faults;
mod letters;
mod preferences;

use chrono::TimeDelta;
use mail_parser::{Message, MessageParser, MimeHeaders};
use serde_json::json;
use tests::{MailServer, World};
use uuid::Uuid;

/// A mail as another library reads it.
struct Read {
    to: String,
    id: String,
    subject: String,
    text: String,
    html: String,
    /// The content ids and the first bytes of the pictures.
    pictures: Vec<(String, Vec<u8>)>,
    headers: Vec<(String, String)>,
}

impl Read {
    fn of((to, content): &(String, Vec<u8>)) -> Self {
        let message = MessageParser::default().parse(content).expect("a mail");
        Self::of_message(to.clone(), &message)
    }

    fn of_message(to: String, message: &Message<'_>) -> Self {
        let pictures = message.attachments().map(|part| {
            let id = part.content_id().unwrap_or_default().to_owned();
            (id, part.contents()[..8].to_vec())
        });
        let headers = message.headers_raw().map(|(name, value)| {
            let value = value.replace("\r\n", "");
            (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" "))
        });
        Self {
            to,
            id: message.message_id().unwrap_or_default().to_owned(),
            subject: message.subject().unwrap_or_default().to_owned(),
            text: message.body_text(0).unwrap_or_default().replace("\r\n", "\n"),
            html: message.body_html(0).unwrap_or_default().into_owned(),
            pictures: pictures.collect(),
            headers: headers.collect(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The address of the unsubscribe link, without the server's own address.
    fn unsubscribe(&self) -> String {
        let link = self.header("List-Unsubscribe").unwrap();
        let link = link.trim_matches(['<', '>']);
        link[link.find("/unsubscribe").unwrap()..].to_owned()
    }
}

/// The kept mails.
fn mails(server: &MailServer) -> Vec<Read> {
    server.mails().iter().map(Read::of).collect()
}

/// A student with an address, called Ada.
async fn ada(w: &World) -> Uuid {
    let id = Uuid::new_v4();
    w.upsert(id, json!({"timezone": "UTC", "email": "ada@school.example"})).await;
    id
}

/// An event of this person that earns the achievement "First Word".
async fn earn(w: &World, person: Uuid, activity: &str) {
    let answer = w.service().record(json!({"userId": person, "activity": activity})).await;
    assert_eq!(answer["awards"].as_array().unwrap().len(), 1, "{answer}");
    w.tick(TimeDelta::milliseconds(1));
}
