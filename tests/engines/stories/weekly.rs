//! The weekly report: what it counts, and what it tells to whom.

use hagaki::domain::language::Language;
use hagaki::letters::Facts;
use hagaki::letters::facts::{WeeklyReport, WeeklyReportUnblinded};
use hagaki::workflow::compose::{self, Addressing};
use hagaki::workflow::week::Week;

use super::answered::asked;
use super::survey::once;
use super::*;

const DAY: i64 = 24 * 3600;
const WELLBEING_OFFICE: &str = "wellbeing-office@example.jp";

/// The report of the week before, as somebody of a study gets it.
async fn facts(center: &Center, slug: &str, address: &str) -> Facts {
    let shelved = center.shelved(slug).await;
    let reader = shelved.study.find_person_by_address(address).expect("somebody of the study");
    let week = Week::load(center.store(), &shelved, &center.keys.address, center.means().now).await.unwrap();
    week.report(&shelved.study, reader, Language::En).unwrap()
}

async fn report(center: &Center, slug: &str, address: &str) -> WeeklyReport {
    match facts(center, slug, address).await {
        Facts::WeeklyReport(report) => *report,
        other => panic!("{other:?}"),
    }
}

/// Has the report written to somebody and sent, as the calendar does.
async fn send(center: &mut Center, slug: &str, address: &str) -> Received {
    let (shelved, facts) = (center.shelved(slug).await, facts(center, slug, address).await);
    let reader = shelved.study.find_person_by_address(address).expect("somebody of the study");
    let means = center.means();
    let to = Addressing { language: Language::En, ..Addressing::unasked(&shelved.study, reader) };
    let letter = compose::compose(&shelved, means, to, facts).unwrap();
    let mut tx = center.store().begin().await.unwrap();
    compose::post(&mut tx, Some(shelved.id), means, None, &[letter]).await.unwrap();
    tx.commit().await.unwrap();
    let mut letters = center.settle().await;
    assert_eq!(letters.len(), 1, "{:?}", kinds(&letters));
    letters.remove(0)
}

