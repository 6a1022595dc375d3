//! Letters on what is due at a site: what they tell, to whom, and what they leave out.

use hagaki::domain::language::Language;
use hagaki::domain::study::Person;
use hagaki::letters::Facts;
use hagaki::letters::facts::FollowUpDue;
use hagaki::workflow::compose::{self, Addressing};
use hagaki::workflow::due::{self, Telling};

use super::*;

const DAY: i64 = 24 * 3600;

/// Somebody of AURORA.
async fn person(center: &Center, address: &str) -> Person {
    let study = center.shelved("aurora").await.study;
    study.find_person_by_address(address).expect("somebody of the study").clone()
}

/// What a letter to that person would tell now.
async fn told(center: &Center, address: &str) -> Option<FollowUpDue> {
    let (shelved, person, means) = (center.shelved("aurora").await, person(center, address).await, center.means());
    let telling = Telling { now: means.now, public_url: &means.desk.public_url, language: Language::En };
    due::of_person(center.store(), &shelved, &person, telling).await.unwrap()
}

/// Subject, event and whether it is late, of each line.
fn lines(due: &FollowUpDue) -> Vec<(&str, &str, bool)> {
    due.due.iter().map(|one| (one.subject.as_str(), one.event_id.as_str(), one.late)).collect()
}

/// Writes that letter to somebody, as the calendar does.
async fn send(center: &mut Center, address: &str, facts: FollowUpDue) -> Received {
    let (shelved, person) = (center.shelved("aurora").await, person(center, address).await);
    let means = center.means();
    let to = Addressing { language: Language::En, ..Addressing::unasked(&shelved.study, &person) };
    let letter = compose::compose(&shelved, means, to, Facts::FollowUpDue(facts)).unwrap();
    let mut tx = center.store().begin().await.unwrap();
    compose::post(&mut tx, Some(shelved.id), means, None, &[letter]).await.unwrap();
    tx.commit().await.unwrap();
    let mut letters = center.settle().await;
    assert_eq!(kinds(&letters), [("follow-up-due", address)]);
    letters.remove(0)
}

