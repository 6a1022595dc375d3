//! A participant who writes by themselves: how to write, and taking part no more.

use hagaki::store::audit;

use super::facts::ok;
use super::survey::{invite, link_in, nameless, once, responses, serve, with};
use super::*;

const P0: Writer = Writer { address: "p0@example.jp", study: "wellbeing" };
const STRANGER: Writer = Writer { address: "stranger@example.net", study: "wellbeing" };

/// The text of a letter without the one-time token, which stands in its link as well.
fn without_token(letter: &Received) -> String {
    let token = letter.reply_to.split(['.', '@']).nth(1).unwrap();
    letter.text.replace(token, "")
}

async fn withdrawn(center: &Center) -> i64 {
    center.world.number("SELECT count(*) FROM participant WHERE state = 'withdrawn'").await
}

stories! {
    async fn help_is_for_whoever_asks(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, 1, None).await;
        center.settle().await;
        let help = center.answer(&P0.writes("ヘルプ", "")).await;
        assert!(help.kind == "participant-help" && help.text.contains("[WELLBEING] 撤回"), "{}", help.text);
        assert!(help.text.contains("用紙") && help.text.contains("リンク"), "{}", help.text);
        let english = center.answer(&STRANGER.writes("help", "")).await;
        assert!(english.text.contains("[WELLBEING] withdraw  take part no more"), "{}", english.text);
        let stranger = center.answer(&STRANGER.writes("ヘルプ", "")).await;
        assert_eq!(stranger.text, help.text, "whether an address is on the list is not told");
    }

    async fn a_participant_takes_part_no_more(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        let form = pages.get(&path).await;
        pages.fill(&path, &form, &[("mood", "3")], "keep").await;
        assert_eq!(center.world.number("SELECT count(*) FROM draft").await, 1);

        // Nothing happens before it is confirmed, from the address that asked; and everybody is asked the same.
        let asked = center.answer(&P0.writes("撤回", "やめます")).await;
        assert!(asked.kind == "leave-confirm" && asked.text.contains("まだ記録していません"), "{}", asked.text);
        let stranger = center.answer(&STRANGER.writes("撤回", "やめます")).await;
        assert_eq!(without_token(&stranger), without_token(&asked));
        assert_eq!(center.answer(&ok(&asked, STRANGER)).await.kind, "confirm-expired");
        let other = center.answer(&Mail { body: "やっぱり続けます\n".to_owned(), ..ok(&asked, P0) }).await;
        assert!(other.kind == "leave-confirm" && withdrawn(center).await == 0);

        let letters = center.exchange(&ok(&asked, P0)).await;
        assert_eq!(kinds(&letters), [("leave-done", "p0@example.jp"), ("leave-notice", "wellbeing-office@example.jp")]);
        assert!(letters[0].text.contains("参加の取りやめを記録しました"), "{}", letters[0].text);
        assert!(letters[1].text.contains("参加者番号  1") && !letters[1].subject.contains('1'), "{}", letters[1].text);
        assert!(!letters[1].words.contains("やめます") && !letters[1].words.contains("p0@"), "{}", letters[1].words);
        assert_eq!((withdrawn(center).await, center.world.number("SELECT count(*) FROM draft").await), (1, 0));
        let row = hagaki::store::study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
        let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
        let own = entries.iter().filter(|entry| entry.action == "withdraw-participant");
        assert_eq!(own.map(|entry| entry.body.contains("\"participant\":1")).collect::<Vec<_>>(), [true]);

        // The yes again says the same once more; nothing is sent or taken any more.
        let again = center.answer(&ok(&asked, P0)).await;
        assert!(again.kind == "leave-done" && again.text.contains("参加の取りやめを記録しました"), "{}", again.text);
        assert_eq!(kinds(&center.exchange(&P0.writes("link", "please")).await), [("link-asked", "p0@example.jp")]);
        let sent = pages.post(&path, &with(&[("_mark", &"ab".repeat(16)), ("_lang", "en")])).await;
        assert!(sent.status == 403 && sent.body.contains("You take part in this study no more"), "{sent:?}");
        assert_eq!(center.answer(&P0.writes("回答", "記入日：2026-11-01\n")).await.kind, "survey-refused");
        assert_eq!(responses(center).await, []);
        // Whoever is on no list is told so, now that they have shown that the address is theirs.
        let nobody = center.answer(&ok(&stranger, STRANGER)).await;
        assert!(nobody.kind == "leave-done" && nobody.text.contains("参加されている方はいない"), "{}", nobody.text);
        assert_eq!(withdrawn(center).await, 1);
        // Data under the word are read by a person.
        const P1: Writer = Writer { address: "p1@example.jp", study: "wellbeing" };
        center.exchange(&P1.writes("撤回", "記入日：2026-11-01\nremark: x\n")).await;
        assert!(reason(center).await.contains("other-request"));
    }

    async fn where_nobody_knows_whose_link_is_whose_it_goes_on_opening(center: &mut Center) {
        let bundle = edited(&once(), "study.toml", "privacy = \"named\"", "privacy = \"fully-anonymous\"");
        center.activate(&bundle, Stage::Production).await;
        let issued = invite(center, hagaki::limits::URN_BATCH as usize, None).await;
        center.settle().await;
        let asked = center.answer(&P0.writes("withdraw", "")).await;
        assert!(asked.text.contains("Nobody knows which link is yours"), "{}", asked.text);
        let letters = center.exchange(&ok(&asked, P0)).await;
        assert_eq!(kinds(&letters), [("leave-done", "p0@example.jp"), ("leave-notice", "wellbeing-office@example.jp")]);
        assert!(letters[0].text.contains("it goes on opening the form"), "{}", letters[0].text);
        assert!(!letters[1].text.contains("回答も受け付けません"), "{}", letters[1].text);
        assert!(letters[1].text.contains("引き続き開けます"), "{}", letters[1].text);
        let pages = serve(center).await;
        assert_eq!(pages.get(&link_in(issued[0].link.as_deref().unwrap())).await.status, 200);
        assert_eq!(withdrawn(center).await, 1);
    }

    async fn of_several_at_one_address_nobody_is_guessed(center: &mut Center) {
        center.activate(&nameless(), Stage::Production).await;
        invite(center, 2, None).await;
        center.settle().await;
        center.world.tamper("UPDATE participant SET address = 'p0@example.jp'").await;
        let asked = center.answer(&P0.writes("withdraw", "")).await;
        assert!(asked.text.contains("nobody can tell which answers are yours"), "{}", asked.text);
        let told = center.answer(&ok(&asked, P0)).await;
        assert!(told.text.contains("Several people take part with this address") && withdrawn(center).await == 0, "{}", told.text);
    }
}
