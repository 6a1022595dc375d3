//! The same of elections: who has voted is known, to the day, and what was voted is nobody's. Looked at while papers are in the urn, and
//! when all of them came out; by the database alone, and by whoever has the table of ballots besides.

use std::collections::{BTreeMap, BTreeSet};

use hagaki::domain::election::phase::Step;
use hagaki::workflow::election::credentials::Issued;
use hagaki::workflow::election::steps::Taken;

use super::dump::Found;
use super::*;
use crate::voting::pages::{cast_by_page, marks, path_of, receipt_on, serve};
use crate::voting::{Booth, CLOSES, number, opened, wind_to};

/// Everybody votes on the pages, a minute apart, in an order that is not the roll's, each with words of their own written in; gives them in
/// that order.
async fn vote(center: &Center, issued: &[Issued]) -> Vec<Person> {
    let (pages, mut people) = (serve(center).await, Vec::new());
    for at in 0..MANY {
        let own = (at * 13 + 3) % MANY;
        center.wind(60);
        let words = words(own);
        let marked = marks(own, &words);
        let marked: Vec<(&str, &str)> = marked.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let receipt = receipt_on(&cast_by_page(&pages, &path_of(issued, own), &marked).await);
        people.push(Person { address: number(own), receipt, words });
    }
    people
}

fn row<'c>(table: &str, cells: impl IntoIterator<Item = (&'c str, String)>) -> Found {
    Found {
        table: table.to_owned(),
        cells: cells.into_iter().map(|(column, cell)| (column.to_owned(), cell)).collect(),
    }
}

/// A dump in the words of a survey, so that the ways to join are the same: voters as participants, known by their member numbers; the marks
/// on the roll as uses; lines of a table of ballots as answers, in their order.
fn as_survey(dump: &Dump, ballots: &[String]) -> Dump {
    let renamed = dump.rows.iter().filter(|row| !["credential", "answered"].contains(&row.table.as_str())).map(|row| {
        let mut row = row.clone();
        match row.table.as_str() {
            "voter" => {
                row.table = "participant".to_owned();
                row.cells.insert("address".to_owned(), row.cell("number").to_owned());
            }
            "voted" => {
                row.table = "answered".to_owned();
                row.cells.insert("credential_id".to_owned(), row.cell("voter_id").to_owned());
            }
            _ => {}
        }
        row
    });
    let voters = dump.table("voter").map(|row| row.cell("id").to_owned());
    let credentials = voters.map(|id| row("credential", [("id", id.clone()), ("participant_id", id)]));
    let answers = ballots.iter().enumerate().map(|(at, line)| {
        row("response", [("id", format!("line-{at:08}")), ("(rowid)", at.to_string()), ("answers", line.clone())])
    });
    Dump { rows: renamed.chain(credentials).chain(answers).collect(), files: dump.files.clone() }
}

/// That no name and no address of the roll stands in plain bytes.
fn assert_nameless(dump: &Dump) {
    for own in (0..MANY).map(crate::voting::entry) {
        for told in [&own.name, &own.address] {
            // Member 1 is the beginning of Member 10.
            assert!(!dump.rows.iter().any(|row| row.cells.values().any(|cell| cell.contains(told.as_str()))), "{told}");
            assert!(!dump.lies_in_files(told.as_bytes()), "{told}");
        }
    }
}

