//! A diary by personal links: invited by mail, answered on a page, counted once however it is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hagaki::domain::participant::Candidate;
use hagaki::domain::survey::Mark;
use hagaki::domain::time::{Clock, Instant};
use hagaki::limits;
use hagaki::store::{credential, participant, response, study};
use hagaki::web::survey::{SurveyPages, Tools};
use hagaki::workflow::credentials::{self, Form, Issued, Terms};
use hagaki::workflow::participants::{self, Done};
use hagaki::workflow::{Means, life};

use super::*;
use crate::browser::Served;
use crate::world::NOW;

/// WELLBEING, answered once and not shown again before it is sent.
pub(super) fn once() -> Bundle {
    let bundle =
        edited(&unscheduled(&samples::wellbeing()), "study.toml", "responses = \"repeat\"", "responses = \"once\"");
    edited(&bundle, "study.toml", "review = true", "review = false")
}

/// The same, shown again before it is sent.
pub(super) fn reviewed() -> Bundle {
    edited(&once(), "study.toml", "review = false", "review = true")
}

/// [`once`] without names.
pub(super) fn nameless() -> Bundle {
    edited(&once(), "study.toml", "privacy = \"named\"", "privacy = \"anonymous\"")
}

/// Credentials for so many people with addresses, mailed.
pub(super) async fn invite(center: &Center, many: usize, until: Option<i64>) -> Vec<Issued> {
    let until = until.map(|seconds| center.clock.now().plus_seconds(seconds));
    invite_on(center, many, until, None).await
}

/// The same, good until then or for so many days from their sending.
async fn invite_on(
    center: &Center,
    many: usize,
    until: Option<Instant>,
    days_from_sending: Option<u32>,
) -> Vec<Issued> {
    let candidates: Vec<Candidate> = (0..many)
        .map(|number| Candidate {
            address: format!("p{number}@example.jp"),
            name: format!("P {number}"),
            ..Candidate::default()
        })
        .collect();
    let terms = Terms { until, days_from_sending, ..center.terms(Form::Both) };
    center.issue("wellbeing", &candidates, terms).await.issued
}

