//! What is typed or kept and cannot be sent now: it comes back whole, and goes on from there.

use hagaki::store::Engine;
use hagaki::workflow::credentials::Issued;
use hagaki::workflow::life;

use super::survey::{invite, link_in, nameless, once, responses, serve, with};
use super::*;
use crate::browser::{Page, Served};

const P0: Writer = Writer { address: "p0@example.jp", study: "wellbeing" };

/// The first page; its day cannot be read.
const TYPED: [(&str, &str); 3] = [("day", "soon <enough>"), ("mood", "3"), ("pain", "no")];
/// The whole form.
const WHOLE: [(&str, &str); 7] = [
    ("day", "2026-11-01"),
    ("mood", "7"),
    ("pain", "no"),
    ("tired", "2"),
    ("worried", "1"),
    ("met", "3"),
    ("remark", "two\r\nlines"),
];

/// Asks for a fresh link by mail, and gives its path.
async fn renewed(center: &mut Center) -> String {
    let letters = center.exchange(&P0.writes("link", "please")).await;
    link_in(&letters.iter().find(|letter| letter.kind == "invitation").unwrap().text)
}

/// One person is invited to a survey in production, and opens the form in English: the pages, what was issued to them, the path of
/// its link, the form.
async fn opened(center: &mut Center, bundle: &Bundle, until: Option<i64>) -> (Served, Issued, String, Page) {
    center.activate(bundle, Stage::Production).await;
    let issued = invite(center, 1, until).await.remove(0);
    center.settle().await;
    let pages = serve(center).await;
    let path = link_in(issued.link.as_deref().unwrap());
    let form = pages.get(&format!("{path}?lang=en")).await;
    (pages, issued, path, form)
}

async fn drafts(center: &Center) -> i64 {
    center.world.number("SELECT count(*) FROM draft").await
}

