//! Studies, their counters and the row lock that serializes what happens in one of them.

use super::sql::{Row, binds, statements, words};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx, study_key};
use crate::domain::chain::{Head, Sha256Digest};
use crate::domain::seal::{KeyRing, Unopened};
pub use crate::domain::study::Stage;
use crate::domain::time::Instant;

words! {
    /// Whether a study goes on.
    State {
        /// It does.
        Open = "open",
        /// It takes no enrollments, randomizations and answers at present.
        Paused = "paused",
        /// It is over.
        Closed = "closed",
    }
}

/// What a study's draws are made from; never printed. Sealed in the database where there is a key file: whoever has a copy of the
/// database alone can foresee nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct StudySecret(Result<[u8; 32], Lost>);

/// Whose secret does not open, and why.
#[derive(Clone, PartialEq, Eq)]
struct Lost {
    slug: String,
    why: Unopened,
}

impl StudySecret {
    /// That of these bytes.
    pub const fn new(bytes: [u8; 32]) -> StudySecret {
        StudySecret(Ok(bytes))
    }

    /// Its bytes. Only what draws or proves needs them, so that all else goes on without the key.
    ///
    /// # Errors
    /// [`StoreError::Unopened`] where the key that sealed it is missing.
    pub fn bytes(&self) -> Result<&[u8; 32], StoreError> {
        let unopened = |lost: &Lost| {
            let what = format!("the secret of study {}, which its draws are made from,", lost.slug);
            StoreError::Unopened { what, why: lost.why.clone() }
        };
        self.0.as_ref().map_err(unopened)
    }
}

impl std::fmt::Debug for StudySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StudySecret")
    }
}

/// What a secret is sealed for.
const PURPOSE: &str = "hagaki study secret";
/// What stands in the place of one that is sealed.
const ZEROS: [u8; 32] = [0; 32];

/// Where a secret is sealed to: the study at its stage, for its number is given with the row.
fn place(slug: &str, stage: Stage) -> Vec<u8> {
    format!("{slug} {}", stage.key()).into_bytes()
}

/// A secret as its two columns hold it.
fn at_rest(ring: &KeyRing, place: &[u8], secret: &StudySecret) -> Result<(Sha256Digest, Option<Vec<u8>>), StoreError> {
    let bytes = *secret.bytes()?;
    if ring.is_empty() {
        return Ok((bytes, None));
    }
    Ok((ZEROS, Some(ring.keep(PURPOSE, place, &bytes)?)))
}

/// The secret that these columns hold.
fn opened(ring: &KeyRing, (slug, stage): (&str, Stage), clear: Sha256Digest, sealed: Option<&[u8]>) -> StudySecret {
    let Some(sealed) = sealed else { return StudySecret::new(clear) };
    let bytes = ring.open(PURPOSE, &place(slug, stage), sealed);
    let bytes = bytes.and_then(|bytes| bytes.try_into().map_err(|_| Unopened::Damaged));
    StudySecret(bytes.map_err(|why| Lost { slug: slug.to_owned(), why }))
}

/// A study as stored. The counters are current only in a row that [`lock`] gave.
#[derive(Clone, Debug)]
pub struct StudyRow {
    /// Number in the database.
    pub id: i64,
    /// Name in addresses, folders and commands.
    pub slug: String,
    /// Rehearsal or the real thing.
    pub stage: Stage,
    /// Whether it goes on.
    pub state: State,
    /// When enrollment ended, if it did: nobody more is enrolled, and everything else goes on.
    pub enrollment_ended_at: Option<Instant>,
    /// Version of the bundle in force.
    pub bundle_version: i64,
    /// What the draws are made from.
    pub secret: StudySecret,
    /// SHA-256 of the secret.
    pub secret_digest: Sha256Digest,
    /// Number of the last subject.
    pub subjects: i64,
    /// Number of the last allocation.
    pub allocations: i64,
    /// Number of the last fact about a subject.
    pub facts: i64,
    /// Number of the last fact whose correction of a reference or a site binds; earlier than the last fact only where an earlier version
    /// of the program recorded that.
    pub facts_bound: i64,
    /// Number of the last participant.
    pub participants: i64,
    /// Number of responses that count.
    pub responses: i64,
    /// End of the audit chain.
    pub chain: Head,
    /// When the first bundle of this stage came into force.
    pub activated_at: Instant,
    /// When state or bundle last changed.
    pub changed_at: Instant,
}

