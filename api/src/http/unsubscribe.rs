//! The page behind the link at the end of a mail. Opening it changes nothing, because mail scanners open links. The button, and
//! the one-click request of mail programs (RFC 8058), end the mails.

use askama::Template;
use async_graphql::Executor;
use axum::extract::{Extension, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use uuid::Uuid;

use super::Site;
use super::address::ClientAddress;
use super::pages::set;
use crate::app::App;
use crate::budget::Subject;
use crate::registry::mail_settings;
use crate::words::{self, Words};

/// The charge of unsubscribing to the budget of the client's address.
const UNITS: u64 = 100;

#[derive(Template)]
#[template(path = "unsubscribe.html")]
struct Page {
    language: &'static str,
    direction: &'static str,
    title: String,
    text: String,
    button: Option<String>,
}

/// Asks whether to unsubscribe.
pub(super) async fn ask<E: Executor>(
    State(site): State<Site<E>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let words = words_of(&site.app, &headers);
    match person(&site.app, query.as_deref()) {
        Some(_) => page(words, StatusCode::OK, "unsubscribe-question", true),
        None => page(words, StatusCode::NOT_FOUND, "unsubscribe-wrong", false),
    }
}

/// Unsubscribes.
pub(super) async fn confirm<E: Executor>(
    State(site): State<Site<E>>,
    client: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let words = words_of(&site.app, &headers);
    let address = client.and_then(|Extension(client)| client.0);
    if site.app.costs.charge(&Subject::of(None, address), UNITS).is_err() {
        return page(words, StatusCode::TOO_MANY_REQUESTS, "unsubscribe-later", true);
    }
    let Some(person) = person(&site.app, query.as_deref()) else {
        return page(words, StatusCode::NOT_FOUND, "unsubscribe-wrong", false);
    };
    match mail_settings::unsubscribe(&site.app, person).await {
        Ok(()) => page(words, StatusCode::OK, "unsubscribe-done", false),
        Err(failure) => {
            tracing::warn!(?failure, "a person could not be unsubscribed");
            page(words, StatusCode::SERVICE_UNAVAILABLE, "unsubscribe-later", true)
        }
    }
}

/// The person of the link; none if it is not one of ours.
fn person(app: &App, query: Option<&str>) -> Option<Uuid> {
    let mut values = url::form_urlencoded::parse(query?.as_bytes());
    let (_, token) = values.find(|(name, _)| name == "t")?;
    app.unsubscribing.person(&token)
}

/// In the first language of the browser that there is.
fn words_of(app: &App, headers: &HeaderMap) -> &'static Words {
    let accepted = headers.get("accept-language").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let tags = accepted.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    let known = tags.take(10).find(|tag| words::LANGUAGES.iter().any(|known| tag.starts_with(known)));
    words::of(known, &app.config.mail.language)
}

fn page(words: &Words, status: StatusCode, text: &str, asks: bool) -> Response {
    let page = Page {
        language: words.language,
        direction: words.direction,
        title: words.say("unsubscribe-title", &[]),
        text: words.say(text, &[]),
        button: asks.then(|| words.say("unsubscribe-button", &[])),
    };
    let Ok(html) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (status, Html(html)).into_response();
    set(&mut response, CACHE_CONTROL, "no-store");
    set(&mut response, REFERRER_POLICY, "no-referrer");
    set(
        &mut response,
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    response
}
