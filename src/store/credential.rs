//! Credentials, known by digests, and that they were used: what makes every response count once.

use super::sql::{Bind, Row, Rows, binds, chunks, statements, words};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::credential::Validity;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

words! {
    /// Whether a credential opens anything.
    State {
        /// It does, in its time.
        Active = "active",
        /// It was called back.
        Revoked = "revoked",
        /// Another was issued in its place.
        Replaced = "replaced",
    }
}

/// A credential as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRow {
    /// Random name.
    pub id: Mark,
    /// Study.
    pub study_id: i64,
    /// Whose; none where nobody may know.
    pub participant_id: Option<i64>,
    /// SHA-256 of the secret in its link.
    pub link_digest: Option<Sha256Digest>,
    /// What is typed beside the password.
    pub login: Option<String>,
    /// SHA-256 of login and password.
    pub password_digest: Option<Sha256Digest>,
    /// Whether it opens anything.
    pub state: State,
    /// How often it may be used; 0 for as often as the survey lets.
    pub uses: i64,
    /// When it is good.
    pub validity: Validity,
    /// When somebody was told of it; none before, and where times could join a person to answers.
    pub issued_at: Option<Instant>,
}

impl CredentialRow {
    /// Whether it was issued for one use, however many the survey takes.
    pub const fn is_for_one_use(&self) -> bool {
        self.uses == 1
    }
}

/// A use of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredRow {
    /// Counted from 1.
    pub occasion: i64,
    /// Mark of the page that was sent.
    pub submission: Mark,
    /// Receipt number that was shown.
    pub receipt: String,
    /// Day of the study's zone, ISO 8601.
    pub day: String,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, study_id, participant_id, link_digest, login, password_digest, state, uses, valid_from, expires_at, ",
            "issued_at FROM credential ",
            $rest
        )
    };
}

statements! { "credential":
    INSERT = rows Rows {
        head: "INSERT INTO credential (id, study_id, participant_id, link_digest, login, password_digest, state, uses, valid_from, \
            expires_at, issued_at) VALUES",
        first: 1,
        columns: 11,
        tail: "",
    };
    BY_ID = same select!("WHERE id = $1");
    BY_LOGIN = same select!("WHERE study_id = $1 AND login = $2");
    OF_PARTICIPANT = same select!("WHERE participant_id = $1 ORDER BY valid_from, id");
    SET_STATE = same "UPDATE credential SET state = $2 WHERE id = $1";
    REPLACE_ALL = same "UPDATE credential SET state = 'replaced' WHERE participant_id = $1 AND state = 'active'";
    SET_EXPIRY = same "UPDATE credential SET expires_at = $2, end_told = 0 WHERE id = $1";
    SET_ISSUED = same "UPDATE credential SET issued_at = $2 WHERE id = $1 AND issued_at IS NULL";
    OF_PARTICIPANTS = rows Rows {
        head: "WITH whose (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: concat!(") ", select!("WHERE participant_id IN (SELECT CAST(id AS BIGINT) FROM whose) ORDER BY valid_from, id")),
    };
    USED = rows Rows {
        head: "WITH whose (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") SELECT credential.participant_id, max(answered.day) FROM answered JOIN credential ON credential.id = answered.credential_id \
            WHERE credential.participant_id IN (SELECT CAST(id AS BIGINT) FROM whose) GROUP BY credential.participant_id",
    };
    TELL_END = same "UPDATE credential SET end_told = 1 WHERE id = $1 AND end_told = 0";
    COUNT = same "SELECT state, count(*) FROM credential WHERE study_id = $1 GROUP BY state";
    // The primary key is what decides between two who answer at once; who finds it taken writes nothing, and is told so.
    USE = same "INSERT INTO answered (credential_id, occasion, submission, receipt, day) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT DO NOTHING";
    USES = same "SELECT occasion, submission, receipt, day FROM answered WHERE credential_id = $1 ORDER BY occasion";
    BY_RECEIPT = same "SELECT credential.participant_id, answered.occasion, answered.submission, answered.receipt, answered.day \
        FROM answered JOIN credential ON credential.id = answered.credential_id WHERE credential.study_id = $1 AND answered.receipt = $2 \
        LIMIT 1";
    RECEIPT_OF = same "SELECT answered.receipt FROM answered JOIN credential ON credential.id = answered.credential_id \
        WHERE answered.submission = $2 AND credential.study_id = $1 LIMIT 1";
    // Whoever got another credential goes on where the one before ended.
    USES_OF_PARTICIPANT = same "SELECT occasion, submission, receipt, day FROM answered JOIN credential \
        ON credential.id = answered.credential_id WHERE credential.participant_id = $1 ORDER BY occasion";
}

