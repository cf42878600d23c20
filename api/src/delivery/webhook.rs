//! Requests to webhooks: one attempt to send one message, signed. Receivers get a message at least once; its id is the same for
//! every attempt.

pub(crate) mod address;
pub(crate) mod payload;
pub(crate) mod sign;

use std::time::Duration;

use reqwest::redirect::Policy;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

use self::address::{Allowed, NOT_PUBLIC, Resolver};
use self::payload::{Achievement, Award, Body, Certificate, Event};
use super::retry::Outcome;
use crate::app::App;
use crate::catalogue::rarity_word;
use crate::store::awards::Cause;
use crate::store::deliveries::{self, Kind};
use crate::store::feed::Kind as Consequence;
use crate::store::{self, Txn, awards, certificates, outbox, people, webhooks};
use crate::text::hidden;
use crate::trace::{self, TRACEPARENT};

/// The time of one request, with its answer.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER: usize = 64 * 1_024;
/// Characters of an answer that are kept for admins.
const KEPT: usize = 500;

/// Clients with connections of their own.
#[derive(Clone)]
struct Clients {
    /// For https: public addresses and allowed networks.
    encrypted: reqwest::Client,
    /// For http: allowed networks only.
    plain: reqwest::Client,
}

/// Sends requests. Connections are shared by all webhooks.
#[derive(Clone)]
pub(crate) struct Webhooks {
    clients: Option<Clients>,
    /// Where requests may go.
    pub(crate) allowed: Allowed,
}

impl Webhooks {
    /// A client that follows no redirects, uses no proxy, and connects to allowed addresses only.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub(crate) fn new(allowed: Allowed, tls: rustls::ClientConfig) -> Result<Self, String> {
        let client = |resolver: Resolver| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(Policy::none())
                .no_proxy()
                .timeout(LONGEST)
                .connect_timeout(LONGEST / 2)
                .pool_max_idle_per_host(2)
                .dns_resolver(std::sync::Arc::new(resolver))
                .user_agent(concat!("Plaudit/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| format!("requests to webhooks cannot be sent: {error}"))
        };
        let clients = Clients {
            encrypted: client(Resolver::encrypted(&allowed))?,
            plain: client(Resolver::plain(&allowed))?,
        };
        Ok(Self { clients: Some(clients), allowed })
    }

    /// Sends nothing, for tests of other parts.
    #[cfg(test)]
    pub(crate) fn off() -> Self {
        Self { clients: None, allowed: Allowed(Vec::new().into()) }
    }
}

/// What is sent.
struct Message {
    webhook: webhooks::Row,
    /// Its id for the receiver.
    id: String,
    body: String,
    /// The trace of its cause.
    traceparent: Option<String>,
}

/// One attempt. The status and the beginning of the answer go into the delivery.
pub(super) async fn send(app: &App, delivery: &mut deliveries::Row) -> Outcome {
    (delivery.status, delivery.answer) = (None, None);
    let read = {
        let _turn = app.delivery_reads.acquire().await;
        read(app, delivery).await
    };
    match read {
        Ok(Ok(message)) => {
            let span = tracing::info_span!(
                target: trace::TARGET,
                "deliver to a webhook",
                otel.kind = "client",
                delivery = %delivery.id,
                attempt = i64::from(delivery.attempts),
                http.response.status_code = Empty,
                otel.status_code = Empty,
            );
            trace::go_on(&span, message.traceparent.as_deref());
            let outcome = request(app, delivery, message).instrument(span.clone()).await;
            if let Some(status) = delivery.status {
                span.record("http.response.status_code", i64::from(status));
            }
            if outcome != Outcome::Delivered {
                span.record("otel.status_code", "ERROR");
            }
            outcome
        }
        Ok(Err(webhooks::DISABLED)) => Outcome::Refused(webhooks::DISABLED.to_owned()),
        Ok(Err(reason)) => Outcome::Skipped(reason),
        Err(error) => {
            tracing::warn!(error = error.chain(), delivery = %delivery.id, "the body for a webhook cannot be read");
            Outcome::Later("the database failed".to_owned())
        }
    }
}

