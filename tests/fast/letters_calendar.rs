//! The letters that a study's calendar sends: each case of them as it reads, and what they must not tell.

use hagaki::definition::{self, samples as bundles};
use hagaki::domain::language::Language;
use hagaki::domain::study::{Stage, Study};
use hagaki::domain::survey::{Access, Privacy};
use hagaki::domain::time::Zone;
use hagaki::letters::facts::{Facts, Head, Reminded, Reminder, Silent, Tried, Unanswered, WeekCount, WeeklyReport};
use hagaki::letters::{Composed, Envelope, Kind, Letter, Stationery, finish, opened, samples};
use mail_parser::{MessageParser, MimeHeaders, PartType};

use crate::letters_world as world;

const LINK: &str = "https://hagaki.example.jp/a/abcdefghijklmnopqrstuvwxyz";
const SIGN_IN: &str = "https://hagaki.example.jp/s/wellbeing";

fn wellbeing(privacy: Privacy, access: Access) -> Study {
    let mut study = definition::load(&bundles::wellbeing()).expect("a sample").0;
    let survey = study.survey.as_mut().expect("it asks");
    (survey.privacy, survey.access) = (privacy, access);
    study
}

fn reminded<'a>() -> Reminded<'a> {
    Reminded {
        number: 3,
        of: Some(3),
        asked_on: Some("2026-11-13".parse().unwrap()),
        link: Some(LINK),
        login: false,
        sign_in: SIGN_IN,
        account: None,
        until: Some(world::now().plus_seconds(86_400)),
        saves: true,
        leaves: true,
        unsubscribe: "https://hagaki.example.jp/u/17.abcdefghijklmnop",
    }
}

fn words(stationery: &Stationery, study: &Study, language: Language, facts: Facts) -> Composed {
    let head = Head::new(study, Stage::Production, &study.people[0], None, world::SERVICE, world::now(), language);
    stationery.compose(&Letter::new(language, head, facts)).expect("it renders")
}

fn shown(letter: &Composed) -> String {
    let html = letter.html.as_ref().map_or(String::new(), |html| format!("\n======== html\n{html}"));
    format!("Subject: {}\n======== text\n{}{html}", letter.subject, letter.text)
}

fn assert_reads(name: &str, language: Language, letter: &Composed) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("calendar.{name}.{}", language.code()), shown(letter));
    });
}

#[test]
fn a_reminder_tells_each_the_way_that_is_theirs() {
    let stationery = crate::letters::stationery();
    let account = "https://hagaki.example.jp/account";
    for language in Language::ALL {
        let write = |study: &Study, reminded: &Reminded<'_>| {
            words(&stationery, study, language, Facts::Reminder(Reminder::new(study, reminded, language)))
        };
        let study = wellbeing(Privacy::Anonymous, Access::Credentials);
        let anonymous = write(&study, &reminded());
        assert_reads("reminder.anonymous", language, &anonymous);
        // As the page says it: the day, too, is seen, and how many are opened together.
        let batch = study.survey.as_ref().map(|survey| survey.batch).unwrap();
        let said = match language {
            Language::En => format!(
                "you answered and on which day. They read the answers, too, but cannot tell which are yours, unless your own words do: answers are locked away when they arrive, and opened only shuffled, {batch} or more together"
            ),
            Language::Ja => format!("{batch} 人分以上が集まってから順番を混ぜて開かれ"),
        };
        let whole = |text: &str| text.replace(['\n', ' '], "");
        assert!(whole(&anonymous.text).contains(&whole(&said)), "{}", anonymous.text);
        let password = write(&study, &Reminded { link: None, login: true, of: None, ..reminded() });
        assert_reads("reminder.password", language, &password);
        let study = wellbeing(Privacy::Named, Access::Members);
        let member = write(&study, &Reminded { link: None, account: Some(account), number: 1, ..reminded() });
        assert_reads("reminder.member", language, &member);
    }
}