stories! {
    async fn the_longest_overdue_are_found_however_many_came_after(center: &mut Center) {
        aurora(center).await;
        for subject in ["Y-7351", "Y-7352", "Y-7353"] {
            center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", subject))).await;
        }
        center.wind(200 * DAY);
        let shelved = center.shelved("aurora").await;
        let today = center.means().now.day_in(shelved.study.zone);
        let look = async |page, pages, keep| {
            let look = due::Look { page, pages, keep };
            let (cases, older) = due::longest(center.store(), &shelved, &[], today, look).await.unwrap();
            (cases.iter().map(|case| case.subject.number).collect::<Vec<_>>(), older)
        };
        assert_eq!(look(100, 1, 10).await, (vec![1, 2, 3], false));
        // The oldest stands on the last page, and the newest give way to it.
        assert_eq!(look(1, 5, 2).await, (vec![1, 2], false));
        // What was not looked at is said to be there.
        assert_eq!(look(1, 2, 2).await, (vec![2, 3], true));
        center.settle().await;
    }

    async fn a_site_is_told_what_is_due_until_it_is_there(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-7351"))).await;
        center.exchange(&DR_MILLER.writes("enroll", &aurora_form("021", "M-0001"))).await;
        assert_eq!(told(center, DR_YAMADA.address).await, None, "nothing is due of somebody who was enrolled today");
        center.wind(28 * DAY);
        // Each of their own site alone.
        let due = told(center, DR_YAMADA.address).await.unwrap();
        assert_eq!((lines(&due), due.count, due.late, due.more), (vec![("AURORA-0001", "week_4", false)], 1, 0, 0));
        let other = told(center, DR_MILLER.address).await.unwrap();
        assert_eq!(lines(&other), [("AURORA-0002", "week_4", false)]);
        // Whoever comes to no page of cases is led to none.
        let looked = told(center, STATISTICIAN).await.unwrap();
        assert_eq!((looked.count, looked.page.as_str()), (2, ""));
        assert!(looked.due.iter().flat_map(|one| &one.forms).all(|form| form.link.is_empty()), "{looked:?}");
        center.wind(10 * DAY);
        let due = told(center, DR_YAMADA.address).await.unwrap();
        assert_eq!((lines(&due), due.late), (vec![("AURORA-0001", "week_4", true)], 1));
        let letter = send(center, DR_YAMADA.address, due.clone()).await;
        for part in ["AURORA-0001", "OVERDUE", "/c/aurora/1/week_4/visit/new", "2026-12-16"] {
            assert!(letter.text.contains(part), "{part}: {}", letter.text);
        }
        // Not the site's own name for the subject, nor the subject or its form in the subject line.
        assert!(!letter.text.contains("Y-7351"), "{}", letter.text);
        assert!(!letter.subject.contains("AURORA-0001") && !letter.subject.contains("Week"), "{}", letter.subject);
        // What it says to write gets the form.
        let line = letter.text.lines().find(|line| line.contains("follow-up week_4")).unwrap().trim();
        let blank = center.answer(&Mail { subject: line.to_owned(), ..DR_YAMADA.writes("", "") }).await;
        assert_eq!(blank.kind, "follow-up-form", "{}", blank.text);
        let visit = "Date of visit: 2026-12-16\nWeight: 61.5 kg\nECOG performance status: 1\nTreatment given as planned: yes\n";
        let done = center.answer(&DR_YAMADA.writes("follow-up week_4 AURORA-0001", visit)).await;
        assert_eq!(done.kind, "follow-up-done", "{}", done.text);
        assert_eq!(told(center, DR_YAMADA.address).await, None, "it is there");
    }

    async fn a_death_ends_letters_as_any_withdrawal_does(center: &mut Center) {
        aurora(center).await;
        for number in 1..=3 {
            center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("A-{number:04}")))).await;
        }
        center.attend().await;
        for (number, reason) in [(1, "死亡（11月20日）"), (2, "転居")] {
            let form = format!("症例番号: AURORA-{number:04}\n理由: {reason}\n");
            let asked = center.answer(&DR_YAMADA.writes("同意撤回", &form)).await;
            center.exchange(&super::facts::ok(&asked, DR_YAMADA)).await;
        }
        center.attend().await;
        let of = async |why: &str| {
            center.world.number(&format!("SELECT count(*) FROM planned_letter WHERE rule = 'week_4_missing' AND why = '{why}'")).await
        };
        assert_eq!((of("ended by death").await, of("ended by withdrawal").await), (1, 1));
        // The sites are told of the one who is left alone.
        super::scheduled::wind_to(center, "2026-12-21 08:00");
        center.attend().await;
        let due: Vec<Received> = center.settle().await.into_iter().filter(|one| one.kind == "follow-up-due").collect();
        assert!(!due.is_empty() && due.iter().all(|one| one.text.contains("AURORA-0003")), "{:?}", kinds(&due));
        assert!(due.iter().all(|one| !one.text.contains("AURORA-0001") && !one.text.contains("AURORA-0002")));
    }

    async fn of_one_subject_or_of_none_that_left(center: &mut Center) {
        aurora(center).await;
        for number in 1..=3 {
            center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("A-{number:04}")))).await;
        }
        center.wind(28 * DAY);
        let shelved = center.shelved("aurora").await;
        let (store, now) = (center.store().clone(), center.means().now);
        let telling = Telling { now, public_url: "https://hagaki.example.jp/", language: Language::Ja };
        let of = async |number, event| due::of_subject(&store, &shelved, number, event, telling).await.unwrap();
        let second = of(2, Some("week_4")).await.unwrap();
        assert_eq!((second.subject.as_str(), lines(&second)), ("AURORA-0002", vec![("AURORA-0002", "week_4", false)]));
        assert_eq!(second.page, "https://hagaki.example.jp/c/aurora/2");
        assert_eq!(of(2, Some("week_12")).await, None, "another event");
        assert_eq!(of(4, None).await, None, "nobody has that number");
        let asked = center.answer(&DR_YAMADA.writes("同意撤回", "症例番号: AURORA-0002\n理由: 転居\n")).await;
        center.exchange(&Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..DR_YAMADA.writes("", "") }).await;
        assert_eq!(of(2, None).await, None, "they withdrew");
        let left = told(center, DR_YAMADA.address).await.unwrap();
        assert_eq!(lines(&left), [("AURORA-0001", "week_4", false), ("AURORA-0003", "week_4", false)]);
    }
}
