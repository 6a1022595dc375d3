//! Where mails for a domain go (RFC 5321 section 5.1): replies, and reports of letters that failed.

use core::net::IpAddr;

use super::{Answers, Judged};

/// The servers that take a domain's mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanges {
    /// Their names, those to be tried first before the others; the domain itself where it names none.
    pub hosts: Vec<String>,
    /// Whether the domain names any (MX), or has nothing but an address.
    pub named: bool,
    /// Those of them that cannot be reached: they have no address.
    pub lost: Vec<String>,
}

/// Why no mail arrives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The domain says that it takes none (RFC 7505).
    #[error("the domain says that it takes no mail (MX 0 .)")]
    Null,
    /// There is nothing to send to.
    #[error("the domain names no mail server (MX) and has no address")]
    Nowhere,
    /// None of its servers has an address.
    #[error("no mail server of the domain has an address: {}", .0.join(", "))]
    Lost(Vec<String>),
}

/// Which servers take a domain's mails.
///
/// # Errors
/// An answer is lacking.
pub fn judge(answers: &Answers, domain: &str) -> Judged<Exchanges, Fault> {
    let hosts: Vec<String> = answers.exchanges(domain)?.into_iter().map(str::to_owned).collect();
    if hosts.is_empty() {
        let there = !answers.addresses(domain)?.is_empty();
        let itself = Exchanges { hosts: vec![domain.to_owned()], named: false, lost: Vec::new() };
        return Ok(if there { Ok(itself) } else { Err(Fault::Nowhere) });
    }
    if hosts.iter().all(String::is_empty) {
        return Ok(Err(Fault::Null));
    }
    let mut lost = Vec::new();
    for host in &hosts {
        // Only a name can stand there; an address looks like one and leads nowhere.
        if host.parse::<IpAddr>().is_ok() || answers.addresses(host)?.is_empty() {
            lost.push(host.clone());
        }
    }
    if lost.len() == hosts.len() {
        return Ok(Err(Fault::Lost(lost)));
    }
    Ok(Ok(Exchanges { hosts, named: true, lost }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Entry, World, addresses, exchanges};
    use super::*;

    fn judged(entries: &[Entry]) -> Result<Exchanges, Fault> {
        World::new(entries).judge(|answers| judge(answers, "example.jp")).unwrap()
    }

    #[test]
    fn mails_arrive_where_a_server_has_an_address() {
        let servers = exchanges("example.jp", &[(20, "mx2.example.jp"), (10, "mx1.example.jp")]);
        let first = addresses("mx1.example.jp", &["192.0.2.1"]);
        let second = addresses("mx2.example.jp", &["2001:db8::2"]);
        let well = judged(&[servers.clone(), first.clone(), second]).unwrap();
        assert_eq!((well.hosts, well.named), (vec!["mx1.example.jp".to_owned(), "mx2.example.jp".to_owned()], true));
        assert_eq!(well.lost, Vec::<String>::new());
        assert_eq!(judged(&[servers.clone(), first]).unwrap().lost, ["mx2.example.jp"]);
        assert!(matches!(judged(&[servers]), Err(Fault::Lost(lost)) if lost.len() == 2));
        let itself = judged(&[addresses("example.jp", &["192.0.2.1"])]).unwrap();
        assert_eq!((itself.hosts, itself.named), (vec!["example.jp".to_owned()], false));
    }

    #[test]
    fn a_domain_that_takes_no_mail_is_told() {
        assert_eq!(judged(&[]), Err(Fault::Nowhere));
        assert_eq!(judged(&[exchanges("example.jp", &[(0, "")])]), Err(Fault::Null));
        let literal = exchanges("example.jp", &[(10, "192.0.2.1")]);
        assert_eq!(judged(&[literal]), Err(Fault::Lost(vec!["192.0.2.1".to_owned()])));
    }
}
