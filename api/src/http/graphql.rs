//! GraphQL over HTTP: POST with a JSON body, GET for queries, and the upgrade to a socket.

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Response as GraphqlResponse};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, UPGRADE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use tokio::time::timeout;

use super::address::ClientAddress;
use super::answer::{ResponseContext, explain};
use super::body::Sender;
use super::middleware::Logged;
use super::operation::{charge_bad_request, prepare};
use super::params::Params;
use super::{Site, identity, media, middleware, socket};
use crate::budget::Subject;
use crate::budget::turns::PATIENCE;
use crate::refusal::{Code, Refusal};

/// The status and reason of a request that ends before execution.
type No = (StatusCode, Refusal);

/// Handles `/graphql`.
pub(super) async fn respond<E: Executor>(State(site): State<Site<E>>, request: Request) -> Response {
    let response_context = middleware::response_context(&site, &request);
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET && parts.headers.contains_key(UPGRADE) {
        return socket::upgrade(site, parts, &response_context).await;
    }
    let limit = Duration::from_secs(site.app.config.limits.request_seconds);
    // Until the token is verified, the request is charged to the address.
    let address = parts.extensions.get::<ClientAddress>().and_then(|client| client.0);
    let mut payer = Subject::of(None, address);
    let answer = match timeout(limit, execute(&site, parts, body, &response_context, &mut payer)).await {
        Ok(answer) => answer,
        Err(_) => Err((StatusCode::SERVICE_UNAVAILABLE, Refusal::unavailable())),
    };
    let logged = Logged(payer.logged().into());
    let mut response = answer.unwrap_or_else(|no| {
        let (status, refusal) = charged(&site, &payer, no);
        let mut response = response_context.refused(status, &refusal);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
        }
        response
    });
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response.extensions_mut().insert(logged);
    response
}

/// Charges an invalid request. If the budget is exceeded, the refusal becomes RATE_LIMITED. An invalid token keeps
/// UNAUTHENTICATED: its client must get a new token, even while other clients exceed the budget of a shared address.
fn charged<E>(site: &Site<E>, payer: &Subject, (status, refusal): No) -> No {
    if !status.is_client_error() || refusal.code == Code::RateLimited {
        return (status, refusal);
    }
    match charge_bad_request(&site.app, payer) {
        Err(limited) if refusal.code != Code::Unauthenticated => (StatusCode::TOO_MANY_REQUESTS, limited),
        _ => (status, refusal),
    }
}

async fn execute<E: Executor>(
    site: &Site<E>,
    parts: Parts,
    body: Body,
    response_context: &ResponseContext,
    payer: &mut Subject,
) -> Result<Response, No> {
    let is_get = parts.method == Method::GET;
    if !is_get && parts.method != Method::POST {
        let message = "Send GraphQL requests by POST. GET is only for queries.";
        return Err((StatusCode::METHOD_NOT_ALLOWED, Refusal::new(Code::InvalidInput, message)));
    }
    if !is_get && !media::is_json(&parts.headers) {
        let message = "Send the request as application/json in UTF-8, with this Content-Type.";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, Refusal::new(Code::InvalidInput, message)));
    }
    // The verified token determines who pays and how much may be read. The database is queried after the whole body arrived.
    let claims = identity::verify(&site.app, &parts.headers).map_err(|refusal| explain(refusal.into()))?;
    if let Some(claimed) = claims.as_ref().and_then(Subject::of_claims) {
        *payer = claimed;
    }
    // Events that a service records are free, so only its document decides whether it has to wait.
    if !matches!(payer, Subject::Service(_)) {
        site.app.costs.check(payer).map_err(|refusal| (StatusCode::TOO_MANY_REQUESTS, refusal))?;
    }
    let mut held = None;
    let params = if is_get {
        Params::from_address(parts.uri.query().unwrap_or_default())
    } else {
        let sender = Sender::of(claims.as_ref(), parts.extensions.get::<ClientAddress>().copied());
        let body = site.bodies.read(&parts, body, &sender, &site.limits).await?;
        // The parsed values take as much memory as the body did: they count until the response is complete.
        Params::from_body(&held.insert(body).bytes, site.limits.body_values)
    };
    let params = params.map_err(|refusal| (StatusCode::BAD_REQUEST, refusal))?;
    if let Some(held) = &mut held {
        held.bytes = Vec::new();
    }
    let (identity, me) = identity::of_claims(&site.app, claims, PATIENCE).await.map_err(explain)?;
    let caller = response_context.caller(identity.actor);
    let operation = match prepare(&site.app, caller, payer.clone(), params) {
        Ok(operation) => operation,
        Err(error) => return Ok(response_context.executed(GraphqlResponse::from_errors(vec![error]), None)),
    };
    match operation.kind {
        OperationType::Mutation if is_get => {
            let message = "Send mutations by POST. GET is only for queries.";
            let refusal = Refusal::new(Code::InvalidInput, message);
            let (status, refusal) = charged(site, payer, (StatusCode::METHOD_NOT_ALLOWED, refusal));
            let mut response = response_context.refused(status, &refusal);
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
            let me = if pacer.take_now().await {
                me
            } else {
                if let Err(refusal) = pacer.take_within(PATIENCE).await {
                    operation.cancel();
                    return Err(explain(refusal.into()));
                }
                // The person may have been erased during the wait.
                None
            };
            let response = operation.run(&site.schema, me).await;
            Ok(response_context.executed(response, Some(&pacer)))
        }
    }
}
