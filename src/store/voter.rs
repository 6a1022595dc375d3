//! Voters: the roll of an election, whose credential is whose, and that somebody has voted.
//!
//! Names and addresses are sealed here, on the way in and out, for no chain holds them. That a voter has voted stands in a row of its
//! own: what was voted lies in the urn, and shares nothing with it but the transaction.

use std::sync::Arc;

use super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx};
use crate::domain::election::phase::Turnout;
use crate::domain::election::roll::Entry;
use crate::domain::language::Language;
use crate::domain::seal::{self, KeyRing, NoKey, Unopened};
use crate::domain::survey::Mark;
use crate::limits;

/// What names and addresses of voters are sealed for.
const PURPOSE: &str = "hagaki voter";
/// What codes of addresses are made for.
const ADDRESS_CODE: &str = "hagaki address of a voter";
/// Columns, as they are bound to what is sealed in them; they must never change.
const NAME: &[u8] = b"name";
const ADDRESS: &[u8] = b"address";
/// Texts are filled up to multiples of so many bytes before they are sealed, so that their length tells little.
const STEP: usize = 32;

/// A voter as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterRow {
    /// Random name.
    pub id: Mark,
    /// Study.
    pub study_id: i64,
    /// Who they are on the roll.
    pub entry: Entry,
}

/// That somebody has voted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VotedRow {
    /// Mark of the page that was sent.
    pub submission: Mark,
    /// Receipt number that was shown.
    pub receipt: String,
    /// Day of the study's zone, ISO 8601.
    pub day: String,
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, study_id, number, name, address, language, district, class, postal FROM voter ", $rest)
    };
}

statements! { "voter":
    INSERT = rows Rows {
        head: "INSERT INTO voter (id, study_id, number, name, address, language, district, class, postal) VALUES",
        first: 1,
        columns: 9,
        tail: "",
    };
    CORRECT = same "UPDATE voter SET name = $2, address = $3, language = $4, district = $5, class = $6, postal = $7 WHERE id = $1";
    DELETE = same "DELETE FROM voter WHERE id = $1";
    KNOW = rows Rows {
        head: "INSERT INTO voter_address (voter_id, code) VALUES",
        first: 1,
        columns: 2,
        tail: " ON CONFLICT (voter_id) DO UPDATE SET code = excluded.code",
    };
    FORGET = same "DELETE FROM voter_address WHERE voter_id = $1";
    // Whose address another of the same roll has, too, is not known by it.
    BY_ADDRESS = same select!("WHERE id IN (SELECT voter_id FROM voter_address WHERE code = $1) AND NOT EXISTS \
        (SELECT 1 FROM voter_address own JOIN voter_address other ON other.code = own.code AND other.voter_id <> own.voter_id \
        JOIN voter twin ON twin.id = other.voter_id WHERE own.voter_id = voter.id AND twin.study_id = voter.study_id) \
        ORDER BY study_id DESC LIMIT $2");
    BY_NUMBER = same select!("WHERE study_id = $1 AND number = $2");
    BY_CREDENTIAL = same select!("WHERE id = (SELECT voter_id FROM voter_credential WHERE credential_id = $1)");
    LIST = same select!("WHERE study_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    // Whoever votes by post gets no credential, for it would open nothing.
    WITHOUT_CREDENTIAL = same select!("WHERE study_id = $1 AND postal = 0 AND NOT EXISTS \
        (SELECT 1 FROM voter_credential WHERE voter_credential.voter_id = voter.id) ORDER BY id LIMIT $2");
    LINK = rows Rows {
        head: "INSERT INTO voter_credential (credential_id, voter_id) VALUES",
        first: 1,
        columns: 2,
        tail: "",
    };
    UNLINK = same "DELETE FROM voter_credential WHERE voter_id = $1";
    CREDENTIALS = same "SELECT credential_id FROM voter_credential WHERE voter_id = $1 ORDER BY credential_id";
    TURNOUT = same "SELECT count(*), CAST(coalesce(sum(postal), 0) AS BIGINT), count(voted.voter_id), \
        CAST(coalesce(sum(CASE WHEN postal = 0 AND voted.voter_id IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT) \
        FROM voter LEFT JOIN voted ON voted.voter_id = voter.id WHERE voter.study_id = $1";
    // The primary key is what decides between two who vote at once.
    VOTE = same "INSERT INTO voted (voter_id, submission, receipt, day) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    VOTED = same "SELECT submission, receipt, day FROM voted WHERE voter_id = $1";
    WHO_VOTED = same "SELECT voted.voter_id FROM voted JOIN voter ON voter.id = voted.voter_id WHERE voter.study_id = $1 \
        ORDER BY voted.voter_id";
    RECEIPTS = same "SELECT voted.receipt FROM voted JOIN voter ON voter.id = voted.voter_id WHERE voter.study_id = $1";
}

/// Study, voter and column: what is moved opens nowhere else.
fn place(study_id: i64, id: &Mark, column: &[u8]) -> Vec<u8> {
    [&study_id.to_be_bytes()[..], &id.0, column].concat()
}

fn sealed(ring: &KeyRing, row: &VoterRow, column: &[u8], text: &str) -> Result<Vec<u8>, NoKey> {
    let size = (text.len() + seal::LENGTH_BYTES).next_multiple_of(STEP);
    let padded = seal::pad(text.as_bytes(), size).ok_or(NoKey)?;
    ring.keep(PURPOSE, &place(row.study_id, &row.id, column), &padded)
}

fn opened(ring: &KeyRing, place: &[u8], kept: &[u8]) -> Result<String, StoreError> {
    let opened = ring.open(PURPOSE, place, kept).and_then(|padded| {
        let plain = seal::unpad(&padded).ok_or(Unopened::Damaged)?;
        String::from_utf8(plain.to_vec()).map_err(|_| Unopened::Damaged)
    });
    opened.map_err(|why| StoreError::Unopened { what: "a name or an address on a roll".to_string(), why })
}

fn read(mut row: Row, ring: &KeyRing) -> Result<VoterRow, StoreError> {
    let (id, study_id, number) = (row.mark()?, row.int()?, row.text()?);
    let name = opened(ring, &place(study_id, &id, NAME), &row.blob()?)?;
    let address = opened(ring, &place(study_id, &id, ADDRESS), &row.blob()?)?;
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let language = Language::find(&row.text()?);
    let (district, class) = (some(row.text()?), some(row.text()?));
    let postal = row.int()? != 0;
    Ok(VoterRow { id, study_id, entry: Entry { number, name, address, language, district, class, postal } })
}

fn code(language: Option<Language>) -> &'static str {
    language.map(Language::code).unwrap_or_default()
}

