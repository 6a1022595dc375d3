//! What is personal on its way out of the database, and mails and letters on both ways: sealed and opened with keys that stand
//! outside of it. What is sealed in answers, the callers make ([`crate::domain::kept`]), for the audit chain holds the same.

use std::borrow::Cow;

use super::StoreError;
use crate::domain::kept::{self, Column, Place};
use crate::domain::seal::{KeyRing, NoKey, Unopened};

/// How bytes stand in a column of mails: 0 as they are, 1 sealed.
const CLEAR: i64 = 0;
const SEALED: i64 = 1;

/// What the bytes of a mail are sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mail {
    /// One received, by the digest beside it.
    Received,
    /// One of ours, by its Message-ID.
    Letter,
}

impl Mail {
    const fn purpose(self) -> &'static str {
        match self {
            Mail::Received => "hagaki mail received",
            Mail::Letter => "hagaki letter",
        }
    }
}

/// Whether bytes that stand so are sealed.
pub(super) const fn is_sealed(seal: i64) -> bool {
    seal != CLEAR
}

/// Bytes as they are, and how they stand in the database.
pub(super) const fn clear(bytes: &[u8]) -> (i64, Cow<'_, [u8]>) {
    (CLEAR, Cow::Borrowed(bytes))
}

/// Bytes as the database keeps them, and how they stand there; sealed where there is a key.
pub(super) fn seal<'b>(
    ring: &KeyRing,
    mail: Mail,
    place: &[u8],
    bytes: &'b [u8],
) -> Result<(i64, Cow<'b, [u8]>), NoKey> {
    if ring.is_empty() {
        return Ok(clear(bytes));
    }
    Ok((SEALED, Cow::Owned(ring.keep(mail.purpose(), place, bytes)?)))
}

/// Bytes as they came, from those kept.
pub(super) fn open(ring: &KeyRing, mail: Mail, place: &[u8], seal: i64, kept: Vec<u8>) -> Result<Vec<u8>, Unopened> {
    match seal {
        CLEAR => Ok(kept),
        SEALED => ring.open(mail.purpose(), place, &kept),
        _ => Err(Unopened::Damaged),
    }
}

/// Answers as they were given.
pub(super) fn answers(
    ring: &KeyRing,
    (study, column, key): (i64, Column, &str),
    kept: String,
) -> Result<String, StoreError> {
    kept::open_answers(ring, Place { study, column, key }, kept).map_err(|why| unopened(column, key, why))
}

/// A text as it was written.
pub(super) fn whole(
    ring: &KeyRing,
    (study, column, key): (i64, Column, &str),
    kept: String,
) -> Result<String, StoreError> {
    kept::open_whole(ring, Place { study, column, key }, kept).map_err(|why| unopened(column, key, why))
}

fn unopened(column: Column, key: &str, why: Unopened) -> StoreError {
    let what = match column {
        Column::SubjectAnswers | Column::SubjectTyped => format!("what is personal in the answers of subject {key}"),
        Column::RandomizationAnswers | Column::RandomizationTyped => {
            format!("what is personal in the answers to allocation {key}")
        }
        Column::ResponseAnswers | Column::ResponseTyped => format!("what is personal in the response {key}"),
        Column::FactChanges => format!("what is personal in the fact {key}"),
        Column::PendingBody => "a waiting request".to_string(),
        Column::InboxReading => format!("the reading of mail {key}"),
    };
    StoreError::Unopened { what, why }
}

/// Codes of a digest under every key, the one that is written first; at the end the digest itself, as it was written before
/// there was a key. Of what people write, a digest alone could be guessed.
pub(super) fn codes(ring: &KeyRing, purpose: &str, digest: &[u8; 32]) -> Vec<[u8; 32]> {
    ring.codes(purpose, digest).map(|coded| coded.code).chain([*digest]).collect()
}

/// The first of [`codes`].
pub(super) fn code(ring: &KeyRing, purpose: &str, digest: &[u8; 32]) -> [u8; 32] {
    ring.codes(purpose, digest).next().map_or(*digest, |coded| coded.code)
}