/// A study to be stored.
#[derive(Clone, Debug)]
pub struct NewStudy<'a> {
    /// Name in addresses, folders and commands.
    pub slug: &'a str,
    /// Rehearsal or the real thing.
    pub stage: Stage,
    /// What the draws are made from.
    pub secret: &'a StudySecret,
    /// SHA-256 of the secret.
    pub secret_digest: &'a Sha256Digest,
    /// Now.
    pub at: Instant,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, slug, stage, state, enrollment_ended_at, bundle_version, clear_secret, sealed_secret, secret_digest, subjects, allocations, facts, facts_bound, ",
            "participants, responses, chain_length, chain_head, activated_at, changed_at FROM study ",
            $rest
        )
    };
}

statements! { "study":
    // SQLite holds its write lock since BEGIN IMMEDIATE. NO KEY, so that rows that refer to the study can still be
    // written beside.
    LOCK = twin [select!("WHERE id = $1"), select!("WHERE id = $1 FOR NO KEY UPDATE")];
    BY_ID = same select!("WHERE id = $1");
    BY_SLUG = same select!("WHERE slug = $1 AND stage = $2");
    // 'production' sorts behind 'development'.
    CURRENT = same select!("WHERE slug = $1 ORDER BY stage DESC LIMIT 1");
    // Versions only grow; the greatest time alone would miss what happens after a clock went back.
    FINGERPRINT = same "SELECT count(*), CAST(sum(bundle_version) AS BIGINT), max(changed_at) FROM study";
    ALL = same select!("ORDER BY slug, stage");
    INSERT = same "INSERT INTO study (slug, stage, state, bundle_version, clear_secret, sealed_secret, secret_digest, subjects, \
        allocations, chain_length, chain_head, activated_at, changed_at) \
        VALUES ($1, $2, 'open', 1, $3, $4, $5, 0, 0, 0, $6, $7, $7) RETURNING id";
    SECRETS = same "SELECT id, sealed_secret FROM study ORDER BY id";
    IS_CLEAR = same "SELECT id FROM study WHERE id = $1 AND sealed_secret IS NULL";
    SEAL = same "UPDATE study SET clear_secret = $2, sealed_secret = $3 WHERE id = $1";
    COUNTERS = same "UPDATE study SET subjects = $2, allocations = $3, facts = $4, participants = $5, responses = $6, \
        chain_length = $7, chain_head = $8, facts_bound = $9 WHERE id = $1";
    UNBOUND = same "SELECT id FROM study WHERE facts_bound < facts ORDER BY id";
    SET_STATE = same "UPDATE study SET state = $2, changed_at = $3 WHERE id = $1";
    END_ENROLLMENT = same "UPDATE study SET enrollment_ended_at = $2, changed_at = $3 WHERE id = $1";
    SET_BUNDLE = same "UPDATE study SET bundle_version = $2, changed_at = $3 WHERE id = $1";
    NEW_SECRET = same "UPDATE study SET clear_secret = $2, sealed_secret = $3, secret_digest = $4, changed_at = $5 WHERE id = $1";
    PURGE_ATTEMPTS = same "DELETE FROM outbox_attempt WHERE outbox_id IN (SELECT id FROM outbox WHERE study_id = $1)";
    PURGE_LETTERS_RAW = same "DELETE FROM outbox_raw WHERE outbox_id IN (SELECT id FROM outbox WHERE study_id = $1)";
    PURGE_LETTERS = same "DELETE FROM outbox WHERE study_id = $1";
    PURGE_MAILS_RAW = same "DELETE FROM inbox_raw WHERE inbox_id IN (SELECT id FROM inbox WHERE study_id = $1)";
    PURGE_MESSAGES = same "DELETE FROM message WHERE inbox_id IN (SELECT id FROM inbox WHERE study_id = $1)";
    PURGE_MAILS = same "UPDATE inbox SET person = NULL, subject_id = NULL, reading = NULL WHERE study_id = $1";
    PURGE_REFERENCES = same "DELETE FROM subject_reference WHERE study_id = $1";
    PURGE_FACTS = same "DELETE FROM subject_fact WHERE study_id = $1";
    PURGE_RANDOMIZATIONS = same "DELETE FROM randomization WHERE study_id = $1";
    PURGE_ALLOCATIONS = same "DELETE FROM allocation WHERE study_id = $1";
    PURGE_KITS = same "DELETE FROM kit WHERE study_id = $1";
    PURGE_KIT_LISTS = same "DELETE FROM kit_list WHERE study_id = $1";
    PURGE_CALENDAR = same "DELETE FROM calendar_mark WHERE study_id = $1";
    PURGE_SHORTAGES = same "DELETE FROM kit_shortage WHERE study_id = $1";
    PURGE_SESSIONS = same "DELETE FROM session WHERE study_id = $1";
    PURGE_BEGUN = same "DELETE FROM begun_form WHERE study_id = $1";
    PURGE_DRAFTS = same "DELETE FROM draft WHERE credential_id IN (SELECT id FROM credential WHERE study_id = $1)";
    PURGE_ANSWERED = same "DELETE FROM answered WHERE credential_id IN (SELECT id FROM credential WHERE study_id = $1)";
    PURGE_WAITS = same "DELETE FROM credential_wait WHERE credential_id IN (SELECT id FROM credential WHERE study_id = $1)";
    PURGE_LINKS = same "DELETE FROM credential_link WHERE credential_id IN (SELECT id FROM credential WHERE study_id = $1)";
    PURGE_PLANNED_LETTERS = same "DELETE FROM planned_letter WHERE study_id = $1";
    PURGE_SETTLED_LETTERS = same "DELETE FROM settled_letter WHERE study_id = $1";
    PURGE_TOUCHES = same "DELETE FROM schedule_touch WHERE study_id = $1";
    PURGE_SCHEDULE_RULES = same "DELETE FROM schedule_rule WHERE study_id = $1";
    // Its rules begin anew.
    PURGE_SCHEDULE = same "UPDATE schedule_mark SET version = 0, cursor = 0 WHERE study_id = $1";
    PURGE_OPT_OUTS = same "DELETE FROM opt_out WHERE study_id = $1";
    PURGE_VOTER_LETTERS = same "DELETE FROM voter_letter WHERE voter_id IN (SELECT id FROM voter WHERE study_id = $1)";
    PURGE_ROUNDS = same "DELETE FROM election_round WHERE study_id = $1";
    PURGE_OUTCOME = same "DELETE FROM election_outcome WHERE study_id = $1";
    PURGE_VOTES = same "DELETE FROM voted WHERE voter_id IN (SELECT id FROM voter WHERE study_id = $1)";
    PURGE_VOTERS_CREDENTIALS = same "DELETE FROM voter_credential WHERE voter_id IN (SELECT id FROM voter WHERE study_id = $1)";
    PURGE_VOTERS = same "DELETE FROM voter WHERE study_id = $1";
    PURGE_ELECTION_STEPS = same "DELETE FROM election_step WHERE study_id = $1";
    PURGE_BALLOTS = same "DELETE FROM opened_ballots WHERE study_id = $1";
    PURGE_ELECTION_FILES = same "DELETE FROM election_file WHERE study_id = $1";
    PURGE_CREDENTIALS = same "DELETE FROM credential WHERE study_id = $1";
    PURGE_FILES = same "UPDATE file SET state = 'leaving' WHERE study_id = $1";
    PURGE_URN = same "DELETE FROM urn WHERE study_id = $1";
    PURGE_RESPONSES = same "DELETE FROM response WHERE study_id = $1";
    PURGE_PARTICIPANTS = same "DELETE FROM participant WHERE study_id = $1";
    PURGE_COHORTS = same "DELETE FROM cohort_notice WHERE study_id = $1";
    PURGE_SUBJECTS = same "DELETE FROM subject WHERE study_id = $1";
    PURGE_PENDING = same "DELETE FROM pending WHERE study_id = $1";
    PURGE_AUDIT = same "DELETE FROM audit WHERE study_id = $1";
}