stories! {
    async fn nobody_is_joined_to_a_vote(center: &mut Center) {
        let lines = Lines::default();
        let logging = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(lines.clone()).finish();
        let _logging = tracing::subscriber::set_default(logging);
        let recorder = PrometheusBuilder::new().build_recorder();
        let _counting = metrics::set_default_local_recorder(&recorder);
        let issued = opened(center, MANY).await;
        let (before, counted) = (dump(&center.world).await, recorder.handle().render());
        let people = vote(center, &issued).await;

        // While votes are taken: sealed, of one length, under random names; and nothing else has moved.
        let sealed = dump(&center.world).await;
        assert_eq!((sealed.table("urn").count(), sealed.table("voted").count()), (MANY, MANY));
        assert_sealed(&sealed, &people);
        assert_nameless(&sealed);
        let lengths: BTreeSet<usize> = sealed.table("urn").map(|row| row.cell("sealed").len()).collect();
        assert_eq!(lengths.len(), 1, "the length tells something");
        let columns = |name: &str, dump: &Dump| -> BTreeSet<String> {
            dump.table(name).flat_map(|row| row.cells.keys().filter(|key| !key.starts_with('(')).cloned()).collect()
        };
        assert_eq!(columns("urn", &sealed), BTreeSet::from(["id", "sealed", "study_id"].map(str::to_owned)));
        assert_eq!(columns("voted", &sealed), BTreeSet::from(["day", "receipt", "submission", "voter_id"].map(str::to_owned)));
        for name in ["audit", "study", "session", "outbox", "credential", "answered", "voter", "voter_credential", "election_step"] {
            let of = |dump: &Dump| dump.table(name).map(|row| row.cells.clone()).collect::<Vec<_>>();
            let told = |rows: Vec<BTreeMap<String, String>>| -> Vec<Vec<String>> {
                let own = |cells: BTreeMap<String, String>| {
                    cells.into_iter().filter(|(column, _)| !column.starts_with('(')).map(|(_, cell)| cell).collect()
                };
                rows.into_iter().map(own).collect()
            };
            assert_eq!(told(of(&sealed)), told(of(&before)), "{name} moves with votes");
        }
        assert_eq!(recorder.handle().render(), counted, "a counter that moves with each vote is a clock");

        // The urn is opened.
        wind_to(center, CLOSES);
        let Taken::Done { opened: Some(out), .. } = Booth::of(center).both(Step::Close).await
        else { panic!() };
        assert_eq!(out.papers, MANY as u64);
        center.attend().await;
        center.settle().await;
        let whole = dump(&center.world).await;
        assert_eq!(whole.table("urn").count(), 0);
        assert_nameless(&whole);
        for person in &people {
            assert!(!whole.lies_in_files(person.words.as_bytes()), "{person:?}");
        }
        for paper in sealed.table("urn") {
            let bytes = data_encoding::HEXLOWER.decode(paper.cell("sealed").as_bytes()).unwrap();
            // The first bytes name the key, the next are random; of a text out of line they begin a piece.
            assert!(!whole.lies_in_files(&bytes[8..72]), "a sealed paper is left over");
        }
        let package = Booth::of(center).package().await.unwrap();
        let ballots: Vec<String> = package.ballots.lines().filter(|line| line.starts_with("auditor,")).map(str::to_owned).collect();
        assert_eq!(ballots.len(), MANY);
        assert!(people.iter().all(|person| ballots.iter().filter(|line| line.contains(&person.words)).count() == 1));
        assert_blind(&as_survey(&whole, &ballots), &people);
        // Ballots of one voter in several contests are parted.
        assert!(package.ballots.lines().all(|line| line.matches("auditor").count() < 2));

        // The same ways find everybody where ballots lie in the order in which they were cast.
        let in_order: Vec<String> = people.iter().map(|person| format!("auditor,,,,{},,1", person.words)).collect();
        let scores = attack(&as_survey(&whole, &in_order), &people);
        let right = scores.iter().filter(|score| score.way.contains("people at the door")).map(|score| score.right).max();
        assert_eq!(right, Some(MANY), "{:?}", best(&scores));

        let lines = lines.text();
        for person in &people {
            let secret = issued.iter().find(|one| one.entry.number == person.address).unwrap().secret.text();
            for told in [person.receipt.as_str(), &person.words, secret] {
                assert!(!lines.contains(told), "{told} stands in a log line");
            }
        }
        assert!(dump(&center.world).await.table("voted").all(|row| row.cell("day").len() == 10));
    }
}
