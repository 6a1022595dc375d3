//! Mails that are cut off, changed at random, or plain rubbish: whatever they are, reading ends and does not panic, and no
//! value comes out of them that did not go in.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

#[test]
fn a_mail_may_end_anywhere() {
    let study = study_a();
    for (name, raw) in mails() {
        let step = if raw.len() > 5_000 { 997 } else { 49 };
        for end in (0..raw.len()).step_by(step) {
            let cut = reading(&study, &raw[..end]);
            if let Some(form) = cut.form() {
                for fault in &form.faults {
                    assert!(!fault.item.is_empty(), "{name} cut at {end}");
                }
            }
        }
    }
}

/// Cutting a registration of plain text short never makes it a registration of something else.
#[test]
fn a_cut_registration_is_the_same_or_none() {
    let study = study_a();
    let raw = std::fs::read(data().join("mail/001-ascii-english.eml")).expect("case 001");
    let whole = reading(&study, &raw).form().expect("a form").canonical();
    let mut registered = BTreeSet::new();
    for end in 0..raw.len() {
        let cut = reading(&study, &raw[..end]);
        if cut.disposition.key() == "register" {
            registered.insert(cut.form().expect("a form").canonical());
        }
    }
    assert_eq!(registered, BTreeSet::from([whole]));
}

#[test]
fn random_changes_are_survived() {
    let study = study_a();
    let mut dice = ChaCha8Rng::seed_from_u64(2026);
    let tokens: [&[u8]; 16] = [
        b"\r",
        b"\n",
        b"\0",
        b"--=_b1",
        b"--=_b1--",
        b"=?utf-8?B?",
        b"?=",
        b"\x1b$B",
        b"\x1b(B",
        b"\xff\xfe",
        b"Content-Type: ",
        b": ",
        b";",
        b"\"",
        b"<",
        b"=\n",
    ];
    for (name, raw) in mails() {
        if raw.len() > 5_000 {
            continue;
        }
        for round in 0..40 {
            let mut changed = raw.clone();
            for _ in 0..=dice.next_u32() % 4 {
                let at = dice.next_u32() as usize % changed.len();
                let token = tokens[dice.next_u32() as usize % tokens.len()];
                match dice.next_u32() % 4 {
                    0 => changed[at] = dice.next_u32() as u8,
                    1 => drop(changed.remove(at)),
                    2 => drop(changed.splice(at..at, token.iter().copied())),
                    _ => changed.truncate(at + 1),
                }
            }
            let changed_reading = reading(&study, &changed);
            assert!(
                changed_reading.request.is_none() || changed_reading.sender.is_some(),
                "{name} round {round}: only a sender who is known is answered"
            );
        }
    }
}

/// A form of an event as it comes filled in, with its head and an item that is called as one of its lines.
const FOLLOW_UP: &str = "Date: Fri, 20 Nov 2026 09:00:00 +0900\nFrom: miller@example.org\nTo: reg+aurora@example.jp\nMessage-ID: <1@example.org>\n\
    Authentication-Results: mx.example.jp; dmarc=pass header.from=example.org\nSubject: [AURORA] follow-up adverse\n\n\
    subject: AURORA-0001\nevent: adverse\nBegan on: 2026-11-19\nEvent: Nausea\nGrade: 2\nSerious: no\n";

/// Of a form of an event nothing is read that was not sent, wherever it ends and whatever is changed in it.
#[test]
fn forms_of_events_are_whole_or_none() {
    let study = definition::load(&hagaki::definition::samples::aurora()).expect("a sample").0;
    let wanted = |raw: &[u8]| match reading(&study, raw).request.map(|request| request.act) {
        Some(hagaki::domain::request::Act::FollowUp(wanted)) => Some(wanted),
        _ => None,
    };
    let whole = wanted(FOLLOW_UP.as_bytes()).expect("a form of an event");
    assert_eq!((whole.event.as_deref(), whole.subject.as_str()), (Some("adverse"), "AURORA-0001"));
    assert_eq!(whole.form.canonical().len(), 4, "{:?}", whole.form);
    let mut complete = BTreeSet::new();
    for end in 0..FOLLOW_UP.len() {
        let Some(cut) = wanted(&FOLLOW_UP.as_bytes()[..end]) else { continue };
        if cut.form.faults.is_empty() && !cut.lines.is_empty() {
            complete.insert((cut.event, cut.form.canonical()));
        }
    }
    assert!(complete.len() <= 2, "{complete:?}");
    let mut dice = ChaCha8Rng::seed_from_u64(2027);
    let tokens: [&[u8]; 8] =
        [b"\n", b": ", b"event: week_4\n", b"subject: AURORA-0002\n", b"> ", b"\0", b"=", b"\xe6\x99"];
    for round in 0..2_000 {
        let mut changed = FOLLOW_UP.as_bytes().to_vec();
        for _ in 0..=dice.next_u32() % 4 {
            let at = dice.next_u32() as usize % changed.len();
            let token = tokens[dice.next_u32() as usize % tokens.len()];
            match dice.next_u32() % 3 {
                0 => drop(changed.remove(at)),
                1 => drop(changed.splice(at..at, token.iter().copied())),
                _ => changed.truncate(at + 1),
            }
        }
        let Some(read) = wanted(&changed) else { continue };
        let known = read.event.iter().all(|event| study.find_event(event).is_some());
        assert!(known && read.instrument.iter().all(|form| study.find_instrument(form).is_some()), "round {round}");
        // Two subjects in one mail are none.
        let named = String::from_utf8_lossy(&changed).matches("subject: AURORA-000").count();
        assert!(
            named < 2
                || read.subject != "AURORA-0002"
                || !String::from_utf8_lossy(&changed).contains("\nsubject: AURORA-0001\n"),
            "round {round}"
        );
    }
}

