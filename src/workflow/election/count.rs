//! The opened urn: every paper at once, as a table of ballots that anybody counts, and the other files that a committee is handed.
//!
//! Ballots of one voter in several contests are parted here. Each content stands in the table once, with how many are like it, in the order
//! of the contents ([`ballots_file::write`]): a shuffled list would tell as little, but could not be made again to compare it.

use std::fmt::Write;

use super::{ElectionError, Floor, Refusal, everybody, hex, of, rule};
use crate::definition::ballots_file;
use crate::domain::election::letters::Round;
use crate::domain::election::roll;
use crate::domain::election::{Ballot, Election};
use crate::store::voter::{self, VoterRow};
use crate::store::{Tx, election as kept, urn, voter_letter};
use crate::workflow::ledger::Ledger;
use crate::workflow::shelf::{Shelf, ShelvedStudy};
use crate::workflow::urn::take_out;
use crate::workflow::{Failure, Means};

/// What came out of the urn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Papers, one for each who voted on the web.
    pub papers: u64,
    /// SHA-256 of the table of ballots, in lower-case hexadecimal.
    pub ballots: String,
}

/// Opens the urn of a locked study: all of it, or nothing.
///
/// # Errors
/// A key that is lost, a paper that is damaged, or more or fewer papers than marks on the roll; the database.
pub(super) async fn open(tx: &mut Tx, floor: &Floor<'_>, means: Means<'_>) -> Result<Opened, Failure> {
    let shelved = floor.shelved;
    let ids = urn::ids(&mut *tx, shelved.id).await?;
    let voted = voter::turnout(&mut *tx, shelved.id).await?.voted;
    let papers = ids.len() as u64;
    if papers != voted {
        return Err(Failure::Contradiction(format!("{papers} papers are in the urn, and {voted} marks on the roll")));
    }
    let mut ballots: Vec<Ballot> = Vec::new();
    for table in take_out(tx, shelved, means, &ids).await? {
        let read = ballots_file::read("paper", table.as_bytes(), floor.election);
        // What is wrong with it would tell what stands there.
        let unread = |_| Failure::Contradiction("a paper in the urn cannot be read as ballots".to_string());
        ballots.extend(read.map_err(unread)?);
    }
    let table = ballots_file::write(&ballots);
    kept::keep_ballots(tx, shelved.id, &table).await?;
    Ok(Opened { papers, ballots: digest(&table) })
}

/// The ballots that came out of the urn.
///
/// # Errors
/// A [`Refusal`] where it was not opened; the database; a key that is missing.
pub(super) async fn opened(tx: &mut Tx, floor: &Floor<'_>) -> Result<Vec<Ballot>, ElectionError> {
    let shelved = floor.shelved;
    let not_opened = || Refusal::NotOpened(shelved.study.slug.clone());
    let table = kept::ballots(&mut *tx, shelved.id).await?.ok_or_else(not_opened)?;
    let unread = |_| Failure::Contradiction("the ballots that came out of the urn cannot be read".to_string());
    Ok(ballots_file::read("ballots", table.as_bytes(), floor.election).map_err(unread)?)
}

fn digest(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(text).into())
}

/// The files that a committee is handed when the urn was opened.
#[derive(Clone, Debug)]
pub struct Package {
    /// The rules, as they were frozen.
    pub rule: String,
    /// Ballots without names.
    pub ballots: String,
    /// The roll with the mark of each who voted on the web.
    pub roll: String,
    /// What a count has to know beside: how many are on the roll.
    pub facts: String,
    /// Receipt numbers, sorted: a voter finds theirs, and nobody else's name.
    pub receipts: String,
}

/// The files of an election whose urn was opened.
///
/// # Errors
/// A [`Refusal`]; the database; a key that is missing.
pub async fn package(shelf: &Shelf, shelved: &ShelvedStudy) -> Result<Package, ElectionError> {
    let election = of(shelved)?;
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let slug = || shelved.study.slug.clone();
    if voter_letter::rounds(&mut *tx, shelved.id).await?.iter().any(|own| own.round == Round::Deletion) {
        return Err(Refusal::Deleted(slug()).into());
    }
    let ballots = kept::ballots(&mut *tx, shelved.id).await?.ok_or_else(|| Refusal::NotOpened(slug()))?;
    let mut rows = everybody(tx, shelved.id).await?;
    let voted = voter::who_voted(&mut *tx, shelved.id).await?;
    rows.sort_by(|one, other| one.entry.number.cmp(&other.entry.number));
    let receipts = voter::receipts(&mut *tx, shelved.id).await?;
    Ok(Package {
        rule: rule(tx, page, shelved).await?,
        ballots,
        roll: marked(election, &rows, |row| voted.binary_search(&row.id).is_ok()),
        facts: facts(election, &rows),
        receipts: receipts.iter().map(|receipt| format!("{receipt}\n")).collect(),
    })
}

/// The roll as a table: `number,name,district,class,postal,voted`, without the columns that the election does not have.
fn marked(election: &Election, rows: &[VoterRow], voted: impl Fn(&VoterRow) -> bool) -> String {
    let (districts, classes) = (!election.districts.is_empty(), !election.classes.is_empty());
    let columns = [
        ("number", true),
        ("name", true),
        ("district", districts),
        ("class", classes),
        ("postal", true),
        ("voted", true),
    ];
    let mark = |is: bool| if is { "1" } else { "" };
    let mut table = csv::Writer::from_writer(Vec::new());
    let header = columns.iter().filter(|(_, there)| *there).map(|(name, _)| *name);
    table.write_record(header).expect("memory takes any record");
    for row in rows {
        let own = &row.entry;
        let cells = [
            own.number.as_str(),
            own.name.as_str(),
            own.district.as_deref().unwrap_or(""),
            own.class.as_deref().unwrap_or(""),
            mark(own.postal),
            mark(voted(row)),
        ];
        let cells = cells.iter().zip(&columns).filter(|(_, (_, there))| *there).map(|(cell, _)| *cell);
        table.write_record(cells).expect("each record has the columns");
    }
    let bytes = table.into_inner().expect("memory takes what is left");
    String::from_utf8(bytes).expect("it was written from texts")
}

/// The file of facts for `hagaki election tally`.
fn facts(election: &Election, rows: &[VoterRow]) -> String {
    let numbers = roll::numbers(election, &super::entries(rows));
    let mut text = "# Voters on the roll. Seed, declines and decisions are added by whoever counts.\n".to_string();
    let of = |id: &Option<String>, many: &u64| match id {
        Some(id) => format!("\"{id}\" = {many}"),
        None => many.to_string(),
    };
    let each: Vec<String> = numbers.iter().map(|(id, many)| of(id, many)).collect();
    let _ = match election.districts.is_empty() {
        true => writeln!(text, "roll = {}", each.concat()),
        false => writeln!(text, "roll = {{ {} }}", each.join(", ")),
    };
    text
}
