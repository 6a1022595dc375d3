//! Rounds over the roll: letters of one kind to everybody, a page at a time, and in the end the deletion. A round is begun by the committee
//! ([`begin`]) or by the calendar when the rules say so, and gone on with by whoever comes next ([`page`]): nothing is lost and nobody gets
//! a letter twice, wherever it is broken off.
//!
//! Receipts are never written in the transaction of a vote. They are written when the day is over, for all votes of it together, in the
//! order of random names; so a receipt tells no more of when somebody voted than the mark on the roll does, which is a day. A round of
//! reminders tells who had not voted when it was written, and so there is at most one a day.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::letters::Office;
use super::{ElectionError, Floor, Refusal, enter, hex, of};
use crate::definition::outcome_file;
use crate::domain::chain::Sha256Digest;
use crate::domain::election::letters::{Occasion, Round, deleted_at};
use crate::domain::election::phase::Standing;
use crate::domain::survey::Mark;
use crate::limits;
use crate::store::study::State;
use crate::store::voter::{self, VoterRow, Whom};
use crate::store::voter_letter::{self, RoundRow};
use crate::store::{Tx, election as kept, leaving};
use crate::workflow::addresses::Fates;
use crate::workflow::compose::{self, Outgoing};
use crate::workflow::entry::append;
use crate::workflow::ledger::{Ledger, Page};
use crate::workflow::life::Act;
use crate::workflow::schedule::Stepped;
use crate::workflow::shelf::{Shelf, ShelvedStudy};
use crate::workflow::{Failure, Means, apart};

/// Who begins rounds by the rules, in the chain.
const ACTOR: &str = "calendar";
/// Of the whole roll; the names of voters are random, so that the last one tells how far a round has come.
const WHOLE: u64 = 1_000;

/// How far a round has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Whether everybody was passed.
    pub done: bool,
    /// How much of the roll was, in thousandths.
    pub thousandths: u64,
}

/// Begins a round; one that was done goes over the roll once more, for those who came since.
///
/// # Errors
/// A [`Refusal`]; the database.
pub async fn begin(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    round: Round,
) -> Result<(), ElectionError> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page, floor) = enter(&mut ledger, shelved, means.now).await?;
    if page.row.state == State::Paused {
        return Err(Refusal::Paused(shelved.study.slug.clone()).into());
    }
    round.may_go(&floor.standing()).map_err(|why| floor.refusal(why))?;
    if round == Round::Result && kept::outcome(&mut *tx, shelved.id).await?.is_none() {
        return Err(Refusal::NoRecord(shelved.study.slug.clone()).into());
    }
    note_begin(tx, page, &floor, means, (act.actor, act.reason), round).await?;
    Ok(ledger.commit().await?)
}

async fn note_begin(
    tx: &mut Tx,
    page: &mut Page,
    floor: &Floor<'_>,
    means: Means<'_>,
    (actor, reason): (&str, &str),
    round: Round,
) -> Result<(), Failure> {
    let study_id = floor.shelved.id;
    voter_letter::begin(tx, study_id, round, means.now).await?;
    let mut body = json!({ "round": round.key(), "reason": reason });
    if round == Round::Deletion {
        let (turnout, outcome) = (voter::turnout(&mut *tx, study_id).await?, kept::outcome(&mut *tx, study_id).await?);
        body["voters"] = json!(turnout.voters);
        body["voted"] = json!(turnout.voted);
        body["outcome"] = json!(outcome.map(|text| hex(&digest(&text))));
    }
    append(tx, page, means, actor, "begin-election-round", &body).await.map(drop)
}

fn digest(text: &str) -> Sha256Digest {
    Sha256::digest(text).into()
}

/// Writes the letters of a page of a round that was begun, or deletes a page.
///
/// # Errors
/// The database; a letter that cannot be worded.
pub async fn page(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    round: Round,
) -> Result<Passed, ElectionError> {
    let tried = apart(|| write_page(shelf, shelved, means, round)).await;
    match tried {
        // Voters must hear of it, if not in the study's own words.
        Err(ElectionError::Failed(Failure::Letter(why))) => {
            let plain = shelf.plain(shelved, &why)?;
            apart(|| write_page(shelf, &plain, means, round)).await
        }
        other => other,
    }
}

