//! Every word we send: snapshots, concealment, equality of the languages, the form that comes back.

use std::collections::{BTreeMap, BTreeSet};

use hagaki::domain::answer::{Fault, FaultCode, Form};
use hagaki::domain::file::{FileRule, FileType};
use hagaki::domain::instrument::{Choice, Choices, ItemKind};
use hagaki::domain::language::Language;
use hagaki::domain::receipt::{Receipt, Told};
use hagaki::domain::study::Stage;
use hagaki::letters::facts::{Facts, FormFacts, Head, Reader, Reason, Refusal};
use hagaki::letters::{Composed, Kind, Letter, Stationery, fields, samples};

use crate::letters_world as world;

pub(crate) fn stationery() -> Stationery {
    Stationery::load(&BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn shown(letter: &Composed) -> String {
    let html = letter.html.as_ref().map_or(String::new(), |html| format!("\n======== html\n{html}"));
    format!("Subject: {}\n======== text\n{}{html}", letter.subject, letter.text)
}

#[test]
fn every_letter_reads_as_it_did() {
    let stationery = stationery();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        for ((kind, language), mut letter) in samples::all() {
            let composed = stationery.compose(&letter).expect("it renders");
            insta::assert_snapshot!(format!("{}.{}", kind.key(), language.code()), shown(&composed));
            letter.head.study.development = true;
            let rehearsed = stationery.compose(&letter).expect("it renders");
            assert!(rehearsed.subject.starts_with("[TEST] [AURORA] "), "{}", rehearsed.subject);
            assert!(rehearsed.text.lines().next().is_some_and(|line| line.contains("TEST")), "{}", rehearsed.text);
            assert!(rehearsed.html.is_none_or(|html| html.contains("TEST")));
            assert!(!composed.text.contains("TEST") && !composed.subject.contains("TEST"));
            if kind == Kind::AssignmentOpen {
                let rehearsed = stationery.compose(&letter).expect("it renders");
                insta::assert_snapshot!(format!("{}.development.{}", kind.key(), language.code()), shown(&rehearsed));
            }
        }
        let study = world::study();
        for language in Language::ALL {
            for (index, (letter, _)) in world::letters(&study, language).iter().enumerate() {
                let composed = stationery.compose(letter).expect("it renders");
                let name = format!("blinded.{index:02}.{}.{}", letter.kind().key(), language.code());
                insta::assert_snapshot!(name, shown(&composed));
            }
        }
    });
}

#[test]
fn no_letter_to_a_blinded_person_holds_a_word_of_an_arm() {
    let stationery = stationery();
    let study = world::study();
    let mut named = 0;
    for language in Language::ALL {
        for (letter, person) in world::letters(&study, language) {
            let kind = letter.kind();
            assert!(kind.may_go_to(study.blinding, &person), "{kind:?} to {}", person.id);
            let words = shown(&stationery.compose(&letter).expect("it renders"));
            let found: Vec<_> = world::ARM_WORDS.iter().filter(|word| words.contains(*word)).collect();
            if kind.names_arm() {
                assert!(!found.is_empty(), "{kind:?} should name the arm");
                named += 1;
            } else {
                assert!(found.is_empty(), "{kind:?} in {language} tells {found:?}\n{words}");
            }
            let subject = &stationery.compose(&letter).expect("it renders").subject;
            assert!(world::ARM_WORDS.iter().all(|word| !subject.contains(word)), "{subject}");
            assert!(!subject.contains("A-0031") && !subject.contains("K-4711"), "{subject}");
        }
    }
    let (unblinded, _) = world::letters(&study, Language::En)
        .into_iter()
        .find(|(letter, _)| letter.kind() == Kind::NoticeUnblinded)
        .expect("a notice");
    for person in &study.people {
        let (head, facts) = (unblinded.head.clone(), unblinded.facts.clone());
        let letter = Letter::to(person, study.blinding, Language::En, head, facts);
        assert_eq!(letter.is_ok(), person.id == "kato", "{}", person.id);
    }
    assert_eq!(named, 9 * Language::ALL.len(), "nine of the letters name an arm, in each language");
}

