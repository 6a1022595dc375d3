//! `[[caps.cohort]]` of the statistician's file: kinds of subjects of whom only so many are taken.

use std::collections::BTreeMap;

use super::bundle::ALLOCATION;
use super::document::{Report, Section, Source};
use super::instrument_file::InstrumentFile;
use super::rules::{self, Place};
use super::study_file::{Codes, StudyFile, compile};
use crate::domain::allocation::SITE;
use crate::domain::cohort::Cohort;
use crate::domain::expression::Type;
use crate::domain::language::Text;
use crate::limits;

/// The cohorts, their rules checked against the registration's items, which `types` tells, and the site.
pub(super) fn read(
    content: &str,
    study: &StudyFile,
    registration: Option<(&InstrumentFile, &BTreeMap<String, Type>)>,
    report: &Report,
) -> Vec<Cohort> {
    let source = Source::new(ALLOCATION, content);
    // What is wrong with the rest of the file is told by its own reader.
    let silent = Report::default();
    let Some(table) = source.parse(&silent) else { return Vec::new() };
    let root = Section::whole(&source, report, &table);
    let Some(caps) = root.section("caps") else { return Vec::new() };
    let mut ids = Codes::default();
    let mut cohorts = Vec::new();
    for section in caps.sections("cohort") {
        let id = section.need_name("id", "elderly", '_');
        ids.add_key(&section, "id", &id);
        let name: Option<Text> = section.wording("name", &study.languages);
        let written = section.need_text("when", "age >= 65");
        let when = compile(&section, "when", &written);
        let cap = section.count("cap");
        if cap.is_none() && !section.has("cap") {
            section.wrong("cap", "is missing", "write the greatest number of subjects, such as 40");
        }
        let notify = read_notify(&section);
        if let (Some(when), Some((read, types))) = (&when, registration) {
            let mut types = types.clone();
            if let Some(site) = study.registration.value.site_item.as_ref().and_then(|item| types.get(item).cloned()) {
                types.entry(SITE.to_string()).or_insert(site);
            }
            let place = Place { file: ALLOCATION, line: section.line_of("when"), key: section.key("when") };
            rules::check_cohort(when, &place, read, &types, report);
        }
        if let (Some(when), Some(cap)) = (when, cap) {
            cohorts.push(Cohort { id, name, when, cap, notify });
        }
        section.close();
    }
    if cohorts.len() > limits::COHORTS {
        caps.wrong("cohort", format!("there are more than {} cohorts", limits::COHORTS), "");
    }
    cohorts
}

/// `notify = "80%"`, or the number alone.
fn read_notify(section: &Section) -> Option<u32> {
    if !section.has("notify") {
        return None;
    }
    let text = section.text("notify", "80%")?;
    let percent = text.trim().trim_end_matches(['%', '％']).trim().parse::<u32>().ok();
    let sound = percent.filter(|percent| (1..=100).contains(percent));
    if sound.is_none() {
        section.wrong("notify", format!("\"{text}\" is no part of the cap"), "write a percentage such as \"80%\"");
    }
    sound
}