async fn write_page(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    round: Round,
) -> Result<Passed, ElectionError> {
    let election = of(shelved)?;
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let rounds = voter_letter::rounds(&mut *tx, shelved.id).await?;
    let row = rounds.into_iter().find(|own| own.round == round);
    let Some(RoundRow { passed, .. }) = row.filter(|own| !own.done) else {
        return Ok(Passed { done: true, thousandths: WHOLE });
    };
    let Some(occasion) = round.occasion() else {
        let more = leaving::take_page(tx, shelved.id, limits::DELETION_ROWS).await?;
        if !more {
            kept::unpublish(tx, shelved.id).await?;
        }
        voter_letter::pass(tx, shelved.id, round, &passed, !more).await?;
        ledger.commit().await?;
        return Ok(Passed { done: !more, thousandths: if more { 0 } else { WHOLE } });
    };
    if page.row.state == State::Paused {
        return Err(Refusal::Paused(shelved.study.slug.clone()).into());
    }
    let taken = kept::taken(&kept::steps(&mut *tx, shelved.id).await?);
    let standing = Standing { terms: &election.terms, taken, now: means.now };
    if page.row.state == State::Closed || round.may_go(&standing).is_err() {
        // Its time is over: those who were not passed get no letter.
        voter_letter::pass(tx, shelved.id, round, &passed, true).await?;
        ledger.commit().await?;
        return Ok(Passed { done: true, thousandths: WHOLE });
    }
    let office = Office { shelved, election, means };
    let day = match round {
        Round::Receipts(day) => day.to_string(),
        _ => String::new(),
    };
    let whom = match round {
        Round::Reminder(_) => Whom::Silent,
        Round::Receipts(_) => Whom::VotedBefore(&day),
        _ => Whom::All,
    };
    let voters =
        voter::list_without_letter(tx, shelved.id, (whom, &occasion.key()), &passed, limits::VOTER_LETTERS).await?;
    let Some(last) = voters.last().map(|own| own.id) else {
        voter_letter::pass(tx, shelved.id, round, &passed, true).await?;
        ledger.commit().await?;
        return Ok(Passed { done: true, thousandths: WHOLE });
    };
    let (letters, made) = write(tx, &office, round, occasion, &voters).await?;
    voter_letter::pass(tx, shelved.id, round, &last, false).await?;
    if made > 0 {
        let body = json!({ "credentials": made, "reason": "" });
        append(tx, page, means, ACTOR, "issue-voter-credentials", &body).await?;
    }
    compose::post(tx, Some(shelved.id), means, None, &letters).await?;
    ledger.commit().await?;
    Ok(Passed { done: false, thousandths: thousandths(&last) })
}

/// How much of all names lies before one.
fn thousandths(name: &Mark) -> u64 {
    let [first, second, ..] = name.0;
    u64::from(u16::from_be_bytes([first, second])) * WHOLE / 65_536
}

/// The letters of a page, and how many credentials were made for them.
async fn write(
    tx: &mut Tx,
    office: &Office<'_>,
    round: Round,
    occasion: Occasion,
    voters: &[VoterRow],
) -> Result<(Vec<Outgoing>, usize), Failure> {
    let study_id = office.shelved.id;
    let outcome = match round {
        Round::Result => {
            let absent = || Failure::Contradiction("no outcome is on record".to_string());
            let text = kept::outcome(&mut *tx, study_id).await?.ok_or_else(absent)?;
            let read = outcome_file::read(&text).map_err(Failure::Contradiction)?;
            Some((read, hex(&digest(&text))))
        }
        _ => None,
    };
    // Whoever cannot be reached is not urged; everybody is told of the election, gets their link, and the result.
    let fates = match round {
        Round::Reminder(_) => {
            let addresses: Vec<&str> = voters.iter().map(|own| own.entry.address.as_str()).collect();
            Fates::read(&mut *tx, &office.means.keys.address, &addresses).await?
        }
        _ => Fates::default(),
    };
    let (mut letters, mut written, mut made) = (Vec::new(), Vec::new(), 0);
    for own in voters {
        let reached = !own.entry.address.is_empty() && !fates.is_stopped(&own.entry.address);
        let letter = match occasion {
            // Whoever gets an address later still gets their link.
            Occasion::Credential if own.entry.postal || !reached => continue,
            _ if !reached => None,
            Occasion::Notice => Some(office.notice(own)?),
            Occasion::Credential | Occasion::Renewed | Occasion::Reminder(_) => {
                let (secret, validity, fresh) = office.way_in(tx, own).await?;
                made += usize::from(fresh);
                Some(office.with_link(own, occasion, (&secret, validity))?)
            }
            Occasion::Receipt => match voter::find_vote(&mut *tx, &own.id).await? {
                Some(voted) => Some(office.receipt(own, &voted.receipt)?),
                None => None,
            },
            Occasion::Result => match &outcome {
                Some((outcome, digest)) => Some(office.result(own, (outcome, digest))?),
                None => None,
            },
        };
        let message_id = letter.as_ref().map(|letter| letter.message_id().to_string()).unwrap_or_default();
        written.push((own.id, occasion, message_id));
        letters.extend(letter);
    }
    voter_letter::insert(tx, &written).await?;
    Ok((letters, made))
}

