//! OpenPGP: keys and messages as GnuPG makes them (`tests/data/openpgp/make.sh`), everything that can be wrong with them, and what the
//! reader makes of mails that are sealed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hagaki::definition::{self, Bundle, Weight, samples};
use hagaki::domain::openpgp::{
    Certificate, CertificateFault, Envelope, Fault, OwnKey, OwnKeyFault, Unusable, generate, open, signed_apart,
    signed_text,
};
use hagaki::domain::request::Act;
use hagaki::domain::study::{Post, Study};
use hagaki::domain::time::Instant;
use hagaki::limits;
use hagaki::mail::reading::{Disposition, Reading, Reason, Vouched, World, read_unsealed, unseal};
use proptest::prelude::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/openpgp")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::parse(&text(&format!("{name}.asc"))).unwrap_or_else(|fault| panic!("{name} {fault}"))
}

fn key(name: &str) -> OwnKey {
    OwnKey::parse(&text(&format!("{name}.secret.asc")), "").unwrap_or_else(|fault| panic!("{name} {fault}"))
}

/// A little after GnuPG made the messages.
fn now() -> Instant {
    Instant::parse_rfc3339("2026-11-18T09:00:00Z").expect("a moment")
}

fn envelope(to: &str, by: Option<&str>) -> Envelope {
    let (to, by) = (Arc::new(certificate(to)), by.map(|by| Arc::new(key(by))));
    Envelope { to, by, at: now(), seed: [7; 32] }
}

const ENTITY: &str =
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSex: M\r\nAge: 58\r\n";

