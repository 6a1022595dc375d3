//! Letters to voters, each once; and the rounds over the roll by which they are written, a page at a time.
//!
//! A letter is known by its Message-ID. What became of it stands in the outbox, and only as long as that is no sign of when somebody
//! voted: a reminder that is not wanted any more is taken away as if it had never been written.

use std::collections::BTreeMap;

use super::outbox::{State, status_of};
use super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::election::letters::{Occasion, Round};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

statements! { "voter letter":
    INSERT = rows Rows {
        head: "INSERT INTO voter_letter (voter_id, occasion, message_id) VALUES",
        first: 1,
        columns: 3,
        tail: "ON CONFLICT (voter_id, occasion) DO UPDATE SET message_id = excluded.message_id",
    };
    OF_MESSAGES = rows Rows {
        head: "WITH wanted (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") SELECT voter_letter.message_id, voter_letter.occasion, voter.study_id, voter.postal, \
            CAST(CASE WHEN voted.voter_id IS NULL THEN 0 ELSE 1 END AS BIGINT) FROM voter_letter JOIN voter ON voter.id = voter_letter.voter_id \
            LEFT JOIN voted ON voted.voter_id = voter.id WHERE voter_letter.message_id IN (SELECT CAST(id AS TEXT) FROM wanted)",
    };
    FORGET = rows Rows {
        head: "WITH gone (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") DELETE FROM voter_letter WHERE message_id IN (SELECT CAST(id AS TEXT) FROM gone)",
    };
    FORGET_OCCASION = same "DELETE FROM voter_letter WHERE voter_id = $1 AND occasion = $2";
    FATES = same "SELECT voter_letter.voter_id, voter_letter.occasion, outbox.state, outbox.verdict_code, outbox.verdict_text, \
        outbox.report_status FROM voter_letter JOIN voter ON voter.id = voter_letter.voter_id \
        JOIN outbox ON outbox.message_id = voter_letter.message_id \
        WHERE voter.study_id = $1 AND voter_letter.occasion IN ('notice', 'credential', 'renewed')";
    BEGIN = same "INSERT INTO election_round (study_id, round, begun_at, passed, done) VALUES ($1, $2, $3, $4, 0) \
        ON CONFLICT (study_id, round) DO UPDATE SET passed = excluded.passed, done = 0";
    ANEW = same "UPDATE election_round SET passed = $3, done = 0 WHERE study_id = $1 AND round = $2";
    PASS = same "UPDATE election_round SET passed = $3, done = $4 WHERE study_id = $1 AND round = $2";
    ROUNDS = same "SELECT round, begun_at, passed, done FROM election_round WHERE study_id = $1 ORDER BY begun_at, round";
    // Those with a roll, and those whose deletion is not done.
    STUDIES = same "SELECT id FROM study WHERE EXISTS (SELECT 1 FROM voter WHERE voter.study_id = study.id) \
        OR EXISTS (SELECT 1 FROM election_round WHERE election_round.study_id = study.id AND election_round.done = 0) ORDER BY id";
}

/// A round over the roll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundRow {
    /// Which.
    pub round: Round,
    /// When it was begun.
    pub begun_at: Instant,
    /// The last voter that was passed.
    pub passed: Mark,
    /// Whether everybody was.
    pub done: bool,
}

/// Before the first voter.
pub const START: Mark = Mark([0; 16]);

/// A letter that waits to leave, and what is known of its voter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingLetter {
    /// Message-ID.
    pub message_id: String,
    /// What it was written for.
    pub occasion: Occasion,
    /// Study.
    pub study_id: i64,
    /// Whether the voter votes by post.
    pub postal: bool,
    /// Whether the voter has voted.
    pub voted: bool,
}

/// What became of the last of somebody's letters that says of their roll entry, or brought a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// What it was written for.
    pub occasion: Occasion,
    /// How far it has come.
    pub state: State,
    /// What it failed by, such as 5.1.1; empty if it did not.
    pub failure: String,
}

fn read_round(mut row: Row) -> Result<RoundRow, StoreError> {
    let (round, begun_at, passed) = (row.word(Round::find)?, row.instant()?, row.mark()?);
    Ok(RoundRow { round, begun_at, passed, done: row.int()? != 0 })
}

