//! Letters that go out by themselves: diaries over weeks, answers in between, amendments, nights in which nothing ran.

use std::collections::BTreeMap;

use hagaki::domain::participant::Candidate;
use hagaki::domain::time::{Clock, Instant, Zone};
use hagaki::limits;
use hagaki::mail::transport::Order;
use hagaki::store::outbox::State as Sending;
use hagaki::store::planned_letter::{self, Fate, PlannedLetter, SettledLetter, State, Which};
use hagaki::store::{audit, participant, study};
use hagaki::workflow::credentials::{self, Change, Form, Terms};
use hagaki::workflow::schedule::{self, Steering, Whose};
use hagaki::workflow::{life, participants};

use super::survey::{link_in, once, responses, serve, with};
use super::*;
use crate::browser::Served;

const ALL: Which<'_> = Which { target: None, rule: None, from: Instant(i64::MIN), to: Instant(i64::MAX) };

/// Each Monday a page, and whoever has not answered by Wednesday is reminded, twice at most.
const WEEKLY: &str = "zone = \"person\"\nquiet = { from = \"21:00\", to = \"08:00\" }\nholidays = [\"jp\"]\n\n\
    [[rules]]\nid = \"weekly\"\naudience = \"participants\"\nletter = \"invitation\"\ncron = \"0 9 * * mon\"\ngrace = \"2 days\"\n\n\
    [[rules]]\nid = \"remind\"\naudience = \"participants\"\nletter = \"reminder\"\nafter = \"invitation\"\ndays = 2\nat = \"18:00\"\n\
    every = \"2 days\"\ntimes = 2\nuntil = [\"response\"]\nlate = \"drop\"\n";

/// Everybody once, and once more.
pub(super) const ONCE: &str = "[[rules]]\nid = \"ask\"\naudience = \"participants\"\nletter = \"invitation\"\non = 2026-11-24\nat = \"09:00\"\n\n\
    [[rules]]\nid = \"remind\"\naudience = \"participants\"\nletter = \"reminder\"\nafter = \"invitation\"\ndays = 3\nat = \"18:00\"\n\
    every = \"7 days\"\ntimes = 2\nuntil = [\"response\"]\n";

/// WELLBEING, answered at once, by that schedule.
fn by(schedule: &str) -> Bundle {
    let bundle = edited(&samples::wellbeing(), "study.toml", "review = true", "review = false");
    with_file(&bundle, "schedule.toml", schedule)
}

/// The same, answered once by everybody.
pub(super) fn once_by(schedule: &str) -> Bundle {
    with_file(&once(), "schedule.toml", schedule)
}

pub(super) fn somebody(name: &str, zone: &str) -> Candidate {
    let attributes = match zone {
        "" => BTreeMap::new(),
        zone => BTreeMap::from([("timezone".to_owned(), zone.to_owned())]),
    };
    Candidate { name: name.to_owned(), address: format!("{name}@example.jp"), attributes, ..Candidate::default() }
}

/// People on file whom the schedule is to invite.
pub(super) async fn take_in(center: &Center, people: &[Candidate]) {
    let terms = Terms { mailed: false, ..center.terms(Form::Scheduled) };
    assert_eq!(center.issue("wellbeing", people, terms).await.issued.len(), people.len());
}

pub(super) fn tokyo(shown: &str) -> Instant {
    Zone::find("Asia/Tokyo").unwrap().parse_moment(shown).unwrap()
}

/// Winds the clock to that time in Tokyo.
pub(super) fn wind_to(center: &Center, shown: &str) {
    let seconds = tokyo(shown).seconds_since(center.clock.now());
    assert!(seconds >= 0, "{shown} is over");
    center.wind(seconds);
}

pub(super) async fn planned(center: &Center) -> Vec<PlannedLetter> {
    let id = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap().id;
    planned_letter::list(center.store(), id, ALL, 1_000).await.unwrap()
}

pub(super) async fn settled(center: &Center) -> Vec<(SettledLetter, Option<Sending>)> {
    let id = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap().id;
    planned_letter::list_settled(center.store(), id, ALL, 1_000).await.unwrap()
}

/// Of the letters that became nothing: rule, what became of them and why.
async fn left_out(center: &Center) -> Vec<(String, Fate, String)> {
    let all = settled(center).await.into_iter().map(|(one, _)| one);
    all.filter(|one| one.fate != Fate::Written).map(|one| (one.rule, one.fate, one.why)).collect()
}

