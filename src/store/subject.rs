//! Subjects: persons enrolled, known by number.

use std::collections::{BTreeMap, BTreeSet};

use super::gathered::Turn;
use super::packed::{self, Fields};
use super::sql::{Bind, Row, Rows, Sql, binds, chunks, statements};
use super::tx::{Expect, Numbers};
use super::{Reader, StoreError, Tx, sealed};
use crate::domain::chain::Sha256Digest;
use crate::domain::kept::{self, Column, KeptForm, KeptReference};
use crate::domain::seal::KeyRing;
use crate::domain::time::Instant;
use crate::limits;

/// A subject as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRow {
    /// Number in the database.
    pub id: i64,
    /// Study.
    pub study_id: i64,
    /// Counted from 1 in the study.
    pub number: i64,
    /// The site's own reference, normalized, or its code if it is personal; what makes a subject the same. Where it was corrected, the
    /// right one.
    pub reference_key: String,
    /// Code of the site; empty in a study without sites.
    pub site: String,
    /// Id of the person who enrolled.
    pub person: String,
    /// When.
    pub enrolled_at: Instant,
    /// JSON, item to normalized value.
    pub answers: String,
    /// JSON, item to text as typed.
    pub typed: String,
    /// Mail that enrolled.
    pub inbox_id: Option<i64>,
    /// Digest of the audit entry that recorded it.
    pub audit_digest: Sha256Digest,
    /// Number in the database of the earlier subject that is screened again as this one.
    pub rescreens_id: Option<i64>,
    /// Number in the database of the participant who enrolled themself.
    pub participant_id: Option<i64>,
    /// Code of the site by a correction of it; none where it is the one the subject was enrolled at.
    pub site_corrected: Option<String>,
}

impl SubjectRow {
    /// The sites whose subject it is: that it was enrolled at, and the right one where that was corrected.
    pub fn sites(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.site.as_str()).chain(self.site_corrected.as_deref())
    }
}

/// What is on file of a subject, without what was typed; fields as in [`SubjectRow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnFile {
    /// Number in the database.
    pub id: i64,
    /// Counted from 1 in the study.
    pub number: i64,
    /// The site's own reference, normalized, or its code if it is personal.
    pub reference_key: String,
    /// Code of the site.
    pub site: String,
    /// Id of the person who enrolled.
    pub person: String,
    /// When.
    pub enrolled_at: Instant,
    /// JSON, item to normalized value as it is kept: what is personal is sealed, as in the audit entry.
    pub answers: String,
    /// Mail that enrolled.
    pub inbox_id: Option<i64>,
    /// Digest of the audit entry that recorded it.
    pub audit_digest: Sha256Digest,
    /// Number of the earlier subject of the study that is screened again; 0 if that is none.
    pub rescreens: Option<i64>,
    /// Number in the study of the participant who enrolled themself; 0 if that is none of the study's.
    pub participant: Option<i64>,
    /// Code of the site by a correction of it; empty where there is none.
    pub site_corrected: String,
}

/// A subject to be stored; fields as in [`SubjectRow`].
#[derive(Clone, Copy, Debug)]
pub struct NewSubject<'a> {
    /// Study.
    pub study_id: i64,
    /// Counted from 1 in the study: the locked study's last number plus one.
    pub number: i64,
    /// The site's own reference, normalized.
    pub reference_key: &'a KeptReference,
    /// Code of the site, or empty.
    pub site: &'a str,
    /// Id of the person who enrolls.
    pub person: &'a str,
    /// Now.
    pub enrolled_at: Instant,
    /// Answers, and what was typed; made with [`COLUMNS`].
    pub form: &'a KeptForm,
    /// Mail that enrolls.
    pub inbox_id: Option<i64>,
    /// Digest of the audit entry that records it.
    pub audit_digest: &'a Sha256Digest,
    /// Number in the database of the earlier subject that is screened again as this one.
    pub rescreens_id: Option<i64>,
    /// Number in the database of the participant who enrolled themself.
    pub participant_id: Option<i64>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, study_id, number, reference_key, site, person, enrolled_at, answers, typed, inbox_id, audit_digest, rescreens_id, participant_id, site_corrected FROM subject ",
            $rest
        )
    };
}

/// Number of the earlier subject that is screened again, 0 if that is none of the study's; else `none`.
macro_rules! earlier {
    ($none:literal) => {
        concat!(
            "CASE WHEN rescreens_id IS NULL THEN ",
            $none,
            " ELSE coalesce((SELECT earlier.number FROM subject AS earlier WHERE earlier.id = subject.rescreens_id \
              AND earlier.study_id = subject.study_id AND earlier.number < subject.number), 0) END"
        )
    };
}

