//! Answers that are kept and not sent: sealed before they come here, gone once answers are sent.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::ledger::Ledger;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means};
use crate::domain::draft::DraftKeys;
use crate::domain::survey::{Mark, Privacy, Survey};
use crate::store::credential::CredentialRow;
use crate::store::{Store, StoreError, Tx, credential, draft, subject};

/// What was kept with a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// A text, and the day on which it was kept; empty where nobody may know.
    Text(Vec<u8>, String),
    /// Something that this way in does not open: a link and a password have each their own key.
    OtherWay,
}

/// What became of a text that was to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It is kept, as that version.
    Done(String),
    /// It is not: answers were sent meanwhile, or nothing can be kept.
    Not,
    /// It is not: another version was kept since the page was made, and is the one on file. Its text, where this way in opens it.
    Newer(String, Option<Vec<u8>>),
}

/// Names a version of what is kept: each has a nonce of its own.
pub(super) fn version(sealed: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(sealed)[..16])
}

/// What was kept with a credential, opened by its key, and its version; that is empty where nothing was.
///
/// # Errors
/// The database.
pub async fn find(store: &Store, key: &DraftKeys, credential: &Mark) -> Result<(Kept, String), StoreError> {
    let Some((sealed, day)) = draft::find(store, credential).await? else {
        return Ok((Kept::Nothing, String::new()));
    };
    let kept = key.open(credential, &sealed).map_or(Kept::OtherWay, |text| Kept::Text(text, day));
    Ok((kept, version(&sealed)))
}

/// Of which form a text is kept.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// Name of the credential.
    pub credential: &'a Mark,
    /// How often it was used when the form was shown.
    pub uses: usize,
    /// Whether it is the form by which somebody enrolls themself.
    pub first: bool,
    /// The version of what was kept when the form was shown; none where the page does not say.
    pub base: Option<&'a str>,
}

/// Keeps a text in place of what was kept before. It is not kept where answers were sent meanwhile: what was sent last must not be
/// followed by what was kept before; nor over a version that whoever keeps it has not seen. The same text once more stays as it is.
///
/// # Errors
/// The database.
pub async fn keep(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    survey: &Survey,
    Of { credential, uses, first, base }: Of<'_>,
    (key, text): (&DraftKeys, &[u8]),
) -> Result<Keeping, Failure> {
    let day = match survey.privacy {
        Privacy::FullyAnonymous => String::new(),
        Privacy::Named | Privacy::Anonymous => means.now.day_in(shelved.study.zone).to_string(),
    };
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, _) = ledger.lock(shelved).await?;
    let missing = || StoreError::Missing { noun: "credential", key: credential.text() };
    let row = credential::find(&mut *tx, credential).await?.ok_or_else(missing)?;
    if credential::uses(&mut *tx, &row).await?.len() != uses || row.state != credential::State::Active {
        return Ok(Keeping::Not);
    }
    if let (true, Some(whose)) = (shelved.study.enrolls_itself(), row.participant_id) {
        let enrolled = subject::find_by_participant(&mut *tx, whose).await?.is_some();
        if enrolled == first {
            return Ok(Keeping::Not);
        }
    }
    let there = draft::find(&mut *tx, credential).await?;
    if let (Some(base), Some((there, _))) = (base, &there) {
        let newest = version(there);
        if newest != base {
            let kept = key.open(credential, there);
            return Ok(match kept.as_deref() == Some(text) {
                true => Keeping::Done(newest),
                false => Keeping::Newer(newest, kept),
            });
        }
    }
    let sealed = key.seal(means.dice, credential, text);
    draft::put(tx, credential, &sealed, &day).await?;
    ledger.commit().await?;
    Ok(Keeping::Done(version(&sealed)))
}

/// Brings what was kept with earlier credentials of a participant to a fresh one, where the installation's keys open it. What only its
/// own link opens stays with that link, which goes on showing it to whoever has it.
pub(super) async fn follow(
    tx: &mut Tx,
    means: Means<'_>,
    survey: &Survey,
    earlier: &[CredentialRow],
    fresh: &Mark,
) -> Result<(), Failure> {
    let Some(keys) = DraftKeys::of_way(None, &means.keys.ring, survey.privacy.names()) else { return Ok(()) };
    for before in earlier {
        let Some((sealed, day)) = draft::find(&mut *tx, &before.id).await? else { continue };
        if let Some(text) = keys.open(&before.id, &sealed) {
            draft::put(tx, fresh, &keys.seal(means.dice, fresh, &text), &day).await?;
            draft::forget(tx, &before.id).await?;
        }
    }
    Ok(())
}

/// Forgets what was kept with a credential, and with those that its participant had before.
///
/// # Errors
/// The database.
pub async fn forget(shelf: &Shelf, shelved: &ShelvedStudy, credential: &CredentialRow) -> Result<(), Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, _) = ledger.lock(shelved).await?;
    draft::forget_all(tx, credential).await?;
    ledger.commit().await
}
