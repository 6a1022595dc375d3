//! Levels of factors and strata: which answers they follow from, what an amendment changes of that, and which answers are missing
//! where a subject has none.
//!
//! Of arms and days that are known from before nothing is asked here: they follow from no form.

use std::collections::BTreeSet;

use super::allocation::SITE;
use super::expression::Expression;
use super::instrument::{Choices, Instrument, Item, ItemKind};
use super::language::Language;
use super::study::{Study, arm_name};
use super::text;

/// A calculation that a level follows from, and that an amendment changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalculated {
    /// Id of the factor or stratum.
    pub level: String,
    /// Id of the item that is calculated otherwise: that of the level, or one that it follows from.
    pub item: String,
    /// Its calculation before; none where it was typed.
    pub before: Option<String>,
    /// Its calculation now; none where it is typed.
    pub now: Option<String>,
}

/// What of these levels is calculated otherwise by the forms `now` than by those of `before`, each calculation once.
pub fn recalculated<'l>(
    before: &[&Instrument],
    now: &[&Instrument],
    levels: impl Iterator<Item = &'l str>,
) -> Vec<Recalculated> {
    let mut found: Vec<Recalculated> = Vec::new();
    for level in levels {
        for item in grounds(now, level) {
            // What it rested on before under no such name, a calculation that names it tells.
            let Some(old) = find(before, &item.id) else { continue };
            let (was, is) = (calculation(old), calculation(item));
            if was.map(tight) == is.map(tight) || found.iter().any(|one| one.item == item.id) {
                continue;
            }
            let [before, now] = [was, is].map(|expression| expression.map(|expression| expression.source.clone()));
            found.push(Recalculated { level: level.to_string(), item: item.id.clone(), before, now });
        }
    }
    found
}

/// Ids of the blank answers for want of which a subject has no such level; of the level itself where nothing that it is calculated
/// from is blank. `answered` says which answers there are.
pub fn wanting(forms: &[&Instrument], level: &str, answered: &dyn Fn(&str) -> bool) -> Vec<String> {
    let grounds = grounds(forms, level);
    let typed = grounds.iter().filter(|item| calculation(item).is_none() && !answered(&item.id));
    let blank: Vec<String> = typed.map(|item| item.id.clone()).collect();
    if blank.is_empty() { vec![level.to_string()] } else { blank }
}

/// The levels that subjects of a study can have, where answers, sites or arms are fixed.
pub fn fixed(study: &Study, id: &str) -> Option<Vec<String>> {
    if let Some(rules) = study.allocations().find(|rules| arm_name(rules.id) == id) {
        return Some(rules.arms.iter().map(|arm| arm.code.clone()).collect());
    }
    if id == SITE || study.registration.site_item.as_deref() == Some(id) {
        return Some(study.sites.iter().map(|site| site.code.clone()).collect());
    }
    match &study.find_item(id)?.kind {
        ItemKind::Choice(Choices::Listed(listed)) => Some(listed.iter().map(|choice| choice.code.clone()).collect()),
        ItemKind::YesNo => Some(["yes", "no"].map(str::to_string).to_vec()),
        ItemKind::Scale { low, high } if high.saturating_sub(*low) < 100 => {
            Some((*low..=*high).map(|step| step.to_string()).collect())
        }
        _ => None,
    }
}

/// What is wrong with these levels of a history: those that no subject of the study can have, where they are fixed, one line each.
pub fn unknown<'l>(study: &Study, levels: impl Iterator<Item = (&'l str, &'l str)>) -> Vec<String> {
    let told = |(id, level): (&str, &str)| {
        let known = fixed(study, id).filter(|known| !known.iter().any(|own| own == level))?;
        let wrong = format!("nobody can have \"{level}\" in the column \"{id}\"");
        let meant = study.find_item(id).and_then(|item| match &item.kind {
            ItemKind::Choice(Choices::Listed(listed)) => {
                let level = text::fold(level);
                let says = |choice: &&super::instrument::Choice| {
                    text::fold(&choice.code) == level
                        || [Language::Ja, Language::En]
                            .iter()
                            .any(|own| text::fold(choice.label.in_language(*own)) == level)
                };
                listed.iter().find(says).map(|choice| choice.code.clone())
            }
            _ => None,
        });
        Some(match meant {
            Some(code) => format!("{wrong}: write {code}"),
            None => format!("{wrong}: it is one of {}", known.join(", ")),
        })
    };
    levels.filter_map(told).collect()
}

