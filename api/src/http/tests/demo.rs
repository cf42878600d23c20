//! The demo and pages of other sites: requests with a foreign host name are refused.

use super::{JSON, StatusCode, pass, request, site, small_router};
use crate::config::{Config, Profile};
use crate::http::router;

/// Every route, and an upgrade.
const ROUTES: [(&str, &str); 8] = [
    ("GET", "/graphql?query=%7Bhello%7D"),
    ("POST", "/graphql"),
    ("OPTIONS", "/graphql"),
    ("GET", "/graphiql"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/badges/secret-epic.svg"),
    ("GET", "/nowhere"),
];

#[tokio::test]
async fn a_foreign_host_is_refused_on_every_route() {
    let (router, _) = small_router().await;
    let body = r#"{"query":"{hello}"}"#;
    for host in ["attacker.example:8000", "localhost.attacker.example", ""] {
        for (method, uri) in ROUTES {
            let answer = pass(router.clone(), request(method, uri, &[JSON, ("host", host)], body)).await;
            assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host} {method} {uri}");
            assert_eq!(answer.code(), "FORBIDDEN", "{host} {method} {uri}");
            assert!(!answer.body.contains("Bearer") && !answer.body.contains("eyJ"), "{}", answer.body);
        }
        let upgrade = [
            ("host", host),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "graphql-transport-ws"),
        ];
        let answer = pass(router.clone(), request("GET", "/graphql", &upgrade, "")).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    let page = pass(router, request("GET", "/graphiql", &[("host", "localhost:8000")], "")).await;
    assert_eq!((page.status, page.body.contains("eyJ")), (StatusCode::OK, true), "the page has a token");
}

#[tokio::test]
async fn production_checks_the_host_where_names_are_listed() {
    let status = async |path: &str, listed: &[&str]| {
        let config = Config { profile: Profile::Production, ..Config::demo() };
        let (mut site, _stop) = site(config);
        let mut config = (*site.app.config).clone();
        config.allowed_hosts = listed.iter().map(|host| (*host).to_owned()).collect();
        site.app.config = config.into();
        let request = request("GET", path, &[("host", "somewhere.example")], "");
        pass(router(site), request).await.status
    };
    let nothing = "/badges/none.svg";
    assert_eq!(status(nothing, &[]).await, StatusCode::NOT_FOUND);
    assert_eq!(status(nothing, &["plaudit.example"]).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(status(nothing, &["plaudit.example", "somewhere.example"]).await, StatusCode::NOT_FOUND);
    assert_eq!(status("/health/live", &["plaudit.example"]).await, StatusCode::OK);
}

#[tokio::test]
async fn graphiql_is_served_only_by_the_demo() {
    let status = async |config: Config| {
        let router = router(site(config).0);
        pass(router, request("GET", "/graphiql", &[], "")).await.status
    };
    assert_eq!(status(Config::demo()).await, StatusCode::OK);
    let production = Config { profile: Profile::Production, ..Config::demo() };
    assert_eq!(status(production).await, StatusCode::NOT_FOUND);
}