stories! {
    async fn a_paused_study_gives_back_what_was_typed(center: &mut Center) {
        let (pages, _, path, form) = opened(center, &once(), None).await;
        life::set_paused(center.store(), "wellbeing", true, center.act("look")).await.unwrap();
        let held = pages.fill(&path, &form, &TYPED, "answer").await;
        assert_eq!(held.status, 403);
        assert!(held.body.contains("takes no answers at present") && held.body.contains("still on this page"), "{held:?}");
        // What can be understood is shown in words, what cannot as it was typed; all of it is in the form.
        assert!(held.body.contains("<dd>soon &lt;enough&gt;</dd>") && held.body.contains("<dd>no</dd>"), "{held:?}");
        assert!(held.hidden().contains(&("day".to_owned(), "soon <enough>".to_owned())), "{held:?}");
        let again = pages.fill(&path, &held, &[], "look").await;
        assert!(again.status == 403 && again.hidden() == held.hidden(), "{again:?}");

        // It can be kept for another day, and is there while the study still rests.
        let kept = pages.fill(&path, &again, &[], "keep").await;
        assert!(kept.status == 200 && kept.body.contains("Your answers are kept") && drafts(center).await == 1, "{kept:?}");
        let opened = pages.get(&format!("{path}?lang=ja")).await;
        assert!(opened.status == 403 && opened.body.contains("soon &lt;enough&gt;"), "{opened:?}");
        assert!(opened.body.contains("一時保存された回答（まだ送信されていません）"), "{opened:?}");

        life::set_paused(center.store(), "wellbeing", false, center.act("looked")).await.unwrap();
        let shown = pages.fill(&path, &kept, &[], "look").await;
        assert!(shown.status == 200 && shown.body.contains("value=\"soon &lt;enough&gt;\""), "{shown:?}");
        assert!(shown.body.contains("name=\"mood\" value=\"3\" checked") && responses(center).await.is_empty());
        let sent = pages.fill(&path, &shown, &WHOLE, "send").await;
        assert!(sent.status == 303 && responses(center).await.len() == 1 && drafts(center).await == 0, "{sent:?}");
    }

    async fn what_may_have_been_recorded_is_told_as_that(center: &mut Center) {
        let (pages, _, path, form) = opened(center, &once(), None).await;
        let (breaks, mends) = match center.store().engine() {
            Engine::Sqlite => (
                "CREATE TRIGGER broken BEFORE INSERT ON response BEGIN SELECT RAISE(ABORT, 'broken'); END",
                "DROP TRIGGER broken",
            ),
            Engine::Postgres => (
                "ALTER TABLE response ADD CONSTRAINT broken CHECK (false) NOT VALID",
                "ALTER TABLE response DROP CONSTRAINT broken",
            ),
        };
        center.world.tamper(breaks).await;
        let mark = form.field("_mark");
        let unsure = pages.post(&path, &with(&[("_mark", &mark), ("_step", "send"), ("_lang", "en")])).await;
        assert!(unsure.status == 503 && unsure.body.contains("it is not known whether"), "{unsure:?}");
        assert!(unsure.body.contains("This is what you typed"), "{unsure:?}");
        assert!(!unsure.body.contains("Nothing was recorded"), "{unsure:?}");
        center.world.tamper(mends).await;
        let shown = pages.fill(&path, &unsure, &[], "look").await;
        assert_eq!(shown.status, 200, "{shown:?}");
        let sent = pages.fill(&path, &shown, &[("day", "2026-11-01"), ("mood", "7"), ("pain", "no")], "send").await;
        assert!(sent.status == 303 && responses(center).await.len() == 1, "{sent:?}");
    }

    async fn what_cannot_be_sent_any_more_can_be_copied(center: &mut Center) {
        let (pages, _, path, form) = opened(center, &once(), Some(3600)).await;
        center.wind(3601);
        let late = pages.fill(&path, &form, &WHOLE, "send").await;
        assert!(late.status == 403 && late.body.contains("This link was good until"), "{late:?}");
        assert!(late.body.contains("copy or print this page") && late.body.contains("two\r\nlines"), "{late:?}");
        assert!(!late.body.contains("value=\"keep\"") && !late.body.contains("name=\"_link\""), "{late:?}");
        // Where nothing was typed there is nothing to show.
        let bare = pages.get(&format!("{path}?lang=en")).await;
        assert!(bare.status == 403 && !bare.body.contains("what you typed"), "{bare:?}");
        assert_eq!(responses(center).await, []);
    }

    async fn a_form_of_a_link_before_goes_over_to_the_fresh_one(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let old = link_in(issued[0].link.as_deref().unwrap());
        let form = pages.get(&format!("{old}?lang=en")).await;
        let fresh = renewed(center).await;
        let held = pages.fill(&old, &form, &WHOLE, "send").await;
        assert!(held.status == 403 && held.body.contains("you were sent a newer one"), "{held:?}");
        assert!(held.body.contains("two\r\nlines") && held.body.contains("name=\"_link\""), "{held:?}");

        // Another's link is none of theirs, nor is this one, nor what is no link at all; what was typed stays.
        let another = issued[1].link.clone().unwrap();
        for wrong in [another.as_str(), &old, "https://example.com/", "x"] {
            let told = pages.fill(&old, &held, &[("_link", wrong)], "look").await;
            assert!(told.status == 422 && told.body.contains("not a newer link of yours"), "{wrong}: {told:?}");
            assert_eq!(told.hidden(), held.hidden());
        }
        // As a mail shows it.
        let pasted = format!("  <https://hagaki.example.jp{fresh}?lang=en>. ");
        let shown = pages.fill(&old, &held, &[("_link", &pasted)], "look").await;
        assert!(shown.status == 200 && shown.body.contains(&format!("action=\"{fresh}\"")), "{shown:?}");
        assert!(shown.body.contains("name=\"mood\" value=\"7\" checked") && responses(center).await.is_empty(), "{shown:?}");
        // What stands on the page is typed, the rest travels with it.
        let sent = pages.fill(&fresh, &shown, &WHOLE[..3], "send").await;
        let all = responses(center).await;
        assert!(sent.status == 303 && all.len() == 1 && all[0].answers.contains("two\\nlines"), "{sent:?} {all:?}");
        // The old page sent once more shows the receipt of then.
        assert_eq!(pages.fill(&old, &form, &WHOLE, "send").await.status, 303);
        assert_eq!(responses(center).await.len(), 1);
    }

    async fn with_names_a_draft_follows_to_the_fresh_link(center: &mut Center) {
        let (pages, issued, old, form) = opened(center, &once(), None).await;
        let kept = pages.fill(&old, &form, &TYPED, "keep").await;
        assert!(kept.body.contains("If you are sent a new link or password, they are there, too"), "{kept:?}");
        let dump = crate::privacy::dump::dump(&center.world).await;
        assert!(dump.table("draft").count() == 1 && !dump.rows.iter().any(|row| row.holds("soon <enough>")));
        // The password of the same letter opens it as well.
        let (login, password) = (issued.login.clone().unwrap().grouped(), issued.password.clone().unwrap());
        let cookie = pages.post("/s/wellbeing", &[("login", &login), ("password", &password)]).await.cookie();
        assert!(pages.get_with("/s/wellbeing/form?lang=en", &cookie).await.body.contains("soon &lt;enough&gt;"));
        let fresh = renewed(center).await;
        let shown = pages.get(&format!("{fresh}?lang=en")).await;
        assert!(shown.status == 200 && shown.body.contains("value=\"soon &lt;enough&gt;\""), "{shown:?}");
        assert!(shown.body.contains("These are the answers you kept") && drafts(center).await == 1, "{shown:?}");
        let dead = pages.get(&format!("{old}?lang=en")).await;
        assert!(dead.status == 403 && !dead.body.contains("soon"), "{dead:?}");
        let sent = pages.fill(&fresh, &shown, &WHOLE, "send").await;
        assert!(sent.status == 303 && drafts(center).await == 0, "{sent:?}");
    }

    async fn what_is_kept_takes_the_place_of_nothing_that_was_not_seen(center: &mut Center) {
        let (pages, _, path, form) = opened(center, &once(), None).await;
        let other = pages.get(&format!("{path}?lang=en")).await;
        let (early, late) = ([("day", "2026-11-01"), ("mood", "3")], [("day", "2026-11-02"), ("mood", "8")]);
        let kept = pages.fill(&path, &form, &early, "keep").await;
        assert!(kept.status == 200 && kept.body.contains("Your answers are kept"), "{kept:?}");
        // Sent once more, as by a reload, it is the same.
        let again = pages.fill(&path, &form, &early, "keep").await;
        assert!(again.status == 200 && again.body.contains("Your answers are kept"), "{again:?}");

        // Another device had opened the form before.
        let told = pages.fill(&path, &other, &late, "keep").await;
        assert!(told.status == 409 && told.body.contains("Other answers were kept meanwhile"), "{told:?}");
        assert!(told.body.contains("2026-11-01") && told.body.contains("value=\"2026-11-02\""), "{told:?}");
        let there = pages.get(&format!("{path}?lang=en")).await;
        assert!(there.body.contains("value=\"2026-11-01\"") && drafts(center).await == 1, "{there:?}");
        // Whoever has seen what is there decides; and what is kept then is not undone by a page of before.
        let decided = pages.fill(&path, &told, &late, "keep").await;
        assert!(decided.status == 200 && decided.body.contains("Your answers are kept"), "{decided:?}");
        let old = pages.fill(&path, &form, &early, "keep").await;
        assert!(old.status == 409 && old.body.contains("2026-11-02"), "{old:?}");
        let there = pages.get(&format!("{path}?lang=en")).await;
        assert!(there.body.contains("value=\"2026-11-02\""), "{there:?}");
        let further = pages.fill(&path, &decided, &[("day", "2026-11-03"), ("mood", "8")], "keep").await;
        assert_eq!(further.status, 200, "{further:?}");

        // While nothing is taken it is the same.
        life::set_paused(center.store(), "wellbeing", true, center.act("look")).await.unwrap();
        let held = pages.fill(&path, &form, &early, "keep").await;
        assert!(held.status == 409 && held.body.contains("Other answers were kept meanwhile"), "{held:?}");
        let held = pages.fill(&path, &held, &[], "keep").await;
        assert!(held.status == 200 && held.body.contains("Your answers are kept"), "{held:?}");
        let there = pages.get(&format!("{path}?lang=en")).await;
        assert!(there.status == 403 && there.body.contains("2026-11-01"), "{there:?}");
    }

    async fn the_language_that_was_chosen_is_kept_with_the_answers(center: &mut Center) {
        let (pages, _, path, form) = opened(center, &once(), None).await;
        assert!(pages.get(&path).await.body.contains("lang=\"ja\""));
        assert_eq!(pages.fill(&path, &form, &TYPED, "keep").await.status, 200);
        let english = pages.get(&path).await;
        assert!(english.body.contains("These are the answers you kept"), "{english:?}");
        let japanese = pages.get(&format!("{path}?lang=ja")).await;
        assert!(japanese.body.contains("一時保存された回答です"), "{japanese:?}");
    }

    async fn without_names_the_old_link_goes_on_showing_what_was_kept(center: &mut Center) {
        let (pages, _, old, form) = opened(center, &nameless(), None).await;
        let kept = pages.fill(&old, &form, &TYPED, "keep").await;
        assert!(kept.body.contains("Only this link opens them"), "told before it can be too late: {kept:?}");
        let fresh = renewed(center).await;
        let shown = pages.get(&format!("{fresh}?lang=en")).await;
        assert!(shown.status == 200 && shown.body.contains("You kept answers with an earlier link"), "{shown:?}");
        assert!(!shown.body.contains("soon &lt;enough&gt;"), "{shown:?}");
        let held = pages.get(&format!("{old}?lang=en")).await;
        assert!(held.status == 403 && held.body.contains("<dd>soon &lt;enough&gt;</dd>"), "{held:?}");
        let over = pages.fill(&old, &held, &[("_link", &fresh)], "look").await;
        assert!(over.status == 200 && over.body.contains("value=\"soon &lt;enough&gt;\""), "{over:?}");
        let sent = pages.fill(&fresh, &over, &WHOLE, "send").await;
        assert!(sent.status == 303 && drafts(center).await == 0, "{sent:?}");
        // A link that was called back shows nothing.
        center.world.tamper("DELETE FROM answered").await;
        center.world.tamper("UPDATE credential SET state = 'revoked'").await;
        assert!(!pages.get(&format!("{old}?lang=en")).await.body.contains("name=\"_link\""));
    }
}
