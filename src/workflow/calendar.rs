//! What a study does at a time of day, without being asked: the digest, a look at the stock of kits, and what addresses
//! are out of reach since.
//!
//! One transaction for each study, under the study's lock: what is due is looked up again inside, so two daemons or a restart never
//! write twice. A day on which no daemon ran is not made up for; the next digest tells of it.

use super::amendment::Schemes;
use super::balance;
use super::compose::{self, Addressing, Outgoing};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, Means, binding, proof, stock, unreached};
use crate::domain::study::{FIRST, Person, Stage};
use crate::letters::Facts;
use crate::letters::facts::{CohortLevel, Digest, DigestUnblinded, FurtherCount};
use crate::store::calendar::{self, Mark};
use crate::store::study::StudyRow;
use crate::store::{Tx, allocation};

/// Seconds of a day, by which what is new since the last one is told apart.
const DAY_SECONDS: i64 = 24 * 3600;

/// Does what is due of one study; whether anything was.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn attend(ledger: &mut Ledger<'_>, shelved: &ShelvedStudy, means: Means<'_>) -> Result<bool, Failure> {
    let store = ledger.shelf().store().clone();
    let (tx, page) = ledger.lock(shelved).await?;
    let (row, filled) = (page.row.clone(), page.cohorts.clone());
    let mark = calendar::find(&mut *tx, shelved.id).await?;
    if mark.is_some_and(|mark| mark.next_at > means.now) {
        return Ok(false);
    }
    let next_at = shelved.study.zone.next_at(shelved.study.digest.minute, means.now);
    calendar::save(tx, shelved.id, Mark { next_at, seen: row.chain.length }).await?;
    // A study that was never looked at has its first day ahead.
    let Some(mark) = mark else { return Ok(true) };
    let mut outgoing = stock::tell_daily(tx, shelved, means).await?;
    // By the moments that were planned, so that each address is told of once, whenever the daemon was awake.
    let days = (mark.next_at.plus_seconds(-DAY_SECONDS), next_at.plus_seconds(-DAY_SECONDS));
    outgoing.extend(unreached::tell(&store, shelved, means, days).await?);
    if shelved.stage == Stage::Production && row.chain.length > mark.seen {
        outgoing.extend(digests(tx, shelved, means, &row, &filled).await?);
    }
    compose::post(tx, Some(shelved.id), means, None, &outgoing).await?;
    Ok(true)
}

async fn digests(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    row: &StudyRow,
    filled: &[u64],
) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    if !study.scheme.as_ref().is_some_and(|scheme| scheme.randomizes()) {
        return Ok(Vec::new());
    }
    let told = |person: &&Person| study.digest.roles.iter().any(|role| person.has(*role));
    let readers: Vec<&Person> = study.people.iter().filter(told).collect();
    if readers.is_empty() {
        return Ok(Vec::new());
    }
    let journal = allocation::journal(&mut *tx, shelved.id, 0).await?;
    let known = proof::all_facts(&mut *tx, shelved.id).await?;
    let schemes = Schemes::load(&mut *tx, row, study).await?;
    let of = |id: &str| journal.iter().filter(|row| row.randomization == id).count() as i64;
    let day = means.now.day_in(study.zone).to_string();
    let head = data_encoding::HEXLOWER.encode(&row.chain.digest);
    let disputes = binding::disputes_in(tx, shelved).await?;
    let letter = |person| {
        let to = Addressing::unasked(study, person);
        let counts = (row.subjects, of(FIRST));
        let further = study.randomizations.iter();
        let further = further.map(|own| FurtherCount::new(&own.title, of(&own.id), to.language)).collect();
        let digest = Digest::new(study, shelved.stage, &day, counts, (row.chain.length, &head))
            .with_cohorts(CohortLevel::list(study, filled, to.language))
            .with_disputes(study, &disputes);
        let digest = Digest { further, ..digest };
        let facts = if balance::may_know(study, person) {
            let balance = balance::facts(study, &schemes, &journal, &known, to.language)?;
            Facts::DigestUnblinded(DigestUnblinded { digest, balance })
        } else {
            Facts::Digest(digest)
        };
        compose::compose(shelved, means, to, facts)
    };
    readers.into_iter().map(letter).collect()
}
