//! An account that several people share: its password is chosen by the word of whoever speaks for them.

use std::sync::Arc;

use hagaki::web::account::{ProxyTerms, Ways};
use secrecy::SecretString;

use super::cases::Visit;
use super::members::{PASSWORD, ask, letters, link_in, routes, serve, sign_in};
use super::*;
use crate::browser::Served;

const DESK: Writer = Writer { address: "desk-012@example.jp", ..DR_SUZUKI };

const GROUP: &str = "[[people]]\nid = \"desk-012\"\nname = { ja = \"012 試験事務室\", en = \"Trial office 012\" }\n\
    addresses = [\"desk-012@example.jp\"]\nroles = [\"coordinator\"]\nsites = [\"012\"]\nlanguage = \"en\"\nrepresentative = \"suzuki\"\n\n";

/// AURORA with a desk that shares an address.
fn shared() -> Bundle {
    edited(
        &samples::aurora(),
        "study.toml",
        "[[people]]\nid = \"tanaka\"",
        &format!("{GROUP}[[people]]\nid = \"tanaka\""),
    )
}

stories! {
    async fn its_representative_confirms_before_a_password_is_chosen(center: &mut Center) {
        center.activate(&shared(), Stage::Production).await;
        let pages = Arc::new(serve(center).await);

        // The page says what it says to everybody; the link waits.
        assert!(ask(&pages, DESK.address).await.body.contains("If this address is on one of our lists"));
        let asked = letters(center, 1).await;
        assert_eq!(kinds(&asked), [("group-confirm", DR_SUZUKI.address)]);
        let question = &asked[0];
        assert!(question.text.contains("012 試験事務室") && question.text.contains(DESK.address), "{}", question.text);
        assert!(!question.everything.contains("/account/"), "the link is not in it");

        // Nobody else can say it, and no other words are a yes.
        let forged = center.exchange(&DR_YAMADA.writes("", "OK\n").to(&question.reply_to)).await;
        assert_eq!(kinds(&forged), [("confirm-expired", DR_YAMADA.address)]);
        let unclear = center.answer(&DR_SUZUKI.writes("", "誰の依頼でしょうか\n").to(&question.reply_to)).await;
        assert_eq!((unclear.kind.as_str(), &unclear.reply_to), ("group-confirm", &question.reply_to));

        let told = center.exchange(&DR_SUZUKI.writes("", "OK\n").to(&question.reply_to)).await;
        assert_eq!(kinds(&told), [("account-link", DESK.address), ("group-confirmed", DR_SUZUKI.address)]);
        let letter = told.iter().find(|letter| letter.kind == "account-link").unwrap();
        assert!(letter.text.contains("Open the link and choose a password"), "{}", letter.text);
        let link = link_in(&letter.text);

        // Said twice, it sends nothing more, and the link stays good.
        let again = center.exchange(&DR_SUZUKI.writes("", "OK\n").to(&question.reply_to)).await;
        assert_eq!(kinds(&again), [("group-confirmed", DR_SUZUKI.address)]);
        let chosen = pages.post(&link, &[("password", PASSWORD), ("again", PASSWORD), ("lang", "en")]).await;
        assert_eq!(chosen.location(), "/sign-in?done=chosen&lang=en");
        let desk = Visit::of(&pages, sign_in(&pages, "/c/aurora", DESK.address, PASSWORD).await.cookie());
        assert!(desk.see("/c/aurora").await.body.contains("There is no case yet"));
    }

    async fn a_link_asked_for_by_mail_waits_as_well_and_not_for_ever(center: &mut Center) {
        center.activate(&shared(), Stage::Production).await;
        let asked = center.exchange(&DESK.writes("link", "please")).await;
        assert_eq!(kinds(&asked), [("group-confirm", DR_SUZUKI.address), ("link-asked", DESK.address)]);
        let told = asked.iter().find(|letter| letter.to == DESK.address).unwrap();
        assert!(told.text.contains("so Jiro Suzuki was asked by mail"), "{}", told.text);
        let question = asked.iter().find(|letter| letter.to == DR_SUZUKI.address).unwrap();

        // The study changed meanwhile: somebody else speaks for the group now.
        let tanaka = edited(&shared(), "study.toml", "representative = \"suzuki\"", "representative = \"tanaka\"");
        center.wind(1);
        center.amend(&tanaka, center.act("staff")).await.unwrap();
        let late = center.exchange(&DR_SUZUKI.writes("", "OK\n").to(&question.reply_to)).await;
        assert_eq!(kinds(&late), [("confirm-expired", DR_SUZUKI.address)]);

        let asked = center.exchange(&DESK.writes("リンク", "")).await;
        let question = asked.iter().find(|letter| letter.kind == "group-confirm").unwrap();
        assert_eq!(question.to, "tanaka@example.jp");
        center.wind(30 * 24 * 3600);
        let tanaka = Writer { address: "tanaka@example.jp", ..DR_SUZUKI };
        let late = center.exchange(&tanaka.writes("", "OK\n").to(&question.reply_to)).await;
        assert_eq!(kinds(&late), [("confirm-expired", "tanaka@example.jp")]);
    }

    async fn no_other_door_opens_the_account_of_a_group(center: &mut Center) {
        // On the roll of a society, and a person of another study: the account is one.
        center.activate(&super::members::named(), Stage::Production).await;
        super::members::admit(center, "members", &[DESK.address]).await;
        center.settle().await;
        let person = edited(&samples::cygnus(), "study.toml", "\"mori@example.jp\"", "\"mori@example.jp\", \"desk-012@example.jp\"");
        center.activate(&person, Stage::Production).await;
        let url = center.process.calendar.desk.public_url.clone();
        let header = axum::http::HeaderName::from_static("x-mail");
        let from = vec![std::net::IpAddr::from([127, 0, 0, 1])];
        let proxy = ProxyTerms { header, from, secret: SecretString::from("open sesame"), name: "GakuNin".to_owned() };
        let ways = Ways { provider: None, proxy: Some(proxy) };
        let pages = Arc::new(Served::start(routes(center, center.clock.clone(), &url, ways)).await);
        let get = format!(
            "GET /sign-in/proxy?to=members&lang=en HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Mail: {}\r\nX-Hagaki-Proxy: open sesame\r\n\r\n",
            DESK.address
        );
        // Before anybody shares the address it is let in.
        assert_eq!(pages.ask(&get).await.status, 303);
        center.activate(&shared(), Stage::Production).await;
        let refused = pages.ask(&get).await;
        assert!(refused.status == 403 && refused.body.contains("shared by a group"), "{refused:?}");
        ask(&pages, DESK.address).await;
        assert_eq!(kinds(&letters(center, 1).await), [("group-confirm", DR_SUZUKI.address)]);
        let by_mail = center.exchange(&Writer { study: "cygnus", ..DESK }.writes("link", "please")).await;
        assert_eq!(kinds(&by_mail), [("group-confirm", DR_SUZUKI.address), ("link-asked", DESK.address)]);
    }
}
