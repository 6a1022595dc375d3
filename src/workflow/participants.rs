//! What the office does about a participant who is on file: takes them out, lets them in again, mends how they are reached.

use serde_json::json;

use super::Failure;
use super::Means;
use super::enroll::append;
use super::ledger::Ledger;
use super::life::Act;
use super::schedule;
use super::shelf::{Shelf, ShelvedStudy};
use crate::domain::participant::{Likeness, Sign};
use crate::limits;
use crate::store::participant::{self, ParticipantRow, State};
use crate::store::{StoreError, Tx, credential, draft, session, subject};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is so now.
    Done,
    /// It was so before.
    Unchanged,
    /// They enrolled themself: as a subject of that number they are withdrawn, and what is known of them is corrected.
    Subject(i64),
    /// The participant of that number has this name and address.
    Taken(i64),
}

/// Takes a participant out: nothing more is sent to them or taken from them, sessions end, and what was kept and not sent is
/// forgotten; what they answered stays.
///
/// # Errors
/// The database.
pub async fn withdraw(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    number: i64,
) -> Result<Done, Failure> {
    set(shelf, shelved, means, act, number, State::Withdrawn).await
}

/// Lets a participant in again who was taken out, or asked to be: they take part as before, with the credentials that they had.
///
/// # Errors
/// The database.
pub async fn readmit(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    number: i64,
) -> Result<Done, Failure> {
    set(shelf, shelved, means, act, number, State::Active).await
}

async fn set(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    number: i64,
    state: State,
) -> Result<Done, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let Some(whose) = participant::find_by_number(&mut *tx, shelved.id, number).await? else {
        return Err(Failure::Contradiction(format!("there is no participant {number}")));
    };
    if whose.state == state {
        return Ok(Done::Unchanged);
    }
    if shelved.study.enrolls_itself()
        && let Some(subject) = subject::find_by_participant(&mut *tx, whose.id).await?
    {
        return Ok(Done::Subject(subject.number));
    }
    let action = match state {
        State::Withdrawn => "withdraw-participant",
        State::Active => "readmit-participant",
    };
    append(tx, page, means, act.actor, action, &json!({ "participant": number, "reason": act.reason })).await?;
    page.touch();
    schedule::touch(tx, shelved, &[whose.id]).await?;
    match state {
        State::Active => participant::readmit(tx, whose.id).await?,
        State::Withdrawn => take_out(tx, whose.id).await?,
    }
    ledger.commit().await?;
    Ok(Done::Done)
}

/// Nothing more is sent to them or taken from them; sessions end, and what was kept and not sent is forgotten. However it came about.
pub(super) async fn take_out(tx: &mut Tx, participant: i64) -> Result<(), StoreError> {
    for one in credential::list_of(&mut *tx, participant).await? {
        session::end_of_credential(tx, &one.id).await?;
    }
    participant::withdraw(tx, participant).await?;
    draft::forget_of(tx, participant).await
}

/// Mends the name, the address or the language of a participant: `mended` is the row as it is to be. The chain tells which of them
/// changed, and neither what was there nor what is.
///
/// # Errors
/// The database.
pub async fn correct(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    mended: &ParticipantRow,
) -> Result<Done, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let before = participant::load(&mut *tx, mended.id).await?;
    let pairs = [
        ("name", before.name != mended.name),
        ("address", before.address != mended.address),
        ("language", before.language != mended.language),
    ];
    let changed: Vec<&str> = pairs.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect();
    if changed.is_empty() {
        return Ok(Done::Unchanged);
    }
    if !mended.address.is_empty() {
        let most = i64::try_from(limits::PEOPLE_OF_AN_ADDRESS).unwrap_or(i64::MAX);
        let sign = |row: &ParticipantRow| Sign::new(&row.reference, &row.name, &row.address);
        let own = sign(mended);
        let alike = participant::list_alike(&mut *tx, shelved.id, ("", &mended.address), most).await?;
        let same = |row: &&ParticipantRow| matches!(own.compare(&sign(row)), Likeness::Same(_));
        if let Some(other) = alike.iter().filter(|row| row.id != mended.id).find(same) {
            return Ok(Done::Taken(other.number));
        }
    }
    let body = json!({ "participant": before.number, "changed": changed, "reason": act.reason });
    append(tx, page, means, act.actor, "correct-participant", &body).await?;
    participant::correct(tx, mended).await?;
    schedule::touch(tx, shelved, &[mended.id]).await?;
    ledger.commit().await?;
    Ok(Done::Done)
}
