//! A small schema behind the real router: the common properties of every HTTP response.

use async_graphql::{Object, Schema, Subscription};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use chrono::{TimeDelta, TimeZone, Utc};
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use super::{Site, router};
use crate::app::App;
use crate::auth::Role;
use crate::clock::Clock;
use crate::config::Config;
use crate::graphql::context::Caller;

mod costs;
mod demo;
mod errors;
mod limits;

pub(super) struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }

    async fn echo(&self, number: i32) -> i32 {
        number
    }

    async fn who(&self, ctx: &async_graphql::Context<'_>) -> Option<String> {
        ctx.data_unchecked::<Caller>().actor.as_ref().map(crate::auth::Actor::name)
    }

    async fn fails(&self) -> async_graphql::Result<i32> {
        Err("no".into())
    }

    async fn panics(&self) -> i32 {
        "on purpose".parse().unwrap()
    }

    async fn text(&self, bytes: usize) -> String {
        "x".repeat(bytes)
    }

    async fn never(&self) -> i32 {
        std::future::pending().await
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn set(&self, number: i32) -> i32 {
        number
    }
}

pub(super) struct Subscriptions;

#[Subscription]
impl Subscriptions {
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(1..=to)
    }

    async fn silence(&self) -> impl Stream<Item = i32> {
        stream::pending()
    }

    async fn refused(&self) -> async_graphql::Result<stream::Pending<i32>> {
        Err("no".into())
    }

    async fn breaks(&self) -> impl Stream<Item = async_graphql::Result<i32>> {
        stream::iter([Ok(1), Err("lost".into()), Ok(3)])
    }

    async fn panics(&self) -> impl Stream<Item = i32> {
        stream::iter([1, 2]).map(|number| if number == 2 { panic!("on purpose") } else { number })
    }
}

pub(super) type SmallSchema = Schema<Query, Mutation, Subscriptions>;

/// The small schema behind the real site, with a test clock, and the switch that stops it.
pub(super) fn site(mut config: Config) -> (Site<SmallSchema>, watch::Sender<bool>) {
    config.allowed_hosts.push("server".to_owned());
    let clock = Clock::hand(Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap());
    let app = App::for_tests(config, clock);
    let schema = Schema::build(Query, Mutation, Subscriptions).limit_depth(3).finish();
    let (stop, stopping) = watch::channel(false);
    (Site::new(app, schema, stopping), stop)
}

/// A token of the service of this name, valid for a minute.
pub(super) fn token(app: &App, service: &str) -> String {
    app.keys.mint(service, Role::Service, None, TimeDelta::minutes(1), app.clock.now()).unwrap()
}

/// The authorization of the service `crm`, which every site with the demo's secret accepts.
pub(super) fn bearer() -> String {
    format!("Bearer {}", token(&site(Config::demo()).0.app, "crm"))
}

async fn small_router() -> (Router, App) {
    let mut config = Config::demo();
    config.limits.body_bytes = 1_000;
    config.limits.complexity = 600;
    config.origins = vec!["https://school.example".to_owned()];
    let (site, _) = site(config);
    let app = site.app.clone();
    (router(site), app)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    fn error(&self) -> Value {
        self.json()["errors"][0].clone()
    }

    fn code(&self) -> String {
        self.error()["extensions"]["code"].as_str().unwrap().to_owned()
    }
}

async fn send(request: Request<Body>) -> Answer {
    let (router, _) = small_router().await;
    pass(router, request).await
}

