//! Letters of the calendar as a mail program shows them on a telephone, and as text.

use hagaki::domain::language::Language;
use hagaki::domain::time::{Instant, Zone};
use hagaki::letters::{Envelope, Kind, Stationery, finish, opened, samples};

use crate::chromium::{self, Chromium};

/// Columns of a line of text that is not folded: those of the shortest screens that show text alone.
const COLUMNS: usize = 76;

/// A mail program shows a letter below its subject, in a page of its own.
const IN_A_PROGRAM: &str = "(() => { const main = document.createElement('main'), subject = document.createElement('h1'); \
    subject.textContent = document.title; subject.style.fontSize = '20px'; \
    main.append(subject, ...document.body.childNodes); document.body.append(main); })()";

const KINDS: [Kind; 5] =
    [Kind::Invitation, Kind::Reminder, Kind::FollowUpDue, Kind::WeeklyReport, Kind::WeeklyReportUnblinded];

fn mailed(stationery: &Stationery, kind: Kind, language: Language) -> Vec<u8> {
    let letter = samples::sample(kind, language);
    let envelope = Envelope {
        study: "aurora",
        from: "reg@example.jp",
        from_name: "AURORA",
        to: "yamada@example.jp",
        to_name: "",
        reply_to: None,
        unsubscribe: None,
        message_id: "<20261120.0001@reg.example.jp>",
        in_reply_to: None,
        references: &[],
        at: Instant(1_795_133_100_000_000),
        zone: Zone::find("Asia/Tokyo").unwrap(),
    };
    finish(&stationery.compose(&letter).unwrap(), &envelope).unwrap().raw
}

#[test]
fn they_fit_a_telephone_and_keep_nobody_out() {
    if !chromium::is_there() {
        return;
    }
    let stationery = Stationery::load(&Default::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Chromium::start();
    browser.screen(360, 740);
    for language in Language::ALL {
        for kind in KINDS {
            let html = opened::open(&mailed(&stationery, kind, language)).html.expect("HTML");
            let name = format!("letter-{}-{}", kind.key(), language.code());
            let file = folder.path().join(format!("{name}.html"));
            std::fs::write(&file, html).unwrap();
            browser.open(&format!("file://{}", file.display()));
            browser.run(IN_A_PROGRAM);
            browser.look(&name);
            let shown = browser.run("[...document.images].every(image => image.complete && image.naturalWidth > 0)");
            assert_eq!(shown, serde_json::json!(true), "{name}: a picture is not shown");
        }
    }
}

/// Columns that a line takes: characters of East Asia take two.
fn columns(line: &str) -> usize {
    line.chars().map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum()
}

#[test]
fn their_tables_fit_lines_of_text() {
    let stationery = Stationery::load(&Default::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    for language in Language::ALL {
        for kind in KINDS.into_iter().chain([Kind::Unanswered]) {
            let text = opened::open(&mailed(&stationery, kind, language)).text;
            // Sentences are folded by whatever shows them; what is put in columns is not, but for addresses.
            let rows = text.lines().filter(|line| line.starts_with("  ") && !line.contains("https://"));
            for row in rows {
                assert!(columns(row) <= COLUMNS, "{} {language}: {row}", kind.key());
            }
        }
    }
}
