//! The letters that a study's calendar sends: each case of them as it reads, and what they must not tell.

use hagaki::definition::{self, samples as bundles};
use hagaki::domain::language::Language;
use hagaki::domain::study::{Stage, Study};
use hagaki::domain::survey::{Access, Privacy};
use hagaki::letters::facts::{Facts, Head, Reminded, Reminder};
use hagaki::letters::{Composed, Letter, Stationery};

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
        assert_reads("reminder.anonymous", language, &write(&study, &reminded()));
        let password = write(&study, &Reminded { link: None, login: true, of: None, ..reminded() });
        assert_reads("reminder.password", language, &password);
        let study = wellbeing(Privacy::Named, Access::Members);
        let member = write(&study, &Reminded { link: None, account: Some(account), number: 1, ..reminded() });
        assert_reads("reminder.member", language, &member);
        // Whose link it is would tell whose answers come by it: a link that is given is not told.
        let study = wellbeing(Privacy::FullyAnonymous, Access::Credentials);
        let unknown = write(&study, &Reminded { login: true, ..reminded() });
        assert!(!shown(&unknown).contains("/a/"), "{}", unknown.text);
        assert_reads("reminder.fully-anonymous", language, &unknown);
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
