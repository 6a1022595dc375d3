//! Finished mails, read again by two parsers that are not ours.

use hagaki::domain::language::Language;
use hagaki::domain::time::Zone;
use hagaki::letters::{Composed, Envelope, Kind, Stationery, finish};
use mail_parser::MessageParser;
use proptest::prelude::*;

use crate::letters_world as world;

fn envelope<'a>() -> Envelope<'a> {
    Envelope {
        study: "borealis",
        from: "reg@example.jp",
        from_name: "ボレアリス試験 登録受付",
        to: "yamada@example.jp",
        to_name: "山田 太郎",
        reply_to: Some("reg+c.abc@example.jp"),
        unsubscribe: None,
        message_id: "<20261120.0001@reg.example.jp>",
        in_reply_to: Some("<case001@mua.example.jp>"),
        references: &[],
        at: world::now(),
        zone: Zone::find("Asia/Tokyo").expect("a zone"),
    }
}

fn words(text: &str) -> Composed {
    Composed {
        kind: Kind::Help,
        language: Language::En,
        subject: "s".into(),
        text: text.into(),
        html: None,
        pictures: vec![],
        unsubscribe: None,
    }
}

/// Field names in order, unfolded by hand.
fn field_names(raw: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(raw);
    let head = text.split("\r\n\r\n").next().expect("a header").to_string();
    let fields = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    fields.map(|line| line.split(':').next().expect("a name").to_string()).collect()
}

const FIELDS: [&str; 13] = [
    "Date",
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-Loop",
    "X-Hagaki",
    "Content-Language",
];

#[test]
fn two_parsers_read_every_letter_as_it_was_written() {
    let stationery = Stationery::load(&Default::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let study = world::study();
    for language in Language::ALL {
        for (letter, _) in world::letters(&study, language) {
            let composed = stationery.compose(&letter).expect("it renders");
            let finished = finish(&composed, &envelope()).expect("a mail");
            assert!(!finished.needs_smtputf8 && finished.raw.is_ascii());
            assert!(
                finished.raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 999 && !line.ends_with(b"\r\r"))
            );
            assert!(finished.raw.windows(2).all(|pair| (pair[1] == b'\n') == (pair[0] == b'\r')));

            let mail = MessageParser::default().parse(&finished.raw).expect("a mail");
            assert_eq!(mail.subject(), Some(composed.subject.as_str()));
            assert_eq!(mail.message_id(), Some("20261120.0001@reg.example.jp"));
            let from = mail.from().and_then(|from| from.first()).expect("a sender");
            assert_eq!((from.name(), from.address()), (Some("ボレアリス試験 登録受付"), Some("reg@example.jp")));
            let text = mail.body_text(0).expect("a text").replace("\r\n", "\n");
            // A part ends with a line end of its own.
            assert_eq!(text.trim_end(), composed.text.trim_end());
            assert_eq!(mail.date().map(|date| date.to_rfc3339()), Some("2026-11-20T09:05:00+09:00".into()));

            let second = mailparse::parse_mail(&finished.raw).expect("a mail");
            let field = |name: &str| mailparse::MailHeaderMap::get_first_value(&second.headers[..], name);
            assert_eq!(field("Subject"), Some(composed.subject.clone()));
            assert_eq!(field("Content-Language").as_deref(), Some(language.code()));
            let automatic = if letter.kind().answers() { "auto-replied" } else { "auto-generated" };
            assert_eq!(field("Auto-Submitted").as_deref(), Some(automatic));
            let parts: Vec<_> =
                if second.subparts.is_empty() { vec![&second] } else { second.subparts.iter().collect() };
            assert_eq!(parts.len(), 1 + usize::from(composed.html.is_some()));
            let text = parts[0].get_body().expect("a text").replace("\r\n", "\n");
            assert_eq!(text.trim_end(), composed.text.trim_end());
            if let Some(html) = &composed.html {
                let part = parts[1].subparts.first().unwrap_or(parts[1]);
                assert_eq!(parts[1].subparts.len().saturating_sub(1), composed.pictures.len());
                assert_eq!(part.get_body().expect("HTML").replace("\r\n", "\n").trim_end(), html.trim_end());
                assert_eq!(part.ctype.mimetype, "text/html");
            }
        }
    }
}

#[test]
fn the_same_letter_gives_the_same_bytes() {
    let mut letter = words("text");
    letter.html = Some("<p>text</p>".into());
    assert_eq!(finish(&letter, &envelope()), finish(&letter, &envelope()));
}

#[test]
fn a_thread_keeps_its_first_and_its_latest_mails_and_no_malformed_one() {
    let mut theirs: Vec<String> = (0..50).map(|number| format!("<{number}@mua.example.jp>")).collect();
    theirs.insert(3, "<evil@x>\r\nBcc: victim@example.org".into());
    theirs.insert(4, "no identifier".into());
    let facts = Envelope { references: &theirs, ..envelope() };
    let raw = finish(&words("x"), &facts).expect("a mail").raw;
    let mail = mailparse::parse_mail(&raw).expect("a mail");
    let field = mailparse::MailHeaderMap::get_first_value(&mail.headers[..], "References").expect("a thread");
    let ids: Vec<&str> = field.split_whitespace().collect();
    assert_eq!(ids.len(), hagaki::limits::REFERENCES);
    assert_eq!((ids[0], ids[1], ids[19]), ("<0@mua.example.jp>", "<32@mua.example.jp>", "<case001@mua.example.jp>"));
    assert!(!field_names(&raw).contains(&"Bcc".to_string()));
}