fn read(mut row: Row, ring: &KeyRing) -> Result<StudyRow, StoreError> {
    read_from(&mut row, ring)
}

/// The study whose columns come next in a row, in the order in which this module names them.
pub(super) fn read_from(row: &mut Row, ring: &KeyRing) -> Result<StudyRow, StoreError> {
    let (id, slug, stage) = (row.int()?, row.text()?, row.word(Stage::find)?);
    let (state, enrollment_ended_at, bundle_version) = (row.word(State::find)?, row.opt_instant()?, row.int()?);
    let secret = opened(ring, (&slug, stage), row.digest()?, row.opt_blob()?.as_deref());
    Ok(StudyRow {
        id,
        slug,
        stage,
        state,
        enrollment_ended_at,
        bundle_version,
        secret,
        secret_digest: row.digest()?,
        subjects: row.int()?,
        allocations: row.int()?,
        facts: row.int()?,
        facts_bound: row.int()?,
        participants: row.int()?,
        responses: row.int()?,
        chain: Head { length: row.int()?, digest: row.digest()? },
        activated_at: row.instant()?,
        changed_at: row.instant()?,
    })
}

fn missing(key: impl ToString) -> StoreError {
    StoreError::Missing { noun: "study", key: key.to_string() }
}

/// Takes the study's row lock until the end of the transaction and reads its counters: from here on nobody else enrolls
/// into it.
///
/// # Errors
/// Missing, busy.
pub async fn lock(tx: &mut Tx, id: i64) -> Result<StudyRow, StoreError> {
    let row = tx.fetch(&LOCK, binds![id]).await?.into_iter().next();
    read(row.ok_or_else(|| missing(id))?, tx.ring())
}

