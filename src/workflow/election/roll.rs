//! The roll: brought by a list while it is made, then changed voter by voter, each time with a reason, until the cut-off of the rules.

use std::collections::BTreeMap;

use serde_json::json;

use super::{ElectionError, Floor, Refusal, call_back, enter, everybody, freeze, hex};
use crate::domain::election::letters::{Occasion, Round, deleted_at};
use crate::domain::election::phase::{Change as Lawful, Phase, Step, Unlawful};
use crate::domain::election::roll::{Entry, Frozen};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::Tx;
use crate::store::credential::State as CredentialState;
use crate::store::election::{self as kept, StepRow};
use crate::store::voter::{self, VoterRow};
use crate::store::voter_letter::{self, Fate, RoundRow};
use crate::workflow::Means;
use crate::workflow::entry::append;
use crate::workflow::ledger::Ledger;
use crate::workflow::life::Act;
use crate::workflow::shelf::{Shelf, ShelvedStudy};

/// What a list did to the roll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Voters who came.
    pub added: usize,
    /// Voters of whom something differs now.
    pub corrected: usize,
    /// Voters who stand as they stood.
    pub unchanged: usize,
    /// Voters on the roll whom the list does not name; they stay.
    pub others: usize,
    /// Digests of rules and roll after it.
    pub frozen: Frozen,
}

/// Puts everybody of a list on the roll, whole or not at all: who stands there already is as the list says from now on.
///
/// # Errors
/// A [`Refusal`]; the database. Then nothing was changed, nor is it by a dry run.
pub async fn import(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    list: &[Entry],
    dry_run: bool,
) -> Result<Imported, ElectionError> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page, floor) = enter(&mut ledger, shelved, means.now).await?;
    floor.standing().may_import().map_err(|why| floor.refusal(why))?;
    if let Some(fault) = list.iter().find_map(|entry| entry.check(floor.election).err()) {
        return Err(Refusal::Entry(fault).into());
    }
    let known: BTreeMap<String, VoterRow> =
        everybody(tx, shelved.id).await?.into_iter().map(|row| (row.entry.number.clone(), row)).collect();
    let (mut new, mut corrected) = (Vec::new(), Vec::new());
    for entry in list {
        match known.get(&entry.number) {
            None => new.push(VoterRow { id: Mark::new(means.dice), study_id: shelved.id, entry: entry.clone() }),
            Some(row) if row.entry != *entry => corrected.push(VoterRow { entry: entry.clone(), ..row.clone() }),
            Some(_) => {}
        }
    }
    if known.len() + new.len() > limits::ROLL {
        return Err(Refusal::TooMany.into());
    }
    // In an order of their own, so that the order of rows tells nothing of the list's.
    new.sort_by_key(|row| row.id);
    voter::insert(tx, &new).await?;
    for row in &corrected {
        voter::correct(tx, row).await?;
    }
    let (frozen, _) = freeze(tx, page, shelved).await?;
    let (added, corrected) = (new.len(), corrected.len());
    let unchanged = list.len() - added - corrected;
    let others = known.len().saturating_sub(corrected + unchanged);
    let imported = Imported { added, corrected, unchanged, others, frozen };
    if dry_run {
        return Ok(imported);
    }
    if added + corrected == 0 {
        return Err(Refusal::Unchanged.into());
    }
    let body = json!({ "added": added, "corrected": corrected, "voters": known.len() + added, "roll": hex(&frozen.roll),
                       "reason": act.reason });
    append(tx, page, means, act.actor, "import-roll", &body).await?;
    ledger.commit().await?;
    Ok(imported)
}