stories! {
    async fn who_is_passed_over_is_counted_and_not_named(center: &mut Center) {
        for mode in ["named", "fully-anonymous"] {
            let bundle = edited(&once(), "study.toml", "privacy = \"named\"", &format!("privacy = \"{mode}\"\nbatch = 5"));
            let bundle = match mode {
                "named" => once(),
                _ => {
                    let other = edited(&bundle, "study.toml", "slug = \"wellbeing\"", "slug = \"sleep\"");
                    edited(&other, "study.toml", "tag = \"WELLBEING\"", "tag = \"SLEEP\"")
                }
            };
            let slug = defined(&bundle).slug;
            center.activate(&bundle, Stage::Production).await;
            let people: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].iter().map(|name| super::scheduled::somebody(name, "")).collect();
            center.issue(&slug, &people, center.terms(hagaki::workflow::credentials::Form::Link)).await;
            center.settle().await;
            let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved(&slug).await);
            let whose = hagaki::store::participant::find_by_number(center.store(), shelved.id, 1).await.unwrap().unwrap();
            let how = (hagaki::store::opt_out::Scope::Study, hagaki::store::opt_out::Way::Page);
            assert!(hagaki::workflow::opt_out::stop(&shelf, &shelved, center.means(), &whose, how).await.unwrap());
            if mode == "named" {
                for address in ["b@example.jp", "c@example.jp"] {
                    super::fate::stop(center, address).await;
                }
            }
            let told = report(center, &slug, WELLBEING_OFFICE).await.survey.unwrap();
            assert_eq!((told.unsubscribed, told.unreached, told.unknown), (1, 2, mode != "named"));
        }
        let letter = send(center, "sleep", WELLBEING_OFFICE).await;
        assert!(letter.text.contains("Want no letters that ask         1\n"), "{}", letter.text);
        assert!(letter.text.contains("Cannot be reached by mail        2\n"), "{}", letter.text);
        assert!(!letter.words.contains("a@example.jp") && !letter.words.contains("b@example.jp"), "{}", letter.words);
    }

    async fn the_week_before_is_counted_by_site_and_week(center: &mut Center) {
        aurora(center).await;
        let enroll = |writer: Writer, site: &str, reference: &str| writer.writes("登録", &aurora_form(site, reference));
        center.exchange(&enroll(DR_YAMADA, "011", "Y-0001")).await;
        center.wind(8 * DAY);
        center.exchange(&enroll(DR_YAMADA, "011", "Y-0002")).await;
        center.exchange(&DR_MILLER.writes("enroll", &aurora_form("021", "M-0001"))).await;
        center.wind(3 * DAY);
        // Of the day on which it is written it tells nothing yet.
        center.exchange(&enroll(DR_YAMADA, "011", "Y-0003")).await;
        let told = report(center, "aurora", CENTER).await;
        assert_eq!((told.first_day.as_str(), told.last_day.as_str()), ("2026-11-22", "2026-11-28"));
        let enrollment = told.enrollment.unwrap();
        assert_eq!((enrollment.week, enrollment.total, enrollment.planned, enrollment.percent), (2, 3, 240, 1));
        assert_eq!((enrollment.highest, enrollment.ended), (240, false));
        let course: Vec<_> = enrollment.course.iter().map(|week| (week.day.as_str(), week.count, week.total)).collect();
        assert_eq!(course, [("2026-11-21", 1, 1), ("2026-11-28", 2, 3)]);
        assert_eq!(enrollment.since, "2026-11-15");
        let sites: Vec<_> = enrollment.sites.iter().map(|own| (own.site.code.as_str(), own.week, own.total)).collect();
        assert_eq!(sites, [("011", 1, 2), ("012", 0, 0), ("013", 0, 0), ("014", 0, 0), ("021", 1, 1)]);
        assert!(told.letters.written >= 2 && told.letters.sent == told.letters.written, "{:?}", told.letters);
        assert_eq!((told.survey, told.follow_up.as_ref().map(|own| (own.due, own.late))), (None, Some((0, 0))));
        // Too few to say anything of the arms.
        assert_eq!(told.bounds.iter().map(|bound| bound.few).collect::<Vec<bool>>(), [true]);
        // Four weeks after the first subject its visit is due, and ten days later it is overdue.
        center.wind(17 * DAY);
        let due = report(center, "aurora", CENTER).await.follow_up.unwrap();
        assert_eq!((due.due, due.late, due.partial), (1, 0, false));
        center.wind(10 * DAY);
        let due = report(center, "aurora", CENTER).await.follow_up.unwrap();
        let sites: Vec<_> = due.sites.iter().map(|own| (own.site.code.as_str(), own.due, own.late)).collect();
        assert_eq!(sites, [("011", 2, 1), ("021", 1, 0)]);
        // Counts of the arms go to whoever may know them, and to nobody who enrolls.
        let letter = send(center, "aurora", STATISTICIAN).await;
        assert_eq!(letter.kind, "weekly-report-unblinded");
        for part in ["CONFIDENTIAL", "So far     4 of 240 planned (2 %)", "due 2, overdue 1"] {
            assert!(letter.text.contains(part), "{part}: {}", letter.text);
        }
        let arms = center.arms("aurora").await;
        assert!(arms.iter().all(|arm| letter.text.contains(&format!("({arm})"))), "{}", letter.text);
        let letter = send(center, "aurora", CENTER).await;
        assert_eq!((letter.kind.as_str(), letter.subject.as_str()), ("weekly-report", "[AURORA] Weekly report"));
        assert!(arms.iter().all(|arm| !letter.text.contains(&format!("({arm})"))), "{}", letter.text);
    }

    async fn a_blinded_reader_learns_that_the_arms_keep_to_their_ratio_and_no_more(center: &mut Center) {
        borealis(center).await;
        for number in 1..=40 {
            center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")))).await;
            center.wind(60);
        }
        center.wind(DAY);
        let letter = send(center, "borealis", OFFICE).await;
        assert_eq!(letter.kind, "weekly-report");
        assert!(letter.text.contains("The arms keep to their ratio."), "{}", letter.text);
        let study = defined(&samples::borealis());
        for arm in &study.arms {
            let named = [format!("({})", arm.code), arm.name.in_language(Language::En).to_owned()];
            assert!(named.iter().all(|word| !letter.text.contains(word)), "{named:?}: {}", letter.text);
        }
        let Facts::WeeklyReportUnblinded(whole) = facts(center, "borealis", BLIND_STATISTICIAN).await else {
            panic!("a report with the balance")
        };
        let WeeklyReportUnblinded { report, balance } = *whole;
        assert_eq!((report.enrollment.unwrap().total, balance.first.allocations), (40, 40));
    }

    async fn rates_are_of_those_who_were_asked(center: &mut Center) {
        asked(center, &once()).await;
        center.wind(DAY);
        let told = report(center, "wellbeing", WELLBEING_OFFICE).await;
        assert_eq!((told.enrollment, told.follow_up, told.bounds), (None, None, Vec::new()));
        let survey = told.survey.unwrap();
        assert_eq!((survey.asked, survey.answered, survey.answered_percent, survey.week), (5, 1, 20, 1));
        assert_eq!((survey.waiting, survey.to_come, survey.over, survey.left, survey.left_percent), (1, 0, 2, 1, 20));
        // A week on, the answer is no more of the week.
        center.wind(8 * DAY);
        let survey = report(center, "wellbeing", WELLBEING_OFFICE).await.survey.unwrap();
        assert_eq!((survey.answered, survey.week), (1, 0));
        let letter = send(center, "wellbeing", WELLBEING_OFFICE).await;
        assert!(letter.text.contains("1 (20 %)") && !letter.text.contains("p0@example.jp"), "{}", letter.text);
    }
}