#[test]
fn a_personal_answer_is_shown_to_nobody_but_in_the_senders_own_form() {
    let stationery = stationery();
    let study = world::study();
    let mut own = 0;
    for language in Language::ALL {
        for (letter, _) in world::letters(&study, language) {
            let words = shown(&stationery.compose(&letter).expect("it renders"));
            match letter.facts {
                Facts::Refusal(_) => own += usize::from(words.contains("A-0031")),
                _ => assert!(!words.contains("A-0031"), "{words}"),
            }
        }
    }
    // The faulty form has an empty reference; the refusal by reasons holds no form, because sending cannot help.
    assert_eq!(own, 0);
    let mut form = world::good_form();
    form.faults.push(world::faulty_form().faults.remove(1));
    let reader = Reader { study: &study, person: &study.people[0], today: Default::default(), language: Language::En };
    let filled = FormFacts::filled(&reader, study.registration_instrument(), &form);
    assert!(filled.lines.iter().any(|line| line.value == "A-0031"));
}

/// The names in a file, those of the languages' own sentences aside.
fn names(language: Language, path: &std::path::Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![path.join(language.code())];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let file = entry.expect("an entry").path();
            if file.is_dir() {
                folders.push(file);
            } else if file.extension().is_some_and(|extension| extension == "hbs") {
                let name = file.strip_prefix(path.join(language.code())).expect("below").display().to_string();
                let mut named = fields::named(&std::fs::read_to_string(file).expect("a text"));
                // Where a list puts its commas is each language's own affair.
                named.retain(|name| !name.starts_with('@'));
                found.insert(name, named);
            }
        }
    }
    found
}

#[test]
fn both_languages_have_the_same_templates_that_name_the_same_facts() {
    let templates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let english = names(Language::En, &templates);
    assert!(english.len() > 80, "{}", english.len());
    assert_eq!(english, names(Language::Ja, &templates));
}

