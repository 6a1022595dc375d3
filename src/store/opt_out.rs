//! Who wants no more invitations and reminders: participants of their study, and addresses of every study.

use std::collections::{BTreeMap, BTreeSet};

use super::sql::{Bind, Rows, binds, chunks, statements, words};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};

words! {
    /// How somebody said that they want no more.
    Way {
        /// By the button of their mail program (RFC 8058), or by a mail.
        OneClick = "one-click",
        /// On the page that the letter leads to.
        Page = "page",
    }
}

words! {
    /// Of which studies somebody wants no more; the greater holds the smaller.
    Scope {
        /// Of the study that they take part in.
        Study = "study",
        /// Of every study that has their address.
        All = "all",
    }
}

statements! { "opt-out":
    INSERT = same "INSERT INTO opt_out (participant_id, study_id, day, way) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    REMOVE = same "DELETE FROM opt_out WHERE participant_id = $1";
    INSERT_ADDRESS = same "INSERT INTO opt_out_address (code, day) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    REMOVE_ADDRESS = same "DELETE FROM opt_out_address WHERE code = $1";
    // In most installations there is none, and nothing else is asked.
    ANY = same "SELECT 1 FROM opt_out UNION ALL SELECT 1 FROM opt_out_address LIMIT 1";
    OF_PARTICIPANTS = rows Rows {
        head: "WITH wanted (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") SELECT participant_id FROM opt_out WHERE participant_id IN (SELECT CAST(id AS BIGINT) FROM wanted)",
    };
    OF_ADDRESSES = rows Rows {
        head: "WITH wanted (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") SELECT code FROM opt_out_address WHERE code IN (SELECT CAST(id AS TEXT) FROM wanted)",
    };
}

/// Says of a participant of a study, each by the number in the database, that they want no more of it; what was said before stays.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn insert(tx: &mut Tx, (participant, study): (i64, i64), day: &str, way: Way) -> Result<(), StoreError> {
    tx.later(&INSERT, binds![participant, study, day, way.key()], Expect::Any).await
}

/// Takes it back.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn remove(tx: &mut Tx, participant: i64) -> Result<(), StoreError> {
    tx.later(&REMOVE, binds![participant], Expect::Any).await
}

/// Says of the address of that code that no study is to write to it any more.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn insert_address(tx: &mut Tx, code: &str, day: &str) -> Result<(), StoreError> {
    tx.later(&INSERT_ADDRESS, binds![code, day], Expect::Any).await
}

/// Takes it back.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn remove_address(tx: &mut Tx, code: &str) -> Result<(), StoreError> {
    tx.later(&REMOVE_ADDRESS, binds![code], Expect::Any).await
}

/// Who of these participants, each with the code of their address, wants no more, and of which studies.
///
/// # Errors
/// Those of the database.
pub async fn among<'a>(
    from: impl Into<Reader<'a>>,
    people: &[(i64, String)],
) -> Result<BTreeMap<i64, Scope>, StoreError> {
    let mut from = from.into();
    let mut found = BTreeMap::new();
    if from.find(&ANY, &[]).await?.is_none() {
        return Ok(found);
    }
    for run in chunks(people) {
        let ids: Vec<Bind<'_>> = run.iter().map(|(id, _)| Bind::from(*id)).collect();
        for mut row in from.fetch_rows(&OF_PARTICIPANTS, run.len(), &ids).await? {
            found.insert(row.int()?, Scope::Study);
        }
        let codes: Vec<Bind<'_>> = run.iter().map(|(_, code)| Bind::from(code)).collect();
        for mut row in from.fetch_rows(&OF_ADDRESSES, run.len(), &codes).await? {
            let code = row.text()?;
            found.extend(run.iter().filter(|(_, own)| *own == code).map(|(id, _)| (*id, Scope::All)));
        }
    }
    Ok(found)
}

/// Which of the addresses of these codes no study is to write to.
///
/// # Errors
/// Those of the database.
pub async fn addresses_among<'a>(
    from: impl Into<Reader<'a>>,
    codes: &[String],
) -> Result<BTreeSet<String>, StoreError> {
    let mut from = from.into();
    let mut found = BTreeSet::new();
    if from.find(&ANY, &[]).await?.is_none() {
        return Ok(found);
    }
    for run in chunks(codes) {
        let binds: Vec<Bind<'_>> = run.iter().map(Bind::from).collect();
        for mut row in from.fetch_rows(&OF_ADDRESSES, run.len(), &binds).await? {
            found.insert(row.text()?);
        }
    }
    Ok(found)
}
