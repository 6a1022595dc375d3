//! What is poor about a further allocation beside the ones before it: caps that it cannot reach, and texts that tell an earlier arm.

use super::allocation_file::AllocationFile;
use super::bundle::{ALLOCATION, INSTRUMENTS, STUDY};
use super::document::{Section, Source};
use super::randomization::{Beside, Further};
use super::study_file::Located;
use crate::domain::deed::find_arm_told;
use crate::domain::instrument::Instrument;
use crate::domain::language::Text;
use crate::domain::study::{Arm, Blinding};

/// Warns of caps above the number of subjects whom the first allocation lets through.
pub(super) fn caps_are_met(beside: &Beside<'_>, (file, content): (&str, &str), read: &AllocationFile) {
    let Some(first) = beside.first else { return };
    let (source, silent) = (Source::new(file, content), super::document::Report::default());
    let table = source.parse(&silent);
    let root = table.as_ref().map(|table| Section::whole(&source, &silent, table));
    let warn = |keys: [&str; 2], wrong: String, most: u32| {
        let caps = root.as_ref().and_then(|root| root.section("caps"));
        let key = keys.into_iter().find(|key| caps.as_ref().is_some_and(|caps| caps.has(key))).unwrap_or(keys[0]);
        let line = caps.as_ref().map(|caps| caps.line_of(key));
        let right = format!("at most {most}, or no cap");
        beside.report.warn(file, line, format!("caps.{key}"), wrong, right);
    };
    let supply = match (first.caps.total, beside.study.planned_subjects) {
        (Some(total), _) => Some((total, format!("[caps] total of {ALLOCATION}"))),
        (None, Some(planned)) => Some((planned, format!("planned_subjects of {STUDY}"))),
        (None, None) => None,
    };
    if let Some((most, place)) = supply {
        let never = |cap: u32| format!("is {cap}, and {most} subjects come at most ({place}): it closes nothing");
        if let Some(total) = read.caps.total.filter(|total| *total > most) {
            warn(["total", "total"], never(total), most);
        }
        if let Some((_, cap)) = read.caps.arms.iter().find(|(_, cap)| *cap > most) {
            warn(["arm", "arms"], never(*cap), most);
        }
    }
    for site in &beside.study.sites {
        let most = site.value.cap.or(first.sites.of(&site.value.code));
        if let (Some(cap), Some(most)) = (read.sites.of(&site.value.code), most)
            && cap > most
        {
            let code = &site.value.code;
            let wrong =
                format!("is {cap} for the site {code}, where {most} subjects are enrolled at most: it closes nothing");
            warn(["site", "sites"], wrong, most);
            break;
        }
    }
}

/// In a blinded study everybody reads the title, the condition's message and the form of a further allocation: an earlier arm named there
/// could tell who has it.
pub(super) fn names_no_arm(beside: &Beside<'_>, own: &Located<Further>, before: &[&Arm]) {
    if beside.study.blinding != Blinding::Blinded {
        return;
    }
    let told = |text: &Text| {
        let arm = text.wordings().find_map(|(_, wording)| find_arm_told(before.iter().copied(), wording))?;
        Some(format!("names the arm \"{}\", and blinded staff read it: whoever comes here may have that arm", arm.code))
    };
    let right = "words that fit every arm";
    let message = own.value.condition.as_ref().map(|condition| ("message", &condition.value.message));
    for (key, text) in [("title", &own.value.title)].into_iter().chain(message) {
        if let Some(wrong) = told(text) {
            beside.report.warn(STUDY, Some(own.line), format!("{}.{key}", own.key), wrong, right);
        }
    }
    let form = beside.instruments.iter().find(|read| read.instrument.id == own.value.instrument);
    let Some(form) = form else { return };
    let file = format!("{INSTRUMENTS}{}.toml", own.value.instrument);
    if let Some(wrong) = texts(&form.instrument).into_iter().find_map(told) {
        beside.report.warn(&file, None, "", wrong, right);
    }
}

/// Every text of a form that somebody reads.
fn texts(instrument: &Instrument) -> Vec<&Text> {
    let mut texts = vec![&instrument.title];
    for item in &instrument.items {
        texts.push(&item.label);
        texts.extend(&item.help);
        texts.extend(item.names().map(|(_, name)| name));
    }
    texts
}
