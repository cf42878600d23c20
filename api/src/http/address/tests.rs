//! The address that a request is counted for, as a table of peers and headers.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::{ClientAddress, resolve};
use crate::config::Limits;

/// `lines` are header lines in the order of arrival; `expected` is empty if no address is known.
#[track_caller]
fn check(peer: &str, lines: &[(&str, &str)], expected: &str) {
    let mut trusted = Limits::default().trusted_proxies;
    trusted.push("10.0.0.0/8".parse().unwrap());
    trusted.push("2001:db8:ffff::/48".parse().unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(name.parse::<HeaderName>().unwrap(), value);
    }
    let expected = (!expected.is_empty()).then(|| expected.parse::<IpAddr>().unwrap());
    assert_eq!(
        resolve(&trusted, peer.parse().unwrap(), &headers),
        ClientAddress(expected),
        "{peer} {lines:?}"
    );
}

const LOCAL: &str = "127.0.0.1";
const XFF: &str = "x-forwarded-for";
const FWD: &str = "forwarded";

#[test]
fn a_peer_that_is_not_trusted_is_the_client_whatever_it_sends() {
    check("203.0.113.7", &[], "203.0.113.7");
    check("203.0.113.7", &[(XFF, "198.51.100.1")], "203.0.113.7");
    check("203.0.113.7", &[(FWD, "for=198.51.100.1")], "203.0.113.7");
    check("::ffff:203.0.113.7", &[], "203.0.113.7");
    check("2001:db8:1:2:3:4:5:6", &[], "2001:db8:1:2::");
}

#[test]
fn a_trusted_peer_without_a_header_names_no_client() {
    for peer in [LOCAL, "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.1.2.3"] {
        check(peer, &[], "");
    }
}

#[test]
fn the_last_untrusted_address_of_x_forwarded_for_is_the_client() {
    check(LOCAL, &[(XFF, "198.51.100.1")], "198.51.100.1");
    check(LOCAL, &[(XFF, "1.1.1.1, 198.51.100.1")], "198.51.100.1");
    check(LOCAL, &[(XFF, "1.1.1.1, 198.51.100.1, 10.0.0.9")], "198.51.100.1");
    check(LOCAL, &[(XFF, "1.1.1.1"), (XFF, "198.51.100.1")], "198.51.100.1");
    check(LOCAL, &[(XFF, "198.51.100.1:4711")], "198.51.100.1");
    check(LOCAL, &[(XFF, "[2001:db8:1:2:3::4]:4711")], "2001:db8:1:2::");
    check(LOCAL, &[(XFF, "2001:db8:1:2:3::4")], "2001:db8:1:2::");
    check(LOCAL, &[(XFF, "::ffff:198.51.100.1")], "198.51.100.1");
    // With only trusted addresses, the farthest of them is the client.
    check(LOCAL, &[(XFF, "10.0.0.8, 10.0.0.9")], "10.0.0.8");
}

#[test]
fn forwarded_is_parsed_according_to_rfc_7239() {
    check(LOCAL, &[(FWD, "for=198.51.100.1")], "198.51.100.1");
    check(LOCAL, &[(FWD, "For=\"198.51.100.1:4711\";Proto=https; by=10.0.0.9")], "198.51.100.1");
    check(LOCAL, &[(FWD, "for=\"[2001:db8:1:2:3::4]\"")], "2001:db8:1:2::");
    check(LOCAL, &[(FWD, "for=\"[2001:db8:1:2:3::4]:_port\"")], "2001:db8:1:2::");
    check(LOCAL, &[(FWD, "for=1.1.1.1, for=198.51.100.1;host=\"a, b\"")], "198.51.100.1");
    check(LOCAL, &[(FWD, "for=1.1.1.1, for=198.51.100.1, for=\"[2001:db8:ffff::1]\"")], "198.51.100.1");
    check(LOCAL, &[(FWD, "for=1.1.1.1"), (FWD, "for=198.51.100.1")], "198.51.100.1");
    check(LOCAL, &[(FWD, "for=\"\\198.51.100.1\"")], "198.51.100.1");
}

#[test]
fn an_element_that_cannot_be_read_ends_the_walk_at_the_proxy_that_sent_it() {
    for element in ["unknown", "_hidden", "", "198.51.100", "fe80::1%eth0", "198.51.100.1:99999", "[::1"] {
        check(LOCAL, &[(XFF, &format!("1.1.1.1, {element}"))], LOCAL);
        check(LOCAL, &[(XFF, &format!("1.1.1.1, {element}, 10.0.0.9"))], "10.0.0.9");
        check(LOCAL, &[(FWD, &format!("for=1.1.1.1, for=\"{element}\""))], LOCAL);
    }
    for line in ["", "for", "for=", "proto=https", "for=1.1.1.1;for=2.2.2.2", "for=1.1.1.1 for=2.2.2.2", "é"]
    {
        check(LOCAL, &[(FWD, line)], LOCAL);
    }
    // A client that opens a quoted string cannot hide the element that the proxy appends.
    check(LOCAL, &[(FWD, "for=\"1.1.1.1, for=198.51.100.1")], LOCAL);
    check(LOCAL, &[(FWD, "for=\"1.1.1.1, for=\"[2001:db8::1]\"")], LOCAL);
    check(LOCAL, &[(FWD, "for=\"1.1.1.1"), (FWD, "for=198.51.100.1")], "198.51.100.1");
}

#[test]
fn headers_that_disagree_count_for_the_proxy() {
    check(LOCAL, &[(FWD, "for=198.51.100.1"), (XFF, "198.51.100.1")], "198.51.100.1");
    check(LOCAL, &[(FWD, "for=1.1.1.1"), (XFF, "198.51.100.1")], LOCAL);
    check("10.0.0.9", &[(FWD, "for=1.1.1.1"), (XFF, "198.51.100.1")], "10.0.0.9");
}
