//! When a credential is good, and how often: said in the letter, kept to on the page, and inherited by the one that takes its place.

use hagaki::domain::language::Language;
use hagaki::domain::participant::Candidate;
use hagaki::domain::time::Clock;
use hagaki::store::participant;
use hagaki::workflow::credentials::{self, Change, Form, Terms, Withheld};

use super::survey::{invite, link_in, nameless, once, responses, serve, with};
use super::*;

const DAY: i64 = 24 * 3600;

/// A credential for somebody of that address, mailed: good after so many days, once or as often as the diary is kept.
async fn issue(center: &Center, address: &str, language: Language, days: i64, once: bool) {
    let candidate = Candidate { address: address.to_owned(), language: Some(language), ..Candidate::default() };
    let from = center.clock.now().plus_seconds(days * DAY);
    let terms = Terms { from, once, ..center.terms(Form::Link) };
    assert_eq!(center.issue("wellbeing", &[candidate], terms).await.issued.len(), 1);
}

stories! {
    async fn access_that_begins_later_says_so_and_opens_then(center: &mut Center) {
        center.activate(&samples::wellbeing(), Stage::Production).await;
        issue(center, "ja@example.jp", Language::Ja, 3, false).await;
        issue(center, "en@example.jp", Language::En, 3, false).await;
        issue(center, "now@example.jp", Language::En, 0, false).await;
        let letters = center.settle().await;
        let of = |address: &str| letters.iter().find(|letter| letter.to == address).unwrap();
        assert!(of("ja@example.jp").text.contains("ご利用いただけるのは 2026-11-21"), "{}", of("ja@example.jp").text);
        assert!(of("en@example.jp").text.contains("This works from 2026-11-21"), "{}", of("en@example.jp").text);
        assert!(!of("now@example.jp").text.contains("This works from"), "{}", of("now@example.jp").text);
        let pages = serve(center).await;
        let (ja, en) = (link_in(&of("ja@example.jp").text), link_in(&of("en@example.jp").text));
        let early = pages.get(&ja).await;
        assert!(early.status == 403 && early.body.contains("まだ受付の開始前です。2026-11-21"), "{early:?}");
        let early = pages.get(&en).await;
        assert!(early.status == 403 && early.body.contains("You are a little early: you can answer here from 2026-11-21"), "{early:?}");
        assert_eq!(pages.post(&en, &with(&[("_step", "send")])).await.status, 403);
        // A fresh link brings nobody in before the day.
        let writer = Writer { address: "en@example.jp", study: "wellbeing" };
        let letters = center.exchange(&writer.writes("link", "please")).await;
        let fresh = letters.iter().find(|letter| letter.kind == "invitation").unwrap();
        assert!(fresh.text.contains("This works from 2026-11-21"), "{}", fresh.text);
        let en = link_in(&fresh.text);
        assert_eq!(pages.get(&en).await.status, 403);
        center.wind(3 * DAY);
        for (path, mark) in [(ja, "aa"), (en, "bb")] {
            assert_eq!(pages.get(&path).await.status, 200);
            let sent = pages.post(&path, &with(&[("_step", "send"), ("_mark", &mark.repeat(16))])).await;
            assert_eq!(sent.status, 303, "{sent:?}");
        }
        assert_eq!(responses(center).await.len(), 2);
    }

    async fn one_use_is_one_use_in_a_diary_too(center: &mut Center) {
        let bundle = edited(&samples::wellbeing(), "study.toml", "interval_days = 1", "interval_days = 0");
        center.activate(&bundle, Stage::Production).await;
        issue(center, "once@example.jp", Language::En, 0, true).await;
        issue(center, "many@example.jp", Language::En, 0, false).await;
        let letters = center.settle().await;
        let of = |address: &str| letters.iter().find(|letter| letter.to == address).unwrap();
        assert!(of("once@example.jp").text.contains("Your answers count once"), "{}", of("once@example.jp").text);
        assert!(of("many@example.jp").text.contains("whenever you are asked again"), "{}", of("many@example.jp").text);
        let pages = serve(center).await;
        let writer = Writer { address: "once@example.jp", study: "wellbeing" };
        // The one that takes its place is for one use as well.
        let letters = center.exchange(&writer.writes("link", "please")).await;
        let fresh = letters.iter().find(|letter| letter.kind == "invitation").unwrap();
        assert!(fresh.text.contains("Your answers count once"), "{}", fresh.text);
        let (once, many) = (link_in(&fresh.text), link_in(&of("many@example.jp").text));
        let send = |path: &str, mark: &str| {
            let (path, mark, pages) = (path.to_owned(), mark.repeat(16), &pages);
            async move { pages.post(&path, &with(&[("_step", "send"), ("_lang", "en"), ("_mark", &mark)])).await }
        };
        let first = send(&once, "aa").await;
        let thanks = pages.get(&first.location()).await;
        assert!(thanks.body.contains("Your answers were recorded") && !thanks.body.contains("Answer once more"), "{thanks:?}");
        let (second, third) = tokio::join!(send(&once, "bb"), send(&once, "cc"));
        assert!(second.location() == third.location() && !second.location().contains("receipt="), "{second:?}");
        assert!(pages.get(&once).await.body.contains("You have answered already"));
        let thanks = pages.get(&send(&many, "dd").await.location()).await;
        assert!(thanks.body.contains("Answer once more"), "{thanks:?}");
        assert_eq!(send(&many, "ee").await.status, 303);
        assert_eq!(responses(center).await.len(), 3);
        // Used up, it is not issued anew because somebody asks.
        let letters = center.exchange(&writer.writes("link", "please")).await;
        assert_eq!(kinds(&letters), [("link-asked", "once@example.jp")]);
    }

    async fn a_link_asked_for_after_its_end_is_not_sent_dead(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, 1, Some(DAY)).await;
        center.settle().await;
        center.wind(2 * DAY);
        const P0: Writer = Writer { address: "p0@example.jp", study: "wellbeing" };
        const STRANGER: Writer = Writer { address: "stranger@example.net", study: "wellbeing" };
        let mut letters = center.exchange(&P0.writes("link", "please")).await;
        letters.sort_by(|a, b| a.kind.cmp(&b.kind));
        let told = [("access-over", "p0@example.jp"), ("access-over-notice", "wellbeing-office@example.jp"), ("link-asked", "p0@example.jp")];
        assert_eq!(kinds(&letters), told);
        assert!(letters[0].text.contains("ご利用の期限は 2026-11-19"), "{}", letters[0].text);
        assert!(letters[1].text.contains("参加者番号  1") && letters[1].text.contains("依頼日時    2026-11-20"), "{}", letters[1].text);
        assert!(!letters[1].words.contains("p0@") && !letters[1].words.contains("P 0"), "{}", letters[1].words);
        assert!(!letters[0].subject.contains("2026") && !letters[1].subject.contains('1'));
        assert_eq!(center.world.number("SELECT count(*) FROM credential").await, 1);
        // A stranger is told the same and nothing else; those in charge hear of it once.
        let stranger = center.exchange(&STRANGER.writes("link", "please")).await;
        assert_eq!((kinds(&stranger), &stranger[0].text), (vec![("link-asked", "stranger@example.net")], &letters[2].text));
        let mut again = center.exchange(&P0.writes("link", "please")).await;
        again.sort_by(|a, b| a.kind.cmp(&b.kind));
        assert_eq!(kinds(&again), [("access-over", "p0@example.jp"), ("link-asked", "p0@example.jp")]);

        // Nor does the office issue a dead one. With another end it goes on, and the next end is told of anew.
        let shelf = center.shelf_on(center.store());
        let shelved = center.shelved("wellbeing").await;
        let whose = participant::find_by_number(center.store(), shelved.id, 1).await.unwrap().unwrap();
        let issued = credentials::reissue(&shelf, &shelved, center.means(), center.act("lost"), &whose, false).await.unwrap();
        assert!(matches!(issued, Err(Withheld::Over(..))), "{issued:?}");
        let until = center.clock.now().plus_seconds(DAY);
        let change = Change::Extend(Some(until));
        assert_eq!(credentials::change(&shelf, &shelved, center.means(), center.act("late"), &whose, change).await.unwrap(), 1);
        let fresh = center.exchange(&P0.writes("link", "please")).await;
        let invited = fresh.iter().find(|letter| letter.kind == "invitation").unwrap();
        let pages = serve(center).await;
        assert_eq!(pages.get(&link_in(&invited.text)).await.status, 200);
        center.wind(2 * DAY);
        let letters = center.exchange(&P0.writes("link", "please")).await;
        assert!(letters.iter().any(|letter| letter.kind == "access-over-notice"), "{:?}", kinds(&letters));
    }

    async fn where_a_survey_is_over_everybody_is_told_so(center: &mut Center) {
        let bundle = edited(&once(), "study.toml", "closes = 2036-03-31", "closes = 2026-11-20");
        center.activate(&bundle, Stage::Production).await;
        invite(center, 1, None).await;
        center.settle().await;
        center.wind(3 * DAY);
        let mut told = Vec::new();
        for address in ["p0@example.jp", "stranger@example.net"] {
            let letters = center.exchange(&Writer { address, study: "wellbeing" }.writes("link", "please")).await;
            assert_eq!(kinds(&letters), [("link-asked", address)]);
            told.push(letters[0].text.clone());
        }
        assert!(told[0] == told[1] && told[0].contains("takes no answers any more"), "{told:?}");
    }

    async fn whoever_may_change_answers_gets_a_fresh_link_after_them(center: &mut Center) {
        let bundle = edited(&once(), "study.toml", "responses = \"once\"", "responses = \"once\"\nedit = true");
        center.activate(&bundle, Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let old = link_in(issued[0].link.as_deref().unwrap());
        assert_eq!(pages.post(&old, &with(&[("_step", "send"), ("_mark", &"aa".repeat(16))])).await.status, 303);
        const P0: Writer = Writer { address: "p0@example.jp", study: "wellbeing" };
        let letters = center.exchange(&P0.writes("リンク", "お願いします")).await;
        let invited = letters.iter().find(|letter| letter.kind == "invitation").unwrap();
        assert!(invited.text.contains("すでに回答いただいています") && !invited.text.contains("一度だけ"), "{}", invited.text);
        let fresh = link_in(&invited.text);
        assert!(!pages.get(&old).await.body.contains("?mend=1"), "the old link shows the receipt and changes nothing");
        let form = pages.get(&format!("{fresh}?mend=1&lang=en")).await;
        assert!(form.body.contains("You are changing answers that were sent"), "{form:?}");
        let first = [("day", "2026-11-01"), ("mood", "8"), ("pain", "no")];
        let page = pages.fill(&fresh, &form, &first, "answer").await;
        let page = pages.fill(&fresh, &page, &[("slept", "7"), ("napped", "")], "answer").await;
        let sent = pages.fill(&fresh, &page, &[("tired", "2"), ("worried", "1"), ("met", "3")], "answer").await;
        assert_eq!(sent.status, 303, "{sent:?}");
        assert_eq!(center.world.number("SELECT count(*) FROM audit WHERE action = 'mend-response'").await, 1);
    }

    async fn what_the_office_issues_anew_begins_no_earlier(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        issue(center, "later@example.jp", Language::En, 3, false).await;
        let from = center.clock.now().plus_seconds(3 * DAY);
        let shelf = center.shelf_on(center.store());
        let shelved = center.shelved("wellbeing").await;
        let whose = participant::find_by_number(center.store(), shelved.id, 1).await.unwrap().unwrap();
        let revoked = Change::Revoke;
        for again in [false, true] {
            let issued = credentials::reissue(&shelf, &shelved, center.means(), center.act("lost"), &whose, again).await.unwrap();
            assert_eq!(issued.unwrap().validity.from, from);
            assert_eq!(credentials::change(&shelf, &shelved, center.means(), center.act("so"), &whose, revoked).await.unwrap(), 1);
            let refused = credentials::reissue(&shelf, &shelved, center.means(), center.act("lost"), &whose, false).await.unwrap();
            assert_eq!(refused.unwrap_err(), Withheld::Revoked);
        }
        center.settle().await;
    }

    async fn a_session_without_names_ends_with_its_answers(center: &mut Center) {
        center.activate(&nameless(), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let mut cookies = Vec::new();
        for one in &issued {
            let (login, password) = (one.login.clone().unwrap().grouped(), one.password.clone().unwrap());
            cookies.push(pages.post("/s/wellbeing", &[("login", &login), ("password", &password)]).await.cookie());
        }
        pages.post("/s/wellbeing", &[("login", "aaaa-aaaa"), ("password", "wrong")]).await;
        let sessions = "SELECT count(*) FROM session";
        assert_eq!(center.world.number(sessions).await, 2);
        let form = pages.get_with("/s/wellbeing/form?lang=en", &cookies[0]).await;
        let (mark, guard) = (form.field("_mark"), form.field("_guard"));
        let fields = with(&[("_mark", &mark), ("_guard", &guard), ("_step", "send"), ("_lang", "en")]);
        let sent = pages.post_with("/s/wellbeing/form", &fields, &format!("Cookie: {}\r\n", cookies[0])).await;
        assert!(sent.status == 303 && sent.head.contains("Max-Age=0"), "{sent:?}");
        assert_eq!(center.world.number(sessions).await, 1);
        // The receipt needs no session; what is no receipt is not shown.
        let thanks = pages.get(&sent.location()).await;
        assert!(thanks.status == 200 && thanks.body.contains("Your answers were recorded"), "{thanks:?}");
        // A second tap, or a browser that tries again, comes when the session is over: it is told the same, and of no other page.
        let again = pages.post_with("/s/wellbeing/form", &fields, &format!("Cookie: {}\r\n", cookies[0])).await;
        assert_eq!((again.status, again.location()), (303, sent.location().replace("&lang", "&again=1&lang")), "{again:?}");
        let first = pages.get(&again.location()).await;
        assert!(first.status == 200 && first.body.contains("What you sent first counts"), "{first:?}");
        let unseen = "ab".repeat(16);
        let other = with(&[("_mark", &unseen), ("_guard", &guard), ("_step", "send"), ("_lang", "en")]);
        let other = pages.post_with("/s/wellbeing/form", &other, &format!("Cookie: {}\r\n", cookies[0])).await;
        assert!(other.status == 403 && other.body.contains("Nothing was recorded"), "{other:?}");
        assert!(!pages.get("/s/wellbeing?receipt=<b>hello</b>").await.body.contains("hello"));
        // Nobody makes such a page up.
        let forged = sent.location().split_once("&seal=").unwrap().0.to_owned();
        for forged in [forged.clone(), format!("{forged}&seal=aaaaaaaaaaaaaaaa"), sent.location().replace("receipt=", "receipt=A")] {
            assert!(!pages.get(&forged).await.body.contains("Your answers were recorded"), "{forged}");
        }
        assert_eq!(pages.get_with("/s/wellbeing/form", &cookies[0]).await.location(), "/s/wellbeing");

        // Whoever answers nothing leaves no time behind either, though nobody signs in after them.
        assert_eq!(center.world.number("SELECT count(*) FROM sign_in_failure").await, 2);
        center.attend().await;
        assert_eq!(center.world.number(sessions).await, 1);
        center.wind(2 * DAY);
        center.attend().await;
        assert_eq!(center.world.number(sessions).await, 0);
        assert_eq!(center.world.number("SELECT count(*) FROM sign_in_failure").await, 0);
    }
}
