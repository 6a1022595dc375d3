//! The letters of schedules: what comes next of a rule for one target, and what became of each that came before.

use super::outbox;
use super::sql::{Bind, Row, Rows, binds, chunks, statements, words};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx};
use crate::domain::schedule::{Letter, Occasion, Past, Target, TargetKind};
use crate::domain::time::Instant;

words! {
    /// How far the next letter of a rule has come.
    State {
        /// It goes out at its time.
        Waiting = "waiting",
        /// A person stopped it.
        Held = "held",
        /// None comes, as things stand.
        Ended = "ended",
    }
}

words! {
    /// What became of a letter.
    Fate {
        /// It went into the outbox.
        Written = "written",
        /// It was left out.
        Skipped = "skipped",
        /// It was taken out of the outbox again before it had left.
        Dropped = "dropped",
    }
}

macro_rules! with_mailing {
    () => {
        "held with its mailing"
    };
}

/// Why a letter is held that was held with its mailing: it is, and no other of its rule.
pub const WITH_MAILING: &str = with_mailing!();

/// With this begins why a letter was put off that could not be written.
pub const UNWRITTEN: &str = "it could not be written";

/// What comes next of a rule for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedLetter {
    /// Study.
    pub study_id: i64,
    /// What it is about.
    pub target: Target,
    /// Id of the rule.
    pub rule: String,
    /// Which letter.
    pub letter: Letter,
    /// How far it has come.
    pub state: State,
    /// Which of the rule's letters; none where none comes.
    pub occasion: Option<Occasion>,
    /// When it goes out; where none comes, when that was decided.
    pub due_at: Instant,
    /// Its time by the rule.
    pub wished_at: Instant,
    /// Whether a person has it sent whatever its time.
    pub urged: bool,
    /// Why it was moved, or why none comes.
    pub why: String,
    /// The last one that was sent or left out.
    pub past: Option<Past>,
    /// When the last one was written.
    pub sent_at: Option<Instant>,
}

/// What became of one letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledLetter {
    /// Study.
    pub study_id: i64,
    /// What it is about.
    pub target: Target,
    /// Id of the rule.
    pub rule: String,
    /// Which of the rule's letters.
    pub occasion: Occasion,
    /// What became of it.
    pub fate: Fate,
    /// Its time by the rule.
    pub wished_at: Instant,
    /// When that was decided.
    pub settled_at: Instant,
    /// Why, where it was not sent.
    pub why: String,
    /// Message-ID of what was written.
    pub message_id: Option<String>,
}

/// Which letters a list is about.
#[derive(Clone, Copy, Debug)]
pub struct Which<'a> {
    /// About that target alone.
    pub target: Option<&'a Target>,
    /// Of that rule alone.
    pub rule: Option<&'a str>,
    /// From then on.
    pub from: Instant,
    /// Before then.
    pub to: Instant,
}

macro_rules! planned {
    ($rest:literal) => {
        concat!(
            "SELECT study_id, target_kind, target, rule, letter, state, occasion, due_at, wished_at, urged, why, past_occasion, ",
            "past_wished_at, sent_at FROM planned_letter ",
            $rest
        )
    };
}

/// A list may be of one target ($2, $3) or of all, where the kind is empty; and of one rule ($4), or of all, where it is empty.
macro_rules! listed {
    ($time:literal) => {
        concat!(
            " WHERE p.study_id = $1 AND ($2 = '' OR (p.target_kind = $2 AND p.target = $3)) AND ($4 = '' OR p.rule = $4) AND p.",
            $time,
            " >= $5 AND p.",
            $time,
            " < $6 ORDER BY p.",
            $time,
            ", p.rule, p.target LIMIT $7"
        )
    };
}

/// The letters of a study that a person's word is about: of one target or rule, or of all.
macro_rules! steered {
    ($change:expr, $states:expr) => {
        concat!(
            "UPDATE planned_letter SET ",
            $change,
            " WHERE study_id = $1 AND ($2 = '' OR (target_kind = $2 AND target = $3)) AND ($4 = '' OR rule = $4) AND state ",
            $states
        )
    };
}

