//! Elections whose votes are cast here: the whole life of one; votes raced against each other and against the committee; votes and the
//! opening of the urn disturbed at every single place. That nobody is joined to a vote: `privacy::ballots`.

mod disturbed;
mod kept;
pub(crate) mod letters;
pub(crate) mod pages;
mod raced;
mod result;
mod seen;
mod told;

use std::sync::Arc;

use hagaki::definition::{Bundle, samples};
use hagaki::domain::election::phase::Step;
use hagaki::domain::election::roll::Entry;
use hagaki::domain::election::{Choice, Mark as Sign, Who};
use hagaki::domain::study::Stage;
use hagaki::domain::survey::Mark;
use hagaki::domain::time::{Clock, Instant, Zone};
use hagaki::store::credential::{self, State};
use hagaki::store::{Store, StoreError, bundle as stored, study, voter};
use hagaki::workflow::election::cast::{self, Outcome, Paper};
use hagaki::workflow::election::count::{self, Package};
use hagaki::workflow::election::credentials::{self, Issued};
use hagaki::workflow::election::roll::{self, Change, Changed, Imported};
use hagaki::workflow::election::steps::{self, Taken, Wish};
use hagaki::workflow::election::{ElectionError, Refusal};
use hagaki::workflow::life::Act;
use hagaki::workflow::shelf::{Shelf, ShelvedStudy, bundle_of};
use hagaki::workflow::{DeskAddress, Failure, Keys, Means};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::*;

/// The two of the committee.
pub(crate) const CHAIR: &str = "committee";
pub(crate) const SCRUTINEER: &str = "scrutineer";
/// The first and the last moment of voting, by the study's clock.
pub(crate) const OPENS: &str = "2027-01-12 09:00";
pub(crate) const CLOSES: &str = "2027-01-31 17:00";

/// COUNCIL with a contest in which names are written in.
pub(crate) fn bundle() -> Bundle {
    let bundle = samples::council();
    let auditor = "\n[[contests]]\nid = \"auditor\"\ntitle = { ja = \"監事選挙\", en = \"Election of an auditor\" }\nseats = 1\n\
         method = \"single\"\nwrite_in = 1\ntie = [\"lot\"]\n\n[[contests.candidates]]\nid = \"a01\"\n\
         name = { ja = \"山本 翔\", en = \"YAMAMOTO Sho\" }\n";
    let rules = format!("{}{auditor}", bundle.election().unwrap());
    with_file(&bundle, "election.toml", &rules)
}

pub(crate) fn number(at: usize) -> String {
    format!("M-{at:04}")
}

/// Somebody on the roll; whoever has an even number is of the east.
pub(crate) fn entry(at: usize) -> Entry {
    Entry {
        number: number(at),
        name: format!("Member {at}"),
        address: format!("member-{at:04}@example.jp"),
        language: None,
        district: Some(if at.is_multiple_of(2) { "east" } else { "west" }.to_owned()),
        class: None,
        postal: false,
    }
}

/// What that voter casts, with a name of their own written in.
pub(crate) fn choices(at: usize, written: &str) -> Vec<(String, Choice)> {
    let sign = if at.is_multiple_of(3) { Sign::No } else { Sign::Yes };
    let named = if at.is_multiple_of(2) { "c01" } else { "c06" };
    vec![
        ("president".to_owned(), Choice::Marks(vec![("c01".to_owned(), sign)])),
        ("council".to_owned(), Choice::Names(vec![Who::Listed(named.to_owned())])),
        ("auditor".to_owned(), Choice::Names(vec![Who::Written(written.to_owned())])),
    ]
}

/// The page of that number.
pub(crate) fn page(at: usize) -> Mark {
    let mut mark = [0; 16];
    mark[..8].copy_from_slice(&(at as u64 + 1).to_be_bytes());
    Mark(mark)
}

pub(crate) fn moment(shown: &str) -> Instant {
    Zone::find("Asia/Tokyo").unwrap().parse_moment(shown).unwrap()
}

pub(crate) fn wind_to(center: &Center, shown: &str) {
    center.wind(moment(shown).seconds_since(center.clock.now()));
}

/// Somebody who acts on an election, through a store and at a moment of their own.
#[derive(Clone)]
pub(crate) struct Booth {
    shelf: Arc<Shelf>,
    keys: Arc<Keys>,
    desk: DeskAddress,
    dice: Arc<SeededDice>,
    now: Instant,
}

impl Booth {
    /// On the center's own store, now.
    pub(crate) fn of(center: &Center) -> Booth {
        Booth::on(center, center.store())
    }

    pub(crate) fn on(center: &Center, store: &Store) -> Booth {
        Booth {
            shelf: Arc::new(center.shelf_on(store)),
            keys: center.keys.clone(),
            desk: center.process.calendar.desk.clone(),
            dice: center.dice.clone(),
            now: center.clock.now(),
        }
    }

    pub(crate) fn at(self, shown: &str) -> Booth {
        Booth { now: moment(shown), ..self }
    }

