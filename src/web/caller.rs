//! What a request tells of its sender: the secret in a cookie of ours, and where it comes from.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};

use crate::domain::credential::Secret;
use crate::domain::time::Instant;
use crate::limits;

/// A request as far as pages look at it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Address of the page, without what follows a question mark.
    pub(super) path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Call, Infallible> {
        Ok(Call { headers: parts.headers.clone(), path: parts.uri.path().to_string() })
    }
}

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    /// Of whoever typed the login and password of a credential.
    Credential,
    /// Of whoever signs in, or is about to, with an account.
    Account,
    /// Of whoever is on the way to an identity provider and back.
    Provider,
    /// Of a browser in which somebody signed in to an account before.
    Browser,
}

impl Cookie {
    /// Its name: on plain http, which only loopback and closed networks speak; and on https, where a browser takes it from this
    /// host alone (RFC 6265bis section 4.1.3.2).
    const fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Cookie::Credential, false) => "hagaki",
            (Cookie::Credential, true) => "__Host-hagaki",
            (Cookie::Account, false) => "hagaki-account",
            (Cookie::Account, true) => "__Host-hagaki-account",
            (Cookie::Provider, false) => "hagaki-provider",
            (Cookie::Provider, true) => "__Host-hagaki-provider",
            (Cookie::Browser, false) => "hagaki-browser",
            (Cookie::Browser, true) => "__Host-hagaki-browser",
        }
    }

    /// The secret in it.
    pub(super) fn read(self, headers: &HeaderMap, public_url: &str) -> Option<Secret> {
        self.read_text(headers, public_url).and_then(Secret::parse)
    }

    /// The text in it.
    pub(super) fn read_text<'h>(self, headers: &'h HeaderMap, public_url: &str) -> Option<&'h str> {
        let name = self.name(is_secure(public_url));
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut values = pairs.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        values.find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The header that sets it; without a secret the one that takes it away.
    pub(super) fn write(self, secret: Option<&Secret>, public_url: &str) -> HeaderValue {
        self.write_text(secret.map(Secret::text), public_url)
    }

    /// The same for a text of plain letters, digits and full stops.
    pub(super) fn write_text(self, text: Option<&str>, public_url: &str) -> HeaderValue {
        let secure = is_secure(public_url);
        let (name, more) = (self.name(secure), if secure { "; Secure" } else { "" });
        let age = match self {
            Cookie::Provider => limits::PROVIDER_FLOW_SECONDS,
            Cookie::Browser => limits::BROWSER_KNOWN_SECONDS,
            Cookie::Credential | Cookie::Account => limits::SESSION_SECONDS,
        };
        let (value, age) = text.map_or(("", 0), |text| (text, age));
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{more}");
        HeaderValue::from_str(&cookie).expect("plain letters are a header's value")
    }
}

fn is_secure(public_url: &str) -> bool {
    public_url.starts_with("https://")
}

/// Where a try comes from: the last hop that a proxy of ours names and that is none of `proxies`, since only the word of one on this machine
/// or among them can be believed; else the peer. Of IPv6 the network: whoever has one has all of its addresses (RFC 4291 section 2.5.1).
pub(super) fn origin(peer: SocketAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> String {
    let mut from = peer.ip().to_canonical();
    if from.is_loopback() || proxies.contains(&from) {
        let named = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = named.flat_map(|list| list.split(',')).collect();
        for hop in hops.into_iter().rev() {
            let Some(address) = address_of(hop.trim()) else { break };
            from = address;
            if !proxies.contains(&from) {
                break;
            }
        }
    }
    match from {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// An address as proxies write it: bare, or with a port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.parse::<IpAddr>().ok();
    bare.or_else(|| hop.parse::<SocketAddr>().ok().map(|own| own.ip())).map(|address| address.to_canonical())
}

/// Minutes until a moment, at least one, as a word of a sentence.
pub(super) fn minutes_until(until: Instant, now: Instant) -> String {
    let seconds = until.seconds_since(now).max(1);
    (seconds.saturating_add(59) / 60).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        let headers = |list: &'static str| {
            HeaderMap::from_iter([(header::HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(list))])
        };
        let near = SocketAddr::from(([127, 0, 0, 1], 1));
        let mapped = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 1));
        let far = SocketAddr::from(([203, 0, 113, 9], 1));
        for near in [near, mapped] {
            assert_eq!(origin(near, &headers("198.51.100.7, 192.0.2.1"), &[]), "192.0.2.1");
            assert_eq!(origin(near, &headers("192.0.2.1:51234"), &[]), "192.0.2.1");
            assert_eq!(origin(near, &headers("nonsense"), &[]), "127.0.0.1");
            assert_eq!(origin(near, &HeaderMap::new(), &[]), "127.0.0.1");
        }
        assert_eq!(origin(far, &headers("192.0.2.1"), &[]), "203.0.113.9");
        // One on another machine is believed where the settings name it, also behind one on this machine.
        let proxies = [far.ip()];
        assert_eq!(origin(far, &headers("198.51.100.7, 192.0.2.1"), &proxies), "192.0.2.1");
        assert_eq!(origin(near, &headers("192.0.2.1, 203.0.113.9"), &proxies), "192.0.2.1");
        assert_eq!(origin(far, &headers("nonsense, 203.0.113.9"), &proxies), "203.0.113.9");
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let from = |text: &str| origin(text.parse().unwrap(), &HeaderMap::new(), &[]);
        assert_eq!(from("[2001:db8:1:2:3:4:5:6]:443"), "2001:db8:1:2::/64");
        assert_eq!(from("[2001:db8:1:2:ffff::1]:443"), from("[2001:db8:1:2:3:4:5:6]:443"));
        assert_ne!(from("[2001:db8:1:3::1]:443"), from("[2001:db8:1:2::1]:443"));
        assert_eq!(from("[::ffff:192.0.2.1]:443"), "192.0.2.1");
    }
}
