//! The journal as it leaves the house: each allocation with how it came about, for statisticians and verifiers.
//!
//! In charge of one JSON object per allocation, the same in every export. What it holds tells what comes next in a study
//! that goes on; whether it may leave is [`super::disclosure`]'s to say.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::amendment::Schemes;
use super::shelf::ShelvedStudy;
use super::{Failure, proof};
use crate::domain::allocation::Amendment;
use crate::domain::chain::Sha256Digest;
use crate::domain::study::Rules;
use crate::limits;
use crate::store::allocation::{self, AllocationRow};
use crate::store::{Store, bundle, study, subject};

/// One allocation with its subject and the record of how it came about.
#[derive(Clone, Debug)]
pub struct Line {
    /// The allocation.
    pub fact: AllocationRow,
    /// Number of the subject.
    pub subject: i64,
    /// Number of the earlier subject that is screened again as this one.
    pub rescreens: Option<i64>,
    /// Its record, byte for byte as stored.
    pub record: String,
    /// The same, read.
    pub told: Map<String, Value>,
    /// SHA-256 of the bundle it was made by, in lower-case hexadecimal digits.
    pub bundle_digest: String,
}

impl Line {
    /// `{number, subject, at, at_microseconds, origin, randomization, levels, arm, slot, block_size, place_in_block, kit, bundle: {version,
    /// digest}, program, method, counts, arms: [{code, imbalance, probability}], draws: [{below, value}]}`; null where there is
    /// none, and for `program` in records made before it was noted. Of what was imported also `imported: {sha256, line, at}`: the file,
    /// its line, and when the other system allocated, as far as the file told. Of one given by hand also `forced: {by, reason, at}`, of a
    /// person screened again `rescreens`, the number of the earlier subject.
    pub fn to_json(&self) -> Value {
        let mut line = self.told.clone();
        let levels: Value = serde_json::from_str(&self.fact.levels).unwrap_or_default();
        let own = [
            ("number", json!(self.fact.number)),
            ("subject", json!(self.subject)),
            ("at", json!(self.fact.allocated_at.utc())),
            ("at_microseconds", json!(self.fact.allocated_at.0)),
            ("origin", json!(self.fact.origin.key())),
            ("randomization", json!(self.fact.randomization)),
            ("levels", levels),
            ("arm", json!(self.fact.arm)),
            ("slot", json!(self.fact.slot)),
            ("block_size", json!(self.fact.block_size)),
            ("kit", json!(self.fact.kit)),
            ("bundle", json!({ "version": self.fact.bundle_version, "digest": self.bundle_digest })),
        ];
        for (key, value) in own {
            line.insert(key.to_string(), value);
        }
        if let Some(earlier) = self.rescreens {
            line.insert("rescreens".to_string(), json!(earlier));
        }
        for key in ["place_in_block", "program"] {
            line.entry(key).or_insert(Value::Null);
        }
        Value::Object(line)
    }

    /// The same, with the record byte for byte under `record`, so that its digest can be compared with the audit chain.
    pub fn to_proof(&self) -> Value {
        let mut line = self.to_json();
        if let Some(line) = line.as_object_mut() {
            line.insert("record".to_string(), json!(self.record));
        }
        line
    }
}

/// Every allocation of a study, in order.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn lines(store: &Store, study_id: i64) -> Result<Vec<Line>, Failure> {
    let digests: BTreeMap<i64, Sha256Digest> =
        bundle::list(store, study_id).await?.into_iter().map(|row| (row.version, row.digest)).collect();
    let facts = allocation::journal(store, study_id, 0).await?;
    let numbers = subject_numbers(store, study_id).await?;
    let mut records = BTreeMap::new();
    loop {
        let last = records.last_key_value().map_or(0, |(number, _)| *number);
        let page = allocation::list_records(store, study_id, last, limits::PAGE_ROWS).await?;
        if page.is_empty() {
            break;
        }
        records.extend(page);
    }
    let line = |fact: AllocationRow| {
        let broken = |what: &str| Failure::Contradiction(format!("allocation {}: {what}", fact.number));
        let (subject, earlier) = *numbers.get(&fact.subject_id).ok_or_else(|| broken("its subject is absent"))?;
        let rescreens = earlier.and_then(|id| numbers.get(&id)).map(|(number, _)| *number);
        let record = records.remove(&fact.number).ok_or_else(|| broken("its record is absent"))?;
        let told: Map<String, Value> = serde_json::from_str(&record).map_err(|error| broken(&error.to_string()))?;
        let digest = digests.get(&fact.bundle_version).ok_or_else(|| broken("its bundle is absent"))?;
        let bundle_digest = data_encoding::HEXLOWER.encode(digest);
        Ok(Line { fact, subject, rescreens, record, told, bundle_digest })
    };
    facts.into_iter().map(line).collect()
}

/// What became known of subjects, as far as later decisions of one of the study's allocations count it, in order.
///
/// # Errors
/// As [`lines`].
pub async fn amendments(store: &Store, shelved: &ShelvedStudy, rules: Rules<'_>) -> Result<Vec<Amendment>, Failure> {
    let row = study::load(store, shelved.id).await?;
    let mut schemes = Schemes::load(store, &row, &shelved.study).await?;
    let facts = allocation::journal(store, shelved.id, 0).await?;
    let known = proof::all_facts(store, shelved.id).await?;
    proof::amendments(rules, &schemes.take(rules.id)?, &known, &facts)
}

/// Numbers of a study's subjects by their number in the database, each with that of the earlier screening.
async fn subject_numbers(store: &Store, study_id: i64) -> Result<BTreeMap<i64, (i64, Option<i64>)>, Failure> {
    let mut numbers = BTreeMap::new();
    let mut after = i64::MIN;
    loop {
        let page = subject::list(store, study_id, after, limits::PAGE_ROWS).await?;
        let Some(end) = page.last() else { return Ok(numbers) };
        after = end.number;
        numbers.extend(page.iter().map(|row| (row.id, (row.number, row.rescreens_id))));
    }
}
