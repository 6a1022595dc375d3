//! The letters of schedules as they go out: planned when something happens, decided once more when their time has come.
//!
//! What comes next of a rule for somebody is always asked of [`decide()`](crate::domain::schedule::decide()). A row for each rule and
//! person holds what comes next and no more; what became of each letter is a row of its own, whose key is what sends each once. Whatever
//! may change what comes puts a mark beside the fact, in its transaction (`touch`); an amendment has everybody planned anew, page by
//! page. No page holds a study's lock for longer than some hundred people take. Where answers stand without the person, an answer
//! leaves no mark: it is seen when the next letter's time has come.

mod escalate;
mod letter;
mod people;
mod plan;
mod send;
mod steer;
mod stop;
mod subjects;

pub use escalate::tell_failed;
pub use steer::{Act as Steering, Whose, skip, skip_between, steer};
pub use stop::{Looked, drop_stopped};

use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, apart};
use crate::domain::schedule::{ClockOf, Days, Letter, Schedule, Target, TargetKind};
use crate::domain::time::Instant;
use crate::limits;
use crate::store::planned_letter::{self, PlannedLetter, State};
use crate::store::{StoreError, Tx, schedule};

/// What a step came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stepped {
    /// Whether anything was planned or sent.
    pub any: bool,
    /// Whether there may be more to send at once.
    pub more: bool,
}

/// Whether the schedule of a study invites those who answer, so that nobody else needs to.
pub fn invites(shelved: &ShelvedStudy) -> bool {
    let rules = shelved.study.schedule.iter().flat_map(|own| &own.rules);
    rules.into_iter().any(|rule| rule.letter == Letter::Invitation)
}

/// By what it is kept that somebody got an access by no rule; no id of a rule has this sign.
const BY_COMMAND: &str = ">command";

/// Notes that participants got an access each by no rule, where nobody knows whose access is whose: no rule gives them a second, whatever an
/// amendment adds. Belongs into the transaction that makes the accesses.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub(super) async fn note_accesses(
    tx: &mut Tx,
    study_id: i64,
    participants: &[i64],
    now: Instant,
) -> Result<(), StoreError> {
    let note = |id: &i64| PlannedLetter {
        study_id,
        target: Target::participant(*id),
        rule: BY_COMMAND.to_string(),
        letter: Letter::Invitation,
        state: State::Ended,
        occasion: None,
        due_at: now,
        wished_at: now,
        urged: false,
        why: "was given an access by command".to_string(),
        past: None,
        sent_at: Some(now),
    };
    let notes: Vec<PlannedLetter> = participants.iter().map(note).collect();
    planned_letter::save(tx, &notes).await
}

/// A schedule that sends nothing.
fn blank() -> Schedule {
    Schedule { clock: ClockOf::Study, days: Days::default(), rules: Vec::new() }
}

/// What a step does, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Plan for everybody of a study whose schedule is new or was amended.
    Sweep,
    /// Plan anew for those to whom something happened.
    Touched,
    /// Send what is due.
    Send,
}

impl Work {
    const ALL: [Work; 3] = [Work::Sweep, Work::Touched, Work::Send];

    /// The studies behind one that have such work, at most so many.
    async fn studies(self, shelf: &Shelf, now: Instant, page: (i64, i64)) -> Result<Vec<i64>, StoreError> {
        match self {
            Work::Sweep => schedule::unplanned(shelf.store(), page).await,
            Work::Touched => schedule::touched_studies(shelf.store(), page).await,
            Work::Send => planned_letter::due_studies(shelf.store(), now, page).await,
        }
    }

    /// Does it, a page of one study.
    async fn page(self, shelf: &Shelf, means: Means<'_>, id: i64) -> Result<Stepped, Failure> {
        let shelved = shelf.find_by_id(id).await?;
        match self {
            Work::Sweep => {
                plan::sweep(shelf, &shelved, means).await?;
                Ok(Stepped { any: true, more: false })
            }
            Work::Touched => Ok(Stepped { any: plan::touched(shelf, &shelved, means).await?, more: false }),
            Work::Send => {
                let sent = send(shelf, &shelved, means).await?;
                Ok(Stepped { any: sent.any, more: sent.more })
            }
        }
    }
}

