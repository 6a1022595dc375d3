//! Files on their way to being answers: stored when their page is sent, kept when their form is, deleted if it never is.
//!
//! A form that was not sent yet carries its files as text: what is known of each, and a code by which only the form of the same person
//! is believed. So nobody names a file of somebody else, or one that was never looked at. Which files there are is noted before
//! their first byte is stored, so that none is left behind whatever is killed.

use chrono::Days;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Failure, Means};
use crate::domain::answer::{FaultCode, Form, Value};
use crate::domain::chain::Sha256Digest;
use crate::domain::file::FileAnswer;
use crate::domain::survey::Mark;
use crate::domain::time::Zone;
use crate::files::Files;
use crate::limits;
use crate::store::{Store, StoreError, Tx, file};

/// Whose form a file came with.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Number of the study in the database.
    pub study: i64,
    /// What nobody else's form has: the participant, whose files go along to a fresh link; the credential, where nobody may know whose
    /// it is; or a person and a subject.
    pub who: &'a [u8],
}

impl Owner<'_> {
    /// The code of a file for an item of this form (HMAC-SHA-256, RFC 2104).
    fn code(&self, means: Means<'_>, item: &str, canonical: &str) -> [u8; 32] {
        code_of(means, &[&self.study.to_be_bytes(), self.who, item.as_bytes(), canonical.as_bytes()])
    }

    /// The code under which this form's files wait: it names nobody to whoever has no key.
    fn waits_as(&self, means: Means<'_>) -> Sha256Digest {
        code_of(means, &[b"owner", &self.study.to_be_bytes(), self.who])
    }

    /// A file as the form carries it.
    pub fn token(&self, means: Means<'_>, item: &str, answer: &FileAnswer) -> String {
        let canonical = answer.canonical();
        let code = self.code(means, item, &canonical);
        format!("{} {canonical}", data_encoding::BASE64URL_NOPAD.encode(&code))
    }

    /// The file that a form carries, if it is one of this form for that item.
    pub fn read(&self, means: Means<'_>, item: &str, token: &str) -> Option<FileAnswer> {
        let (code, canonical) = token.split_once(' ')?;
        let code = data_encoding::BASE64URL_NOPAD.decode(code.as_bytes()).ok()?;
        let right: bool = self.code(means, item, canonical).as_slice().ct_eq(&code).into();
        FileAnswer::parse(canonical).filter(|_| right)
    }
}

fn code_of(means: Means<'_>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&means.keys.file).expect("HMAC takes any key");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Notes a file that is about to come in, of at most so many bytes; or says why not: too many of this form, or of the whole study, wait
/// already.
///
/// # Errors
/// The database.
pub async fn expect(
    store: &Store,
    means: Means<'_>,
    owner: Owner<'_>,
    zone: Zone,
    most_bytes: u64,
) -> Result<Result<Mark, FaultCode>, StoreError> {
    let study = owner.study;
    let most = i64::try_from(most_bytes).unwrap_or(i64::MAX);
    let waits_as = owner.waits_as(means);
    let (count, bytes) = file::waiting_of(store, &waits_as).await?;
    if count >= limits::FILES_WAITING_OWNER || bytes.saturating_add(most) > limits::FILES_WAITING_OWNER_BYTES {
        return Ok(Err(FaultCode::FileWaiting));
    }
    if file::waiting(store, study).await?.saturating_add(most) > limits::FILES_WAITING_BYTES {
        tracing::warn!(study, "no more files are taken: too many wait for their forms to be sent");
        return Ok(Err(FaultCode::FileRoom));
    }
    let key = Mark::new(means.dice);
    let day = means.now.day_in(zone).to_string();
    let new = file::NewFile { id: &key, study_id: study, owner: &waits_as, bytes: most, day: &day };
    file::insert(store, new).await?;
    Ok(Ok(key))
}

/// Makes the files of a form that is being sent its answers.
///
/// # Errors
/// The database; [`StoreError::Busy`] where one was deleted since the form was read: then the form is to be shown again.
pub(super) async fn keep(tx: &mut Tx, study: i64, form: &Form) -> Result<(), Failure> {
    for answer in form.answers.values() {
        if let Value::File(sent) = &answer.value
            && !file::keep(tx, &sent.key, study).await?
        {
            return Err(StoreError::Busy("a file of the form was deleted".to_string()).into());
        }
    }
    Ok(())
}

/// Deletes what waited too long, or was given up; whether there was anything.
///
/// # Errors
/// The database, the store of files.
pub async fn sweep(store: &Store, files: &Files, means: Means<'_>) -> Result<bool, Failure> {
    let day = means.now.day_in(Zone::UTC);
    let oldest = day.checked_sub_days(Days::new(limits::FILE_WAITING_DAYS)).unwrap_or(day);
    let due = file::due(store, &oldest.to_string(), limits::FILES_SWEPT).await?;
    for key in &due {
        // Sent off meanwhile, it stays.
        file::leave(store, key).await?;
        if !file::is_leaving(store, key).await? {
            continue;
        }
        files.delete(key).await?;
        file::forget(store, key).await?;
    }
    Ok(!due.is_empty())
}
