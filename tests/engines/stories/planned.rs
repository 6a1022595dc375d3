//! Amendments for a day: in force once, or not at all and the manager hears why.

use hagaki::domain::time::Clock;
use hagaki::store::planned::{self as rows, PlannedRow, State};
use hagaki::store::study;
use hagaki::store::{audit, bundle};
use hagaki::workflow::amending::Version;
use hagaki::workflow::ending::Decision;
use hagaki::workflow::life::{LifeError, Refusal};
use hagaki::workflow::planned;

use super::cases::{REGISTRATION, Visit};
use super::members::serve;
use super::*;

async fn plan(center: &Center, bundle: &Bundle, seconds: i64) -> Result<i64, LifeError> {
    let due_at = center.clock.now().plus_seconds(seconds);
    let (study, by) = (defined(bundle), center.somebody("aurora").await);
    let decision = Decision { by: Some(&by), act: center.act("protocol 2.0") };
    let new = Version { bundle, study: &study };
    planned::plan(&center.shelf_on(center.store()), new, due_at, center.means(), decision).await
}

async fn withdraw(center: &Center, number: i64, reason: &str) -> Result<(), LifeError> {
    let decision = Decision { by: Some("center"), act: center.act(reason) };
    planned::withdraw(&center.shelf_on(center.store()), "aurora", number, center.means(), decision).await
}

async fn listed(center: &Center) -> Vec<PlannedRow> {
    let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
    rows::list(center.store(), row.id).await.unwrap()
}

async fn version(center: &Center) -> i64 {
    study::find_current(center.store(), "aurora").await.unwrap().unwrap().bundle_version
}

async fn actions(center: &Center) -> Vec<String> {
    let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
    let entries = audit::list(center.store(), row.id, 0, 1_000).await.unwrap();
    entries.into_iter().map(|entry| entry.action).filter(|action| action.contains("amend")).collect()
}

const HOUR: i64 = 3600;