async fn request(
    app: &App,
    delivery: &mut deliveries::Row,
    Message { webhook, id, body, .. }: Message,
) -> Outcome {
    let now = app.clock.now();
    let old = webhook.old_secret_until.filter(|until| *until > now).and(webhook.old_secret.as_deref());
    let secrets: Vec<&str> = [webhook.secret.as_str()].into_iter().chain(old).collect();
    let seconds = now.timestamp();
    let signature = sign::signatures(&secrets, &id, seconds, &body);
    let Some(clients) = app.webhooks.clients.as_ref() else {
        return Outcome::Later("webhooks are off".to_owned());
    };
    let url = match webhook.url.parse().map(|url| (app.webhooks.allowed.check(&url), url)) {
        Ok((Ok(()), url)) => url,
        Ok((Err(problem), _)) => return Outcome::Refused(problem.to_owned()),
        Err(_) => return Outcome::Refused("the webhook's URL is not valid".to_owned()),
    };
    let url: url::Url = url;
    let client = if url.scheme() == "https" { &clients.encrypted } else { &clients.plain };
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signature)
        .body(body);
    let sent = match trace::of(&Span::current()) {
        Some(trace) => request.header(TRACEPARENT, trace).send().await,
        None => request.send().await,
    };
    let mut response = match sent {
        Ok(response) => response,
        Err(error) => return Outcome::Failed(problem(&error).to_owned()),
    };
    let status = response.status();
    delivery.status = i16::try_from(status.as_u16()).ok();
    let mut answer = Vec::new();
    while let Ok(Some(part)) = response.chunk().await {
        answer.extend_from_slice(&part);
        if answer.len() >= ANSWER {
            break;
        }
    }
    delivery.answer = Some(beginning(&answer));
    match status.as_u16() {
        200..300 => Outcome::Delivered,
        300..400 => Outcome::Failed("the receiver answers with a redirect, which is not followed".to_owned()),
        410 => Outcome::Gone,
        code => Outcome::Failed(format!("the receiver answers with status {code}")),
    }
}

/// The id of a message for receivers.
pub(super) fn message_id(id: Uuid) -> String {
    format!("msg_{}", id.simple())
}

/// The beginning of an answer, as text without control characters.
fn beginning(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let visible = |letter: char| if letter.is_control() || is_separator(letter) { ' ' } else { letter };
    let shown: String = text.chars().map(visible).take(KEPT).collect();
    hidden::removed(&shown)
}

/// Whether it ends a line or a paragraph, as a control character does.
fn is_separator(letter: char) -> bool {
    matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Why a request failed, without the URL.
fn problem(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = cause {
        let text = one.to_string();
        if text == NOT_PUBLIC {
            return NOT_PUBLIC;
        }
        if text.contains("certificate") {
            return "the receiver's certificate is not accepted (ca_file)";
        }
        cause = one.source();
    }
    if error.is_timeout() {
        "the receiver does not answer in time"
    } else if error.is_connect() {
        "the receiver cannot be reached"
    } else {
        "the connection to the receiver ended"
    }
}

/// The message of a delivery, or why nothing is sent.
async fn read(app: &App, delivery: &deliveries::Row) -> Result<Result<Message, &'static str>, store::Error> {
    let txn = app.db.snapshot().await?;
    let found = read_within(app, &txn, delivery).await;
    txn.rollback().await;
    found
}