/// What is done about one voter.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// They come on the roll.
    Add(&'a Entry),
    /// Whoever has that number comes off it, and no credential of theirs opens anything any more.
    Remove(&'a str),
    /// Whoever has that number votes by post from now on, or (`false`) on the web again.
    Postal(&'a str, bool),
    /// Of whoever has that number a name or an address is mended, whether they have voted or not. An address is no part of what was frozen,
    /// and mended at any time.
    Correct {
        /// Member number.
        number: &'a str,
        /// What they are called.
        name: Option<&'a str>,
        /// Folded address; empty where letters are to go to none any more.
        address: Option<&'a str>,
    },
}

/// What became of the roll by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Whether rules and roll were frozen before.
    pub late: bool,
    /// Digests of rules and roll after it.
    pub frozen: Frozen,
}

/// Changes the roll in one voter, for a reason that stands in the chain.
///
/// # Errors
/// A [`Refusal`]; the database.
pub async fn change(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    change: Change<'_>,
) -> Result<Changed, ElectionError> {
    if act.reason.trim().is_empty() {
        return Err(Refusal::NoReason.into());
    }
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page, floor) = enter(&mut ledger, shelved, means.now).await?;
    let standing = floor.standing();
    let lawful = match (change, standing.phase()) {
        (Change::Correct { name: None, .. }, Phase::Setup | Phase::Objection) => Lawful::Free,
        (Change::Correct { name: None, .. }, _) => Lawful::Late,
        _ => standing.may_change_roll().map_err(|why| floor.refusal(why))?,
    };
    let mut what = Vec::new();
    let (action, number) = match change {
        Change::Add(entry) => {
            add(tx, &floor, means, entry).await?;
            come_again(tx, &floor).await?;
            ("add-voter", entry.number.as_str())
        }
        Change::Remove(number) => {
            let row = silent(tx, shelved.id, number).await?;
            call_back(tx, &row.id, CredentialState::Revoked).await?;
            voter::delete(tx, &row.id).await?;
            ("remove-voter", number)
        }
        Change::Postal(number, postal) => {
            let mut row = silent(tx, shelved.id, number).await?;
            if row.entry.postal == postal {
                return Err(Refusal::Unchanged.into());
            }
            row.entry.postal = postal;
            voter::correct(tx, &row).await?;
            if !postal {
                come_again(tx, &floor).await?;
            }
            (if postal { "vote-by-post" } else { "vote-on-the-web" }, number)
        }
        Change::Correct { number, name, address } => {
            let found = voter::find_by_number(&mut *tx, shelved.id, number).await?;
            let mut row = found.ok_or_else(|| Refusal::Unknown(number.to_string()))?;
            if let Some(name) = name.filter(|name| *name != row.entry.name) {
                row.entry.name = name.to_string();
                what.push("name");
            }
            if let Some(address) = address.filter(|address| *address != row.entry.address) {
                row.entry.address = address.to_string();
                what.push("address");
            }
            if what.is_empty() {
                return Err(Refusal::Unchanged.into());
            }
            row.entry.check(floor.election).map_err(Refusal::Entry)?;
            voter::correct(tx, &row).await?;
            if what.contains(&"address") {
                // The notice went elsewhere. A link did, too; another one is for the committee to send, for it ends that.
                voter_letter::forget_occasion(tx, &row.id, Occasion::Notice).await?;
                come_again(tx, &floor).await?;
            }
            ("correct-voter", number)
        }
    };
    let (frozen, _) = freeze(tx, page, shelved).await?;
    let late = lawful == Lawful::Late;
    let mut body = json!({ "number": number, "late": late, "roll": hex(&frozen.roll), "reason": act.reason });
    if !what.is_empty() {
        // Which, and never what: names and addresses stand in no chain.
        body["corrected"] = json!(what);
    }
    append(tx, page, means, act.actor, action, &body).await?;
    ledger.commit().await?;
    Ok(Changed { late, frozen })
}

/// Letters that went to everybody go over the roll once more, for somebody who came or can be reached now.
async fn come_again(tx: &mut Tx, floor: &Floor<'_>) -> Result<(), ElectionError> {
    for round in [Round::Notice, Round::Credentials] {
        if round.may_go(&floor.standing()).is_ok() {
            voter_letter::begin_anew(tx, floor.shelved.id, round).await?;
        }
    }
    Ok(())
}

