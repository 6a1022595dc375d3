//! What a request tells of its sender: the secret in a cookie of ours, and where it comes from.

use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderValue, header};

use crate::domain::credential::Secret;
use crate::limits;

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    /// Of whoever typed the login and password of a credential.
    Credential,
    /// Of whoever signs in, or is about to, with an account.
    Account,
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
        }
    }

    /// The secret in it.
    pub(super) fn read(self, headers: &HeaderMap, public_url: &str) -> Option<Secret> {
        let name = self.name(is_secure(public_url));
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut values = pairs.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        values.find(|(own, _)| *own == name).and_then(|(_, value)| Secret::parse(value))
    }

    /// The header that sets it; without a secret the one that takes it away.
    pub(super) fn write(self, secret: Option<&Secret>, public_url: &str) -> HeaderValue {
        let secure = is_secure(public_url);
        let (name, more) = (self.name(secure), if secure { "; Secure" } else { "" });
        let (value, age) = secret.map_or(("", 0), |secret| (secret.text(), limits::SESSION_SECONDS));
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{more}");
        HeaderValue::from_str(&cookie).expect("a secret is plain letters")
    }
}

fn is_secure(public_url: &str) -> bool {
    public_url.starts_with("https://")
}

/// Where a try comes from: the last hop that a proxy on this machine names, since only its word can be believed; else the peer.
pub(super) fn origin(peer: SocketAddr, headers: &HeaderMap) -> String {
    let named = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let last = named.and_then(|list| list.rsplit(',').next()).map(str::trim);
    match last.and_then(|last| last.parse::<std::net::IpAddr>().ok()) {
        Some(address) if peer.ip().is_loopback() => address.to_string(),
        _ => peer.ip().to_string(),
    }
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
        let far = SocketAddr::from(([203, 0, 113, 9], 1));
        assert_eq!(origin(near, &headers("198.51.100.7, 192.0.2.1")), "192.0.2.1");
        assert_eq!(origin(near, &headers("nonsense")), "127.0.0.1");
        assert_eq!(origin(far, &headers("192.0.2.1")), "203.0.113.9");
        assert_eq!(origin(near, &HeaderMap::new()), "127.0.0.1");
    }
}