/// Puts voters on the roll.
///
/// # Errors
/// [`StoreError::Conflict`] if a member number stands on the roll; it may come from a later call. There is no key.
pub async fn insert(tx: &mut Tx, new: &[VoterRow]) -> Result<(), StoreError> {
    let ring = Arc::clone(tx.ring());
    for run in chunks(new) {
        let mut kept = Vec::with_capacity(run.len());
        for one in run {
            let Entry { name, address, .. } = &one.entry;
            kept.push((sealed(&ring, one, NAME, name)?, sealed(&ring, one, ADDRESS, address)?));
        }
        let mut binds: Vec<Bind<'_>> = Vec::with_capacity(run.len() * 9);
        for (one, (name, address)) in run.iter().zip(&kept) {
            binds.extend::<[Bind<'_>; 9]>([
                (&one.id).into(),
                one.study_id.into(),
                (&one.entry.number).into(),
                name.into(),
                address.into(),
                code(one.entry.language).into(),
                one.entry.district.as_deref().unwrap_or("").into(),
                one.entry.class.as_deref().unwrap_or("").into(),
                i64::from(one.entry.postal).into(),
            ]);
        }
        tx.later_rows(&INSERT, run.len(), &binds, Expect::Any).await?;
    }
    know(tx, &ring, new).await
}

/// Makes voters known by their addresses, as far as they have some.
async fn know(tx: &mut Tx, ring: &KeyRing, rows: &[VoterRow]) -> Result<(), StoreError> {
    let coded: Vec<(Mark, [u8; 32])> =
        rows.iter().filter_map(|row| Some((row.id, code_of(ring, &row.entry.address)?))).collect();
    for run in chunks(&coded) {
        let binds: Vec<Bind<'_>> = run.iter().flat_map(|(id, code)| [Bind::from(id), code.into()]).collect();
        tx.later_rows(&KNOW, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// The code of an address by the key that seals; none of an empty one.
fn code_of(ring: &KeyRing, address: &str) -> Option<[u8; 32]> {
    let written = Some(address).filter(|address| !address.is_empty())?;
    ring.codes(ADDRESS_CODE, written.as_bytes()).next().map(|coded| coded.code)
}

/// Gives a voter another name, address, language, district, class, and way to vote, as they stand in the row.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call. There is no key.
pub async fn correct(tx: &mut Tx, row: &VoterRow) -> Result<(), StoreError> {
    let ring = Arc::clone(tx.ring());
    let Entry { name, address, language, district, class, postal, .. } = &row.entry;
    let (name, address) = (sealed(&ring, row, NAME, name)?, sealed(&ring, row, ADDRESS, address)?);
    let (district, class) = (district.as_deref().unwrap_or(""), class.as_deref().unwrap_or(""));
    let expect = Expect::Present { noun: "voter", key: row.id.text() };
    let binds = binds![&row.id, &name, &address, code(*language), district, class, i64::from(*postal)];
    tx.later(&CORRECT, binds, expect).await?;
    tx.later(&FORGET, binds![&row.id], Expect::Any).await?;
    know(tx, &ring, std::slice::from_ref(row)).await
}

/// Takes a voter off the roll; their credentials are nobody's then.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn delete(tx: &mut Tx, id: &Mark) -> Result<(), StoreError> {
    tx.later(&UNLINK, binds![id], Expect::Any).await?;
    tx.later(&FORGET, binds![id], Expect::Any).await?;
    tx.later(&DELETE, binds![id], Expect::Present { noun: "voter", key: id.text() }).await
}

/// The voter of that member number.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn find_by_number<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    number: &str,
) -> Result<Option<VoterRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&BY_NUMBER, binds![study_id, number]).await?.map(|row| read(row, &ring)).transpose()
}

