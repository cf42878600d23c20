//! Where requests to webhooks may go. A webhook must not reach the school's own machines, so every address of its host must be
//! a public one, or in a network that the settings allow. The check is of the addresses that are connected to.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Networks of IPv4 that are not part of the public Internet, by the IANA registry of special-purpose addresses.
const SPECIAL_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// Networks within 2000::/3, the public part of IPv6, that are special or contain an address of IPv4.
const SPECIAL_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];
/// The public part of IPv6.
const PUBLIC_V6: &str = "2000::/3";

static SPECIAL: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    SPECIAL_V4.iter().chain(&SPECIAL_V6).filter_map(|text| IpNet::from_str(text).ok()).collect()
});

/// Whether an address is part of the public Internet.
fn is_public(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_unicast = match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(_) => IpNet::from_str(PUBLIC_V6).is_ok_and(|public| public.contains(&address)),
    };
    is_unicast && !SPECIAL.iter().any(|network| network.contains(&address))
}

/// The networks that webhooks may reach in addition to the public Internet.
#[derive(Debug, Clone)]
pub(crate) struct Allowed(pub(crate) Arc<[IpNet]>);

impl Allowed {
    /// Whether requests may go to this address.
    fn has(&self, address: IpAddr) -> bool {
        is_public(address) || self.is_exempt(address)
    }

    /// Whether the settings allow this address although it is not public.
    fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Checks the URL of a webhook: https with a name or a public address. http only within the allowed networks. Names are
    /// checked again for every request.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) fn check(&self, url: &Url) -> Result<(), &'static str> {
        let literal = match url.host() {
            None => return Err("The URL must have a host."),
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
        };
        if url.scheme() != "https"
            && (self.0.is_empty() || literal.is_some_and(|address| !self.is_exempt(address)))
        {
            return Err("The URL must begin with https://.");
        }
        if literal.is_some_and(|address| !self.has(address)) {
            return Err(
                "The URL's address is not on the public Internet: use a public address, or ask the operator to \
                        allow its network (webhooks.allowed_networks).",
            );
        }
        Ok(())
    }
}

impl Allowed {
    /// Resolves the name of a URL that [`Allowed::check`] accepts, and checks its addresses as a request does. A name that
    /// cannot be resolved now is accepted: its receiver may come later.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) async fn check_name(&self, url: &Url) -> Result<(), &'static str> {
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, 0))).await;
        let Ok(Ok(mut found)) = found else { return Ok(()) };
        let is_encrypted = url.scheme() == "https";
        let may = |address: SocketAddr| {
            if is_encrypted { self.has(address.ip()) } else { self.is_exempt(address.ip()) }
        };
        match (found.all(may), is_encrypted) {
            (true, _) => Ok(()),
            (false, true) => Err(
                "The host has an address that is not on the public Internet: use a public one, or ask the \
                                  operator to allow its network (webhooks.allowed_networks).",
            ),
            (false, false) => Err("The URL must begin with https://."),
        }
    }
}

/// Resolves names, and refuses a name with an address that webhooks must not reach. A connection goes to the addresses that
/// were checked.
pub(super) struct Resolver {
    allowed: Allowed,
    may: fn(&Allowed, IpAddr) -> bool,
}

impl Resolver {
    /// For https: public addresses and those of the settings.
    pub(super) fn encrypted(allowed: &Allowed) -> Self {
        Self { allowed: allowed.clone(), may: Allowed::has }
    }

    /// For http: only those of the settings.
    pub(super) fn plain(allowed: &Allowed) -> Self {
        Self { allowed: allowed.clone(), may: Allowed::is_exempt }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, may) = (self.allowed.clone(), self.may);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if found.is_empty() || !found.iter().all(|address| may(&allowed, address.ip())) {
                return Err(Box::from(NOT_PUBLIC));
            }
            Ok(Addrs::from(Box::new(found.into_iter())))
        })
    }
}

/// How long a name may take to be resolved when a webhook is created.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// Why a name was refused.
pub(super) const NOT_PUBLIC: &str = "the host has an address that is not on the public Internet";

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(networks: &[&str]) -> Allowed {
        Allowed(networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_in_every_notation() {
        let refused = [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
        ];
        for text in refused {
            let address: IpAddr = text.parse().unwrap();
            assert!(!is_public(address), "{text}");
        }
        for text in
            ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:2800:220:1::1", "2a00:1450::1", "::ffff:1.1.1.1"]
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_url_is_checked_as_it_is_connected_to() {
        let check = |url: &str| allowed(&[]).check(&Url::parse(url).unwrap()).is_ok();
        for refused in [
            "http://hooks.example/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::ffff:7f00:1]/",
            "https://[::1]/",
            "https://10.0.0.1:8443/x",
        ] {
            assert!(!check(refused), "{refused}");
        }
        for good in ["https://hooks.example/a?b=c", "https://1.1.1.1/", "https://[2606:2800:220:1::1]:8443/"]
        {
            assert!(check(good), "{good}");
        }
        let inside = allowed(&["10.0.0.0/8"]);
        for good in ["https://10.0.0.1/", "http://10.0.0.1/", "http://mis.school.example/"] {
            assert_eq!(inside.check(&Url::parse(good).unwrap()), Ok(()), "{good}");
        }
        for refused in ["https://192.168.0.1/", "http://1.1.1.1/"] {
            assert!(inside.check(&Url::parse(refused).unwrap()).is_err(), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_name_with_an_address_that_is_not_public_is_refused_when_it_is_resolved() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = Resolver::encrypted(&allowed(&[])).resolve(name()).await;
        assert_eq!(refused.err().map(|error| error.to_string()).as_deref(), Some(NOT_PUBLIC));
        let here = allowed(&["127.0.0.0/8", "::1/128"]);
        for resolver in [Resolver::encrypted(&here), Resolver::plain(&here)] {
            assert!(resolver.resolve(name()).await.unwrap().count() > 0);
        }
        let elsewhere = Resolver::plain(&allowed(&["10.0.0.0/8"])).resolve(name()).await;
        assert!(elsewhere.is_err(), "http only within the allowed networks");
    }
}
