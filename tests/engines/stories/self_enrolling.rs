//! Participants who enroll themselves: a link, the first form, an arm, and the diary that follows from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use hagaki::domain::allocation::HistoryRow;
use hagaki::domain::fact::FactKind;
use hagaki::domain::language::Language;
use hagaki::domain::participant::Candidate;
use hagaki::domain::survey::Mark;
use hagaki::domain::time::Clock;
use hagaki::limits;
use hagaki::store::fuse::Fuse;
use hagaki::store::subject::NewSubject;
use hagaki::store::{Store, StoreError, audit, participant, response, study, subject};
use hagaki::web::survey::{SurveyPages, Tools};
use hagaki::workflow::credentials::{self, Form, Issued};
use hagaki::workflow::disclosure;
use hagaki::workflow::export::cells::Cell;
use hagaki::workflow::export::{self, Rows, Wish, codebook};
use hagaki::workflow::import::{self, Line, OnFile, Source};
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::told::{Discrepancy, What};
use hagaki::workflow::{Means, life};

use super::facts::{Operating, ok};
use super::survey::{link_in, serve};
use super::*;
use crate::browser::{Page, Served};
use crate::chromium::{self, Chromium};
use crate::world::{kept, ring};

/// The first form, answered by somebody whom nothing keeps out.
const FIRST: [(&str, &str); 3] = [("agrees", "yes"), ("age", "41"), ("shifts", "no")];
const SLEEP: [(&str, &str); 2] = [("insomnia", "8"), ("bedtime", "23:30")];
const WEEK: [(&str, &str); 3] = [("slept", "6.5"), ("quality", "4"), ("earlier", "no")];

const SOMNUS_OFFICE: &str = "somnus-office@example.jp";

/// SOMNUS under a code: nothing says the arm, and the arms are called so that nothing else is called like them.
fn blinded() -> Bundle {
    let bundle = edited(&samples::somnus(), "study.toml", "blinding = \"open\"", "blinding = \"blinded\"");
    let mut files = bundle.files().clone();
    for text in files.values_mut() {
        *text = text.replace("TIPS", "QX7").replace("WAIT", "QY9");
        *text = text.replace("眠りの工夫の案内\", en = \"Tips for better sleep", "甲群\", en = \"Nameless One");
        *text = text.replace(
            "待機（12週後に案内）\", en = \"Waiting list (tips after 12 weeks)",
            "乙群\", en = \"Nameless Two",
        );
        *text = text.replace("：{{arm}}", "").replace(": {{arm}}", "");
    }
    Bundle::from_files(files)
}

async fn invite_to(center: &Center, slug: &str, addresses: &[String]) -> Vec<Issued> {
    let candidate =
        |address: &String| Candidate { address: address.clone(), language: Some(Language::En), ..Candidate::default() };
    let candidates: Vec<Candidate> = addresses.iter().map(candidate).collect();
    center.issue(slug, &candidates, center.terms(Form::Link)).await.issued
}

/// So many participants of SOMNUS with a link each; the paths of their links.
async fn invite(center: &mut Center, many: usize) -> Vec<String> {
    let addresses: Vec<String> = (0..many).map(|number| format!("s{number}@example.jp")).collect();
    let issued = invite_to(center, "somnus", &addresses).await;
    center.settle().await;
    issued.iter().map(|one| link_in(one.link.as_deref().unwrap())).collect()
}

/// The pages of another daemon.
async fn serve_on(center: &Center, store: &Store) -> Served {
    let tools = Tools {
        shelf: Arc::new(center.shelf_on(store)),
        clock: center.clock.clone(),
        dice: center.dice.clone(),
        keys: center.keys.clone(),
        desk: center.process.calendar.desk.clone(),
        files: center.process.calendar.files.clone(),
        proxies: Vec::new(),
        dispatch_bells: vec![center.process.dispatch.bell.clone()],
    };
    Served::start(SurveyPages::new(tools).router()).await
}

async fn subjects(center: &Center) -> Vec<subject::SubjectRow> {
    let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
    subject::list(center.store(), row.id, 0, 1_000).await.unwrap()
}

async fn responses(center: &Center) -> Vec<response::ResponseRow> {
    let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
    response::list(center.store(), row.id, &Mark([0; 16]), 1_000).await.unwrap()
}

/// Fills in the first form up to its review.
async fn reviewed(pages: &Served, path: &str, first: &[(&str, &str)], sleep: &[(&str, &str)]) -> Page {
    let form = pages.get(path).await;
    assert!(form.status == 200 && form.body.contains("Taking part"), "{form:?}");
    let second = pages.fill(path, &form, first, "answer").await;
    assert!(second.status == 200 && second.body.contains("Your sleep"), "{second:?}");
    pages.fill(path, &second, sleep, "answer").await
}

/// Enrolls, and gives the page that comes next.
async fn enroll(pages: &Served, path: &str) -> Page {
    let review = reviewed(pages, path, &FIRST, &SLEEP).await;
    assert!(review.body.contains("They cannot be changed afterwards"), "{review:?}");
    let sent = pages.fill(path, &review, &[], "send").await;
    assert_eq!(sent.status, 303, "{sent:?}");
    let next = pages.get(&sent.location()).await;
    assert!(next.status == 200 && next.body.contains("you take part in the study now"), "{next:?}");
    next
}

/// Fills in the diary of an arm to its end.
async fn keep_diary(pages: &Served, path: &str, form: &Page, own: &[(&str, &str)]) -> Page {
    let second = pages.fill(path, form, &WEEK, "answer").await;
    assert_eq!(second.status, 200, "{second:?}");
    // Those who are to be helped by tips read them, the others do not.
    assert_eq!(
        second.body.contains("Get half an hour of daylight"),
        second.body.contains("name=\"helped\""),
        "{second:?}"
    );
    let review = pages.fill(path, &second, own, "answer").await;
    assert!(review.body.contains("Are these your answers?"), "{review:?}");
    let sent = pages.fill(path, &review, &[], "send").await;
    assert_eq!(sent.status, 303, "{sent:?}");
    pages.get(&sent.location()).await
}

/// The receipt number on a page.
fn receipt_in(page: &Page) -> String {
    let number =
        page.body.split("class=\"receipt\">Receipt number <strong>").nth(1).unwrap_or_else(|| panic!("{page:?}"));
    number.split('<').next().unwrap().to_owned()
}