/// Number of the participant who enrolled themself, 0 if that is none of the study's; else `none`.
macro_rules! participant {
    ($none:literal) => {
        concat!(
            "CASE WHEN participant_id IS NULL THEN ",
            $none,
            " ELSE coalesce((SELECT participant.number FROM participant WHERE participant.id = subject.participant_id \
              AND participant.study_id = subject.study_id), 0) END"
        )
    };
}

statements! { "subject":
    INSERT = numbered Rows {
        head: "INSERT INTO subject (id, study_id, number, reference_key, site, person, enrolled_at, answers, typed, inbox_id, \
            audit_digest, rescreens_id, participant_id)",
        first: 1,
        columns: 13,
        tail: "",
    };
    // SQLite never gives a number again below the one it remembers, and has one writer.
    NUMBERS = twin [
        "WITH RECURSIVE steps (step) AS (SELECT 1 UNION ALL SELECT step + 1 FROM steps WHERE step < $1) \
            SELECT (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'subject') + step FROM steps",
        "SELECT nextval(pg_get_serial_sequence('subject', 'id')) FROM generate_series(1, CAST($1 AS BIGINT))",
    ];
    BY_ID = same select!("WHERE id = $1");
    BY_EARLIER = same select!("WHERE rescreens_id = $1");
    BY_PARTICIPANT = same select!("WHERE participant_id = $1");
    BY_REFERENCE = rows Rows {
        head: select!("WHERE study_id = $1 AND reference_key IN (VALUES"),
        first: 2,
        columns: 1,
        tail: ")",
    };
    // What was a subject's reference until it was corrected is no unknown one, either.
    ON_FILE = rows Rows {
        head: "SELECT reference_key FROM (SELECT study_id, reference_key FROM subject \
            UNION ALL SELECT study_id, reference_key FROM subject_reference) AS known \
            WHERE study_id = $1 AND reference_key IN (VALUES",
        first: 2,
        columns: 1,
        tail: ")",
    };
    BY_NUMBER = same select!("WHERE study_id = $1 AND number = $2");
    LATEST_OF = same select!("WHERE study_id = $1 AND person = $2 ORDER BY id DESC LIMIT 1");
    LIST = same select!("WHERE study_id = $1 AND number > $2 ORDER BY number LIMIT $3");
    LIST_ON_FILE = same concat!("SELECT id, number, reference_key, site, person, enrolled_at, answers, inbox_id, audit_digest, ",
        earlier!("NULL"), ", ", participant!("NULL"), ", coalesce(site_corrected, '') \
        FROM subject WHERE study_id = $1 AND number > $2 ORDER BY number LIMIT $3");
    PACKED_ON_FILE = twin [
        concat!("SELECT count(*), coalesce(group_concat(line, ", packed::row!(), "), '') FROM (SELECT concat_ws(", packed::field!(),
            ", id, number, reference_key, site, person, enrolled_at, answers, coalesce(inbox_id, ''), hex(audit_digest), ",
            earlier!("''"), ", ", participant!("''"), ", coalesce(site_corrected, '')) AS line FROM subject WHERE study_id = $1 AND number > $2 ORDER BY number LIMIT $3) AS page"),
        concat!("SELECT count(*), coalesce(string_agg(line, ", packed::row!(), " ORDER BY number), '') FROM (SELECT number, concat_ws(",
            packed::field!(), ", id, number, reference_key, site, person, enrolled_at, answers, coalesce(CAST(inbox_id AS TEXT), ''), \
            encode(audit_digest, 'hex'), coalesce(CAST(", earlier!("NULL"), " AS TEXT), ''), \
            coalesce(CAST(", participant!("NULL"), " AS TEXT), ''), coalesce(site_corrected, '')) AS line FROM subject \
            WHERE study_id = $1 AND number > $2 ORDER BY number LIMIT $3) AS page"),
    ];
    REBIND = same "UPDATE subject SET reference_key = coalesce($2, reference_key), site_corrected = $3 WHERE id = $1";
    WHICH = same "SELECT study_id, number FROM subject WHERE id = $1";
    LATEST = same select!("WHERE study_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3");
    LATEST_AT_SITE = same select!("WHERE study_id = $1 AND site = $4 AND number < $2 ORDER BY number DESC LIMIT $3");
    AT_SITE = same "SELECT count(*) FROM subject WHERE study_id = $1 AND site = $2";
}

/// The columns that hold a subject's form; which row of them, its number in the study tells.
pub const COLUMNS: [Column; 2] = [Column::SubjectAnswers, Column::SubjectTyped];