/// The voter whose credential that is.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn find_by_credential<'a>(
    from: impl Into<Reader<'a>>,
    credential: &Mark,
) -> Result<Option<VoterRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&BY_CREDENTIAL, binds![credential]).await?.map(|row| read(row, &ring)).transpose()
}

/// At most `most` voters of that folded address, of all elections; none of an election in which several have it.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn list_by_address(store: &Store, address: &str, most: i64) -> Result<Vec<VoterRow>, StoreError> {
    let ring = Arc::clone(store.ring());
    let mut found = Vec::new();
    for coded in ring.codes(ADDRESS_CODE, address.as_bytes()) {
        let rows = Reader::from(store).fetch(&BY_ADDRESS, binds![&coded.code, most]).await?;
        for row in rows {
            found.push(read(row, &ring)?);
        }
    }
    // Two of one roll whose codes are by different keys.
    let studies: Vec<i64> = found.iter().map(|row| row.study_id).collect();
    found.retain(|row| studies.iter().filter(|id| **id == row.study_id).count() == 1);
    Ok(found)
}

/// The voter of that folded address, if one alone on the roll has it.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn find_by_address(store: &Store, study_id: i64, address: &str) -> Result<Option<VoterRow>, StoreError> {
    let all = list_by_address(store, address, limits::ELECTIONS_OF_AN_ACCOUNT).await?;
    Ok(all.into_iter().find(|row| row.study_id == study_id))
}

/// At most `most` voters behind `after`, by their random names.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: &Mark,
    most: i64,
) -> Result<Vec<VoterRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&LIST, binds![study_id, after, most]).await?.into_iter().map(|row| read(row, &ring)).collect()
}

/// At most `most` voters who vote on the web and never got a credential.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn list_without_credential(tx: &mut Tx, study_id: i64, most: i64) -> Result<Vec<VoterRow>, StoreError> {
    let ring = Arc::clone(tx.ring());
    tx.fetch(&WITHOUT_CREDENTIAL, binds![study_id, most]).await?.into_iter().map(|row| read(row, &ring)).collect()
}

/// Says whose credentials these are: credential and voter.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn link(tx: &mut Tx, pairs: &[(Mark, Mark)]) -> Result<(), StoreError> {
    for run in chunks(pairs) {
        let binds: Vec<Bind<'_>> =
            run.iter().flat_map(|(credential, voter)| [Bind::from(credential), voter.into()]).collect();
        tx.later_rows(&LINK, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// The names of a voter's credentials, of those that open nothing any more, too.
///
/// # Errors
/// Those of the database.
pub async fn credentials<'a>(from: impl Into<Reader<'a>>, id: &Mark) -> Result<Vec<Mark>, StoreError> {
    from.into().fetch(&CREDENTIALS, binds![id]).await?.into_iter().map(|mut row| row.mark()).collect()
}

/// How many are on the roll, and how many of them have voted.
///
/// # Errors
/// Those of the database.
pub async fn turnout<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Turnout, StoreError> {
    let Some(mut row) = from.into().find(&TURNOUT, binds![study_id]).await? else { return Ok(Turnout::default()) };
    let mut number = || row.int().map(|many| u64::try_from(many).unwrap_or_default());
    Ok(Turnout { voters: number()?, postal: number()?, voted: number()?, left: number()? })
}

/// Says that somebody has voted; whether they had not yet.
///
/// # Errors
/// Those of the database.
pub async fn record_vote(tx: &mut Tx, id: &Mark, voted: &VotedRow) -> Result<bool, StoreError> {
    Ok(tx.execute(&VOTE, binds![id, &voted.submission, &voted.receipt, &voted.day]).await? > 0)
}

/// That somebody has voted, if they have.
///
/// # Errors
/// Those of the database.
pub async fn find_vote<'a>(from: impl Into<Reader<'a>>, id: &Mark) -> Result<Option<VotedRow>, StoreError> {
    let found = from.into().find(&VOTED, binds![id]).await?;
    found.map(|mut row| Ok(VotedRow { submission: row.mark()?, receipt: row.text()?, day: row.text()? })).transpose()
}

/// Voters who have voted, by their random names.
///
/// # Errors
/// Those of the database.
pub async fn who_voted<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<Mark>, StoreError> {
    from.into().fetch(&WHO_VOTED, binds![study_id]).await?.into_iter().map(|mut row| row.mark()).collect()
}

/// The receipt numbers of all votes, sorted.
///
/// # Errors
/// Those of the database.
pub async fn receipts<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<String>, StoreError> {
    let rows = from.into().fetch(&RECEIPTS, binds![study_id]).await?;
    let mut receipts = rows.into_iter().map(|mut row| row.text()).collect::<Result<Vec<String>, StoreError>>()?;
    // Engines sort texts by rules of their own.
    receipts.sort_unstable();
    Ok(receipts)
}
