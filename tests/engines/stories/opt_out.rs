//! Invitations and reminders that somebody wants no more: by the button of a mail program and on the page, of one study and of all.

use hagaki::mail::transport::Order;
use hagaki::store::opt_out::{Scope, Way};
use hagaki::store::outbox::{self, Secret, State as Sending, Which};
use hagaki::store::planned_letter::{Fate, PlannedLetter, State};
use hagaki::store::{audit, study};
use hagaki::workflow::credentials::{self, Form, Terms};
use hagaki::workflow::{opt_out, participants};

use super::scheduled::{ONCE, answer, find, once_by, planned, settled, somebody, take_in, wind_to};
use super::survey::{invite, link_in, nameless, once, responses, serve};
use super::*;
use crate::chromium::{self, Chromium};

/// What a provider of mail sends when its user presses the button (RFC 8058).
const ONE_CLICK: (&str, &str) = ("List-Unsubscribe", "One-Click");
/// What a browser says of a form of another site.
const ELSEWHERE: &str = "Sec-Fetch-Site: cross-site\r\nOrigin: https://mail.example.net\r\n";

/// The path of the page on which letters like it are stopped.
fn page_in(letter: &Received) -> String {
    let raw = String::from_utf8_lossy(&letter.raw).into_owned();
    let field = raw.lines().find_map(|line| line.strip_prefix("List-Unsubscribe: <https://hagaki.example.jp"));
    let page = field.and_then(|rest| rest.strip_suffix(">,")).unwrap_or_else(|| panic!("nothing to stop: {raw}"));
    assert!(raw.contains("\nList-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{raw}");
    assert!(letter.text.contains(page), "{}", letter.text);
    assert!(!page.contains('@') && page.starts_with("/u/"), "{page}");
    page.to_owned()
}

/// The address that does the same as that page.
fn address_in(letter: &Received) -> String {
    let raw = String::from_utf8_lossy(&letter.raw).into_owned();
    let field = raw.lines().find_map(|line| line.strip_prefix(" <mailto:"));
    let address = field.and_then(|rest| rest.strip_suffix("?subject=unsubscribe>")).unwrap_or_else(|| panic!("{raw}"));
    assert_eq!(address, format!("reg+u.{}@example.jp", page_in(letter).trim_start_matches("/u/")));
    address.to_owned()
}

const A: Writer = Writer { address: "a@example.jp", study: "wellbeing" };
const B: Writer = Writer { address: "b@example.jp", study: "wellbeing" };
const STRANGER: Writer = Writer { address: "stranger@example.net", study: "wellbeing" };

fn to<'a>(letters: &'a [Received], who: &str) -> &'a Received {
    letters.iter().find(|letter| letter.to.starts_with(who)).unwrap_or_else(|| panic!("no letter to {who}"))
}

/// Everybody of that list is invited by the schedule: their letters.
async fn invited(center: &mut Center, bundle: &Bundle, names: &[&str]) -> Vec<Received> {
    center.activate(bundle, Stage::Production).await;
    let people: Vec<_> = names.iter().map(|name| somebody(name, "")).collect();
    take_in(center, &people).await;
    center.attend().await;
    wind_to(center, "2026-11-24 09:00");
    center.attend().await;
    let letters = center.settle().await;
    assert_eq!(letters.len(), names.len());
    center.attend().await;
    letters
}

async fn due(center: &mut Center, shown: &str) -> Vec<Received> {
    wind_to(center, shown);
    center.attend().await;
    let letters = center.settle().await;
    center.attend().await;
    letters
}

async fn reminder_of(center: &Center, number: i64) -> PlannedLetter {
    let id = find(center, number).await.id.to_string();
    planned(center).await.into_iter().find(|one| one.rule == "remind" && one.target.id == id).unwrap()
}

async fn opted_out(center: &Center) -> (i64, i64) {
    let addresses = center.world.number("SELECT count(*) FROM opt_out_address").await;
    (center.world.number("SELECT count(*) FROM opt_out").await, addresses)
}

/// The entries of that action in the chain of WELLBEING.
async fn entries(center: &Center, action: &str) -> Vec<String> {
    let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
    let all = audit::list(center.store(), row.id, 0, 100).await.unwrap();
    all.into_iter().filter(|entry| entry.action == action).map(|entry| entry.body).collect()
}

