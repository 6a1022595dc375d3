//! A mailing is one act: listed with what became of its letters, held, let go, and stopped for good.

use std::collections::BTreeMap;

use hagaki::domain::participant::Candidate;
use hagaki::domain::schedule::Target;
use hagaki::domain::throttle::Throttle;
use hagaki::domain::time::Clock;
use hagaki::limits;
use hagaki::mail::Did;
use hagaki::store::outbox::{self, Secret, State, Turn, Which};
use hagaki::store::planned_letter::Fate;
use hagaki::store::{audit, study};
use hagaki::workflow::credentials::Form;
use hagaki::workflow::mailings::{self, Mailing, Name, Steered, Steering};
use hagaki::workflow::schedule::{self, Whose};

use super::scheduled::{ONCE, find, once_by, settled, somebody, take_in, wind_to};
use super::survey::once;
use super::*;

async fn list(center: &Center) -> BTreeMap<String, Mailing> {
    let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved("wellbeing").await);
    let found = mailings::list(&shelf, &shelved, center.clock.now()).await.unwrap();
    found.into_iter().map(|(name, mailing)| (name.to_string(), mailing)).collect()
}

async fn steer(center: &Center, name: &str, what: Steering) -> Steered {
    let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved("wellbeing").await);
    let (name, mut told) = (Name::find(name).unwrap(), 0);
    let act = center.act("the wrong text");
    let steering = mailings::steer(&shelf, &shelved, center.means(), act, (&name, what), |more| told += more);
    let done = steering.await.unwrap();
    assert_eq!(told, done.letters + done.planned + done.under_way, "the bar ends where the work does");
    done
}

async fn chain(center: &Center) -> Vec<(String, String)> {
    let id = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap().id;
    let entries = audit::list(center.store(), id, 0, 100).await.unwrap();
    entries.into_iter().map(|entry| (entry.action, entry.body)).collect()
}

fn only(letters: u64, planned: u64) -> Steered {
    Steered { letters, planned, under_way: 0 }
}