async fn add(tx: &mut Tx, floor: &Floor<'_>, means: Means<'_>, entry: &Entry) -> Result<(), ElectionError> {
    entry.check(floor.election).map_err(Refusal::Entry)?;
    let study_id = floor.shelved.id;
    if voter::find_by_number(&mut *tx, study_id, &entry.number).await?.is_some() {
        return Err(Refusal::Known(entry.number.clone()).into());
    }
    if voter::turnout(&mut *tx, study_id).await?.voters >= limits::ROLL as u64 {
        return Err(Refusal::TooMany.into());
    }
    let row = VoterRow { id: Mark::new(means.dice), study_id, entry: entry.clone() };
    Ok(voter::insert(tx, &[row]).await?)
}

/// The voter of that number, who has not voted.
pub(super) async fn silent(tx: &mut Tx, study_id: i64, number: &str) -> Result<VoterRow, ElectionError> {
    let found = voter::find_by_number(&mut *tx, study_id, number).await?;
    let row = found.ok_or_else(|| Refusal::Unknown(number.to_string()))?;
    if voter::find_vote(&mut *tx, &row.id).await?.is_some() {
        return Err(Refusal::Voted(number.to_string()).into());
    }
    Ok(row)
}

/// An election as the committee sees it. Who has voted is not in it, nor how many, before the urn is opened: a number that is looked at
/// again and again is a clock.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its phase.
    pub phase: Phase,
    /// Steps that somebody asked for, or that were taken.
    pub steps: Vec<StepRow>,
    /// The step that comes next, and why it may not be taken now.
    pub next: Option<(Step, Option<Unlawful>)>,
    /// Everybody on the roll.
    pub roll: Vec<Entry>,
    /// How many of them vote by post.
    pub postal: u64,
    /// How many of them have voted on the web; not told before the urn is opened.
    pub voted: Option<u64>,
    /// Rules and roll as they are now.
    pub frozen: Frozen,
    /// Rounds of letters that were begun, and the deletion.
    pub rounds: Vec<RoundRow>,
    /// When what is known of voters is deleted by the rules.
    pub deleted_at: Option<Instant>,
}

/// Everybody on the roll, by member number, with what became of the last letter that told them of their entry or brought a link.
///
/// # Errors
/// A [`Refusal`]; the database; a key that is missing.
pub async fn letters(shelf: &Shelf, shelved: &ShelvedStudy) -> Result<Vec<(Entry, Option<Fate>)>, ElectionError> {
    super::of(shelved)?;
    let mut tx = shelf.store().begin().await?;
    let mut fates = voter_letter::fates(&mut tx, shelved.id).await?;
    let rows = everybody(&mut tx, shelved.id).await?;
    let mut all: Vec<(Entry, Option<Fate>)> = Vec::with_capacity(rows.len());
    all.extend(rows.into_iter().map(|row| (row.entry, fates.remove(&row.id))));
    all.sort_by(|(one, _), (other, _)| one.number.cmp(&other.number));
    Ok(all)
}

/// Looks where an election stands; changes nothing.
///
/// # Errors
/// A [`Refusal`]; the database; a key that is missing.
pub async fn see(shelf: &Shelf, shelved: &ShelvedStudy, means: Means<'_>) -> Result<Seen, ElectionError> {
    let election = super::of(shelved)?;
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let steps = kept::steps(&mut *tx, shelved.id).await?;
    let floor = Floor { shelved, election, steps, now: means.now };
    let turnout = voter::turnout(&mut *tx, shelved.id).await?;
    let (frozen, rows) = freeze(tx, page, shelved).await?;
    let standing = floor.standing();
    let opened = standing.taken.contains(&Step::Close);
    let next = standing.next().map(|step| (step, standing.may(step, turnout).err()));
    let phase = standing.phase();
    Ok(Seen {
        phase,
        next,
        roll: super::entries(&rows),
        postal: turnout.postal,
        voted: opened.then_some(turnout.voted),
        frozen,
        rounds: voter_letter::rounds(&mut *tx, shelved.id).await?,
        deleted_at: deleted_at(&election.terms, kept::certified_at(&floor.steps)),
        steps: floor.steps,
    })
}
