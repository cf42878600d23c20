//! Clients that use more than their share of the server: connections, bodies, host names and request ids.

use std::time::Duration;

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, Process, World, settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

/// The time within which the server must have read what was sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens a connection and sends these bytes.
async fn open(url: &str, bytes: &str) -> TcpStream {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(bytes.as_bytes()).await.expect("the bytes are sent");
    stream
}

/// The whole response, up to the end of the connection.
async fn answer(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("the answer arrives");
    String::from_utf8(bytes).expect("the answer is text")
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_connections_do_not_block_other_clients() {
    let world = World::with(Backend::Sqlite, |config| config.limits.connections = 300);
    let w = world.await.unwrap();
    let mut kept = Vec::new();
    for _ in 0..300 {
        let mut stream = open(&w.url(), "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let mut space = [0; 1_024];
        let length = stream.read(&mut space).await.unwrap();
        assert!(space[..length].starts_with(b"HTTP/1.1 200 OK\r\n"));
        kept.push(stream);
    }
    let local = "host: localhost\r\n";
    let refused = answer(open(&w.url(), &get("/graphql?query=%7B__typename%7D", local)).await).await;
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    assert!(refused.contains("\r\nretry-after: 2\r\n"), "{refused}");
    let body: Value = serde_json::from_str(refused.split_once("\r\n\r\n").unwrap().1).unwrap();
    let error = &body["errors"][0];
    let message = "The server has 300 open connections (limits.connections). Try again.";
    assert_eq!((&error["message"], &error["extensions"]["code"]), (&json!(message), &json!("UNAVAILABLE")));
    for (path, status) in [("/health/live", "live"), ("/health/ready", "ready")] {
        let healthy = answer(open(&w.url(), &get(path, local)).await).await;
        assert!(healthy.starts_with("HTTP/1.1 200 OK\r\n"), "{healthy}");
        assert!(healthy.contains(&format!("\"status\":\"{status}\"")), "{healthy}");
    }
    drop(kept);
    w.finish().await;
}

/// The resident memory of the process, in kilobytes.
fn resident(server: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The bytes of bodies that the server holds.
async fn arrived(metrics: &str) -> u64 {
    let text = tests::http().get(metrics).send().await.unwrap().text().await.unwrap();
    let held = text.lines().find_map(|line| line.strip_prefix("plaudit_bytes_in_flight{of=\"requests\"} "));
    held.unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_parked_bodies_hold_only_arrived_bytes_and_do_not_block_others() {
    let database = tests::Database::migrated(Backend::Sqlite).await.unwrap();
    // On a busy machine it takes long to open the connections; no body may time out meanwhile.
    let patient = [("operations_listen", "127.0.0.1:0"), ("limits.body_seconds", "300")];
    let mut server = Process::serve_with(&settings(&database), &patient).await;
    let told = server.log_until("the operations listener serves metrics and health").await;
    let metrics =
        format!("http://{}/metrics", told.last().unwrap()["fields"]["operations"].as_str().unwrap());
    let ada = server.client(&Uuid::new_v4().to_string(), Role::Student);
    ada.ask("{ me { xp } }", json!({})).await.data();
    let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 65536\r\n\r\n";
    // The same bytes arrive for a body with a small declared length and for one with a large one. The difference is the
    // memory that the declaration takes.
    let park = async |announced: &str, all: u64| {
        let before = resident(&server);
        let mut parked = Vec::new();
        for _ in 0..300 {
            let head = head.replace("65536", announced);
            parked.push(open(&server.url, &format!("{head}{}", " ".repeat(1_000))).await);
        }
        let arriving = async { while arrived(&metrics).await < all * 1_000 {} };
        tokio::time::timeout(PATIENCE, arriving).await.expect("the bytes arrive");
        assert_eq!(ada.ask("{ me { xp } }", json!({})).await.data()["me"]["xp"], 0);
        (resident(&server).saturating_sub(before), parked)
    };
    let (little, announced_little) = park("1001", 300).await;
    let (much, parked) = park("65536", 600).await;
    let grown = much.saturating_sub(little);
    assert!(grown < 300 * 48, "{grown} kB more where 19,200 kB are announced than where 300 kB are");
    drop(announced_little);
    // The server does not wait for a body that is longer than allowed.
    let long = head.replace("65536", "65537");
    let refused = answer(open(&server.url, &long).await).await;
    assert!(refused.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{refused}");
    assert!(refused.contains("(limits.anonymous_body_bytes)"), "{refused}");
    drop(parked);
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_host_name_points_at_the_demo_is_refused() {
    let w = World::on(Backend::Sqlite).await.unwrap();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n";
    for host in ["host: attacker.example:8000\r\n", "", "host: localhost\r\nhost: attacker.example\r\n"] {
        for (path, headers) in [
            ("/graphiql", ""),
            ("/graphql?query=%7B__typename%7D", ""),
            ("/graphql", upgrade),
            ("/health/live", ""),
            ("/badges/secret-epic.svg", ""),
        ] {
            let told = answer(open(&w.url(), &get(path, &format!("{host}{headers}"))).await).await;
            assert!(told.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{path}: {told}");
            assert!(told.contains("`allowed_hosts`") && !told.contains("eyJ"), "{path}: {told}");
        }
    }
    let root = answer(open(&w.url(), &get("/", "host: localhost\r\n")).await).await;
    assert!(root.starts_with("HTTP/1.1 307 Temporary Redirect\r\n"), "{root}");
    assert!(root.contains("\r\nlocation: /graphiql\r\n"), "{root}");
    let page = answer(open(&w.url(), &get("/graphiql", "host: localhost:1\r\n")).await).await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("eyJ"), "the page has a token: {page}");
    assert!(page.contains("\r\ncontent-security-policy: frame-ancestors 'none'\r\n"), "{page}");
    assert!(page.contains("\r\nx-frame-options: DENY\r\n"), "{page}");
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_has_the_servers_request_id_whatever_the_caller_sends() {
    let w = World::on(Backend::Sqlite).await.unwrap();
    let (head, ada) = (w.person(Uuid::new_v4(), Role::SuperAdmin), w.student("UTC").await);
    let document =
        "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { message } } }";
    let input = json!({"id": ada, "displayName": "Ada Lovelace"});
    let request = tests::http()
        .post(format!("{}/graphql", w.url()))
        .header("x-request-id", "somebody-elses")
        .bearer_auth(head.token().unwrap())
        .json(&json!({"query": document, "variables": {"input": input}}));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-client-request-id"], "somebody-elses");
    let own = answer.headers()["x-request-id"].to_str().unwrap();
    assert_eq!(Uuid::parse_str(own).unwrap().get_version_num(), 7);
    let log = "query($id: ID!) { auditLog(userId: $id, first: 1) { nodes { requestId } } }";
    let noted = head.ask(log, json!({"id": ada})).await;
    assert_eq!(noted.data()["auditLog"]["nodes"], json!([{"requestId": own}]));
    w.finish().await;
}