/// What the calendar does for elections: begins the rounds that are due by the rules, and goes on with those that were begun. One that fails
/// keeps no other waiting.
///
/// # Errors
/// The last failure, if nothing could be done.
pub async fn step(shelf: &Shelf, means: Means<'_>) -> Result<Stepped, Failure> {
    let (mut stepped, mut failed) = (Stepped::default(), None);
    for id in voter_letter::studies(shelf.store()).await? {
        match apart(|| attend(shelf, means, id)).await {
            Ok(own) => {
                stepped.any |= own.any;
                stepped.more |= own.more;
            }
            Err(error) => {
                tracing::error!(study = id, %error, "the letters of an election could not be written; it is tried again");
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) if !stepped.any => Err(error),
        _ => Ok(stepped),
    }
}

async fn attend(shelf: &Shelf, means: Means<'_>, id: i64) -> Result<Stepped, Failure> {
    let shelved = shelf.find_by_id(id).await?;
    let begun = begin_due(shelf, &shelved, means).await?;
    let mut stepped = Stepped { any: begun, more: false };
    let rounds = voter_letter::rounds(shelf.store(), id).await?;
    for own in rounds.into_iter().filter(|own| !own.done) {
        for left in (0..limits::ROUND_PAGES).rev() {
            let passed = match page(shelf, &shelved, means, own.round).await {
                Ok(passed) => passed,
                // Paused: it waits.
                Err(ElectionError::Refused(_)) => break,
                Err(ElectionError::Failed(failure)) => return Err(failure),
            };
            stepped.any = true;
            if passed.done {
                break;
            }
            stepped.more |= left == 0;
        }
    }
    Ok(stepped)
}

/// Begins what is due by the rules and was not begun; whether anything was.
async fn begin_due(shelf: &Shelf, shelved: &ShelvedStudy, means: Means<'_>) -> Result<bool, Failure> {
    let Some(election) = &shelved.study.election else { return Ok(false) };
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let steps = kept::steps(&mut *tx, shelved.id).await?;
    let begun: Vec<Round> =
        voter_letter::rounds(&mut *tx, shelved.id).await?.into_iter().map(|own| own.round).collect();
    let floor = Floor { shelved, election, steps, now: means.now };
    let state = page.row.state;
    let mut due = election.letters.due(&floor.standing(), shelved.study.zone, &begun);
    // Nothing is written in a study that is paused or closed; what was promised to be deleted is, also of an election that was given up.
    if state == State::Closed && !begun.contains(&Round::Deletion) && !due.contains(&Round::Deletion) {
        due.push(Round::Deletion);
    }
    let is_over = deleted_at(&election.terms, kept::certified_at(&floor.steps)).is_some_and(|at| means.now >= at);
    due.retain(|round| if *round == Round::Deletion { is_over } else { state == State::Open });
    if due.contains(&Round::Result) && kept::outcome(&mut *tx, shelved.id).await?.is_none() {
        due.retain(|round| *round != Round::Result);
    }
    for round in &due {
        note_begin(tx, page, &floor, means, (ACTOR, "by the rules"), *round).await?;
    }
    ledger.commit().await?;
    Ok(!due.is_empty())
}