fn read(mut row: Row, ring: &KeyRing) -> Result<SubjectRow, StoreError> {
    let (id, study_id, number) = (row.int()?, row.int()?, row.int()?);
    let key = number.to_string();
    let opened = |column, kept| sealed::answers(ring, (study_id, column, &key), kept);
    Ok(SubjectRow {
        id,
        study_id,
        number,
        reference_key: row.text()?,
        site: row.text()?,
        person: row.text()?,
        enrolled_at: row.instant()?,
        answers: opened(Column::SubjectAnswers, row.text()?)?,
        typed: opened(Column::SubjectTyped, row.text()?)?,
        inbox_id: row.opt_int()?,
        audit_digest: row.digest()?,
        rescreens_id: row.opt_int()?,
        participant_id: row.opt_int()?,
        site_corrected: row.opt_text()?,
    })
}

/// Stores a subject and gives its number in the database.
///
/// # Errors
/// [`StoreError::Conflict`] if number or reference exist in the study, the earlier subject was screened again already, or the
/// participant is a subject already; it may come from a later call.
pub async fn insert(tx: &mut Tx, new: &NewSubject<'_>) -> Result<i64, StoreError> {
    if tx.numbers.left.is_empty() {
        // Twice as many as the last time: a single enrollment leaves no gap, and a long import asks seldom.
        reserve(tx, (tx.numbers.asked * 2).max(1)).await?;
    }
    let missing = || StoreError::Missing { noun: "number for a subject", key: new.number.to_string() };
    let id = tx.numbers.left.pop().ok_or_else(missing)?;
    let binds = binds![
        id,
        new.study_id,
        new.number,
        new.reference_key.text(),
        new.site,
        new.person,
        new.enrolled_at,
        new.form.answers.text(),
        new.form.typed.text(),
        new.inbox_id,
        new.audit_digest,
        new.rescreens_id,
        new.participant_id
    ];
    tx.gather(Turn::Subject, &INSERT, binds, Expect::Any).await?;
    Ok(id)
}

/// Makes a subject known by another reference than before, if one is given, and of that site beside the one it was enrolled at.
///
/// # Errors
/// [`StoreError::Conflict`] if the reference is another subject's.
pub async fn rebind(
    tx: &mut Tx,
    id: i64,
    reference: Option<&KeptReference>,
    site_corrected: Option<&str>,
) -> Result<(), StoreError> {
    let key = reference.map(KeptReference::text);
    match tx.execute(&REBIND, binds![id, key, site_corrected]).await? {
        0 => Err(StoreError::Missing { noun: "subject", key: id.to_string() }),
        _ => Ok(()),
    }
}

/// Asks for the numbers of so many subjects that are likely to be stored in this transaction.
///
/// # Errors
/// Those of the database.
pub async fn reserve(tx: &mut Tx, count: i64) -> Result<(), StoreError> {
    let count = count.min(limits::NUMBERS_AHEAD);
    if count > 0 && tx.numbers.left.is_empty() {
        let rows = tx.fetch(&NUMBERS, binds![count]).await?;
        let mut left = rows.into_iter().map(|mut row| row.int()).collect::<Result<Vec<_>, _>>()?;
        left.sort_unstable_by(|one, other| other.cmp(one));
        tx.numbers = Numbers { left, asked: count };
    }
    Ok(())
}

/// The subject of that number in the database.
///
/// # Errors
/// [`StoreError::Missing`].
pub async fn load<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<SubjectRow, StoreError> {
    let found = find_by(from, &BY_ID, binds![id]).await?;
    found.ok_or_else(|| StoreError::Missing { noun: "subject", key: id.to_string() })
}

/// The study and the number in it of the subject of that number in the database; no key is needed.
///
/// # Errors
/// [`StoreError::Missing`].
pub async fn which<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<(i64, i64), StoreError> {
    let found = from.into().find(&WHICH, binds![id]).await?;
    let mut row = found.ok_or_else(|| StoreError::Missing { noun: "subject", key: id.to_string() })?;
    Ok((row.int()?, row.int()?))
}

/// The subject of a study that a statement finds.
async fn find_by<'a>(
    from: impl Into<Reader<'a>>,
    sql: &Sql,
    binds: &[Bind<'_>],
) -> Result<Option<SubjectRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(sql, binds).await?.map(|row| read(row, &ring)).transpose()
}

/// The subject of that reference, in the clear or under its code by any key.
///
/// # Errors
/// Those of the database.
pub async fn find_by_reference<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    reference_key: &str,
) -> Result<Option<SubjectRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    for run in chunks(&kept::references(&ring, study_id, reference_key)) {
        let binds: Vec<Bind<'_>> = std::iter::once(Bind::from(study_id)).chain(run.iter().map(Bind::from)).collect();
        if let Some(row) = from.fetch_rows(&BY_REFERENCE, run.len(), &binds).await?.into_iter().next() {
            return read(row, &ring).map(Some);
        }
    }
    Ok(None)
}

