//! Every page of a survey, rendered strictly with samples: what `hagaki check` tries before a participant does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::web::questionnaire::filled::{self, Filled, NOBODY};
use crate::web::questionnaire::posted::Posted;

use super::{PAGES, head};
use crate::domain::answer::{Fault, FaultCode, Form};
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::{Stage, Study};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::letters::samples;

/// Renders the pages of a study's survey in its languages, empty, filled in, and with every answer faulty; how many there were.
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
            for (page, facts) in all(study, instrument, now, *language, &start) {
                let told = |error| format!("the page \"{page}\" in {language} cannot be rendered: {error}");
                PAGES.render(*language, page, facts).map_err(told)?;
                rendered += 1;
            }
        }
    }
    Ok(rendered)
}

fn all(
    study: &Study,
    instrument: &Instrument,
    now: Instant,
    language: Language,
    start: &dyn Fn() -> Value,
) -> Vec<(&'static str, Value)> {
    let mark = Mark([0; 16]);
    let mut pages = Vec::new();
    let (blank, invented) = (Form::default(), samples::invented_form(instrument, "", now.day_in(study.zone)));
    for (form, answers) in [(&blank, BTreeMap::new()), (&invented, invented.canonical())] {
        let posted = Posted::of_answers(instrument, &answers);
        let form = &faulty(instrument, form.clone());
        let faults: Vec<&Fault> = form.faults.iter().collect();
        for mends in [false, true] {
            let filled =
                Filled { study, instrument, form, posted: &posted, now, language, mends, files: true, person: &NOBODY };
            for at in 0..instrument.pages().len() {
                for faults in [&[][..], faults.as_slice()] {
                    let mut facts = start();
                    filled.page(&mut facts, &mark, at, faults, mends);
                    filled::put(&mut facts, "keeps", json!(true));
                    if mends {
                        for notice in ["again", "kept", "kept_before", "other_way"] {
                            filled::put(&mut facts, notice, json!(true));
                        }
                    }
                    pages.push(("form", facts));
                }
            }
            let mut facts = start();
            filled.review(&mut facts, &mark);
            pages.push(("review", facts));
        }
    }
    for flag in [false, true] {
        let mut facts = start();
        for key in ["before", "may_mend", "repeated"] {
            filled::put(&mut facts, key, json!(flag));
        }
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
    let mut facts = start();
    filled::put(&mut facts, "why", json!("…"));
    filled::put(&mut facts, "kept", json!([{ "name": "remark", "value": "…" }]));
    filled::put(&mut facts, "signs_in", json!("/"));
    pages.push(("over", facts));
    pages
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