/// Plans and sends what is due, a page for each study. One that fails keeps no other waiting, nor do many: only those that do not fail are
/// counted.
///
/// # Errors
/// The last failure, if nothing could be done.
pub async fn step(shelf: &Shelf, means: Means<'_>) -> Result<Stepped, Failure> {
    let (mut stepped, mut failed) = (Stepped::default(), None);
    for work in Work::ALL {
        let (mut after, mut room) = (0, limits::CALENDAR_BATCH);
        while room > 0 {
            let ids = work.studies(shelf, means.now, (after, room)).await?;
            let Some(last) = ids.last() else { break };
            after = *last;
            for id in ids {
                match apart(|| work.page(shelf, means, id)).await {
                    Ok(page) => {
                        room -= 1;
                        stepped.any |= page.any;
                        stepped.more |= page.more;
                    }
                    Err(error) => {
                        let what = if work == Work::Send { "sent" } else { "planned" };
                        tracing::error!(study = id, %error, "letters of a schedule could not be {what}; it is tried again");
                        failed = Some(error);
                    }
                }
            }
        }
    }
    match failed {
        Some(error) if !stepped.any => Err(error),
        _ => Ok(stepped),
    }
}

async fn send(shelf: &Shelf, shelved: &ShelvedStudy, means: Means<'_>) -> Result<send::Sent, Failure> {
    let mut at = None;
    let tried = match send::page(shelf, shelved, means, limits::SCHEDULE_LETTERS, &mut at).await {
        // People must be asked, if not in the study's own words.
        Err(Failure::Letter(why)) => {
            send::page(shelf, &shelf.plain(shelved, &why)?, means, limits::SCHEDULE_LETTERS, &mut at).await
        }
        other => other,
    };
    let error = match tried {
        Err(error) if !passes(&error) => error,
        other => return other,
    };
    // One letter that cannot be written must not keep all others waiting. Where it is not known which it is, the first is tried alone. Where
    // nobody may know whose access is whose none is: the batch is tried once more, and then it goes on without its first.
    tracing::error!(study = shelved.id, %error, "letters of a schedule could not be written together; they go on without the one that cannot");
    if at.is_some() {
        return send::put_off_unwritten(shelf, shelved, means, &at, &error.to_string()).await;
    }
    match send::page(shelf, shelved, means, 1, &mut at).await {
        Err(error) if !passes(&error) => send::put_off_unwritten(shelf, shelved, means, &at, &error.to_string()).await,
        other => other,
    }
}

/// Whether a failure goes by itself, or with a mended key file.
fn passes(error: &Failure) -> bool {
    error.waits_for_key() || matches!(error, Failure::Store(error) if error.is_transient())
}

/// Says that something happened to participants by which other letters of the schedule may come. Belongs into its transaction. It takes
/// little room in what waits for it, for most requests do.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub(super) fn touch<'t>(
    tx: &'t mut Tx,
    shelved: &'t ShelvedStudy,
    participants: &'t [i64],
) -> impl Future<Output = Result<(), StoreError>> + 't {
    apart(move || note(tx, shelved, participants, None))
}

/// The same of a subject, and of the participant who it is where they enrolled themself.
///
/// # Errors
/// As [`touch`].
pub(super) fn touch_subject<'t>(
    tx: &'t mut Tx,
    shelved: &'t ShelvedStudy,
    subject: i64,
    participant: Option<i64>,
) -> impl Future<Output = Result<(), StoreError>> + 't {
    apart(move || async move { note(tx, shelved, participant.as_slice(), Some(subject)).await })
}

async fn note(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    participants: &[i64],
    subject: Option<i64>,
) -> Result<(), StoreError> {
    let rules = shelved.study.schedule.as_ref().map_or(&[][..], |own| &own.rules);
    let is_about = |kind: TargetKind| rules.iter().any(|rule| rule.target() == kind);
    let mut targets = Vec::new();
    if is_about(TargetKind::Participant) {
        targets.extend(participants.iter().map(|id| Target::participant(*id)));
    }
    if is_about(TargetKind::Subject) {
        targets.extend(subject.map(|id| Target { kind: TargetKind::Subject, id: id.to_string() }));
    }
    if targets.is_empty() {
        return Ok(());
    }
    schedule::touch(tx, shelved.id, &targets).await
}
