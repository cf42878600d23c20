//! Writes a mail: the letter in the reader's language, as text and as HTML with the badges' pictures.

use askama::Template;
use engine::catalog::Rarity;
use fluent_bundle::FluentValue;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};
use uuid::Uuid;

use super::letter::{Letter, News, What};
use crate::catalogue::rarity_word;
use crate::render;
use crate::store::deliveries::Kind;
use crate::words::Words;

/// Things that a mail shows in full; the others are counted.
const SHOWN: usize = 10;
/// The width of a picture in pixels: twice its size on the page, for sharp screens.
const PICTURE: u16 = 160;

/// The values of a mail that do not depend on what happened.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The delivery; it makes the Message-ID, which is the same for every attempt.
    pub(super) id: Uuid,
    /// The sender.
    pub(super) from: Mailbox,
    /// The address of the reader.
    pub(super) to: Mailbox,
    /// The page that the mail links to.
    pub(super) link: String,
    /// The page on which the reader can unsubscribe.
    pub(super) unsubscribe: String,
    /// The time of writing.
    pub(super) date: std::time::SystemTime,
}

/// The mail in the reader's language.
struct View {
    language: &'static str,
    direction: &'static str,
    subject: String,
    greeting: String,
    intro: Option<String>,
    items: Vec<Item>,
    more: Option<String>,
    standing: Option<String>,
    next: Option<Goal>,
    button: Option<Link>,
    footer: String,
    unsubscribe: Option<Link>,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    view: &'a View,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    view: &'a View,
}

struct Link {
    label: String,
    url: String,
}

/// One thing that happened, in the reader's language.
struct Item {
    picture: Option<Picture>,
    title: String,
    lines: Vec<String>,
    note: Option<String>,
}

struct Picture {
    id: String,
    alt: String,
    png: Vec<u8>,
}

/// What comes next.
struct Goal {
    heading: String,
    line: String,
    percent: i64,
}

/// The mail as bytes. None if it cannot be written, which only a defect causes.
pub(super) fn mail(letter: &Letter, words: &Words, frame: &Frame) -> Option<Vec<u8>> {
    let view = view(letter, words, frame);
    let (text, html) = (Text { view: &view }.render().ok()?, Html { view: &view }.render().ok()?);
    let pictures = view.items.into_iter().filter_map(|item| item.picture);
    let with_pictures = pictures
        .fold(MultiPart::related().singlepart(SinglePart::html(html)), |part, picture| {
            part.singlepart(Attachment::new_inline(picture.id).body(picture.png, png()))
        });
    let body = MultiPart::alternative().singlepart(SinglePart::plain(text)).multipart(with_pictures);
    let domain = frame.from.email.domain();
    let message = Message::builder()
        .from(frame.from.clone())
        .to(frame.to.clone())
        .subject(view.subject)
        .date(frame.date)
        .message_id(Some(format!("<{}@{domain}>", frame.id)))
        .raw_header(header("Auto-Submitted", "auto-generated".to_owned())?)
        .raw_header(header("Content-Language", words.language.to_owned())?);
    let message = match &view.unsubscribe {
        None => message,
        Some(link) => message
            .raw_header(header("List-Unsubscribe", format!("<{}>", link.url))?)
            .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned())?),
    };
    Some(message.multipart(body).ok()?.formatted())
}

fn view(letter: &Letter, words: &Words, frame: &Frame) -> View {
    let shown = letter.news.iter().take(SHOWN).enumerate();
    let items: Vec<Item> = shown.map(|(at, one)| item(one, at, words)).collect();
    let subject = subject(letter, &items, words);
    let is_news = letter.kind != Kind::WebhookDisabled;
    let further = letter.news.len().saturating_sub(SHOWN).saturating_add(letter.more);
    let standing = letter.standing;
    let next = letter.next.as_ref().map(|next| {
        let values = [
            ("name", next.name.as_str().into()),
            ("current", number(next.current)),
            ("target", number(next.target)),
            ("percent", number(next.percent)),
        ];
        Goal {
            heading: words.say("next-heading", &[]),
            line: words.say("next-line", &values),
            percent: next.percent,
        }
    });
    View {
        language: words.language,
        direction: words.direction,
        subject: match letter.kind {
            Kind::News | Kind::Digest => format!("🎉 {subject}"),
            _ => subject,
        },
        greeting: words.say("greeting", &[("reader", letter.reader.display_name.as_str().into())]),
        intro: (letter.kind == Kind::Digest).then(|| words.say("intro-digest", &[])),
        items,
        more: (further > 0).then(|| words.say("more", &[("count", count(further))])),
        standing: standing
            .map(|(xp, level)| words.say("standing", &[("xp", number(xp)), ("level", number(level))])),
        next,
        button: is_news.then(|| Link { label: words.say("button", &[]), url: frame.link.clone() }),
        footer: words.say(if is_news { "footer" } else { "footer-admin" }, &[]),
        unsubscribe: is_news
            .then(|| Link { label: words.say("unsubscribe", &[]), url: frame.unsubscribe.clone() }),
    }
}