/// Goes from letter to letter until that time in Tokyo, and gives them with when each came in the zone of whoever got it. What is written
/// leaves at once. `answers` says who answers each letter.
async fn walk(center: &mut Center, until: &str, zones: &[(&str, &str)]) -> Vec<(String, String, String, Received)> {
    let mut came = Vec::new();
    center.attend().await;
    loop {
        for letter in center.settle().await {
            let own = zones.iter().find(|(who, _)| letter.to.starts_with(who)).map_or("Asia/Tokyo", |(_, zone)| zone);
            let shown = center.clock.now().local(Zone::find(own).unwrap());
            came.push((shown[..16].to_owned(), letter.kind.clone(), letter.to.clone(), letter));
        }
        let next =
            planned(center).await.into_iter().filter(|one| one.state == State::Waiting).map(|one| one.due_at).min();
        let Some(next) = next.filter(|next| *next <= tokyo(until)) else { break };
        center.wind(next.seconds_since(center.clock.now()).max(0) + 1);
        center.attend().await;
    }
    wind_to(center, until);
    center.attend().await;
    assert!(center.settle().await.is_empty());
    came
}

fn told(came: &[(String, String, String, Received)], who: &str) -> Vec<String> {
    let own = came.iter().filter(|(_, _, to, _)| to.starts_with(who));
    own.map(|(at, kind, ..)| format!("{at} {kind}")).collect()
}

pub(super) async fn answer(pages: &Served, path: &str) {
    let mark = pages.get(path).await.field("_mark");
    let sent = pages.post(path, &with(&[("_mark", &mark), ("_step", "send")])).await;
    assert_eq!(sent.status, 303, "{sent:?}");
}

pub(super) async fn find(center: &Center, number: i64) -> participant::ParticipantRow {
    let id = center.shelved("wellbeing").await.id;
    participant::find_by_number(center.store(), id, number).await.unwrap().unwrap()
}

async fn change(center: &Center, number: i64, change: Change) {
    let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved("wellbeing").await);
    let whose = find(center, number).await;
    credentials::change(&shelf, &shelved, center.means(), center.act("so"), &whose, change).await.unwrap();
}

async fn steer(center: &Center, whose: Whose<'_>, what: Steering) -> u64 {
    let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved("wellbeing").await);
    schedule::steer(&shelf, &shelved, center.means(), center.act("a reason"), whose, what).await.unwrap()
}