/// The subject as which that one was screened again.
///
/// # Errors
/// Those of the database.
pub async fn find_rescreening<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<Option<SubjectRow>, StoreError> {
    find_by(from, &BY_EARLIER, binds![id]).await
}

/// The subject as which that participant enrolled themself.
///
/// # Errors
/// Those of the database.
pub async fn find_by_participant<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<Option<SubjectRow>, StoreError> {
    find_by(from, &BY_PARTICIPANT, binds![id]).await
}

/// Those of some references that are not on file.
///
/// # Errors
/// Those of the database.
pub async fn unknown(
    tx: &mut Tx,
    study_id: i64,
    reference_keys: &BTreeSet<String>,
) -> Result<BTreeSet<String>, StoreError> {
    // Each can be on file in the clear, or under its code by any key.
    let mut own: BTreeMap<String, &String> = BTreeMap::new();
    for reference in reference_keys {
        own.extend(kept::references(tx.ring(), study_id, reference).into_iter().map(|key| (key, reference)));
    }
    let keys: Vec<&String> = own.keys().collect();
    let mut unknown = reference_keys.clone();
    for run in chunks(&keys) {
        let first = std::iter::once(Bind::from(study_id));
        let binds: Vec<Bind<'_>> = first.chain(run.iter().map(|key| Bind::from(*key))).collect();
        for mut row in tx.fetch_rows(&ON_FILE, run.len(), &binds).await? {
            if let Some(reference) = own.get(&row.text()?) {
                unknown.remove(*reference);
            }
        }
    }
    Ok(unknown)
}

/// The subject of that number in the study.
///
/// # Errors
/// Those of the database.
pub async fn find_by_number<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    number: i64,
) -> Result<Option<SubjectRow>, StoreError> {
    find_by(from, &BY_NUMBER, binds![study_id, number]).await
}

/// The subject that person enrolled last.
///
/// # Errors
/// Those of the database.
pub async fn find_latest_of<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    person: &str,
) -> Result<Option<SubjectRow>, StoreError> {
    find_by(from, &LATEST_OF, binds![study_id, person]).await
}

/// At most `limit` subjects behind number `after`, in order.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<SubjectRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&LIST, binds![study_id, after, limit]).await?.into_iter().map(|row| read(row, &ring)).collect()
}

/// At most `limit` subjects before number `before`, the latest first; of one site if it is named.
///
/// # Errors
/// Those of the database.
pub async fn list_latest<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    site: Option<&str>,
    before: i64,
    limit: i64,
) -> Result<Vec<SubjectRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    let rows = match site {
        None => from.fetch(&LATEST, binds![study_id, before, limit]).await?,
        Some(site) => from.fetch(&LATEST_AT_SITE, binds![study_id, before, limit, site]).await?,
    };
    rows.into_iter().map(|row| read(row, &ring)).collect()
}

/// As [`list`], without what was typed, and as it is kept: no key is needed.
///
/// # Errors
/// Those of the database.
pub async fn list_on_file<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<OnFile>, StoreError> {
    let read = |mut row: Row| {
        Ok(OnFile {
            id: row.int()?,
            number: row.int()?,
            reference_key: row.text()?,
            site: row.text()?,
            person: row.text()?,
            enrolled_at: row.instant()?,
            answers: row.text()?,
            inbox_id: row.opt_int()?,
            audit_digest: row.digest()?,
            rescreens: row.opt_int()?,
            participant: row.opt_int()?,
            site_corrected: row.text()?,
        })
    };
    let mut from = from.into();
    let rows = from.fetch(&PACKED_ON_FILE, binds![study_id, after, limit]).await?;
    let unpack = |fields: &mut Fields<'_>| {
        Some(OnFile {
            id: fields.int()?,
            number: fields.int()?,
            reference_key: fields.text()?.to_owned(),
            site: fields.text()?.to_owned(),
            person: fields.text()?.to_owned(),
            enrolled_at: fields.instant()?,
            answers: fields.text()?.to_owned(),
            inbox_id: fields.opt_int()?,
            audit_digest: fields.digest()?,
            rescreens: fields.opt_int()?,
            participant: fields.opt_int()?,
            site_corrected: fields.text()?.to_owned(),
        })
    };
    match packed::unpack(rows, 12, unpack)?.filter(|page| page.is_sorted_by(|one, next| one.number < next.number)) {
        Some(page) => Ok(page),
        None => from.fetch(&LIST_ON_FILE, binds![study_id, after, limit]).await?.into_iter().map(read).collect(),
    }
}

/// Number of subjects of a site.
///
/// # Errors
/// Those of the database.
pub async fn count_at_site<'a>(from: impl Into<Reader<'a>>, study_id: i64, site: &str) -> Result<i64, StoreError> {
    from.into().find(&AT_SITE, binds![study_id, site]).await?.map_or(Ok(0), |mut row| row.int())
}
