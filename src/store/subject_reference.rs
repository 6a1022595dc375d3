//! References of subjects beside the one by which each is known: earlier ones, which were corrected, and right ones that another
//! subject has.

use super::sql::{Bind, Row, Rows, binds, chunks, statements, words};
use super::{Reader, StoreError, Tx};
use crate::domain::kept;

words! {
    /// What such a reference is.
    State {
        /// It was the subject's until it was corrected.
        Earlier = "earlier",
        /// It would be right by a correction, and was another subject's already.
        Taken = "taken",
    }
}

/// A reference beside the one by which a subject is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubjectReference {
    /// Number in the study of the subject.
    pub subject: i64,
    /// As in `subject.reference_key`, without the number of a screening.
    pub reference_key: String,
    /// Number of the correction.
    pub fact: i64,
    /// What it is.
    pub state: State,
}

statements! { "subject_reference":
    SAVE = same "INSERT INTO subject_reference (study_id, reference_key, subject_id, fact_number, state) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (study_id, reference_key, subject_id) DO UPDATE SET fact_number = excluded.fact_number, state = excluded.state";
    FORGET = same "DELETE FROM subject_reference WHERE study_id = $1 AND subject_id = $2 AND (reference_key = $3 OR state = 'taken')";
    BY_REFERENCE = rows Rows {
        head: "SELECT subject.number, subject_reference.reference_key, fact_number, state FROM subject_reference \
            JOIN subject ON subject.id = subject_id \
            WHERE subject_reference.study_id = $1 AND subject_reference.reference_key IN (VALUES",
        first: 2,
        columns: 1,
        tail: ") ORDER BY subject.number",
    };
    LIST = same "SELECT subject.number, subject_reference.reference_key, fact_number, state FROM subject_reference \
        JOIN subject ON subject.id = subject_id WHERE subject_reference.study_id = $1 \
        ORDER BY subject.number, subject_reference.reference_key";
}

fn read(mut row: Row) -> Result<SubjectReference, StoreError> {
    Ok(SubjectReference {
        subject: row.int()?,
        reference_key: row.text()?,
        fact: row.int()?,
        state: row.word(State::find)?,
    })
}

/// Stores a reference of the subject of that number in the database; `reference.subject` plays no part.
///
/// # Errors
/// Those of the database.
pub async fn save(tx: &mut Tx, study_id: i64, subject_id: i64, reference: &SubjectReference) -> Result<(), StoreError> {
    let SubjectReference { reference_key, fact, state, .. } = reference;
    tx.execute(&SAVE, binds![study_id, reference_key, subject_id, *fact, state.key()]).await.map(drop)
}

/// Forgets that a subject is not known by a reference, as kept: it is now. So it wants no other one, either.
///
/// # Errors
/// Those of the database.
pub async fn forget(tx: &mut Tx, study_id: i64, subject_id: i64, reference_key: &str) -> Result<(), StoreError> {
    tx.execute(&FORGET, binds![study_id, subject_id, reference_key]).await.map(drop)
}

/// The subjects that have a reference beside the one by which they are known, in the clear or under its code by any key.
///
/// # Errors
/// Those of the database.
pub async fn list_by_reference<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    reference_key: &str,
) -> Result<Vec<SubjectReference>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    let mut found = Vec::new();
    for run in chunks(&kept::references(&ring, study_id, reference_key)) {
        let binds: Vec<Bind<'_>> = std::iter::once(Bind::from(study_id)).chain(run.iter().map(Bind::from)).collect();
        let rows = from.fetch_rows(&BY_REFERENCE, run.len(), &binds).await?;
        found.extend(rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(found)
}

/// Every such reference of a study, by subject; as they are kept, so that no key is needed.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<SubjectReference>, StoreError> {
    from.into().fetch(&LIST, binds![study_id]).await?.into_iter().map(read).collect()
}
