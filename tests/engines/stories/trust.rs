//! Whom we believe: our border, a person, a token; and whom we never answer.

use hagaki::domain::token;
use hagaki::limits;
use hagaki::store::inbox::{self, State};

use super::*;

fn ok(asked: &Received, mail: &Mail) -> Mail {
    Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..mail.anew() }
}

async fn release(center: &Center, id: i64) {
    let mut tx = center.store().begin().await.unwrap();
    assert!(inbox::release(&mut tx, id, "operator:tester").await.unwrap());
    tx.commit().await.unwrap();
}

stories! {
    async fn a_registration_is_confirmed_by_reply(center: &mut Center) {
        center.activate(&confirming(), Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let asked = center.answer(&mail).await;
        assert_eq!(asked.kind, "confirm");
        assert!(asked.reply_to.starts_with("reg+c."), "{}", asked.reply_to);
        assert!(center.enrolled("aurora").await.is_empty());
        // The same mail again is answered with the same token.
        assert_eq!(center.answer(&mail).await.reply_to, asked.reply_to);
        // A no, or an unmarked note of absence, is no confirmation.
        for words in ["いいえ、取り消してください。\n", "ただいま不在にしております。\n> OK\n"] {
            let not = Mail { body: words.to_owned(), ..ok(&asked, &mail) };
            // The letter that asked comes once more, with the same token.
            let again = center.answer(&not).await;
            assert_eq!((again.kind.as_str(), &again.reply_to), ("confirm", &asked.reply_to), "{words}");
        }
        // Nobody else can use it.
        let foreign = Mail { from: DR_SUZUKI.address.to_owned(), ..ok(&asked, &mail) };
        assert_eq!(center.answer(&foreign).await.kind, "confirm-expired");
        let reply = ok(&asked, &mail);
        let letters = center.exchange(&reply).await;
        assert_eq!(kinds(&letters), [
            ("assignment-open", DR_YAMADA.address),
            ("notice-open", CENTER),
            ("notice-open", STATISTICIAN),
        ]);
        // Spent: whoever is on file is told again, and nothing else happens.
        assert_eq!(center.answer(&reply).await.kind, "duplicate-open");
        assert_eq!(center.answer(&reply.anew()).await.kind, "duplicate-open");
        let unknown = reply.anew().to(&format!("reg+c.{}@example.jp", "a".repeat(26)));
        assert_eq!(center.answer(&unknown).await.kind, "confirm-expired");
        assert_eq!(center.enrolled("aurora").await.len(), 1);
    }

    async fn a_mail_that_asks_for_something_else_enrolls_nobody(center: &mut Center) {
        aurora(center).await;
        let form = aurora_form("011", "Y-0031");
        for (subject, body) in [
            ("取消", form.clone()),
            ("cancel enrollment", form.clone()),
            ("登録", format!("この症例の登録を取り消してください。\n\n{form}")),
        ] {
            center.deliver(&DR_YAMADA.writes(subject, &body));
            assert_eq!(kinds(&center.settle().await), [("quarantine-notice", CENTER)], "{subject}");
            assert_eq!(reason(center).await, "other-request");
        }
        assert!(center.enrolled("aurora").await.is_empty());
        // Without data there is nothing to misread: the sender is told how to write.
        assert_eq!(center.answer(&DR_YAMADA.writes("取消", "Y-0031 をお願いします。")).await.kind, "deed-form");
    }

    async fn a_token_expires(center: &mut Center) {
        center.activate(&confirming(), Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let asked = center.answer(&mail).await;
        center.wind(limits::CONFIRM_SECONDS + 1);
        assert_eq!(center.answer(&ok(&asked, &mail)).await.kind, "confirm-expired");
        assert!(center.enrolled("aurora").await.is_empty());
    }

    async fn an_unusual_value_is_asked_about(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031").replace("年齢: 58", "年齢: 91"));
        let asked = center.answer(&mail).await;
        assert_eq!(asked.kind, "confirm");
        let letters = center.exchange(&ok(&asked, &mail)).await;
        assert_eq!(letters.len(), 3, "{:?}", kinds(&letters));
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn a_site_token_is_demanded(center: &mut Center) {
        let bundle = edited(&samples::aurora(), "study.toml", "token = false", "token = true");
        center.activate(&bundle, Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let token = |site: &str| {
            let text = token::site_token(&center.keys.address, "aurora", site, None);
            format!("reg+{text}@example.jp")
        };
        let (right, wrong) = (token("011"), token("012"));
        let forged = right.replace("@", "a@");
        for to in [mail.to.as_str(), &wrong, &forged] {
            let answer = center.answer(&mail.anew().to(to)).await;
            assert_eq!((answer.kind.as_str(), reason(center).await.as_str()), ("refusal", "no-token"), "{to}");
        }
        center.exchange(&mail.anew().to(&right)).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn status_help_and_form(center: &mut Center) {
        aurora(center).await;
        let form = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        center.exchange(&form).await;
        let arm = center.arms("aurora").await.remove(0);
        for asked in ["状況", "状況 Y-0031", "状況 AURORA-0001"] {
            let answer = center.answer(&DR_YAMADA.writes(asked, "")).await;
            assert_eq!(answer.kind, "status-open", "{asked}");
            assert!(answer.text.contains(&format!("({arm})")), "{}", answer.text);
        }
        let unknown = center.answer(&DR_YAMADA.writes("状況 Y-9999", "")).await;
        assert_eq!(unknown.kind, "status-unknown");
        // Another site's subject does not exist for them.
        let other = center.answer(&DR_SUZUKI.writes("状況 AURORA-0001", "")).await;
        assert_eq!(other.kind, "status-unknown");
        assert_eq!(center.answer(&DR_YAMADA.writes("使い方", "")).await.kind, "help");
        let blank = center.answer(&DR_YAMADA.writes("用紙", "")).await;
        assert_eq!(blank.kind, "blank-form");
        assert!(blank.text.contains("施設コード:"), "{}", blank.text);
    }

    async fn an_unvouched_mail_waits_for_a_person(center: &mut Center) {
        aurora(center).await;
        for (vouched, why) in [(Vouched::Nothing, "auth-none"), (Vouched::Fail, "auth-fail")] {
            let mail = DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{}", 1000 + why.len())));
            let letters = center.exchange(&mail.vouched(vouched)).await;
            assert_eq!(kinds(&letters), [("quarantine-notice", CENTER)], "the sender is not answered");
            assert_eq!((reason(center).await.as_str(), center.last_mail().await.state), (why, State::Held));
        }
        assert_eq!(center.lying_in(".Quarantine"), 2);
        assert!(center.enrolled("aurora").await.is_empty());
        // A person vouches for sender and date; what the mail says is judged as ever.
        let held = center.last_mail().await.id - 1;
        center.wind(40 * 24 * 3600);
        release(center, held).await;
        assert_eq!(kinds(&center.settle().await), [("refusal", DR_YAMADA.address)]);
        let mail = inbox::find(center.store(), held).await.unwrap().unwrap();
        assert_eq!(mail.reason, "not-eligible:recent_consent");
        assert_eq!((mail.state, mail.released_by.as_deref()), (State::Done, Some("operator:tester")));
    }

    async fn a_released_mail_enrolls(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")).vouched(Vouched::Nothing);
        center.exchange(&mail).await;
        let held = center.last_mail().await.id;
        release(center, held).await;
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [
            ("assignment-open", DR_YAMADA.address),
            ("notice-open", CENTER),
            ("notice-open", STATISTICIAN),
        ]);
        assert_eq!(reason(center).await, "enrolled");
        // Its vouched copy is a copy.
        assert_eq!(center.answer(&mail.vouched(Vouched::Pass)).await.kind, "duplicate-open");
    }

    async fn strangers_and_machines_are_not_answered(center: &mut Center) {
        aurora(center).await;
        let form = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let stranger = Mail { from: "stranger@example.jp".to_owned(), ..form.anew() };
        assert_eq!(kinds(&center.exchange(&stranger).await), [("quarantine-notice", CENTER)]);
        assert_eq!(reason(center).await, "unknown-sender");
        for field in ["Auto-Submitted: auto-replied", "Precedence: bulk", "List-Id: <x.example.jp>"] {
            let letters = center.exchange(&form.anew().with(field)).await;
            assert!(letters.is_empty(), "{field}: {:?}", kinds(&letters));
            assert_eq!(center.last_mail().await.disposition, "no_reply", "{field}");
        }
        assert!(center.enrolled("aurora").await.is_empty());
    }

    async fn answers_have_a_budget_and_assignments_do_not(center: &mut Center) {
        aurora(center).await;
        for _ in 0..limits::ANSWERS_PER_HOUR {
            assert_eq!(center.answer(&DR_YAMADA.writes("使い方", "")).await.kind, "help");
        }
        let letters = center.exchange(&DR_YAMADA.writes("使い方", "")).await;
        assert_eq!(kinds(&letters), [("quarantine-notice", CENTER)]);
        assert_eq!(reason(center).await, "reply-budget");
        let letters = center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))).await;
        assert!(letters.iter().any(|letter| letter.kind == "assignment-open"), "{:?}", kinds(&letters));
        // The coordinator is not flooded either.
        let mut notices = 1;
        for _ in 0..2 * limits::HOLD_NOTICES_PER_HOUR {
            notices += center.exchange(&DR_YAMADA.writes("使い方", "")).await.len();
        }
        assert_eq!(notices, usize::try_from(limits::HOLD_NOTICES_PER_HOUR).unwrap());
        center.wind(3601);
        assert_eq!(center.answer(&DR_YAMADA.writes("使い方", "")).await.kind, "help");
    }

    async fn an_emergency_is_answered_however_much_was_asked_before(center: &mut Center) {
        borealis(center).await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        for _ in 0..limits::ANSWERS_PER_HOUR {
            center.exchange(&DR_KOBAYASHI.writes("使い方", "")).await;
        }
        center.exchange(&DR_KOBAYASHI.writes("使い方", "")).await;
        assert_eq!(reason(center).await, "reply-budget");
        let held = center.last_mail().await.id;

        let unblind = DR_KOBAYASHI.writes("開鍵", "症例番号: BOREALIS-0001\n理由: アナフィラキシー\n");
        let asked = center.answer(&unblind).await;
        assert_eq!(asked.kind, "deed-confirm");
        let told = center.exchange(&ok(&asked, &unblind)).await;
        assert!(told.iter().any(|letter| letter.kind == "unblinded" && letter.to == DR_KOBAYASHI.address), "{:?}", kinds(&told));
        let kit = center.answer(&DR_KOBAYASHI.writes("キット交換", "症例番号: BOREALIS-0001\n理由: 破損\n")).await;
        assert_eq!(kit.kind, "deed-confirm");
        // A person who lets a mail go decided that it is answered.
        release(center, held).await;
        assert_eq!(kinds(&center.settle().await), [("help", DR_KOBAYASHI.address)]);
        // Nor do two machines talk for ever so.
        for _ in 0..limits::URGENT_ANSWERS_PER_HOUR {
            center.exchange(&DR_KOBAYASHI.writes("開鍵", "理由: ショック\n")).await;
        }
        assert_eq!(reason(center).await, "reply-budget");
    }
}
