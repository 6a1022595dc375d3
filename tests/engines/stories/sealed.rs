//! Mails that come sealed by OpenPGP, and letters that leave so: what is demanded, what is told, and that nothing is lost or shown.

use std::path::Path;
use std::sync::Arc;

use hagaki::domain::openpgp::{Certificate, Envelope, OwnKey, open};
use hagaki::domain::time::Clock as _;
use hagaki::limits;
use hagaki::store::inbox;
use hagaki::workflow::resend::{self, NotResent};

use super::*;

fn text(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/openpgp");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn certificate(name: &str) -> Certificate {
    Certificate::parse(&text(&format!("{name}.asc"))).unwrap()
}

fn key(name: &str) -> OwnKey {
    OwnKey::parse(&text(&format!("{name}.secret.asc")), "").unwrap()
}

/// AURORA with further lines in `[trust]`, and with keys of people.
fn sealing(trust: &str, keys: &[(&str, &str)]) -> Bundle {
    let mut bundle = edited(&samples::aurora(), "study.toml", "confirm = false", &format!("confirm = false\n{trust}"));
    for (person, name) in keys {
        bundle = with_file(&bundle, &format!("keys/{person}.asc"), &text(&format!("{name}.asc")));
    }
    bundle
}

const REQUIRED: &str = "openpgp = \"required\"\nencrypt_letters = true";

/// Seals a mail as a mail program does, for the owner of that key.
fn sealed_for(center: &Center, mail: &Mail, by: Option<&str>, to: &str) -> Vec<u8> {
    let entity = format!(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}",
        mail.body.replace('\n', "\r\n")
    );
    let seed = [u8::try_from(mail.message_id.len() + mail.body.len() % 100).unwrap(); 32];
    let by = by.map(|by| Arc::new(key(by)));
    let envelope = Envelope { to: Arc::new(certificate(to)), by, at: center.clock.now(), seed };
    let armored = envelope.seal(entity.into_bytes()).unwrap();
    around(center, mail, &armored)
}

/// The mail with an armored message in place of its text.
fn around(center: &Center, mail: &Mail, armored: &str) -> Vec<u8> {
    let whole = String::from_utf8(mail.bytes(center.clock.now())).unwrap();
    let (header, _) = whole.split_once("Content-Type: text/plain").unwrap();
    format!(
        "{header}Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n\
         Content-Type: application/octet-stream\r\n\r\n{armored}\r\n--b--\r\n"
    )
    .into_bytes()
}

fn sealed(center: &Center, mail: &Mail) -> Vec<u8> {
    sealed_for(center, mail, Some("yamada"), "ours")
}

async fn exchange(center: &mut Center, raw: &[u8]) -> Vec<Received> {
    center.deliver_bytes(raw);
    center.settle().await
}

/// The one letter to somebody.
fn to<'a>(letters: &'a [Received], address: &str) -> &'a Received {
    let own: Vec<&Received> = letters.iter().filter(|letter| letter.to == address).collect();
    assert_eq!(own.len(), 1, "{:?}", kinds(letters));
    own[0]
}

/// What its reader finds in a sealed letter, once our signature was looked at.
fn opened(center: &Center, letter: &Received, name: &str) -> String {
    let raw = String::from_utf8(letter.raw.clone()).unwrap();
    let header = raw.split("\r\n\r\n").next().unwrap();
    assert!(header.contains("Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\""), "{header}");
    let at = raw.find("-----BEGIN PGP MESSAGE-----").unwrap();
    let end = raw.find("-----END PGP MESSAGE-----").unwrap();
    let armored = format!("{}-----END PGP MESSAGE-----\r\n", &raw[at..end]);
    let found = open(Some(&key(name)), armored.as_bytes()).unwrap();
    assert_eq!(found.claims[0].check(&certificate("ours"), center.clock.now(), true), Ok(()));
    let inner = [b"Subject: x\r\n".as_slice(), &found.data].concat();
    hagaki::letters::opened::open(&inner).text
}

/// A letter that says why a mail was not taken, and nothing of what was in it.
fn refused<'a>(letters: &'a [Received], words: &str) -> &'a Received {
    assert_eq!(kinds(letters), [("seal-refused", DR_YAMADA.address)]);
    let letter = &letters[0];
    assert!(letter.text.contains(words), "{words}: {}", letter.text);
    assert!(!letter.everything.contains("Y-0031") && !letter.text.contains("施設コード"), "{}", letter.text);
    letter
}

