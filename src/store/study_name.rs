//! The names by which mails find a study. That none of them is the name of two studies is kept by the table's key.

use std::collections::BTreeSet;

use super::sql::{binds, statements};
use super::{Reader, StoreError, Tx};

statements! { "study_name":
    // Waits for whoever is taking the same name at this moment.
    TAKE = same "INSERT INTO study_name (name, slug, was_tag) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";
    OWNER = same "SELECT slug FROM study_name WHERE name = $1";
    OF = same "SELECT name FROM study_name WHERE slug = $1 ORDER BY name";
    LEAVE = same "UPDATE study_name SET was_tag = 1 WHERE name = $1 AND slug = $2";
    FORMER = same "SELECT name FROM study_name WHERE slug = $1 AND was_tag = 1 ORDER BY name";
    GIVE_BACK = same "DELETE FROM study_name WHERE slug = $1 AND name = $2";
}

/// Takes a (folded) name for the study of that slug; the slug of the study whose it is, be it this one or another.
///
/// # Errors
/// Those of the database.
pub async fn take(tx: &mut Tx, name: &str, slug: &str) -> Result<String, StoreError> {
    loop {
        tx.execute(&TAKE, binds![name, slug]).await?;
        // None where it was given back between the two.
        if let Some(mut owner) = tx.fetch(&OWNER, binds![name]).await?.into_iter().next() {
            return owner.text();
        }
    }
}

/// The names of the study of that slug, those it had among them.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>, slug: &str) -> Result<BTreeSet<String>, StoreError> {
    from.into().fetch(&OF, binds![slug]).await?.into_iter().map(|mut row| row.text()).collect()
}

/// Remembers that a (folded) name was a study's tag.
///
/// # Errors
/// Those of the database.
pub async fn leave(tx: &mut Tx, name: &str, slug: &str) -> Result<(), StoreError> {
    tx.execute(&LEAVE, binds![name, slug]).await.map(drop)
}

/// The tags that the study of that slug had, the one it has again perhaps among them.
///
/// # Errors
/// Those of the database.
pub async fn list_former<'a>(from: impl Into<Reader<'a>>, slug: &str) -> Result<Vec<String>, StoreError> {
    from.into().fetch(&FORMER, binds![slug]).await?.into_iter().map(|mut row| row.text()).collect()
}

/// Gives a name back, which then any study can have.
///
/// # Errors
/// Those of the database.
pub async fn give_back(tx: &mut Tx, name: &str, slug: &str) -> Result<(), StoreError> {
    tx.execute(&GIVE_BACK, binds![slug, name]).await.map(drop)
}