async fn pass(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    if headers.iter().all(|(name, _)| *name != "host") {
        request = request.header("host", "server");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");
const NEW: (&str, &str) = ("accept", "application/graphql-response+json");

/// Posts a query as the service `crm`, or with the authorization among the headers.
async fn ask(query: &str, headers: &[(&str, &str)]) -> Answer {
    let bearer = bearer();
    let mut headers: Vec<_> = [JSON].into_iter().chain(headers.iter().copied()).collect();
    if headers.iter().all(|(name, _)| *name != "authorization") {
        headers.push(("authorization", &bearer));
    }
    send(request("POST", "/graphql", &headers, &json!({ "query": query }).to_string())).await
}

#[tokio::test]
async fn an_answer_keeps_the_order_of_the_question() {
    let answer = ask("{ b: hello a: hello __typename hello }", &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(
        answer.body,
        r#"{"data":{"b":"world","a":"world","__typename":"Query","hello":"world"},"extensions":{"cost":{"requested":4,"limit":600}}}"#
    );
}

#[tokio::test]
async fn request_errors_are_400_without_data_in_the_new_type_and_200_in_the_old() {
    for query in ["{", "{ nothing }", "query($n: Int!) { echo(number: $n) }", "{ hello } { hello }"] {
        let old = ask(query, &[]).await;
        let new = ask(query, &[NEW]).await;
        assert_eq!((old.status, new.status), (StatusCode::OK, StatusCode::BAD_REQUEST), "{query}");
        assert_eq!(new.header("content-type"), "application/graphql-response+json; charset=utf-8");
        for answer in [old, new] {
            assert_eq!(answer.json().get("data"), None, "{query}");
            assert_eq!(answer.code(), "INVALID_INPUT", "{query}");
        }
    }
}

#[tokio::test]
async fn a_failed_field_is_not_a_request_error() {
    let answer = ask("{ fails }", &[NEW]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["data"], Value::Null);
    assert_eq!(answer.error()["path"], json!(["fails"]));
}

#[tokio::test]
async fn errors_about_limits_of_the_library_name_the_setting_and_its_value() {
    let deep = "{ __schema { types { fields { name } } } }";
    let wide = format!("{{ {} }} fragment a on Query {{ {} }}", "...a ".repeat(21), "hello ".repeat(30));
    for (query, message) in [
        (deep, "The operation nests fields deeper than 15 (limits.depth)."),
        (
            &wide,
            "The operation costs 630 units, more than 600 (limits.complexity). Ask for fewer rows, lists or counts.",
        ),
    ] {
        let answer = ask(query, &[]).await;
        assert_eq!(
            (answer.error()["message"].as_str(), answer.code().as_str()),
            (Some(message), "TOO_COMPLEX")
        );
    }
}

#[tokio::test]
async fn a_document_beyond_the_guard_is_refused_before_it_is_parsed() {
    let answer = ask(&format!("{{ echo(number: {}", "[".repeat(300)), &[NEW]).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "TOO_COMPLEX"));
}

#[tokio::test]
async fn at_most_twenty_errors_are_returned() {
    let query = format!("{{ {} }}", "nothing ".repeat(21));
    assert_eq!(ask(&query, &[]).await.json()["errors"].as_array().map(Vec::len), Some(20));
}

#[tokio::test]
async fn a_request_that_is_not_a_json_post_is_refused_with_the_reason() {
    let body = r#"{"query":"{hello}"}"#;
    let cases = [
        ("PUT", "/graphql", vec![JSON], body, 405),
        ("HEAD", "/graphql", vec![], "", 405),
        ("POST", "/graphql", vec![], body, 415),
        ("POST", "/graphql", vec![("content-type", "text/plain")], body, 415),
        ("POST", "/graphql", vec![("content-type", "multipart/form-data; boundary=x")], body, 415),
        ("POST", "/graphql", vec![JSON], "{", 400),
        ("POST", "/graphql", vec![JSON], "[{\"query\":\"{hello}\"}]", 400),
        ("POST", "/graphql", vec![JSON], "{\"query\":1}", 400),
        ("GET", "/graphql", vec![], "", 400),
        ("GET", "/graphql?query=mutation%7Bset(number:1)%7D", vec![], "", 405),
        ("GET", "/graphql?query=subscription%7Bsilence%7D", vec![], "", 400),
    ];
    let bearer = bearer();
    for (method, uri, mut headers, body, status) in cases {
        headers.push(("authorization", &bearer));
        let answer = send(request(method, uri, &headers, body)).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {uri} {headers:?} {body}");
        if method != "HEAD" {
            assert_eq!(answer.code(), "INVALID_INPUT", "{method} {uri}");
        }
        match (status, method) {
            (405, "GET") => {
                assert_eq!(answer.header("allow"), "POST");
                assert_eq!(answer.error()["extensions"].get("reason"), None);
            }
            (405, _) => assert_eq!(answer.header("allow"), "GET, POST"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_query_can_be_sent_by_get() {
    let answer = send(request(
        "GET",
        "/graphql?query=query($n:Int!)%7Becho(number:$n)%7D&variables=%7B%22n%22:7%7D",
        &[("authorization", &bearer())],
        "",
    ))
    .await;
    assert_eq!(answer.json()["data"], json!({ "echo": 7 }));
}

#[tokio::test]
async fn a_missing_token_an_expired_and_an_invalid_one_get_the_same_answer_with_another_reason() {
    let expired = {
        let (site, _) = site(Config::demo());
        let issued = site.app.clock.now() - TimeDelta::hours(1);
        let token = site.app.keys.mint("crm", Role::Service, None, TimeDelta::minutes(1), issued).unwrap();
        format!("Bearer {token}")
    };
    let cases = [
        (None, "TOKEN_MISSING"),
        (Some(expired.as_str()), "TOKEN_EXPIRED"),
        (Some("Bearer nonsense"), "TOKEN_INVALID"),
        (Some("Basic abc"), "TOKEN_INVALID"),
        (Some("Bearer "), "TOKEN_INVALID"),
        (Some(""), "TOKEN_INVALID"),
    ];
    for (authorization, reason) in cases {
        for query in [
            "{ who }",
            "{ __typename who }",
            "mutation { set(number: 1) }",
            "{ ...f } fragment f on Query { who }",
        ] {
            for media in [("accept", "application/json"), NEW] {
                let mut headers = vec![JSON, media];
                headers.extend(authorization.map(|text| ("authorization", text)));
                let body = json!({ "query": query }).to_string();
                let answer = send(request("POST", "/graphql", &headers, &body)).await;
                let status = (answer.status, answer.header("www-authenticate"));
                assert_eq!(status, (StatusCode::UNAUTHORIZED, "Bearer"), "{authorization:?} {query}");
                let id = answer.header("x-request-id");
                let extensions = json!({ "code": "UNAUTHENTICATED", "reason": reason, "requestId": id });
                let error = answer.error();
                assert_eq!(error["extensions"], extensions, "{authorization:?} {query}");
                assert_eq!(
                    answer.json(),
                    json!({ "errors": [{ "message": error["message"], "extensions": extensions }] })
                );
            }
        }
    }
    let body = json!({ "query": "{ __typename }" }).to_string();
    let open = send(request("POST", "/graphql", &[JSON], &body)).await;
    assert_eq!((open.status, &open.json()["data"]), (StatusCode::OK, &json!({ "__typename": "Query" })));
}

#[tokio::test]
async fn one_authorization_is_accepted_and_two_are_not() {
    let (router, app) = small_router().await;
    let authorization = format!("Bearer {}", token(&app, "crm"));
    let body = json!({ "query": "{ who }" }).to_string();
    let once = request("POST", "/graphql", &[JSON, ("authorization", &authorization)], &body);
    assert_eq!(pass(router.clone(), once).await.json()["data"], json!({ "who": "crm" }));
    let headers = [JSON, ("authorization", authorization.as_str()), ("authorization", &authorization)];
    let twice = request("POST", "/graphql", &headers, &body);
    assert_eq!(pass(router, twice).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_with_the_requests_id() {
    let answer = ask("{ panics }", &[NEW]).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        answer.error()["extensions"],
        json!({ "code": "INTERNAL", "requestId": answer.header("x-request-id") })
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(!answer.body.contains("ParseIntError"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_unavailable() {
    let answer = ask("{ never }", &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"));
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call() {
    let preflight = |origin: &'static str| async move {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,x-request-id"),
        ];
        send(request("OPTIONS", "/graphql", &headers, "")).await
    };
    let allowed = preflight("https://school.example").await;
    assert_eq!(allowed.status, StatusCode::OK);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://school.example");
    let headers = "authorization,content-type,x-request-id,apollographql-client-name,apollographql-client-version,baggage,\
                   sentry-trace,traceparent,tracestate,x-apollo-operation-id,x-apollo-operation-name,apollo-require-preflight";
    assert_eq!(allowed.header("access-control-allow-headers"), headers);
    assert_eq!(allowed.header("access-control-allow-methods"), "GET,POST");
    assert_eq!(preflight("https://other.example").await.header("access-control-allow-origin"), "");
    let answer = ask("{ hello }", &[("origin", "https://school.example")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://school.example");
    assert_eq!(
        answer.header("access-control-expose-headers"),
        "x-request-id,x-client-request-id,retry-after"
    );
}
