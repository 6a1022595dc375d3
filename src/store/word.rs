//! The words that tell which study a mail is for, so that nobody has to know every study to read one mail.

use std::collections::BTreeSet;

use super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::study::Stage;
use super::tx::Expect;
use super::{Reader, StoreError, Tx};

/// A study that a word tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The word.
    pub word: String,
    /// Study.
    pub study_id: i64,
    /// Its slug.
    pub slug: String,
    /// Its stage.
    pub stage: Stage,
    /// Version of its bundle in force.
    pub bundle_version: i64,
}

statements! { "word":
    FORGET = same "DELETE FROM study_word WHERE study_id = $1";
    INSERT = rows Rows { head: "INSERT INTO study_word (word, study_id) VALUES", first: 1, columns: 2, tail: "" };
    TOLD = rows Rows {
        head: "SELECT word, id, slug, stage, bundle_version FROM study_word JOIN study ON study.id = study_word.study_id \
            WHERE word IN (VALUES",
        first: 1,
        columns: 1,
        tail: ")",
    };
    // One of them, where all have the same slug.
    ONLY = same "SELECT '', id, slug, stage, bundle_version FROM study \
        WHERE (SELECT min(slug) FROM study) = (SELECT max(slug) FROM study) ORDER BY stage DESC LIMIT 1";
}

fn read(mut row: Row) -> Result<Told, StoreError> {
    Ok(Told {
        word: row.text()?,
        study_id: row.int()?,
        slug: row.text()?,
        stage: row.word(Stage::find)?,
        bundle_version: row.int()?,
    })
}

/// Writes the words of a study in place of those it had.
///
/// # Errors
/// Those of the database.
pub async fn replace(tx: &mut Tx, study_id: i64, words: &BTreeSet<String>) -> Result<(), StoreError> {
    tx.later(&FORGET, binds![study_id], Expect::Any).await?;
    let words: Vec<&String> = words.iter().collect();
    for run in chunks(&words) {
        let binds: Vec<Bind<'_>> = run.iter().flat_map(|word| [Bind::from(*word), study_id.into()]).collect();
        tx.later_rows(&INSERT, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// Every study that one of these words tells, once for each word.
///
/// # Errors
/// Those of the database.
pub async fn told<'a>(from: impl Into<Reader<'a>>, words: &BTreeSet<String>) -> Result<Vec<Told>, StoreError> {
    let mut from = from.into();
    let words: Vec<&String> = words.iter().collect();
    let mut told = Vec::new();
    for run in chunks(&words) {
        let binds: Vec<Bind<'_>> = run.iter().map(|word| Bind::from(*word)).collect();
        for row in from.fetch_rows(&TOLD, run.len(), &binds).await? {
            told.push(read(row)?);
        }
    }
    Ok(told)
}

/// The study that every mail must mean, if there is only one; its word is empty.
///
/// # Errors
/// Those of the database.
pub async fn only<'a>(from: impl Into<Reader<'a>>) -> Result<Option<Told>, StoreError> {
    from.into().find(&ONLY, &[]).await?.map(read).transpose()
}