/// Writes the counters and chain head of a row that [`lock`] gave.
///
/// # Errors
/// Those of the database.
pub async fn save_counters(tx: &mut Tx, row: &StudyRow) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "study", key: row.id.to_string() };
    let StudyRow { id, subjects, allocations, facts, facts_bound, participants, responses, chain, .. } = row;
    let (length, digest) = (chain.length, &chain.digest);
    let binds = binds![*id, *subjects, *allocations, *facts, *participants, *responses, length, digest, *facts_bound];
    tx.later(&COUNTERS, binds, expect).await
}

/// Stores a study at bundle version 1, open, with empty counters, and gives its number.
///
/// # Errors
/// [`StoreError::Conflict`] if there is one of that slug and stage.
pub async fn insert(tx: &mut Tx, new: &NewStudy<'_>) -> Result<i64, StoreError> {
    let empty = Head::EMPTY.digest;
    let (clear, sealed) = at_rest(tx.ring(), &place(new.slug, new.stage), new.secret)?;
    let binds = binds![new.slug, new.stage.key(), &clear, sealed.as_deref(), new.secret_digest, &empty, new.at];
    let rows = tx.fetch(&INSERT, binds).await?;
    rows.into_iter().next().map_or_else(|| Err(missing(new.slug)), |mut row| row.int())
}

/// The study of that number.
///
/// # Errors
/// [`StoreError::Missing`].
pub async fn load<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<StudyRow, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    read(from.find(&BY_ID, binds![id]).await?.ok_or_else(|| missing(id))?, &ring)
}

