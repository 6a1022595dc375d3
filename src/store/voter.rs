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

/// What names and addresses of voters are sealed for.
const PURPOSE: &str = "hagaki voter";
/// What the codes are for by which a voter is found who writes from their address.
const CODES: &str = "hagaki voter address";
/// Stands in place of a code where there is no address.
const NO_ADDRESS: &str = "none";
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
        head: "INSERT INTO voter (id, study_id, number, name, address, language, district, class, postal, address_code) VALUES",
        first: 1,
        columns: 10,
        tail: "",
    };
    CORRECT = same "UPDATE voter SET name = $2, address = $3, language = $4, district = $5, class = $6, postal = $7, \
        address_code = $8 WHERE id = $1";
    DELETE = same "DELETE FROM voter WHERE id = $1";
    // Whose address another of the same roll has, too, is not known by it.
    OF_ADDRESS = same select!("WHERE address_code = $1 AND NOT EXISTS (SELECT 1 FROM voter twin WHERE twin.address_code = voter.address_code \
        AND twin.study_id = voter.study_id AND twin.id <> voter.id) ORDER BY study_id DESC LIMIT $2");
    BY_NUMBER = same select!("WHERE study_id = $1 AND number = $2");
    BY_CREDENTIAL = same select!("WHERE id = (SELECT voter_id FROM voter_credential WHERE credential_id = $1)");
    LIST = same select!("WHERE study_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    BY_ADDRESS = same select!("WHERE study_id = $1 AND address_code = $2 ORDER BY id");
    WITHOUT_LETTER = same select!("WHERE study_id = $1 AND id > $2 AND NOT EXISTS (SELECT 1 FROM voter_letter \
        WHERE voter_letter.voter_id = voter.id AND voter_letter.occasion = $3) ORDER BY id LIMIT $4");
    SILENT_WITHOUT_LETTER = same select!("WHERE study_id = $1 AND id > $2 AND postal = 0 AND NOT EXISTS (SELECT 1 FROM voter_letter \
        WHERE voter_letter.voter_id = voter.id AND voter_letter.occasion = $3) AND NOT EXISTS (SELECT 1 FROM voted \
        WHERE voted.voter_id = voter.id) ORDER BY id LIMIT $4");
    VOTED_WITHOUT_LETTER = same select!("WHERE study_id = $1 AND id > $2 AND NOT EXISTS (SELECT 1 FROM voter_letter \
        WHERE voter_letter.voter_id = voter.id AND voter_letter.occasion = $3) AND EXISTS (SELECT 1 FROM voted \
        WHERE voted.voter_id = voter.id AND voted.day < $5) ORDER BY id LIMIT $4");
    FORGET_LETTERS = same "DELETE FROM voter_letter WHERE voter_id = $1";
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

/// The code by which an address is found, by the key that seals.
fn code_of(ring: &KeyRing, address: &str) -> String {
    match address {
        "" => NO_ADDRESS.to_string(),
        own => codes_of(ring, own).into_iter().next().unwrap_or_default(),
    }
}

/// Its codes by every key, that one first.
fn codes_of(ring: &KeyRing, address: &str) -> Vec<String> {
    ring.codes(CODES, address.as_bytes()).map(|coded| data_encoding::HEXLOWER.encode(&coded.code)).collect()
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
        let codes: Vec<String> = run.iter().map(|one| code_of(&ring, &one.entry.address)).collect();
        let mut binds: Vec<Bind<'_>> = Vec::with_capacity(run.len() * 10);
        for ((one, (name, address)), address_code) in run.iter().zip(&kept).zip(&codes) {
            binds.extend::<[Bind<'_>; 10]>([
                (&one.id).into(),
                one.study_id.into(),
                (&one.entry.number).into(),
                name.into(),
                address.into(),
                code(one.entry.language).into(),
                one.entry.district.as_deref().unwrap_or("").into(),
                one.entry.class.as_deref().unwrap_or("").into(),
                i64::from(one.entry.postal).into(),
                address_code.into(),
            ]);
        }
        tx.later_rows(&INSERT, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// Gives a voter another name, address, language, district, class, and way to vote, as they stand in the row.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call. There is no key.
pub async fn correct(tx: &mut Tx, row: &VoterRow) -> Result<(), StoreError> {
    let ring = Arc::clone(tx.ring());
    let Entry { name, address, language, district, class, postal, .. } = &row.entry;
    let address_code = code_of(&ring, address);
    let (name, address) = (sealed(&ring, row, NAME, name)?, sealed(&ring, row, ADDRESS, address)?);
    let (district, class) = (district.as_deref().unwrap_or(""), class.as_deref().unwrap_or(""));
    let expect = Expect::Present { noun: "voter", key: row.id.text() };
    let binds = binds![&row.id, &name, &address, code(*language), district, class, i64::from(*postal), &address_code];
    tx.later(&CORRECT, binds, expect).await
}

/// Takes a voter off the roll; their credentials are nobody's then, nor are their letters.
///
/// # Errors
/// [`StoreError::Missing`]; it may come from a later call.
pub async fn delete(tx: &mut Tx, id: &Mark) -> Result<(), StoreError> {
    tx.later(&UNLINK, binds![id], Expect::Any).await?;
    tx.later(&FORGET_LETTERS, binds![id], Expect::Any).await?;
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
pub async fn list_everywhere(store: &Store, address: &str, most: i64) -> Result<Vec<VoterRow>, StoreError> {
    let ring = Arc::clone(store.ring());
    let mut found = Vec::new();
    for code in codes_of(&ring, address) {
        for row in Reader::from(store).fetch(&OF_ADDRESS, binds![&code, most]).await? {
            found.push(read(row, &ring)?);
        }
    }
    // Two of one roll whose codes are by different keys.
    let studies: Vec<i64> = found.iter().map(|row| row.study_id).collect();
    found.retain(|row| row.entry.address == address && studies.iter().filter(|id| **id == row.study_id).count() == 1);
    Ok(found)
}

/// The voter of that folded address, if one alone on the roll has it.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn find_by_address(store: &Store, study_id: i64, address: &str) -> Result<Option<VoterRow>, StoreError> {
    let mut all = list_by_address(store, study_id, address).await?;
    Ok(if all.len() == 1 { all.pop() } else { None })
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

/// Everybody on the roll with that folded address.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn list_by_address<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    address: &str,
) -> Result<Vec<VoterRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    let mut found = Vec::new();
    // The empty code is that of voters who came by an earlier version: their addresses are opened.
    for code in codes_of(&ring, address).into_iter().chain([String::new()]) {
        for row in from.fetch(&BY_ADDRESS, binds![study_id, &code]).await? {
            found.push(read(row, &ring)?);
        }
    }
    found.retain(|row| row.entry.address == address);
    Ok(found)
}

/// Which voters a round of letters is about.
#[derive(Clone, Copy, Debug)]
pub enum Whom<'a> {
    /// Everybody.
    All,
    /// Those on the web who have not voted.
    Silent,
    /// Those who have voted before that day, ISO 8601.
    VotedBefore(&'a str),
}

/// At most `most` voters behind `after` to whom no letter was written for that occasion, by their random names.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn list_without_letter(
    tx: &mut Tx,
    study_id: i64,
    (whom, occasion): (Whom<'_>, &str),
    after: &Mark,
    most: i64,
) -> Result<Vec<VoterRow>, StoreError> {
    let ring = Arc::clone(tx.ring());
    let rows = match whom {
        Whom::All => tx.fetch(&WITHOUT_LETTER, binds![study_id, after, occasion, most]).await?,
        Whom::Silent => tx.fetch(&SILENT_WITHOUT_LETTER, binds![study_id, after, occasion, most]).await?,
        Whom::VotedBefore(day) => tx.fetch(&VOTED_WITHOUT_LETTER, binds![study_id, after, occasion, most, day]).await?,
    };
    rows.into_iter().map(|row| read(row, &ring)).collect()
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
