//! Which of our addresses a mail came to: the sub-address (RFC 5233) names a study, or carries a token.

use super::address;
use super::header::Header;

/// What stands behind the `+` of our address. Tokens are not checked here: that takes the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubAddress {
    /// `reg+slug@`: a study's slug.
    Study(String),
    /// `reg+s012.MAC@`: a site token, whole.
    Site(String),
    /// `reg+c.TOKEN@`: the one-time token of a confirmation, without `c.`.
    Confirm(String),
    /// `reg+b.ID.MAC@`: the envelope sender of one of our letters, whole.
    Bounce(String),
    /// `reg+u.ID.MAC@`: what stops letters to a participant, without `u.`: the name of the page that does the same.
    OptOut(String),
    /// Anything else.
    Other(String),
}

impl SubAddress {
    /// Reads what stands behind the `+`. Local parts reach us in any case, so ours are lower-case throughout.
    pub fn parse(text: &str) -> SubAddress {
        let text = text.to_ascii_lowercase();
        let parts: Vec<&str> = text.split('.').collect();
        match parts.as_slice() {
            ["b", _, ..] => SubAddress::Bounce(text),
            ["u", _, ..] => SubAddress::OptOut(text.strip_prefix("u.").unwrap_or_default().to_string()),
            ["c", token] if !token.is_empty() => SubAddress::Confirm((*token).to_string()),
            [site, _, ..] if site.len() > 1 && site.starts_with('s') => SubAddress::Site(text),
            [slug] if !slug.is_empty() => SubAddress::Study(text),
            _ => SubAddress::Other(text),
        }
    }

    /// As it stood in the address.
    pub fn text(&self) -> String {
        match self {
            SubAddress::Confirm(token) => format!("c.{token}"),
            SubAddress::OptOut(name) => format!("u.{name}"),
            SubAddress::Study(text) | SubAddress::Site(text) | SubAddress::Bounce(text) | SubAddress::Other(text) => {
                text.clone()
            }
        }
    }
}

/// Fields that tell where a mail was delivered, most trusted first: our own server writes the first ones on top.
const FIELDS: [&str; 7] = ["delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "resent-to", "to", "cc"];

/// The sub-address of `service` that a mail came to, if any.
pub fn find(header: &Header<'_>, service: &str) -> Option<SubAddress> {
    FIELDS.iter().find_map(|name| {
        let lists = header.all(name).take(5).map(|field| address::parse(&field.text()).addresses);
        lists.flatten().take(100).find_map(|recipient| sub_address(&recipient, service))
    })
}

/// What `recipient` has behind the `+` of `service`, if it is that address.
pub fn sub_address(recipient: &str, service: &str) -> Option<SubAddress> {
    let (recipient, service) = (address::fold(recipient), address::fold(service));
    if address::domain(&recipient) != address::domain(&service) {
        return None;
    }
    let sub = address::local(&recipient).strip_prefix(address::local(&service))?.strip_prefix('+')?;
    Some(SubAddress::parse(sub))
}

/// Whether `address` is our service address, with any sub-address.
pub fn is_ours(candidate: &str, service: &str) -> bool {
    address::fold(candidate) == address::fold(service) || sub_address(candidate, service).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let of = |local: &str| sub_address(&format!("{local}@Example.JP"), "reg@example.jp");
        assert_eq!(of("reg+study-a"), Some(SubAddress::Study("study-a".into())));
        assert_eq!(of("REG+S012.K7Q2"), Some(SubAddress::Site("s012.k7q2".into())));
        assert_eq!(of("reg+c.abc"), Some(SubAddress::Confirm("abc".into())));
        assert_eq!(of("reg+b.00017.f3a9"), Some(SubAddress::Bounce("b.00017.f3a9".into())));
        assert_eq!(of("reg+U.17.F3A9"), Some(SubAddress::OptOut("17.f3a9".into())));
        assert_eq!(of("reg+u"), Some(SubAddress::Study("u".into())));
        assert_eq!(of("reg+"), Some(SubAddress::Other(String::new())));
        assert_eq!(of("reg"), None);
        assert_eq!(of("register+x"), None);
    }

    #[test]
    fn the_envelope_counts_before_the_header() {
        let header = Header::parse(b"Delivered-To: reg+b.1.aa@example.jp\nTo: reg+study-a@example.jp\n\n");
        assert_eq!(find(&header, "reg@example.jp"), Some(SubAddress::Bounce("b.1.aa".into())));
        let header = Header::parse(b"Delivered-To: reg@example.jp\nTo: X <x@y.org>, reg+study-a@example.jp\n\n");
        assert_eq!(find(&header, "reg@example.jp"), Some(SubAddress::Study("study-a".into())));
    }
}
