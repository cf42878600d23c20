//! The client's address: the peer's address, or the one that a trusted proxy reports in `Forwarded` (RFC 7239)
//! or `X-Forwarded-For`. Every limit per address uses the address returned here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request is counted for. An IPv6 address is reduced to its /64 network. `None` if a trusted
/// peer reported no client address: such requests are not limited per address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientAddress(pub(super) Option<IpAddr>);

/// The client of a request with these headers that came from `peer`.
///
/// The reported addresses are read from the right, because each proxy appends the address of its peer. The
/// first untrusted address is the client. If an element cannot be parsed, the result is the proxy that sent it.
/// If both headers are present and disagree, the client may have sent one of them: the request is then counted
/// for the proxy.
pub(super) fn resolve(trusted: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
    let peer = peer.to_canonical();
    if !is_trusted(trusted, peer) {
        return ClientAddress(Some(counted(peer)));
    }
    let client = |name: HeaderName, read: fn(&str) -> Vec<Option<IpAddr>>| {
        headers.contains_key(&name).then(|| {
            let lines = headers.get_all(&name).iter().rev();
            let hops = lines.flat_map(|line| line.to_str().map_or_else(|_| vec![None], read));
            counted(last_untrusted(trusted, peer, hops))
        })
    };
    match (client(FORWARDED, read_forwarded), client(X_FORWARDED_FOR, read_x_forwarded_for)) {
        (None, None) => ClientAddress(None),
        (Some(client), None) | (None, Some(client)) => ClientAddress(Some(client)),
        (Some(one), Some(other)) if one == other => ClientAddress(Some(one)),
        (Some(_), Some(_)) => ClientAddress(Some(counted(peer))),
    }
}

/// Whether this peer may report the addresses of its clients.
pub(super) fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// The address to count for a client: an IPv4 address unchanged, an IPv6 address as its /64 network, because one
/// host can use every address of its network.
pub(super) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Follows the hops, nearest first, up to the first address that is untrusted or cannot be parsed.
fn last_untrusted(trusted: &[IpNet], peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
    let mut last = peer;
    for hop in hops {
        let Some(address) = hop else { break };
        last = address;
        if !is_trusted(trusted, address) {
            break;
        }
    }
    last
}

/// The addresses of one `X-Forwarded-For` line, nearest first.
fn read_x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.rsplit(',').map(|element| read_node(element.trim())).collect()
}

/// The `for` addresses of one `Forwarded` line, nearest first. A line with a syntax error yields no address: a
/// client could have opened a quoted string before the text that the proxy appended.
fn read_forwarded(line: &str) -> Vec<Option<IpAddr>> {
    match read_elements(line) {
        Some(mut elements) => {
            elements.reverse();
            elements
        }
        None => vec![None],
    }
}

/// The `for` address of each element of a `Forwarded` line, in order; `None` on a syntax error.
fn read_elements(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut rest = line.chars().peekable();
    let mut elements = Vec::new();
    let mut node: Option<String> = None;
    loop {
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let mut name = String::new();
        while let Some(letter) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_') {
            name.push(letter);
        }
        if name.is_empty() || rest.next() != Some('=') {
            return None;
        }
        let mut value = String::new();
        if rest.next_if_eq(&'"').is_some() {
            loop {
                match rest.next()? {
                    '"' => break,
                    '\\' => value.push(rest.next()?),
                    letter => value.push(letter),
                }
            }
        } else {
            while let Some(letter) = rest.next_if(|c| !matches!(c, ',' | ';' | '"' | ' ' | '\t')) {
                value.push(letter);
            }
        }
        if name.eq_ignore_ascii_case("for") && node.replace(value).is_some() {
            return None;
        }
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        match rest.next() {
            Some(';') => {}
            Some(',') => elements.push(node.take().as_deref().and_then(read_node)),
            None => {
                elements.push(node.as_deref().and_then(read_node));
                return Some(elements);
            }
            Some(_) => return None,
        }
    }
}

/// An address, with or without a port; an IPv6 address with a port is in brackets.
fn read_node(text: &str) -> Option<IpAddr> {
    let is_port = |port: &str| port.parse::<u16>().is_ok() || port.starts_with('_');
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let ends = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return ends.then(|| IpAddr::from(address).to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(address.into())
}

#[cfg(test)]
mod tests;
