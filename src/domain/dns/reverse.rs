//! How a machine that sends is called: its address has a name, and the name leads back to the address. Mail servers trust no other.

use core::net::IpAddr;

use super::{Answers, Judged};
use crate::limits;

/// What is wrong with the name of an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It has none.
    #[error("it has no name (PTR)")]
    Nameless,
    /// Its names lead elsewhere.
    #[error("it is called {}, which does not lead back to it", .0.join(", "))]
    Astray(Vec<String>),
}

/// The name under which DNS keeps the name of an address (RFC 1035 section 3.5, RFC 3596 section 2.5).
pub fn name(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(six) => {
            let digits = six.octets().into_iter().rev().flat_map(|byte| [byte & 0xf, byte >> 4]);
            let digits: String = digits.map(|digit| format!("{digit:x}.")).collect();
            digits + "ip6.arpa"
        }
    }
}

/// The name of an address that leads back to it.
///
/// # Errors
/// An answer is lacking.
pub fn judge(answers: &Answers, address: IpAddr) -> Judged<String, Fault> {
    let address = address.to_canonical();
    let names = answers.pointers(&name(address))?;
    if names.is_empty() {
        return Ok(Err(Fault::Nameless));
    }
    for own in names.iter().take(limits::REVERSE_NAMES) {
        if answers.like(own, address)?.contains(&address) {
            return Ok(Ok((*own).to_owned()));
        }
    }
    Ok(Err(Fault::Astray(names.into_iter().take(limits::REVERSE_NAMES).map(str::to_owned).collect())))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Entry, World, addresses, pointers};
    use super::*;

    fn judged(address: &str, entries: &[Entry]) -> Result<String, Fault> {
        let address = address.parse().unwrap();
        World::new(entries).judge(|answers| judge(answers, address)).unwrap()
    }

    #[test]
    fn a_name_counts_that_leads_back() {
        let four = pointers("25.113.0.203.in-addr.arpa", &["other.example.jp", "out.example.jp"]);
        let back = addresses("out.example.jp", &["203.0.113.25", "2001:db8::25"]);
        assert_eq!(judged("203.0.113.25", &[four.clone(), back.clone()]), Ok("out.example.jp".to_owned()));
        assert_eq!(judged("::ffff:203.0.113.25", &[four.clone(), back.clone()]), Ok("out.example.jp".to_owned()));
        let astray = Fault::Astray(vec!["other.example.jp".to_owned(), "out.example.jp".to_owned()]);
        assert_eq!(judged("203.0.113.25", &[four]), Err(astray));
        assert_eq!(judged("203.0.113.25", &[]), Err(Fault::Nameless));
        let six = "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(name("2001:db8::25".parse().unwrap()), six);
        assert_eq!(
            judged("2001:db8::25", &[pointers(six, &["out.example.jp"]), back]),
            Ok("out.example.jp".to_owned())
        );
    }
}
