//! The audit chain: each entry holds the digest of the one before, so that nothing can be changed, left out or put in
//! between without a break that shows.
//!
//! The digest of an entry is SHA-256 over its fields in the order of [`Entry`], each preceded by its length as eight
//! bytes, most significant first; integers are eight bytes, most significant first; texts are UTF-8. The lengths make the
//! encoding injective: no two different entries have the same bytes.

use std::fmt;

use sha2::{Digest, Sha256};

use super::time::Instant;

/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

/// What stands for the digest before the first entry.
pub const GENESIS: Sha256Digest = [0; 32];

/// Study number of the installation's own chain.
pub const INSTALLATION: i64 = 0;

const LABEL: &[u8] = b"hagaki audit chain 1";

/// One entry of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Study, by its number in the database; [`INSTALLATION`] for the installation itself.
    pub study_id: i64,
    /// Place in the chain, counted from 1.
    pub seq: i64,
    /// When.
    pub at: Instant,
    /// Who: a person's id, `operator:NAME` or `hagaki`.
    pub actor: String,
    /// What, as a key.
    pub action: String,
    /// JSON, the particulars, byte for byte as stored.
    pub body: String,
    /// Digest of the entry before; [`GENESIS`] for the first.
    pub previous: Sha256Digest,
    /// Digest of this entry.
    pub digest: Sha256Digest,
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub length: i64,
    /// Digest of the last, or [`GENESIS`].
    pub digest: Sha256Digest,
}

impl Head {
    /// Of a chain without entries.
    pub const EMPTY: Head = Head { length: 0, digest: GENESIS };
}

/// Where and why a chain is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// Study of the chain.
    pub study_id: i64,
    /// Place of the first entry that does not fit.
    pub seq: i64,
    /// What does not fit.
    pub why: Why,
}

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// An entry of another chain.
    Foreign,
    /// The entry of this place is absent.
    Absent,
    /// It does not hold the digest of the entry before: one of the two was replaced.
    Unlinked,
    /// It was changed after it was written.
    Changed,
    /// Entries at the end are absent, or were put on behind the recorded head.
    Head,
}

impl Why {
    /// Name in reports.
    pub const fn key(self) -> &'static str {
        match self {
            Why::Foreign => "foreign",
            Why::Absent => "absent",
            Why::Unlinked => "unlinked",
            Why::Changed => "changed",
            Why::Head => "head",
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "study {}, entry {}: {}", self.study_id, self.seq, self.why.key())
    }
}

/// The entry that comes after `head`, with its digest.
pub fn link(study_id: i64, head: Head, at: Instant, actor: &str, action: &str, body: &str) -> Entry {
    let mut entry = Entry {
        study_id,
        seq: head.length + 1,
        at,
        actor: actor.to_owned(),
        action: action.to_owned(),
        body: body.to_owned(),
        previous: head.digest,
        digest: GENESIS,
    };
    entry.digest = digest(&entry);
    entry
}

/// The digest an entry must have; its own `digest` field plays no part.
pub fn digest(entry: &Entry) -> Sha256Digest {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    field(LABEL);
    field(&entry.study_id.to_be_bytes());
    field(&entry.seq.to_be_bytes());
    field(&entry.at.0.to_be_bytes());
    field(entry.actor.as_bytes());
    field(entry.action.as_bytes());
    field(entry.body.as_bytes());
    field(&entry.previous);
    hash.finalize().into()
}

/// Checks a chain entry by entry, for chains too long to hold at once.
#[derive(Clone, Debug)]
pub struct Verifier {
    study_id: i64,
    head: Head,
}

impl Verifier {
    /// Before the first entry of that study's chain.
    pub const fn new(study_id: i64) -> Verifier {
        Verifier { study_id, head: Head::EMPTY }
    }

    /// The head so far.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// The break, if the entry does not fit.
    pub fn step(&mut self, entry: &Entry) -> Result<(), Break> {
        let expected = self.head.length + 1;
        let why = if entry.study_id != self.study_id {
            Some(Why::Foreign)
        } else if entry.seq != expected {
            Some(Why::Absent)
        } else if entry.previous != self.head.digest {
            Some(Why::Unlinked)
        } else if digest(entry) != entry.digest {
            Some(Why::Changed)
        } else {
            None
        };
        match why {
            Some(why) => Err(Break { study_id: self.study_id, seq: expected, why }),
            None => {
                self.head = Head { length: expected, digest: entry.digest };
                Ok(())
            }
        }
    }