stories! {
    async fn a_letter_that_cannot_be_written_is_put_off_and_no_other(center: &mut Center) {
        center.activate(&once_by(ONCE), Stage::Production).await;
        take_in(center, &[somebody("hana", ""), somebody("anna", ""), somebody("taro", "")]).await;
        center.attend().await;
        // Something at which mail cannot arrive, in the study's words or in ours.
        center.world.tamper("UPDATE participant SET address = 'anna at home' WHERE number = 2").await;
        wind_to(center, "2026-11-24 09:01");
        center.attend().await;
        let came = center.settle().await;
        assert_eq!(kinds(&came), [("invitation", "hana@example.jp"), ("invitation", "taro@example.jp")]);
        let broken = find(center, 2).await.id.to_string();
        for one in planned(center).await {
            let (unwritten, hers) = (one.why.starts_with(planned_letter::UNWRITTEN), one.target.id == broken && one.rule == "ask");
            assert_eq!(unwritten, hers, "{one:?}");
        }
        let until = center.clock.now().plus_seconds(limits::SCHEDULE_RETRY_SECONDS);
        let id = center.shelved("wellbeing").await.id;
        assert_eq!(planned_letter::count_unwritten(center.store(), id, until).await.unwrap(), 1);
        center.world.tamper("UPDATE participant SET address = 'anna@example.jp' WHERE number = 2").await;
        center.wind(limits::SCHEDULE_RETRY_SECONDS);
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("invitation", "anna@example.jp")]);
        assert_eq!(planned_letter::count_unwritten(center.store(), id, Instant(i64::MAX)).await.unwrap(), 0);
    }

    async fn a_diary_goes_through_holidays_and_summer_time(center: &mut Center) {
        wind_to(center, "2027-03-18 12:00");
        center.activate(&by(WEEKLY), Stage::Production).await;
        take_in(center, &[somebody("hana", ""), somebody("anna", "Europe/Berlin")]).await;
        let pages = serve(center).await;
        let zones = [("anna", "Europe/Berlin")];
        let mut came = walk(center, "2027-03-22 12:00", &zones).await;
        assert_eq!(told(&came, "hana"), [] as [&str; 0], "a holiday is a Monday: the equinox is kept on the 22nd");
        came.extend(walk(center, "2027-03-23 10:00", &zones).await);
        assert_eq!(told(&came, "hana"), ["2027-03-23 09:00 invitation"]);
        // Hana answers each week, Anna never does.
        answer(&pages, &link_in(&came[0].3.text)).await;
        let first = link_in(&came[0].3.text);
        for monday in ["2027-03-30 12:00", "2027-04-06 12:00", "2027-04-13 12:00", "2027-04-20 12:00", "2027-04-27 12:00", "2027-05-07 12:00"] {
            let week = walk(center, monday, &zones).await;
            let own: Vec<&Received> = week.iter().filter(|(_, kind, to, _)| kind == "invitation" && to.starts_with("hana")).map(|one| &one.3).collect();
            assert_eq!(own.len(), 1, "{monday}: {:?}", told(&week, "hana"));
            // Each letter brings a link of its own, to the same form; the first goes on opening it.
            let link = link_in(&own[0].text);
            assert_ne!(link, first);
            assert_eq!(pages.get(&first).await.status, 200);
            answer(&pages, &link).await;
            came.extend(week);
        }
        assert_eq!(told(&came, "hana"), [
            "2027-03-23 09:00 invitation", "2027-03-29 09:00 invitation", "2027-04-05 09:00 invitation", "2027-04-12 09:00 invitation",
            "2027-04-19 09:00 invitation", "2027-04-26 09:00 invitation",
            // The third to the fifth of May are holidays.
            "2027-05-06 09:00 invitation",
        ]);
        // Nine in the morning before and after clocks go forward in Berlin, on the 28th; reminders on Wednesday and Friday, but for the
        // 29th of April, a holiday.
        assert_eq!(told(&came, "anna"), [
            "2027-03-23 09:00 invitation", "2027-03-25 18:00 reminder", "2027-03-27 18:00 reminder",
            "2027-03-29 09:00 invitation", "2027-03-31 18:00 reminder", "2027-04-02 18:00 reminder",
            "2027-04-05 09:00 invitation", "2027-04-07 18:00 reminder", "2027-04-09 18:00 reminder",
            "2027-04-12 09:00 invitation", "2027-04-14 18:00 reminder", "2027-04-16 18:00 reminder",
            "2027-04-19 09:00 invitation", "2027-04-21 18:00 reminder", "2027-04-23 18:00 reminder",
            "2027-04-26 09:00 invitation", "2027-04-28 18:00 reminder", "2027-04-30 18:00 reminder",
            "2027-05-06 09:00 invitation",
        ]);
        let reminder = came.iter().find(|(_, kind, ..)| kind == "reminder").unwrap();
        assert_eq!(pages.get(&link_in(&reminder.3.text)).await.status, 200);
        assert_eq!(responses(center).await.len(), 7);
    }

    async fn whoever_answers_is_not_reminded(center: &mut Center) {
        center.activate(&once_by(ONCE), Stage::Production).await;
        take_in(center, &["a", "b", "c"].map(|name| somebody(name, ""))).await;
        center.attend().await;
        assert!(center.settle().await.is_empty());
        assert_eq!(planned(center).await.len(), 3);
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), ["a", "b", "c"].map(|name| ("invitation", format!("{name}@example.jp"))).each_ref().map(|(kind, to)| (*kind, to.as_str())));
        let pages = serve(center).await;
        let own = |name: &str| link_in(&letters.iter().find(|letter| letter.to.starts_with(name)).unwrap().text);
        // Of whoever answers before the reminder is written none is written.
        answer(&pages, &own("a")).await;
        // Of whoever answers while a server keeps us waiting none leaves.
        wind_to(center, "2026-11-27 18:00");
        center.attend().await;
        assert!(planned(center).await.iter().any(|one| one.state == State::Ended && one.why == "ended by response"));
        center.memory.order(1, Order::Defer);
        let reminded = center.settle().await;
        assert_eq!(reminded.len(), 1, "one of the two was deferred: {:?}", kinds(&reminded));
        let other = if reminded[0].to.starts_with('b') { "c" } else { "b" };
        answer(&pages, &own(other)).await;
        center.wind(3600);
        assert!(center.settle().await.is_empty());
        let dropped: Vec<_> = settled(center).await.into_iter().filter(|(one, _)| one.fate == Fate::Dropped).collect();
        assert_eq!(dropped.len(), 1);
        assert_eq!((dropped[0].0.why.as_str(), dropped[0].1), ("ended by response", Some(Sending::Dropped)));
        // The other is reminded once more, and then never again.
        let came = walk(center, "2027-01-31 12:00", &[]).await;
        assert_eq!(came.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["2026-12-04 18:00"]);
        assert_eq!(came[0].2, reminded[0].to);
        assert!(came[0].3.text.contains("2 回目"), "{}", came[0].3.text);
        let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
        let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
        let sent = entries.iter().filter(|entry| entry.action == "send-letters").count();
        assert_eq!(sent, 3, "one entry for each page of letters");
    }

    async fn an_amendment_reaches_what_waits(center: &mut Center) {
        center.activate(&once_by(ONCE), Stage::Production).await;
        take_in(center, &[somebody("a", "")]).await;
        center.attend().await;
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        assert_eq!(center.settle().await.len(), 1);
        center.attend().await;
        let due = |all: &[PlannedLetter]| all.iter().find(|one| one.rule == "remind").map(|one| (one.due_at, one.state));
        assert_eq!(due(&planned(center).await), Some((tokyo("2026-11-27 18:00"), State::Waiting)));
        // Later, and in other words.
        let later = once_by(&ONCE.replace("days = 3", "days = 5"));
        let reworded = with_file(&later, "letters/ja/reminder/text.hbs", "あたらしい文面です。\n\n{{link}}\n");
        center.amend(&reworded, center.act("later")).await.unwrap();
        center.attend().await;
        center.settle().await;
        assert_eq!(due(&planned(center).await), Some((tokyo("2026-11-29 18:00"), State::Waiting)));
        wind_to(center, "2026-11-29 18:00");
        center.attend().await;
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [("reminder", "a@example.jp")]);
        assert!(letters[0].text.contains("あたらしい文面です"), "{}", letters[0].text);
        // A rule that is taken out ends; what was sent stays.
        let without = once_by(ONCE.split("[[rules]]\nid = \"remind\"").next().unwrap());
        center.amend(&without, center.act("enough")).await.unwrap();
        center.attend().await;
        center.settle().await;
        let ended = planned(center).await.into_iter().find(|one| one.rule == "remind").unwrap();
        assert_eq!((ended.state, ended.why.as_str()), (State::Ended, "the rule is no more"));
        assert!(walk(center, "2026-12-31 12:00", &[]).await.is_empty());
    }

    async fn nights_without_a_daemon_are_no_burst(center: &mut Center) {
        let daily = "[[rules]]\nid = \"late\"\naudience = \"participants\"\nletter = \"invitation\"\ncron = \"0 9 * * *\"\n\n\
            [[rules]]\nid = \"graceful\"\naudience = \"participants\"\nletter = \"invitation\"\ncron = \"0 20 * * *\"\ngrace = \"3 hours\"\n";
        center.activate(&by(daily), Stage::Production).await;
        take_in(center, &[somebody("a", "")]).await;
        let came = walk(center, "2026-11-19 12:00", &[]).await;
        assert_eq!(told(&came, "a"), ["2026-11-19 09:00 invitation"]);
        // Eight days in which nothing runs, until an hour at which the one is late and the other too late.
        wind_to(center, "2026-11-27 04:00");
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("invitation", "a@example.jp")], "the last one, and no other");
        let why: Vec<String> = left_out(center).await.into_iter().map(|(rule, _, why)| format!("{rule}: {why}")).collect();
        assert_eq!(why, ["graceful: the next one is due as well", "graceful: late by 8 h", "late: the next one is due as well"]);
        let came = walk(center, "2026-11-27 21:00", &[]).await;
        assert_eq!(told(&came, "a"), ["2026-11-27 09:00 invitation", "2026-11-27 20:00 invitation"]);
    }

    async fn letters_end_with_what_they_are_for(center: &mut Center) {
        center.activate(&once_by(ONCE), Stage::Production).await;
        take_in(center, &["a", "b", "c", "d"].map(|name| somebody(name, ""))).await;
        center.attend().await;
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        assert_eq!(center.settle().await.len(), 4);
        super::survey::withdraw(center, 1).await;
        change(center, 2, Change::Revoke).await;
        change(center, 3, Change::Extend(Some(tokyo("2026-11-26 12:00")))).await;
        // While the study is paused nothing goes out; it does afterwards.
        life::set_paused(center.store(), "wellbeing", true, center.act("look")).await.unwrap();
        wind_to(center, "2026-11-27 18:00");
        center.attend().await;
        assert!(center.settle().await.is_empty());
        life::set_paused(center.store(), "wellbeing", false, center.act("on")).await.unwrap();
        center.wind(3600);
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("reminder", "d@example.jp")]);
        let mut why: Vec<String> = planned(center).await.into_iter().filter(|one| one.rule == "remind" && one.state == State::Ended).map(|one| one.why).collect();
        why.sort();
        assert_eq!(why, ["ended by expiry", "ended by expiry", "ended by withdrawal"]);
        // Whoever is let in again is asked again.
        let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved("wellbeing").await);
        participants::readmit(&shelf, &shelved, center.means(), center.act("back"), 1).await.unwrap();
        center.attend().await;
        assert!(planned(center).await.iter().any(|one| one.rule == "remind" && one.target.id == "1" && one.state == State::Waiting));
        center.settle().await;
        center.close("wellbeing", "done").await;
        assert!(walk(center, "2026-12-31 12:00", &[]).await.is_empty());
        assert!(planned(center).await.iter().all(|one| one.state == State::Ended));
    }

    async fn two_daemons_send_each_letter_once(center: &mut Center) {
        center.activate(&once_by(ONCE), Stage::Production).await;
        let people: Vec<Candidate> = (0..limits::SCHEDULE_LETTERS + 50).map(|number| somebody(&format!("p{number}"), "")).collect();
        take_in(center, &people).await;
        center.attend().await;
        wind_to(center, "2026-11-24 09:00");
        let store = center.store().clone();
        let mut other = center.start_on(&store);
        for _ in 0..4 {
            let (one, two) = tokio::join!(center.process.calendar.step(), other.calendar.step());
            one.unwrap();
            two.unwrap();
            let (one, two) = tokio::join!(center.process.mailings.step(), other.mailings.step());
            one.unwrap();
            two.unwrap();
        }
        let mut to: Vec<String> = center.settle().await.into_iter().map(|letter| letter.to).collect();
        let many = to.len();
        to.sort();
        to.dedup();
        assert_eq!((many, to.len()), (people.len(), people.len()));
    }

    async fn nobody_is_invited_twice(center: &mut Center) {
        center.activate(&once_by(ONCE), Stage::Production).await;
        // Taken in with a letter at once; and without, for the schedule.
        center.issue("wellbeing", &[somebody("mailed", "")], center.terms(Form::Link)).await;
        take_in(center, &[somebody("later", "")]).await;
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("invitation", "mailed@example.jp")]);
        let came = walk(center, "2026-11-24 12:00", &[]).await;
        assert_eq!(told(&came, "mailed"), ["2026-11-21 18:00 reminder"]);
        assert_eq!(told(&came, "later"), ["2026-11-24 09:00 invitation"]);
        assert_eq!(left_out(center).await, [("ask".to_owned(), Fate::Skipped, "was invited otherwise".to_owned())]);
        // Whoever comes in afterwards is invited at once.
        take_in(center, &[somebody("last", "")]).await;
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("invitation", "last@example.jp")]);
    }

    async fn letters_are_steered(center: &mut Center) {
        center.activate(&once_by(ONCE), Stage::Production).await;
        take_in(center, &["a", "b", "c"].map(|name| somebody(name, ""))).await;
        center.attend().await;
        let target = hagaki::domain::schedule::Target::participant(find(center, 1).await.id);
        let one = Whose { target: Some((&target, "participant 1")), rule: None };
        let rule = Whose { target: None, rule: Some("remind") };
        assert_eq!(steer(center, one, Steering::Hold).await, 1);
        assert_eq!(steer(center, rule, Steering::Hold).await, 0, "none waits yet; those to come are held");
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("invitation", "b@example.jp"), ("invitation", "c@example.jp")]);
        center.attend().await;
        wind_to(center, "2026-11-27 18:00");
        center.attend().await;
        assert!(center.settle().await.is_empty());
        assert_eq!(steer(center, rule, Steering::Release).await, 2);
        // The next of one is left out, and the one behind it comes.
        let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved("wellbeing").await);
        let second = hagaki::domain::schedule::Target::participant(find(center, 2).await.id);
        let whose = Whose { target: Some((&second, "participant 2")), rule: Some("remind") };
        assert_eq!(schedule::skip(&shelf, &shelved, center.means(), center.act("ill"), whose).await.unwrap(), 1);
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("reminder", "c@example.jp")]);
        assert_eq!(left_out(center).await, [("remind".to_owned(), Fate::Skipped, "operator:tester: ill".to_owned())]);
        assert_eq!(steer(center, one, Steering::SendNow).await, 1);
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("invitation", "a@example.jp")]);
        let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
        let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
        for action in ["hold-letters", "release-letters", "skip-letters", "send-letters-now"] {
            let reasons = ["\"a reason\"", "\"ill\""];
            let said = |body: &str| reasons.iter().any(|reason| body.contains(reason));
            assert!(entries.iter().any(|entry| entry.action == action && said(&entry.body)), "{action} {entries:?}");
        }
        center.process.calendar.step().await.unwrap();
    }

    async fn what_is_held_of_all_is_held_of_rules_that_come_later(center: &mut Center) {
        let ask = ONCE.split("\n\n[[rules]]\nid = \"remind\"").next().unwrap();
        let again = ask.replace("\"ask\"", "\"again\"").replace("2026-11-24", "2026-11-25");
        center.activate(&by(ask), Stage::Production).await;
        take_in(center, &[somebody("a", "")]).await;
        center.attend().await;
        let all = Whose { target: None, rule: None };
        assert_eq!(steer(center, all, Steering::Hold).await, 1);
        center.amend(&by(&format!("{ask}\n{again}")), center.act("once more")).await.unwrap();
        center.attend().await;
        center.settle().await;
        wind_to(center, "2026-11-25 09:00");
        center.attend().await;
        assert!(center.settle().await.is_empty());
        let states: Vec<State> = planned(center).await.into_iter().map(|one| one.state).collect();
        assert_eq!(states, [State::Held, State::Held]);
        assert_eq!(steer(center, all, Steering::Release).await, 2);
        // Nothing is held any more, and no rule that comes from now on.
        let third = ask.replace("\"ask\"", "\"third\"").replace("2026-11-24", "2026-11-27");
        center.amend(&by(&format!("{ask}\n{again}\n{third}")), center.act("and once more")).await.unwrap();
        center.attend().await;
        assert!(center.settle().await.iter().any(|letter| letter.kind == "invitation"));
        assert!(planned(center).await.iter().any(|one| one.rule == "third" && one.state == State::Waiting));
    }

    async fn where_nobody_may_know_whole_batches_leave(center: &mut Center) {
        let ask = ONCE.split("\n\n[[rules]]\nid = \"remind\"").next().unwrap();
        let bundle = edited(&once_by(ask), "study.toml", "privacy = \"named\"", "privacy = \"fully-anonymous\"\nbatch = 5");
        center.activate(&bundle, Stage::Production).await;
        take_in(center, &["a", "b", "c", "d"].map(|name| somebody(name, ""))).await;
        center.attend().await;
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        assert!(center.settle().await.is_empty(), "four are too few");
        let why: Vec<String> = planned(center).await.into_iter().map(|one| one.why).collect();
        assert!(why.iter().all(|why| why.contains("fewer than 5 leave together")), "{why:?}");
        assert_eq!(center.world.number("SELECT count(*) FROM credential").await, 0);
        // Whoever comes half an hour later meets the others all the same.
        center.wind(1800);
        take_in(center, &[somebody("e", "")]).await;
        center.attend().await;
        assert!(center.settle().await.is_empty(), "one is too few");
        center.wind(1801);
        center.attend().await;
        let letters = center.settle().await;
        assert_eq!(letters.len(), 5, "{:?}", kinds(&letters));
        assert_eq!(center.world.number("SELECT count(*) FROM credential WHERE participant_id IS NULL").await, 5);
        let pages = serve(center).await;
        assert_eq!(pages.get(&link_in(&letters[2].text)).await.status, 200);
    }

    async fn an_access_by_command_is_the_only_one(center: &mut Center) {
        let people = |names: [&str; 5]| names.map(|name| somebody(name, ""));
        let nobodys =
            |bundle: &Bundle| edited(bundle, "study.toml", "privacy = \"named\"", "privacy = \"fully-anonymous\"\nbatch = 5");
        center.activate(&nobodys(&once()), Stage::Production).await;
        center.issue("wellbeing", &people(["a", "b", "c", "d", "e"]), center.terms(Form::Link)).await;
        let invited = center.settle().await;
        assert_eq!(invited.iter().filter(|letter| letter.kind == "invitation").count(), 5, "{:?}", kinds(&invited));
        // An amendment has the schedule invite: those who come after it, and nobody once more.
        let ask = ONCE.split("\n\n[[rules]]\nid = \"remind\"").next().unwrap();
        center.amend(&nobodys(&once_by(ask)), center.act("a schedule")).await.unwrap();
        center.attend().await;
        center.settle().await;
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        assert!(center.settle().await.is_empty());
        assert_eq!(center.world.number("SELECT count(*) FROM credential").await, 5);
        take_in(center, &people(["f", "g", "h", "i", "j"])).await;
        center.attend().await;
        let mut to: Vec<String> = center.settle().await.into_iter().map(|letter| letter.to).collect();
        to.sort();
        assert_eq!(to, ["f", "g", "h", "i", "j"].map(|name| format!("{name}@example.jp")));
        // The same rule by another id is no other invitation.
        let anew = ask.replace("\"ask\"", "\"anew\"").replace("2026-11-24", "2026-11-25");
        center.amend(&nobodys(&once_by(&anew)), center.act("renamed")).await.unwrap();
        center.attend().await;
        center.settle().await;
        center.wind(86_400);
        center.attend().await;
        assert!(center.settle().await.is_empty());
        assert_eq!(center.world.number("SELECT count(*) FROM credential").await, 10);
    }

    async fn studies_with_work_are_found_one_behind_the_other(center: &mut Center) {
        use hagaki::store::schedule::{touched_studies, unplanned};
        center.activate(&once_by(ONCE), Stage::Production).await;
        let members = with_file(&samples::members(), "schedule.toml", &ONCE.replace("\"participants\"", "\"members\""));
        center.activate(&members, Stage::Production).await;
        take_in(center, &[somebody("a", "")]).await;
        let terms = Terms { mailed: false, ..center.terms(Form::Account) };
        center.issue("members", &[somebody("b", "")], terms).await;
        let [first, second] = [center.shelved("wellbeing").await.id, center.shelved("members").await.id];
        for (after, most, found) in [(0, 1, vec![first]), (first, 1, vec![second]), (second, 1, vec![]), (0, 9, vec![first, second])] {
            assert_eq!(unplanned(center.store(), (after, most)).await.unwrap(), found);
            assert_eq!(touched_studies(center.store(), (after, most)).await.unwrap(), found);
        }
        center.attend().await;
        wind_to(center, "2026-11-24 09:00");
        let now = center.clock.now();
        for (after, most, found) in [(0, 1, vec![first]), (first, 1, vec![second]), (second, 1, vec![])] {
            assert_eq!(planned_letter::due_studies(center.store(), now, (after, most)).await.unwrap(), found);
        }
    }

    async fn silence_is_told_to_whom_the_rule_names(center: &mut Center) {
        let escalate = "escalate = [{ after = 2, to = \"coordinator\" }, { on = \"failed\", to = \"manager\" }]\n";
        let schedule = ONCE.replace("[[rules]]\nid = \"remind\"", "escalate = [{ on = \"failed\", to = \"manager\" }, { on = \"failed\", to = \"coordinator\" }]\n\n[[rules]]\nid = \"remind\"");
        // The office is both, and hears it once.
        center.activate(&once_by(&format!("{schedule}{escalate}")), Stage::Production).await;
        take_in(center, &["a", "b", "refused"].map(|name| somebody(name, ""))).await;
        let pages = serve(center).await;
        let came = walk(center, "2026-11-24 12:00", &[]).await;
        let failed: Vec<&Received> = came.iter().map(|one| &one.3).filter(|letter| letter.kind == "unanswered").collect();
        assert_eq!(failed.len(), 1, "{:?}", came.iter().map(|one| (&one.1, &one.2)).collect::<Vec<_>>());
        assert!(failed[0].to == "wellbeing-office@example.jp" && !failed[0].everything.contains("refused@"), "{}", failed[0].text);
        let own = came.iter().find(|one| one.2.starts_with('a')).unwrap();
        answer(&pages, &link_in(&own.3.text)).await;
        super::survey::withdraw(center, 3).await;
        let came = walk(center, "2027-01-31 12:00", &[]).await;
        let told: Vec<String> = came.iter().map(|(at, kind, to, _)| format!("{at} {kind} {}", &to[..1])).collect();
        assert_eq!(told, ["2026-11-27 18:00 reminder b", "2026-12-04 18:00 reminder b", "2026-12-11 18:00 unanswered w"]);
        let letter = &came[2].3;
        assert!(letter.text.contains("2 通") || letter.text.contains("2 回"), "{}", letter.text);
        assert!(!letter.everything.contains("b@example.jp"), "{}", letter.text);
    }

    async fn sites_are_told_what_is_due_and_whom_it_is_up_to_that_it_is_missing(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-7351"))).await;
        center.exchange(&DR_MILLER.writes("enroll", &aurora_form("021", "M-0001"))).await;
        let mut came: Vec<String> = Vec::new();
        for day in 19..=56 {
            let (month, day) = if day <= 30 { (11, day) } else { (12, day - 30) };
            wind_to(center, &format!("2026-{month}-{day:02} 08:01"));
            center.attend().await;
            for letter in center.settle().await {
                if ["follow-up-due", "unanswered"].contains(&letter.kind.as_str()) {
                    came.push(format!("{month}-{day:02} {} {}", letter.kind, letter.to));
                }
            }
            if (month, day) == (12, 18) {
                let visit = "Date of visit: 2026-12-16\nWeight: 61.5 kg\nECOG performance status: 1\nTreatment given as planned: yes\n";
                let done = center.answer(&DR_MILLER.writes("follow-up week_4 AURORA-0002", visit)).await;
                assert_eq!(done.kind, "follow-up-done", "{}", done.text);
            }
        }
        came.sort();
        assert_eq!(came, [
            // Each Monday what is due; the days of week 4 begin on the 13th.
            "12-14 follow-up-due miller@example.org", "12-14 follow-up-due yamada@example.jp",
            "12-21 follow-up-due yamada@example.jp",
            // Three days behind the day itself is a Saturday, and then each third day.
            "12-21 follow-up-due yamada@example.jp", "12-22 follow-up-due yamada@example.jp",
            "12-25 unanswered aurora-center@example.jp",
        ]);
    }

    async fn managers_get_a_report_each_week(center: &mut Center) {
        let report = "[[rules]]\nid = \"report\"\naudience = { role = \"manager\" }\nletter = \"weekly-report\"\ncron = \"0 8 * * mon\"\n";
        center.activate(&by(report), Stage::Production).await;
        let came = walk(center, "2026-12-01 12:00", &[]).await;
        let told: Vec<(&str, bool)> = came.iter().map(|(at, kind, ..)| (at.as_str(), kind.starts_with("weekly-report"))).collect();
        assert_eq!(told, [("2026-11-23 08:00", true), ("2026-11-30 08:00", true)]);
        assert!(came.iter().all(|one| one.2 == "wellbeing-office@example.jp"));
    }

    async fn members_are_asked_by_their_accounts(center: &mut Center) {
        let schedule = ONCE.replace("\"participants\"", "\"members\"");
        center.activate(&with_file(&samples::members(), "schedule.toml", &schedule), Stage::Production).await;
        let terms = Terms { mailed: false, ..center.terms(Form::Account) };
        center.issue("members", &[somebody("a", ""), somebody("b", "")], terms).await;
        center.attend().await;
        assert!(center.settle().await.is_empty());
        for (shown, kind) in [("2026-11-24 09:00", "invitation"), ("2026-11-27 18:00", "reminder")] {
            wind_to(center, shown);
            center.attend().await;
            let letters = center.settle().await;
            assert_eq!(kinds(&letters), [(kind, "a@example.jp"), (kind, "b@example.jp")]);
            assert!(letters.iter().all(|letter| letter.text.contains("/account") && !letter.text.contains("/a/")), "{}", letters[0].text);
            center.attend().await;
        }
        assert_eq!(center.world.number("SELECT count(*) FROM credential_link").await, 0);
    }

    async fn a_password_is_not_repeated(center: &mut Center) {
        center.activate(&by(WEEKLY), Stage::Production).await;
        let issued = center.issue("wellbeing", &[somebody("a", "")], center.terms(Form::Password)).await.issued;
        assert_eq!(center.settle().await.len(), 1);
        let came = walk(center, "2026-11-28 12:00", &[]).await;
        let told: Vec<(&str, &str)> = came.iter().map(|(at, kind, ..)| (at.as_str(), kind.as_str())).collect();
        assert_eq!(told, [("2026-11-20 18:00", "reminder"), ("2026-11-22 18:00", "reminder"), ("2026-11-24 09:00", "invitation"), ("2026-11-26 18:00", "reminder")]);
        let (login, password) = (issued[0].login.as_ref().unwrap().grouped(), issued[0].password.clone().unwrap());
        let invitation = &came[2].3.text;
        assert!(invitation.contains(&login) && invitation.contains("/s/wellbeing"), "{invitation}");
        assert!(came.iter().all(|one| !one.3.everything.contains(&password) && !one.3.text.contains("/a/")));
    }
}
