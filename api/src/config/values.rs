//! Parses the text of one setting into its type, or returns how to correct it.

use std::net::{IpAddr, SocketAddr};

use chrono::TimeDelta;
use chrono_tz::Tz;
use ipnet::IpNet;
use url::Url;

use super::problem::nearest;
use super::{LogFormat, Profile};

pub(super) fn read_profile(text: &str) -> Result<Profile, String> {
    match text {
        "demo" => Ok(Profile::Demo),
        "production" => Ok(Profile::Production),
        _ => Err("must be demo or production.".to_owned()),
    }
}

pub(super) fn read_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "must be an IP address and a port, such as 127.0.0.1:8000 or, for every address, 0.0.0.0:8000."
            .to_owned()
    })
}

/// The listener has no authentication, so the message does not suggest an address that other machines reach.
pub(super) fn read_operations_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:9001.".to_owned())
}

pub(super) fn read_public_url(text: &str) -> Result<Url, String> {
    let wrong =
        || "must be an absolute http or https URL, such as https://plaudit.example.school/.".to_owned();
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    let named = url.username().is_empty() && url.password().is_none();
    let plain = named && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !plain {
        return Err(wrong());
    }
    // Paths are joined to it. Without the last slash the join would drop its last segment.
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

pub(super) fn read_origins(texts: &[String]) -> Result<Vec<String>, String> {
    texts.iter().map(|text| read_origin(text)).collect::<Option<_>>().ok_or_else(|| {
        "must be a list of origins, each a scheme, a host and an optional port, without a path: https://school.example, \
         http://localhost:5173; http://localhost:* is any port."
            .to_owned()
    })
}

/// An origin as browsers send it; the port `*` is kept.
fn read_origin(text: &str) -> Option<String> {
    let (host, any_port) = match text.strip_suffix(":*") {
        Some(host) => (host, ":*"),
        None => (text, ""),
    };
    let url = Url::parse(host).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    let known = matches!(url.scheme(), "http" | "https");
    let named = url.host_str().is_some_and(|name| !name.contains('*'));
    let one_port = any_port.is_empty() || url.port().is_none();
    (bare && nobody && known && named && one_port).then(|| url.origin().ascii_serialization() + any_port)
}

pub(super) fn read_hosts(texts: &[String]) -> Result<Vec<String>, String> {
    texts.iter().map(|text| read_host(text)).collect::<Option<_>>().ok_or_else(|| {
        "must be a list of host names or addresses, each with an optional port, without a scheme: plaudit.example.school, \
         192.0.2.1:8000."
            .to_owned()
    })
}

/// A host as a browser sends it in `Host`.
fn read_host(text: &str) -> Option<String> {
    let url = Url::parse(&format!("http://{text}/")).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let unnamed = url.username().is_empty() && url.password().is_none();
    let plain = bare && unnamed && !text.contains(['/', '*', '@', ' ']);
    plain.then(|| text.to_ascii_lowercase())
}

pub(super) fn read_networks(texts: &[String]) -> Result<Vec<IpNet>, String> {
    let read = |text: &String| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    texts.iter().map(read).collect::<Result<_, _>>().map_err(|_| {
        "must be a list of addresses and networks, such as 127.0.0.0/8, ::1/128 or 192.0.2.1.".to_owned()
    })
}

pub(super) fn read_truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false.".to_owned())
}

pub(super) fn read_timezone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| match nearest(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())) {
        Some(near) => format!("is not an IANA time zone. Did you mean {near}?"),
        None => "is not an IANA time zone; write one such as Europe/Berlin or UTC.".to_owned(),
    })
}

pub(super) fn read_weekday(text: &str) -> Result<chrono::Weekday, String> {
    text.parse().map_err(|_| "must be a weekday, such as Mon or Sun.".to_owned())
}

pub(super) fn read_log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json.".to_owned()),
    }
}

/// Parses a duration: `90s`, `30m`, `12h`, `7d`.
///
/// # Errors
/// How to correct the text, for a human reader.
pub fn parse_span(written: &str) -> Result<TimeDelta, String> {
    let wrong = || "must be a duration from 1s to 365d, such as 90s, 30m, 12h or 7d.".to_owned();
    let unit = written.chars().last().ok_or_else(wrong)?;
    let number: i64 = written.strip_suffix(unit).and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    let seconds = match unit {
        's' => Some(number),
        'm' => number.checked_mul(60),
        'h' => number.checked_mul(3_600),
        'd' => number.checked_mul(86_400),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| (1..=31_536_000).contains(seconds)).ok_or_else(wrong)?;
    TimeDelta::try_seconds(seconds).ok_or_else(wrong)
}
