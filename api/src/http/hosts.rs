//! The host names that the server accepts. A page of another site can point its own name at this server (DNS
//! rebinding). The browser then sends that name as the host, and the server refuses the request.

use async_graphql::Executor;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;

use super::{Site, middleware};
use crate::config::Config;
use crate::refusal::{Code, Refusal};

/// Names of this machine.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Refuses a request for an unknown host, on every route. In production health is served under any name, because
/// load balancers use the address.
pub(super) async fn each_request<E: Executor>(
    State(site): State<Site<E>>,
    request: Request,
    next: Next,
) -> Response {
    let config = &site.app.config;
    let is_probe = !config.is_demo() && request.uri().path().starts_with("/health/");
    if is_checked(config) && !is_probe && !is_ours(config, &request) {
        let message = "The server does not accept this host name. Use localhost or the host of `public_url`, \
            or list the name in `allowed_hosts`.";
        let refusal = Refusal::new(Code::Forbidden, message);
        return middleware::response_context(&site, &request)
            .refused(StatusCode::MISDIRECTED_REQUEST, &refusal);
    }
    next.run(request).await
}

/// Whether hosts are checked: always in the demo, because everyone can create tokens for it; elsewhere if names are
/// configured.
fn is_checked(config: &Config) -> bool {
    config.is_demo() || !config.allowed_hosts.is_empty()
}

/// Whether the operations listener serves this request: in the demo only under our own names, elsewhere always,
/// because monitoring uses the address.
pub(super) fn is_for_operations(config: &Config, request: &Request) -> bool {
    !config.is_demo() || is_ours(config, request)
}

/// Whether the request has exactly one `Host`, and this and the host of its address (if present) are ours.
fn is_ours(config: &Config, request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(Ok(host)), None) = (hosts.next().map(|host| host.to_str()), hosts.next()) else {
        return false;
    };
    covers(config, host) && request.uri().authority().is_none_or(|other| covers(config, other.as_str()))
}

fn covers(config: &Config, host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let is = |known: &str| authority.host().eq_ignore_ascii_case(known);
    LOCAL.into_iter().any(is)
        || config.public_url.host_str().is_some_and(is)
        || config.allowed_hosts.iter().any(|allowed| is(allowed) || host.eq_ignore_ascii_case(allowed))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;

    use super::is_ours;
    use crate::config::Config;

    #[track_caller]
    fn check(uri: &str, hosts: &[&str], ours: bool) {
        let mut config = Config::demo();
        config.public_url = "https://plaudit.example.school/api/".parse().unwrap();
        config.allowed_hosts = vec!["inside.example".to_owned(), "other.example:8443".to_owned()];
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        assert_eq!(is_ours(&config, &request.body(Body::empty()).unwrap()), ours, "{uri} {hosts:?}");
    }

    #[test]
    fn a_host_is_ours_if_it_is_this_machine_or_the_public_url_or_listed() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8000"] {
            check("/", &[host], true);
        }
        for host in ["plaudit.example.school", "plaudit.example.school:443", "inside.example:1"] {
            check("/", &[host], true);
        }
        check("/", &["other.example:8443"], true);
        check("/", &["other.example"], false);
        check("/", &["other.example:8444"], false);
        for host in [
            "attacker.example",
            "attacker.example:8000",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example",
            "localhost@attacker.example",
            "attacker.example@localhost",
            "::1",
            "",
            " ",
            "10.0.0.1",
        ] {
            check("/", &[host], false);
        }
        check("/", &[], false);
        check("/", &["localhost", "attacker.example"], false);
        check("/", &["localhost", "localhost"], false);
        check("http://attacker.example/graphql", &["localhost"], false);
        check("http://localhost/graphql", &["localhost"], true);
        check("http://localhost/graphql", &["attacker.example"], false);
    }
}