pub(super) async fn serve(center: &Center) -> Served {
    let tools = Tools {
        shelf: Arc::new(center.shelf_on(center.store())),
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

/// So many people are invited to a survey in production, and its pages are served: the paths of their links.
pub(super) async fn begun(center: &mut Center, bundle: &Bundle, many: usize) -> (Served, Vec<String>) {
    center.activate(bundle, Stage::Production).await;
    let issued = invite(center, many, None).await;
    center.settle().await;
    let pages = serve(center).await;
    (pages, issued.iter().map(|one| link_in(one.link.as_deref().unwrap())).collect())
}

/// The same for one: the address of their form in English.
pub(super) async fn begun_for_one(center: &mut Center, bundle: &Bundle) -> (Served, String) {
    let (pages, paths) = begun(center, bundle, 1).await;
    let url = pages.url(&format!("{}?lang=en", paths[0]));
    (pages, url)
}

/// The office takes a participant out.
pub(super) async fn withdraw(center: &Center, number: i64) {
    let (shelved, shelf) = (center.shelved("wellbeing").await, center.shelf_on(center.store()));
    let done = participants::withdraw(&shelf, &shelved, center.means(), center.act("they called"), number).await;
    assert_eq!(done.unwrap(), Done::Done);
}

/// The path of the link in a letter.
pub(super) fn link_in(text: &str) -> String {
    let link = text.split_whitespace().find_map(|word| word.strip_prefix("https://hagaki.example.jp"));
    link.unwrap_or_else(|| panic!("no link in {text}")).to_owned()
}

const FILLED: [(&str, &str); 6] =
    [("day", "令和8年11月1日"), ("mood", "7"), ("pain", "no"), ("tired", "2"), ("worried", "1"), ("met", "3")];

pub(super) fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    FILLED.iter().chain(more).copied().collect()
}

pub(super) async fn responses(center: &Center) -> Vec<response::ResponseRow> {
    let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
    let all = response::list(center.store(), row.id, &Mark([0; 16]), 10_000).await.unwrap();
    assert_eq!(all.len() as i64, row.responses, "the counter of the study is right");
    all
}

stories! {
    async fn a_participant_is_invited_answers_and_is_thanked(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [("invitation", "p0@example.jp"), ("invitation", "p1@example.jp")]);
        assert!(!letters[0].subject.contains("P 0") && letters[0].text.contains(&issued[0].link.clone().unwrap()));
        assert!(letters[0].text.contains(issued[0].password.as_deref().unwrap()));
        let pages = serve(center).await;
        let path = link_in(&letters[0].text);

        // A mail scanner opens the link as often as it likes.
        for _ in 0..3 {
            assert_eq!(pages.get(&path).await.status, 200);
        }
        let form = pages.get(&format!("{path}?lang=en")).await;
        assert!(form.body.contains("This week") && form.head.contains("content-language: en"), "{form:?}");
        let mark = form.field("_mark");

        let faulty = pages.post(&path, &[("_mark", &mark), ("_lang", "en"), ("mood", "11"), ("pain", "はい")]).await;
        assert_eq!(faulty.status, 422);
        assert!(faulty.body.contains("Expected: a whole number from 0 to 10") && faulty.body.contains("href=\"#day-in\""), "{faulty:?}");
        assert_eq!(responses(center).await, []);

        let sent = pages.post(&path, &with(&[("_mark", &mark), ("_lang", "en")])).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let thanks = pages.get(&sent.location()).await;
        assert!(thanks.body.contains("Your answers were recorded"), "{thanks:?}");
        let receipt = sent.location().split("receipt=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        assert!(thanks.body.contains(&receipt));
        // Every page of the study says whom to ask, as its letters do; to whoever has no link of it nobody is named.
        for page in [&form, &faulty, &thanks, &pages.get("/s/wellbeing?lang=en").await] {
            assert!(page.body.contains("Questions? Please write to Survey office"), "{page:?}");
            assert!(page.body.contains("mailto:wellbeing-office@example.jp"), "{page:?}");
        }
        let unknown = pages.get(&format!("/a/{}", "2".repeat(26))).await;
        assert!(unknown.status == 404 && !unknown.body.contains("wellbeing-office"), "{unknown:?}");

        // Sent again, reloaded, or opened anew: the same receipt, and nothing more counts.
        let again = pages.post(&path, &with(&[("_mark", &mark), ("_lang", "en")])).await;
        assert!(again.location().contains(&receipt), "{again:?}");
        let told = pages.get(&again.location()).await;
        assert!(told.body.contains("Your answers were recorded. What you sent first counts"), "{told:?}");
        let other_tab = pages.post(&path, &with(&[("_mark", &"ab".repeat(16)), ("_lang", "en")])).await;
        // What came from another page is not said to be recorded.
        assert!(!other_tab.location().contains("receipt"), "{other_tab:?}");
        let told = pages.get(&other_tab.location()).await;
        assert!(told.body.contains("Your first answers count") && !told.body.contains("were recorded"), "{told:?}");
        let opened = pages.get(&path).await;
        assert!(opened.body.contains("すでに回答いただいています") && opened.body.contains(&receipt), "{opened:?}");
        let all = responses(center).await;
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].answers, "{\"day\":\"2026-11-01\",\"met\":\"3\",\"mood\":\"7\",\"pain\":\"no\",\"tired\":\"2\",\"worried\":\"1\"}");
        assert!(all[0].participant_id.is_some() && all[0].audit_digest.is_some());
    }

    async fn a_diary_is_answered_as_often_as_wanted(center: &mut Center) {
        center.activate(&samples::wellbeing(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        for occasion in 1..=3 {
            let mark = pages.get(&path).await.field("_mark");
            let slept = [("_mark", mark.as_str()), ("_lang", "ja"), ("slept", "13")];
            let review = pages.post(&path, &with(&slept)).await;
            assert_eq!(review.status, 200);
            assert!(review.body.contains("この回答でよろしいですか") && review.body.contains("通常と異なる回答"), "{review:?}");
            // It is taken, and what is said of it does not ask for another value.
            assert!(review.body.contains("「13」は通常の範囲から外れています") && !review.body.contains("範囲外"), "{review:?}");
            assert!(review.body.contains("【通常の値】3 から 12 まで") && !review.body.contains("入力できる値】"), "{review:?}");
            assert_eq!(responses(center).await.len(), occasion - 1);
            let change = pages.post(&path, &with(&[slept[0], slept[1], slept[2], ("_step", "change")])).await;
            assert!(change.status == 200 && change.body.contains("value=\"13\""), "{change:?}");
            let sent = pages.post(&path, &with(&[slept[0], slept[1], slept[2], ("_step", "send")])).await;
            assert_eq!(sent.status, 303);
            assert_eq!(responses(center).await.len(), occasion);
            // A second form on the same day is given back whole, whichever tab it comes from, with the day from which on it is taken.
            let thanks = pages.get(&sent.location().replace("lang=ja", "lang=en")).await;
            assert!(thanks.body.contains("You can answer again from 2026-11-"), "{thanks:?}");
            let early = pages.post(&path, &with(&[("_mark", &"cd".repeat(16)), ("_lang", "en"), ("_step", "send")])).await;
            assert!(early.status == 403 && early.body.contains("The next answers are taken from 2026-11-"), "{early:?}");
            assert!(early.hidden().contains(&("met".to_owned(), "3".to_owned())) && pages.get(&path).await.status == 403);
            assert_eq!(responses(center).await.len(), occasion);
            center.wind(24 * 3600);
        }
        let mut occasions: Vec<i64> = responses(center).await.iter().map(|one| one.occasion).collect();
        occasions.sort_unstable();
        assert_eq!(occasions, [1, 2, 3]);
    }

    async fn pages_follow_from_the_answers(center: &mut Center) {
        center.activate(&samples::wellbeing(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        let first = pages.get(&format!("{path}?lang=en")).await;
        assert!(first.body.contains("Page 1 / 3") && !first.body.contains("value=\"back\""), "{first:?}");
        assert!(first.body.contains("Your answers are kept together with your name"));

        // Only what stands on the page is complained of, and what was typed on it is kept.
        let faulty = pages.fill(&path, &first, &[("mood", "11"), ("pain", "yes")], "answer").await;
        assert_eq!(faulty.status, 422);
        assert!(faulty.body.contains("href=\"#day-in\"") && !faulty.body.contains("href=\"#tired\""), "{faulty:?}");

        let pain = [("day", "2026-11-01"), ("mood", "2"), ("pain", "yes")];
        let second = pages.fill(&path, &faulty, &pain, "answer").await;
        assert!(second.status == 200 && second.body.contains("Page 2 / 4") && second.body.contains("Your pain"), "{second:?}");
        assert!(!second.body.contains("Your answers are kept together"));
        // A choice with a text beside it wants the text, and the text alone makes the choice.
        let lacks = pages.fill(&path, &second, &[("where", "head"), ("where", "other")], "answer").await;
        assert!(lacks.status == 422 && lacks.body.contains("href=\"#where_other-in\""), "{lacks:?}");
        let third = pages.fill(&path, &lacks, &[("where", "head"), ("where_other", "<b>left</b> ear")], "answer").await;
        assert!(third.status == 200 && third.body.contains("Page 3 / 4"), "{third:?}");

        // Answers that do not go together are told of where the last of them stands.
        let much = pages.fill(&path, &third, &[("slept", "20"), ("napped", "6")], "answer").await;
        assert!(much.status == 422 && much.body.contains("more than 24 together"), "{much:?}");
        assert!(much.body.contains("href=\"#napped-in\""));
        let fourth = pages.fill(&path, &much, &[("slept", "7"), ("napped", "1")], "answer").await;
        assert!(fourth.body.contains("You gave your mood 2. What was on your mind?"), "{fourth:?}");
        assert!(fourth.body.contains("aria-labelledby=\"tired-label days-matrix-1\""), "{fourth:?}");

        // Another language keeps what was typed, and the way back does, too.
        let days = [("tired", "1"), ("worried", "1"), ("met", "3"), ("remark", "a < b")];
        let spoken = pages.fill(&path, &fourth, &days, "lang-ja").await;
        assert!(spoken.body.contains("ページ 4 / 4") && spoken.body.contains("a &lt; b</textarea>"), "{spoken:?}");
        let spoken = pages.fill(&path, &spoken, &days, "lang-en").await;
        let back = pages.fill(&path, &spoken, &days, "back").await;
        assert!(back.body.contains("Page 3 / 4") && back.body.contains("name=\"slept\" value=\"7\""), "{back:?}");
        let fourth = pages.fill(&path, &back, &[("slept", "7"), ("napped", "1")], "answer").await;
        let review = pages.fill(&path, &fourth, &days, "answer").await;
        assert!(review.status == 200 && review.body.contains("Are these your answers?"), "{review:?}");
        assert!(review.body.contains("you were neither tired nor worried"), "a doubt: {review:?}");
        assert!(review.body.contains("&lt;b&gt;left&lt;/b&gt; ear") && review.body.contains("<h2>Your pain</h2>"), "{review:?}");
        assert_eq!(responses(center).await, []);

        // What is not asked any more is not recorded.
        let change = pages.fill(&path, &review, &[], "page-0").await;
        assert!(change.body.contains("name=\"pain\" value=\"yes\" checked"), "{change:?}");
        let sleep = pages.fill(&path, &change, &[("day", "2026-11-01"), ("mood", "8"), ("pain", "no")], "answer").await;
        assert!(sleep.body.contains("Page 2 / 3") && sleep.body.contains("Your sleep"), "{sleep:?}");
        let days_again = pages.fill(&path, &sleep, &[("slept", ""), ("napped", "1")], "answer").await;
        assert!(days_again.body.contains("You gave your mood 8."), "{days_again:?}");
        let review = pages.fill(&path, &days_again, &days, "answer").await;
        assert!(review.body.contains("no answer") && !review.body.contains("Your pain"), "{review:?}");
        let sent = pages.fill(&path, &review, &[], "send").await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let all = responses(center).await;
        assert_eq!(
            all[0].answers,
            "{\"day\":\"2026-11-01\",\"met\":\"3\",\"mood\":\"8\",\"napped\":\"1\",\"pain\":\"no\",\"remark\":\"a < b\",\"tired\":\"1\",\"worried\":\"1\"}"
        );
    }

    async fn a_question_that_comes_up_on_its_own_page_is_shown_before_the_next(center: &mut Center) {
        let bundle = edited(&once(), "instruments/weekly.toml", "[[items]]\nid = \"pain_page\"\nkind = \"heading\"\npage = true", "[[items]]\nid = \"pain_page\"\nkind = \"heading\"");
        let bundle = edited(&bundle, "instruments/weekly.toml", "en = \"Where did it hurt?\" }", "en = \"Where did it hurt?\" }\nwhen = \"pain\"\nrequired = true");
        center.activate(&bundle, Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        let first = pages.get(&format!("{path}?lang=en")).await;
        assert!(!first.body.contains("Where did it hurt"), "{first:?}");
        let pain = [("day", "2026-11-01"), ("mood", "2"), ("pain", "yes")];
        let more = pages.fill(&path, &first, &pain, "answer").await;
        assert!(more.status == 200 && more.body.contains("A question came up"), "{more:?}");
        assert!(more.body.contains("Where did it hurt") && !more.body.contains("class=\"fault\""), "{more:?}");
        let lacks = pages.fill(&path, &more, &pain, "answer").await;
        assert!(lacks.status == 422 && lacks.body.contains("href=\"#where\""), "{lacks:?}");
        let with_place: Vec<(&str, &str)> = pain.into_iter().chain([("where", "back")]).collect();
        assert!(pages.fill(&path, &lacks, &with_place, "answer").await.body.contains("Your sleep"));
    }

    async fn what_is_kept_without_names_opens_for_its_writer_alone(center: &mut Center) {
        center.activate(&nameless(), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        let first = pages.get(&format!("{path}?lang=en")).await;
        let typed = [("day", "soon enough"), ("mood", "3"), ("pain", "no")];
        let kept = pages.fill(&path, &first, &typed, "keep").await;
        assert!(kept.status == 200 && kept.body.contains("Your answers are kept, but not sent yet. Open the same link"), "{kept:?}");
        assert_eq!(center.world.number("SELECT count(*) FROM draft WHERE length(sealed) > 4096").await, 1);
        assert_eq!(center.world.number("SELECT count(*) FROM response").await, 0);

        // The link shows it again, to whoever has it; the password of the same credential does not open it.
        let again = pages.get(&format!("{path}?lang=en")).await;
        assert!(again.body.contains("These are the answers you kept") && again.body.contains("value=\"soon enough\""), "{again:?}");
        let other = pages.get(&format!("{}?lang=en", link_in(issued[1].link.as_deref().unwrap()))).await;
        assert!(!other.body.contains("the answers you kept") && !other.body.contains("soon enough"), "{other:?}");
        let (login, password) = (issued[0].login.clone().unwrap().grouped(), issued[0].password.clone().unwrap());
        let typed_in = [("login", login.as_str()), ("password", password.as_str()), ("lang", "en")];
        let cookie = pages.post("/s/wellbeing", &typed_in).await.cookie();
        let form = pages.get_with("/s/wellbeing/form?lang=en", &cookie).await;
        assert!(form.body.contains("Only the link opens them") && !form.body.contains("soon enough"), "{form:?}");

        // What is kept with the password opens in a later session, and no more by the link.
        let guard = form.field("_guard");
        let header = format!("Cookie: {cookie}\r\n");
        let fields = [("_guard", guard.as_str()), ("_lang", "en"), ("_page", "0"), ("mood", "4"), ("_step", "keep")];
        let kept = pages.post_with("/s/wellbeing/form", &fields, &header).await;
        assert!(kept.body.contains("Sign in with the same ID and password"), "{kept:?}");
        let later = pages.post("/s/wellbeing", &typed_in).await.cookie();
        assert_ne!(later, cookie);
        let form = pages.get_with("/s/wellbeing/form?lang=en", &later).await;
        assert!(form.body.contains("name=\"mood\" value=\"4\" checked"), "{form:?}");
        let by_link = pages.get(&format!("{path}?lang=en")).await;
        assert!(by_link.body.contains("Only the password opens them"), "{by_link:?}");

        // It can be forgotten, and is gone once answers are sent; a page left open keeps nothing afterwards.
        let forgotten = pages.fill(&path, &by_link, &[], "forget").await;
        assert_eq!((forgotten.status, center.world.number("SELECT count(*) FROM draft").await), (303, 0));
        let kept = pages.fill(&path, &by_link, &typed, "keep").await;
        assert_eq!((kept.status, center.world.number("SELECT count(*) FROM draft").await), (200, 1));
        let sent = pages.post(&path, &with(&[("_mark", &"ab".repeat(16))])).await;
        assert_eq!((sent.status, center.world.number("SELECT count(*) FROM draft").await), (303, 0));
        let late = pages.fill(&path, &kept, &typed, "keep").await;
        assert_eq!((late.status, center.world.number("SELECT count(*) FROM draft").await), (303, 0));
    }

    async fn sent_answers_are_mended_where_the_study_allows_it(center: &mut Center) {
        let bundle = edited(&once(), "study.toml", "responses = \"once\"", "responses = \"once\"\nedit = true\ncap = 1");
        center.activate(&bundle, Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        let sent = pages.post(&path, &with(&[("_mark", &"ab".repeat(16)), ("_lang", "en"), ("remark", "one\r\ntwo")])).await;
        let thanks = pages.get(&sent.location()).await;
        assert!(thanks.body.contains("?mend=1") && thanks.body.contains("Change my answers"), "{thanks:?}");
        let form = pages.get(&format!("{path}?mend=1&lang=en")).await;
        assert!(form.body.contains("You are changing answers that were sent"), "{form:?}");
        assert!(form.body.contains("name=\"mood\" value=\"7\" checked") && form.body.contains("value=\"2026-11-01\""));
        let mut page = form.clone();
        let first = [("day", "2026-11-01"), ("mood", "8"), ("pain", "no")];
        page = pages.fill(&path, &page, &first, "answer").await;
        page = pages.fill(&path, &page, &[("slept", "7"), ("napped", "")], "answer").await;
        assert!(page.body.contains("one\ntwo</textarea>"), "{page:?}");
        let last = [("tired", "2"), ("worried", "1"), ("met", "3"), ("remark", "one\ntwo")];
        let mended = pages.fill(&path, &page, &last, "answer").await;
        assert_eq!(mended.location(), sent.location(), "the receipt stays good");
        // Sent again, it is the same.
        assert_eq!(pages.fill(&path, &page, &last, "answer").await.location(), sent.location());
        let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
        let all = response::list(center.store(), row.id, &Mark([0; 16]), 10).await.unwrap();
        assert_eq!((all.len(), row.responses), (2, 1));
        let current = all.iter().find(|one| one.current).unwrap();
        let before = all.iter().find(|one| !one.current).unwrap();
        assert!(current.answers.contains("\"mood\":\"8\"") && before.answers.contains("\"mood\":\"7\""), "{all:?}");
        assert_eq!((current.replaces, current.occasion), (Some(before.id), before.occasion));
        assert_eq!(center.world.number("SELECT count(*) FROM audit WHERE action = 'mend-response'").await, 1);
        // Who withdrew mends no more than they answer.
        withdraw(center, 1).await;
        let anew = pages.get(&format!("{path}?mend=1&lang=en")).await;
        assert!(!anew.body.contains("You are changing answers") && !anew.body.contains("?mend=1"), "{anew:?}");
        let other = [("tired", "2"), ("worried", "1"), ("met", "3"), ("remark", "three")];
        assert_eq!(pages.fill(&path, &page, &other, "answer").await.status, 403);
        assert_eq!(center.world.number("SELECT count(*) FROM response").await, 2);
        // Not after the end, and not where the study does not say so.
        center.close("wellbeing", "over").await;
        assert!(!pages.get(&path).await.body.contains("?mend=1"));
        assert_eq!(pages.fill(&path, &page, &first, "send").await.status, 403);
    }

    async fn of_many_who_send_at_once_each_counts_once(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 40, None).await;
        center.settle().await;
        let pages = Arc::new(serve(center).await);
        let mut pairs = tokio::task::JoinSet::new();
        for one in &issued {
            for tab in ["aa", "bb"] {
                let (pages, path) = (Arc::clone(&pages), link_in(one.link.as_deref().unwrap()));
                pairs.spawn(async move {
                    let mark = tab.repeat(16);
                    (path.clone(), pages.post(&path, &with(&[("_mark", &mark)])).await)
                });
            }
        }
        let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        while let Some(done) = pairs.join_next().await {
            let (path, page) = done.unwrap();
            assert_eq!(page.status, 303, "{page:?}");
            told.entry(path).or_default().insert(page.location());
        }
        let counted = |places: &BTreeSet<String>| places.iter().filter(|place| place.contains("receipt=")).count();
        assert!(told.values().all(|places| counted(places) == 1 && places.len() == 2), "one is told that it counts: {told:?}");
        assert_eq!(responses(center).await.len(), 40);
    }

    async fn a_cap_is_never_passed(center: &mut Center) {
        let bundle = edited(&once(), "study.toml", "responses = \"once\"", "responses = \"once\"\ncap = 7");
        center.activate(&bundle, Stage::Production).await;
        let issued = invite(center, 20, None).await;
        center.settle().await;
        let pages = Arc::new(serve(center).await);
        let mut all = tokio::task::JoinSet::new();
        for one in issued {
            let (pages, path) = (Arc::clone(&pages), link_in(one.link.as_deref().unwrap()));
            all.spawn(async move { pages.post(&path, &with(&[("_mark", &"cc".repeat(16))])).await.status });
        }
        let statuses = all.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 7);
        assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 13);
        assert_eq!(responses(center).await.len(), 7);
    }

    async fn nothing_is_taken_out_of_its_time(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 1, Some(3600)).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        life::set_paused(center.store(), "wellbeing", true, center.act("look")).await.unwrap();
        assert!(pages.get(&path).await.body.contains("現在は回答を受け付けていません"));
        assert_eq!(pages.post(&path, &with(&[])).await.status, 403);
        life::set_paused(center.store(), "wellbeing", false, center.act("looked")).await.unwrap();
        center.wind(3600);
        assert!(pages.get(&path).await.body.contains("有効期限"));
        assert_eq!(pages.post(&path, &with(&[])).await.status, 403);
        assert_eq!(pages.get("/a/aaaaaaaaaaaaaaaaaaaaaaaaaa").await.status, 404);
        assert_eq!(pages.get("/a/..%2f..%2fetc").await.status, 404);
        assert_eq!(responses(center).await, []);
    }

    async fn whoever_is_known_is_not_asked_twice(center: &mut Center) {
        center.activate(&once(), Stage::Development).await;
        assert_eq!(invite(center, 3, None).await.len(), 3);
        assert_eq!(invite(center, 5, None).await.len(), 2);
        let letters = center.settle().await;
        assert_eq!(letters.len(), 5);
        assert!(letters.iter().all(|letter| letter.subject.starts_with("[TEST]")));
        let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
        assert_eq!(credential::count(center.store(), row.id).await.unwrap(), [(credential::State::Active, 5)]);
    }

    async fn an_id_and_a_password_open_a_session(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let (login, password) = (issued[0].login.clone().unwrap().grouped(), issued[0].password.clone().unwrap());
        let page = pages.get("/s/wellbeing").await;
        assert!(page.status == 200 && page.body.contains("type=\"password\""), "{page:?}");
        assert_eq!(pages.get("/s/nothing").await.status, 404);
        assert_eq!(pages.get("/s/wellbeing/form").await.location(), "/s/wellbeing");
        // What a stranger put into the browser before is worth nothing afterwards.
        let planted = format!("__Host-hagaki={}", "a".repeat(26));
        let typed = [("login", login.as_str()), ("password", password.as_str()), ("lang", "en")];
        let entered = pages.post_with("/s/wellbeing", &typed, &format!("Cookie: {planted}\r\n")).await;
        assert_eq!(entered.status, 303, "{entered:?}");
        assert!(entered.head.contains("HttpOnly; SameSite=Lax") && entered.head.contains("; Secure"), "{entered:?}");
        let cookie = entered.cookie();
        assert!(cookie.starts_with("__Host-hagaki=") && cookie != planted);
        assert_eq!(pages.get_with("/s/wellbeing/form", &planted).await.location(), "/s/wellbeing");
        let form = pages.get_with("/s/wellbeing/form", &cookie).await;
        let (mark, guard) = (form.field("_mark"), form.field("_guard"));
        let header = format!("Cookie: {cookie}\r\n");

        // A form of another site has the cookie and not the guard.
        for wrong in ["", "0", &"ab".repeat(32)] {
            let foreign = with(&[("_mark", &mark), ("_guard", wrong)]);
            assert_eq!(pages.post_with("/s/wellbeing/form", &foreign, &header).await.status, 403);
        }
        assert_eq!(responses(center).await, []);
        let sent = pages.post_with("/s/wellbeing/form", &with(&[("_mark", &mark), ("_guard", &guard)]), &header).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let thanks = pages.get_with(&sent.location(), &cookie).await;
        assert!(thanks.body.contains("回答を記録しました"), "{thanks:?}");
        // The link of the same credential knows it, too.
        let by_link = pages.get(&link_in(issued[0].link.as_deref().unwrap())).await;
        assert!(by_link.body.contains("すでに回答いただいています"), "{by_link:?}");
        assert_eq!(responses(center).await.len(), 1);

        let left = pages.post_with("/s/wellbeing/leave", &[("_guard", &guard)], &header).await;
        assert!(left.status == 303 && left.head.contains("Max-Age=0"), "{left:?}");
        assert_eq!(pages.get_with("/s/wellbeing/form", &cookie).await.location(), "/s/wellbeing");
    }

    async fn a_session_ends_by_itself(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let (login, password) = (issued[0].login.clone().unwrap().grouped(), issued[0].password.clone().unwrap());
        let cookie = pages.post("/s/wellbeing", &[("login", &login), ("password", &password)]).await.cookie();
        for _ in 0..30 {
            center.wind(limits::SESSION_IDLE_SECONDS - 60);
            let page = pages.get_with("/s/wellbeing/form", &cookie).await;
            if page.status == 303 {
                // Used all the time, it ends after its longest time all the same.
                assert!(center.clock.now().seconds_since(NOW) >= limits::SESSION_SECONDS);
                break;
            }
        }
        assert_eq!(pages.get_with("/s/wellbeing/form", &cookie).await.status, 303);
        let cookie = pages.post("/s/wellbeing", &[("login", &login), ("password", &password)]).await.cookie();
        center.wind(limits::SESSION_IDLE_SECONDS + 1);
        assert_eq!(pages.get_with("/s/wellbeing/form", &cookie).await.status, 303);
    }

    async fn guessing_is_slowed_down_and_told_nothing(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let (login, password) = (issued[0].login.clone().unwrap().grouped(), issued[0].password.clone().unwrap());
        let wrong = "aaaaa-aaaaa-aaaaa-aaaaa-aaaaa-a";
        let strip = |page: &crate::browser::Page, login: &str| page.body.replace(login, "LOGIN");
        let known = pages.post("/s/wellbeing", &[("login", &login), ("password", wrong)]).await;
        let unknown = pages.post("/s/wellbeing", &[("login", "aaaa-aaaa"), ("password", wrong)]).await;
        assert_eq!((known.status, unknown.status), (403, 403));
        assert_eq!(strip(&known, &login), strip(&unknown, "aaaa-aaaa"), "whether a login exists is not told");
        for _ in 1..limits::SIGN_IN_FREE_TRIES {
            assert_eq!(pages.post("/s/wellbeing", &[("login", &login), ("password", wrong)]).await.status, 403);
        }
        assert_eq!(pages.post("/s/wellbeing", &[("login", &login), ("password", wrong)]).await.status, 403);
        // Now even the right password has to wait, but not for long.
        let right = [("login", login.as_str()), ("password", password.as_str())];
        assert_eq!(pages.post("/s/wellbeing", &right).await.status, 429);
        center.wind(limits::SIGN_IN_WAIT_SECONDS + 1);
        assert_eq!(pages.post("/s/wellbeing", &right).await.status, 303);
        let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
        assert!(row.id > 0 && center.world.number("SELECT count(*) FROM sign_in_failure").await > 0);
    }

    async fn a_link_is_asked_for_by_mail(center: &mut Center) {
        center.activate(&samples::wellbeing(), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let old = link_in(issued[0].link.as_deref().unwrap());
        let sent = pages.post(&old, &with(&[("_step", "send"), ("_mark", &"aa".repeat(16))])).await;
        assert_eq!(sent.status, 303);

        const P0: Writer = Writer { address: "p0@example.jp", study: "wellbeing" };
        const STRANGER: Writer = Writer { address: "stranger@example.net", study: "wellbeing" };
        let letters = center.exchange(&P0.writes("リンク", "お願いします")).await;
        assert_eq!(kinds(&letters), [("invitation", "p0@example.jp"), ("link-asked", "p0@example.jp")]);
        let told = center.exchange(&STRANGER.writes("リンク", "お願いします")).await;
        assert_eq!(kinds(&told), [("link-asked", "stranger@example.net")]);
        let of = |kind: &str| letters.iter().find(|letter| letter.kind == kind).unwrap().text.clone();
        assert_eq!(of("link-asked"), told[0].text, "whether the address is on the list is not told");

        // The old link dies, the diary goes on with the new one.
        let fresh = link_in(&of("invitation"));
        assert!(pages.get(&old).await.body.contains("新しいリンクをお送りしたため"));
        assert_eq!(pages.post(&old, &with(&[("_step", "send")])).await.status, 403);
        center.wind(24 * 3600);
        let again = pages.post(&fresh, &with(&[("_step", "send"), ("_mark", &"bb".repeat(16))])).await;
        assert_eq!(again.status, 303, "{again:?}");
        let mut occasions: Vec<i64> = responses(center).await.iter().map(|one| one.occasion).collect();
        occasions.sort_unstable();
        assert_eq!(occasions, [1, 2]);

        // The same mail again asks for nothing new, and a forged one is kept for a person.
        let mail = P0.writes("link", "please");
        assert_eq!(center.exchange(&mail).await.len(), 2);
        center.exchange(&mail).await;
        assert_eq!(reason(center).await, "same-message");
        center.exchange(&P0.writes("link", "please").vouched(Vouched::Fail)).await;
        assert!(reason(center).await.contains("auth-fail"));
    }

    async fn days_are_counted_from_the_sending_of_the_letter(center: &mut Center) {
        const DAY: i64 = 24 * 3600;
        center.activate(&once(), Stage::Production).await;
        let issued = invite_on(center, 2, None, Some(14)).await;
        assert_eq!(center.world.number("SELECT count(*) FROM credential WHERE expires_at IS NULL").await, 2);
        // The letter waits for days, and another takes its place before it has left.
        center.wind(3 * DAY);
        let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
        let shelf = center.shelf_on(center.store());
        let shelved = shelf.current(row.id, row.bundle_version).await.unwrap();
        let desk = center.process.calendar.desk.clone();
        let means = Means { now: center.clock.now(), dice: &*center.dice, keys: &center.keys, desk: &desk };
        let whose = participant::find_by_number(center.store(), row.id, 1).await.unwrap().unwrap();
        let again = credentials::reissue(&shelf, &shelved, means, center.act("lost"), &whose, false).await.unwrap().unwrap();
        let sent_at = center.clock.now();
        let letters = center.settle().await;
        assert_eq!(letters.len(), 3);
        assert!(letters.iter().all(|letter| letter.text.contains("送信から 14 日間")), "{letters:?}");
        assert_eq!(center.world.number("SELECT count(*) FROM credential_wait").await, 0);
        assert_eq!(center.world.number("SELECT count(*) FROM credential WHERE state = 'active' AND expires_at IS NOT NULL").await, 2);
        let pages = serve(center).await;
        let [second, fresh] = [&issued[1], &again].map(|one| link_in(one.link.as_deref().unwrap()));
        center.wind(14 * DAY - 1 - center.clock.now().seconds_since(sent_at));
        for path in [&second, &fresh] {
            assert_eq!(pages.get(path).await.status, 200);
        }
        // By the server's word a moment later than by ours, at most.
        center.wind(3600);
        for path in [&second, &fresh] {
            assert!(pages.get(path).await.body.contains("有効期限"));
        }
        // Whoever asks for another afterwards is told of the end that there was, and gets no dead link.
        const P1: Writer = Writer { address: "p1@example.jp", study: "wellbeing" };
        let letters = center.exchange(&P1.writes("link", "please")).await;
        assert!(!letters.iter().any(|letter| letter.kind == "invitation"), "{:?}", kinds(&letters));
        let over = letters.iter().find(|letter| letter.kind == "access-over").unwrap();
        assert!(over.text.contains("ご利用の期限は"), "{}", over.text);
    }

    async fn a_used_up_credential_is_not_renewed(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        assert_eq!(pages.post(&path, &with(&[])).await.status, 303);
        const P0: Writer = Writer { address: "p0@example.jp", study: "wellbeing" };
        let letters = center.exchange(&P0.writes("link", "please")).await;
        assert_eq!(kinds(&letters), [("link-asked", "p0@example.jp")]);
        assert_eq!(responses(center).await.len(), 1);
    }
}
