//! A GraphQL client over HTTP, like that of a front end.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::socket::Socket;

/// Sends requests to a server, always as the same caller.
#[derive(Clone)]
pub struct Client {
    url: String,
    token: Option<String>,
    http: reqwest::Client,
    traceparent: Option<String>,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The JSON.
    pub body: Value,
}

impl Client {
    /// A client of the server at `url`, with or without a token.
    pub fn new(url: String, token: Option<String>) -> Self {
        Self { url, token, http: crate::http(), traceparent: None }
    }

    /// The same caller on another server.
    pub fn at(&self, url: String) -> Self {
        Self { url, ..self.clone() }
    }

    /// The same caller, whose requests by [`Client::ask`] are part of this trace.
    pub fn traced(&self, traceparent: &str) -> Self {
        Self { traceparent: Some(traceparent.to_owned()), ..self.clone() }
    }

    /// The caller's token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Posts a document with its variables.
    pub async fn ask(&self, query: &str, variables: Value) -> Answer {
        self.try_ask(query, variables).await.expect("the server answers")
    }

    /// The same, but the server may have ended.
    pub async fn try_ask(&self, query: &str, variables: Value) -> reqwest::Result<Answer> {
        let mut request = self
            .http
            .post(format!("{}/graphql", self.url))
            .header("accept", "application/graphql-response+json")
            .json(&json!({"query": query, "variables": variables}));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(traceparent) = &self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.json().await? })
    }

    /// Posts a raw body with this content type.
    pub async fn post(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let mut request = self
            .http
            .post(format!("{}/graphql", self.url))
            .header("accept", "application/graphql-response+json")
            .header("content-type", content_type)
            .body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, body: response.json().await.expect("the answer is JSON") }
    }

    /// Posts a document with this request id; returns the status and the bytes, with this id in place of the
    /// server's own, so that equal answers are equal bytes.
    pub async fn exchange(&self, query: &str, variables: Value, request_id: &str) -> (StatusCode, String) {
        let mut request = self
            .http
            .post(format!("{}/graphql", self.url))
            .header("accept", "application/graphql-response+json")
            .header("x-request-id", request_id)
            .json(&json!({"query": query, "variables": variables}));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("the server answers");
        let own = response.headers()["x-request-id"].to_str().expect("an id is ASCII").to_owned();
        let (status, text) = (response.status(), response.text().await.expect("the answer is text"));
        (status, text.replace(&own, request_id))
    }

    /// Records one event and returns the payload with awards by key.
    pub async fn record(&self, input: Value) -> Value {
        let answer = self
            .ask(
                "mutation($input: RecordEventInput!) { recordEvent(input: $input) {
                   eventId duplicate xpGained awards { achievement { key } xpBonus earnedAt }
                   userErrors { field code message reason } } }",
                json!({"input": input}),
            )
            .await;
        answer.data()["recordEvent"].clone()
    }

    /// Records many events and returns the payload with awards by key.
    pub async fn record_all(&self, events: &[Value]) -> Value {
        let answer = self
            .ask(
                "mutation($input: RecordEventsInput!) { recordEvents(input: $input) {
                   results { index eventId duplicate xpGained awards { achievement { key } }
                             userErrors { field code message reason } }
                   userErrors { field code message } } }",
                json!({"input": {"events": events}}),
            )
            .await;
        answer.data()["recordEvents"].clone()
    }

    /// Opens a socket as this caller and waits until it is acknowledged.
    pub async fn socket(&self) -> Socket {
        Socket::connect(&self.url, self.token.as_deref()).await
    }
}

impl Answer {
    /// The data of an answer without errors.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert_eq!(self.body.get("errors"), None, "an answer without errors");
        &self.body["data"]
    }

    /// The code of the first error.
    #[track_caller]
    pub fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().expect("an error with a code")
    }
}