    fn means(&self) -> Means<'_> {
        Means { now: self.now, dice: &*self.dice, keys: &self.keys, desk: &self.desk }
    }

    fn act<'a>(&self, reason: &'a str) -> Act<'a> {
        Act { actor: "operator:tester", at: self.now, reason }
    }

    async fn shelved(&self) -> Result<ShelvedStudy, Failure> {
        let row = study::find_current(self.shelf.store(), "council").await?;
        let missing = || Failure::Store(StoreError::Missing { noun: "study", key: "council".to_owned() });
        self.shelf.load(&row.ok_or_else(missing)?).await
    }

    pub(crate) async fn import(&self, list: &[Entry]) -> Result<Imported, ElectionError> {
        let shelved = self.shelved().await?;
        roll::import(&self.shelf, &shelved, self.means(), self.act(""), list, false).await
    }

    pub(crate) async fn change(&self, change: Change<'_>, reason: &str) -> Result<Changed, ElectionError> {
        let shelved = self.shelved().await?;
        roll::change(&self.shelf, &shelved, self.means(), self.act(reason), change).await
    }

    pub(crate) async fn take(&self, step: Step, by: &str) -> Result<Taken, ElectionError> {
        let shelved = self.shelved().await?;
        let text = if step == Step::Record { self.outcome().await } else { String::new() };
        let outcome = (step == Step::Record).then_some(steps::Outcome { text: &text, published: &[] });
        let wish = Wish { step, by, outcome, act: self.act("by the rules") };
        steps::take(&self.shelf, &shelved, self.means(), wish).await
    }

    /// The least that can be put on record: the outcome of no contest, by these rules.
    async fn outcome(&self) -> String {
        let shelved = self.shelved().await.unwrap();
        let row = study::find_current(self.shelf.store(), "council").await.unwrap().unwrap();
        let stored = stored::load(self.shelf.store(), shelved.id, shelved.version).await.unwrap();
        let bundle = bundle_of(&row, &stored.digest, &stored.files).unwrap();
        let rule = data_encoding::HEXLOWER.encode(&Sha256::digest(bundle.election().unwrap()));
        json!({ "files": [{ "file": "election.toml", "sha256": rule }], "seed": null, "complete": true, "contests": [] }).to_string()
    }

    /// Both of the committee take a step.
    pub(crate) async fn both(&self, step: Step) -> Taken {
        let asked = self.take(step, CHAIR).await.unwrap();
        assert!(matches!(asked, Taken::Asked { lapsed: false, .. }), "{asked:?}");
        let done = self.take(step, SCRUTINEER).await.unwrap();
        assert!(matches!(&done, Taken::Done { first, .. } if first == CHAIR), "{done:?}");
        done
    }

    pub(crate) async fn issue(&self) -> Vec<Issued> {
        let shelved = self.shelved().await.unwrap();
        credentials::issue(&self.shelf, &shelved, self.means(), self.act("voting begins")).await.unwrap()
    }

    pub(crate) async fn reissue(&self, number: &str) -> Result<Issued, ElectionError> {
        let shelved = self.shelved().await?;
        credentials::reissue(&self.shelf, &shelved, self.means(), self.act("the letter was lost"), number).await
    }

    /// The credential with which that voter votes.
    pub(crate) async fn credential(&self, number: &str) -> Mark {
        let (shelved, store) = (self.shelved().await.unwrap(), self.shelf.store());
        let own = voter::find_by_number(store, shelved.id, number).await.unwrap().unwrap();
        let mut good = Vec::new();
        for id in voter::credentials(store, &own.id).await.unwrap() {
            let row = credential::find(store, &id).await.unwrap().unwrap();
            good.extend((row.state == State::Active).then_some(id));
        }
        assert_eq!(good.len(), 1, "{number}");
        good[0]
    }

    pub(crate) async fn cast(
        &self,
        credential: Mark,
        mark: Mark,
        choices: &[(String, Choice)],
    ) -> Result<Outcome, Failure> {
        self.hand_in(Paper { credential, mark, choices, knowing: false }).await
    }

    pub(crate) async fn hand_in(&self, paper: Paper<'_>) -> Result<Outcome, Failure> {
        let shelved = self.shelved().await?;
        cast::cast(&self.shelf, &shelved, self.means(), paper).await
    }

    pub(crate) async fn package(&self) -> Result<Package, ElectionError> {
        let shelved = self.shelved().await?;
        count::package(&self.shelf, &shelved).await
    }
}

/// Why something was refused, in words.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, ElectionError>) -> String {
    match result {
        Err(ElectionError::Refused(refusal)) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Whether a step was refused because this person asked for it, or because it was taken.
pub(crate) fn is_past(error: &ElectionError) -> bool {
    match error {
        ElectionError::Refused(Refusal::Same(_)) => true,
        ElectionError::Refused(Refusal::Unlawful(why)) => why == "it was done before",
        _ => false,
    }
}

/// An election with so many voters, each with a credential, at the first moment of voting.
pub(crate) async fn opened(center: &Center, many: usize) -> Vec<Issued> {
    opened_as(center, &bundle(), Stage::Development, many).await
}

/// The same by other rules, in which there are the two districts and times of COUNCIL.
pub(crate) async fn opened_as(center: &Center, bundle: &Bundle, stage: Stage, many: usize) -> Vec<Issued> {
    center.activate(bundle, stage).await;
    let roll: Vec<Entry> = (0..many).map(entry).collect();
    assert_eq!(Booth::of(center).import(&roll).await.unwrap().added, many);
    Booth::of(center).both(Step::Objection).await;
    wind_to(center, "2026-12-25 17:00");
    Booth::of(center).both(Step::Open).await;
    let issued = Booth::of(center).issue().await;
    assert_eq!(issued.len(), many);
    wind_to(center, OPENS);
    issued
}

/// Everybody of those numbers votes, each by a page of their own.
pub(crate) async fn vote(center: &Center, numbers: impl IntoIterator<Item = usize>) {
    let booth = Booth::of(center);
    for at in numbers {
        let credential = booth.credential(&number(at)).await;
        let cast = booth.cast(credential, page(at), &choices(at, &format!("Name {at}"))).await.unwrap();
        assert!(matches!(cast, Outcome::Cast(_)), "{cast:?}");
    }
}