/// The study of that slug and stage.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, slug: &str, stage: Stage) -> Result<Option<StudyRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&BY_SLUG, binds![slug, stage.key()]).await?.map(|row| read(row, &ring)).transpose()
}

/// The study mails of that slug belong to: in production if it has got there, else in development.
///
/// # Errors
/// Those of the database.
pub async fn find_current<'a>(from: impl Into<Reader<'a>>, slug: &str) -> Result<Option<StudyRow>, StoreError> {
    // Anybody may ask for anything, and PostgreSQL fails at a text that it cannot hold (datatype-character).
    if slug.contains('\0') {
        return Ok(None);
    }
    let mut from = from.into();
    let ring = from.ring();
    from.find(&CURRENT, binds![slug]).await?.map(|row| read(row, &ring)).transpose()
}

/// Every study, by slug and stage.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>) -> Result<Vec<StudyRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&ALL, &[]).await?.into_iter().map(|row| read(row, &ring)).collect()
}

/// The studies with facts whose corrections do not bind yet, by number.
///
/// # Errors
/// Those of the database.
pub async fn unbound<'a>(from: impl Into<Reader<'a>>) -> Result<Vec<i64>, StoreError> {
    from.into().fetch(&UNBOUND, &[]).await?.into_iter().map(|mut row| row.int()).collect()
}

/// Opens, pauses or closes.
///
/// # Errors
/// Missing.
pub async fn set_state(tx: &mut Tx, id: i64, state: State, at: Instant) -> Result<(), StoreError> {
    tx.later(&SET_STATE, binds![id, state.key(), at], Expect::Present { noun: "study", key: id.to_string() }).await
}

/// Ends enrollment, or opens it again where `ended` is none.
///
/// # Errors
/// Missing.
pub async fn set_enrollment(tx: &mut Tx, id: i64, ended: Option<Instant>, at: Instant) -> Result<(), StoreError> {
    tx.later(&END_ENROLLMENT, binds![id, ended, at], Expect::Present { noun: "study", key: id.to_string() }).await
}

/// Puts a version of the bundle into force.
///
/// # Errors
/// Missing.
pub async fn set_bundle(tx: &mut Tx, id: i64, version: i64, at: Instant) -> Result<(), StoreError> {
    tx.later(&SET_BUNDLE, binds![id, version, at], Expect::Present { noun: "study", key: id.to_string() }).await
}

/// Forgets everything a rehearsal brought: subjects, allocations, letters, what the mails said, and the audit entries;
/// the kits (those of the bundle must be listed anew), the counters back at nothing, and the draws made from a new secret, so that nobody can take the
/// new numbers for the old. The mails' rows stay, so that none is taken in twice.
///
/// # Errors
/// [`StoreError::Missing`] if there is no such study in development: a study in production is never purged.
pub async fn purge(
    tx: &mut Tx,
    id: i64,
    secret: &StudySecret,
    secret_digest: &Sha256Digest,
    at: Instant,
) -> Result<(), StoreError> {
    let mut row = lock(tx, id).await?;
    if row.stage != Stage::Development {
        return Err(StoreError::Missing { noun: "study in development", key: row.slug });
    }
    let steps = [
        &PURGE_ATTEMPTS,
        &PURGE_LETTERS_RAW,
        &PURGE_LETTERS,
        &PURGE_MAILS_RAW,
        &PURGE_MESSAGES,
        &PURGE_MAILS,
        &PURGE_REFERENCES,
        &PURGE_FACTS,
        &PURGE_RANDOMIZATIONS,
        &PURGE_ALLOCATIONS,
        &PURGE_KITS,
        &PURGE_KIT_LISTS,
        &PURGE_SHORTAGES,
        &PURGE_CALENDAR,
        &PURGE_SESSIONS,
        &PURGE_BEGUN,
        &PURGE_DRAFTS,
        &PURGE_ANSWERED,
        &PURGE_WAITS,
        &PURGE_LINKS,
        &PURGE_PLANNED_LETTERS,
        &PURGE_SETTLED_LETTERS,
        &PURGE_TOUCHES,
        &PURGE_SCHEDULE_RULES,
        &PURGE_SCHEDULE,
        &PURGE_OPT_OUTS,
        &PURGE_VOTER_LETTERS,
        &PURGE_ROUNDS,
        &PURGE_OUTCOME,
        &PURGE_VOTES,
        &PURGE_VOTERS_CREDENTIALS,
        &PURGE_VOTERS,
        &PURGE_ELECTION_STEPS,
        &PURGE_BALLOTS,
        &PURGE_ELECTION_FILES,
        &PURGE_CREDENTIALS,
        &PURGE_FILES,
        &PURGE_URN,
        &PURGE_RESPONSES,
        &PURGE_COHORTS,
        &PURGE_SUBJECTS,
        &PURGE_PARTICIPANTS,
        &PURGE_PENDING,
        &PURGE_AUDIT,
    ];
    for step in steps {
        tx.execute(step, binds![id]).await?;
    }
    row.subjects = 0;
    row.allocations = 0;
    row.facts = 0;
    row.facts_bound = 0;
    row.participants = 0;
    row.responses = 0;
    row.chain = Head::EMPTY;
    tx.leaves_traces();
    let (clear, sealed) = at_rest(tx.ring(), &place(&row.slug, row.stage), secret)?;
    tx.execute(&NEW_SECRET, binds![id, &clear, sealed.as_deref(), secret_digest, at]).await?;
    save_counters(tx, &row).await
}