fn read(mut row: Row) -> Result<CredentialRow, StoreError> {
    read_from(&mut row)
}

/// The credential whose columns come next in a row, in the order in which this module names them.
pub(super) fn read_from(row: &mut Row) -> Result<CredentialRow, StoreError> {
    Ok(CredentialRow {
        id: row.mark()?,
        study_id: row.int()?,
        participant_id: row.opt_int()?,
        link_digest: row.opt_digest()?,
        login: row.opt_text()?,
        password_digest: row.opt_digest()?,
        state: row.word(State::find)?,
        uses: row.int()?,
        validity: Validity { from: row.instant()?, until: row.opt_instant()? },
        issued_at: row.opt_instant()?,
    })
}

/// Stores credentials.
///
/// # Errors
/// [`StoreError::Conflict`] if a login exists in the study; it may come from a later call.
pub async fn insert(tx: &mut Tx, new: &[CredentialRow]) -> Result<(), StoreError> {
    for run in chunks(new) {
        let mut binds: Vec<Bind<'_>> = Vec::with_capacity(run.len() * 11);
        for one in run {
            binds.extend::<[Bind<'_>; 11]>([
                (&one.id).into(),
                one.study_id.into(),
                one.participant_id.into(),
                (&one.link_digest).into(),
                one.login.as_deref().into(),
                (&one.password_digest).into(),
                one.state.key().into(),
                one.uses.into(),
                one.validity.from.into(),
                one.validity.until.into(),
                one.issued_at.into(),
            ]);
        }
        tx.later_rows(&INSERT, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// The credential of that name.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, id: &Mark) -> Result<Option<CredentialRow>, StoreError> {
    from.into().find(&BY_ID, binds![id]).await?.map(read).transpose()
}

/// The credential of that login.
///
/// # Errors
/// Those of the database.
pub async fn find_by_login<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    login: &str,
) -> Result<Option<CredentialRow>, StoreError> {
    from.into().find(&BY_LOGIN, binds![study_id, login]).await?.map(read).transpose()
}

/// Every credential of a participant.
///
/// # Errors
/// Those of the database.
pub async fn list_of<'a>(from: impl Into<Reader<'a>>, participant_id: i64) -> Result<Vec<CredentialRow>, StoreError> {
    from.into().fetch(&OF_PARTICIPANT, binds![participant_id]).await?.into_iter().map(read).collect()
}

/// Every credential of each of these participants.
///
/// # Errors
/// Those of the database.
pub async fn list_of_all(tx: &mut Tx, participants: &[i64]) -> Result<Vec<CredentialRow>, StoreError> {
    let mut found = Vec::new();
    for run in chunks(participants) {
        let binds: Vec<Bind<'_>> = run.iter().map(|id| Bind::from(*id)).collect();
        for row in tx.fetch_rows(&OF_PARTICIPANTS, run.len(), &binds).await? {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// The day on which each of these participants answered last, of those who did.
///
/// # Errors
/// Those of the database.
pub async fn last_days(tx: &mut Tx, participants: &[i64]) -> Result<Vec<(i64, String)>, StoreError> {
    let mut found = Vec::new();
    for run in chunks(participants) {
        let binds: Vec<Bind<'_>> = run.iter().map(|id| Bind::from(*id)).collect();
        for mut row in tx.fetch_rows(&USED, run.len(), &binds).await? {
            found.push((row.int()?, row.text()?));
        }
    }
    Ok(found)
}

/// Says when somebody was told of a credential first; what stands there stays.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn set_issued(tx: &mut Tx, id: &Mark, at: Instant) -> Result<(), StoreError> {
    tx.later(&SET_ISSUED, binds![id, at], Expect::Any).await
}

/// Calls a credential back, or says that another took its place.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn set_state(tx: &mut Tx, id: &Mark, state: State) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "credential", key: id.text() };
    tx.later(&SET_STATE, binds![id, state.key()], expect).await
}

/// Says of every credential of a participant that another took its place.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn replace_all(tx: &mut Tx, participant_id: i64) -> Result<(), StoreError> {
    tx.later(&REPLACE_ALL, binds![participant_id], Expect::Any).await
}

