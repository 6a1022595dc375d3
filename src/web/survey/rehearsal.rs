//! Every page of a survey, rendered strictly with samples: what `hagaki check` tries before a participant does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::web::questionnaire::filled::{self, Filled, NOBODY};
use crate::web::questionnaire::posted::Posted;

use super::visit::enrolling;
use super::{PAGES, head};
use crate::domain::answer::{self, Fault, FaultCode, Form, Known, Uploads};
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::{Stage, Study};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::letters::samples;
use crate::workflow::self_enrollment::Entrant;

/// Renders the pages of a study's survey in its languages, empty, filled in, and with every answer faulty; where participants enroll
/// themselves those by which they do, and then those of each arm. How many there were.
///
/// # Errors
/// The first page that cannot be rendered, and why.
pub fn rehearse(study: &Study, now: Instant) -> Result<usize, String> {
    let Some(survey) = &study.survey else { return Ok(0) };
    let Some(instrument) = study.find_instrument(&survey.instrument) else { return Ok(0) };
    let mut rendered = 0;
    for language in &study.languages {
        for guard in [None, Some("00")] {
            let start = || head((study, Stage::Development), "/a/sample", guard, *language);
            let mut render = |pages: Vec<(&'static str, Value)>| -> Result<(), String> {
                for (page, facts) in pages {
                    let told = |error| format!("the page \"{page}\" in {language} cannot be rendered: {error}");
                    PAGES.render(*language, page, facts).map_err(told)?;
                    rendered += 1;
                }
                Ok(())
            };
            if !study.enrolls_itself() {
                render(all(study, instrument, &Entrant::default(), now, *language, &start))?;
                continue;
            }
            let first = || {
                let mut facts = start();
                enrolling(&mut facts, study, *language);
                facts
            };
            let form = study.registration_instrument();
            render(all(study, form, &Entrant::default(), now, *language, &first))?;
            render(refusals(study, form, now, *language, &first))?;
            for entrant in entrants(study, now) {
                render(all(study, instrument, &entrant, now, *language, &start))?;
            }
        }
    }
    Ok(rendered)
}

/// Somebody of each arm, with invented answers to the registration; of a study that does not randomize, one without.
fn entrants(study: &Study, now: Instant) -> Vec<Entrant> {
    let site = study.sites.first().map_or("", |site| site.code.as_str());
    let form = samples::invented_form(study.registration_instrument(), site, now.day_in(study.zone));
    match study.scheme {
        Some(_) => study.arms.iter().map(|arm| Entrant::new(study, &form, Some(&arm.code))).collect(),
        None => vec![Entrant::new(study, &form, None)],
    }
}

/// What somebody reads who cannot enroll.
fn refusals(
    study: &Study,
    instrument: &Instrument,
    now: Instant,
    language: Language,
    start: &dyn Fn() -> Value,
) -> Vec<(&'static str, Value)> {
    let form = Form::default();
    let (posted, nobody) = (Posted::new(Vec::new()), Entrant::default());
    let filled = filled_by(study, instrument, (&form, &posted), &nobody, now, language);
    let messages: Vec<&str> = study.eligibility.iter().map(|one| one.message.in_language(language)).collect();
    let page = |mendable: bool| {
        let mut facts = start();
        filled.review(&mut facts, &Mark([0; 16]));
        filled::put(&mut facts, "reasons", json!(messages));
        filled::put(&mut facts, "mendable", json!(mendable));
        filled::put(&mut facts, "answering", json!(mendable));
        ("refused", facts)
    };
    [true, false].map(page).to_vec()
}

fn filled_by<'a>(
    study: &'a Study,
    instrument: &'a Instrument,
    (form, posted): (&'a Form, &'a Posted),
    entrant: &'a Entrant,
    now: Instant,
    language: Language,
) -> Filled<'a> {
    let (mends, files, person, told) = (false, true, &*NOBODY, &entrant.told);
    Filled { study, instrument, form, posted, now, language, mends, files, person, told }
}

/// A form without anything typed, and one with something for every item that is asked of that person.
fn forms(study: &Study, instrument: &Instrument, known: &Known, now: Instant) -> [(Form, BTreeMap<String, String>); 2] {
    let today = now.day_in(study.zone);
    let site = study.sites.first().map_or("", |site| site.code.as_str());
    let invented = samples::invented_form(instrument, site, today);
    if known.is_empty() {
        let answers = invented.canonical();
        return [(Form::default(), BTreeMap::new()), (invented, answers)];
    }
    let read = |answers: &BTreeMap<String, String>| {
        let lines = Posted::of_answers(instrument, answers).lines(instrument);
        answer::read_knowing(study, instrument, (&lines, &Uploads::new()), known, today)
    };
    let (blank, answers) = (BTreeMap::new(), invented.canonical());
    [(read(&blank), blank), (read(&answers), answers)]
}

