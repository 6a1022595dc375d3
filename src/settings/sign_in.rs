//! `[provider]` and `[proxy]`: who vouches for people beside their password here.

use std::net::IpAddr;

use secrecy::SecretString;

use super::section::Section;

/// `[provider]`: an identity provider (OpenID Connect).
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Its address, as its discovery document names it.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// What it shares with us.
    pub secret: SecretString,
    /// What the button calls it.
    pub name: String,
}

/// `[proxy]`: a proxy in front of us that signs people in (Shibboleth, SAML federations).
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Header in which it puts the person's address, in small letters.
    pub header: String,
    /// Whose connections are believed.
    pub from: Vec<IpAddr>,
    /// What it shows in `X-Hagaki-Proxy`.
    pub secret: SecretString,
    /// What the button calls it.
    pub name: String,
}

pub(super) fn provider(section: &Section<'_, '_>) -> Option<ProviderSettings> {
    let issuer = section.text("issuer", "https://idp.example.jp").and_then(|text| {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://").filter(|rest| is_near(rest)));
        let plain =
            |rest: &&str| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || "?#<>\"@".contains(c));
        if host.filter(plain).is_none() {
            let right = "the address in the provider's discovery document, beginning with https://";
            section.wrong_value("issuer", &format!("\"{text}\" is no address of a provider"), right);
            return None;
        }
        Some(text)
    });
    let client_id = section.text("client_id", "hagaki");
    let secret = section.required_secret();
    let name = section.text("name", "Example University");
    Some(ProviderSettings { issuer: issuer?, client_id: client_id?, secret: secret?, name: name? })
}

/// Whether an address without http:// is on this machine, where nobody listens on the way.
fn is_near(rest: &str) -> bool {
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

/// The addresses of proxies under a key that may be left out.
pub(super) fn addresses(section: &Section<'_, '_>, key: &'static str) -> Option<Vec<IpAddr>> {
    let written = section.texts(key);
    let mut addresses = Vec::with_capacity(written.len());
    for text in &written {
        match text.parse::<IpAddr>() {
            Ok(address) => addresses.push(address.to_canonical()),
            Err(_) => {
                let right = "IP addresses of the proxy, such as [\"127.0.0.1\"]";
                section.wrong_value(key, &format!("\"{text}\" is no IP address"), right);
                return None;
            }
        }
    }
    Some(addresses)
}

pub(super) fn proxy(section: &Section<'_, '_>) -> Option<ProxySettings> {
    let header = section.text("header", "X-Mail").and_then(|text| {
        let plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        if !plain {
            section.wrong_value("header", &format!("\"{text}\" is no name of a header"), "letters, digits and hyphens");
        }
        plain.then(|| text.to_ascii_lowercase())
    });
    let mut from = addresses(section, "from")?;
    if !section.has("from") {
        from.push(IpAddr::from([127, 0, 0, 1]));
    }
    let secret = section.required_secret();
    let name = section.text("name", "GakuNin");
    Some(ProxySettings { header: header?, from, secret: secret?, name: name? })
}