stories! {
    async fn a_sealed_registration_is_answered_sealed(center: &mut Center) {
        center.activate(&sealing(REQUIRED, &[("yamada", "yamada")]), Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let letters = exchange(center, &sealed(center, &mail)).await;
        assert_eq!(reason(center).await, "enrolled");
        assert_eq!(kinds(&letters), [
            ("assignment-open", DR_YAMADA.address),
            ("notice-withheld", CENTER),
            ("notice-withheld", STATISTICIAN),
        ]);
        let answer = to(&letters, DR_YAMADA.address);
        let arm = center.arms("aurora").await.remove(0);
        let shown = opened(center, answer, "yamada");
        assert!(shown.contains("AURORA-0001") && shown.contains(&format!("({arm})")), "{shown}");
        assert_eq!(answer.in_reply_to, mail.message_id);
        // A subject line names a subject by its number alone, and whoever carries the mail needs one.
        assert!(!answer.text.contains("AURORA-0001") && !answer.everything.contains("Y-0031"), "{}", answer.everything);
        // Whoever has no key hears that there is something, where to look, and how to hand one in.
        let notice = to(&letters, CENTER);
        assert!(notice.text.contains("https://hagaki.example.jp/c/aurora"), "{}", notice.text);
        assert!(!notice.everything.contains("AURORA-0001"), "{}", notice.everything);
        // What is kept is what was sent.
        let row = center.letter(answer).await;
        let kept = outbox_raw(center, row.id).await;
        assert_eq!(kept, answer.raw);
        // People see how it was sealed.
        let read: serde_json::Value = serde_json::from_str(&center.last_mail().await.reading.unwrap()).unwrap();
        assert_eq!(read["openpgp"]["encrypted"], true);
        assert_eq!(read["openpgp"]["signed_by"], certificate("yamada").fingerprint());
    }

    async fn what_is_not_sealed_as_demanded_is_answered_and_not_acted_on(center: &mut Center) {
        center.activate(&sealing(REQUIRED, &[("yamada", "yamada")]), Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let plain = center.exchange(&mail).await;
        let letter = refused(&plain, "暗号化されていません");
        assert!(letter.text.contains(&certificate("ours").fingerprint()), "{}", letter.text);
        // Our key comes with it.
        let at = letter.text.find("-----BEGIN PGP PUBLIC KEY BLOCK-----").unwrap();
        assert_eq!(Certificate::parse(&letter.text[at..]).map(|own| own.fingerprint()), Ok(certificate("ours").fingerprint()));
        let tampered = String::from_utf8(sealed(center, &mail)).unwrap();
        let (_, armor) = tampered.split_once("-----BEGIN PGP MESSAGE-----").unwrap();
        let line = armor.lines().filter(|line| line.len() == 64).nth(4).unwrap().to_owned();
        let turned: String = line.chars().rev().collect();
        let tampered = tampered.replacen(&line, &turned, 1).into_bytes();
        for (raw, words) in [
            (sealed_for(center, &mail, None, "ours"), "署名がありません"),
            (sealed_for(center, &mail, Some("stranger"), "ours"), "別の鍵で署名"),
            (sealed_for(center, &mail, Some("suzuki"), "ours"), "別の鍵で署名"),
            (sealed_for(center, &mail, Some("expired"), "ours"), "別の鍵で署名"),
            (sealed_for(center, &mail, Some("yamada"), "stranger"), "この窓口の鍵宛てではありません"),
            (tampered, "壊れているか"),
            (around(center, &mail, &text("bomb.asc")), "大きさを超えています"),
        ] {
            refused(&exchange(center, &raw).await, words);
            assert_eq!(reason(center).await, "sealed-wrong");
        }
        assert!(center.enrolled("aurora").await.is_empty());
        // Questions are answered, by letters that tell of no case.
        assert_eq!(center.answer(&DR_YAMADA.writes("使い方", "")).await.kind, "help");
        // Nothing is lost: the same mail, sealed, enrolls.
        exchange(center, &sealed(center, &mail)).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn a_sealed_mail_that_is_sent_again_acts_once(center: &mut Center) {
        center.activate(&sealing(REQUIRED, &[("yamada", "yamada")]), Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let raw = String::from_utf8(sealed(center, &mail)).unwrap();
        exchange(center, raw.as_bytes()).await;
        // By a relay, or by somebody who got hold of it, under a Message-ID of their own.
        let other = raw.replace(&mail.message_id, "other@example.jp");
        for again in [raw, other] {
            let letters = exchange(center, again.as_bytes()).await;
            assert_eq!(kinds(&letters), [("duplicate-open", DR_YAMADA.address)]);
            assert_eq!(reason(center).await, "same-message");
        }
        assert_eq!(center.enrolled("aurora").await.len(), 1);
        // Long after, what was signed proves nothing any more.
        let late = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0032"));
        let old = String::from_utf8(sealed(center, &late)).unwrap();
        center.wind(limits::DATE_AGE_SECONDS + 24 * 3600);
        let date = |raw: &str| raw.lines().find(|line| line.starts_with("Date: ")).unwrap().to_owned();
        let fresh = String::from_utf8(sealed(center, &late)).unwrap();
        let replayed = old.replace(&date(&old), &date(&fresh));
        let letters = exchange(center, replayed.as_bytes()).await;
        assert_eq!(to(&letters, DR_YAMADA.address).kind, "seal-refused", "{:?}", kinds(&letters));
        assert_eq!(center.enrolled("aurora").await.len(), 1);
    }

    async fn what_was_signed_for_one_study_is_held_in_another(center: &mut Center) {
        let bundle = sealing(REQUIRED, &[("yamada", "yamada")]);
        center.activate(&bundle, Stage::Production).await;
        let other = edited(&bundle, "study.toml", "slug = \"aurora\"", "slug = \"zephyr\"");
        let other = edited(&other, "study.toml", "tag = \"AURORA\"", "tag = \"ZEPHYR\"");
        center.activate(&other, Stage::Production).await;
        let mail = Mail { subject: "登録".into(), ..DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")) };
        let mail = mail.to("reg+aurora@example.jp");
        let raw = String::from_utf8(sealed(center, &mail)).unwrap();
        exchange(center, raw.as_bytes()).await;
        assert_eq!(reason(center).await, "enrolled");
        // Whoever caught it sends it on, under whatever Message-ID and subject.
        let caught = raw.replace("reg+aurora@", "reg+zephyr@");
        for caught in [caught.clone(), caught.replace(&mail.message_id, "other@example.jp")] {
            center.deliver_bytes(caught.as_bytes());
            center.quiet().await;
            assert_eq!(reason(center).await, "signed-elsewhere");
            assert!(center.enrolled("zephyr").await.is_empty());
        }
        // A person may let it in, once.
        center.arrived().await;
        let held = center.last_mail().await.id;
        let mut tx = center.store().begin().await.unwrap();
        assert!(inbox::release(&mut tx, held, "operator:sato").await.unwrap());
        tx.commit().await.unwrap();
        center.settle().await;
        assert_eq!(reason(center).await, "enrolled");
        assert_eq!((center.enrolled("aurora").await.len(), center.enrolled("zephyr").await.len()), (1, 1));
        // In its own study it is still the same message.
        let again = exchange(center, raw.as_bytes()).await;
        assert_eq!((kinds(&again), reason(center).await.as_str()), (vec![("duplicate-open", DR_YAMADA.address)], "same-message"));
    }

    async fn a_confirmation_has_to_be_sealed_too(center: &mut Center) {
        let bundle = edited(&sealing(REQUIRED, &[("yamada", "yamada")]), "study.toml", "confirm = false", "confirm = true");
        center.activate(&bundle, Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let letters = exchange(center, &sealed(center, &mail)).await;
        let asked = to(&letters, DR_YAMADA.address).clone();
        assert_eq!(asked.kind, "confirm");
        assert!(asked.reply_to.starts_with("reg+c."), "{}", asked.reply_to);
        let yes = Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..mail.anew() };
        assert_eq!(center.answer(&yes).await.kind, "seal-refused");
        assert!(center.enrolled("aurora").await.is_empty());
        exchange(center, &sealed(center, &yes.anew())).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn a_key_that_expires_or_is_revoked_withholds_letters_until_another_is_on_file(center: &mut Center) {
        center.activate(&sealing("encrypt_letters = true", &[("yamada", "expired")]), Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let letters = center.exchange(&mail).await;
        assert_eq!(reason(center).await, "enrolled");
        let answer = to(&letters, DR_YAMADA.address);
        assert_eq!(answer.kind, "assignment-withheld");
        assert!(answer.text.contains("有効期限") && answer.text.contains(&certificate("expired").fingerprint()), "{}", answer.text);
        assert!(!answer.everything.contains("AURORA-0001") && !answer.everything.contains("Y-0031"), "{}", answer.everything);
        // A question that would be answered by a reply goes nowhere unseen.
        let unusual = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0032").replace("年齢: 58", "年齢: 91"));
        let asked = center.answer(&unusual).await;
        assert_eq!(asked.kind, "answer-withheld");
        assert!(!asked.reply_to.starts_with("reg+c."), "{}", asked.reply_to);
        // The same where the key is on file and nothing is demanded: who had letters encrypted gets none in the clear.
        let revoked = sealing("encrypt_letters = false", &[("yamada", "revoked")]);
        center.amend(&revoked, center.act("a key was lost")).await.unwrap();
        let status = center.answer(&DR_YAMADA.writes("状況 Y-0031", "")).await;
        assert_eq!(status.kind, "answer-withheld");
        assert!(status.text.contains("失効"), "{}", status.text);
        center.amend(&sealing("encrypt_letters = true", &[("yamada", "rsa")]), center.act("a new key")).await.unwrap();
        let status = center.answer(&DR_YAMADA.writes("状況 Y-0031", "")).await;
        assert_eq!(status.kind, "status-open");
        assert!(!status.text.contains("AURORA-0001") && !status.everything.contains("Y-0031"), "{}", status.everything);
    }

    async fn an_amendment_tells_managers_who_signs_from_now_on(center: &mut Center) {
        center.activate(&sealing(REQUIRED, &[("yamada", "yamada")]), Stage::Production).await;
        let print = |name: &str| certificate(name).fingerprint();
        for (keys, line) in [
            (&[("yamada", "rsa")][..], format!("openpgp key of yamada: {} instead of {}", print("rsa"), print("yamada"))),
            (&[][..], format!("openpgp key of yamada: none instead of {}", print("yamada"))),
        ] {
            let (_, told) = center.foresee(&sealing(REQUIRED, keys), center.act("keys")).await.unwrap();
            assert!(told.contains(&line), "{line}: {told:?}");
        }
        center.amend(&sealing(REQUIRED, &[("yamada", "rsa")]), center.act("keys")).await.unwrap();
        center.settle().await;
        let told = center.told_of_amendments().await;
        assert!(told.iter().any(|letter| letter.to == CENTER));
        for letter in told {
            assert_eq!(letter.text.contains(&print("rsa")), letter.to == CENTER, "{}: {}", letter.to, letter.text);
        }
    }

    async fn a_letter_leaves_again_neither_in_the_clear_nor_for_a_key_of_before(center: &mut Center) {
        center.activate(&sealing("encrypt_letters = false", &[]), Stage::Production).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))).await;
        let mut asks = DR_YAMADA.writes("状況 Y-0031", "");
        for (key, why) in [("yamada", NotResent::InTheClear), ("rsa", NotResent::OtherKey)] {
            let raw = asks.bytes(center.clock.now());
            let told = exchange(center, &raw).await;
            assert_eq!(kinds(&told), [("status-open", DR_YAMADA.address)]);
            let letter = center.letter(&told[0]).await.id;
            center.amend(&sealing("encrypt_letters = false", &[("yamada", key)]), center.act("a key")).await.unwrap();
            let shelf = center.shelf_on(center.store());
            let tried = resend::resend(&shelf, center.means(), letter, center.act("again")).await.unwrap();
            assert_eq!(tried, Err(why));
            // The same mail, by a relay, has the same answer: not as it was.
            let again = exchange(center, &raw).await;
            assert_eq!(kinds(&again), [("answer-withheld", DR_YAMADA.address)]);
            assert!(!again[0].everything.contains("Y-0031") && !again[0].everything.contains("AURORA-0001"));
            // Nothing is wrong with the key, and what helps is a new mail.
            assert!(again[0].text.contains("登録より前") && again[0].text.contains("新しいメール"), "{}", again[0].text);
            asks = asks.anew();
        }
        // With the key that is on file it leaves again.
        let told = exchange(center, &asks.bytes(center.clock.now())).await;
        let letter = center.letter(to(&told, DR_YAMADA.address)).await.id;
        let shelf = center.shelf_on(center.store());
        assert!(resend::resend(&shelf, center.means(), letter, center.act("again")).await.unwrap().is_ok());
        center.quiet().await;
    }

    async fn a_letter_that_waited_does_not_leave_for_a_key_of_before(center: &mut Center) {
        let mut on_file = None;
        for (number, (before, after, words)) in [
            (Some("yamada"), Some("revoked"), "失効"),
            (Some("yamada"), Some("rsa"), "登録より前"),
            (None, Some("yamada"), "登録より前"),
            (Some("yamada"), Some("yamada"), ""),
        ].into_iter().enumerate() {
            let keyed = |key: Option<&str>| {
                let keys: Vec<(&str, &str)> = key.iter().map(|key| ("yamada", *key)).collect();
                sealing("encrypt_letters = false", &keys)
            };
            match number {
                0 => drop(center.activate(&keyed(before), Stage::Production).await),
                _ if on_file != before => drop(center.amend(&keyed(before), center.act("a key")).await.unwrap()),
                _ => {}
            }
            on_file = after;
            center.settle().await;
            center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-004{number}"))));
            center.process.intake.step().await.unwrap();
            center.process.desk.step().await.unwrap();
            if after != before {
                drop(center.amend(&keyed(after), center.act("a key")).await.unwrap());
            }
            center.wind(limits::SCHEDULE_FRESH_SECONDS + 1);
            let letters = center.settle().await;
            let answer = to(&letters, DR_YAMADA.address);
            if words.is_empty() {
                assert_eq!(answer.kind, "assignment-open");
                continue;
            }
            assert_eq!(answer.kind, "assignment-withheld");
            assert!(answer.text.contains(words) && !answer.everything.contains("Y-004"), "{words}: {}", answer.everything);
        }
    }

    async fn a_mail_signed_by_a_key_that_is_good_no_more_is_told_so(center: &mut Center) {
        for (name, words) in [("expired", "有効期限が切れています"), ("revoked", "失効しています")] {
            let bundle = sealing("openpgp = \"required\"", &[("yamada", name)]);
            match name {
                "expired" => drop(center.activate(&bundle, Stage::Production).await),
                _ => drop(center.amend(&bundle, center.act("a key was lost")).await.unwrap()),
            }
            let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
            let raw = sealed_for(center, &mail, Some(name), "ours");
            refused(&exchange(center, &raw).await, words);
        }
        // Nobody's key, nobody's signature; and once there is one, the very same mail is taken.
        center.amend(&sealing("openpgp = \"required\"", &[]), center.act("no key")).await.unwrap();
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let raw = sealed(center, &mail);
        refused(&exchange(center, &raw).await, "お預かりしていない");
        let keyed = sealing("openpgp = \"required\"", &[("yamada", "yamada")]);
        center.amend(&keyed, center.act("the key came")).await.unwrap();
        exchange(center, &raw).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn an_answer_to_an_encrypted_mail_is_never_in_the_clear(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031").replace("年齢: 58", "年齢: 不明"));
        let letters = exchange(center, &sealed_for(center, &mail, None, "ours")).await;
        assert_eq!(kinds(&letters), [("answer-withheld", DR_YAMADA.address)]);
        assert!(!letters[0].everything.contains("Y-0031"));
        assert!(inbox::find_raw(center.store(), center.last_mail().await.id).await.unwrap().is_some());
        // In the clear, the same is answered as ever.
        assert_eq!(center.answer(&mail.anew()).await.kind, "refusal");
    }
}

async fn outbox_raw(center: &Center, id: i64) -> Vec<u8> {
    hagaki::store::outbox::find_raw(center.store(), id).await.unwrap().unwrap()
}
