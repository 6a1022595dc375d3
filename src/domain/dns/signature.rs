//! The record of a key that signs letters (RFC 6376 section 3.6.1; Ed25519 by RFC 8463).

use data_encoding::BASE64;

use super::{Answers, Judged, tags};

/// Fewest bytes of an RSA key that is told without the frame around it (RFC 8017 appendix A.1.1).
const BARE_KEY: usize = 128;

/// A record that tells our key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Whether it says that the key is only tried out (`t=y`), so that its signatures count for nothing.
    pub tried_out: bool,
}

/// Why our signatures do not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no record.
    #[error("there is no record, so that no signature of ours holds")]
    Missing,
    /// There are several.
    #[error("there are {0} keys under this name, and which of them counts is left to chance")]
    Several(usize),
    /// It is no record of a key.
    #[error("the record cannot be read as a key (v=DKIM1; k=…; p=…)")]
    Unreadable,
    /// The key was taken back.
    #[error("the key was revoked (its p= is empty)")]
    Revoked,
    /// It is for another kind of key.
    #[error("the record is for a key of the kind {0}")]
    Kind(String),
    /// It tells another key.
    #[error("the record tells another key than that of key_file")]
    Other,
    /// It does not take our digests.
    #[error("the record does not admit SHA-256 (h=)")]
    Digest,
    /// It is not for mail.
    #[error("the record is not for mail (s=)")]
    Service,
}

/// Whether the record under a name tells the key of our own record.
///
/// # Errors
/// An answer is lacking.
pub fn judge(answers: &Answers, name: &str, own: &str) -> Judged<Key, Fault> {
    let texts = answers.texts(name)?;
    let is_key = |text: &&str| {
        tags::list(text)
            .is_some_and(|tags| tags::value(&tags, "p").is_some() || tags::value(&tags, "v") == Some("DKIM1"))
    };
    let keys: Vec<&str> = texts.iter().copied().filter(is_key).collect();
    Ok(match keys.as_slice() {
        // Such as a record for all names of the domain.
        [] if texts.iter().all(|text| !text.contains("p=")) => Err(Fault::Missing),
        [] => Err(Fault::Unreadable),
        &[key] => compare(key, own),
        several => Err(Fault::Several(several.len())),
    })
}

