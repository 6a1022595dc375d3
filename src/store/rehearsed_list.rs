//! Places of imported lists of arms that rehearsals used; kept when a rehearsal is purged.

use super::sql::{Row, binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;

/// What a rehearsal used of one sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedRow {
    /// Which of the study's allocations.
    pub randomization: String,
    /// JSON, levels in the order of the strata's ids.
    pub stratum: String,
    /// How many of its places, from the first on.
    pub places: i64,
    /// How many of its places the digest is of.
    pub compared: i64,
    /// SHA-256 of the ids of the strata and the arms of these.
    pub digest: Sha256Digest,
}

statements! { "rehearsed-list":
    KEEP = same "INSERT INTO rehearsed_list (slug, randomization, stratum, places, compared, digest) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    OF_STUDY = same "SELECT randomization, stratum, places, compared, digest FROM rehearsed_list WHERE slug = $1 \
        ORDER BY randomization, stratum, places DESC";
}

/// Keeps what a rehearsal of that slug used.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn keep(tx: &mut Tx, slug: &str, used: &UsedRow) -> Result<(), StoreError> {
    let UsedRow { randomization, stratum, places, compared, digest } = used;
    tx.later(&KEEP, binds![slug, randomization, stratum, *places, *compared, digest], Expect::Any).await
}

/// What rehearsals of that slug used; of each sequence the most places first.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>, slug: &str) -> Result<Vec<UsedRow>, StoreError> {
    let read = |mut row: Row| {
        Ok(UsedRow {
            randomization: row.text()?,
            stratum: row.text()?,
            places: row.int()?,
            compared: row.int()?,
            digest: row.digest()?,
        })
    };
    from.into().fetch(&OF_STUDY, binds![slug]).await?.into_iter().map(read).collect()
}
