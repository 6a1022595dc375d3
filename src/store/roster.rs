//! Who was asked, and who has answered: one row for each participant, of all the credentials that they had.
//!
//! For surveys that keep a list of who answered; in a fully anonymous one no credential is anybody's, and nothing is to be learned here.

use super::participant::State;
use super::sql::{Row, binds, statements, words};
use super::{Reader, StoreError};
use crate::domain::time::Instant;

words! {
    /// Where a participant stands; whoever answered has, whatever became of them afterwards.
    Standing {
        /// They answered, at least once.
        Answered = "answered",
        /// They can answer now, and did not yet.
        Waiting = "waiting",
        /// Their credential is good later.
        ToCome = "to-come",
        /// Their credential was good, and they did not answer.
        Expired = "expired",
        /// Their credential was called back, and they did not answer.
        Revoked = "revoked",
        /// They withdrew, and did not answer.
        Withdrawn = "withdrawn",
    }
}

/// A participant with what became of their invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterRow {
    /// Number in the database.
    pub id: i64,
    /// Counted from 1 in the study.
    pub number: i64,
    /// What the list calls them, or empty.
    pub reference: String,
    /// Name, or empty.
    pub name: String,
    /// Folded address, or empty.
    pub address: String,
    /// Whether they are asked.
    pub state: State,
    /// How often they wanted to enroll themself and were refused.
    pub refusals: i64,
    /// When their first credential was issued.
    pub invited_at: Option<Instant>,
    /// From when the credential is good that is not called back.
    pub from: Option<Instant>,
    /// Until when it is; none if it does not expire, or there is none.
    pub until: Option<Instant>,
    /// Whether there is one.
    pub active: bool,
    /// How many credentials they had.
    pub credentials: i64,
    /// Days in the study's zone on which they answered, in order.
    pub days: Vec<String>,
    /// Where they stand.
    pub standing: Standing,
}

/// Where the participant `p` of a group stands at the moment `$2`, of their credentials `c` and uses `a`.
macro_rules! standing {
    () => {
        "CASE WHEN count(a.credential_id) > 0 THEN 'answered' WHEN p.state = 'withdrawn' THEN 'withdrawn' \
         WHEN max(CASE WHEN c.state = 'active' AND c.valid_from <= $2 AND (c.expires_at IS NULL OR c.expires_at > $2) \
         THEN 1 ELSE 0 END) = 1 THEN 'waiting' \
         WHEN max(CASE WHEN c.state = 'active' AND c.valid_from > $2 THEN 1 ELSE 0 END) = 1 THEN 'to-come' \
         WHEN max(CASE WHEN c.state = 'active' THEN 1 ELSE 0 END) = 1 THEN 'expired' ELSE 'revoked' END"
    };
}

/// The participants `p` with what they had.
macro_rules! joined {
    () => {
        "LEFT JOIN credential c ON c.participant_id = p.id LEFT JOIN answered a ON a.credential_id = c.id"
    };
}

statements! { "roster":
    // Those of the page first, so that a long list costs no more than a short one.
    LIST = same concat!(
        "SELECT p.id, p.number, p.reference, p.name, p.address, p.state, p.refusals, min(c.issued_at), \
         max(CASE WHEN c.state = 'active' THEN c.valid_from END), max(CASE WHEN c.state = 'active' THEN c.expires_at END), \
         CAST(max(CASE WHEN c.state = 'active' THEN 1 ELSE 0 END) AS BIGINT), count(DISTINCT c.id), string_agg(a.day, ' '), ",
        standing!(),
        " FROM (SELECT id, number, reference, name, address, state, refusals FROM participant WHERE study_id = $1 AND number > $3 \
         ORDER BY number LIMIT $4) AS p ",
        joined!(),
        " GROUP BY p.id, p.number, p.reference, p.name, p.address, p.state, p.refusals ORDER BY p.number"
    );
    COUNT = same concat!(
        "SELECT standing, count(*) FROM (SELECT ", standing!(), " AS standing FROM participant p ", joined!(),
        " WHERE p.study_id = $1 GROUP BY p.id, p.state) AS standings GROUP BY standing"
    );
}

fn read(mut row: Row) -> Result<RosterRow, StoreError> {
    let id = row.int()?;
    let (number, reference, name, address) = (row.int()?, row.text()?, row.text()?, row.text()?);
    let (state, refusals, invited_at) = (row.word(State::find)?, row.int()?, row.opt_instant()?);
    let (from, until, active, credentials) = (row.opt_instant()?, row.opt_instant()?, row.int()? > 0, row.int()?);
    let mut days: Vec<String> =
        row.opt_text()?.unwrap_or_default().split_whitespace().map(ToString::to_string).collect();
    days.sort_unstable();
    let standing = row.word(Standing::find)?;
    Ok(RosterRow {
        id,
        number,
        reference,
        name,
        address,
        state,
        refusals,
        invited_at,
        from,
        until,
        active,
        credentials,
        days,
        standing,
    })
}

/// At most `most` participants behind number `after`, by number, as they stand at `now`.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    now: Instant,
    after: i64,
    most: i64,
) -> Result<Vec<RosterRow>, StoreError> {
    from.into().fetch(&LIST, binds![study_id, now, after, most]).await?.into_iter().map(read).collect()
}

/// How many participants of a study stand where at `now`.
///
/// # Errors
/// Those of the database.
pub async fn count<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    now: Instant,
) -> Result<Vec<(Standing, i64)>, StoreError> {
    let rows = from.into().fetch(&COUNT, binds![study_id, now]).await?;
    rows.into_iter().map(|mut row| Ok((row.word(Standing::find)?, row.int()?))).collect()
}
