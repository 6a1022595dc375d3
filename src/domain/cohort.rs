//! Cohorts: kinds of subjects of whom a study takes only so many.
//!
//! In charge of who is of which. That is a function of a subject's canonical answers and the day of its enrollment, so the
//! subjects on file can be counted anew whenever an amendment changes what a cohort is.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::allocation::SITE;
use super::answer::{self, Value};
use super::expression::{Expression, Scope, TODAY};
use super::instrument::ItemKind;
use super::language::{Language, Text};
use super::study::Study;

/// A kind of subjects of whom the study takes only so many.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// Short name, unique in the study.
    pub id: String,
    /// What people read; its id if none.
    pub name: Option<Text>,
    /// True for its subjects; names registration items and the site.
    pub when: Expression,
    /// Greatest number of subjects.
    pub cap: u32,
    /// Part of the cap, in percent, at which coordinator and statistician hear of it once.
    pub notify: Option<u32>,
}

/// Two cohorts are equal if the file says the same of them.
impl PartialEq for Cohort {
    fn eq(&self, other: &Cohort) -> bool {
        (&self.id, &self.when, self.cap, self.notify) == (&other.id, &other.when, other.cap, other.notify)
    }
}

impl Cohort {
    /// What people read.
    pub fn label(&self, language: Language) -> &str {
        self.name.as_ref().map_or(self.id.as_str(), |name| name.in_language(language))
    }

    /// Number of subjects at which people are told, from 1.
    pub fn threshold(&self) -> Option<u64> {
        Some((u64::from(self.cap) * u64::from(self.notify?)).div_ceil(100).max(1))
    }
}

/// Whether it can depend on the day who is of which.
pub fn look_at_the_day(study: &Study) -> bool {
    let looks = |rule: &Expression| rule.names().any(|name| name == TODAY);
    let calculates = |kind: &ItemKind| matches!(kind, ItemKind::Calculation(calculation) if looks(calculation));
    let items = &study.registration_instrument().items;
    study.cohorts.iter().any(|cohort| looks(&cohort.when)) || items.iter().any(|item| calculates(&item.kind))
}

/// For each cohort of the study whether a subject with these canonical answers, enrolled on that day, is of it. Where a rule
/// cannot be told (an item that was not asked yet when the subject was enrolled), it is not.
pub fn members(study: &Study, answers: &BTreeMap<String, String>, day: NaiveDate) -> Vec<bool> {
    if study.cohorts.is_empty() {
        return Vec::new();
    }
    let items = &study.registration_instrument().items;
    let mut scope = Scope::blank(items.iter().map(|item| item.id.as_str()).chain([SITE]), day);
    for item in items {
        let Some(text) = answers.get(&item.id) else { continue };
        let value = match &item.kind {
            ItemKind::Calculation(expression) => expression.value(&scope).ok().flatten(),
            kind => answer::of_canonical(kind, text),
        };
        if let Some(value) = value {
            scope.set(&item.id, &value);
        }
    }
    let site = study.registration.site_item.as_ref().and_then(|item| answers.get(item));
    if let (Some(site), false) = (site, items.iter().any(|item| item.id == SITE)) {
        scope.set(SITE, &Value::Choice(site.clone()));
    }
    study.cohorts.iter().map(|cohort| cohort.when.holds(&scope).unwrap_or(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_at_the_part_of_the_cap_rounded_up() {
        let when = Expression::compile("age >= 65").expect("sound");
        let cohort = |cap, notify| Cohort { id: "old".into(), name: None, when: when.clone(), cap, notify };
        for (cap, notify, threshold) in [
            (40, Some(80), Some(32)),
            (7, Some(80), Some(6)),
            (1, Some(1), Some(1)),
            (10, Some(100), Some(10)),
            (10, None, None),
        ] {
            assert_eq!(cohort(cap, notify).threshold(), threshold);
        }
    }
}
