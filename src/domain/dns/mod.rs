//! What DNS says of a domain that letters come from, and what the mail servers of the world make of it.
//!
//! In charge of judging records: who may send ([`spf`]), which key signs ([`signature`]), what is done with what does neither
//! ([`dmarc`]), where replies go ([`exchange`]), and how a sending machine is called ([`reverse`]). Asks nobody: a judgement that lacks
//! an answer gives the question as its [`Gap`], and is made again once the answer is among the [`Answers`]. To add one: a file with a
//! `judge`, and its sentences in `hagaki doctor`.

pub mod dmarc;
pub mod exchange;
pub mod reverse;
pub mod signature;
pub mod spf;
mod tags;
#[cfg(test)]
mod testing;

// Addresses alone: nothing in there reaches a network.
use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// TXT: any text.
    Text,
    /// MX: where mails for a domain go.
    Exchange,
    /// A: an IPv4 address.
    Four,
    /// AAAA: an IPv6 address.
    Six,
    /// PTR: the name of an address.
    Pointer,
}

/// What is asked of DNS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// Which records.
    pub kind: Kind,
    /// Of which name: in lower case, without a dot at its end.
    pub name: String,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// TXT, its strings put together.
    Text(String),
    /// MX.
    Exchange {
        /// The lowest is tried first.
        preference: u16,
        /// The server, in lower case; empty where there is none (RFC 7505).
        host: String,
    },
    /// A or AAAA.
    Address(IpAddr),
    /// PTR, in lower case.
    Pointer(String),
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The records; none where there is no such name, too.
    Records(Vec<Record>),
    /// No answer, for a reason.
    Failed(String),
}

/// Why something cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Not yet: this has to be asked first.
    Asks(Question),
    /// Not now: a question had no answer.
    Failed {
        /// The name that was asked for.
        name: String,
        /// What happened.
        why: String,
    },
}

/// What was judged, or what is wrong with it; no more than a gap where an answer is lacking.
pub type Judged<T, F> = Result<Result<T, F>, Gap>;

/// All that DNS said so far.
#[derive(Clone, Debug, Default)]
pub struct Answers(BTreeMap<Question, Answer>);

impl Answers {
    /// Keeps what came of a question.
    pub fn put(&mut self, question: Question, answer: Answer) {
        self.0.insert(question, answer);
    }

    /// The IPv4 and IPv6 addresses of a name.
    ///
    /// # Errors
    /// An answer is lacking.
    pub fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Gap> {
        let mut addresses = self.of_kind(Kind::Four, name)?;
        addresses.extend(self.of_kind(Kind::Six, name)?);
        Ok(addresses)
    }

    /// The addresses of a name that are of the same kind as one.
    fn like(&self, name: &str, address: IpAddr) -> Result<Vec<IpAddr>, Gap> {
        self.of_kind(if address.is_ipv4() { Kind::Four } else { Kind::Six }, name)
    }

    fn of_kind(&self, kind: Kind, name: &str) -> Result<Vec<IpAddr>, Gap> {
        let mut addresses = Vec::new();
        for record in self.records(kind, name)? {
            if let Record::Address(address) = record {
                addresses.push(*address);
            }
        }
        Ok(addresses)
    }

    fn texts(&self, name: &str) -> Result<Vec<&str>, Gap> {
        let mut texts = Vec::new();
        for record in self.records(Kind::Text, name)? {
            if let Record::Text(text) = record {
                texts.push(text.as_str());
            }
        }
        Ok(texts)
    }

    /// The servers that take the mails of a domain, those to be tried first before the others.
    fn exchanges(&self, name: &str) -> Result<Vec<&str>, Gap> {
        let mut exchanges = Vec::new();
        for record in self.records(Kind::Exchange, name)? {
            if let Record::Exchange { preference, host } = record {
                exchanges.push((*preference, host.as_str()));
            }
        }
        exchanges.sort_unstable();
        Ok(exchanges.into_iter().map(|(_, host)| host).collect())
    }

    fn pointers(&self, name: &str) -> Result<Vec<&str>, Gap> {
        let mut names = Vec::new();
        for record in self.records(Kind::Pointer, name)? {
            if let Record::Pointer(name) = record {
                names.push(name.as_str());
            }
        }
        Ok(names)
    }

    fn records(&self, kind: Kind, name: &str) -> Result<&[Record], Gap> {
        let name = plain(name);
        // Nobody can be asked for what is no name; there is nothing of it.
        if !is_name(&name) {
            return Ok(&[]);
        }
        let question = Question { kind, name };
        match self.0.get(&question) {
            Some(Answer::Records(records)) => Ok(records),
            Some(Answer::Failed(why)) => Err(Gap::Failed { name: question.name, why: why.clone() }),
            None => Err(Gap::Asks(question)),
        }
    }
}

/// A name as questions have it.
pub fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_lowercase()
}

/// Whether DNS can be asked for a name.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && !label.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether an address is one of the world, and not of a house behind a router or of this machine alone.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            // Of carriers that put many customers behind one address (RFC 6598).
            let shared = matches!(four.octets(), [100, 64..=127, ..]);
            !(four.is_private() || four.is_loopback() || four.is_link_local() || four.is_unspecified() || shared)
        }
        IpAddr::V6(six) => !(six.is_loopback() || six.is_unspecified() || is_local(six)),
    }
}

/// Unique local and link local addresses (RFC 4193, RFC 4291).
fn is_local(six: Ipv6Addr) -> bool {
    matches!(six.segments(), [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
}