#[test]
fn a_form_that_is_sent_back_holds_what_was_typed() {
    let study = world::study();
    let stationery = stationery();
    for language in Language::ALL {
        let letters = world::letters(&study, language);
        let (refusal, _) = letters.iter().find(|(letter, _)| letter.kind() == Kind::Refusal).expect("a refusal");
        let fields = stationery.fields(refusal).expect("it renders");
        let text = fields["form_text"].as_str().expect("a form");
        // As our reader takes it: comments dropped, indented lines belong to the answer above, the first colon parts.
        let mut read: BTreeMap<String, String> = BTreeMap::new();
        let mut last = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(more) = line.strip_prefix("  ") {
                let value = read.get_mut(&last).expect("a line above");
                value.push('\n');
                value.push_str(more);
            } else {
                let (key, value) = line.split_once(": ").expect(line);
                last = key.to_string();
                read.insert(last.clone(), value.to_string());
            }
        }
        let instrument = study.registration_instrument();
        assert_eq!(read.len(), instrument.items.len(), "{text}");
        let typed = |id: &str| read[instrument.find(id).expect("an item").label.in_language(language)].as_str();
        assert_eq!(typed("site_code"), "０１２");
        assert_eq!(typed("age"), "650");
        assert_eq!(typed("sex"), "<b>X</b>{{arm}}");
        assert_eq!(typed("consent_date"), "2026/2/30  Bcc: x");
        assert_eq!(typed("remarks"), "first\n\n> third: x\n--\n# fifth");
        // Marks stand above the wrong lines, and nowhere else.
        let marks = text.lines().zip(text.lines().skip(1)).filter(|(line, _)| line.starts_with("# ▲"));
        let marked: Vec<&str> = marks.map(|(_, below)| below.split(": ").next().expect("a key")).collect();
        let expected = ["subject_ref", "age", "sex", "consent_date"];
        assert_eq!(marked, expected.map(|id| instrument.find(id).expect("an item").label.in_language(language)));
        // The link opens a mail with that form.
        let link = fields["mailto"].as_str().expect("a link short enough");
        assert!(link.starts_with("mailto:reg%2Bborealis@example.jp?subject=%5BBOREALIS%5D%20"), "{link}");
        assert!(link.bytes().all(|byte| byte.is_ascii_graphic()) && link.len() <= hagaki::limits::MAILTO_CHARS);
        let body = link.split_once("&body=").expect("a body").1;
        let body = percent_decoded(body);
        let bare: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(body.ends_with("\r\n") && !body.replace("\r\n", "").contains(['\r', '\n']));
        let sent: Vec<&str> = body.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(sent, bare);
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '%' {
            bytes.push(u8::from_str_radix(&rest[1..3], 16).expect("two digits"));
            rest = &rest[3..];
        } else {
            bytes.push(c as u8);
            rest = &rest[1..];
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn what_somebody_typed_is_no_html_and_no_template() {
    let stationery = stationery();
    let study = world::study();
    for (letter, _) in world::letters(&study, Language::En) {
        let composed = stationery.compose(&letter).expect("it renders");
        let html = composed.html.unwrap_or_default();
        assert!(!html.contains("<b>X") && !html.contains("<i>somebody"), "{html}");
        if letter.kind() == Kind::Refusal && composed.text.contains("{{arm}}") {
            assert!(composed.text.contains("<b>X</b>{{arm}}"));
            assert!(html.contains("&lt;b&gt;X&lt;/b&gt;"));
        }
    }
}

#[test]
fn an_assignment_carries_a_receipt_that_checks() {
    let stationery = stationery();
    let study = world::study();
    let letters = world::letters(&study, Language::Ja);
    let composed = stationery.compose(&letters[0].0).expect("it renders");
    let claimed = Receipt::parse(&composed.text).expect("a receipt");
    assert!(claimed.check(world::KEY));
    assert_eq!(claimed.receipt.told, Told::Code("K-4711".into()));
    assert_eq!((claimed.receipt.subject.as_str(), claimed.receipt.allocation), ("B-0003", 3));
    assert_eq!((claimed.receipt.at, claimed.receipt.stage), (world::now(), Stage::Production));
    let quoted: String = composed.text.lines().map(|line| format!("> {line}\r\n")).collect();
    assert_eq!(Receipt::parse(&quoted).expect("a receipt"), claimed);
}

fn own(files: &[(&str, &str)]) -> Result<Stationery, Vec<hagaki::definition::problem::Problem>> {
    Stationery::load(&files.iter().map(|(path, source)| (path.to_string(), source.to_string())).collect())
}

#[test]
fn a_study_words_its_own_letters_file_by_file() {
    let path = "letters/ja/assignment-open/text.hbs";
    let stationery = own(&[(path, "{{subject}} は {{arm.name}} です。")]).unwrap_or_else(|all| panic!("{all:#?}"));
    let ours = stationery.compose(&samples::sample(Kind::AssignmentOpen, Language::Ja)).expect("it renders");
    assert!(ours.text.contains("A-0017 は 標準治療群 です。"));
    assert!(ours.text.contains("BEGIN HAGAKI RECEIPT"), "the frame stays");
    assert_eq!(ours.html, None, "HTML that the study did not word would contradict its text");
    let standard = crate::letters::stationery();
    for (kind, language) in [(Kind::AssignmentOpen, Language::En), (Kind::DuplicateOpen, Language::Ja)] {
        let letter = samples::sample(kind, language);
        assert_eq!(stationery.compose(&letter), standard.compose(&letter));
    }
}

#[test]
fn every_problem_of_a_studys_own_letters_is_told_at_once() {
    let Err(problems) = own(&[
        ("letters/ja/assignment-open/text.hbs", "line one\n{{arms.name}}"),
        ("letters/en/refusal/text.hbs", "{{#if typo}}x{{/if}}"),
        ("letters/en/help/text.hbs", "{{#if enrolls}}never closed"),
        ("letters/en/assignment-blinded/text.hbs", "{{arm.name}}"),
        ("letters/en/assignment-blinded/html.hbs", "{{{code}}}"),
        ("letters/en/notice-unblinded/subject.hbs", "{{subject}} {{arm.code}}"),
        ("letters/en/asignment-open/text.hbs", "x"),
        ("letters/fr/help/text.hbs", "x"),
        ("letters/en/help/body.hbs", "x"),
        ("letters/help.hbs", "x"),
    ]) else {
        panic!("a broken letter was taken")
    };
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expect = |part: &str| assert!(told.iter().any(|one| one.contains(part)), "{part} in {told:#?}");
    expect("letters/en/help/text.hbs");
    expect("letters/en/assignment-blinded/html.hbs: HTML is put in unescaped");
    expect("letters/en/notice-unblinded/subject.hbs: a subject line names `arm.code`");
    expect("did you mean assignment-open?");
    expect("letters/fr/help/text.hbs: there are no letters in this language");
    expect("letters/en/help/body.hbs: a letter has no such part");
    expect("letters/help.hbs: this is no letter's place");
    expect("letters/ja/assignment-open/text.hbs:2");
    expect("letters/en/refusal/text.hbs:1");
    expect("letters/en/assignment-blinded/text.hbs:1");
}

#[test]
fn every_letter_can_be_previewed_with_a_studys_own_names() {
    let stationery = stationery();
    let study = world::study();
    for language in Language::ALL {
        for kind in Kind::ALL {
            let person = &study.people[0];
            let now = world::now();
            let letter = samples::for_study(kind, &study, Stage::Development, person, world::SERVICE, now, language);
            assert_eq!(letter.kind(), kind);
            let composed = stationery.compose(&letter).unwrap_or_else(|fault| panic!("{fault}"));
            assert!(composed.subject.starts_with("[TEST] [BOREALIS] "), "{}", composed.subject);
            assert!(composed.text.contains(study.title.in_language(language)), "{}", composed.text);
        }
    }
}

#[test]
fn every_fault_of_every_kind_of_item_has_its_words() {
    let stationery = stationery();
    let mut study = world::study();
    let person = study.people[0].clone();
    let listed = || {
        Choices::Listed(vec![Choice {
            code: "1".into(),
            label: world::both("one", "一"),
            aliases: vec![],
            other: false,
        }])
    };
    let kinds = [
        ItemKind::Text { pattern: None },
        ItemKind::Note,
        ItemKind::Integer,
        ItemKind::Decimal { places: 2 },
        ItemKind::Date,
        ItemKind::Time,
        ItemKind::DateTime,
        ItemKind::YesNo,
        ItemKind::Choice(Choices::Sites),
        ItemKind::Choices(listed()),
        ItemKind::Scale { low: 0, high: 4 },
        ItemKind::File(FileRule { types: vec![FileType::Pdf], most_bytes: 5_000_000 }),
        ItemKind::Heading,
    ];
    let codes = [
        FaultCode::Missing,
        FaultCode::Range,
        FaultCode::Code,
        FaultCode::Type,
        FaultCode::Pattern,
        FaultCode::Date,
        FaultCode::Unknown,
        FaultCode::Conflict,
        FaultCode::Charset,
        FaultCode::Control,
        FaultCode::Empty,
        FaultCode::Quoted,
        FaultCode::Check,
        FaultCode::FileType,
        FaultCode::FileSize,
        FaultCode::FileEmpty,
        FaultCode::FileGone,
        FaultCode::FileRoom,
        FaultCode::FileWaiting,
    ];
    let items = kinds.into_iter().enumerate();
    study.instruments[0].items =
        items.map(|(index, kind)| world::item(&format!("i{index}"), "Label", "項目", kind)).collect();
    let mut ids: Vec<String> = study.instruments[0].items.iter().map(|item| item.id.clone()).collect();
    ids.push("body".into());
    for language in Language::ALL {
        let reader = Reader { study: &study, person: &person, today: Default::default(), language };
        for code in codes {
            let fault = |id: &String| Fault { item: id.clone(), code, typed: "TYPED".into(), expected: String::new() };
            let form = Form { faults: ids.iter().map(fault).collect(), ..Form::default() };
            let facts = Facts::Refusal(Refusal::new(&reader, &study.instruments[0], &form, &[]));
            let head = Head::new(&study, Stage::Production, &person, None, world::SERVICE, world::now(), language);
            let composed = stationery.compose(&Letter::new(language, head, facts));
            let text = composed.unwrap_or_else(|fault| panic!("{code:?}: {fault}")).text;
            assert_eq!(text.lines().filter(|line| line.starts_with("- ")).count(), ids.len(), "{text}");
            // A mark is one line, or the form could not be read again.
            assert!(text.lines().filter(|line| line.starts_with("# ▲")).count() >= 11, "{text}");
        }
        // Every reason by its own words.
        let reasons = [
            Reason::NotEligible(vec![]),
            Reason::StudyFull,
            Reason::SiteFull,
            Reason::StratumFull,
            Reason::Paused,
            Reason::Closed,
            Reason::EnrollmentEnded,
            Reason::NoKits,
            Reason::SiteNotOpen("2026-12-01".parse().unwrap()),
            Reason::SiteClosed("2026-11-19".parse().unwrap()),
            Reason::SiteNotTheirs("013".into()),
            Reason::NoRole,
        ];
        let mut words = BTreeSet::new();
        for reason in reasons {
            let refusal = Refusal::new(&reader, &study.instruments[0], &Form::default(), std::slice::from_ref(&reason));
            assert_eq!(
                refusal.form.is_some(),
                matches!(
                    reason,
                    Reason::NotEligible(_)
                        | Reason::Paused
                        | Reason::NoKits
                        | Reason::SiteNotOpen(_)
                        | Reason::SiteNotTheirs(_)
                )
            );
            let head = Head::new(&study, Stage::Production, &person, None, world::SERVICE, world::now(), language);
            let text = stationery.compose(&Letter::new(language, head, Facts::Refusal(refusal))).expect("words").text;
            words.insert(text.lines().find(|line| line.starts_with("- ")).expect("a reason").to_string());
        }
        assert_eq!(words.len(), 12);
    }
}
