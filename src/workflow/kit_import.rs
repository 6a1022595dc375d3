//! Lists of kits that are added to a study in force, whole or not at all; what they tell of arms, together with the kits on file.
//!
//! The warnings compare a list with the arms of kits on file, so whoever tries lists could find arms out. So a trial leaves an entry in
//! the chain, as an import does, and a list that cannot be used is compared with nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::Means;
use super::enroll::append;
use super::kits::{self, KitError, Order, Refusal, hands_out};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::stock::least_expiry;
use crate::definition::{self, Problem, Seen};
use crate::domain::kit::{Day, Order as Turns, State};
use crate::domain::kit_shuffle;
use crate::domain::study::{Kit, Stage};
use crate::domain::text;
use crate::store::kit::{self, KitRow, NewKit};
use crate::store::{StoreError, Tx};

/// Kits of one arm, place and lot in a list that was added.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct ListCount {
    /// Code of the arm.
    pub arm: String,
    /// Where; empty for the central stock.
    pub site: String,
    /// Lot; empty if none was listed.
    pub lot: String,
    /// How many.
    pub kits: usize,
}

/// A list that was added.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its number in the study; 0 of one that was tried only.
    pub list: i64,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub digest: String,
    /// How many kits.
    pub kits: usize,
    /// The same by arm, place and lot.
    pub counts: Vec<ListCount>,
    /// What should be looked at.
    pub warnings: Vec<Problem>,
}

/// A list that was read and judged.
struct Judged {
    kits: Vec<Kit>,
    warnings: Vec<Problem>,
}

async fn judge(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    file: &str,
    content: &str,
) -> Result<Judged, KitError> {
    let on_file = as_listed(tx, shelved).await?;
    let known: BTreeSet<String> = on_file.iter().map(|kit| text::fold_tight(&kit.code)).collect();
    let study = &shelved.study;
    let kits = definition::read_more_kits(file, content, study, &known).map_err(Refusal::List)?;
    let least = least_expiry(study, means.now);
    // What was withdrawn went to nobody, and what expired is on no shelf any more.
    let counts = on_file.iter().filter(|kit| kit.state != State::Withdrawn);
    let seen: Vec<Seen<'_>> = counts.map(|kit| seen(kit, least)).collect();
    let warnings = definition::judge_more_kits(file, study, &kits, &seen, means.now.day_in(study.zone));
    Ok(Judged { kits, warnings })
}

/// The kits on file with the arms that their lists give them, which differ in a rehearsal.
///
/// # Errors
/// The database.
pub async fn as_listed(tx: &mut Tx, shelved: &ShelvedStudy) -> Result<Vec<KitRow>, StoreError> {
    let mut kits = kit::list(&mut *tx, shelved.id).await?;
    if shelved.stage == Stage::Production {
        return Ok(kits);
    }
    let mut arms: BTreeMap<String, String> = BTreeMap::new();
    for number in 1.. {
        let Some(content) = kit::find_list(&mut *tx, shelved.id, number).await? else { break };
        let listed = definition::read_kept_kits(&content).unwrap_or_default();
        arms.extend(listed.into_iter().map(|kit| (kit.code, kit.arm)));
    }
    arms.extend(shelved.study.kits.iter().map(|kit| (kit.code.clone(), kit.arm.clone())));
    for kit in &mut kits {
        if let Some(arm) = arms.remove(&kit.code) {
            kit.arm = arm;
        }
    }
    Ok(kits)
}

/// A kit on file as it is looked at, of no use before `least`.
pub(super) fn seen(kit: &KitRow, least: Day) -> Seen<'_> {
    Seen {
        code: &kit.code,
        arm: &kit.arm,
        site: &kit.site,
        expires: kit.expires_on.date(),
        lot: &kit.lot,
        new: false,
        here: kit.state.may_move() && kit.expires_on >= least,
    }
}

/// Adds a list of kits to a study in force, whole or not at all. `file` names it in problems.
///
/// # Errors
/// A [`Refusal`] with every problem of the list, or the database.
pub async fn import(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
    file: &str,
    content: &str,
) -> Result<Imported, KitError> {
    kits::check(shelved, order)?;
    let (tx, page) = ledger.lock(shelved).await?;
    hands_out(page)?;
    let Judged { kits: listed, warnings } = judge(tx, shelved, means, file, content).await?;
    let secret = page.row.secret.bytes()?;
    let on_file = kit_shuffle::on_file(page.row.stage, secret, listed.clone());
    let new: Vec<NewKit<'_>> = on_file.iter().map(new_kit).collect();
    kit::insert_many(tx, shelved.id, &Turns::of(secret), &new).await?;
    let list = kit::insert_list(tx, shelved.id, content).await?;
    let digest = digest_of(content);
    let counts = count(&listed);
    let body = json!({ "list": list, "digest": digest, "kits": listed.len(), "counts": counts,
                       "by": order.by, "reason": order.reason, "inbox": order.inbox_id });
    append(tx, page, means, order.actor, "kit-import", &body).await?;
    kits::tell(ledger, shelved, means, order).await?;
    Ok(Imported { list, digest, kits: listed.len(), counts, warnings })
}

/// What adding a list would do: nothing comes of it but an entry that tells of the trial.
///
/// # Errors
/// As [`import`].
pub async fn try_import(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
    file: &str,
    content: &str,
) -> Result<Imported, KitError> {
    kits::check(shelved, order)?;
    let (tx, page) = ledger.lock(shelved).await?;
    hands_out(page)?;
    let Judged { kits: listed, warnings } = judge(tx, shelved, means, file, content).await?;
    let digest = digest_of(content);
    let body = json!({ "digest": digest, "kits": listed.len(), "by": order.by, "reason": order.reason, "inbox": order.inbox_id });
    append(tx, page, means, order.actor, TRIAL, &body).await?;
    Ok(Imported { list: 0, digest, kits: listed.len(), counts: count(&listed), warnings })
}

/// The action of the entry that a trial leaves.
pub(super) const TRIAL: &str = "kit-import-trial";

/// SHA-256 of a list, in lower-case hexadecimal.
pub fn digest_of(content: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(content))
}

/// A listed kit as the store takes it.
pub(super) fn new_kit(kit: &Kit) -> NewKit<'_> {
    NewKit {
        code: &kit.code,
        arm: &kit.arm,
        site: kit.site.as_deref().unwrap_or_default(),
        lot: &kit.lot,
        expires_on: Day::of_expiry(kit.expires),
    }
}

fn count(listed: &[Kit]) -> Vec<ListCount> {
    let mut counts: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for kit in listed {
        *counts.entry((&kit.arm, kit.site.as_deref().unwrap_or_default(), &kit.lot)).or_default() += 1;
    }
    let line = |((arm, site, lot), kits): ((&str, &str, &str), usize)| ListCount {
        arm: arm.to_string(),
        site: site.to_string(),
        lot: lot.to_string(),
        kits,
    };
    counts.into_iter().map(line).collect()
}