stories! {
    async fn a_mailing_of_a_rule_is_held_let_go_and_stopped(center: &mut Center) {
        const ASK: &str = "wellbeing/2026-11-24/ask";
        let page = u64::try_from(limits::SCHEDULE_LETTERS).unwrap();
        center.activate(&once_by(ONCE), Stage::Production).await;
        let people: Vec<Candidate> = (0..page + 3).map(|number| somebody(&format!("p{number}"), "")).collect();
        take_in(center, &people).await;
        center.attend().await;
        assert!(list(center).await.is_empty(), "what is to come some other day is no mailing yet");
        wind_to(center, "2026-11-24 09:00");
        center.process.calendar.step().await.unwrap();
        let own = list(center).await.remove(ASK).unwrap();
        assert_eq!((own.letters, own.planned), (BTreeMap::from([(State::Waiting, page)]), 3));
        // A few leave, and then somebody sees what they say.
        center.process.mailings.throttle = Throttle { per_minute: Some(60), ..Throttle::default() };
        assert_eq!(center.process.mailings.step().await.unwrap(), Did::Something);
        let sent = center.arrived().await.len() as u64;
        assert!((1..page).contains(&sent), "{sent}");
        assert_eq!(steer(center, ASK, Steering::Hold).await, only(page - sent, 3));
        assert_eq!(steer(center, ASK, Steering::Hold).await, only(0, 0), "all are held");
        center.attend().await;
        center.wind(600);
        assert!(center.settle().await.is_empty());
        let own = list(center).await.remove(ASK).unwrap();
        assert_eq!((own.letters, own.planned), (BTreeMap::from([(State::Sent, sent), (State::Held, page - sent)]), 3));
        assert_eq!(own.planned_held, 3);
        assert_eq!(steer(center, "wellbeing/2026-11-25/ask", Steering::Resume).await, only(0, 0), "of another day");
        assert_eq!(steer(center, ASK, Steering::Resume).await, only(page - sent, 3));
        assert_eq!(steer(center, ASK, Steering::Stop).await, only(page - sent, 3));
        center.attend().await;
        center.wind(600);
        assert!(center.settle().await.is_empty());
        let own = list(center).await.remove(ASK).unwrap();
        assert_eq!((own.letters, own.planned), (BTreeMap::from([(State::Sent, sent), (State::Dropped, page - sent)]), 0));
        let fates = settled(center).await;
        let many = |fate: Fate| fates.iter().filter(|(one, _)| one.rule == "ask" && one.fate == fate).count() as u64;
        assert_eq!([Fate::Written, Fate::Dropped, Fate::Skipped].map(many), [sent, page - sent, 3]);
        let dropped = outbox::list(center.store(), Which::State(State::Dropped), None, 3).await.unwrap();
        for letter in dropped {
            assert_eq!((letter.verdict_text.as_deref(), letter.secret), (Some("the wrong text"), Secret::Gone));
        }
        let chain = chain(center).await;
        for action in ["hold-mailing", "resume-mailing", "stop-mailing", "skip-letters"] {
            assert!(chain.iter().any(|(own, body)| own == action && body.contains("the wrong text")), "{action}: {chain:?}");
        }
    }

    async fn a_mailing_that_is_stopped_stops_none_that_comes_behind_it(center: &mut Center) {
        const REMIND: &str = "wellbeing/2026-11-27/remind";
        center.activate(&once_by(ONCE), Stage::Production).await;
        take_in(center, &["a", "b"].map(|name| somebody(name, ""))).await;
        center.attend().await;
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        assert_eq!(center.settle().await.len(), 2);
        center.attend().await;
        assert_eq!(steer(center, REMIND, Steering::Hold).await, only(0, 2));
        wind_to(center, "2026-11-27 18:00");
        center.attend().await;
        assert!(center.settle().await.is_empty());
        let own = list(center).await.remove(REMIND).unwrap();
        assert_eq!((own.planned, own.planned_held), (2, 2));
        assert_eq!(steer(center, REMIND, Steering::Stop).await, only(0, 2));
        center.attend().await;
        assert!(center.settle().await.is_empty());
        wind_to(center, "2026-12-04 18:00");
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("reminder", "a@example.jp"), ("reminder", "b@example.jp")]);
    }

    async fn who_is_held_by_name_stays_held_when_the_mailing_goes_on(center: &mut Center) {
        const ASK: &str = "wellbeing/2026-11-24/ask";
        center.activate(&once_by(ONCE), Stage::Production).await;
        take_in(center, &["a", "b"].map(|name| somebody(name, ""))).await;
        center.attend().await;
        assert_eq!(steer(center, ASK, Steering::Hold).await, only(0, 2));
        let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved("wellbeing").await);
        let target = Target::participant(find(center, 1).await.id);
        let whose = Whose { target: Some((&target, "participant 1")), rule: None };
        for held in [1, 0] {
            let act = center.act("in hospital");
            let holding = schedule::steer(&shelf, &shelved, center.means(), act, whose, schedule::Steering::Hold);
            assert_eq!(holding.await.unwrap(), held);
        }
        assert_eq!(steer(center, ASK, Steering::Resume).await, only(0, 1));
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("invitation", "b@example.jp")]);
        let releasing = schedule::Steering::Release;
        let act = center.act("home again");
        assert_eq!(schedule::steer(&shelf, &shelved, center.means(), act, whose, releasing).await.unwrap(), 1);
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("invitation", "a@example.jp")]);
    }

    async fn a_mailing_by_command_is_stopped_though_a_letter_is_under_way(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let people = ["a", "b", "c"].map(|name| somebody(name, ""));
        assert_eq!(center.issue("wellbeing", &people, center.terms(Form::Link)).await.issued.len(), 3);
        let found = list(center).await;
        let (name, own) = found.first_key_value().unwrap();
        assert!(found.len() == 1 && name.ends_with("/+command"), "{found:?}");
        assert_eq!(own.letters, BTreeMap::from([(State::Waiting, 3)]));
        assert_eq!(own.actors.iter().collect::<Vec<_>>(), ["operator:tester"]);
        let study = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap().id;
        let turn = Turn { mailbox: "reg", study, limit: 1 };
        let now = center.clock.now();
        let under_way = outbox::claim_mass(center.store(), turn, "another", now, LEASE).await.unwrap().remove(0);
        assert_eq!(steer(center, name, Steering::Stop).await, Steered { letters: 2, planned: 0, under_way: 1 });
        assert_eq!(steer(center, name, Steering::Stop).await, only(0, 0), "it may have left by now");
        let mut tx = center.store().begin().await.unwrap();
        let said = outbox::Verdict { code: 451, text: "4.2.1 later" };
        outbox::record_retry(&mut tx, under_way.id, "another", now, now, said).await.unwrap();
        tx.commit().await.unwrap();
        assert!(center.settle().await.is_empty(), "it is held");
        assert_eq!(steer(center, name, Steering::Stop).await, only(1, 0));
        assert_eq!(steer(center, name, Steering::Resume).await, only(0, 0), "what was stopped never leaves");
        center.wind(3600);
        assert!(center.settle().await.is_empty());
        let letters = outbox::list(center.store(), Which::All, None, 9).await.unwrap();
        assert!(letters.len() == 3 && letters.iter().all(|letter| letter.state == State::Dropped), "{letters:?}");
    }
}