/// `hagaki receipt find` says what stands behind a number.
fn found_at_the_command_line(center: &Center, number: &str, expected: &str) {
    let Some(output) = super::cases::at_the_command_line(center, &["receipt", "find", "somnus", number]) else {
        return;
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains(expected), "{number}: {text}");
}

stories! {
    async fn a_participant_enrolls_and_keeps_the_diary_of_their_arm(center: &mut Center) {
        center.activate(&samples::somnus(), Stage::Production).await;
        let paths = invite(center, 12).await;
        let pages = serve(center).await;
        let mut arms = BTreeSet::new();
        for (number, path) in paths.iter().enumerate() {
            let before = pages.get(path).await;
            assert!(before.body.contains("This form comes first") && !before.body.contains("Your group"), "{before:?}");
            let form = enroll(&pages, path).await;
            let letters = center.settle().await;
            assert_eq!(kinds(&letters), [("notice-open", SOMNUS_OFFICE)], "nobody is told but the office");
            let own = subjects(center).await;
            assert_eq!(own.len(), number + 1);
            let arm = center.arms("somnus").await.pop().unwrap();
            arms.insert(arm.clone());
            // The diary knows the arm and the first form.
            let (name, other) = if arm == "TIPS" { ("Tips for better sleep", "Waiting list") } else { ("Waiting list", "Tips for better sleep") };
            assert!(form.body.contains(&format!("Your group: {name}")) && !form.body.contains(other), "{form:?}");
            assert!(form.body.contains("You usually go to bed at 23:30") && !form.body.contains("How many nights"), "{form:?}");
            let tips = arm == "TIPS";
            let typed: &[(&str, &str)] = if tips { &[("tried", "light"), ("helped", "6")] } else { &[("elsewhere", "no")] };
            let thanks = keep_diary(&pages, path, &form, typed).await;
            assert!(thanks.body.contains("Your answers were recorded"), "{thanks:?}");
            let sent = responses(center).await.into_iter().find(|one| one.subject_id == Some(own[number].id)).unwrap();
            assert_eq!((sent.instrument.as_str(), sent.participant_id), ("diary", own[number].participant_id));
            assert_eq!(sent.answers.contains("helped"), tips, "{}", sent.answers);
            assert_eq!(sent.answers.contains("elsewhere"), !tips, "{}", sent.answers);
        }
        assert_eq!(arms.len(), 2, "twelve people are not all on one arm");
        if let Some(text) = super::cases::shown(center, &["somnus", "SOMNUS-0001", "--language", "en"]) {
            assert!(text.contains("\nThis week's sleep diary 1\n") && text.contains("(web)\n"), "{text}");
            let own = if center.arms("somnus").await[0] == "TIPS" { "Daylight after getting up" } else { "help with your sleep elsewhere" };
            assert!(text.contains(own) && !text.contains("kept back"), "{text}");
        }
        center.wind(24 * 3600);
        // What belongs to the other arm is not taken, whoever posts it.
        let whole = [&WEEK[..], &[("helped", "6"), ("elsewhere", "no"), ("_lang", "en"), ("_step", "send")]].concat();
        let sent = pages.post(&paths[0], &whole).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let all = responses(center).await;
        assert!(all.iter().all(|one| one.answers.contains("helped") != one.answers.contains("elsewhere")));

        // What was made is proved from the secret, as everything that a mail makes.
        center.settle().await;
        center.assert_proved().await;
        // Whose subject it is can be changed by nobody unseen.
        let own = subjects(center).await[2].participant_id.unwrap();
        for (change, back, what) in [
            ("participant_id = NULL".to_owned(), format!("participant_id = {own}"), What::Participant),
            ("reference_key = 'participant/99'".to_owned(), "reference_key = 'participant/3'".to_owned(), What::Reference),
        ] {
            center.world.tamper(&format!("UPDATE subject SET {change} WHERE number = 3")).await;
            let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
            let shelved = center.shelf_on(center.store()).load(&row).await.unwrap();
            let found = proof::verify(center.store(), &shelved).await.unwrap();
            assert_eq!(found, Verdict::Untold(Discrepancy { number: 3, what }));
            center.world.tamper(&format!("UPDATE subject SET {back} WHERE number = 3")).await;
        }
        center.assert_proved().await;
        let first = &subjects(center).await[0];
        assert_eq!((first.person.as_str(), first.reference_key.as_str(), first.site.as_str()), ("participant", "participant/1", "online"));
        assert_eq!(first.answers, "{\"age\":\"41\",\"agrees\":\"yes\",\"bedtime\":\"23:30\",\"insomnia\":\"8\",\"shifts\":\"no\"}");
    }

    async fn whoever_enrolls_gets_a_receipt_number_that_is_found_again(center: &mut Center) {
        center.activate(&samples::somnus(), Stage::Production).await;
        let paths = invite(center, 2).await;
        let pages = serve(center).await;
        let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
        let mut numbers = BTreeSet::new();
        for (number, path) in (1..).zip(&paths) {
            let form = enroll(&pages, path).await;
            let receipt = receipt_in(&form);
            let whose = participant::find_by_receipt(center.store(), row.id, &receipt).await.unwrap().unwrap();
            assert_eq!(whose.number, number);
            // Sent once more, by another tab, it is the same.
            let whole = [&FIRST[..], &[("insomnia", "5"), ("bedtime", "21:00"), ("_first", "1"), ("_lang", "en"), ("_step", "send")]].concat();
            let again = pages.post(path, &whole).await;
            let next = pages.get(&again.location()).await;
            assert!(next.body.contains("You take part in the study already"), "{next:?}");
            assert_eq!(receipt_in(&next), receipt);
            let ja = pages.get(&format!("{path}?enrolled=now&lang=ja")).await;
            assert!(ja.body.contains("受付番号") && ja.body.contains(&receipt), "{ja:?}");
            // It stands where something was told, and not on every page.
            assert!(!pages.get(path).await.body.contains(&receipt));
            numbers.insert(receipt);
        }
        assert_eq!(numbers.len(), 2);
        let arm = center.arms("somnus").await.remove(0);
        let own: &[(&str, &str)] = if arm == "TIPS" { &[("tried", "light"), ("helped", "6")] } else { &[("elsewhere", "no")] };
        let form = pages.get(&format!("{}?lang=en", paths[0])).await;
        let thanks = keep_diary(&pages, &paths[0], &form, own).await;
        let diary = receipt_in(&thanks);
        center.settle().await;
        center.assert_proved().await;
        let first = participant::find_by_number(center.store(), row.id, 1).await.unwrap().unwrap().receipt.unwrap();
        found_at_the_command_line(center, &first.to_lowercase().replace('-', ""), "participant 1 enrolled themself as SOMNUS-0001, on 2026-11-18");
        found_at_the_command_line(center, &diary, "response 1 of participant 1, on 2026-11-18");
        found_at_the_command_line(center, "ABCD-EFGH-2345", "nothing was recorded in study somnus under ABCD-EFGH-2345");
        found_at_the_command_line(center, "1234", "is no receipt number");
    }

    async fn sent_twice_raced_or_from_two_tabs_it_is_one_subject(center: &mut Center) {
        center.activate(&samples::somnus(), Stage::Production).await;
        let paths = invite(center, 10).await;
        let pages = Arc::new(serve(center).await);
        // Another daemon on the same database.
        let other_store = Store::open(&center.world.url).await.unwrap().with_ring(ring());
        let second = Arc::new(serve_on(center, &other_store).await);
        let mut tasks = tokio::task::JoinSet::new();
        for (number, path) in paths.iter().enumerate() {
            let (one, other) = (reviewed(&pages, path, &FIRST, &SLEEP).await, reviewed(&second, path, &FIRST, &[("insomnia", "4"), ("bedtime", "22:00")]).await);
            for (tab, page) in [one.clone(), one, other].into_iter().enumerate() {
                let server = Arc::clone(if (number + tab).is_multiple_of(2) { &pages } else { &second });
                let path = path.clone();
                tasks.spawn(async move { server.fill(&path, &page, &[], "send").await });
            }
        }
        for page in tasks.join_all().await {
            assert!(page.status == 303 && page.location().contains("enrolled="), "{page:?}");
        }
        let all = subjects(center).await;
        assert_eq!(all.len(), 10);
        assert_eq!(all.iter().filter_map(|one| one.participant_id).collect::<BTreeSet<i64>>().len(), 10);
        assert_eq!(center.arms("somnus").await.len(), 10);

        // Sent once more, it leads on; what was sent first stays.
        let path = &paths[0];
        let before = subjects(center).await;
        let whole = [&FIRST[..], &[("insomnia", "5"), ("bedtime", "21:00"), ("_first", "1"), ("_lang", "en"), ("_step", "send")]].concat();
        let again = pages.post(path, &whole).await;
        let next = pages.get(&again.location()).await;
        assert!(next.body.contains("You take part in the study already") && next.body.contains("Your group"), "{next:?}");
        assert_eq!(subjects(center).await, before);
        // The diary of somebody who is not enrolled is not taken.
        let fresh = invite_to(center, "somnus", &["late@example.jp".to_string()]).await;
        let path = link_in(fresh[0].link.as_deref().unwrap());
        let early = pages.post(&path, &[&WEEK[..], &[("helped", "6"), ("elsewhere", "no"), ("_step", "send")]].concat()).await;
        assert!(early.status == 303 && pages.get(&early.location()).await.body.contains("Taking part"), "{early:?}");
        assert_eq!(responses(center).await, []);
        center.settle().await;
        center.assert_proved().await;
        // A second subject of one participant cannot be written, whatever the program does.
        let mut tx = center.store().begin().await.unwrap();
        let (reference_key, form) = kept("somebody else");
        let new = NewSubject {
            study_id: before[0].study_id, number: 99, reference_key, site: "online", person: "participant",
            enrolled_at: before[0].enrolled_at, form, inbox_id: None, audit_digest: &[7; 32], rescreens_id: None,
            participant_id: before[0].participant_id,
        };
        // Rows are written many at a time: the conflict may come with the commit.
        let wrong = match subject::insert(&mut tx, &new).await {
            Ok(_) => tx.commit().await,
            Err(error) => Err(error),
        };
        assert!(matches!(wrong, Err(StoreError::Conflict { .. })), "{wrong:?}");
    }

    async fn disturbed_at_every_step_it_is_one_subject_with_its_notice(center: &mut Center) {
        center.activate(&samples::somnus(), Stage::Production).await;
        let paths = invite(center, 80).await;
        let pages = serve(center).await;
        let series: [fn(u64) -> Arc<Fuse>; 3] = [Fuse::refuse, Fuse::lose_commit, Fuse::hide_commit];
        let mut paths = paths.iter();
        let mut used = 0;
        for troubled in series {
            for at in 1.. {
                let path = paths.next().expect("there are enough of them");
                used += 1;
                let review = reviewed(&pages, path, &FIRST, &SLEEP).await;
                let fuse = troubled(at);
                let shaky = serve_on(center, &center.store().with_fuse(Arc::clone(&fuse))).await;
                let shaken = shaky.fill(path, &review, &[], "send").await;
                assert_eq!(shaken.status, if fuse.struck() { 503 } else { 303 }, "{shaken:?}");
                // Whoever is told that nothing can be shown presses the button again.
                let again = pages.fill(path, &review, &[], "send").await;
                assert_eq!(again.status, 303, "{again:?}");
                assert_eq!(subjects(center).await.len(), used);
                if !fuse.struck() {
                    assert!(at > 1, "nothing was disturbed");
                    break;
                }
            }
        }
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), vec![("notice-open", SOMNUS_OFFICE); used]);
        assert_eq!(center.arms("somnus").await.len(), used);
        center.assert_proved().await;
    }

    async fn a_blinded_arm_stands_on_no_page_and_in_no_letter(center: &mut Center) {
        center.activate(&blinded(), Stage::Production).await;
        let paths = invite(center, 8).await;
        let pages = serve(center).await;
        let mut seen: Vec<Page> = Vec::new();
        for path in &paths {
            for language in ["en", "ja"] {
                seen.push(pages.get(&format!("{path}?lang={language}")).await);
            }
            let review = reviewed(&pages, path, &FIRST, &SLEEP).await;
            seen.push(review.clone());
            seen.push(pages.fill(path, &review, &[], "send").await);
            let form = pages.get(path).await;
            let ja = pages.get(&format!("{path}?lang=ja")).await;
            let kept = pages.fill(path, &form, &WEEK, "keep").await;
            let second = pages.fill(path, &form, &WEEK, "answer").await;
            let faulty = pages.fill(path, &second, &[], "answer").await;
            let own: &[(&str, &str)] =
                if second.body.contains("name=\"helped\"") { &[("helped", "3")] } else { &[("elsewhere", "yes")] };
            let review = pages.fill(path, &second, own, "answer").await;
            let sent = pages.fill(path, &review, &[], "send").await;
            let thanks = pages.get(&sent.location()).await;
            assert_eq!((second.status, faulty.status, sent.status, thanks.status), (200, 422, 303, 200));
            seen.extend([form, ja, kept, second, faulty, review, sent, thanks]);
        }
        let letters = center.settle().await;
        assert_eq!(center.arms("somnus").await.iter().collect::<BTreeSet<_>>().len(), 2);
        let names = ["QX7", "QY9", "Nameless One", "Nameless Two", "甲群", "乙群"];
        for page in &seen {
            for name in names {
                assert!(!page.head.contains(name) && !page.body.contains(name), "{name}: {page:?}");
            }
        }
        assert!(letters.iter().all(|letter| letter.kind == "notice-blind"), "{:?}", kinds(&letters));
        for letter in center.all_letters().await {
            assert!(names.iter().all(|name| !letter.everything.contains(name)), "{}", letter.everything);
        }
        // Nothing is handed out, so there are no kits, and whoever is blinded can still ask for a subject.
        let office = Writer { address: SOMNUS_OFFICE, study: "somnus" };
        let status = center.answer(&office.writes("status SOMNUS-0001", "subject: SOMNUS-0001\n")).await;
        assert_eq!(status.kind, "status-registration");
        assert!(names.iter().all(|name| !status.everything.contains(name)), "{}", status.everything);
        center.assert_proved().await;
    }

    async fn who_enrolled_themself_takes_part_no_more_by_a_fact(center: &mut Center) {
        center.activate(&blinded(), Stage::Production).await;
        let paths = invite(center, 2).await;
        let pages = serve(center).await;
        enroll(&pages, &paths[0]).await;
        center.settle().await;
        let own = Writer { address: "s0@example.jp", study: "somnus" };
        let asked = center.answer(&own.writes("withdraw", "I have had enough")).await;
        assert!(asked.kind == "leave-confirm" && asked.text.contains("talk to the people who treat you"), "{}", asked.text);
        let letters = center.exchange(&ok(&asked, own)).await;
        let told: BTreeSet<&str> = letters.iter().map(|letter| letter.kind.as_str()).collect();
        assert_eq!(told, BTreeSet::from(["fact-notice", "leave-done"]), "{:?}", kinds(&letters));
        assert!(letters.iter().all(|letter| !letter.words.contains("had enough")));
        assert_eq!(center.world.number("SELECT count(*) FROM subject_fact WHERE kind = 'withdrawn' AND person = 'participant'").await, 1);
        assert_eq!(center.world.number("SELECT count(*) FROM participant WHERE state = 'withdrawn'").await, 1);
        assert!(pages.get(&paths[0]).await.body.contains("You take part in this study no more"));
        // Whoever did not enroll yet leaves as from every survey.
        let other = Writer { address: "s1@example.jp", study: "somnus" };
        let asked = center.answer(&other.writes("withdraw", "")).await;
        let letters = center.exchange(&ok(&asked, other)).await;
        assert!(letters.iter().any(|letter| letter.kind == "leave-notice"), "{:?}", kinds(&letters));
        assert_eq!(subjects(center).await.len(), 1);
        center.assert_proved().await;
    }

    async fn who_cannot_take_part_reads_why_and_may_correct_a_mistake(center: &mut Center) {
        center.activate(&samples::somnus(), Stage::Production).await;
        let paths = invite(center, 2).await;
        let pages = serve(center).await;
        let path = &paths[0];
        let young = [("agrees", "yes"), ("age", "14"), ("shifts", "no")];
        let review = reviewed(&pages, path, &young, &[("insomnia", "1"), ("bedtime", "23:30")]).await;
        let refused = pages.fill(path, &review, &[], "send").await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.body.contains("at least 20 years old") && refused.body.contains("3 or more"), "{refused:?}");
        assert!(!refused.body.contains("agree to take part."), "only what does not hold: {refused:?}");
        let ja = pages.fill(path, &refused, &[], "lang-ja").await;
        assert!(ja.status == 200 && ja.body.contains("この回答でよろしいですか"), "{ja:?}");
        assert_eq!((subjects(center).await.len(), center.world.number("SELECT count(*) FROM audit WHERE action = 'refuse'").await), (0, 1));
        // The chain tells that they were refused, and not by which answer: that would be their health, beside their number.
        assert!(refused.body.contains("but not by which answer"), "{refused:?}");
        let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
        let entry = audit::list(center.store(), row.id, 0, 100).await.unwrap().into_iter().find(|entry| entry.action == "refuse").unwrap();
        let body: serde_json::Value = serde_json::from_str(&entry.body).unwrap();
        assert_eq!((&body["participant"], &body["reasons"]), (&serde_json::json!(1), &serde_json::json!(["not-eligible"])));
        let study = center.shelf_on(center.store()).load(&row).await.unwrap().study.clone();
        let ids = study.eligibility.iter().map(|criterion| &criterion.id);
        let items = study.registration_instrument().items.iter().map(|item| &item.id);
        assert!(ids.chain(items).all(|id| !entry.body.contains(id.as_str())), "{}", entry.body);
        assert_eq!(center.world.number("SELECT count(*) FROM response").await + center.world.number("SELECT count(*) FROM draft").await, 0);
        // The way back to the form, with what was typed in it.
        let form = pages.fill(path, &refused, &[], "change").await;
        assert!(form.body.contains("name=\"age\"") && form.body.contains("value=\"14\""), "{form:?}");
        let second = pages.fill(path, &form, &FIRST, "answer").await;
        let review = pages.fill(path, &second, &SLEEP, "answer").await;
        let sent = pages.fill(path, &review, &[], "send").await;
        assert_eq!(sent.status, 303, "{sent:?}");
        assert_eq!(subjects(center).await.len(), 1);

        // Nobody finds out by trying which answers let them in.
        let path = &paths[1];
        for tried in 1..=limits::ENROLLMENT_REFUSALS {
            let age = (10 + tried).to_string();
            let review = reviewed(&pages, path, &[("agrees", "yes"), ("age", &age), ("shifts", "no")], &SLEEP).await;
            let last = tried == limits::ENROLLMENT_REFUSALS;
            // The same page sent twice at once, loaded again, or filled in alike once more: one refusal, told as the first time.
            let (one, other) = tokio::join!(pages.fill(path, &review, &[], "send"), pages.fill(path, &review, &[], "send"));
            let loaded = pages.fill(path, &review, &[], "send").await;
            let mut told = vec![one, other, loaded];
            if !last {
                let alike = reviewed(&pages, path, &[("agrees", "yes"), ("age", &age), ("shifts", "no")], &SLEEP).await;
                told.push(pages.fill(path, &alike, &[], "send").await);
            }
            for refused in told {
                assert!(refused.body.contains("at least 20 years old"), "{refused:?}");
                assert_eq!((refused.status, refused.body.contains("Look at my answers")), (if last { 403 } else { 422 }, !last));
            }
            assert_eq!(center.world.number("SELECT refusals FROM participant WHERE number = 2").await, tried);
        }
        let shut = pages.get(path).await;
        assert!(shut.status == 403 && shut.body.contains("nothing more is taken"), "{shut:?}");
        let whole = [&FIRST[..], &SLEEP[..], &[("_first", "1"), ("_step", "send")]].concat();
        assert_eq!(pages.post(path, &whole).await.status, 403);
        assert_eq!(subjects(center).await.len(), 1);
        assert_eq!(center.world.number("SELECT count(*) FROM audit WHERE action = 'refuse'").await, 1 + limits::ENROLLMENT_REFUSALS);
        // A fresh link that they ask for themselves changes nothing; one that the operator gives them does, and the chain tells it.
        let whose = Writer { address: "s1@example.jp", study: "somnus" };
        let letters = center.exchange(&whose.writes("link", "")).await;
        let invitation = letters.iter().find(|letter| letter.kind == "invitation").unwrap();
        assert!(invitation.text.contains("the first form decides whether you can, and it is then decided by lot"), "{}", invitation.text);
        let asked = link_in(&invitation.text);
        assert_eq!(pages.get(&asked).await.status, 403);
        let given = reissue(center, &asked).await;
        enroll(&pages, &given).await;
        assert_eq!(center.world.number("SELECT count(*) FROM audit WHERE action = 'forgive-refusals'").await, 1);
        assert_eq!(subjects(center).await.len(), 2);
        center.settle().await;
        center.assert_proved().await;
    }

    async fn a_cap_an_end_and_a_withdrawal_are_told_in_plain_words(center: &mut Center) {
        let bundle = edited(&samples::somnus(), "allocation.toml", "total = 200", "total = 3");
        center.activate(&edited(&bundle, "study.toml", "planned_subjects = 200", "planned_subjects = 3"), Stage::Production).await;
        let paths = invite(center, 6).await;
        let pages = Arc::new(serve(center).await);
        let mut reviews = Vec::new();
        for path in &paths {
            reviews.push((path.clone(), reviewed(&pages, path, &FIRST, &SLEEP).await));
        }
        let mut tasks = tokio::task::JoinSet::new();
        for (path, review) in reviews {
            let pages = Arc::clone(&pages);
            tasks.spawn(async move { pages.fill(&path, &review, &[], "send").await });
        }
        let done = tasks.join_all().await;
        assert_eq!(done.iter().filter(|page| page.status == 303).count(), 3);
        let full: Vec<&Page> = done.iter().filter(|page| page.status != 303).collect();
        assert!(full.iter().all(|page| page.status == 403 && page.body.contains("As many people as were wanted")), "{full:?}");
        assert_eq!(subjects(center).await.len(), 3);

        // Whoever is enrolled goes on, whatever becomes of enrollment.
        let store = center.store().clone();
        let mut enrolled = Vec::new();
        for path in &paths {
            let page = pages.get(path).await;
            match page.status {
                200 => enrolled.push(path.clone()),
                _ => assert!(page.status == 403 && page.body.contains("As many people as were wanted"), "{page:?}"),
            }
        }
        assert_eq!(enrolled.len(), 3);
        center.set_enrollment("somnus", true, None, "enough").await.unwrap();
        for path in &paths {
            let page = pages.get(path).await;
            if enrolled.contains(path) {
                assert!(page.body.contains("Your group"), "{page:?}");
            } else {
                assert!(page.status == 403 && page.body.contains("Nobody more can begin"), "{page:?}");
            }
        }
        life::set_paused(&store, "somnus", true, center.act("look")).await.unwrap();
        assert!(pages.get(&enrolled[0]).await.body.contains("takes no answers at present"));
        life::set_paused(&store, "somnus", false, center.act("looked")).await.unwrap();

        // A subject who is withdrawn is a participant who is asked no more.
        let form = pages.get(&enrolled[0]).await;
        let whose = credential_of(center, &enrolled[0]).await;
        let own = subjects(center).await.into_iter().find(|one| one.participant_id == Some(whose)).unwrap();
        let number = format!("SOMNUS-{:04}", own.number);
        let desk = Operating::of(center, "somnus").await;
        let (noted, _) = desk.note(center, &number, FactKind::Withdrawn, &[], None).await.unwrap();
        assert_eq!(participant::load(center.store(), whose).await.unwrap().state, participant::State::Withdrawn);
        assert!(pages.get(&enrolled[0]).await.body.contains("You take part in this study no more"));
        assert_eq!(pages.fill(&enrolled[0], &form, &WEEK, "answer").await.status, 403);
        assert_eq!(pages.get(&enrolled[1]).await.status, 200);
        // If another one was meant, they take part as before.
        let by = desk.shelved.study.people[0].id.clone();
        super::taken_back::take(center, &number, noted.number, &by).await.unwrap();
        assert_eq!(participant::load(center.store(), whose).await.unwrap().state, participant::State::Active);
        assert_eq!(pages.get(&enrolled[0]).await.status, 200);
        center.settle().await;
    }

    async fn mails_and_the_staff_enroll_nobody(center: &mut Center) {
        center.activate(&samples::somnus(), Stage::Production).await;
        let paths = invite(center, 1).await;
        let office = Writer { address: SOMNUS_OFFICE, study: "somnus" };
        let asked = center.answer(&office.writes("enroll", "agrees: yes\nage: 41\nshifts: no\ninsomnia: 8\nbedtime: 23:30\n")).await;
        assert!(asked.kind == "refusal" && asked.text.contains("enroll themselves"), "{}", asked.text);
        assert_eq!(center.answer(&office.writes("form", "")).await.kind, "help");
        // A participant who fills in either form by mail is told where it is filled in.
        let whose = Writer { address: "s0@example.jp", study: "somnus" };
        for body in ["slept: 6.5\nquality: 4\n", "age: 41\ninsomnia: 8\n"] {
            let refused = center.answer(&whose.writes("answers", body)).await;
            assert!(refused.kind == "survey-refused", "{}", refused.kind);
            assert!(refused.text.contains("on the page") || refused.text.contains("ページ"), "{}", refused.text);
        }
        assert_eq!(center.answer(&whose.writes("form", "")).await.kind, "survey-refused");
        assert_eq!(subjects(center).await, []);
        // By a fresh link they go on where they were.
        let pages = serve(center).await;
        enroll(&pages, &paths[0]).await;
        center.settle().await;
        let letters = center.exchange(&whose.writes("link", "")).await;
        let link = letters.iter().find(|letter| letter.kind == "invitation").unwrap();
        // They take part already: the letter asks for the diary alone.
        assert!(!link.text.contains("by lot") && !link.text.contains("the first form"), "{}", link.text);
        let form = pages.get(&format!("{}?lang=en", link_in(&link.text))).await;
        assert!(form.body.contains("Your group") && pages.get(&paths[0]).await.status == 403, "{form:?}");
    }

    async fn members_enroll_with_their_account(center: &mut Center) {
        center.activate(&edited(&unscheduled(&samples::somnus()), "study.toml", "access = \"credentials\"", "access = \"members\""), Stage::Production).await;
        super::members::admit(center, "somnus", &["hana@example.jp"]).await;
        center.settle().await;
        let pages = super::members::serve(center).await;
        super::members::choose(center, &pages, "hana@example.jp", super::members::PASSWORD).await;
        let cookie = super::members::sign_in(&pages, "somnus", "hana@example.jp", super::members::PASSWORD).await.cookie();
        let path = "/s/somnus/form";
        let form = pages.get_with(&format!("{path}?lang=en"), &cookie).await;
        assert!(form.body.contains("This form comes first"), "{form:?}");
        let guard = form.field("_guard");
        let whole = [&FIRST[..], &SLEEP[..], &[("_first", "1"), ("_lang", "en"), ("_step", "send"), ("_guard", &guard)]].concat();
        let header = super::members::header(&cookie);
        // Not without the guard of the session's own page.
        let bare: Vec<(&str, &str)> = whole.iter().copied().filter(|(name, _)| *name != "_guard").collect();
        assert_eq!(pages.post_with(path, &bare, &header).await.status, 403);
        assert_eq!(subjects(center).await, []);
        let sent = pages.post_with(path, &whole, &header).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let next = pages.get_with(&sent.location(), &cookie).await;
        assert!(next.body.contains("you take part in the study now") && next.body.contains("Your group"), "{next:?}");
        assert_eq!(subjects(center).await.len(), 1);
        center.settle().await;
        center.assert_proved().await;
    }

    async fn where_there_are_several_places_one_is_chosen_and_a_correction_is_known(center: &mut Center) {
        let bundle = edited(&samples::somnus(), "study.toml", "instrument = \"first\"", "instrument = \"first\"\nsite_item = \"place\"");
        let north = "[[sites]]\ncode = \"north\"\nname = { ja = \"北\", en = \"The North\" }\ncap = 1\n\n# What is read";
        let bundle = edited(&bundle, "study.toml", "# What is read", north);
        let place = "[[items]]\nid = \"place\"\nkind = \"choice\"\nlabel = { ja = \"場所\", en = \"Where do you live?\" }\nrequired = true\nchoices = \"sites\"\n\n[[items]]\nid = \"agrees\"";
        let bundle = edited(&bundle, "instruments/first.toml", "[[items]]\nid = \"agrees\"", place);
        center.activate(&bundle, Stage::Production).await;
        let paths = invite(center, 2).await;
        let pages = serve(center).await;
        let there = [&FIRST[..], &[("place", "north")]].concat();
        let review = reviewed(&pages, &paths[0], &there, &SLEEP).await;
        assert!(review.body.contains("The North"), "{review:?}");
        assert_eq!(pages.fill(&paths[0], &review, &[], "send").await.status, 303);
        let review = reviewed(&pages, &paths[1], &there, &SLEEP).await;
        let refused = pages.fill(&paths[1], &review, &[], "send").await;
        assert!(refused.status == 422 && refused.body.contains("at the place you chose"), "{refused:?}");
        let form = pages.fill(&paths[1], &refused, &[], "change").await;
        let elsewhere = [&FIRST[..], &[("place", "online")]].concat();
        let second = pages.fill(&paths[1], &form, &elsewhere, "answer").await;
        let review = pages.fill(&paths[1], &second, &SLEEP, "answer").await;
        assert_eq!(pages.fill(&paths[1], &review, &[], "send").await.status, 303);
        let all = subjects(center).await;
        assert_eq!(all.iter().map(|one| one.site.as_str()).collect::<Vec<_>>(), ["north", "online"]);
        // The participant is the subject, wherever they say that they live.
        let moved = [&elsewhere[..], &SLEEP[..], &[("_first", "1"), ("_step", "send")]].concat();
        assert_eq!(pages.post(&paths[0], &moved).await.status, 303);
        assert_eq!(subjects(center).await, all);
        assert!(pages.get(&paths[0]).await.body.contains("You usually go to bed at 23:30"));
        let later = [("bedtime", "22:15")];
        Operating::of(center, "somnus").await.note(center, "SOMNUS-0001", FactKind::Corrected, &later, None).await.unwrap();
        assert!(pages.get(&paths[0]).await.body.contains("You usually go to bed at 22:15"));
        assert!(pages.get(&paths[1]).await.body.contains("You usually go to bed at 23:30"));
        center.settle().await;
        center.assert_proved().await;
    }

    async fn a_history_of_participants_goes_on_here(center: &mut Center) {
        center.activate(&samples::somnus(), Stage::Production).await;
        let addresses: Vec<String> = (0..3).map(|number| format!("s{number}@example.jp")).collect();
        let issued = invite_to(center, "somnus", &addresses).await;
        center.settle().await;
        let paths: Vec<String> = issued.iter().map(|one| link_in(one.link.as_deref().unwrap())).collect();
        let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
        let shelved = center.shelf_on(center.store()).load(&row).await.unwrap();
        let scheme = shelved.study.scheme.clone().unwrap();
        let participants = participant::list(center.store(), row.id, 0, 100).await.unwrap();
        let on_file = OnFile { participants: &participants, ..OnFile::default() };
        let line = |number: u64, subject: &str, arm: &str| {
            let levels = [("shifts".to_owned(), "no".to_owned())].into();
            let row = HistoryRow { levels, arm: arm.to_owned(), slot: None, block_size: Some(6), by_hand: false };
            Line { number, subject: subject.to_owned(), site: None, kit: None, at: None, row, answers: Default::default() }
        };
        let now = center.clock.now();
        let strange = [line(2, "1", "TIPS"), line(3, "9", "WAIT"), line(4, "1", "WAIT")];
        let misfits = import::fit(&shelved, &scheme, on_file, &strange, now).unwrap_err();
        let told: Vec<(u64, bool)> = misfits
            .iter()
            .map(|one| (one.line, one.wrong.contains("is no participant") || one.wrong.contains("stands twice")))
            .collect();
        assert_eq!(told, [(3, true), (4, true)], "{misfits:?}");
        let history =
            import::fit(&shelved, &scheme, on_file, &[line(2, "1", "TIPS"), line(3, "2", "WAIT")], now).unwrap();
        let source = Source { name: "old.csv", digest: "ab" };
        import::import(center.store(), &shelved, &history, source, center.act("moved"), &*center.dice).await.unwrap();
        center.assert_proved().await;
        let own: Vec<Option<i64>> = subjects(center).await.iter().map(|one| one.participant_id).collect();
        assert_eq!(own, [Some(participants[0].id), Some(participants[1].id)]);
        // Who came with the history goes on with the diary of their arm; who did not enrolls.
        let pages = serve(center).await;
        let diary = pages.get(&paths[0]).await;
        assert!(diary.status == 200 && !diary.body.contains("Taking part"), "{diary:?}");
        enroll(&pages, &paths[2]).await;
        center.settle().await;
        assert_eq!(subjects(center).await.len(), 3);
        center.assert_proved().await;
    }

    async fn a_rehearsal_is_purged_whole(center: &mut Center) {
        center.activate(&samples::somnus(), Stage::Development).await;
        let paths = invite(center, 2).await;
        let pages = serve(center).await;
        let form = enroll(&pages, &paths[0]).await;
        assert!(form.body.contains("TEST"), "{form:?}");
        let kept = pages.fill(&paths[0], &form, &[("slept", "6")], "keep").await;
        assert!(kept.body.contains("Your answers are kept"), "{kept:?}");
        // What was kept of the first form is gone with it, and a page of it that is still open keeps nothing more.
        let first = pages.get(&paths[1]).await;
        let kept = pages.fill(&paths[1], &first, &[("age", "41")], "keep").await;
        assert_eq!(center.world.number("SELECT count(*) FROM draft").await, 2);
        assert!(pages.get(&paths[1]).await.body.contains("value=\"41\""));
        let whole = [&FIRST[..], &SLEEP[..], &[("_first", "1"), ("_lang", "en"), ("_step", "send")]].concat();
        assert_eq!(pages.post(&paths[1], &whole).await.status, 303);
        assert_eq!(pages.fill(&paths[1], &kept, &[("age", "42")], "keep").await.status, 303);
        assert_eq!(center.world.number("SELECT count(*) FROM draft").await, 1);
        center.settle().await;
        life::purge(center.store(), "somnus", center.act("the rehearsal is over"), &*center.dice).await.unwrap();
        let left = ["subject", "participant", "response", "draft"];
        for table in left {
            assert_eq!(center.world.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        assert_eq!(pages.get(&paths[0]).await.status, 404);
    }

    async fn what_leaves_the_house_joins_diary_subject_and_arm(center: &mut Center) {
        center.activate(&samples::somnus(), Stage::Production).await;
        let paths = invite(center, 1).await;
        let pages = serve(center).await;
        let form = enroll(&pages, &paths[0]).await;
        let arm = center.arms("somnus").await.pop().unwrap();
        let own: &[(&str, &str)] = if arm == "TIPS" { &[("helped", "6")] } else { &[("elsewhere", "no")] };
        keep_diary(&pages, &paths[0], &form, own).await;
        center.settle().await;
        let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
        let shelved = center.shelf_on(center.store()).current(row.id, row.bundle_version).await.unwrap();
        for arms in [true, false] {
            let wish = Wish { labels: false, deidentified: true, arms, telling: false, history: false, language: Language::En };
            let tables = export::tables(center.store(), &shelved, wish).await.unwrap();
            for id in ["diary", "subjects"] {
                let table = tables.iter().find(|table| table.id == id).unwrap();
                let heads: Vec<&str> = table.columns.iter().map(|column| column.id.as_str()).collect();
                assert_eq!(heads.contains(&"arm"), arms, "{heads:?}");
                let cells = Rows::of(center.store(), &shelved, table, wish).next().await.unwrap().unwrap();
                let cell = |name: &str| format!("{:?}", cells[heads.iter().position(|head| *head == name).unwrap()]);
                assert!(cell("subject").contains("SOMNUS-0001") && cell("participant").contains('1'), "{cells:?}");
                assert!(!arms || cell("arm").contains(&arm), "{cells:?}");
            }
        }
    }

    async fn a_blinded_exporter_cannot_tell_arms_apart_by_what_is_blank(center: &mut Center) {
        center.activate(&blinded(), Stage::Production).await;
        let paths = invite(center, 8).await;
        let pages = serve(center).await;
        for path in &paths {
            let form = enroll(&pages, path).await;
            let second = pages.fill(path, &form, &WEEK, "answer").await;
            let own: &[(&str, &str)] =
                if second.body.contains("name=\"helped\"") { &[("tried", "light"), ("helped", "3")] } else { &[("elsewhere", "yes")] };
            let review = pages.fill(path, &second, own, "answer").await;
            assert_eq!(pages.fill(path, &review, &[], "send").await.status, 303);
        }
        center.settle().await;
        assert_eq!(center.arms("somnus").await.iter().collect::<BTreeSet<_>>().len(), 2);
        let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
        let shelved = center.shelf_on(center.store()).current(row.id, row.bundle_version).await.unwrap();
        let asks = |by| disclosure::Wish { what: "data that tell arms apart", by };
        let follows = ["tried", "helped", "elsewhere"];
        // The office enrolls nobody here, but is blinded all the same; so is whoever says not who they are.
        for by in ["", "office", "nobody"] {
            let leave = disclosure::permit_telling(center.store(), &shelved, asks(by), center.act("an interim look")).await.unwrap();
            assert!(!leave, "{by}");
            let left = diaries(center, leave).await;
            assert_eq!((left.withheld, left.apart), (follows.map(str::to_owned).to_vec(), vec![]), "{by}");
            assert!(follows.iter().all(|id| !left.explained.iter().any(|known| known.starts_with(id))), "{:?}", left.explained);
        }
        assert_eq!(center.world.number("SELECT count(*) FROM audit WHERE action = 'export'").await, 0);
        assert!(disclosure::permit_telling(center.store(), &shelved, asks("stat"), center.act("")).await.is_err());
        let leave = disclosure::permit_telling(center.store(), &shelved, asks("stat"), center.act("an interim look")).await.unwrap();
        assert_eq!(center.world.number("SELECT count(*) FROM audit WHERE action = 'export'").await, 1);
        let whole = diaries(center, leave).await;
        assert!(leave && whole.withheld.is_empty() && follows.iter().all(|id| whole.explained.iter().any(|known| known.starts_with(id))));
        assert!(whole.apart.contains(&"helped".to_owned()) && whole.apart.contains(&"elsewhere".to_owned()), "{:?}", whole.apart);
        // After the close nothing is kept from anybody.
        center.close("somnus", "the last diary is in").await;
        assert_eq!(diaries(center, false).await, whole);
    }

    async fn the_whole_way_can_be_gone_by_everybody_on_a_phone(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        center.activate(&samples::somnus(), Stage::Production).await;
        let paths = invite(center, 2).await;
        let pages = serve(center).await;
        for (language, path) in ["en", "ja"].into_iter().zip(&paths) {
            let url = pages.url(&format!("{path}?lang={language}"));
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = Chromium::start();
                browser.screen(390, 844);
                let name = |page: &str| format!("enrolling-{language}-{page}");
                browser.open(&url);
                browser.look(&name("1-first"));
                browser.fill(&[("agrees", "yes"), ("age", "14"), ("shifts", "yes")], "answer");
                browser.fill(&[("insomnia", "8"), ("bedtime", "23:30")], "answer");
                browser.look(&name("2-review"));
                browser.fill(&[], "send");
                browser.look(&name("3-refused"));
                let refused = browser.text();
                browser.fill(&[], "change");
                browser.fill(&[("age", "41")], "answer");
                browser.fill(&[], "answer");
                browser.fill(&[], "send");
                browser.look(&name("4-enrolled"));
                let enrolled = browser.text();
                browser.fill(&[("slept", "6.5"), ("quality", "4"), ("earlier", "no"), ("nights", "2")], "answer");
                browser.look(&name("5-arm"));
                browser.fill(&[("helped", "6"), ("elsewhere", "no")], "answer");
                browser.look(&name("6-review"));
                browser.fill(&[], "send");
                browser.look(&name("7-thanks"));
                (refused, enrolled, browser.text())
            });
            let (refused, enrolled, thanks) = seen.await.unwrap();
            let words = match language {
                "en" => ["at least 20 years old", "you take part in the study now", "Receipt number"],
                _ => ["20歳以上の方が対象です", "参加登録が完了しました", "受付番号"],
            };
            for (text, word) in [refused, enrolled, thanks].iter().zip(words) {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
        center.settle().await;
        assert_eq!(subjects(center).await.len(), 2);
    }
}

/// What an export of the diaries of a blinded study gives away.
#[derive(Debug, PartialEq)]
struct Diaries {
    /// Items that have no column.
    withheld: Vec<String>,
    /// Columns that are blank in one arm alone.
    apart: Vec<String>,
    /// Columns and items in the codebook.
    explained: Vec<String>,
}

async fn diaries(center: &Center, telling: bool) -> Diaries {
    let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
    let shelved = center.shelf_on(center.store()).current(row.id, row.bundle_version).await.unwrap();
    let wish = Wish { labels: false, deidentified: true, arms: false, telling, history: true, language: Language::En };
    let tables = export::tables(center.store(), &shelved, wish).await.unwrap();
    let explained = codebook::rows(&tables, wish).iter().flatten().map(Cell::plain).collect();
    let table = tables.iter().find(|table| table.id == "diary").unwrap();
    let heads: Vec<&str> = table.columns.iter().map(|column| column.id.as_str()).collect();
    let arms = center.arms("somnus").await;
    // By column: the arms of those who have a cell there, and of those who have none.
    let mut filled = vec![[BTreeSet::new(), BTreeSet::new()]; heads.len()];
    let mut rows = Rows::of(center.store(), &shelved, table, wish);
    while let Some(cells) = rows.next().await.unwrap() {
        let subject = cells[heads.iter().position(|head| *head == "subject").unwrap()].plain();
        let number: usize = subject.trim_start_matches("SOMNUS-").parse().unwrap();
        for (seen, cell) in filled.iter_mut().zip(&cells) {
            seen[usize::from(cell.plain().is_empty())].insert(arms[number - 1].clone());
        }
    }
    let parts = |[some, none]: &[BTreeSet<String>; 2]| !some.is_empty() && !none.is_empty() && some.is_disjoint(none);
    let apart = heads.iter().zip(&filled).filter(|(_, seen)| parts(seen)).map(|(head, _)| (*head).to_owned()).collect();
    Diaries { withheld: table.withheld.clone(), apart, explained }
}

/// Gives a participant a fresh link, as the operator does; its path.
async fn reissue(center: &Center, path: &str) -> String {
    let row = study::find_current(center.store(), "somnus").await.unwrap().unwrap();
    let shelf = center.shelf_on(center.store());
    let shelved = shelf.current(row.id, row.bundle_version).await.unwrap();
    let desk = center.process.calendar.desk.clone();
    let means = Means { now: center.clock.now(), dice: &*center.dice, keys: &center.keys, desk: &desk };
    let whose = participant::load(center.store(), credential_of(center, path).await).await.unwrap();
    let issued = credentials::reissue(&shelf, &shelved, means, center.act("they called"), &whose, false).await.unwrap();
    link_in(issued.unwrap().link.as_deref().unwrap())
}

/// Whose link that is: their number in the database.
async fn credential_of(center: &Center, path: &str) -> i64 {
    let secret = hagaki::domain::credential::Secret::parse(path.trim_start_matches("/a/")).unwrap();
    let found = hagaki::store::arrival::by_link(center.store(), &secret.link_digest()).await.unwrap();
    found.unwrap().credential.participant_id.unwrap()
}