#[test]
fn addresses_beyond_ascii_are_marked_and_others_refused() {
    let facts = Envelope { to: "山田@example.jp", ..envelope() };
    let finished = finish(&words("x"), &facts).expect("a mail");
    assert!(finished.needs_smtputf8);
    let mail = MessageParser::default().parse(&finished.raw).expect("a mail");
    assert_eq!(mail.to().and_then(|to| to.first()).and_then(|to| to.address()), Some("山田@example.jp"));
    for to in ["", "a b@c", "a@b\r\nBcc: c@d", "a@b,c@d"] {
        assert!(finish(&words("x"), &Envelope { to, ..envelope() }).is_err(), "{to:?}");
    }
    assert!(finish(&words("x"), &Envelope { message_id: "<a@b>\r\nBcc: c", ..envelope() }).is_err());
}

#[test]
fn a_letter_that_can_be_stopped_says_where() {
    let head = |page: &str| {
        let letter = Composed { kind: Kind::Reminder, unsubscribe: Some(page.into()), ..words("x") };
        let raw = finish(&letter, &envelope()).expect("a mail").raw;
        String::from_utf8(raw).expect("ASCII").split("\r\n\r\n").next().unwrap_or_default().to_string()
    };
    let whole = head("https://hagaki.example.jp/u/17.abcdefghijklmnop");
    assert!(whole.contains("\r\nList-Unsubscribe: <https://hagaki.example.jp/u/17.abcdefghijklmnop>\r\n"), "{whole}");
    assert!(whole.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{whole}");
    // An address to write to stands behind it, on a line of its own.
    let letter =
        Composed { kind: Kind::Reminder, unsubscribe: Some("https://hagaki.example.jp/u/17.abc".into()), ..words("x") };
    for (address, written) in [
        ("reg+u.17.abc@example.jp", true),
        ("reg+u.17.abc@example.jp>, <mailto:b@example.jp", false),
        ("a?bcc=b@example.jp", false),
    ] {
        let raw = finish(&letter, &Envelope { unsubscribe: Some(address), ..envelope() }).expect("a mail").raw;
        let raw = String::from_utf8(raw).expect("ASCII");
        assert_eq!(
            raw.contains(&format!("/u/17.abc>,\r\n <mailto:{address}?subject=unsubscribe>\r\n")),
            written,
            "{raw}"
        );
        assert_eq!(raw.contains("mailto:"), written, "{raw}");
    }
    // RFC 8058 wants https; by http there is the page alone.
    let plain = head("http://localhost:8080/u/17.abcdefghijklmnop");
    assert!(plain.contains("List-Unsubscribe: <http:") && !plain.contains("List-Unsubscribe-Post"), "{plain}");
    for hostile in ["https://x\r\nBcc: b@example.jp", "https://x>, <https://y", "mailto:a@example.jp", ""] {
        assert!(!head(hostile).contains("List-Unsubscribe"), "{hostile}");
    }
    // Letters to the staff have nothing to stop.
    assert!(!String::from_utf8_lossy(&finish(&words("x"), &envelope()).expect("a mail").raw).contains("List-"));
}

proptest! {
    #[test]
    fn no_name_subject_or_text_adds_a_field_or_breaks_a_line(
        name in hostile(), from_name in hostile(), subject in hostile(), text in hostile(), html in hostile(),
        theirs in prop::collection::vec(hostile(), 0..4), answered in hostile(), study in hostile(),
    ) {
        let letter = Composed {
            kind: Kind::Refusal, language: Language::Ja, subject, text: text.clone(), html: Some(html), pictures: vec![],
            unsubscribe: None,
        };
        let facts = Envelope {
            to_name: &name, from_name: &from_name, references: &theirs, in_reply_to: Some(&answered), study: &study,
            ..envelope()
        };
        let finished = finish(&letter, &facts).expect("a mail");
        let expected = FIELDS.into_iter().chain(["MIME-Version", "Content-Type"]);
        let names = field_names(&finished.raw);
        let allowed: Vec<&str> = expected.filter(|field| names.iter().any(|name| name == field)).collect();
        prop_assert_eq!(&names, &allowed);
        prop_assert!(finished.raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
        let head = finished.raw.windows(4).position(|four| four == b"\r\n\r\n").expect("a header ends");
        prop_assert!(finished.raw[..head].iter().all(|byte| (0x20..0x7f).contains(byte) || matches!(byte, b'\r' | b'\n')));
        let mail = MessageParser::default().parse(&finished.raw).expect("a mail");
        let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address());
        prop_assert_eq!(to, Some("yamada@example.jp"));
        let parts = mailparse::parse_mail(&finished.raw).expect("a mail");
        prop_assert_eq!(parts.subparts.len(), 2);
    }
}

/// Text with what breaks headers: line ends, controls, quotes, encoded words, very long words.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\x00-\\x1f\\x7f-\\x9f\u{2028}a\"<>@,:;\\\\()=? 山]{0,40}",
        "(=\\?utf-8\\?B\\?[A-Za-z0-9=]{0,8}\\?=| |\r\nBcc: x@example.org\r\n\r\n){0,4}",
        "[a-z]{900,1100}",
        "(登録 ?){0,200}",
    ]
}