/// Whether an item is calculated.
pub fn is_calculated(forms: &[&Instrument], id: &str) -> bool {
    find(forms, id).is_some_and(|item| calculation(item).is_some())
}

/// The items that people answer and from which one is calculated, in the order of the forms.
pub fn inputs<'i>(forms: &[&'i Instrument], id: &str) -> Vec<&'i Item> {
    grounds(forms, id).into_iter().filter(|item| calculation(item).is_none()).collect()
}

fn find<'i>(forms: &[&'i Instrument], id: &str) -> Option<&'i Item> {
    forms.iter().find_map(|form| form.find(id))
}

fn calculation(item: &Item) -> Option<&Expression> {
    match &item.kind {
        ItemKind::Calculation(expression) => Some(expression),
        _ => None,
    }
}

/// The item of that id and all it is calculated from, in the order of the forms; none for a site or an arm of before.
pub fn grounds<'i>(forms: &[&'i Instrument], id: &str) -> Vec<&'i Item> {
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        let Some(item) = find(forms, id).filter(|item| !ids.contains(item.id.as_str())) else { continue };
        ids.insert(&item.id);
        open.extend(calculation(item).into_iter().flat_map(Expression::names));
    }
    forms.iter().flat_map(|form| &form.items).filter(|item| ids.contains(item.id.as_str())).collect()
}

/// An expression without the blanks outside of its texts, which change nothing.
fn tight(expression: &Expression) -> String {
    let mut within = None;
    let kept = expression.source.chars().filter(|c| {
        match (within, c) {
            (None, '\'' | '"') => within = Some(*c),
            (Some(quote), c) if *c == quote => within = None,
            _ => {}
        }
        within.is_some() || !c.is_whitespace()
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, Bundle, samples};

    const CUT: &str = "isi >= 22 ? 'severe' : 'moderate'";

    /// The form of CYGNUS's second randomization, with that calculation and one that follows from it.
    fn response(calculation: &str) -> Instrument {
        let mut files = samples::cygnus().files().clone();
        let text = files.get_mut("instruments/response.toml").expect("its form");
        assert!(text.contains(CUT));
        *text = text.replace(CUT, calculation);
        text.push_str("\n[[items]]\nid = \"class\"\nkind = \"calculation\"\nlabel = { en = \"Class\", ja = \"級\" }\n");
        text.push_str("calculation = \"severity\"\n");
        let study = definition::load(&Bundle::from_files(files)).expect("sound").0;
        study.find_instrument("response").expect("its form").clone()
    }

    #[test]
    fn another_calculation_is_found_where_it_stands() {
        let before = response(CUT);
        let same = response("isi>=22 ? 'severe':  'moderate'");
        assert_eq!(recalculated(&[&before], &[&same], ["class", "site"].into_iter()), []);
        let now = response("isi >= 18 ? 'severe' : 'moderate'");
        let found = recalculated(&[&before], &[&now], ["responder", "class", "severity"].into_iter());
        let [only] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((only.level.as_str(), only.item.as_str()), ("class", "severity"));
        assert!(only.now.as_ref().is_some_and(|now| now.contains("18")));
    }

    #[test]
    fn what_is_wanting_is_what_people_can_answer() {
        let form = response(CUT);
        assert_eq!(wanting(&[&form], "class", &|_| false), ["isi"]);
        assert_eq!(wanting(&[&form], "class", &|_| true), ["class"]);
        assert_eq!(wanting(&[&form], "first_arm", &|_| false), ["first_arm"]);
        let from: Vec<&str> = inputs(&[&form], "class").into_iter().map(|item| item.id.as_str()).collect();
        assert_eq!(from, ["isi"]);
    }
}
