//! What makes a subject the same: its site's own reference, folded, with the site where references are unique only there.

use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, rescreen};
use crate::domain::answer::Form;
use crate::domain::study::{PARTICIPANT, Person, Study, UniqueWithin};
use crate::domain::text;
use crate::store::subject::{self, SubjectRow};

/// The site a form names: the only site of a study without a site item.
pub fn site_of(study: &Study, form: &Form) -> Option<String> {
    match &study.registration.site_item {
        Some(item) => form.value(item),
        None => study.sites.first().map(|site| site.code.clone()),
    }
}

/// The business key of a form's subject: folded, so that `a-0031` and `Ａ－００３１` are one subject.
pub(super) fn reference_key(study: &Study, site: &str, form: &Form) -> Option<String> {
    Some(key_of(study, site, &form.value(&study.registration.subject_item)?))
}

/// The business key of a participant who enrolls themself: of nothing that they type, so that there is one subject of each,
/// whatever is typed. Where somebody of the staff enrolls there are none such.
pub(super) fn participant_key(number: i64) -> String {
    format!("{PARTICIPANT}/{number}")
}

/// The business key of the subject that a site calls so.
pub fn key_of(study: &Study, site: &str, reference: &str) -> String {
    let reference = text::fold_tight(reference);
    match study.registration.unique_within {
        UniqueWithin::Study => reference,
        UniqueWithin::Site => format!("{site}/{reference}"),
    }
}

/// The keys under which a person may have enrolled a subject of that (folded) reference.
pub fn possible_keys(study: &Study, person: &Person, reference: &str) -> Vec<String> {
    match study.registration.unique_within {
        UniqueWithin::Study => vec![reference.to_string()],
        UniqueWithin::Site => study
            .sites
            .iter()
            .filter(|site| person.acts_for(&site.code))
            .map(|site| format!("{}/{reference}", site.code))
            .collect(),
    }
}

/// The business key of the subject that a form names, if it names one.
pub fn key_of_form(study: &Study, form: &Form) -> Option<String> {
    site_of(study, form).and_then(|site| reference_key(study, &site, form))
}

/// The subject on file that a form names, if there is one: of a form that screens somebody again, what came of it before.
///
/// # Errors
/// The database.
pub async fn find_known(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    person: &Person,
    form: &Form,
) -> Result<Option<SubjectRow>, Failure> {
    if form.rescreens.is_some() {
        let again = rescreen::judge(&mut ledger.tx, shelved.id, &shelved.study, person, form).await?;
        return Ok(again.ok().flatten().and_then(|again| again.done));
    }
    let Some(key) = key_of_form(&shelved.study, form) else { return Ok(None) };
    Ok(subject::find_by_reference(&mut ledger.tx, shelved.id, &key).await?)
}
