//! What a domain wishes to be done with mails in its name that are neither sent by its machines nor signed by it (RFC 7489).
//!
//! The record of a name without one is that of the nearest domain above it, found step by step and without a list of public suffixes
//! (RFC 9989).

use std::fmt;

use super::{Answers, Judged, plain, tags};
use crate::limits;

/// What is to be done with such mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing.
    None,
    /// They are put aside.
    Quarantine,
    /// They are refused.
    Reject,
}

impl fmt::Display for Policy {
    /// As records have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Policy::None => "none",
            Policy::Quarantine => "quarantine",
            Policy::Reject => "reject",
        })
    }
}

/// A record that holds for a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dmarc {
    /// The domain whose record it is: the one itself, or one above it.
    pub domain: String,
    /// What holds for the domain that was asked about.
    pub policy: Policy,
    /// Whether a signature counts only if it is by the very domain of the mail (`adkim=s`).
    pub strict: bool,
}

impl Dmarc {
    /// Whether a signature by a domain counts for mails from another.
    pub fn aligns(&self, from: &str, signing: &str) -> bool {
        let (from, signing) = (plain(from), plain(signing));
        from == signing || !self.strict && from.ends_with(&format!(".{signing}"))
    }
}

/// Why there is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no record.
    #[error("there is no DMARC record, so that nobody knows what to do with mails that are forged in our name")]
    Missing,
    /// There are several.
    #[error("_dmarc.{domain} has {count} DMARC records, and of several none counts")]
    Several {
        /// Whose records.
        domain: String,
        /// How many.
        count: usize,
    },
    /// The record cannot be read.
    #[error("the DMARC record of _dmarc.{domain} does not count: {what}")]
    Unreadable {
        /// Whose record.
        domain: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// What holds for mails from a domain.
///
/// # Errors
/// An answer is lacking.
pub fn judge(answers: &Answers, domain: &str) -> Judged<Dmarc, Fault> {
    let domain = plain(domain);
    let mut place = domain.as_str();
    for _ in 0..limits::DMARC_STEPS {
        let texts = answers.texts(&format!("_dmarc.{place}"))?;
        let records: Vec<&str> = texts.into_iter().filter(|text| is_dmarc(text)).collect();
        match records.as_slice() {
            [] => {}
            &[record] => return Ok(read(record, place, place == domain)),
            several => return Ok(Err(Fault::Several { domain: place.to_owned(), count: several.len() })),
        }
        match place.split_once('.') {
            // A country or another top has no policy for us.
            Some((_, above)) if above.contains('.') => place = above,
            _ => break,
        }
    }
    Ok(Err(Fault::Missing))
}

fn is_dmarc(text: &str) -> bool {
    let first = text.split(';').next().and_then(|first| first.split_once('='));
    first.is_some_and(|(name, value)| (name.trim(), value.trim()) == ("v", "DMARC1"))
}

fn read(record: &str, domain: &str, own: bool) -> Result<Dmarc, Fault> {
    let fault = |what| Fault::Unreadable { domain: domain.to_owned(), what };
    let tags = tags::list(record).ok_or_else(|| fault("it is no list of name=value with semicolons between"))?;
    let policy = tags::value(&tags, "p").ok_or_else(|| fault("it says no p="))?;
    // For names below it a domain may wish something else.
    let policy = tags::value(&tags, "sp").filter(|_| !own).unwrap_or(policy);
    let policy = match policy.to_ascii_lowercase().as_str() {
        "none" => Policy::None,
        "quarantine" => Policy::Quarantine,
        "reject" => Policy::Reject,
        _ => return Err(fault("p= (or sp=) is neither none, quarantine nor reject")),
    };
    let strict = tags::value(&tags, "adkim").is_some_and(|mode| mode.eq_ignore_ascii_case("s"));
    Ok(Dmarc { domain: domain.to_owned(), policy, strict })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{World, texts};
    use super::*;

    fn judged(domain: &str, entries: &[(&str, &[&str])]) -> Result<Dmarc, Fault> {
        let entries: Vec<_> = entries.iter().map(|(name, records)| texts(name, records)).collect();
        World::new(&entries).judge(|answers| judge(answers, domain)).unwrap()
    }

    #[test]
    fn the_nearest_record_holds() {
        let own =
            judged("example.jp", &[("_dmarc.example.jp", &["v=DMARC1; p=Reject; rua=mailto:d@example.jp; adkim=s"])]);
        let own = own.unwrap();
        assert_eq!((own.policy, own.strict, own.domain.as_str()), (Policy::Reject, true, "example.jp"));
        assert!(own.aligns("Example.jp", "example.jp") && !own.aligns("reg.example.jp", "example.jp"));
        let above: &[(&str, &[&str])] = &[
            ("_dmarc.example.ac.jp", &["other", " v = DMARC1 ;p=reject;sp=quarantine"]),
            ("_dmarc.jp", &["v=DMARC1;p=none"]),
        ];
        let below = judged("reg.med.example.ac.jp", above).unwrap();
        assert_eq!((below.policy, below.strict), (Policy::Quarantine, false));
        assert_eq!(below.domain, "example.ac.jp");
        assert!(
            below.aligns("reg.med.example.ac.jp", "example.ac.jp")
                && !below.aligns("notexample.ac.jp", "example.ac.jp")
        );
        assert_eq!(judged("example.ac.jp", above).unwrap().policy, Policy::Reject);
        // No top-level domain speaks for all below it.
        assert_eq!(judged("example.jp", above), Err(Fault::Missing));
        assert_eq!(judged("localhost", &[]), Err(Fault::Missing));
    }

    #[test]
    fn what_does_not_count_is_named() {
        let fault = |records: &[&str]| judged("example.jp", &[("_dmarc.example.jp", records)]).unwrap_err();
        assert_eq!(fault(&["v=dmarc1; p=none"]), Fault::Missing);
        assert_eq!(fault(&["p=none; v=DMARC1"]), Fault::Missing);
        let several = fault(&["v=DMARC1; p=none", "v=DMARC1; p=reject"]);
        assert_eq!(several, Fault::Several { domain: "example.jp".to_owned(), count: 2 });
        for record in [
            "v=DMARC1",
            "v=DMARC1; rua=mailto:d@example.jp",
            "v=DMARC1; p=no",
            "v=DMARC1; p=none; p=none",
            "v=DMARC1; reject",
        ] {
            assert!(matches!(fault(&[record]), Fault::Unreadable { .. }), "{record}");
        }
    }

    proptest! {
        #[test]
        fn any_record_is_judged_without_a_panic(
            domain in "[a-zé.]{0,40}",
            tail in "(;(p|sp|adkim|rua|v)=[a-z:@.]{0,8}){0,5}",
            any in "\\PC{0,60}",
        ) {
            let name = format!("_dmarc.{}", plain(&domain));
            for text in [format!("v=DMARC1{tail}"), any.clone(), format!("v=DMARC1;{any}")] {
                let _ = judged(&domain, &[(name.as_str(), &[text.as_str()])]);
            }
        }
    }
}