stories! {
    async fn whoever_unsubscribes_by_one_click_is_not_reminded(center: &mut Center) {
        let letters = invited(center, &once_by(ONCE), &["a", "b"]).await;
        let page = page_in(to(&letters, "a"));
        assert_ne!(page, page_in(to(&letters, "b")));
        let pages = serve(center).await;
        // What looks into mails opens every link, and changes nothing.
        for path in [page.clone(), format!("{page}?lang=en"), page.clone()] {
            assert_eq!(pages.get(&path).await.status, 200);
        }
        let shown = pages.get(&format!("{page}?lang=en")).await;
        assert!(shown.body.contains("You are sent invitations and reminders") && !shown.body.contains("a@example.jp"), "{shown:?}");
        assert_eq!(opted_out(center).await, (0, 0));
        // Its provider acts for whoever presses the button, from no page of ours, and follows no redirection.
        let done = pages.post_with(&page, &[ONE_CLICK], ELSEWHERE).await;
        assert_eq!((done.status, opted_out(center).await), (200, (1, 0)), "{done:?}");
        assert_eq!(pages.post_with(&page, &[ONE_CLICK], ELSEWHERE).await.status, 200);
        let own = entries(center, "unsubscribe").await;
        assert_eq!(own.len(), 1, "{own:?}");
        assert!(own[0].contains("\"participant\":1") && own[0].contains("\"scope\":\"study\"") && !own[0].contains('@'), "{own:?}");
        assert_eq!(center.world.number("SELECT count(*) FROM opt_out WHERE way = 'one-click' AND length(day) = 10").await, 1);
        center.attend().await;
        let stopped = reminder_of(center, 1).await;
        assert_eq!((stopped.state, stopped.why.as_str()), (State::Ended, "ended by unsubscribe"));
        assert_eq!(kinds(&due(center, "2026-11-27 18:00").await), [("reminder", "b@example.jp")]);
        // They take part as before.
        answer(&pages, &link_in(&to(&letters, "a").text)).await;
        assert_eq!(responses(center).await.len(), 1);
    }

    async fn a_mail_to_the_address_in_the_letter_stops_it_whoever_sends_it(center: &mut Center) {
        let letters = invited(center, &once_by(ONCE), &["a", "b"]).await;
        let address = address_in(to(&letters, "a"));
        // A code that was made up does nothing, and a program is not answered.
        let empty = |address: &str| Mail { subject: String::new(), ..STRANGER.writes("", "") }.to(address).vouched(Vouched::Nothing);
        let by_program = |address: &str| empty(address).with("Auto-Submitted: auto-generated");
        assert_eq!(kinds(&center.exchange(&by_program("reg+u.1.abcdefghijklmnop@example.jp")).await), []);
        assert_eq!(opted_out(center).await, (0, 0));
        // What comes back from there, or is a receipt, asks for nothing.
        assert_eq!(kinds(&center.exchange(&by_program(&address).with("X-Loop: reg@example.jp")).await), []);
        assert_eq!(opted_out(center).await, (0, 0));
        // A provider does it for its user, with an empty mail.
        assert_eq!(kinds(&center.exchange(&by_program(&address)).await), []);
        let mail = center.last_mail().await;
        assert_eq!((mail.disposition.as_str(), mail.reason.as_str(), opted_out(center).await), ("no_reply", "unsubscribed", (1, 0)));
        assert_eq!(entries(center, "unsubscribe").await.len(), 1);
        // Whoever writes there themself is answered at the address on file, once for each mail; it says how to have letters again.
        let told = center.exchange(&empty(&address)).await;
        assert_eq!(kinds(&told), [("opt-out-done", "a@example.jp")]);
        assert!(told[0].text.contains("[WELLBEING] 配信再開") && told[0].text.contains(&page_in(to(&letters, "a"))), "{}", told[0].text);
        assert_eq!(entries(center, "unsubscribe").await.len(), 1, "it is so already");
        center.attend().await;
        assert_eq!(kinds(&due(center, "2026-11-27 18:00").await), [("reminder", "b@example.jp")]);
        // And back, by the same address.
        let again = Mail { subject: "subscribe".to_owned(), ..empty(&address) };
        let told = center.exchange(&again).await;
        assert!(told.len() == 1 && told[0].to == "a@example.jp" && opted_out(center).await == (0, 0), "{:?}", kinds(&told));
    }

    async fn a_word_from_the_address_on_file_stops_letters(center: &mut Center) {
        let letters = invited(center, &once_by(ONCE), &["a", "b"]).await;
        // It must be shown that they wrote it; else they are told how, once a day, and a stranger hears nothing.
        let forged = A.writes("配信停止", "").vouched(Vouched::Fail);
        let told = center.answer(&forged).await;
        assert!(told.kind == "opt-out-done" && told.text.contains("確認できなかった"), "{}", told.text);
        assert!(!told.text.contains("/u/"), "no code for whoever asks: {}", told.text);
        for mail in [forged.anew(), STRANGER.writes("unsubscribe", "").vouched(Vouched::Fail)] {
            let letters = center.exchange(&mail).await;
            assert!(letters.iter().all(|one| one.kind == "quarantine-notice"), "{:?}", kinds(&letters));
            assert_eq!(reason(center).await, "auth-fail");
        }
        assert_eq!(opted_out(center).await, (0, 0));
        let nobody = center.answer(&STRANGER.writes("unsubscribe", "")).await;
        assert!(nobody.kind == "opt-out-done" && nobody.text.contains("Nobody takes part"), "{}", nobody.text);
        // In the subject, or alone in the text of a reply.
        let told = center.answer(&A.writes("Unsubscribe", "")).await;
        assert!(told.text.contains("No more invitations and reminders") && told.text.contains(&page_in(to(&letters, "a"))), "{}", told.text);
        let told = center.answer(&B.writes("Re: ご案内", "配信停止。\n\n> 配信再開\n")).await;
        assert!(told.kind == "opt-out-done" && told.text.contains("お送りしません"), "{}", told.text);
        assert_eq!(opted_out(center).await, (2, 0));
        center.attend().await;
        assert_eq!(kinds(&due(center, "2026-11-27 18:00").await), []);
        // What they ask for comes all the same; and letters come again by a word.
        let asked = center.exchange(&A.writes("リンク", "")).await;
        assert!(asked.iter().any(|one| one.kind == "invitation"), "{:?}", kinds(&asked));
        let told = center.answer(&A.writes("配信再開", "")).await;
        assert!(told.text.contains("再びお送りします"), "{}", told.text);
        assert_eq!((opted_out(center).await, entries(center, "subscribe").await.len()), ((1, 0), 1));
    }

    async fn a_reminder_on_its_way_does_not_leave(center: &mut Center) {
        let letters = invited(center, &once_by(ONCE), &["a"]).await;
        wind_to(center, "2026-11-27 18:00");
        center.attend().await;
        center.memory.order(1, Order::Defer);
        assert!(center.settle().await.is_empty());
        let pages = serve(center).await;
        assert_eq!(pages.post(&page_in(&letters[0]), &[ONE_CLICK]).await.status, 200);
        center.wind(3600);
        assert!(center.settle().await.is_empty());
        let dropped: Vec<_> = settled(center).await.into_iter().filter(|(one, _)| one.fate == Fate::Dropped).collect();
        assert_eq!(dropped.len(), 1);
        assert_eq!((dropped[0].0.why.as_str(), dropped[0].1), ("ended by unsubscribe", Some(Sending::Dropped)));
    }

    async fn an_invitation_by_command_does_not_leave_to_whoever_is_gone_meanwhile(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let people = ["a", "b", "c", "d"].map(|name| somebody(name, ""));
        assert_eq!(center.issue("wellbeing", &people, center.terms(Form::Link)).await.issued.len(), 4);
        // The mailing leaves slowly.
        center.wind(3600);
        let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved("wellbeing").await);
        participants::withdraw(&shelf, &shelved, center.means(), center.act("moved away"), 1).await.unwrap();
        let b = find(center, 2).await;
        assert!(opt_out::stop(&shelf, &shelved, center.means(), &b, (Scope::Study, Way::Page)).await.unwrap());
        super::fate::stop(center, "c@example.jp").await;
        assert_eq!(kinds(&center.settle().await), [("invitation", "d@example.jp")]);
        let dropped = outbox::list(center.store(), Which::State(Sending::Dropped), None, 9).await.unwrap();
        let why: Vec<_> = dropped.iter().rev().map(|one| (one.verdict_text.as_deref().unwrap(), one.secret)).collect();
        let reasons = ["they take part no more", "they want no more letters", "letters to the address come back"];
        assert_eq!(why, reasons.map(|reason| (reason, Secret::Gone)));
        // Whoever is sent another by somebody gets it, however long it waits.
        let sent = credentials::reissue(&shelf, &shelved, center.means(), center.act("on the phone"), &b, false).await;
        assert!(sent.unwrap().is_ok());
        center.wind(3600);
        assert_eq!(kinds(&center.settle().await), [("invitation", "b@example.jp")]);
    }

    async fn whoever_wants_letters_again_gets_them(center: &mut Center) {
        let letters = invited(center, &once_by(ONCE), &["a", "b"]).await;
        let page = page_in(to(&letters, "a"));
        let pages = serve(center).await;
        let shown = pages.get(&format!("{page}?lang=en")).await;
        let typed = |letters: &'static str| [("_lang", "en"), ("letters", letters)];
        let off = pages.post(&page, &typed("study")).await;
        assert!(off.status == 200 && off.body.contains("You are sent no more") && off.body.contains("value=\"again\""), "{off:?}");
        assert!(shown.body.contains("value=\"study\"") && !off.body.contains("value=\"study\""), "{off:?}");
        center.attend().await;
        assert_eq!(reminder_of(center, 1).await.state, State::Ended);
        let on = pages.post(&page, &typed("again")).await;
        assert!(on.status == 200 && on.body.contains("You are sent invitations"), "{on:?}");
        assert_eq!(pages.post(&page, &typed("again")).await.status, 200);
        assert_eq!((opted_out(center).await, entries(center, "subscribe").await.len()), ((0, 0), 1));
        center.attend().await;
        assert_eq!(reminder_of(center, 1).await.state, State::Waiting);
        let reminded = due(center, "2026-11-27 18:00").await;
        assert_eq!(kinds(&reminded), [("reminder", "a@example.jp"), ("reminder", "b@example.jp")]);
        // Each letter leads to the same page.
        assert_eq!(page_in(to(&reminded, "a")), page);
    }

    async fn nobody_is_unsubscribed_by_another(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, 2, None).await;
        let letters = center.settle().await;
        let (one, other) = (page_in(to(&letters, "p0")), page_in(to(&letters, "p1")));
        let pages = serve(center).await;
        let (id, code) = one.strip_prefix("/u/").unwrap().split_once('.').unwrap();
        let (other, _) = other.strip_prefix("/u/").unwrap().split_once('.').unwrap();
        for forged in [
            format!("/u/{other}.{code}"), format!("/u/{id}.aaaaaaaaaaaaaaaa"), format!("/u/{id}."), format!("/u/{id}"),
            format!("/u/99999.{code}"), "/u/x.y".to_owned(),
        ] {
            assert_eq!(pages.get(&forged).await.status, 404, "{forged}");
            assert_eq!(pages.post(&forged, &[ONE_CLICK]).await.status, 404, "{forged}");
        }
        // What asks for nothing gets nothing, and is told so.
        for body in [&[][..], &[("List-Unsubscribe", "no")], &[("letters", "none")]] {
            assert_eq!(pages.post(&one, body).await.status, 400, "{body:?}");
        }
        assert_eq!(opted_out(center).await, (0, 0));
        // The other form that the standard admits.
        let parts = b"--xyz\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--xyz--\r\n";
        assert_eq!(pages.post_multipart(&one, parts, ELSEWHERE).await.status, 200);
        assert_eq!(opted_out(center).await, (1, 0));
        // A form that lets somebody answer is still taken from our own pages alone.
        let link = link_in(&to(&letters, "p0").text);
        assert_eq!(pages.post_with(&link, &[("_step", "send")], ELSEWHERE).await.status, 403);
    }

    async fn an_address_is_left_alone_by_every_study(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let other = edited(&once(), "study.toml", "slug = \"wellbeing\"", "slug = \"sleep\"");
        center.activate(&edited(&other, "study.toml", "tag = \"WELLBEING\"", "tag = \"SLEEP\""), Stage::Production).await;
        invite(center, 2, None).await;
        let letters = center.settle().await;
        let page = page_in(to(&letters, "p0"));
        let pages = serve(center).await;
        let all = pages.post(&page, &[("_lang", "en"), ("letters", "all")]).await;
        assert!(all.status == 200 && all.body.contains("No study that is run here"), "{all:?}");
        assert_eq!(opted_out(center).await, (1, 1));
        assert_eq!(center.world.number("SELECT count(*) FROM opt_out_address WHERE code LIKE '%p0%' OR code LIKE '%@%'").await, 0);
        // Whoever is taken in there later is on file, and is not written to.
        let people = ["p0", "p2"].map(|name| somebody(name, ""));
        let days = Terms { days_from_sending: Some(7), ..center.terms(Form::Link) };
        let batch = center.issue("sleep", &people, days).await;
        assert_eq!((batch.issued.len(), batch.unsubscribed), (2, 1));
        assert_eq!(center.world.number("SELECT count(*) FROM credential_wait").await, 1, "days that no letter begins are counted from now");
        assert_eq!(kinds(&center.settle().await), [("invitation", "p2@example.jp")]);
        let again = center.issue("sleep", &people, center.terms(Form::Link)).await;
        assert_eq!((again.passed.len(), again.unsubscribed), (2, 0));
        // What they ask for comes.
        const P0: Writer = Writer { address: "p0@example.jp", study: "sleep" };
        let asked = center.exchange(&P0.writes("リンク", "お願いします")).await;
        let link = link_in(&to(&asked.into_iter().filter(|one| one.kind == "invitation").collect::<Vec<_>>(), "p0").text);
        assert_eq!(pages.get(&link).await.status, 200);
        // By a word letters of this study alone cannot come again while those of all are stopped: it is told that all do.
        let told = center.exchange(&P0.writes("配信再開", "")).await;
        let done = told.iter().find(|one| one.kind == "opt-out-done").unwrap();
        assert!(done.text.contains("ご参加中のものすべて"), "{}", done.text);
        assert_eq!(center.world.number("SELECT count(*) FROM opt_out_address").await, 0);
        assert_eq!(pages.post(&page, &[("_lang", "en"), ("letters", "all")]).await.status, 200);
        // And back, by the page of the study that they began with.
        let again = pages.post(&page, &[("_lang", "en"), ("letters", "again")]).await;
        assert!(again.body.contains("You are sent invitations"), "{again:?}");
        assert_eq!(opted_out(center).await, (0, 0));
    }

    async fn where_answers_stand_without_the_person_no_moment_is_kept(center: &mut Center) {
        let letters = invited(center, &with_file(&nameless(), "schedule.toml", ONCE), &["a", "b"]).await;
        let before = reminder_of(center, 1).await;
        let pages = serve(center).await;
        assert_eq!(pages.post(&page_in(to(&letters, "a")), &[ONE_CLICK]).await.status, 200);
        assert_eq!(center.world.number("SELECT count(*) FROM schedule_touch").await, 0);
        center.attend().await;
        assert_eq!(reminder_of(center, 1).await, before, "what is planned does not tell when");
        let own = entries(center, "unsubscribe").await;
        assert!(own.len() == 1 && !own[0].contains("participant"), "{own:?}");
        assert_eq!(kinds(&due(center, "2026-11-27 18:00").await), [("reminder", "b@example.jp")]);
        assert_eq!(reminder_of(center, 1).await.why, "ended by unsubscribe");
    }

    async fn where_nobody_may_know_whose_access_is_whose_none_is_made(center: &mut Center) {
        let ask = ONCE.split("\n\n[[rules]]\nid = \"remind\"").next().unwrap();
        let mode = "privacy = \"fully-anonymous\"\nbatch = 5";
        center.activate(&edited(&once_by(ask), "study.toml", "privacy = \"named\"", mode), Stage::Production).await;
        take_in(center, &["a", "b", "c", "d", "e", "f"].map(|name| somebody(name, ""))).await;
        let (shelf, shelved) = (center.shelf_on(center.store()), center.shelved("wellbeing").await);
        let whose = find(center, 2).await;
        let asked = (Scope::Study, Way::Page);
        assert!(opt_out::stop(&shelf, &shelved, center.means(), &whose, asked).await.unwrap());
        assert!(!opt_out::stop(&shelf, &shelved, center.means(), &whose, asked).await.unwrap());
        center.attend().await;
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        let letters = center.settle().await;
        assert_eq!(letters.len(), 5, "{:?}", kinds(&letters));
        assert!(letters.iter().all(|letter| letter.to != "b@example.jp"));
        assert_eq!(center.world.number("SELECT count(*) FROM credential").await, 5);
        // The page names somebody on the list and no access; it says that nothing is joined.
        let pages = serve(center).await;
        let page = pages.get(&format!("{}?lang=en", page_in(to(&letters, "c")))).await;
        assert!(page.body.contains("not joined to any answer") && !page.body.contains("/a/"), "{page:?}");
    }

    async fn whoever_was_not_written_to_gets_an_access_once_they_want_letters(center: &mut Center) {
        let people = |names: &[&str]| names.iter().map(|name| somebody(name, "")).collect::<Vec<_>>();
        let other = edited(&once(), "study.toml", "slug = \"wellbeing\"", "slug = \"sleep\"");
        center.activate(&edited(&other, "study.toml", "tag = \"WELLBEING\"", "tag = \"SLEEP\""), Stage::Production).await;
        center.issue("sleep", &people(&["f"]), center.terms(Form::Link)).await;
        let letters = center.settle().await;
        let (page, pages) = (page_in(to(&letters, "f")), serve(center).await);
        assert_eq!(pages.post(&page, &[("letters", "all")]).await.status, 200);
        // By command everybody gets an access at once but whoever no study is to write to.
        let nobodys =
            |bundle: &Bundle| edited(bundle, "study.toml", "privacy = \"named\"", "privacy = \"fully-anonymous\"\nbatch = 5");
        center.activate(&nobodys(&once()), Stage::Production).await;
        let batch = center.issue("wellbeing", &people(&["a", "b", "c", "d", "e", "f"]), center.terms(Form::Link)).await;
        assert_eq!((batch.issued.len(), batch.unsubscribed), (6, 1));
        assert_eq!(center.settle().await.len(), 5);
        // They want letters again: the schedule invites them with those who come in later, and nobody else once more.
        assert_eq!(pages.post(&page, &[("letters", "again")]).await.status, 200);
        let ask = ONCE.split("\n\n[[rules]]\nid = \"remind\"").next().unwrap();
        center.amend(&nobodys(&once_by(ask)), center.act("a schedule")).await.unwrap();
        take_in(center, &people(&["g", "h", "i", "j"])).await;
        center.attend().await;
        center.settle().await;
        wind_to(center, "2026-11-24 09:00");
        center.attend().await;
        let mut to: Vec<String> = center.settle().await.into_iter().map(|letter| letter.to).collect();
        to.sort();
        assert_eq!(to, ["f", "g", "h", "i", "j"].map(|name| format!("{name}@example.jp")));
    }

    async fn the_page_can_be_used_by_everybody(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        center.activate(&once(), Stage::Production).await;
        invite(center, 4, None).await;
        let letters = center.settle().await;
        let pages = serve(center).await;
        let screens = [("phone", 390, 844), ("desk", 1200, 900)];
        let visits = ["en", "ja"].into_iter().flat_map(|language| screens.map(|screen| (language, screen)));
        for ((language, (screen, width, height)), letter) in visits.zip(&letters) {
            let url = pages.url(&format!("{}?lang={language}", page_in(letter)));
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = Chromium::start();
                browser.screen(width, height);
                let name = |page: &str| format!("opt-out-{language}-{screen}-{page}");
                browser.open(&url);
                browser.look(&name("1-on"));
                browser.press("button[value=study]");
                browser.look(&name("2-off"));
                browser.press("button[value=all]");
                browser.look(&name("3-all"));
                browser.press("button[value=again]");
                browser.look(&name("4-on"));
                browser.text()
            });
            let text = seen.await.unwrap();
            assert!(text.contains(if language == "en" { "You are sent invitations" } else { "お送りしています" }), "{text}");
        }
        assert_eq!(opted_out(center).await, (0, 0));
    }
}