/// A person's word takes the place of what was done about a mailing.
macro_rules! of_no_mailing {
    () => {
        concat!("why = CASE WHEN why = '", with_mailing!(), "' THEN '' ELSE why END")
    };
}

statements! { "planned letter":
    SAVE = rows Rows {
        head: "INSERT INTO planned_letter (study_id, target_kind, target, rule, letter, state, occasion, due_at, wished_at, urged, why, \
            past_occasion, past_wished_at, sent_at) VALUES",
        first: 1,
        columns: 14,
        tail: "ON CONFLICT (study_id, target_kind, target, rule) DO UPDATE SET letter = excluded.letter, state = excluded.state, \
            occasion = excluded.occasion, due_at = excluded.due_at, wished_at = excluded.wished_at, urged = excluded.urged, \
            why = excluded.why, past_occasion = excluded.past_occasion, past_wished_at = excluded.past_wished_at, \
            sent_at = excluded.sent_at",
    };
    OF_TARGETS = rows Rows {
        head: "WITH wanted (id) AS (VALUES",
        first: 3,
        columns: 1,
        tail: concat!(") ", planned!("WHERE study_id = $1 AND target_kind = $2 AND target IN (SELECT CAST(id AS TEXT) FROM wanted)")),
    };
    OF_KIND = same planned!("WHERE study_id = $1 AND target_kind = $2 ORDER BY target, rule");
    DUE = same planned!("WHERE study_id = $1 AND state = 'waiting' AND due_at <= $2 ORDER BY due_at LIMIT $3");
    UNWRITTEN_COUNT = same "SELECT count(*) FROM planned_letter WHERE study_id = $1 AND state = 'waiting' AND due_at <= $2 \
        AND substr(why, 1, length(CAST($3 AS TEXT))) = CAST($3 AS TEXT)";
    DUE_OF_RULE = same "SELECT count(*) FROM planned_letter WHERE study_id = $1 AND state = 'waiting' AND due_at <= $2 AND rule = $3";
    // One probe of the index for each study that has letters waiting, however many.
    DUE_STUDIES = same "WITH RECURSIVE waiting (id) AS (SELECT min(study_id) FROM planned_letter WHERE state = 'waiting' AND study_id > $2 \
        UNION ALL SELECT (SELECT min(study_id) FROM planned_letter WHERE state = 'waiting' AND study_id > waiting.id) FROM waiting \
        WHERE waiting.id IS NOT NULL) SELECT id FROM waiting WHERE id IS NOT NULL \
        AND (SELECT state FROM study WHERE study.id = waiting.id) <> 'paused' AND EXISTS (SELECT 1 FROM planned_letter \
        WHERE state = 'waiting' AND study_id = waiting.id AND due_at <= $1) ORDER BY id LIMIT $3";
    ANY = same "SELECT 1 FROM planned_letter WHERE study_id = $1 AND state <> 'ended' LIMIT 1";
    LIST = same concat!(
        "SELECT p.study_id, p.target_kind, p.target, p.rule, p.letter, p.state, p.occasion, p.due_at, p.wished_at, p.urged, p.why, \
         p.past_occasion, p.past_wished_at, p.sent_at FROM planned_letter p",
        listed!("due_at")
    );
    // What is held with its mailing, too: it stays held when the mailing goes on.
    HOLD = same steered!(
        concat!("state = 'held', ", of_no_mailing!()),
        concat!("IN ('waiting', 'held') AND (state = 'waiting' OR why = '", with_mailing!(), "')")
    );
    RELEASE = same steered!(concat!("state = 'waiting', ", of_no_mailing!()), "= 'held'");
    URGE = same steered!("state = 'waiting', urged = 1, due_at = $5", "IN ('waiting', 'held')");
    STEERED = same "SELECT study_id, target_kind, target, rule, letter, state, occasion, due_at, wished_at, urged, why, past_occasion, \
        past_wished_at, sent_at FROM planned_letter WHERE study_id = $1 AND ($2 = '' OR (target_kind = $2 AND target = $3)) \
        AND ($4 = '' OR rule = $4) AND state IN ('waiting', 'held') AND (target_kind, target, rule) > ($5, $6, $7) \
        ORDER BY target_kind, target, rule LIMIT $8";
    SETTLE = rows Rows {
        head: "INSERT INTO settled_letter (study_id, target_kind, target, rule, occasion, state, wished_at, settled_at, why, message_id) \
            VALUES",
        first: 1,
        columns: 10,
        tail: "ON CONFLICT DO NOTHING RETURNING target_kind, target, rule, occasion",
    };
    OF_MESSAGES = rows Rows {
        head: "WITH wanted (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") SELECT study_id, target_kind, target, rule, occasion, state, wished_at, settled_at, why, message_id, '' \
            FROM settled_letter WHERE message_id IN (SELECT CAST(id AS TEXT) FROM wanted)",
    };
    DROP = same "UPDATE settled_letter SET state = 'dropped', settled_at = $2, why = $3 WHERE message_id = $1";
    LIST_SETTLED = same concat!(
        "SELECT p.study_id, p.target_kind, p.target, p.rule, p.occasion, p.state, p.wished_at, p.settled_at, p.why, p.message_id, \
         COALESCE(outbox.state, '') FROM settled_letter p LEFT JOIN outbox ON outbox.message_id = p.message_id",
        listed!("settled_at")
    );
}

