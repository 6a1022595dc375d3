//! The urn: responses sealed on arrival, which wait until enough of them are there to be mixed.

use super::sql::{Bind, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::survey::Mark;

statements! { "urn":
    PUT = same "INSERT INTO urn (id, study_id, sealed) VALUES ($1, $2, $3)";
    STUDIES = same "SELECT study_id, count(*) FROM urn GROUP BY study_id ORDER BY study_id";
    COUNT = same "SELECT count(*) FROM urn WHERE study_id = $1";
    IDS = same "SELECT id FROM urn WHERE study_id = $1 ORDER BY id";
    TAKE = rows Rows {
        head: "DELETE FROM urn WHERE id IN (",
        first: 1,
        columns: 1,
        tail: ") RETURNING id, sealed",
    };
    SEALED = same "SELECT id, sealed FROM urn WHERE study_id = $1 ORDER BY id LIMIT $2";
}

/// Puts a sealed response in.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn put(tx: &mut Tx, id: &Mark, study_id: i64, sealed: &[u8]) -> Result<(), StoreError> {
    tx.later(&PUT, binds![id, study_id, sealed], Expect::Any).await
}

/// Studies with sealed responses, and how many each has.
///
/// # Errors
/// Those of the database.
pub async fn studies<'a>(from: impl Into<Reader<'a>>) -> Result<Vec<(i64, i64)>, StoreError> {
    let rows = from.into().fetch(&STUDIES, &[]).await?;
    rows.into_iter().map(|mut row| Ok((row.int()?, row.int()?))).collect()
}

/// How many sealed responses a study has.
///
/// # Errors
/// Those of the database.
pub async fn count<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<i64, StoreError> {
    from.into().find(&COUNT, binds![study_id]).await?.map_or(Ok(0), |mut row| row.int())
}

/// The names of a study's sealed responses.
///
/// # Errors
/// Those of the database.
pub async fn ids<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<Mark>, StoreError> {
    from.into().fetch(&IDS, binds![study_id]).await?.into_iter().map(|mut row| row.mark()).collect()
}

/// At most `most` sealed responses of a study, to try whether they open.
///
/// # Errors
/// Those of the database.
pub async fn sealed<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    most: i64,
) -> Result<Vec<(Mark, Vec<u8>)>, StoreError> {
    let rows = from.into().fetch(&SEALED, binds![study_id, most]).await?;
    rows.into_iter().map(|mut row| Ok((row.mark()?, row.blob()?))).collect()
}

/// Takes sealed responses out; nothing of them is left to be found once the transaction has committed and
/// [`Store::wipe_traces`](super::Store::wipe_traces) was called.
///
/// # Errors
/// Those of the database.
pub async fn take(tx: &mut Tx, ids: &[Mark]) -> Result<Vec<(Mark, Vec<u8>)>, StoreError> {
    let mut taken = Vec::with_capacity(ids.len());
    for run in chunks(ids) {
        let binds: Vec<Bind<'_>> = run.iter().map(Bind::from).collect();
        for mut row in tx.fetch_rows(&TAKE, run.len(), &binds).await? {
            taken.push((row.mark()?, row.blob()?));
        }
    }
    tx.leaves_traces();
    Ok(taken)
}
