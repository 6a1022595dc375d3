//! Somebody at the door of a survey: their credential with its study, whose it is and what they did with it, in one statement. Pages are
//! asked for far more often than anything else, and each statement costs a change of threads.

use super::credential::{self, AnsweredRow, CredentialRow};
use super::packed::{self, unpack_text};
use super::participant::{self, ParticipantRow};
use super::sql::{Engine, Row, binds, statements};
use super::study::{self, StudyRow};
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::seal::KeyRing;
use crate::domain::survey::Mark;

/// A credential, its study, whose it is, and what they did with it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What opens the door.
    pub credential: CredentialRow,
    /// The study that it is of.
    pub study: StudyRow,
    /// Whose it is; none where nobody may know.
    pub participant: Option<ParticipantRow>,
    /// Every use of it, in order; of a participant's, every use of any that they had.
    pub uses: Vec<AnsweredRow>,
    /// Whether answers are kept with it that were not sent.
    pub keeps: bool,
    /// Whether answers are kept with another credential of the participant.
    pub keeps_elsewhere: bool,
}

// The uses come as one text, for otherwise each would bring all the rest along.
macro_rules! uses {
    (sqlite) => {
        concat!(
            "group_concat(concat_ws(",
            packed::field!(),
            ", answered.occasion, hex(answered.submission), answered.receipt, answered.day), ",
            packed::row!(),
            ")"
        )
    };
    (postgres) => {
        concat!(
            "string_agg(concat_ws(",
            packed::field!(),
            ", answered.occasion, encode(answered.submission, 'hex'), answered.receipt, answered.day), ",
            packed::row!(),
            ")"
        )
    };
}

// The columns of each table in the order of its own module, which reads them.
macro_rules! select {
    ($engine:ident, $rest:literal) => {
        concat!(
            "SELECT credential.id, credential.study_id, credential.participant_id, credential.link_digest, credential.login, \
             credential.password_digest, credential.state, credential.uses, credential.valid_from, credential.expires_at, \
             credential.issued_at, study.id, study.slug, study.stage, study.state, study.enrollment_ended_at, study.bundle_version, \
             study.clear_secret, study.sealed_secret, study.secret_digest, study.subjects, study.allocations, study.facts, study.facts_bound, \
             study.participants, study.responses, study.chain_length, study.chain_head, study.activated_at, study.changed_at, \
             (SELECT coalesce(", uses!($engine), ", '') FROM credential AS own JOIN answered ON answered.credential_id = own.id \
             WHERE own.id = credential.id OR own.participant_id = credential.participant_id), \
             (SELECT count(*) FROM draft WHERE draft.credential_id = credential.id), \
             (SELECT count(*) FROM credential AS own JOIN draft ON draft.credential_id = own.id \
             WHERE own.participant_id = credential.participant_id AND own.id <> credential.id), \
             participant.id, participant.study_id, participant.number, participant.reference, participant.name, \
             participant.address, participant.language, participant.attributes, participant.state, participant.created_at, \
             participant.refusals, participant.refused_code, participant.receipt \
             FROM credential JOIN study ON study.id = credential.study_id \
             LEFT JOIN participant ON participant.id = credential.participant_id ",
            $rest
        )
    };
}

// A link's digest is one of the credential or of a letter's own.
macro_rules! by_link {
    ($engine:ident) => {
        select!(
            $engine,
            "WHERE credential.id = COALESCE((SELECT id FROM credential WHERE link_digest = $1), \
             (SELECT credential_id FROM credential_link WHERE digest = $1))"
        )
    };
}

statements! { "arrival":
    BY_LINK = twin [by_link!(sqlite), by_link!(postgres)];
    BY_CREDENTIAL = twin [select!(sqlite, "WHERE credential.id = $1"), select!(postgres, "WHERE credential.id = $1")];
}

fn read(mut row: Row, ring: &KeyRing) -> Result<Arrival, StoreError> {
    let credential = credential::read_from(&mut row)?;
    let study = study::read_from(&mut row, ring)?;
    let uses = read_uses(&row.text()?)?;
    let (keeps, keeps_elsewhere) = (row.int()? > 0, row.int()? > 0);
    // The last one, for where there is none its columns are not read.
    Ok(Arrival { credential, study, uses, keeps, keeps_elsewhere, participant: participant::read_from(&mut row)? })
}

fn read_uses(text: &str) -> Result<Vec<AnsweredRow>, StoreError> {
    let uses = unpack_text(text, 4, |fields| {
        let (occasion, submission) = (fields.int()?, fields.mark()?);
        Some(AnsweredRow { occasion, submission, receipt: fields.text()?.to_owned(), day: fields.text()?.to_owned() })
    });
    let unreadable =
        || StoreError::Unreadable { what: "uses of a credential".to_owned(), cause: "a field is missing".to_owned() };
    let mut uses = uses.ok_or_else(unreadable)?;
    uses.sort_by_key(|used| used.occasion);
    Ok(uses)
}

/// Who comes by that link; none if no credential has it.
///
/// # Errors
/// Those of the database.
pub async fn by_link<'a>(from: impl Into<Reader<'a>>, digest: &Sha256Digest) -> Result<Option<Arrival>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&BY_LINK, binds![digest]).await?.map(|row| read(row, &ring)).transpose()
}

/// Who comes by the credential of that name; none if there is none.
///
/// # Errors
/// Those of the database.
pub async fn by_credential<'a>(from: impl Into<Reader<'a>>, id: &Mark) -> Result<Option<Arrival>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&BY_CREDENTIAL, binds![id]).await?.map(|row| read(row, &ring)).transpose()
}

/// The same under the row lock of the study, which the credential is of: as [`study::lock`] takes it, until the end of the transaction.
/// What was done with the credential meanwhile is known, and the study's counters are current.
///
/// # Errors
/// Missing, busy.
pub async fn lock(tx: &mut Tx, study_id: i64, id: &Mark) -> Result<Arrival, StoreError> {
    // On SQLite whoever began to write has locked everything. PostgreSQL would look at what it joins as of before it waited for the lock.
    if tx.engine() == Engine::Postgres {
        study::lock(tx, study_id).await?;
    }
    let found = by_credential(&mut *tx, id).await?.filter(|arrival| arrival.study.id == study_id);
    found.ok_or_else(|| StoreError::Missing { noun: "credential", key: id.text() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_come_in_order_whole_or_not_at_all() {
        let (one, other) = ("11".repeat(16), "AB".repeat(16));
        let text =
            format!("2\u{1f}{other}\u{1f}ABCD-EFGH-2345\u{1f}\u{1e}1\u{1f}{one}\u{1f}ABCD-EFGH-2344\u{1f}2026-11-20");
        let used = |occasion, byte, receipt: &str, day: &str| AnsweredRow {
            occasion,
            submission: Mark([byte; 16]),
            receipt: receipt.to_owned(),
            day: day.to_owned(),
        };
        let expected = [used(1, 0x11, "ABCD-EFGH-2344", "2026-11-20"), used(2, 0xab, "ABCD-EFGH-2345", "")];
        assert_eq!(read_uses(&text).unwrap(), expected);
        assert!(read_uses("").unwrap().is_empty());
        for broken in ["1", "1\u{1f}11\u{1f}r\u{1f}d", &text[1..], &format!("{text}\u{1e}")] {
            assert!(read_uses(broken).is_err(), "{broken:?}");
        }
    }
}