    /// Compares with the head that was recorded elsewhere, so that a chain cut short shows too.
    ///
    /// # Errors
    /// [`Why::Head`] at the first place where the two differ.
    pub fn finish(&self, recorded: Head) -> Result<Head, Break> {
        if self.head == recorded {
            return Ok(self.head);
        }
        let seq = self.head.length.min(recorded.length) + i64::from(self.head.length != recorded.length);
        Err(Break { study_id: self.study_id, seq, why: Why::Head })
    }
}

/// Checks a whole chain against its recorded head and gives its length.
///
/// # Errors
/// The first break.
pub fn verify<'a>(study_id: i64, entries: impl IntoIterator<Item = &'a Entry>, recorded: Head) -> Result<i64, Break> {
    let mut verifier = Verifier::new(study_id);
    for entry in entries {
        verifier.step(entry)?;
    }
    verifier.finish(recorded).map(|head| head.length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chain(length: i64) -> (Vec<Entry>, Head) {
        let mut head = Head::EMPTY;
        let mut entries = Vec::new();
        for number in 0..length {
            let entry = link(7, head, Instant(number * 1_000), "tanaka", "enroll", &format!("{{\"number\":{number}}}"));
            head = Head { length: entry.seq, digest: entry.digest };
            entries.push(entry);
        }
        (entries, head)
    }

    fn broken(entries: &[Entry], head: Head) -> (i64, Why) {
        let broken = verify(7, entries, head).unwrap_err();
        (broken.seq, broken.why)
    }

    #[test]
    fn the_encoding_is_pinned() {
        // Computed by a second implementation (Python's hashlib and struct) from the module comment.
        let entry = link(1, Head::EMPTY, Instant(1_763_600_000_000_000), "tanaka", "enroll", r#"{"subject":1}"#);
        let hex = data_encoding::HEXLOWER.encode(&entry.digest);
        assert_eq!(hex, "678777bbf3aaa15414d2aef3654190385e3b0ab4058160920a2b0d85ae750908");
    }

    #[test]
    fn a_whole_chain_is_whole() {
        let (entries, head) = chain(20);
        assert_eq!(verify(7, &entries, head), Ok(20));
        assert_eq!(verify(7, &[], Head::EMPTY), Ok(0));
    }

    #[test]
    fn every_kind_of_break_shows_where_it_is() {
        let (whole, head) = chain(20);
        let with = |change: &dyn Fn(&mut Vec<Entry>)| {
            let mut entries = whole.clone();
            change(&mut entries);
            broken(&entries, head)
        };
        assert_eq!(with(&|entries| entries[4].body.push(' ')), (5, Why::Changed));
        assert_eq!(with(&|entries| drop(entries.remove(4))), (5, Why::Absent));
        assert_eq!(with(&|entries| entries[4].study_id = 8), (5, Why::Foreign));
        assert_eq!(with(&|entries| drop(entries.pop())), (20, Why::Head));
        assert_eq!(with(&|entries| entries.clear()), (1, Why::Head));
        assert_eq!(with(&|entries| entries.swap(3, 4)), (4, Why::Absent));
        // Rewriting an entry with a fresh digest breaks the link behind it.
        let forge = |entries: &mut Vec<Entry>| {
            entries[4].actor = "someone".to_owned();
            entries[4].digest = digest(&entries[4]);
        };
        assert_eq!(with(&forge), (6, Why::Unlinked));
        // Putting one on behind the head shows as well.
        let append = |entries: &mut Vec<Entry>| {
            let last = entries.last().unwrap();
            let next = Head { length: last.seq, digest: last.digest };
            entries.push(link(7, next, Instant(0), "someone", "enroll", "{}"));
        };
        assert_eq!(with(&append), (21, Why::Head));
    }

    proptest! {
        #[test]
        fn moving_a_byte_between_fields_changes_the_digest(text in "[a-z]{2,20}", cut in 1usize..19) {
            let cut = cut.min(text.len() - 1);
            let (actor, action) = text.split_at(cut);
            let one = link(1, Head::EMPTY, Instant(0), actor, action, "");
            let other = link(1, Head::EMPTY, Instant(0), &text, "", "");
            prop_assert_ne!(one.digest, other.digest);
        }
    }
}