/// Writes down letters: voter, occasion, and Message-ID (empty where there is no address). Of an occasion that was there the letter is
/// another from then on.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn insert(tx: &mut Tx, letters: &[(Mark, Occasion, String)]) -> Result<(), StoreError> {
    let keyed: Vec<(&Mark, String, &str)> =
        letters.iter().map(|(voter, occasion, message_id)| (voter, occasion.key(), message_id.as_str())).collect();
    for run in chunks(&keyed) {
        let binds: Vec<Bind<'_>> = run
            .iter()
            .flat_map(|(voter, occasion, message_id)| [Bind::from(*voter), occasion.into(), (*message_id).into()])
            .collect();
        tx.later_rows(&INSERT, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// Letters of these Message-IDs, as far as their voter is on the roll.
///
/// # Errors
/// Those of the database.
pub async fn list_of_messages(tx: &mut Tx, messages: &[&str]) -> Result<Vec<WaitingLetter>, StoreError> {
    let mut found = Vec::new();
    for run in chunks(messages) {
        let binds: Vec<Bind<'_>> = run.iter().map(|id| Bind::from(*id)).collect();
        for mut row in tx.fetch_rows(&OF_MESSAGES, run.len(), &binds).await? {
            let (message_id, occasion, study_id) = (row.text()?, row.word(Occasion::find)?, row.int()?);
            let (postal, voted) = (row.int()? != 0, row.int()? != 0);
            found.push(WaitingLetter { message_id, occasion, study_id, postal, voted });
        }
    }
    Ok(found)
}

/// Forgets that these letters were written.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget(tx: &mut Tx, messages: &[&str]) -> Result<(), StoreError> {
    for run in chunks(messages) {
        let binds: Vec<Bind<'_>> = run.iter().map(|id| Bind::from(*id)).collect();
        tx.later_rows(&FORGET, run.len(), &binds, Expect::Any).await?;
    }
    tx.leaves_traces();
    Ok(())
}

/// Forgets that a voter got a letter for that occasion, so that it is written once more.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget_occasion(tx: &mut Tx, voter: &Mark, occasion: Occasion) -> Result<(), StoreError> {
    tx.later(&FORGET_OCCASION, binds![voter, &occasion.key()], Expect::Any).await
}

/// What became of the last letter of each voter, by their random names; reminders and receipts are none of these, for they tell who had
/// voted by then.
///
/// # Errors
/// Those of the database.
pub async fn fates<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<BTreeMap<Mark, Fate>, StoreError> {
    let mut fates: BTreeMap<Mark, Fate> = BTreeMap::new();
    for mut row in from.into().fetch(&FATES, binds![study_id]).await? {
        let (voter, occasion, state) = (row.mark()?, row.word(Occasion::find)?, row.word(State::find)?);
        let (code, text, report) = (row.opt_int()?, row.opt_text()?, row.opt_text()?);
        let failure = match state {
            State::Bounced => report.unwrap_or_default(),
            State::Failed => status_of(code.unwrap_or_default(), text.as_deref().unwrap_or_default()),
            _ => String::new(),
        };
        let fate = Fate { occasion, state, failure };
        match fates.get(&voter) {
            // In the order in which they are written: notice, credential, another one.
            Some(later) if later.occasion > fate.occasion => {}
            _ => drop(fates.insert(voter, fate)),
        }
    }
    Ok(fates)
}

/// Begins a round; one that was done goes over the roll once more, for those who came since.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn begin(tx: &mut Tx, study_id: i64, round: Round, at: Instant) -> Result<(), StoreError> {
    tx.later(&BEGIN, binds![study_id, &round.key(), at, &START], Expect::Any).await
}

/// Has a round that was begun go over the roll once more; of one that was not nothing becomes.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn begin_anew(tx: &mut Tx, study_id: i64, round: Round) -> Result<(), StoreError> {
    tx.later(&ANEW, binds![study_id, &round.key(), &START], Expect::Any).await
}

/// Says how far a round has come.
///
/// # Errors
/// [`StoreError::Missing`] if it was not begun; it may come from a later call.
pub async fn pass(tx: &mut Tx, study_id: i64, round: Round, passed: &Mark, done: bool) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "round over the roll", key: round.key() };
    tx.later(&PASS, binds![study_id, &round.key(), passed, i64::from(done)], expect).await
}

/// The rounds that were begun.
///
/// # Errors
/// Those of the database.
pub async fn rounds<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<RoundRow>, StoreError> {
    from.into().fetch(&ROUNDS, binds![study_id]).await?.into_iter().map(read_round).collect()
}

/// Studies with a roll, and those with a round that is not done.
///
/// # Errors
/// Those of the database.
pub async fn studies<'a>(from: impl Into<Reader<'a>>) -> Result<Vec<i64>, StoreError> {
    from.into().fetch(&STUDIES, &[]).await?.into_iter().map(|mut row| row.int()).collect()
}