async fn read_within(
    app: &App,
    txn: &Txn,
    delivery: &deliveries::Row,
) -> Result<Result<Message, &'static str>, store::Error> {
    let id = delivery.webhook_id.unwrap_or_default();
    let webhook = match webhooks::by_id(txn, id).await? {
        Some(webhook) if webhook.disabled_at.is_none() => webhook,
        _ => return Ok(Err(webhooks::DISABLED)),
    };
    let message = deliveries::messages(txn, delivery.id, 1).await?;
    let message = outbox::by_ids(txn, message).await?.pop();
    let traceparent = message.as_ref().and_then(|message| message.traceparent.clone());
    let (id, timestamp, group_id, event) = match (delivery.kind, message) {
        (Kind::Test, _) => (delivery.id, delivery.created_at, None, Event::Test { webhook_id: webhook.id }),
        (_, Some(message)) if is_about_erased(txn, &message).await? => {
            return Ok(Err("the person was erased"));
        }
        (_, Some(message)) => match event(app, txn, &message).await? {
            Some(event) => (message.id, message.created_at, Some(message.group_id), event),
            None => return Ok(Err("what it is about no longer exists")),
        },
        (_, None) => return Ok(Err("what it is about no longer exists")),
    };
    let body = Body { version: payload::VERSION, timestamp, group_id, event };
    let body = serde_json::to_string(&body).map_err(|error| store::Error::Impossible(error.to_string()))?;
    Ok(Ok(Message { webhook, id: message_id(id), body, traceparent }))
}

/// Whether the message tells something else about a person than that they were erased.
async fn is_about_erased(txn: &Txn, message: &outbox::Row) -> Result<bool, store::Error> {
    if message.kind == Consequence::PersonErased {
        return Ok(false);
    }
    Ok(people::by_id(txn, message.person_id).await?.is_none_or(|row| row.erased_at.is_some()))
}

async fn event(app: &App, txn: &Txn, message: &outbox::Row) -> Result<Option<Event>, store::Error> {
    let user_id = message.person_id;
    let detail = |name: &str| message.detail.as_ref().and_then(|detail| detail.get(name));
    let number = |name: &str| detail(name).and_then(serde_json::Value::as_i64).unwrap_or_default();
    let text = |name: &str| detail(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Ok(match message.kind {
        Consequence::AwardEarned => award(app, txn, message.award_id).await?.map(Event::AwardEarned),
        Consequence::AwardRevoked => award(app, txn, message.award_id).await?.map(Event::AwardRevoked),
        Consequence::LevelReached => {
            Some(Event::LevelReached { user_id, from: number("from"), to: number("to") })
        }
        Consequence::RankReached => {
            Some(Event::RankReached { user_id, pack: text("pack"), rank: text("rank") })
        }
        Consequence::StreakReached => Some(Event::StreakReached { user_id, days: number("days") }),
        Consequence::CertificateIssued => {
            certificate(txn, message.certificate_id).await?.map(Event::CertificateIssued)
        }
        Consequence::PersonErased => Some(Event::PersonErased { user_id }),
    })
}

async fn award(app: &App, txn: &Txn, id: Option<Uuid>) -> Result<Option<Award>, store::Error> {
    let Some(row) = awards::by_ids(txn, id).await?.pop() else { return Ok(None) };
    let published = app.catalogue.current();
    let Some(known) = published.achievements.get(&row.achievement_id) else { return Ok(None) };
    Ok(Some(Award {
        id: row.id,
        user_id: row.person_id,
        achievement: Achievement {
            id: known.id,
            key: known.key.clone(),
            name: known.definition.name.clone(),
            category: known.definition.category.clone(),
            rarity: rarity_word(known.definition.rarity),
        },
        occurrence: row.occurrence,
        cause: match row.cause {
            Cause::Rule => "RULE",
            Cause::Person => "PERSON",
            Cause::Import => "IMPORT",
        },
        earned_at: row.earned_at,
        xp_bonus: row.xp_bonus,
        revoked_at: row.revoked_at,
    }))
}

async fn certificate(txn: &Txn, id: Option<Uuid>) -> Result<Option<Certificate>, store::Error> {
    let row = certificates::by_ids(txn, id).await?.pop();
    Ok(row.map(|row| Certificate {
        id: row.id,
        user_id: row.student_id,
        number: row.number,
        title: row.title,
        issued_by: row.issued_by,
        issued_date: row.issued_date,
        course_id: row.course_id,
        deleted_at: row.deleted_at,
    }))
}
