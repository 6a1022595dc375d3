//! Participants: persons who answer about themselves.

use super::sealed;
use super::sql::{Bind, Row, Rows, binds, chunks, statements, words};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

/// What answers are coded for by which somebody was refused.
const REFUSED_CODE: &str = "hagaki refused answers";

words! {
    /// Whether a participant is asked.
    State {
        /// They are.
        Active = "active",
        /// They withdrew.
        Withdrawn = "withdrawn",
    }
}

/// A participant as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantRow {
    /// Number in the database.
    pub id: i64,
    /// Study.
    pub study_id: i64,
    /// Counted from 1 in the study.
    pub number: i64,
    /// What the list of participants calls them; empty where it does not.
    pub reference: String,
    /// Name to greet; empty if unknown.
    pub name: String,
    /// Folded address; empty where there is none.
    pub address: String,
    /// Code of the language of their letters and pages; empty for the study's first.
    pub language: String,
    /// JSON, further columns of the list of participants.
    pub attributes: String,
    /// Whether they are asked.
    pub state: State,
    /// When they came in.
    pub created_at: Instant,
    /// How often they wanted to enroll themself and were refused.
    pub refusals: i64,
    /// Code of the answers by which they were refused last; see [`is_refused_again`].
    pub refused_code: Option<Sha256Digest>,
    /// Receipt number of the form by which they enrolled themself; none before.
    pub receipt: Option<String>,
}

/// A participant to be stored; fields as in [`ParticipantRow`].
#[derive(Clone, Debug)]
pub struct NewParticipant {
    /// Counted from 1 in the study: the locked study's last number plus one.
    pub number: i64,
    /// What the list calls them, or empty.
    pub reference: String,
    /// Name, or empty.
    pub name: String,
    /// Folded address, or empty.
    pub address: String,
    /// Code of a language, or empty.
    pub language: String,
    /// JSON.
    pub attributes: String,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, study_id, number, reference, name, address, language, attributes, state, created_at, refusals, refused_code, receipt \
             FROM participant ",
            $rest
        )
    };
}

statements! { "participant":
    INSERT = rows Rows {
        head: "INSERT INTO participant (study_id, number, reference, name, address, language, attributes, state, created_at) VALUES",
        first: 1,
        columns: 9,
        tail: "RETURNING id, number",
    };
    BY_ID = same select!("WHERE id = $1");
    BY_IDS = rows Rows {
        head: "WITH wanted (id) AS (VALUES",
        first: 2,
        columns: 1,
        tail: concat!(") ", select!("WHERE study_id = $1 AND id IN (SELECT CAST(id AS BIGINT) FROM wanted)")),
    };
    BY_NUMBER = same select!("WHERE study_id = $1 AND number = $2");
    BY_ADDRESS = same select!("WHERE study_id = $1 AND address = $2 AND state = 'active' ORDER BY id");
    // Whoever is looked for by a reference ($3) is nobody who has another one.
    AT_ADDRESS = same select!("WHERE study_id = $1 AND address = $2 AND (reference = '' OR $3 = '') ORDER BY id LIMIT $4");
    AT_ADDRESSES = rows Rows {
        head: "WITH wanted (own) AS (VALUES",
        first: 2,
        columns: 1,
        tail: concat!(") ", select!("WHERE study_id = $1 AND address IN (SELECT CAST(own AS TEXT) FROM wanted)")),
    };
    BY_REFERENCE = same select!("WHERE study_id = $1 AND reference = $2");
    BY_ACCOUNT = same select!("WHERE study_id = $1 AND account_id = $2");
    STUDIES_OF_ACCOUNT = same select!("WHERE account_id = $1 ORDER BY id DESC LIMIT $2");
    SET_ACCOUNT = same "UPDATE participant SET account_id = $2 WHERE id = $1";
    LIST = same select!("WHERE study_id = $1 AND number > $2 ORDER BY number LIMIT $3");
    WITHDRAW = same "UPDATE participant SET state = 'withdrawn' WHERE id = $1";
    READMIT = same "UPDATE participant SET state = 'active' WHERE id = $1";
    CORRECT = same "UPDATE participant SET name = $2, address = $3, language = $4 WHERE id = $1";
    SET_RECEIPT = same "UPDATE participant SET receipt = $2 WHERE id = $1";
    BY_RECEIPT = same select!("WHERE study_id = $1 AND receipt = $2 ORDER BY id LIMIT 1");
    FORGIVE = same "UPDATE participant SET refusals = 0, refused_code = NULL WHERE id = $1";
    COUNT_REFUSAL = same "UPDATE participant SET refusals = refusals + 1, refused_code = $2 WHERE id = $1";
}