#[test]
fn a_contained_reading_is_the_same_reading() {
    let study = study_a();
    let studies = [&study];
    let world = World {
        studies: &studies,
        post: study.post.as_ref().expect("a post"),
        now: now(),
        vouched: Default::default(),
    };
    for (_, raw) in mails().into_iter().chain([(String::new(), Vec::new())]) {
        assert_eq!(read_contained(&world, &raw), read(&world, &raw));
    }
}

/// The same steps on shapes that make careless readers slow: every one of them must be linear.
#[test]
fn long_shapes_end_soon() {
    let study = study_a();
    let head = "Date: Fri, 20 Nov 2026 09:00:00 +0900\nFrom: yamada@example.jp\nAuthentication-Results: mx.example.jp; dmarc=pass \
                header.from=example.jp\nSubject: [STUDY-A]\n";
    for body in [
        "> a\n".repeat(100_000),
        "From: x\n".repeat(60_000),
        "On x\n".repeat(100_000),
        "━━━━━\nAge: 65\n".repeat(20_000),
        "[[[[".repeat(7_000),
        "-----BEGIN PGP SIGNED MESSAGE-----\n".repeat(20_000),
    ] {
        reading(&study, format!("{head}\n{body}").as_bytes());
    }
    for page in [
        "<table><tr><td>".repeat(40_000),
        "<div hidden>".repeat(60_000),
        "<blockquote>a<br>".repeat(40_000),
        "<!--".repeat(100_000),
    ] {
        let lines: String =
            page.as_bytes().chunks(960).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
        reading(&study, format!("{head}Content-Type: text/html\n\n{lines}").as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rubbish_is_survived(raw in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let study = study_a_once();
        prop_assert!(reading(study, &raw).request.is_none());
    }

    /// What is typed for an item comes out as typed, in any charset, transfer encoding and line end.
    #[test]
    fn remarks_come_out_as_they_went_in(remarks in "[a-z0-9ぁ-んァ-ヶ亜-腕、。]{1,60}", charset in 0usize..4, encoding in 0usize..3) {
        let (encoder, label) = [
            (encoding_rs::UTF_8, "utf-8"), (encoding_rs::SHIFT_JIS, "shift_jis"), (encoding_rs::EUC_JP, "euc-jp"),
            (encoding_rs::ISO_2022_JP, "iso-2022-jp"),
        ][charset];
        let text = format!("Site: 012\r\nSubject ref: A-0031\r\nAge: 65\r\nSex: F\r\nECOG PS: 1\r\nConsent date: 2026-11-01\r\nRemarks: {remarks}\r\n");
        let (bytes, _, lost) = encoder.encode(&text);
        prop_assume!(!lost);
        let (body, name) = match encoding {
            0 => (bytes.to_vec(), "8bit"),
            1 => (data_encoding::BASE64.encode(&bytes).into_bytes(), "base64"),
            _ => (bytes.iter().flat_map(|byte| format!("={byte:02X}=\r\n").into_bytes()).collect(), "quoted-printable"),
        };
        let mut raw = format!(
            "Date: Fri, 20 Nov 2026 09:00:00 +0900\r\nFrom: yamada@example.jp\r\nAuthentication-Results: mx.example.jp; dmarc=pass \
             header.from=example.jp\r\nSubject: [STUDY-A]\r\nContent-Type: text/plain; charset={label}\r\nContent-Transfer-Encoding: {name}\r\n\r\n"
        ).into_bytes();
        raw.extend(body);
        let study = study_a_once();
        let found = reading(study, &raw);
        prop_assert_eq!(found.disposition.key(), "register");
        prop_assert_eq!(found.form().and_then(|form| form.value("remarks")), Some(remarks));
    }
}

fn study_a_once() -> &'static Study {
    static STUDY: std::sync::OnceLock<Study> = std::sync::OnceLock::new();
    STUDY.get_or_init(study_a)
}