#[test]
fn a_masked_reminder_lets_nobody_in() {
    let stationery = crate::letters::stationery();
    let study = wellbeing(Privacy::Named, Access::Credentials);
    for language in Language::ALL {
        let whole = Reminder::new(&study, &reminded(), language);
        let masked = whole.masked("https://hagaki.example.jp/");
        let secret = LINK.rsplit('/').next().expect("a secret");
        let [whole, masked] = [whole, masked].map(|facts| words(&stationery, &study, language, Facts::Reminder(facts)));
        assert!(shown(&whole).contains(secret));
        assert!(!shown(&masked).contains(secret), "{}", masked.text);
        assert_eq!(whole.text.replace(secret, "*****"), masked.text);
    }
}

#[test]
fn silence_names_no_page_that_is_closed_to_its_reader() {
    let stationery = crate::letters::stationery();
    let study = definition::load(&bundles::aurora()).expect("a sample").0;
    let event = study.find_event("week_4").expect("an event");
    let window = event.timing.as_ref().and_then(|timing| timing.window("2026-11-20".parse().unwrap()));
    let site = Silent::Site { subject: 17, event: Some((event, window)) };
    let tried = Tried { letters: 2, since: Some("2026-12-21".parse().unwrap()), failed: None };
    let refused = Tried { failed: Some("5.1.1"), ..tried };
    let pages = ["/c/aurora/participants", "/c/aurora/17"];
    for language in Language::ALL {
        for (id, silent, tried, shown) in [
            ("center", Silent::Participant(17), tried, [true, false]),
            ("stat", Silent::Participant(17), refused, [false, false]),
            ("center", site, refused, [false, true]),
            ("stat", site, tried, [false, false]),
        ] {
            let reader = study.people.iter().find(|person| person.id == id).expect("somebody");
            let facts = Unanswered::new(&study, reader, silent, tried, "https://hagaki.example.jp/", language);
            let letter = words(&stationery, &study, language, Facts::Unanswered(facts));
            let text = &letter.text;
            assert_eq!(pages.map(|page| text.contains(&format!("https://hagaki.example.jp{page}\n"))), shown, "{text}");
            assert_eq!(text.contains("5.1.1"), tried.failed.is_some(), "{text}");
            let named = matches!(silent, Silent::Site { .. });
            assert_eq!(
                text.contains("AURORA-0017") && text.contains("2026-12-18 ("),
                named && language == Language::En
            );
            assert!(!letter.subject.contains("17"), "{}", letter.subject);
        }
    }
}

fn report() -> WeeklyReport {
    let Facts::WeeklyReport(report) = samples::sample(Kind::WeeklyReport, Language::En).facts else {
        panic!("the sample of a weekly report")
    };
    *report
}

/// The finished mail of a weekly report.
fn mailed(report: &WeeklyReport) -> Vec<u8> {
    let study = wellbeing(Privacy::Named, Access::Credentials);
    let facts = Facts::WeeklyReport(Box::new(report.clone()));
    let composed = words(&crate::letters::stationery(), &study, Language::En, facts);
    let envelope = Envelope {
        study: "wellbeing",
        from: "reg@example.jp",
        from_name: "",
        to: "office@example.jp",
        to_name: "",
        reply_to: None,
        unsubscribe: None,
        message_id: "<20261116.0001@reg.example.jp>",
        in_reply_to: None,
        references: &[],
        at: world::now(),
        zone: Zone::find("Asia/Tokyo").expect("a zone"),
    };
    finish(&composed, &envelope).expect("a mail").raw
}

/// A picture of a mail: its width, and each line's points as colors.
fn decoded(png: &[u8]) -> Vec<Vec<[u8; 3]>> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut points = vec![0; reader.output_buffer_size().expect("it fits")];
    let frame = reader.next_frame(&mut points).expect("its points");
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    let line = usize::try_from(frame.width).unwrap() * 3;
    points.chunks(line).map(|line| line.chunks(3).map(|one| [one[0], one[1], one[2]]).collect()).collect()
}

/// The pictures of a mail in their order, each as what it shows.
fn pictures(raw: &[u8]) -> Vec<Vec<Vec<[u8; 3]>>> {
    let mail = MessageParser::default().parse(raw).expect("a mail");
    let shown = mail.parts.iter().filter_map(|part| match &part.body {
        PartType::InlineBinary(png) | PartType::Binary(png) => Some(decoded(png)),
        _ => None,
    });
    shown.collect()
}