fn read(mut row: Row) -> Result<ParticipantRow, StoreError> {
    let id = row.int()?;
    read_rest(id, &mut row)
}

/// The participant whose columns come next in a row, in the order in which this module names them; none where they are absent.
pub(super) fn read_from(row: &mut Row) -> Result<Option<ParticipantRow>, StoreError> {
    row.opt_int()?.map(|id| read_rest(id, row)).transpose()
}

fn read_rest(id: i64, row: &mut Row) -> Result<ParticipantRow, StoreError> {
    Ok(ParticipantRow {
        id,
        study_id: row.int()?,
        number: row.int()?,
        reference: row.text()?,
        name: row.text()?,
        address: row.text()?,
        language: row.text()?,
        attributes: row.text()?,
        state: row.word(State::find)?,
        created_at: row.instant()?,
        refusals: row.int()?,
        refused_code: row.opt_digest()?,
        receipt: row.opt_text()?,
    })
}

/// Stores participants and gives their numbers in the database, in the order given.
///
/// # Errors
/// [`StoreError::Conflict`] if a number or reference exists in the study.
pub async fn insert(tx: &mut Tx, study_id: i64, new: &[NewParticipant], at: Instant) -> Result<Vec<i64>, StoreError> {
    let mut ids = Vec::with_capacity(new.len());
    for run in chunks(new) {
        let mut binds: Vec<Bind<'_>> = Vec::with_capacity(run.len() * 9);
        for one in run {
            binds.extend::<[Bind<'_>; 9]>([
                study_id.into(),
                one.number.into(),
                (&one.reference).into(),
                (&one.name).into(),
                (&one.address).into(),
                (&one.language).into(),
                (&one.attributes).into(),
                State::Active.key().into(),
                at.into(),
            ]);
        }
        let mut given = Vec::with_capacity(run.len());
        for mut row in tx.fetch_rows(&INSERT, run.len(), &binds).await? {
            let id = row.int()?;
            given.push((row.int()?, id));
        }
        given.sort_unstable();
        ids.extend(given.into_iter().map(|(_, id)| id));
    }
    Ok(ids)
}

/// The participant of that number in the database.
///
/// # Errors
/// [`StoreError::Missing`].
pub async fn load<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<ParticipantRow, StoreError> {
    let found = from.into().find(&BY_ID, binds![id]).await?;
    found.map_or_else(|| Err(StoreError::Missing { noun: "participant", key: id.to_string() }), read)
}

/// Those of a study who have these numbers in the database.
///
/// # Errors
/// Those of the database.
pub async fn list_of_ids(tx: &mut Tx, study_id: i64, ids: &[i64]) -> Result<Vec<ParticipantRow>, StoreError> {
    let mut found = Vec::new();
    for run in chunks(ids) {
        let mut binds: Vec<Bind<'_>> = vec![study_id.into()];
        binds.extend(run.iter().map(|id| Bind::from(*id)));
        for row in tx.fetch_rows(&BY_IDS, run.len(), &binds).await? {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// Those of a study at these (folded) addresses, withdrawn ones among them.
///
/// # Errors
/// Those of the database.
pub async fn list_at(tx: &mut Tx, study_id: i64, addresses: &[&str]) -> Result<Vec<ParticipantRow>, StoreError> {
    let mut found = Vec::new();
    for run in chunks(addresses) {
        let mut binds: Vec<Bind<'_>> = vec![study_id.into()];
        binds.extend(run.iter().map(|address| Bind::from(*address)));
        for row in tx.fetch_rows(&AT_ADDRESSES, run.len(), &binds).await? {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// The participant of that number in the study.
///
/// # Errors
/// Those of the database.
pub async fn find_by_number<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    number: i64,
) -> Result<Option<ParticipantRow>, StoreError> {
    from.into().find(&BY_NUMBER, binds![study_id, number]).await?.map(read).transpose()
}

/// The participants who are asked at that (folded) address; a household may share one.
///
/// # Errors
/// Those of the database.
pub async fn list_by_address<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    address: &str,
) -> Result<Vec<ParticipantRow>, StoreError> {
    from.into().fetch(&BY_ADDRESS, binds![study_id, address]).await?.into_iter().map(read).collect()
}

/// Those who may be somebody of that reference and (folded) address, each empty if there is none: at most `most`, withdrawn ones
/// among them.
///
/// # Errors
/// Those of the database.
pub async fn list_alike<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    (reference, address): (&str, &str),
    most: i64,
) -> Result<Vec<ParticipantRow>, StoreError> {
    let mut from = from.into();
    if !reference.is_empty()
        && let Some(known) = from.find(&BY_REFERENCE, binds![study_id, reference]).await?
    {
        return Ok(vec![read(known)?]);
    }
    if address.is_empty() {
        return Ok(Vec::new());
    }
    from.fetch(&AT_ADDRESS, binds![study_id, address, reference, most]).await?.into_iter().map(read).collect()
}

/// The participant whom the list calls so.
///
/// # Errors
/// Those of the database.
pub async fn find_by_reference<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    reference: &str,
) -> Result<Option<ParticipantRow>, StoreError> {
    from.into().find(&BY_REFERENCE, binds![study_id, reference]).await?.map(read).transpose()
}

/// At most `most` participants behind number `after`, by number.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    most: i64,
) -> Result<Vec<ParticipantRow>, StoreError> {
    from.into().fetch(&LIST, binds![study_id, after, most]).await?.into_iter().map(read).collect()
}

/// Says of a participant that they withdrew: they are asked no more, and nothing more of theirs is recorded.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn withdraw(tx: &mut Tx, id: i64) -> Result<(), StoreError> {
    tx.later(&WITHDRAW, binds![id], Expect::Present { noun: "participant", key: id.to_string() }).await
}