fn compare(told: &str, own: &str) -> Result<Key, Fault> {
    let (Some(told), Some(own)) = (tags::list(told), tags::list(own)) else { return Err(Fault::Unreadable) };
    let value = |name: &str| tags::value(&told, name);
    let lists = |name: &str, words: &[&str]| {
        value(name).is_none_or(|list| list.split(':').any(|word| words.contains(&word.trim())))
    };
    // Where it is, it comes first (section 3.6.1).
    if value("v").is_some_and(|version| version != "DKIM1") || told.iter().skip(1).any(|(name, _)| *name == "v") {
        return Err(Fault::Unreadable);
    }
    let key: String = value("p").ok_or(Fault::Unreadable)?.split_whitespace().collect();
    if key.is_empty() {
        return Err(Fault::Revoked);
    }
    let kind = |tags: &[(&str, &str)]| tags::value(tags, "k").unwrap_or("rsa").to_owned();
    if kind(&told) != kind(&own) {
        return Err(Fault::Kind(kind(&told)));
    }
    let key = BASE64.decode(key.as_bytes()).map_err(|_| Fault::Unreadable)?;
    let ours = BASE64.decode(tags::value(&own, "p").unwrap_or_default().as_bytes()).map_err(|_| Fault::Unreadable)?;
    let bare = kind(&own) == "rsa" && key.len() >= BARE_KEY && ours.ends_with(&key);
    if key != ours && !bare {
        return Err(Fault::Other);
    }
    if !lists("h", &["sha256"]) {
        return Err(Fault::Digest);
    }
    if !lists("s", &["*", "email"]) {
        return Err(Fault::Service);
    }
    Ok(Key { tried_out: value("t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y")) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{World, texts};
    use super::*;
    use crate::domain::dkim::{Identity, Signer};

    const NAME: &str = "hagaki._domainkey.example.jp";

    fn signer(pem: &str) -> Signer {
        let identity = Identity { domain: "example.jp".to_owned(), selector: "hagaki".to_owned() };
        Signer::new(identity, pem).unwrap()
    }

    fn ed() -> Signer {
        signer(include_str!("../../../tests/data/dkim/ed25519.pem"))
    }

    fn judged(own: &Signer, records: &[&str]) -> Result<Key, Fault> {
        assert_eq!(own.identity().record_name(), NAME);
        let world = World::new(&[texts(NAME, records)]);
        world.judge(|answers| judge(answers, NAME, &own.record())).unwrap()
    }

    #[test]
    fn our_own_record_holds_however_it_is_written() {
        let well = Ok(Key { tried_out: false });
        for pem in
            [include_str!("../../../tests/data/dkim/ed25519.pem"), include_str!("../../../tests/data/dkim/rsa.pem")]
        {
            let own = signer(pem);
            let record = own.record();
            let (head, key) = record.split_once("p=").unwrap();
            let (first, last) = key.split_at(20);
            for text in [
                record.clone(),
                format!("{record};"),
                format!("{head} s=email; h=sha1:sha256; n=a key; t=s; p = {first} {last} ; "),
            ] {
                assert_eq!(judged(&own, &[&text]), well, "{text}");
                // A record for all names beside it is none of a key.
                assert_eq!(judged(&own, &["v=spf1 -all", &text]), well, "{text}");
            }
            assert_eq!(judged(&own, &[&format!("{record}; t=y:s")]), Ok(Key { tried_out: true }));
        }
        // Of RSA the kind may be left out, and the key told without its frame.
        let own = signer(include_str!("../../../tests/data/dkim/rsa.pem"));
        let record = own.record();
        let key = record.split_once("p=").unwrap().1;
        assert_eq!(judged(&own, &[&format!("p={key}")]), well);
        let frame = BASE64.decode(key.as_bytes()).unwrap();
        let begin = frame.windows(3).position(|bytes| bytes[0] == 0x03 && bytes[1] == 0x82).unwrap();
        let bare = BASE64.encode(&frame[begin + 5..]);
        assert_eq!(judged(&own, &[&format!("v=DKIM1; p={bare}")]), well);
    }

    #[test]
    fn what_makes_signatures_void_is_named() {
        let record = ed().record();
        let with = |from: &str, to: &str| record.replace(from, to);
        for (texts, fault) in [
            (vec![], Fault::Missing),
            (vec!["v=spf1 -all".to_owned()], Fault::Missing),
            (vec!["p".to_owned(), "k=ed25519;p=;p=".to_owned()], Fault::Unreadable),
            (vec![with("v=DKIM1", "v=DKIM2")], Fault::Unreadable),
            (vec![with("v=DKIM1; k=ed25519", "k=ed25519; v=DKIM1")], Fault::Unreadable),
            (vec!["v=DKIM1; k=ed25519".to_owned()], Fault::Unreadable),
            (vec!["v=DKIM1; k=ed25519; p=!".to_owned()], Fault::Unreadable),
            (vec!["v=DKIM1; p=".to_owned()], Fault::Revoked),
            (vec![with("k=ed25519", "k=rsa")], Fault::Kind("rsa".to_owned())),
            (vec![with("k=ed25519; ", "")], Fault::Kind("rsa".to_owned())),
            (vec!["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".to_owned()], Fault::Other),
            (vec![record.clone() + "; h=sha1"], Fault::Digest),
            (vec![record.clone() + "; s=tlsrpt"], Fault::Service),
            (vec![record.clone(), record.clone() + ";"], Fault::Several(2)),
        ] {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            assert_eq!(judged(&ed(), &texts), Err(fault), "{texts:?}");
        }
    }

    proptest! {
        #[test]
        fn any_record_is_judged_without_a_panic(text in "(v=DKIM1;|k=rsa;|p=)?[ -~é]{0,60}", any in "\\PC{0,60}") {
            let _ = judged(&ed(), &[&text, &any]);
            let _ = judged(&ed(), &[&text]);
            let _ = judged(&ed(), &[&any]);
        }
    }
}