fn all(
    study: &Study,
    instrument: &Instrument,
    entrant: &Entrant,
    now: Instant,
    language: Language,
    start: &dyn Fn() -> Value,
) -> Vec<(&'static str, Value)> {
    let mark = Mark([0; 16]);
    let mut pages = Vec::new();
    for (form, answers) in forms(study, instrument, &entrant.known, now) {
        let posted = Posted::of_answers(instrument, &answers);
        let form = &faulty(instrument, form);
        let faults: Vec<&Fault> = form.faults.iter().collect();
        for mends in [false, true] {
            let filled = filled_by(study, instrument, (form, &posted), entrant, now, language);
            let filled = Filled { mends, ..filled };
            for at in 0..instrument.pages().len() {
                for faults in [&[][..], faults.as_slice()] {
                    let mut facts = start();
                    filled.page(&mut facts, &mark, at, faults, mends);
                    filled::put(&mut facts, "keeps", json!(true));
                    if mends {
                        for notice in ["again", "kept", "kept_before", "other_way", "earlier"] {
                            filled::put(&mut facts, notice, json!(true));
                        }
                        filled::put(&mut facts, "enrolled", json!("…"));
                        let differs = json!([{ "label": "…", "on_file": "…", "here": "" }]);
                        filled::put(&mut facts, "overtaken", differs);
                        filled::put(&mut facts, "newer", json!({ "shown": filled.typed() }));
                        filled::put(&mut facts, "enrolled_receipt", json!("…"));
                    }
                    pages.push(("form", facts));
                }
            }
            let mut facts = start();
            filled.review(&mut facts, &mark);
            pages.push(("review", facts));
            for way in ["later", "to_link", "never"] {
                pages.push(("unsent", unsent(&filled, &mark, way, start())));
            }
        }
    }
    for flag in [false, true] {
        let mut facts = start();
        for key in ["may_mend", "repeated"] {
            filled::put(&mut facts, key, json!(flag));
        }
        filled::put(&mut facts, "told", json!("…"));
        filled::put(&mut facts, "next", json!(if flag { "…" } else { "" }));
        filled::put(&mut facts, "receipt", json!("ABCD-EFGH-IJKL"));
        filled::put(&mut facts, "day", json!("2026-11-20"));
        pages.push(("thanks", facts));
    }
    let mut facts = start();
    filled::put(&mut facts, "why", json!("…"));
    pages.push(("barred", facts));
    let mut facts = start();
    filled::put(&mut facts, "login", json!("abcd-efgh"));
    filled::put(&mut facts, "problem", json!("…"));
    pages.push(("sign_in", facts));
    for (others, unsure) in [(false, false), (false, true), (true, false)] {
        let mut facts = start();
        filled::put(&mut facts, "why", json!("…"));
        filled::put(&mut facts, "others", json!(others));
        filled::put(&mut facts, "unsure", json!(unsure));
        filled::put(&mut facts, "kept", json!([{ "name": "remark", "value": "…" }]));
        filled::put(&mut facts, "signs_in", json!("/"));
        pages.push(("over", facts));
    }
    pages
}

/// What is shown again of a form that is not taken.
fn unsent(filled: &Filled<'_>, mark: &Mark, way: &str, mut facts: Value) -> Value {
    filled.all_carried(&mut facts, mark);
    for key in ["later", "to_link"] {
        filled::put(&mut facts, key, json!(key == way));
    }
    for key in ["keeps", "kept", "kept_before", "newer", "not_a_link", "unsure"] {
        filled::put(&mut facts, key, json!(filled.mends));
    }
    for (key, value) in [("why", json!("…")), ("shown", json!(filled.typed())), ("at", json!("review"))] {
        filled::put(&mut facts, key, value);
    }
    facts
}

/// A form in which everything is wrong that can be, and everything doubtful.
fn faulty(instrument: &Instrument, form: Form) -> Form {
    let fault = |item: &str, code, expected: &str| Fault {
        item: item.to_string(),
        code,
        typed: "?".to_string(),
        expected: expected.to_string(),
    };
    let items = instrument.items.iter().filter(|item| item.kind.asks());
    let missing = items.map(|item| fault(&item.id, FaultCode::Missing, ""));
    let checks = instrument.checks.iter().filter_map(|check| Some((check, check.items.last()?)));
    let checks: Vec<Fault> = checks.map(|(check, last)| fault(last, FaultCode::Check, &check.id)).collect();
    Form { faults: missing.chain(checks.iter().cloned()).collect(), doubts: checks, ..form }
}
