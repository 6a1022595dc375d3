//! Forms that the staff began and kept, to go on another time: sealed by the installation's keys, shown to nobody but whoever typed
//! them, gone once they are sent, or long after nobody went on with them.

use sha2::{Digest, Sha256};

use super::drafts::{Keeping, version};
use super::ledger::Ledger;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means};
use crate::domain::draft::DraftKeys;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::begun_form::{self, Key};
use crate::store::{Store, StoreError};

/// A form that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What was typed, as it was kept.
    pub text: Vec<u8>,
    /// When.
    pub at: Instant,
    /// Names this version of it.
    pub version: String,
}

/// What the seal is bound to: a form that is moved to another place, or to somebody else, does not open there.
fn bound_to(key: Key<'_>) -> Mark {
    let mut hash = Sha256::new();
    hash.update(b"hagaki begun form\n");
    hash.update(key.study_id.to_be_bytes());
    hash.update(key.account.0);
    hash.update(key.place);
    let digest: [u8; 32] = hash.finalize().into();
    let mut mark = [0; 16];
    mark.copy_from_slice(&digest[..16]);
    Mark(mark)
}

/// What somebody kept of a form; none where nothing was, or where its key is not at hand any more.
///
/// # Errors
/// The database.
pub async fn find(store: &Store, keys: &DraftKeys, key: Key<'_>) -> Result<Option<Begun>, StoreError> {
    let Some((sealed, at)) = begun_form::find(store, key).await? else { return Ok(None) };
    let Some(text) = keys.open(&bound_to(key), &sealed) else {
        tracing::warn!("a form that was begun was sealed by a key that is not in the key file");
        return Ok(None);
    };
    Ok(Some(Begun { text, at, version: version(&sealed) }))
}

/// What somebody began in a study, the latest first.
///
/// # Errors
/// The database.
pub async fn list(store: &Store, study_id: i64, account: &Mark) -> Result<Vec<(String, Instant)>, StoreError> {
    begun_form::list(store, study_id, account, limits::BEGUN_FORMS).await
}

/// Keeps what was typed in place of what was kept before, unless that was kept since the page was made, which knows of the version
/// `base`. Who began too many keeps no more.
///
/// # Errors
/// The database.
pub async fn keep(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    key: Key<'_>,
    base: Option<&str>,
    (keys, text): (&DraftKeys, &[u8]),
) -> Result<Keeping, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, _) = ledger.lock(shelved).await?;
    match begun_form::find(&mut *tx, key).await? {
        Some((there, _)) => {
            let newest = version(&there);
            if base != Some(newest.as_str()) {
                let kept = keys.open(&bound_to(key), &there);
                return Ok(match kept.as_deref() == Some(text) {
                    true => Keeping::Done(newest),
                    false => Keeping::Newer(newest, kept),
                });
            }
        }
        None => {
            let begun = begun_form::list(&mut *tx, key.study_id, key.account, limits::BEGUN_FORMS).await?;
            if i64::try_from(begun.len()).unwrap_or(i64::MAX) >= limits::BEGUN_FORMS {
                return Ok(Keeping::Not);
            }
        }
    }
    let sealed = keys.seal(means.dice, &bound_to(key), text);
    begun_form::put(tx, key, &sealed, means.now).await?;
    ledger.commit().await?;
    Ok(Keeping::Done(version(&sealed)))
}

/// Forgets a form: it was sent, or is to begin anew.
///
/// # Errors
/// The database.
pub async fn forget(shelf: &Shelf, shelved: &ShelvedStudy, key: Key<'_>) -> Result<(), Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, _) = ledger.lock(shelved).await?;
    begun_form::forget(tx, key).await?;
    ledger.commit().await
}

/// Forgets the forms that nobody went on with for long, whoever began them: what stands in them is about patients, and who began it may
/// have left.
///
/// # Errors
/// The database.
pub async fn forget_old(store: &Store, now: Instant) -> Result<(), StoreError> {
    begun_form::forget_old(store, now.plus_seconds(-limits::BEGUN_FORM_DAYS * 86_400)).await
}
