//! Limits of connections and of requests, per address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderMap;

use super::{Admission, Connection, Full};
use crate::config::Limits;
use crate::telemetry::Telemetry;

fn admission(connections: usize, per_address: usize) -> Arc<Admission> {
    let limits = Limits { connections, connections_per_address: per_address, ..Limits::default() };
    Admission::new(Arc::new(limits), Telemetry::new())
}

fn peer(ip: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(ip.into(), 4_711)
}

fn stranger(last: u8) -> SocketAddr {
    peer([203, 0, 113, last])
}

fn from(client: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !client.is_empty() {
        headers.insert("x-forwarded-for", client.parse().unwrap());
    }
    headers
}

#[test]
fn each_address_has_its_own_limit() {
    let admission = admission(100, 2);
    let full = |peer| admission.admit(peer).map(|connection| (connection.full, connection));
    let (_, first) = full(stranger(1)).unwrap();
    let (none, _second) = full(stranger(1)).unwrap();
    assert_eq!(none, None);
    assert_eq!(full(stranger(1)).unwrap().0, Some(Full::Address));
    assert_eq!(full(stranger(2)).unwrap().0, None);
    // All addresses of a /64 network are one client.
    let _v6 = ["2001:db8::1", "2001:db8::2"].map(|ip| admission.admit(peer(ip.parse::<IpAddr>().unwrap())));
    assert_eq!(full(peer("2001:db8::3".parse::<IpAddr>().unwrap())).unwrap().0, Some(Full::Address));
    assert_eq!(full(peer("2001:db8:0:1::1".parse::<IpAddr>().unwrap())).unwrap().0, None);
    // Its place is released with the last clone: a socket holds one.
    let clone = first.clone();
    drop(first);
    assert_eq!(full(stranger(1)).unwrap().0, Some(Full::Address));
    drop(clone);
    assert_eq!(full(stranger(1)).unwrap().0, None);
}

#[test]
fn trusted_peers_have_no_limit_but_count_for_the_total() {
    let admission = admission(3, 1);
    let kept: Vec<Connection> = (0..3).filter_map(|_| admission.admit(peer(Ipv4Addr::LOCALHOST))).collect();
    assert!(kept.iter().all(|connection| connection.full.is_none()));
    assert_eq!(admission.admit(peer(Ipv4Addr::LOCALHOST)).unwrap().full, Some(Full::Server));
    drop(kept);
    assert_eq!(admission.addresses.keys(), 0);
    assert_eq!(admission.admit(stranger(1)).unwrap().full, None);
}

#[test]
fn refusals_are_limited_and_a_part_is_reserved_for_proxies() {
    let admission = admission(1, 1);
    let _served = admission.admit(stranger(0)).unwrap();
    let mut refused = Vec::new();
    let mut refuse = |peer| admission.admit(peer).map(|connection| refused.push(connection)).is_some();
    for address in 1..=6 {
        for _ in 0..32 {
            assert!(refuse(stranger(address)));
        }
        assert!(!refuse(stranger(address)), "one address is answered 32 times at once");
    }
    assert!(!refuse(stranger(7)));
    for _ in 0..64 {
        assert!(refuse(peer(Ipv4Addr::LOCALHOST)));
    }
    assert!(!refuse(peer(Ipv4Addr::LOCALHOST)));
    assert!(refused.iter().all(Connection::is_refused));
    drop(refused);
    assert_eq!(admission.refusals.keys(), 0);
}

#[test]
fn requests_through_a_proxy_are_counted_for_their_client() {
    let admission = admission(10, 2);
    let proxy = admission.admit(peer(Ipv4Addr::LOCALHOST)).unwrap();
    let ask = |client: &str| proxy.clone().of_request(&from(client));
    let (first, admitted) = ask("198.51.100.1");
    assert_eq!((first.client.0, admitted), (Some([198, 51, 100, 1].into()), Ok(())));
    let (_second, admitted) = ask("1.1.1.1, 198.51.100.1");
    assert_eq!(admitted, Ok(()));
    assert_eq!(ask("198.51.100.1").1, Err(Full::Address));
    assert_eq!(ask("198.51.100.2").1, Ok(()));
    let unnamed: Vec<_> = (0..5).map(|_| ask("")).collect();
    assert!(unnamed.iter().all(|(connection, admitted)| admitted.is_ok() && connection.client.0.is_none()));
    drop(first);
    assert_eq!(ask("198.51.100.1").1, Ok(()));
    // Headers from a client that is not a proxy are ignored, and its connection is counted once.
    let direct = admission.admit(stranger(1)).unwrap();
    for _ in 0..3 {
        let (connection, admitted) = direct.clone().of_request(&from("198.51.100.1"));
        assert_eq!((connection.client.0, admitted), (Some([203, 0, 113, 1].into()), Ok(())));
    }
}