/// Says of a participant who withdrew that they take part after all.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn readmit(tx: &mut Tx, id: i64) -> Result<(), StoreError> {
    tx.later(&READMIT, binds![id], Expect::Present { noun: "participant", key: id.to_string() }).await
}

/// Gives a participant another name, address and language, as they stand in the row.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn correct(tx: &mut Tx, row: &ParticipantRow) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "participant", key: row.id.to_string() };
    tx.later(&CORRECT, binds![row.id, &row.name, &row.address, &row.language], expect).await
}

/// Whether the answers of this digest are those by which a participant was refused last.
pub fn is_refused_again(tx: &Tx, whose: &ParticipantRow, answers: &Sha256Digest) -> bool {
    whose.refused_code.is_some_and(|code| sealed::codes(tx.ring(), REFUSED_CODE, answers).contains(&code))
}

/// Counts that a participant wanted to enroll themself and was refused, by the answers of this digest.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn count_refusal(tx: &mut Tx, id: i64, answers: &Sha256Digest) -> Result<(), StoreError> {
    let code = sealed::code(tx.ring(), REFUSED_CODE, answers);
    tx.later(&COUNT_REFUSAL, binds![id, &code], Expect::Present { noun: "participant", key: id.to_string() }).await
}

/// Forgets how often a participant was refused.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn forgive(tx: &mut Tx, id: i64) -> Result<(), StoreError> {
    tx.later(&FORGIVE, binds![id], Expect::Present { noun: "participant", key: id.to_string() }).await
}

/// Writes down the receipt number of the form by which a participant enrolled themself.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn set_receipt(tx: &mut Tx, id: i64, receipt: &str) -> Result<(), StoreError> {
    tx.later(&SET_RECEIPT, binds![id, receipt], Expect::Present { noun: "participant", key: id.to_string() }).await
}

/// The participant who enrolled themself with that receipt number.
///
/// # Errors
/// Those of the database.
pub async fn find_by_receipt<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    receipt: &str,
) -> Result<Option<ParticipantRow>, StoreError> {
    from.into().find(&BY_RECEIPT, binds![study_id, receipt]).await?.map(read).transpose()
}

/// Puts a member's account beside their place on a study's roll.
///
/// # Errors
/// [`StoreError::Conflict`] if the account stands on the study's roll already; it may come from a later call.
pub async fn set_account(tx: &mut Tx, id: i64, account: &Mark) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "participant", key: id.to_string() };
    tx.later(&SET_ACCOUNT, binds![id, account], expect).await
}

/// The member of a study who has that account.
///
/// # Errors
/// Those of the database.
pub async fn find_by_account<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    account: &Mark,
) -> Result<Option<ParticipantRow>, StoreError> {
    from.into().find(&BY_ACCOUNT, binds![study_id, account]).await?.map(read).transpose()
}

/// An account's places on the rolls of studies, at most `most`, the newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_of_account<'a>(
    from: impl Into<Reader<'a>>,
    account: &Mark,
    most: i64,
) -> Result<Vec<ParticipantRow>, StoreError> {
    from.into().fetch(&STUDIES_OF_ACCOUNT, binds![account, most]).await?.into_iter().map(read).collect()
}