fn read_target(row: &mut Row) -> Result<Target, StoreError> {
    Ok(Target { kind: row.word(TargetKind::find)?, id: row.text()? })
}

fn read_occasion(written: &str) -> Result<Occasion, StoreError> {
    Occasion::find(written).ok_or_else(|| StoreError::Unreadable {
        what: "occasion".to_string(),
        cause: format!("{written:?} is none that this version knows"),
    })
}

fn read(mut row: Row) -> Result<PlannedLetter, StoreError> {
    let (study_id, target, rule) = (row.int()?, read_target(&mut row)?, row.text()?);
    let (letter, state, occasion) = (row.word(Letter::find)?, row.word(State::find)?, row.text()?);
    let (due_at, wished_at, urged, why) = (row.instant()?, row.instant()?, row.int()? == 1, row.text()?);
    let past = row.opt_text()?.zip(row.opt_instant()?);
    let past = past.map(|(own, wished)| Ok::<_, StoreError>(Past { occasion: read_occasion(&own)?, wished }));
    Ok(PlannedLetter {
        study_id,
        target,
        rule,
        letter,
        state,
        occasion: Some(occasion).filter(|own| !own.is_empty()).map(|own| read_occasion(&own)).transpose()?,
        due_at,
        wished_at,
        urged,
        why,
        past: past.transpose()?,
        sent_at: row.opt_instant()?,
    })
}

fn read_settled(mut row: Row) -> Result<(SettledLetter, Option<outbox::State>), StoreError> {
    let (study_id, target, rule) = (row.int()?, read_target(&mut row)?, row.text()?);
    let occasion = read_occasion(&row.text()?)?;
    let settled = SettledLetter {
        study_id,
        target,
        rule,
        occasion,
        fate: row.word(Fate::find)?,
        wished_at: row.instant()?,
        settled_at: row.instant()?,
        why: row.text()?,
        message_id: row.opt_text()?,
    };
    Ok((settled, outbox::State::find(&row.text()?)))
}

