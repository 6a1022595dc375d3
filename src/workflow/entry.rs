//! Entries of a study's audit chain: appended here, with the random bits that keep them from being guessed; and what they hold of a
//! decision's record.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::ledger::Page;
use super::shelf::ShelvedStudy;
use super::{Failure, Means};
use crate::domain::chain::Sha256Digest;
use crate::domain::time::Dice;
use crate::store::{Tx, audit};

/// Key of an entry's random bits.
pub(super) const SALT: &str = "salt";

/// What the audit chain holds of the record of a decision: its SHA-256, in lower-case hexadecimal.
pub fn record_digest(record: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(record))
}

/// Whether the audit chain holds that of this record.
pub(super) fn is_record_digest(told: &str, record: &str) -> bool {
    let mut digits = [0; 64];
    data_encoding::HEXLOWER.encode_mut(&Sha256::digest(record), &mut digits);
    told.as_bytes() == digits
}

/// Adds to a decision's record by which rules and by which program it was made.
pub(super) fn sign(record: &mut serde_json::Value, shelved: &ShelvedStudy) {
    if let Some(facts) = record.as_object_mut() {
        facts.insert("bundle".to_string(), json!({ "version": shelved.version, "digest": shelved.digest }));
        facts.insert("program".to_string(), json!(env!("HAGAKI_VERSION")));
    }
}

/// Appends an entry to the study's chain and moves its head; the entry's digest.
///
/// Receipts carry digests of entries to people who must not learn what the entries say. So each body gets 128 random bits
/// that leave the database with no letter: without them an arm could be found by trying all of them.
///
/// # Errors
/// The database.
pub async fn append(
    tx: &mut Tx,
    page: &mut Page,
    means: Means<'_>,
    actor: &str,
    action: &str,
    body: &serde_json::Value,
) -> Result<Sha256Digest, Failure> {
    let body = salted(body, means.dice);
    let digest = audit::append(tx, &mut page.row, means.now, actor, action, &body).await?;
    page.touch();
    Ok(digest)
}

/// The body of an entry with its random bits; see [`append`].
pub(super) fn salted(body: &serde_json::Value, dice: &dyn Dice) -> String {
    let mut salt = [0; 16];
    dice.fill(&mut salt);
    let mut salted = body.clone();
    if let Some(facts) = salted.as_object_mut() {
        facts.insert(SALT.to_string(), json!(data_encoding::HEXLOWER.encode(&salt)));
    }
    salted.to_string()
}