const BLUE: [u8; 3] = [0x0b, 0x57, 0xa4];
const ORANGE: [u8; 3] = [0xc7, 0x53, 0x00];

#[test]
fn a_weekly_report_brings_its_pictures_in_it() {
    let raw = mailed(&report());
    assert!(raw.is_ascii() && raw.len() < 40_000, "{} bytes", raw.len());
    assert_eq!(raw, mailed(&report()), "the same letter is the same bytes");
    let mail = MessageParser::default().parse(&raw).expect("a mail");
    let kinds: Vec<String> = mail
        .parts
        .iter()
        .map(|part| {
            let kind = part.content_type().expect("a type");
            format!("{}/{}", kind.ctype(), kind.subtype().expect("a subtype"))
        })
        .collect();
    let expected = ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png", "image/png"];
    assert_eq!(kinds, expected);
    let related = mail.parts[2].content_type().expect("a type");
    assert_eq!(related.attribute("type"), Some("text/html"));
    // Every picture is named by the HTML, and every name is that of one.
    let html = mail.body_html(0).expect("HTML").to_string();
    let named: Vec<&str> = html.split("cid:").skip(1).map(|rest| rest.split('"').next().expect("a name")).collect();
    let brought: Vec<&str> = mail.parts.iter().filter_map(MimeHeaders::content_id).collect();
    assert_eq!((named.len(), &named), (2, &brought));
    // The text says what they show.
    let text = mail.body_text(0).expect("a text");
    for part in ["2026-09-27: 1 new, 1 in all", "2026-11-15: 3 new, 14 in all", "14 of 96 planned (15 %)", "78 (65 %)"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Shown on a page, they stand in the HTML themselves.
    let opened = opened::open(&raw).html.expect("HTML");
    assert_eq!((opened.matches("src=\"data:image/png;base64,").count(), opened.contains("cid:")), (2, false));
}

#[test]
fn the_pictures_show_what_they_are_of() {
    let mut report = report();
    let enrollment = report.enrollment.as_mut().expect("an enrollment");
    let week = |day: &str, count, total| WeekCount { day: day.into(), count, total };
    enrollment.course = vec![week("2026-11-01", 10, 10), week("2026-11-08", 0, 10), week("2026-11-15", 10, 20)];
    (enrollment.total, enrollment.planned, enrollment.highest) = (20, 40, 40);
    let survey = report.survey.as_mut().expect("a survey");
    (survey.answered, survey.waiting, survey.to_come, survey.over, survey.left) = (25, 25, 0, 50, 0);
    let shown = pictures(&mailed(&report));
    let [curve, bar] = &shown[..] else { panic!("{} pictures", shown.len()) };
    let width = curve[0].len();
    // The highest line of a color in the middle of a week: of a first, a second and a third.
    let top = |color: [u8; 3], week: usize| curve.iter().position(|line| line[width * (2 * week + 1) / 6] == color);
    let [first, second, third] = [0, 1, 2].map(|week| top(BLUE, week).expect("a curve"));
    let floor = curve.len() - 4;
    assert_eq!(first, second, "nobody came");
    // Twice as many stand twice as high, and forty would stand at the planned line.
    assert_eq!((floor - third), 2 * (floor - first));
    let planned = curve.iter().position(|line| line[1] == ORANGE).expect("a line for how many are planned");
    assert_eq!(floor - planned, 2 * (floor - third));
    let quarters: Vec<[u8; 3]> = [1, 3, 5, 7].map(|eighth| bar[10][width * eighth / 8]).into();
    assert_eq!((quarters[0], quarters[2], quarters[3]), (BLUE, ORANGE, ORANGE));
    assert!(quarters[1] != BLUE && quarters[1] != ORANGE);
    // Of a study that plans no number there is no such line, and of nobody a bar that says nothing.
    let enrollment = report.enrollment.as_mut().expect("an enrollment");
    (enrollment.planned, enrollment.highest) = (0, 20);
    report.survey.as_mut().expect("a survey").unknown = true;
    let shown = pictures(&mailed(&report));
    assert_eq!(shown.len(), 1);
    assert!(shown[0].iter().flatten().all(|point| *point != ORANGE));
}