#[test]
fn certificates_of_gnupg_are_judged() {
    let yamada = certificate("yamada");
    assert_eq!(yamada.addresses(), ["yamada@example.jp"]);
    assert_eq!((yamada.check(now()), yamada.expires()), (Ok(()), None));
    assert!(yamada.fingerprint().len() == 40 && yamada.fingerprint().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let end = Instant::parse_rfc3339("2026-06-01T00:00:00Z").expect("a moment");
    let expired = certificate("expired");
    assert_eq!((expired.check(now()), expired.expires()), (Err(Unusable::Expired(end)), Some(end)));
    assert_eq!(expired.check(end.plus_seconds(-1)), Ok(()));
    assert_eq!(certificate("revoked").check(now()), Err(Unusable::Revoked));
    assert_eq!(certificate("rsa").check(now()), Ok(()));
    // What is handed on is the same certificate.
    assert_eq!(Certificate::parse(&yamada.armored()).map(|own| own.fingerprint()), Ok(yamada.fingerprint()));
}

#[test]
fn what_is_no_certificate_to_write_to_is_refused() {
    let two = format!("{}\n{}", text("yamada.asc"), text("suzuki.asc"));
    let long = format!("{}{}", text("yamada.asc"), " ".repeat(limits::OPENPGP_KEY_BYTES));
    for (given, fault) in [
        (String::new(), CertificateFault::Unreadable),
        (
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxx\n-----END PGP PUBLIC KEY BLOCK-----".to_owned(),
            CertificateFault::Unreadable,
        ),
        (text("yamada.secret.asc"), CertificateFault::Secret),
        (text("sealed.asc"), CertificateFault::Unreadable),
        (two, CertificateFault::Several),
        (long, CertificateFault::TooLarge),
        (text("weak.asc"), CertificateFault::Weak),
        (text("sha1.asc"), CertificateFault::Unbound),
        (text("signs-only.asc"), CertificateFault::NoEncryption),
    ] {
        assert_eq!(Certificate::parse(&given).err(), Some(fault), "{given:.200}");
    }
    assert_eq!(OwnKey::parse(&text("rsa.secret.asc"), "").err(), Some(OwnKeyFault::Kind));
    assert_eq!(OwnKey::parse(&text("yamada.asc"), "").err(), Some(OwnKeyFault::Unreadable));
}

#[test]
fn our_own_key_is_made_locked_and_unlocked() {
    let armored = generate("Registration", "reg@example.jp", "open sesame", now(), [3; 32]).expect("it is made");
    assert_eq!(OwnKey::parse(&armored, "other").err(), Some(OwnKeyFault::Locked));
    let own = OwnKey::parse(&armored, "open sesame").expect("it opens");
    assert_eq!(own.certificate().addresses(), ["reg@example.jp"]);
    assert_eq!(own.certificate().check(now()), Ok(()));
    let to = Arc::new(Certificate::parse(&own.certificate().armored()).expect("a certificate"));
    let sealed = Envelope { to, by: None, at: now(), seed: [1; 32] }.seal(b"x".to_vec()).expect("sealed");
    assert_eq!(open(Some(&own), sealed.as_bytes()).expect("opened").data, b"x");
    assert!(!format!("{own:?}").contains("PRIVATE"));
}

#[test]
fn messages_of_gnupg_open() {
    let ours = key("ours");
    let opened = open(Some(&ours), text("sealed.asc").as_bytes()).expect("it opens");
    assert_eq!((opened.data.as_slice(), opened.encrypted, opened.claims.len()), (ENTITY.as_bytes(), true, 1));
    let claim = &opened.claims[0];
    assert_eq!(claim.check(&certificate("yamada"), now(), true), Ok(()));
    for other in ["suzuki", "expired", "rsa", "revoked"] {
        assert_eq!(claim.check(&certificate(other), now(), true), Err(Fault::OtherKey), "{other}");
    }
    let later = now().plus_seconds(limits::DATE_AGE_SECONDS + 3600);
    assert_eq!(claim.check(&certificate("yamada"), later, true), Err(Fault::OldSignature));
    assert_eq!(claim.check(&certificate("yamada"), later, false), Ok(()));
    let earlier = now().plus_seconds(-limits::DATE_AHEAD_SECONDS - 2 * 3600);
    assert_eq!(claim.check(&certificate("yamada"), earlier, true), Err(Fault::OldSignature));

    let unsigned = open(Some(&ours), text("unsigned.asc").as_bytes()).expect("it opens");
    assert!(unsigned.encrypted && unsigned.claims.is_empty());
    assert_eq!(open(Some(&ours), text("not-to-us.asc").as_bytes()).err(), Some(Fault::NotToUs));
    assert_eq!(open(None, text("sealed.asc").as_bytes()).err(), Some(Fault::NotToUs));
    // Packed several times over, a small message could keep a reader busy for days.
    assert_eq!(open(None, text("nested.asc").as_bytes()).err(), Some(Fault::TooLarge));
    assert_eq!(open(Some(&ours), text("bomb.asc").as_bytes()).err(), Some(Fault::TooLarge));
    assert_eq!(open(Some(&ours), b"-----BEGIN PGP MESSAGE-----\n\nxx").err(), Some(Fault::Unreadable));
}

/// A detached signature and its text as one message: the signature's packet, then the text's.
fn in_one(signature: &str, words: &[u8]) -> Vec<u8> {
    let body: String = signature.lines().filter(|line| !line.starts_with(['-', '=']) && !line.is_empty()).collect();
    let mut packets = data_encoding::BASE64.decode(body.as_bytes()).expect("base64");
    let length = u8::try_from(words.len() + 6).expect("a short text");
    packets.extend([0xCB, length, b'b', 0, 0, 0, 0, 0]);
    packets.extend(words);
    packets
}

#[test]
fn signatures_of_gnupg_are_over_what_they_are_over() {
    let yamada = certificate("yamada");
    let signature = text("detached.asc");
    let claims = signed_apart(signature.as_bytes(), ENTITY.as_bytes()).expect("a signature");
    assert_eq!(claims[0].check(&yamada, now(), true), Ok(()));
    let other = ENTITY.replace("58", "59");
    let claims = signed_apart(signature.as_bytes(), other.as_bytes()).expect("a signature");
    assert_eq!(claims[0].check(&yamada, now(), true), Err(Fault::BrokenSignature));
    // The same words signed, packed otherwise: whoever packs them anew makes no other message of them.
    let apart = &signed_apart(signature.as_bytes(), ENTITY.as_bytes()).expect("a signature")[0];
    let whole = open(None, &in_one(&signature, ENTITY.as_bytes())).expect("a signed message");
    assert_eq!((whole.claims[0].check(&yamada, now(), true), whole.data.as_slice()), (Ok(()), ENTITY.as_bytes()));
    assert_eq!(whole.claims[0].mark(), apart.mark());
    assert_eq!(signed_apart(b"no signature", b"x").err(), Some(Fault::BrokenSignature));
    assert_eq!(signed_apart(b"", b"x").err(), Some(Fault::BrokenSignature));

    let clear = text("clear.asc");
    let (told, claims) = signed_text(&clear).expect("a clear-signed text");
    assert_eq!(told.lines().collect::<Vec<_>>(), ["-- ", "Sex: M", "Age: 58"].map(str::trim_end));
    assert_eq!(claims[0].check(&yamada, now(), true), Ok(()));
    let (_, claims) = signed_text(&clear.replace("Age: 58", "Age: 59")).expect("a clear-signed text");
    assert_eq!(claims[0].check(&yamada, now(), true), Err(Fault::BrokenSignature));
}

#[test]
fn a_key_that_is_good_no_more_signs_nothing() {
    for (name, fault) in [("expired", Fault::ExpiredKey), ("revoked", Fault::RevokedKey)] {
        let sealed = envelope("ours", Some(name)).seal(b"x".to_vec()).expect("sealed");
        let opened = open(Some(&key("ours")), sealed.as_bytes()).expect("it opens");
        assert_eq!(opened.claims[0].check(&certificate(name), now(), true), Err(fault), "{name}");
        assert!(envelope(name, None).seal(b"x".to_vec()).is_err(), "{name}");
    }
}

#[test]
fn the_same_letter_is_sealed_the_same_way_and_another_seed_is_another_letter() {
    let one = envelope("yamada", Some("ours")).seal(ENTITY.into()).expect("sealed");
    assert_eq!(one, envelope("yamada", Some("ours")).seal(ENTITY.into()).expect("sealed"));
    let other = Envelope { seed: [8; 32], ..envelope("yamada", Some("ours")) };
    assert_ne!(one, other.seal(ENTITY.into()).expect("sealed"));
    let opened = open(Some(&key("yamada")), one.as_bytes()).expect("its reader opens it");
    assert_eq!(opened.claims[0].check(&certificate("ours"), now(), true), Ok(()));
    assert!(one.lines().all(|line| line.len() <= 76));
}

#[test]
fn no_bit_of_a_sealed_message_can_be_turned() {
    let armored = text("sealed.asc");
    let ours = key("ours");
    let body: String =
        armored.lines().filter(|line| !line.starts_with('-') && !line.starts_with('=') && !line.is_empty()).collect();
    let bytes = data_encoding::BASE64.decode(body.as_bytes()).expect("base64");
    assert!(open(Some(&ours), &bytes).is_ok());
    for place in 0..bytes.len() {
        let mut turned = bytes.clone();
        turned[place] ^= 0x10;
        if let Ok(opened) = open(Some(&ours), &turned) {
            // A header may say the same in another way; what was in it stays as it was.
            assert_eq!((opened.data.as_slice(), opened.claims.len()), (ENTITY.as_bytes(), 1), "{place}");
        }
    }
    for length in 0..bytes.len() {
        assert!(open(Some(&ours), &bytes[..length]).is_err(), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens_for_its_reader_alone(plain in proptest::collection::vec(any::<u8>(), 0..3000), seed in any::<[u8; 32]>()) {
        let sealed = Envelope { seed, ..envelope("ours", Some("yamada")) }.seal(plain.clone()).expect("sealed");
        let opened = open(Some(&key("ours")), sealed.as_bytes()).expect("opened");
        prop_assert_eq!(&opened.data, &plain);
        prop_assert_eq!(opened.claims[0].check(&certificate("yamada"), now(), true), Ok(()));
        prop_assert_eq!(open(Some(&key("suzuki")), sealed.as_bytes()).err(), Some(Fault::NotToUs));
    }

    #[test]
    fn bytes_of_strangers_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = open(Some(&key("ours")), &bytes);
        let _ = signed_apart(&bytes, b"x");
        let _ = Certificate::parse(&String::from_utf8_lossy(&bytes));
    }
}

// --- mails ---

fn study(trust: &str) -> Study {
    let mut files: BTreeMap<String, String> = samples::aurora().files().clone();
    let main = files.get_mut("study.toml").expect("a study");
    *main = main.replace("confirm = false", &format!("confirm = false\n{trust}"));
    files.insert("keys/yamada.asc".to_owned(), text("yamada.asc"));
    definition::load(&Bundle::from_files(files)).unwrap_or_else(|problems| panic!("{problems:#?}")).0
}

const FORM: &str = "施設コード: 011\r\n識別番号: Y-0031\r\n同意取得日: 2026-11-18\r\n年齢: 58\r\n性別: 男\r\n病期: III\r\nECOG PS: 1\r\n";

/// An entity with the form in it.
fn entity() -> String {
    format!("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{FORM}")
}

fn mail(content: &str) -> Vec<u8> {
    format!(
        "Authentication-Results: mx.example.jp; dmarc=pass header.from=example.jp\r\nDate: Wed, 18 Nov 2026 18:00:00 +0900\r\n\
         From: <yamada@example.jp>\r\nTo: reg+aurora@example.jp\r\nDelivered-To: reg+aurora@example.jp\r\n\
         Subject: [AURORA] enroll\r\nMessage-ID: <one@example.jp>\r\nMIME-Version: 1.0\r\n{content}"
    )
    .into_bytes()
}

fn encrypted(armored: &str) -> Vec<u8> {
    mail(&format!(
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n\
         Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n{armored}\r\n--b--\r\n"
    ))
}

fn read_as(study: &Study, own: Option<&OwnKey>, raw: &[u8]) -> Reading {
    let studies = [study];
    let post = Post {
        address: "reg@example.jp".to_owned(),
        authserv_ids: vec!["mx.example.jp".to_owned()],
        message_id_domain: "reg.example.jp".to_owned(),
    };
    let world = World { studies: &studies, post: &post, now: now(), vouched: Vouched::ByNobody };
    read_unsealed(&world, &unseal(own, raw))
}

fn faults(reading: &Reading) -> Vec<Fault> {
    match reading.request.as_ref().map(|request| &request.act) {
        Some(Act::Unsealed(faults)) => faults.clone(),
        other => panic!("{:?} {:?} {other:?}", reading.disposition, reading.reasons),
    }
}

fn enrolls(reading: &Reading) -> bool {
    reading.disposition == Disposition::Register
        && matches!(reading.request.as_ref().map(|own| &own.act), Some(Act::Enroll(_)))
}

fn sealed_by(name: Option<&str>, entity: &str) -> String {
    envelope("ours", name).seal(entity.as_bytes().to_vec()).expect("sealed")
}

#[test]
fn a_sealed_registration_is_read_as_any_other() {
    let (required, ours) = (study("openpgp = \"required\""), key("ours"));
    for content in [
        entity(),
        entity().replace("Content-Type: text/plain;", "Content-Type: text/plain; format=flowed;"),
        // A subject that was protected within counts, and other fields within do not.
        format!(
            "Subject: [AURORA] enroll\r\nFrom: <suzuki@example.jp>\r\nContent-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\n\r\n{FORM}"
        ),
    ] {
        let reading = read_as(&required, Some(&ours), &encrypted(&sealed_by(Some("yamada"), &content)));
        assert!(enrolls(&reading), "{:?} {:?} {:?}", reading.reasons, reading.request, reading.openpgp);
        assert_eq!(reading.openpgp.signed_by, Some(certificate("yamada").fingerprint()));
        assert!(reading.openpgp.encrypted && reading.message_key.starts_with("signed:"));
        assert_eq!(reading.sender.as_deref(), Some("yamada@example.jp"));
    }
    // Other line ends, and what Exchange makes of such a mail.
    let sealed = encrypted(&sealed_by(Some("yamada"), &entity()));
    let lines = String::from_utf8(sealed.clone()).expect("text").replace("\r\n", "\n");
    assert!(enrolls(&read_as(&required, Some(&ours), lines.as_bytes())));
    let mixed = String::from_utf8(sealed)
        .expect("text")
        .replace("multipart/encrypted; protocol=\"application/pgp-encrypted\";", "multipart/mixed;");
    assert!(enrolls(&read_as(&required, Some(&ours), mixed.as_bytes())));
    // Armor within a text, with what a relay put below it.
    let inline =
        format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n年齢: 99\r\n", sealed_by(Some("yamada"), FORM));
    assert!(enrolls(&read_as(&required, Some(&ours), &mail(&inline))));
}

#[test]
fn a_mail_signed_twice_over_is_one_message_however_it_is_sent() {
    let (required, ours) = (study("openpgp = \"required\""), key("ours"));
    let first = read_as(&required, Some(&ours), &encrypted(&sealed_by(Some("yamada"), &entity())));
    let sealed = String::from_utf8(encrypted(&sealed_by(Some("yamada"), &entity()))).expect("text");
    let again = read_as(&required, Some(&ours), sealed.replace("<one@", "<two@").as_bytes());
    assert_eq!((&first.message_key, &first.content_digest), (&again.message_key, &again.content_digest));
    // Where nothing is demanded, the Message-ID tells as ever; and of what was decrypted no digest is made.
    let off = read_as(&study(""), Some(&ours), &encrypted(&sealed_by(Some("yamada"), &entity())));
    let plain = read_as(&study(""), None, &mail(&entity()));
    assert_eq!(off.message_key, "<one@example.jp>");
    assert!(enrolls(&off) && enrolls(&plain) && off.content_digest != plain.content_digest);
}

#[test]
fn each_way_to_be_wrong_is_told_by_its_name() {
    let ours = key("ours");
    let [signed, encrypted_only, required] =
        ["signed", "encrypted", "required"].map(|word| study(&format!("openpgp = \"{word}\"")));
    let plain = mail(&entity());
    assert_eq!(faults(&read_as(&signed, Some(&ours), &plain)), [Fault::NotSigned]);
    assert_eq!(faults(&read_as(&encrypted_only, Some(&ours), &plain)), [Fault::NotEncrypted]);
    assert_eq!(faults(&read_as(&required, Some(&ours), &plain)), [Fault::NotEncrypted, Fault::NotSigned]);
    let by = |name| encrypted(&sealed_by(name, &entity()));
    assert_eq!(faults(&read_as(&required, Some(&ours), &by(None))), [Fault::NotSigned]);
    assert!(enrolls(&read_as(&encrypted_only, Some(&ours), &by(None))));
    // What another one sealed is not answered to whoever sent it on, whatever the study demands.
    for study in [&required, &encrypted_only, &study("")] {
        assert_eq!(faults(&read_as(study, Some(&ours), &by(Some("stranger")))), [Fault::OtherKey]);
    }
    let not_to_us = envelope("stranger", Some("yamada")).seal(entity().into()).expect("sealed");
    assert_eq!(faults(&read_as(&study(""), Some(&ours), &encrypted(&not_to_us))), [Fault::NotToUs]);
    assert_eq!(faults(&read_as(&study(""), Some(&ours), &encrypted(&text("bomb.asc")))), [Fault::TooLarge]);
    assert_eq!(faults(&read_as(&study(""), Some(&ours), &encrypted("nothing"))), [Fault::Unreadable]);
    let twice = sealed_by(Some("yamada"), &String::from_utf8(body_of(&by(Some("yamada")))).expect("text"));
    assert_eq!(faults(&read_as(&study(""), Some(&ours), &encrypted(&twice))), [Fault::TooMuch]);
    // Questions are answered without a seal, and nothing of the refused text stays in the request.
    let help = mail("Content-Type: text/plain\r\n\r\n");
    let help = String::from_utf8(help).expect("text").replace("enroll", "help");
    assert_eq!(read_as(&required, Some(&ours), help.as_bytes()).request.map(|own| own.act), Some(Act::Help));
    // Without a key of ours such a mail is what it was before.
    let closed = read_as(&study(""), None, &by(Some("yamada")));
    assert_eq!(closed.reasons, [Reason::Encrypted]);
}

#[test]
fn what_a_subject_line_decides_has_to_be_signed() {
    let (signed, required, ours) = (study("openpgp = \"signed\""), study("openpgp = \"required\""), key("ours"));
    let by = |study: &Study, outer: &str, header: &str, words: &str| {
        let entity =
            format!("{header}Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\n\r\n{words}");
        let raw = String::from_utf8(encrypted(&sealed_by(Some("yamada"), &entity))).expect("text");
        read_as(study, Some(&ours), raw.replace("[AURORA] enroll", outer).as_bytes())
    };
    let withdrawn = |reading: &Reading| match reading.request.as_ref().map(|own| &own.act) {
        Some(Act::Deed(wanted)) => wanted.subject.clone(),
        other => panic!("{:?} {other:?}", reading.reasons),
    };
    let reason = "理由: 本人の希望\r\n";
    let keyed = format!("症例番号: AURORA-0007\r\n{reason}");
    let first = format!("withdraw AURORA-0007\r\n\r\n{reason}");
    for study in [&signed, &required] {
        // Whoever carries the mail can write any number, and any word.
        assert_eq!(faults(&by(study, "[AURORA] withdraw AURORA-0008", "", reason)), [Fault::SubjectUnsigned]);
        assert_eq!(faults(&by(study, "[AURORA] withdraw", "", &keyed)), [Fault::SubjectUnsigned]);
        assert_eq!(faults(&by(study, "[AURORA] withdraw AURORA-0008", "", &first)), [Fault::SubjectUnsigned]);
        assert_eq!(
            faults(&by(study, "[AURORA] withdraw AURORA-0007", "", &format!("[STUDY-B] {first}"))),
            [Fault::SubjectUnsigned]
        );
        // What was signed says the same.
        assert_eq!(withdrawn(&by(study, "[AURORA] withdraw AURORA-0007", "", &first)), "AURORA-0007");
        let within = "Subject: [AURORA] withdraw AURORA-0007\r\n";
        assert_eq!(withdrawn(&by(study, "...", within, reason)), "AURORA-0007");
        assert_eq!(withdrawn(&by(study, "[AURORA] withdraw AURORA-0008", within, reason)), "AURORA-0007");
        // A form says by itself what it is.
        for outer in ["[AURORA] enroll", "...", "Re: [AURORA] form"] {
            assert!(enrolls(&by(study, outer, "", FORM)), "{outer}");
        }
    }
    // Questions are answered, and where no signature is demanded the subject line counts as ever.
    let asked = by(&required, "[AURORA] help", "", "");
    assert_eq!(asked.request.map(|own| own.act), Some(Act::Help));
    assert_eq!(withdrawn(&by(&study(""), "[AURORA] withdraw AURORA-0008", "", reason)), "AURORA-0008");
    // A subject that was only encrypted is anybody's: what is signed stands within, without one.
    let inner = format!(
        "Subject: [AURORA] unblind AURORA-0008\r\nContent-Type: multipart/signed; protected-headers=\"v1\"; micalg=pgp-sha256; \
         protocol=\"application/pgp-signature\"; boundary=\"s\"\r\n\r\n--s\r\n{ENTITY}\r\n--s\r\n\
         Content-Type: application/pgp-signature\r\n\r\n{}\r\n--s--\r\n",
        text("detached.asc")
    );
    let around = read_as(&required, Some(&ours), &encrypted(&sealed_by(None, &inner)));
    assert_eq!(around.openpgp.signed_by, Some(certificate("yamada").fingerprint()));
    assert_eq!(faults(&around), [Fault::SubjectUnsigned]);
}

/// What stands below the header that describes a body, with the fields that do.
fn body_of(mail: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(mail);
    let at = text.find("Content-Type: multipart/encrypted").expect("an encrypted body");
    text[at..].as_bytes().to_vec()
}

#[test]
fn a_signature_covers_the_text_that_is_read_and_nothing_beside_it() {
    let signed = study("openpgp = \"signed\"");
    // As GnuPG signed it; its form is none of the study's, so the letter that comes of it says what is missing.
    let apart = |first: &str, more: &str| {
        mail(&format!(
            "Content-Type: multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; boundary=\"b\"\r\n\r\n\
             --b\r\n{first}\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n{}\r\n{more}--b--\r\n",
            text("detached.asc")
        ))
    };
    let good = read_as(&signed, None, &apart(ENTITY, ""));
    assert_eq!(good.openpgp.signed_by, Some(certificate("yamada").fingerprint()), "{:?}", good.openpgp);
    assert!(matches!(good.request.as_ref().map(|own| &own.act), Some(Act::Enroll(_))));
    let lines = String::from_utf8(apart(ENTITY, "")).expect("text").replace("\r\n", "\n");
    assert!(read_as(&signed, None, lines.as_bytes()).openpgp.signed_by.is_some());
    let other = read_as(&signed, None, &apart(&ENTITY.replace("58", "59"), ""));
    assert_eq!(faults(&other), [Fault::BrokenSignature]);
    let third = apart(ENTITY, "--b\r\nContent-Type: text/plain\r\n\r\nAge: 99\r\n");
    assert_eq!(faults(&read_as(&signed, None, &third)), [Fault::BrokenSignature]);
    // A subject that was signed with the text counts, and not the outer one, which nobody signed.
    let within = "Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\nSubject: [AURORA] help\r\n\r\n";
    let asked = read_as(&study(""), None, &apart(within, ""));
    assert_eq!(asked.request.map(|own| own.act), Some(Act::Help));
    let outer = read_as(&study(""), None, &apart(&within.replace("; protected-headers=\"v1\"", ""), ""));
    assert_ne!(outer.request.map(|own| own.act), Some(Act::Help));
    // Wrapped by a list or a gateway it is no signature over the whole mail.
    let wrapped = mail(&format!(
        "Content-Type: multipart/mixed; boundary=\"o\"\r\n\r\n--o\r\n{}\r\n--o\r\nContent-Type: text/plain\r\n\r\nAge: 99\r\n--o--\r\n",
        String::from_utf8(apart(ENTITY, "")).expect("text").split("MIME-Version: 1.0\r\n").nth(1).expect("a body")
    ));
    assert_eq!(faults(&read_as(&signed, None, &wrapped)), [Fault::NotSigned]);
    // Clear-signed: what stands beside the block is nobody's word.
    let clear = text("clear.asc").replace('\n', "\r\n");
    let reading =
        read_as(&signed, None, &mail(&format!("Content-Type: text/plain\r\n\r\n年齢: 99\r\n{clear}\r\n年齢: 98\r\n")));
    assert!(reading.openpgp.signed_by.is_some() && !reading.text.contains("99") && !reading.text.contains("98"));
    let broken = clear.replace("Age: 58", "Age: 59");
    assert_eq!(
        faults(&read_as(&signed, None, &mail(&format!("Content-Type: text/plain\r\n\r\n{broken}")))),
        [Fault::BrokenSignature]
    );
    // A study that wants no signature reads what it is.
    let off = read_as(&study(""), None, &mail(&format!("Content-Type: text/plain\r\n\r\n{broken}")));
    assert!(matches!(off.request.map(|own| own.act), Some(Act::Enroll(_))));
}

#[test]
fn keys_in_a_bundle_are_checked() {
    let problems = |name: &str, content: &str, trust: &str| {
        let mut files = samples::aurora().files().clone();
        let main = files.get_mut("study.toml").expect("a study");
        *main = main.replace("confirm = false", &format!("confirm = false\n{trust}"));
        files.insert(format!("keys/{name}.asc"), content.to_owned());
        match definition::load(&Bundle::from_files(files)) {
            Ok((study, warnings)) => (Some(study), warnings),
            Err(problems) => (None, problems),
        }
    };
    let told = |(_, problems): &(Option<Study>, Vec<definition::Problem>), words: &str| {
        problems.iter().any(|problem| problem.wrong.contains(words))
    };
    let good = problems("yamada", &text("yamada.asc"), "");
    assert!(good.0.is_some_and(|study| study.certificates.contains_key("yamada")));
    assert!(!good.1.iter().any(|problem| problem.file.starts_with("keys/")), "{:#?}", good.1);
    assert!(told(&problems("yamada", &text("suzuki.asc"), ""), "names no address of yamada"));
    assert!(told(&problems("yamda", &text("yamada.asc"), ""), "nobody has the id"));
    assert!(told(&problems("yamada", &text("revoked.asc"), ""), "was revoked"));
    for broken in ["weak.asc", "yamada.secret.asc", "signs-only.asc", "sha1.asc", "sealed.asc"] {
        assert!(problems("yamada", &text(broken), "").0.is_none(), "{broken}");
    }
    assert!(told(&problems("yamada", &text("yamada.asc"), "openpgp = \"signed\""), "refused without a key"));
    assert!(told(&problems("yamada", &text("yamada.asc"), "encrypt_letters = true"), "withheld from them"));
    assert!(problems("yamada", &text("yamada.asc"), "openpgp = \"sometimes\"").0.is_none());
    let (study, _) = problems("yamada", &text("expired.asc"), "");
    let study = study.expect("an expired key stops no study");
    let late = definition::judge_keys(&study, now());
    assert!(
        late.iter().any(|problem| problem.weight == Weight::Error && problem.wrong.contains("expired")),
        "{late:#?}"
    );
    let end = Instant::parse_rfc3339("2026-05-20T00:00:00Z").expect("a moment");
    let early = definition::judge_keys(&study, end);
    assert!(early.iter().all(|problem| problem.weight == Weight::Warning) && early.len() == 1, "{early:#?}");
    assert!(definition::judge_keys(&study, end.plus_seconds(-60 * 24 * 3600)).is_empty());
}