/// Gives a credential another end.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn set_expiry(tx: &mut Tx, id: &Mark, until: Option<Instant>) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "credential", key: id.text() };
    tx.later(&SET_EXPIRY, binds![id, until], expect).await
}

/// Says that those in charge are told that a link was asked for after its end; whether they were not yet.
///
/// # Errors
/// Those of the database.
pub async fn tell_end(tx: &mut Tx, id: &Mark) -> Result<bool, StoreError> {
    Ok(tx.execute(&TELL_END, binds![id]).await? > 0)
}

/// How many credentials of a study are in which state.
///
/// # Errors
/// Those of the database.
pub async fn count<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<(State, i64)>, StoreError> {
    let rows = from.into().fetch(&COUNT, binds![study_id]).await?;
    rows.into_iter().map(|mut row| Ok((row.word(State::find)?, row.int()?))).collect()
}

/// Uses a credential for the so-many-th time.
///
/// # Errors
/// [`StoreError::Missing`] if it was used for that already, or by that page; it may come from a later call.
pub async fn record_use(tx: &mut Tx, id: &Mark, used: &AnsweredRow) -> Result<(), StoreError> {
    let binds = binds![id, used.occasion, &used.submission, &used.receipt, &used.day];
    tx.later(&USE, binds, Expect::Present { noun: "unused credential", key: id.text() }).await
}

fn read_use(mut row: Row) -> Result<AnsweredRow, StoreError> {
    Ok(AnsweredRow { occasion: row.int()?, submission: row.mark()?, receipt: row.text()?, day: row.text()? })
}

/// Every use of a credential, in order; of a participant's, every use of any that they had.
///
/// # Errors
/// Those of the database.
pub async fn uses<'a>(from: impl Into<Reader<'a>>, credential: &CredentialRow) -> Result<Vec<AnsweredRow>, StoreError> {
    match credential.participant_id {
        Some(id) => uses_of_participant(from, id).await,
        None => from.into().fetch(&USES, binds![&credential.id]).await?.into_iter().map(read_use).collect(),
    }
}

/// Every use of any credential of a participant, in order.
///
/// # Errors
/// Those of the database.
pub async fn uses_of_participant<'a>(
    from: impl Into<Reader<'a>>,
    participant_id: i64,
) -> Result<Vec<AnsweredRow>, StoreError> {
    from.into().fetch(&USES_OF_PARTICIPANT, binds![participant_id]).await?.into_iter().map(read_use).collect()
}

/// The use of that receipt number in a study, and whose it is; of nobody where nobody may know. All of them are looked through.
///
/// # Errors
/// Those of the database.
pub async fn find_use_by_receipt<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    receipt: &str,
) -> Result<Option<(Option<i64>, AnsweredRow)>, StoreError> {
    let found = from.into().find(&BY_RECEIPT, binds![study_id, receipt]).await?;
    found.map(|mut row| Ok((row.opt_int()?, read_use(row)?))).transpose()
}

/// The receipt of the page of that mark; none if nothing was recorded by it.
///
/// # Errors
/// Those of the database.
pub async fn receipt_of<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    submission: &Mark,
) -> Result<Option<String>, StoreError> {
    from.into().find(&RECEIPT_OF, binds![study_id, submission]).await?.map(|mut row| row.text()).transpose()
}
