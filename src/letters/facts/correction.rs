//! Facts of corrections: what is to be corrected, what is unusual of it, which names mean no item, and which there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::form::{FaultLine, Reader, UnknownKey, key_of, shown_value, typed_items};
use super::randomization::RandomizationName;
use super::short;
use crate::domain::deed::{Misname, Misnamed};
use crate::domain::instrument::Instrument;
use crate::domain::language::{Language, Text};
use crate::domain::study::{Randomization, Study};
use crate::limits;

/// One item to be corrected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Title of the further allocation whose form asks for it; empty for the registration's.
    #[serde(default)]
    pub randomization: String,
    /// Its label.
    pub label: String,
    /// Whether the values may be shown.
    pub shown: bool,
    /// As registered; empty where not shown or not answered.
    pub was: String,
    /// What would have been right; empty where not shown.
    pub is: String,
}

impl Change {
    /// Items with their registered and their right canonical values, in the order of the form; personal ones are not shown.
    pub fn list(
        reader: &Reader<'_>,
        instrument: &Instrument,
        registered: &BTreeMap<String, String>,
        right: &BTreeMap<String, String>,
    ) -> Vec<Change> {
        let changed = instrument.items.iter().filter_map(|item| Some((item, right.get(&item.id)?)));
        changed
            .map(|(item, right)| {
                let value = |value: Option<&String>| match value {
                    Some(value) if !item.personal => shown_value(reader.study, item, value, reader.language),
                    _ => String::new(),
                };
                Change {
                    randomization: String::new(),
                    label: short(item.label.in_language(reader.language)),
                    shown: !item.personal,
                    was: value(registered.get(&item.id)),
                    is: value(Some(right)),
                }
            })
            .collect()
    }

    /// The same of the form of a further allocation of that title.
    #[must_use]
    pub fn of(self, title: &Text, language: Language) -> Change {
        Change { randomization: short(title.in_language(language)), ..self }
    }
}

/// What was read of a correction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadCorrection {
    /// What is to be corrected.
    pub changes: Vec<Change>,
    /// What is unusual of it.
    pub doubts: Vec<FaultLine>,
    /// What was named with the value that is on file.
    pub same: Vec<Change>,
    /// Lines that match no item, and were not used.
    pub unused: Vec<UnknownKey>,
}

/// A name that means no item which can be corrected: the templates `misname-<key>` word it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MisnamedLine {
    /// Label of the item; the name as typed where it is none.
    pub label: String,
    /// Name of the template that words it.
    pub partial: String,
    /// Labels of the items that it is calculated from.
    pub from: Vec<String>,
    /// The randomizations whose forms have it.
    pub randomizations: Vec<RandomizationName>,
}

impl MisnamedLine {
    /// Why that name means no item.
    pub fn new(study: &Study, misnamed: &Misnamed, language: Language) -> MisnamedLine {
        let label = |id: &str| study.find_item(id).map(|item| short(item.label.in_language(language)));
        let Misnamed { name, why } = misnamed;
        let bare = name.split_once('.').filter(|(form, _)| study.find_randomization(form).is_some());
        let (randomizations, from) = match why {
            Misname::Unknown => (&[][..], &[][..]),
            Misname::Calculated(from) => (&[][..], from.as_slice()),
            Misname::NotThere(ids) | Misname::Several(ids) => (ids.as_slice(), &[][..]),
        };
        let own = randomizations.iter().filter_map(|id| study.find_randomization(id));
        MisnamedLine {
            label: label(bare.map_or(name.as_str(), |(_, item)| item)).unwrap_or_else(|| short(name)),
            partial: format!("misname-{}", why.key()),
            from: from.iter().filter_map(|id| label(id)).collect(),
            randomizations: own.map(|own| RandomizationName::new(own, language)).collect(),
        }
    }
}

/// The names of the items of one form that can be corrected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormNames {
    /// Title of the further allocation whose form it is; empty for the registration.
    pub randomization: String,
    /// What our reader takes, in the order of the form.
    pub names: Vec<String>,
    /// Whether there are more.
    pub more: bool,
}

impl FormNames {
    /// Those of a form: that of the registration, or of a further randomization.
    pub fn new(own: Option<&Randomization>, instrument: &Instrument, language: Language) -> FormNames {
        let items = typed_items(instrument);
        FormNames {
            randomization: own.map_or_else(String::new, |own| short(own.title.in_language(language))),
            names: items.take(limits::ITEMS_NAMED).map(|item| short(&key_of(item, language))).collect(),
            more: typed_items(instrument).nth(limits::ITEMS_NAMED).is_some(),
        }
    }
}