/// The title of the only award of a cause, because it says more than the level that came with it; of the only item; or a count.
fn subject(letter: &Letter, items: &[Item], words: &Words) -> String {
    let of_cause = letter.news.iter().zip(items).filter(|_| letter.kind == Kind::News);
    let awards: Vec<&Item> =
        of_cause.filter(|(news, _)| matches!(news.what, What::Award { .. })).map(|(_, item)| item).collect();
    if letter.kind == Kind::WeeklySummary {
        return words.say("subject-week", &[]);
    }
    match (awards.as_slice(), items) {
        ([only], _) => only.title.clone(),
        ([], [only]) => only.title.clone(),
        _ => words.say("subject-several", &[("count", count(letter.news.len().saturating_add(letter.more)))]),
    }
}

fn header(name: &str, value: String) -> Option<HeaderValue> {
    Some(HeaderValue::new(HeaderName::new_from_ascii(name.to_owned()).ok()?, value))
}

#[expect(clippy::expect_used, reason = "a fixed text")]
fn png() -> ContentType {
    ContentType::parse("image/png").expect("a media type")
}

/// Numbers are written as texts, so that a language does not format them.
fn number(value: i64) -> FluentValue<'static> {
    value.to_string().into()
}

/// A count, by which a language chooses the plural.
fn count(value: usize) -> FluentValue<'static> {
    i64::try_from(value).unwrap_or(i64::MAX).into()
}

fn item(news: &News, at: usize, words: &Words) -> Item {
    let of = if news.child.is_some() { "-of" } else { "" };
    let say = |key: &str, values: &[(&str, FluentValue<'_>)]| {
        let mut values = values.to_vec();
        values.extend(news.child.as_deref().map(|child| ("child", child.into())));
        words.say(&format!("{key}{of}"), &values)
    };
    let plain = |title: String| Item { picture: None, title, lines: Vec::new(), note: None };
    match &news.what {
        What::Award { name, description, requirement, xp, category, rarity, note } => {
            let mut lines = vec![
                words.isolated(description),
                words.say("award-why", &[("requirement", requirement.as_str().into())]),
            ];
            if description.is_empty() || description == requirement {
                lines.remove(0);
            }
            lines.extend((*xp > 0).then(|| words.say("award-bonus", &[("xp", number(*xp))])));
            let note = note.as_ref();
            let note = note.map(|(giver, note)| {
                words.say(
                    "award-note",
                    &[("giver", giver.as_str().into()), ("note", words.isolated(note).into())],
                )
            });
            let title = say("award-title", &[("name", name.as_str().into())]);
            Item { picture: picture(name, category, *rarity, at, words), title, lines, note }
        }
        What::Level(level) => plain(say("level-title", &[("level", number(*level))])),
        What::Rank(rank) => plain(say("rank-title", &[("rank", rank.as_str().into())])),
        What::Streak(days) => plain(say("streak-title", &[("days", (*days).into())])),
        What::Certificate { title, issuer, date, number } => {
            let values = [
                ("issuer", issuer.as_str().into()),
                ("date", date.to_string().into()),
                ("number", number.as_str().into()),
            ];
            let lines = vec![words.say("certificate-line", &values)];
            Item { lines, ..plain(say("certificate-title", &[("title", title.as_str().into())])) }
        }
        What::StreakEnds(days) => {
            let lines = vec![words.say("streak-ends-then", &[])];
            Item { lines, ..plain(words.say("streak-ends", &[("days", (*days).into())])) }
        }
        What::Week { xp, awards, streak } => {
            let lines = vec![
                words.say("week-xp", &[("xp", number(*xp))]),
                words.say("week-awards", &[("awards", (*awards).into())]),
                words.say("week-streak", &[("days", (*streak).into())]),
            ];
            Item { lines, ..plain(news.child.clone().unwrap_or_default()) }
        }
        What::WebhookDisabled { description, reason } => {
            let lines = vec![
                words.say("webhook-disabled-why", &[("reason", reason.as_str().into())]),
                words.say("webhook-disabled-then", &[]),
            ];
            let title = words.say("webhook-disabled", &[("description", description.as_str().into())]);
            Item { lines, ..plain(title) }
        }
    }
}

fn picture(name: &str, category: &str, rarity: Rarity, at: usize, words: &Words) -> Option<Picture> {
    let rarity = rarity_word(rarity);
    let png = render::png(&render::badge(name, category, rarity), PICTURE)?;
    let alt = words.say("award-picture", &[("name", name.into()), ("rarity", rarity.into())]);
    Some(Picture { id: format!("badge{at}"), alt, png })
}

#[cfg(test)]
mod tests;
