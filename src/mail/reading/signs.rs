//! What a mail tells of its study before it is read: so that it need not be read against every study there is.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::header::Header;
use super::recipient::SubAddress;
use super::{read, recipient, subject};
use crate::domain::study::Post;

/// The words of a mail that can tell its study.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Slugs and tags, folded, of the address it came to and of its subject.
    pub names: BTreeSet<String>,
    /// One-time token of ours to which it replies; tells the study if no name does.
    pub token: Option<String>,
    /// Name of the page that stops letters, as the address it came to has it, unchecked; whose it is tells the study before all else.
    pub opt_out: Option<String>,
    /// Its one sender, folded; tells the study if neither does.
    pub sender: Option<String>,
}

/// The signs of a mail; of one whose reading panics, none.
///
/// A subject in raw bytes of no declared charset is decoded without knowing any study's words. A tag in ASCII is the
/// same in all of them.
pub fn signs_contained(post: &Post, raw: &[u8]) -> Signs {
    catch_unwind(AssertUnwindSafe(|| signs(post, raw))).unwrap_or_default()
}

fn signs(post: &Post, raw: &[u8]) -> Signs {
    let header = Header::parse(raw);
    let subject = subject::read(&header, &|_| 0);
    let first = subject.rest.split(' ').next().unwrap_or_default().to_owned();
    let mut names: BTreeSet<String> = subject.tags.into_iter().chain([first]).filter(|name| !name.is_empty()).collect();
    let (mut token, mut opt_out) = (None, None);
    match recipient::find(&header, &post.address) {
        Some(SubAddress::Study(slug)) => drop(names.insert(slug)),
        Some(SubAddress::Confirm(own)) => token = Some(own),
        Some(SubAddress::OptOut(own)) => opt_out = Some(own),
        _ => {}
    }
    Signs { names, token, opt_out, sender: read::sender(&read::from(&header)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &str) -> Signs {
        let post = Post {
            address: "reg@example.jp".to_owned(),
            authserv_ids: Vec::new(),
            message_id_domain: "example.jp".to_owned(),
        };
        signs_contained(&post, raw.as_bytes())
    }

    #[test]
    fn names_are_of_the_address_and_the_subject() {
        let signs =
            of("Delivered-To: REG+Study-B@example.jp\nFrom: A <Sato@Example.jp>\nSubject: Re: [STUDY-A] form\n\n");
        assert_eq!(signs.names, ["form", "study-a", "study-b"].map(str::to_owned).into());
        assert_eq!(signs.sender.as_deref(), Some("sato@example.jp"));
    }

    #[test]
    fn a_reply_to_our_token_tells_it() {
        let signs = of("Delivered-To: reg+c.ABC234@example.jp\nFrom: sato@example.jp\nSubject: OK\n\n");
        assert_eq!(signs.token.as_deref(), Some("abc234"));
        assert_eq!(signs.names, ["ok".to_owned()].into());
    }

    #[test]
    fn two_senders_are_none() {
        let signs = of("To: reg@example.jp\nFrom: a@example.jp, b@example.jp\n\n");
        assert_eq!(signs, Signs::default());
    }
}