/// Writes what comes next, in place of what stood there of the same rule and target.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn save(tx: &mut Tx, letters: &[PlannedLetter]) -> Result<(), StoreError> {
    for run in chunks(letters) {
        let occasions: Vec<(String, Option<String>)> = run
            .iter()
            .map(|one| {
                let own = one.occasion.as_ref().map(Occasion::key).unwrap_or_default();
                (own, one.past.as_ref().map(|past| past.occasion.key()))
            })
            .collect();
        let mut binds: Vec<Bind<'_>> = Vec::with_capacity(run.len() * 14);
        for (one, (occasion, past)) in run.iter().zip(&occasions) {
            binds.extend::<[Bind<'_>; 14]>([
                one.study_id.into(),
                one.target.kind.key().into(),
                (&one.target.id).into(),
                (&one.rule).into(),
                one.letter.key().into(),
                one.state.key().into(),
                occasion.into(),
                one.due_at.into(),
                one.wished_at.into(),
                i64::from(one.urged).into(),
                (&one.why).into(),
                past.as_deref().into(),
                one.past.as_ref().map(|past| past.wished).into(),
                one.sent_at.into(),
            ]);
        }
        tx.later_rows(&SAVE, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// What comes next for these targets, all of one kind, rule by rule.
///
/// # Errors
/// Those of the database.
pub async fn list_of(
    tx: &mut Tx,
    study_id: i64,
    kind: TargetKind,
    targets: &[String],
) -> Result<Vec<PlannedLetter>, StoreError> {
    let mut found = Vec::new();
    for run in chunks(targets) {
        let mut binds: Vec<Bind<'_>> = vec![study_id.into(), kind.key().into()];
        binds.extend(run.iter().map(Bind::from));
        for row in tx.fetch_rows(&OF_TARGETS, run.len(), &binds).await? {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// What comes next for all targets of a kind, of which there are few.
///
/// # Errors
/// Those of the database.
pub async fn list_of_kind(tx: &mut Tx, study_id: i64, kind: TargetKind) -> Result<Vec<PlannedLetter>, StoreError> {
    tx.fetch(&OF_KIND, binds![study_id, kind.key()]).await?.into_iter().map(read).collect()
}

/// At most `most` letters of a study whose time has come, the earliest first.
///
/// # Errors
/// Those of the database.
pub async fn due<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    now: Instant,
    most: i64,
) -> Result<Vec<PlannedLetter>, StoreError> {
    from.into().fetch(&DUE, binds![study_id, now, most]).await?.into_iter().map(read).collect()
}

/// How many letters of a rule are due.
///
/// # Errors
/// Those of the database.
pub async fn count_due(tx: &mut Tx, study_id: i64, rule: &str, now: Instant) -> Result<i64, StoreError> {
    let found = Reader::from(&mut *tx).find(&DUE_OF_RULE, binds![study_id, now, rule]).await?;
    found.map_or(Ok(0), |mut row| row.int())
}

/// How many letters of a study could not be written, and wait to be tried again until then.
///
/// # Errors
/// Those of the database.
pub async fn count_unwritten<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    until: Instant,
) -> Result<i64, StoreError> {
    let found = from.into().find(&UNWRITTEN_COUNT, binds![study_id, until, UNWRITTEN]).await?;
    found.map_or(Ok(0), |mut row| row.int())
}

/// The studies behind that one with letters whose time has come, at most `most`.
///
/// # Errors
/// Those of the database.
pub async fn due_studies(store: &Store, now: Instant, (after, most): (i64, i64)) -> Result<Vec<i64>, StoreError> {
    let rows = Reader::from(store).fetch(&DUE_STUDIES, binds![now, after, most]).await?;
    rows.into_iter().map(|mut row| row.int()).collect()
}

/// Whether letters of a study wait or are held.
///
/// # Errors
/// Those of the database.
pub async fn is_any(tx: &mut Tx, study_id: i64) -> Result<bool, StoreError> {
    Ok(Reader::from(&mut *tx).find(&ANY, binds![study_id]).await?.is_some())
}

fn which<'a>(study_id: i64, which: &'a Which<'_>, most: i64) -> [Bind<'a>; 7] {
    let (kind, id) = which.target.map_or(("", ""), |target| (target.kind.key(), target.id.as_str()));
    *binds![study_id, kind, id, which.rule.unwrap_or_default(), which.from, which.to, most]
}

/// What comes next in a study, by time; at most `most`.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    wanted: Which<'_>,
    most: i64,
) -> Result<Vec<PlannedLetter>, StoreError> {
    from.into().fetch(&LIST, &which(study_id, &wanted, most)).await?.into_iter().map(read).collect()
}

/// What became of letters of a study, by time, and of those written how far they have come; at most `most`.
///
/// # Errors
/// Those of the database.
pub async fn list_settled<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    wanted: Which<'_>,
    most: i64,
) -> Result<Vec<(SettledLetter, Option<outbox::State>)>, StoreError> {
    from.into().fetch(&LIST_SETTLED, &which(study_id, &wanted, most)).await?.into_iter().map(read_settled).collect()
}