stories! {
    async fn it_comes_into_force_once_on_its_day(center: &mut Center) {
        aurora(center).await;
        center.attend().await;
        let bundle = capped("total = 240", "total = 2");
        assert_eq!(plan(center, &bundle, HOUR).await.unwrap(), 1);
        let past = plan(center, &bundle, -1).await;
        assert!(matches!(past, Err(LifeError::Refused(Refusal::Past))), "{past:?}");
        // What could not come into force now is refused now.
        let same = plan(center, &samples::aurora(), HOUR).await;
        assert!(matches!(same, Err(LifeError::Refused(Refusal::Unchanged))), "{same:?}");
        for number in 1..=3 {
            center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")))).await;
            assert_eq!(reason(center).await, "enrolled", "the rules of today hold");
        }
        center.attend().await;
        assert_eq!((version(center).await, listed(center).await[0].state), (1, State::Waiting));
        center.wind(HOUR);
        // Two daemons at the same moment.
        let store = center.store().clone();
        let mut other = center.start_on(&store);
        let (one, two) = tokio::join!(center.process.calendar.step(), other.calendar.step());
        one.unwrap();
        two.unwrap();
        center.attend().await;
        assert_eq!((version(center).await, listed(center).await[0].state), (2, State::InForce));
        assert_eq!(actions(center).await, ["plan-amendment", "amend"]);
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let stored = bundle::load(center.store(), row.id, 2).await.unwrap();
        assert_eq!((stored.actor.as_str(), stored.reason.as_str()), ("operator:tester", "protocol 2.0"));
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0004"))).await;
        assert_eq!(reason(center).await, "study-full");
    }

    async fn what_comes_after_its_moment_goes_by_it_even_before_the_calendar_looks(center: &mut Center) {
        aurora(center).await;
        center.attend().await;
        plan(center, &capped("total = 240", "total = 2"), HOUR).await.unwrap();
        for number in 1..=2 {
            center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")))).await;
        }
        center.wind(HOUR);
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0003"))).await;
        assert_eq!((reason(center).await.as_str(), version(center).await), ("study-full", 2));
        center.attend().await;
        assert_eq!(actions(center).await, ["plan-amendment", "amend"]);
    }

    async fn nor_does_a_page_go_by_the_rules_of_before(center: &mut Center) {
        // Before a session is over by itself.
        const SOON: i64 = 600;
        aurora(center).await;
        let pages = std::sync::Arc::new(serve(center).await);
        let visit = Visit::begin(center, &pages, "aurora", "yamada@example.jp").await;
        plan(center, &capped("total = 240", "total = 1"), SOON).await.unwrap();
        let enter = "/c/aurora/new";
        let blank = visit.see(enter).await;
        let review = visit.fill(enter, &blank, &REGISTRATION, "answer").await;
        assert!(review.body.contains("Is this right?"), "{review:?}");
        center.wind(SOON);
        // The form was read by the rules of before: it is shown again, nothing lost, and what is sent then goes by those of now.
        let again = visit.fill(enter, &review, &[], "send").await;
        assert_eq!((again.status, version(center).await), (409, 2), "{again:?}");
        assert!(again.body.contains("A-0001"), "{again:?}");
        let sent = visit.fill(enter, &again, &REGISTRATION, "send").await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let full = visit.record(enter, &{
            let mut other = REGISTRATION;
            other[1].1 = "A-0002";
            other
        }).await;
        assert!(full.body.contains("A planned number of subjects has been reached"), "{full:?}");
        center.settle().await;
    }

    async fn it_is_taken_back(center: &mut Center) {
        aurora(center).await;
        center.attend().await;
        plan(center, &capped("total = 240", "total = 2"), HOUR).await.unwrap();
        plan(center, &capped("total = 240", "total = 200"), 2 * HOUR).await.unwrap();
        let silent = withdraw(center, 1, "").await;
        assert!(matches!(silent, Err(LifeError::Refused(Refusal::NoReason))), "{silent:?}");
        withdraw(center, 1, "not approved").await.unwrap();
        for number in [1, 3] {
            let again = withdraw(center, number, "again").await;
            assert!(matches!(again, Err(LifeError::Refused(Refusal::NotPlanned(_, _)))), "{again:?}");
        }
        center.wind(3 * HOUR);
        center.attend().await;
        let states: Vec<State> = listed(center).await.into_iter().map(|one| one.state).collect();
        assert_eq!(states, [State::Withdrawn, State::InForce]);
        assert_eq!(version(center).await, 2);
        assert_eq!(actions(center).await, ["plan-amendment", "plan-amendment", "withdraw-amendment", "amend"]);
        // Everybody on the staff heard of each plan, and that the first does not come.
        center.settle().await;
        let told = center.told_of_amendments().await;
        let of = |kind: &str| told.iter().filter(|letter| letter.kind == kind).collect::<Vec<&Received>>();
        let staff = center.shelved("aurora").await.study.people.len();
        let (plans, withdrawn) = (of("amendment-planned"), of("amendment-withdrawn"));
        assert_eq!((plans.len(), withdrawn.len()), (2 * staff, staff));
        for letter in &plans {
            assert!(letter.text.contains("protocol 2.0"), "{}", letter.text);
        }
        for letter in &withdrawn {
            assert!(letter.text.contains("not approved"), "{}", letter.text);
        }
    }

    async fn what_no_longer_can_changes_nothing_and_the_manager_hears_why(center: &mut Center) {
        aurora(center).await;
        center.attend().await;
        // It may change the factors as long as nobody is enrolled.
        let other = edited(&samples::aurora(), "allocation.toml", "{ id = \"sex\", levels = [\"F\", \"M\"], weight = 1 },", "");
        plan(center, &other, HOUR).await.unwrap();
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        center.wind(HOUR);
        center.attend().await;
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [("amendment-failed", CENTER)]);
        assert!(letters[0].text.contains("factors and strata"), "{}", letters[0].text);
        // All others hear that it did not come, and no more.
        let others = center.told_of_amendments().await.into_iter().filter(|letter| letter.kind == "amendment-withdrawn");
        let others: Vec<Received> = others.collect();
        assert_eq!(others.len(), center.shelved("aurora").await.study.people.len() - 1);
        assert!(others.iter().all(|letter| letter.to != CENTER && !letter.text.contains("factors and strata")));
        let row = listed(center).await.remove(0);
        assert_eq!((row.state, version(center).await), (State::Failed, 1));
        assert!(row.note.contains("factors and strata"), "{}", row.note);
        assert_eq!(actions(center).await, ["plan-amendment", "fail-amendment"]);
        center.attend().await;
        center.wind(HOUR);
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [], "once");
        // With the study what waits in it ends.
        plan(center, &capped("total = 240", "total = 2"), HOUR).await.unwrap();
        center.close("aurora", "done").await;
        let row = listed(center).await.pop().unwrap();
        assert_eq!((row.state, row.note.as_str()), (State::Withdrawn, "the study was closed"));
        let told = center.told_of_amendments().await;
        let withdrawn = told.iter().filter(|letter| letter.kind == "amendment-withdrawn").count();
        let staff = center.shelved("aurora").await.study.people.len();
        assert_eq!(withdrawn, others.len() + staff, "who heard of the plan hears that it does not come");
        center.wind(HOUR);
        center.attend().await;
        assert_eq!(version(center).await, 1);
    }

    async fn it_does_not_undo_what_came_into_force_meanwhile(center: &mut Center) {
        aurora(center).await;
        center.attend().await;
        plan(center, &capped("total = 240", "total = 200"), HOUR).await.unwrap();
        let other = edited(&samples::aurora(), "allocation.toml", "p = \"4/5\"", "p = \"9/10\"");
        center.amend(&other, center.act("protocol 1.1")).await.unwrap();
        let waiting = planned::waiting_in(center.store(), "aurora").await.unwrap();
        assert_eq!(waiting.iter().map(|one| one.number).collect::<Vec<_>>(), [1]);
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let overtaken = planned::overtaken(center.store(), &row, &waiting).await.unwrap();
        assert_eq!(overtaken.into_iter().collect::<Vec<_>>(), [(1, 1)]);
        center.wind(HOUR);
        center.attend().await;
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [("amendment-failed", CENTER)]);
        assert!(letters[0].text.contains("version 1") && letters[0].text.contains("version 2"), "{}", letters[0].text);
        assert_eq!((version(center).await, listed(center).await[0].state), (2, State::Failed));
        // From the version in force it can be planned, and comes.
        let both = edited(&other, "allocation.toml", "total = 240", "total = 200");
        plan(center, &both, HOUR).await.unwrap();
        center.wind(HOUR);
        center.attend().await;
        assert_eq!((version(center).await, listed(center).await[1].state), (3, State::InForce));
    }

    async fn of_two_plans_one_comes(center: &mut Center) {
        aurora(center).await;
        center.attend().await;
        plan(center, &capped("total = 240", "total = 200"), HOUR).await.unwrap();
        plan(center, &edited(&samples::aurora(), "allocation.toml", "p = \"4/5\"", "p = \"9/10\""), 2 * HOUR).await.unwrap();
        center.wind(3 * HOUR);
        center.attend().await;
        let states: Vec<State> = listed(center).await.into_iter().map(|one| one.state).collect();
        assert_eq!((version(center).await, states), (2, vec![State::InForce, State::Failed]));
        assert_eq!(kinds(&center.settle().await), [("amendment-failed", CENTER)]);
    }

    async fn a_plan_that_was_changed_in_the_database_does_not_come(center: &mut Center) {
        aurora(center).await;
        center.attend().await;
        plan(center, &capped("total = 240", "total = 200"), HOUR).await.unwrap();
        plan(center, &capped("total = 240", "total = 210"), HOUR).await.unwrap();
        center.world.tamper("UPDATE planned_amendment SET files = replace(files, 'total = 200', 'total = 2') WHERE number = 1").await;
        // Files and digest of the other plan agree, but not with the chain.
        center.world.tamper(
            "UPDATE planned_amendment SET files = (SELECT files FROM bundle), digest = (SELECT digest FROM bundle) WHERE number = 2",
        ).await;
        center.wind(HOUR);
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("amendment-failed", CENTER); 2]);
        for row in listed(center).await {
            assert_eq!(row.state, State::Failed);
            assert!(row.note.contains("not those that were planned"), "{}", row.note);
        }
        assert_eq!(version(center).await, 1);
    }
}