/// Seals each study's secret that stands in the clear, or was sealed with an older key, with the key that seals now; how many. Each is
/// a transaction of its own, and one that was sealed is passed over, so that it goes on where it stopped. Nothing is sealed where
/// anything was sealed with a key that is not there: the key file may be a wrong one.
///
/// # Errors
/// Those of the database.
pub async fn seal_secrets(store: &Store) -> Result<usize, StoreError> {
    let mut due = Vec::new();
    for mut row in Reader::from(store).fetch(&SECRETS, &[]).await? {
        let (id, sealed) = (row.int()?, row.opt_blob()?);
        if !sealed.is_some_and(|sealed| store.ring().is_current(&sealed)) {
            due.push(id);
        }
    }
    if store.ring().is_empty() || due.is_empty() {
        return Ok(0);
    }
    let known = store.ring().names();
    let lacks = study_key::all(store).await?.iter().any(|name| !known.contains(name));
    if lacks || list(store).await?.iter().any(|row| row.secret.bytes().is_err()) {
        return Ok(0);
    }
    for id in &due {
        let mut tx = store.begin().await?;
        // As it is by now: another process may have sealed or purged it.
        let row = lock(&mut tx, *id).await?;
        let (clear, sealed) = at_rest(tx.ring(), &place(&row.slug, row.stage), &row.secret)?;
        tx.leaves_traces();
        tx.execute(&SEAL, binds![*id, &clear, sealed.as_deref()]).await?;
        tx.commit().await?;
    }
    Ok(due.len())
}

/// Whether the secret of a study stands in the clear.
///
/// # Errors
/// Those of the database.
pub async fn is_clear<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<bool, StoreError> {
    Ok(from.into().find(&IS_CLEAR, binds![id]).await?.is_some())
}

/// What changes whenever a study is activated, amended, paused, resumed, closed or purged: cheap to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    studies: i64,
    versions: Option<i64>,
    changed_at: Option<i64>,
}

/// The fingerprint of all studies.
///
/// # Errors
/// Those of the database.
pub async fn fingerprint<'a>(from: impl Into<Reader<'a>>) -> Result<Fingerprint, StoreError> {
    let Some(mut row) = from.into().find(&FINGERPRINT, &[]).await? else {
        return Ok(Fingerprint { studies: 0, versions: None, changed_at: None });
    };
    Ok(Fingerprint { studies: row.int()?, versions: row.opt_int()?, changed_at: row.opt_int()? })
}