/// Writes down what became of letters, and gives those of which nothing was written down before: each is settled once.
///
/// # Errors
/// Those of the database.
pub async fn settle(tx: &mut Tx, letters: &[SettledLetter]) -> Result<Vec<(Target, String, Occasion)>, StoreError> {
    let mut fresh = Vec::with_capacity(letters.len());
    for run in chunks(letters) {
        let occasions: Vec<String> = run.iter().map(|one| one.occasion.key()).collect();
        let mut binds: Vec<Bind<'_>> = Vec::with_capacity(run.len() * 10);
        for (one, occasion) in run.iter().zip(&occasions) {
            binds.extend::<[Bind<'_>; 10]>([
                one.study_id.into(),
                one.target.kind.key().into(),
                (&one.target.id).into(),
                (&one.rule).into(),
                occasion.into(),
                one.fate.key().into(),
                one.wished_at.into(),
                one.settled_at.into(),
                (&one.why).into(),
                one.message_id.as_deref().into(),
            ]);
        }
        for mut row in tx.fetch_rows(&SETTLE, run.len(), &binds).await? {
            fresh.push((read_target(&mut row)?, row.text()?, read_occasion(&row.text()?)?));
        }
    }
    Ok(fresh)
}

/// Those of these messages that are letters of schedules.
///
/// # Errors
/// Those of the database.
pub async fn list_of_messages(tx: &mut Tx, message_ids: &[&str]) -> Result<Vec<SettledLetter>, StoreError> {
    let mut found = Vec::new();
    for run in chunks(message_ids) {
        let binds: Vec<Bind<'_>> = run.iter().map(|id| Bind::from(*id)).collect();
        for row in tx.fetch_rows(&OF_MESSAGES, run.len(), &binds).await? {
            found.push(read_settled(row)?.0);
        }
    }
    Ok(found)
}

/// Says of a letter that it was taken out of the outbox again.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn record_dropped(tx: &mut Tx, message_id: &str, at: Instant, why: &str) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "letter of a schedule", key: message_id.to_string() };
    tx.later(&DROP, binds![message_id, at, why], expect).await
}

/// What a person does about letters that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steer {
    /// They do not go out.
    Hold,
    /// They go out after all, at their time.
    Release,
    /// They go out now, whatever their time.
    Urge,
}

/// Steers the letters of one target or rule of a study, or all; how many there were.
///
/// # Errors
/// Those of the database.
pub async fn steer(
    tx: &mut Tx,
    study_id: i64,
    (target, rule): (Option<&Target>, Option<&str>),
    steer: Steer,
    now: Instant,
) -> Result<u64, StoreError> {
    let (kind, id) = target.map_or(("", ""), |target| (target.kind.key(), target.id.as_str()));
    let rule = rule.unwrap_or_default();
    match steer {
        Steer::Hold => tx.execute(&HOLD, binds![study_id, kind, id, rule]).await,
        Steer::Release => tx.execute(&RELEASE, binds![study_id, kind, id, rule]).await,
        Steer::Urge => tx.execute(&URGE, binds![study_id, kind, id, rule, now]).await,
    }
}

/// At most `most` letters that wait or are held, of one target or rule or of all, behind one by target and rule.
///
/// # Errors
/// Those of the database.
pub async fn page(
    tx: &mut Tx,
    study_id: i64,
    (target, rule): (Option<&Target>, Option<&str>),
    after: Option<&PlannedLetter>,
    most: i64,
) -> Result<Vec<PlannedLetter>, StoreError> {
    let (kind, id) = target.map_or(("", ""), |target| (target.kind.key(), target.id.as_str()));
    let behind = after.map_or(("", "", ""), |one| (one.target.kind.key(), one.target.id.as_str(), one.rule.as_str()));
    let binds = binds![study_id, kind, id, rule.unwrap_or_default(), behind.0, behind.1, behind.2, most];
    tx.fetch(&STEERED, binds).await?.into_iter().map(read).collect()
}
