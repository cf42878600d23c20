//! GraphQL over HTTP: POST with a JSON body, GET for queries, and the way into the socket.

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Response as GraphqlResponse};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, UPGRADE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::accept::Connection;
use super::answer::{Tone, explain};
use super::operation::prepare;
use super::params::Params;
use super::{Site, around, identity, media, socket};
use crate::budget::Subject;
use crate::budget::turns::PATIENCE;
use crate::refusal::{Code, Refusal};

/// A request that ends before execution: its status and why.
type No = (StatusCode, Refusal);

/// Answers `/graphql`.
pub(super) async fn respond<E: Executor>(State(site): State<Site<E>>, request: Request) -> Response {
    let tone = around::tone(&site, &request);
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET && parts.headers.contains_key(UPGRADE) {
        return socket::upgrade(site, parts, &tone).await;
    }
    let limit = Duration::from_secs(site.app.config.limits.request_seconds);
    let answer = match timeout(limit, execute(&site, parts, body, &tone)).await {
        Ok(answer) => answer,
        Err(_) => Err((StatusCode::SERVICE_UNAVAILABLE, Refusal::unavailable())),
    };
    answer.unwrap_or_else(|(status, refusal)| {
        let mut response = tone.refused(status, &refusal);
        let header = match status {
            StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, "GET, POST")),
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
            _ => None,
        };
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    })
}

async fn execute<E: Executor>(site: &Site<E>, parts: Parts, body: Body, tone: &Tone) -> Result<Response, No> {
    let is_get = parts.method == Method::GET;
    if !is_get && parts.method != Method::POST {
        let message = "GraphQL is asked by POST, or by GET for queries.";
        return Err((StatusCode::METHOD_NOT_ALLOWED, Refusal::new(Code::InvalidInput, message)));
    }
    if !is_get && !media::is_json(&parts.headers) {
        let message = "Send the request as application/json in UTF-8, and say so in Content-Type.";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, Refusal::new(Code::InvalidInput, message)));
    }
    let identity = identity::of_headers(&site.app, &parts.headers).await.map_err(explain)?;
    let address = parts.extensions.get::<Connection>().map(|connection| connection.peer.ip());
    let subject = Subject::of(identity.actor.as_ref(), address);
    let params = if is_get {
        Params::from_address(parts.uri.query().unwrap_or_default())
    } else {
        Params::from_body(&read(site, body).await?)
    };
    let params = params.map_err(|refusal| (StatusCode::BAD_REQUEST, refusal))?;
    let operation = match prepare(&site.app, tone.caller(identity.actor), subject, params) {
        Ok(operation) => operation,
        Err(error) => return Ok(tone.executed(GraphqlResponse::from_errors(vec![error]), None)),
    };
    match operation.kind {
        OperationType::Mutation if is_get => {
            let message = "A mutation is sent by POST; GET is for queries.";
            let refusal = Refusal::new(Code::InvalidInput, message);
            let mut response = tone.refused(StatusCode::METHOD_NOT_ALLOWED, &refusal);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            Ok(response)
        }
        OperationType::Subscription => {
            let message =
                "A subscription needs a WebSocket on this path, with the protocol graphql-transport-ws.";
            Err((StatusCode::BAD_REQUEST, Refusal::new(Code::InvalidInput, message)))
        }
        OperationType::Query | OperationType::Mutation => {
            let pacer = operation.pacer.clone();
            pacer.take_within(PATIENCE).await.map_err(|refusal| explain(refusal.into()))?;
            let response = operation.run(&site.schema).await;
            Ok(tone.executed(response, Some(&pacer)))
        }
    }
}

/// The body, if it arrives in time and within its limit.
async fn read<E>(site: &Site<E>, body: Body) -> Result<Vec<u8>, No> {
    let limits = &site.app.config.limits;
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let all = async {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| {
                let message = "The body broke off before its end.";
                (StatusCode::BAD_REQUEST, Refusal::new(Code::InvalidInput, message))
            })?;
            if bytes.len() + chunk.len() > limits.body_bytes {
                let message = format!("The body has more than {} bytes (body_bytes).", limits.body_bytes);
                return Err((StatusCode::PAYLOAD_TOO_LARGE, Refusal::new(Code::TooComplex, message)));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    };
    timeout(Duration::from_secs(limits.body_seconds), all).await.unwrap_or_else(|_| {
        let message = format!("The body took longer than {} seconds (body_seconds).", limits.body_seconds);
        Err((StatusCode::REQUEST_TIMEOUT, Refusal::new(Code::InvalidInput, message)))
    })?;
    Ok(bytes)
}
