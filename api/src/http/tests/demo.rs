//! The demo and pages of other sites: requests with a foreign host name are refused.

use axum::Router;

use super::{JSON, StatusCode, pass, request, site, small_router};
use crate::auth::Role;
use crate::config::{Config, Profile};
use crate::http::{GraphiqlFiles, Site, router};

/// Every route, and an upgrade.
const ROUTES: [(&str, &str); 10] = [
    ("GET", "/graphql?query=%7Bhello%7D"),
    ("POST", "/graphql"),
    ("OPTIONS", "/graphql"),
    ("GET", "/"),
    ("GET", "/graphiql"),
    ("GET", "/graphiql/graphiql.min.js"),
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

/// A site with the files of GraphiQL, in this profile.
fn site_with_files(profile: Profile) -> Router {
    let folder = std::env::temp_dir().join(format!("plaudit_page_{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    for name in
        ["graphiql.min.css", "graphiql.min.js", "react.production.min.js", "react-dom.production.min.js"]
    {
        std::fs::write(folder.join(name), format!("/* {name} */")).unwrap();
    }
    std::fs::write(folder.join("secret.js"), "secret").unwrap();
    let files = GraphiqlFiles::read(&folder).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let site = site(Config { profile, ..Config::demo() }).0;
    router(Site { graphiql: Some(files.into()), ..site })
}

#[tokio::test]
async fn graphiql_is_served_only_by_the_demo() {
    for (path, of_demo) in [
        ("/", StatusCode::TEMPORARY_REDIRECT),
        ("/graphiql", StatusCode::OK),
        ("/graphiql/graphiql.min.css", StatusCode::OK),
    ] {
        let answer = pass(site_with_files(Profile::Demo), request("GET", path, &[], "")).await;
        assert_eq!(answer.status, of_demo, "{path}");
        if path == "/" {
            assert_eq!(answer.header("location"), "/graphiql");
        }
        let answer = pass(site_with_files(Profile::Production), request("GET", path, &[], "")).await;
        let refused = (answer.status, answer.code());
        assert_eq!(refused, (StatusCode::NOT_FOUND, "NOT_FOUND".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn the_page_loads_its_files_from_the_folder_or_from_the_cdn() {
    let addresses = async |router: Router| {
        let page = pass(router, request("GET", "/graphiql", &[], "")).await.body;
        let of = |attribute: &str| {
            let parts = page.split(attribute).skip(1);
            parts.map(|part| part.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let mut addresses = of(" src=\"");
        addresses.extend(of(" href=\"").into_iter().filter(|address| address != "data:,"));
        // Tokens may contain underscores too.
        let is_name = |part: &str| {
            !part.is_empty() && part.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
        };
        assert!(!page.split("__").skip(1).any(is_name), "a placeholder is left");
        addresses
    };
    let of_cdn = [
        "https://cdn.jsdelivr.net/npm/react@18.3.1/umd/react.production.min.js",
        "https://cdn.jsdelivr.net/npm/react-dom@18.3.1/umd/react-dom.production.min.js",
        "https://cdn.jsdelivr.net/npm/graphiql@3.9.0/graphiql.min.js",
        "https://cdn.jsdelivr.net/npm/graphiql@3.9.0/graphiql.min.css",
    ];
    assert_eq!(addresses(router(site(Config::demo()).0)).await, of_cdn);
    let served = addresses(site_with_files(Profile::Demo)).await;
    assert_eq!(
        served,
        [
            "/graphiql/react.production.min.js",
            "/graphiql/react-dom.production.min.js",
            "/graphiql/graphiql.min.js",
            "/graphiql/graphiql.min.css",
        ]
    );
    for (path, kind) in served.iter().zip(["javascript", "javascript", "javascript", "css"]) {
        let answer = pass(site_with_files(Profile::Demo), request("GET", path, &[], "")).await;
        assert_eq!(answer.header("content-type"), format!("text/{kind}; charset=utf-8"));
        assert_eq!(answer.body, format!("/* {} */", path.rsplit('/').next().unwrap()));
        let without = pass(router(site(Config::demo()).0), request("GET", path, &[], "")).await;
        assert_eq!(without.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn no_other_file_is_served() {
    for path in [
        "/graphiql/secret.js",
        "/graphiql/..%2fCargo.toml",
        "/graphiql/%2e%2e/Cargo.toml",
        "/graphiql/../Cargo.toml",
        "/graphiql/%2fetc%2fpasswd",
        "/graphiql/graphiql.min.js%00",
        "/graphiql/GRAPHIQL.MIN.JS",
        "/graphiql/graphiql.min.js/",
        "/graphiql/%ff",
        "/graphiql/",
    ] {
        let answer = pass(site_with_files(Profile::Demo), request("GET", path, &[], "")).await;
        let refused = (answer.status, answer.code());
        assert_eq!(refused, (StatusCode::NOT_FOUND, "NOT_FOUND".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn the_page_has_a_token_of_one_person_of_each_role() {
    let (site, _stop) = site(Config::demo());
    let (keys, now) = (site.app.keys.clone(), site.app.clock.now());
    let page = pass(router(site), request("GET", "/graphiql", &[], "")).await.body;
    let people = page.split("id=\"people\">").nth(1).unwrap().split("</script>").next().unwrap();
    let people: Vec<serde_json::Value> = serde_json::from_str(people).unwrap();
    let mut roles = Vec::new();
    for person in &people {
        let claims = keys.verify(person["token"].as_str().unwrap(), now).unwrap();
        assert_eq!(person["role"], claims.role.as_str());
        assert_eq!(person["name"].as_str(), claims.name.as_deref());
        roles.push(claims.role);
    }
    assert_eq!(roles, [Role::Student, Role::Teacher, Role::Parent, Role::Admin]);
}
